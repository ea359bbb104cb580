"""How common each shingle of a corpus is, from counts in a table of slots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema
from dedup.kernels import lsh
from dedup.spill import Spill

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]
_Places = slice | _Int


def slot_counts(shingles: pa.ChunkedArray, slots: int, spill: Spill, alive: _Bool) -> npt.NDArray[np.uint8]:
    """Return how many shingles share the slot of each, so an upper bound of the documents that hold it.

    A table that is larger than an eighth of the memory is made in several parts, one after the other.

    Parameters
    ----------
    shingles : large_list<uint64>[n]
    slots : size of the whole table, a power of two
    alive : bool[n], documents that count

    Returns
    -------
    uint8[s]; 255 stands for all above, too. Without meaning for documents that do not count.
    """
    values, offsets = schema.ragged(shingles)
    seen: npt.NDArray[Any] = spill.array(len(values), np.uint8)
    size = min(slots, max(1 << (spill.memory // 8).bit_length() - 1, 1 << 10))
    for first in range(0, slots, size):
        table = np.zeros(size, np.uint8)
        for _, places, _ in walk(offsets, alive, spill):
            lsh.count_slots(read(values, places), table, first, slots)
        for start, stop in spill.slices(offsets):
            here = slice(offsets[start], offsets[stop])
            lsh.look_up(values[here], table, first, slots, seen[here])
    return seen


def walk(offsets: _Int, alive: _Bool, spill: Spill) -> Iterator[tuple[int, _Places, _Int]]:
    """Walk over the ragged rows of some documents, part by part.

    Parameters
    ----------
    offsets : int64[n + 1]; alive : bool[n], documents whose rows are wanted

    Yields
    ------
    The first document of a part, the places of its values, and where each row of the part ends among them.
    """
    for start, stop in spill.slices(offsets):
        lengths = np.diff(offsets[start : stop + 1])
        places: _Places = slice(offsets[start], offsets[stop])
        if not alive[start:stop].all():
            places = offsets[start] + np.flatnonzero(np.repeat(alive[start:stop], lengths))
            lengths = np.where(alive[start:stop], lengths, 0)
        yield start, places, np.concatenate(([0], np.cumsum(lengths)))


def read(values: npt.NDArray[Any], places: _Places) -> npt.NDArray[Any]:
    """Read values at the places of a walk; always read-only, so that a kernel is compiled once."""
    part = values[places]
    part.flags.writeable = False
    return part
