"""How common each shingle of a corpus is, from counts in a table of slots."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema
from dedup.kernels import frequencies
from dedup.spill import Each, Spill

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]

_RANGES = 4  # of a table, that threads fill side by side


def slots_for(total: int) -> int:
    """Return the slots of a table that counts so many shingles: four to eight times as many, a power of two."""
    return int(1 << max((4 * total).bit_length(), 10))


def slot_counts(
    shingles: pa.ChunkedArray,
    slots: int,
    spill: Spill,
    alive: _Bool,
    dtype: type[np.uint8 | np.uint16] = np.uint8,
    each: Each = map,
) -> npt.NDArray[Any]:
    """Return how many shingles share the slot of each, so an upper bound of the documents that hold it.

    A table that is larger than an eighth of the memory is made in several parts, one after the other.

    Parameters
    ----------
    shingles : large_list<uint64>[n], sorted
    slots : size of the whole table, a power of two, at least 1,024
    alive : bool[n], documents that count
    dtype : of the counts

    Returns
    -------
    dtype[s]; its largest value stands for all above, too. Without meaning for documents that do not count.
    """
    values, offsets = schema.ragged(shingles)
    seen: npt.NDArray[Any] = spill.array(len(values), dtype)
    shift = 65 - slots.bit_length()
    most = spill.memory // 8 // np.dtype(dtype).itemsize
    size = min(slots, max(1 << most.bit_length() - 1, 1 << 10))

    def look_up(part: tuple[int, int]) -> None:
        here, ends = rows(offsets, *part)
        frequencies.look_up(values[here], ends, alive[slice(*part)], table, first, shift, seen[here])

    for first in range(0, slots, size):
        table = np.zeros(size, dtype)

        def count(begin: int, table: npt.NDArray[Any] = table, first: int = first) -> None:
            some = table[begin : begin + size // _RANGES]
            for part in spill.slices(offsets):
                here, ends = rows(offsets, *part)
                frequencies.count_slots(values[here], ends, alive[slice(*part)], some, first + begin, shift)

        for _ in each(count, range(0, size, size // _RANGES)):
            pass
        for _ in each(look_up, spill.slices(offsets)):
            pass
    return seen


def rows(offsets: _Int, start: int, stop: int) -> tuple[slice, _Int]:
    """Return the places of the values of some ragged rows, and where each row ends among them."""
    return slice(offsets[start], offsets[stop]), offsets[start : stop + 1] - offsets[start]
