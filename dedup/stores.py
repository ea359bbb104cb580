"""Tables that grow row by row, and rows sorted in parts: in memory as long as they fit, else in temporary files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema
from dedup.spill import File, Spill, trim

_Int = npt.NDArray[np.int64]

PARTS = 128  # into which a shuffle deals its rows
_ROWS_AT_ONCE = 8192  # that it deals
_SORTED_AT_ONCE = 1 << 18  # values


class Columns:
    """A table that grows, with one chunk a column: values of lists go to a file when documents are on disk.

    Parameters
    ----------
    fields : fixed-width columns, strings, and lists of numbers without nulls
    """

    def __init__(self, spill: Spill, fields: pa.Schema) -> None:
        self._fields = fields
        lists = [field for field in fields if _is_list(field.type)] if spill.on_disk else []
        self._files = {field.name: File(spill.folder) for field in lists}
        self._lengths: dict[str, list[_Int]] = {field.name: [np.empty(0, np.int64)] for field in lists}
        self._rest = [fields.empty_table().drop_columns(list(self._files))]

    def append(self, table: pa.Table) -> None:
        """Add rows below; the columns are those of the schema, in any order."""
        for name, file in self._files.items():
            if pa.types.is_fixed_size_list(self._fields.field(name).type):
                file.write(schema.matrix(table[name]))
                continue
            values, offsets = schema.ragged(table[name])
            file.write(values)
            self._lengths[name].append(np.diff(offsets))
        self._rest.append(table.select(self._rest[0].column_names))

    def table(self) -> pa.Table:
        """Return all rows; usable once."""
        filled = [part for part in self._rest if len(part)]
        whole = filled[0] if len(filled) == 1 else pa.concat_tables(self._rest)
        rest = dict(zip(whole.column_names, whole.columns, strict=True))
        self._rest.clear()
        del filled, whole  # one column at a time is there twice
        columns = []
        for field in self._fields:
            if field.name not in self._files:
                columns.append(schema.one_chunk(rest.pop(field.name)))
                continue
            file, item = self._files[field.name], field.type.value_type
            values = pa.Array.from_buffers(item, file.size * 8 // item.bit_width, [None, pa.py_buffer(file.map())])
            if pa.types.is_fixed_size_list(field.type):
                columns.append(pa.FixedSizeListArray.from_arrays(values, field.type.list_size))
            else:
                offsets = np.concatenate(([0], np.cumsum(np.concatenate(self._lengths[field.name]))))
                columns.append(pa.LargeListArray.from_arrays(pa.array(offsets), values))
        return pa.Table.from_arrays(columns, schema=self._fields)


class Rows:
    """A table that grows, of any types, in as many chunks as were added; these go to a file likewise."""

    def __init__(self, spill: Spill, fields: pa.Schema) -> None:
        self._fields = fields
        self._file = File(spill.folder) if spill.on_disk else None
        self._places: list[tuple[int, int]] = []
        self._held: list[pa.Table] = []

    def append(self, table: pa.Table) -> None:
        """Add rows below; the columns are those of the schema, in their order."""
        if self._file is None:
            self._held.append(table)
        else:
            self._places += [self._file.write_batch(batch) for batch in table.combine_chunks().to_batches()]

    def table(self) -> pa.Table:
        """Return all rows; nothing may be added afterwards."""
        if self._file is None:
            return pa.concat_tables([self._fields.empty_table(), *self._held] if not self._held else self._held)
        mapped = pa.py_buffer(self._file.map())
        batches = [pa.ipc.read_record_batch(mapped.slice(*place), self._fields) for place in self._places]
        return pa.Table.from_batches(batches, self._fields)


class Shuffle:
    """Rows dealt out by the leading bits of a key and handed back part by part, in the order of these bits.

    Where keys are hashes the parts are of one size, so that a corpus of any size is sorted by sorting each. As long as
    the rows take less than an eighth of the memory (a 64th, once documents are on disk), they stay there and are one
    part; more go to a file.
    """

    def __init__(self, spill: Spill) -> None:
        self._spill = spill
        self._held: list[tuple[Sequence[pa.Table], npt.NDArray[np.uint64]]] = []
        self._bytes = 0
        self._file: File | None = None
        self._places: list[list[list[tuple[int, int]]]] = []  # by part and table
        self._fields: list[pa.Schema] = []

    def add(self, tables: Sequence[pa.Table | pa.RecordBatch], key: npt.NDArray[np.uint64]) -> None:
        """Take some rows, of which each table holds some columns.

        Parameters
        ----------
        tables : of n rows each, the same schemas in every call
        key : uint64[n]
        """
        whole = [table if isinstance(table, pa.Table) else pa.Table.from_batches([table]) for table in tables]
        self._held.append((whole, key))
        self._bytes += sum(table.nbytes for table in whole)
        if self._bytes > self._spill.memory // (64 if self._spill.on_disk else 8):
            self._flush()

    def parts(self) -> Iterator[list[pa.Table]]:
        """Yield the tables of each part that has rows, which come in the order they were added; usable once."""
        if self._file is None:
            whole = self._together([tables for tables, _ in self._held])
            self._held.clear()
            if whole:
                yield whole  # and hold nothing of it here, so that it can be sorted table by table
            return
        self._flush()
        for places in self._places:
            if places[0]:
                yield [
                    pa.Table.from_batches([self._file.read_batch(place, fields) for place in pieces], fields)
                    for pieces, fields in zip(places, self._fields, strict=True)
                ]

    def _flush(self) -> None:
        if not self._held:
            return
        if self._file is None:
            self._file = File(self._spill.folder)
            self._spill.on_disk = True
            self._fields = [table.schema for table in self._held[0][0]]
            self._places = [[[] for _ in self._fields] for _ in range(PARTS)]
        held, self._held, self._bytes = self._held[::-1], [], 0
        while held:
            some = [held.pop()]
            while held and sum(len(key) for _, key in some) < _ROWS_AT_ONCE:
                some.append(held.pop())
            self._deal(self._together([tables for tables, _ in some]), np.concatenate([key for _, key in some]))

    def _deal(self, whole: list[pa.Table], key: npt.NDArray[np.uint64]) -> None:
        """Write rows to the file by part."""
        assert self._file is not None
        part = (key >> np.uint64(64 - PARTS.bit_length() + 1)).astype(np.int64)
        order = np.argsort(part, kind="stable")
        bounds = np.searchsorted(part[order], np.arange(PARTS + 1))
        for at in range(len(whole)):
            table, whole[at] = schema.take(whole[at], pa.array(order)).combine_chunks(), pa.table({})
            for number in np.flatnonzero(np.diff(bounds)):
                piece = table.slice(bounds[number], bounds[number + 1] - bounds[number])
                self._places[number][at] += [self._file.write_batch(batch) for batch in piece.to_batches()]

    @staticmethod
    def _together(held: Iterable[Sequence[pa.Table]]) -> list[pa.Table]:
        return [pa.concat_tables(column) for column in zip(*held, strict=True)]


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Concatenate and empty a list of arrays, so that little is there twice."""
    if len(parts) == 1:
        return parts.pop()
    whole = np.empty(sum(map(len, parts)), parts[0].dtype)
    end = len(whole)
    while parts:
        part = parts.pop()
        whole[end - len(part) : end] = part
        end -= len(part)
    return whole


def distinct(found: Iterable[npt.NDArray[np.uint64]]) -> npt.NDArray[np.uint64]:
    """Return each value once, sorted; of many lists that repeat each other a few are held at a time."""
    held = [np.empty(0, np.uint64)]
    for part in found:
        held.append(part)
        del part
        if sum(map(len, held[1:])) > max(len(held[0]), 1 << 20):
            held = [_merged(held)]
            trim()
    return _merged(held)


def _merged(lists: list[npt.NDArray[np.uint64]]) -> npt.NDArray[np.uint64]:
    """Do so and empty the list: at most two of every value are there at once."""
    every = joined(lists)
    every.sort()  # NumPy's unique takes four times as long
    kept, last = 0, None
    for start in range(0, len(every), _SORTED_AT_ONCE):
        some = every[start : start + _SORTED_AT_ONCE]
        new = some[np.append(some[0] != last, some[1:] != some[:-1])]
        last = some[-1]
        every[kept : kept + len(new)] = new
        kept += len(new)
    every.resize(kept, refcheck=False)
    return every
