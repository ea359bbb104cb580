"""Which places of a block a row looks at more closely, and which of too many pairs it keeps.

Of too many it is those with the highest values, told by steps of about a thousandth, and of equal ones the first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined

STEPS = 1024  # from 0 to 1
_ABOVE = np.float32(1.0 + 2.0**-20)  # covers what rounding to float32 takes from a bound


@inlined
def flag(
    accumulators: npt.NDArray[np.float64],
    norm: np.float32,
    norms: npt.NDArray[np.float32],
    least: npt.NDArray[np.float32],
    halves: npt.NDArray[np.float32],
    own_least: np.float32,
    own_half: np.float32,
    floor: np.float32,
    flags: npt.NDArray[np.uint8],
) -> None:
    """Flag the places whose cosine may reach a threshold; without branches, so that it is done eight at a time."""
    for j in range(len(accumulators)):
        bound = np.float32(np.float32(accumulators[j]) + norm * norms[j]) * _ABOVE
        flags[j] = ((bound >= least[j]) | (bound >= own_least) | (bound >= own_half + halves[j])) & (bound >= floor)


@inlined
def clear_flags(flags: npt.NDArray[np.uint8], first: int, end: int) -> None:
    """Take the flags off some places."""
    for j in range(first, end):
        flags[j] = 0


@inlined
def list_flagged(flags: npt.NDArray[np.uint8], count: int, found: npt.NDArray[np.uint16]) -> Any:
    """List the flagged places; few are, so that eight are looked at together."""
    words = flags.view(np.uint64)
    n = 0
    for k in range(np.uint64((count + 7) // 8)):
        if words[k] != 0:
            for j in range(np.uint64(8) * k, np.uint64(8) * k + np.uint64(8)):
                found[n] = j
                n += flags[j]
    return n


@inlined
def highest(
    count: int,
    found: npt.NDArray[np.uint16],
    accumulators: npt.NDArray[np.float64],
    norm: np.float32,
    norms: npt.NDArray[np.float32],
    wanted: int,
    histogram: npt.NDArray[np.int64],
) -> None:
    """Leave the `wanted` of the `count` places listed that have the highest bounds, in their order.

    `histogram` holds zeros, before and after.
    """
    for k in range(count):
        histogram[_step(accumulators[found[k]] + norm * norms[found[k]])] += 1
    level, room = STEPS - 1, wanted
    while histogram[level] < room:
        room -= histogram[level]
        level -= 1
    end = 0
    for k in range(count):
        step = _step(accumulators[found[k]] + norm * norms[found[k]])
        histogram[step] = 0
        found[end] = found[k]
        if step > level or (step == level and room > 0):
            room -= step == level
            end += 1


@inlined
def strongest(
    left: npt.NDArray[np.uint32],
    right: npt.NDArray[np.uint32],
    cosine: npt.NDArray[np.float64],
    count: int,
    first: int,
    last: int,
    budget: int,
) -> Any:
    """Keep the `budget` highest cosines of each row, of equal ones (to a thousandth) the first, and return how many."""
    histogram = np.zeros((last - first, STEPS), np.int32)
    for p in range(count):
        histogram[left[p] - first, _step(cosine[p])] += 1
    level, room = np.zeros(last - first, np.int64), np.full(last - first, budget)
    for i in range(last - first):
        level[i] = STEPS - 1
        while level[i] > 0 and histogram[i, level[i]] < room[i]:
            room[i] -= histogram[i, level[i]]
            level[i] -= 1
    end = 0
    for p in range(count):
        i, step = left[p] - first, _step(cosine[p])
        left[end], right[end], cosine[end] = left[p], right[p], cosine[p]
        if step > level[i] or (step == level[i] and room[i] > 0):
            room[i] -= step == level[i]
            end += 1
    return end


@inlined
def _step(value: float) -> Any:
    return np.int64(min(max(value, 0.0), 1.0) * (STEPS - 1))


@inlined
def longer(array: Any, room: int) -> Any:
    """Return an array with `room` entries that starts with those given."""
    out = np.empty(room, array.dtype)
    for k in range(len(array)):
        out[k] = array[k]
    return out
