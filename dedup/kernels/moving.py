"""Stretches of bytes from one place to another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import kernel


@kernel
def move(
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    out: npt.NDArray[np.uint8],
) -> None:
    """Copy the bytes of `data` from starts[i] on, sizes[i] of them, to out[places[i]] and after.

    Parameters
    ----------
    starts, sizes, places : int64[n]; no two stretches of `out` overlap. O(n + bytes).
    """
    for i in range(len(starts)):
        start, place = np.uint64(starts[i]), np.uint64(places[i])
        for k in range(np.uint64(sizes[i])):
            out[place + k] = data[start + k]
