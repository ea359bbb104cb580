"""How near in time a document is to all others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined, kernel


@kernel
def mean_nearness(days: npt.NDArray[np.float64], scale: float) -> Any:
    """Return the mean of exp(-|Δt| / scale) of each date with all others; 1 where there is no other.

    Parameters
    ----------
    days : float64[n], ascending
    scale : days

    Returns
    -------
    float64[n]. O(n): the sum over all earlier ones fades from date to date as one.
    """
    n = len(days)
    total = np.zeros(n, np.float64)
    for way in (1, -1):
        before = 0.0
        for step in range(1, n):
            i = step if way == 1 else n - 1 - step
            before = (before + 1.0) * np.exp(-abs(days[i] - days[i - way]) / scale)
            total[i] += before
    for i in range(n):
        total[i] = total[i] / (n - 1) if n > 1 else 1.0
    return total


@inlined
def decay(day_i: float, day_j: float, floor: float, scale: float) -> Any:
    """Return floor + (1 - floor) · exp(-|Δt| / scale); 1 where a date is unknown (NaN)."""
    apart = abs(day_i - day_j)
    if np.isnan(apart):
        return 1.0
    return floor + (1.0 - floor) * np.exp(-apart / scale)
