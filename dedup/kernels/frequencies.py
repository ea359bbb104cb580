"""How common each term is among documents, and each hash: in a small table, whose slots may serve several hashes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined, kernel


@kernel
def count_columns(columns: npt.NDArray[np.uint32], counts: npt.NDArray[np.int32]) -> None:
    """Add to the count of each column how often it stands there.

    Parameters
    ----------
    columns : uint32[m]; counts : int32[v], changed in place. O(m).
    """
    for i in range(len(columns)):
        counts[columns[i]] += 1


@kernel
def count_slots(
    values: npt.NDArray[np.uint64],
    offsets: npt.NDArray[np.int64],
    alive: npt.NDArray[np.bool_],
    counts: npt.NDArray[Any],
    first: int,
    shift: int,
) -> None:
    """Count hashes in a part of a small table; a slot stops at the largest value and may serve several hashes.

    The slot of a hash is its leading bits, so that a row's hashes of one part stand together.

    Parameters
    ----------
    values : uint64[m], sorted inside each row; offsets : int64[n + 1]; alive : bool[n], rows that count
    counts : uint8[k] or uint16[k], the slots first … first + k - 1, changed in place
    shift : 64 less the bits of a slot. O(n log m / n + values in this part).
    """
    most = 255 if counts.itemsize == 1 else 65_535
    for d in range(len(alive)):
        if alive[d]:
            start, end = _in_part(values, offsets[d], offsets[d + 1], first, len(counts), shift)
            for i in range(start, end):
                slot = np.int64(values[i] >> np.uint64(shift)) - first
                counts[slot] += counts[slot] < most


@kernel
def look_up(
    values: npt.NDArray[np.uint64],
    offsets: npt.NDArray[np.int64],
    alive: npt.NDArray[np.bool_],
    counts: npt.NDArray[Any],
    first: int,
    shift: int,
    seen: npt.NDArray[Any],
) -> None:
    """Note the count of each hash whose slot is in a part of a table, as of `count_slots`.

    Parameters
    ----------
    values, offsets, alive, counts, first, shift : as of `count_slots`
    seen : uint8[m] or uint16[m], as counts, changed in place. O(n log m / n + values in this part).
    """
    for d in range(len(alive)):
        if alive[d]:
            start, end = _in_part(values, offsets[d], offsets[d + 1], first, len(counts), shift)
            for i in range(start, end):
                seen[i] = counts[np.int64(values[i] >> np.uint64(shift)) - first]


@inlined
def _in_part(values: npt.NDArray[np.uint64], start: int, end: int, first: int, size: int, shift: int) -> Any:
    """Return where the hashes of a sorted row begin and end whose slots are first … first + size - 1."""
    start = _from_slot(values, start, end, first, shift)
    return start, _from_slot(values, start, end, first + size, shift)


@inlined
def _from_slot(values: npt.NDArray[np.uint64], start: int, end: int, first: int, shift: int) -> Any:
    """Return the first place of a sorted row whose slot is `first` or later."""
    while start < end:
        middle = (start + end) >> 1
        if np.int64(values[middle] >> np.uint64(shift)) < first:
            start = middle + 1
        else:
            end = middle
    return start
