"""What batches left of their documents → tables in the order of the content keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import schema
from dedup.kernels import moving
from dedup.spill import trim
from dedup.stores import Columns, Rows, Shuffle

_Int = npt.NDArray[np.int64]

_LARGE = 1 << 20  # bytes of a column from which it pays to give them back at once


def sort(parts: Shuffle, tables: tuple[Rows | Columns, ...], give_back: Callable[[], None] = trim) -> None:
    """Append what the parts hold, by content key and id; one column at a time is there twice.

    Parameters
    ----------
    parts : of tables as `tables` wants them, of which the first has the columns content_key and doc_id
    give_back : gives freed memory back
    """
    for part in parts.parts():
        order = pc.sort_indices(part[0], [("content_key", "ascending"), ("doc_id", "ascending")])
        for grown in tables:
            fields, columns = part[0].schema, part.pop(0).columns
            ranked = []
            while columns:
                size = columns[0].nbytes
                ranked.append(take_values(columns.pop(0), order))
                if size > _LARGE:
                    give_back()
            grown.append(pa.Table.from_arrays(ranked, schema=fields))


def take_values(column: pa.ChunkedArray, rows: pa.Array) -> pa.ChunkedArray:
    """Return some values of a column, as `schema.take_values` does.

    Lists of numbers go to their places chunk by chunk: Arrow makes one chunk of all beforehand.

    Parameters
    ----------
    rows : integers, without nulls
    """
    if column.num_chunks < 2 or not schema.holds_numbers(column):
        return schema.take_values(column, rows)
    kind, wanted = column.type, rows.to_numpy()
    width = kind.value_type.bit_width // 8
    lengths = np.concatenate([np.diff(chunk.offsets) for chunk in column.chunks])
    offsets = np.concatenate(([0], np.cumsum(lengths[wanted])))
    values = pa.allocate_buffer(int(offsets[-1]) * width)
    out = np.frombuffer(values, np.uint8)
    by_row = np.argsort(wanted, kind="stable")
    first = 0
    for chunk in column.chunks:
        here = by_row[slice(*np.searchsorted(wanted, (first, first + len(chunk)), sorter=by_row))]
        row = wanted[here] - first
        starts = chunk.offsets.to_numpy()[row] + chunk.values.offset
        data: Any = np.frombuffer(chunk.values.buffers()[1] or b"", np.uint8)
        moving.move(data, starts * width, lengths[wanted[here]] * width, offsets[here] * width, out)
        first += len(chunk)
    moved = pa.Array.from_buffers(kind.value_type, int(offsets[-1]), [None, values])
    return pa.chunked_array([pa.Array.from_buffers(kind, len(rows), [None, pa.py_buffer(offsets)], children=[moved])])
