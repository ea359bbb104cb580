"""Exact overlap of sorted sets, and components of the pairs that hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined, kernel


@kernel
def overlap(
    values: npt.NDArray[np.uint64],
    offsets: npt.NDArray[np.int64],
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
) -> Any:
    """Count what two ragged rows share, for each pair; a repeated value counts as often as both hold it.

    Parameters
    ----------
    values : uint64[m], sorted inside each row; offsets : int64[n + 1]
    left, right : int64[k], positions of rows

    Returns
    -------
    int64[k]. O(Σ of the two lengths).
    """
    shared = np.empty(len(left), np.int64)
    for p in range(len(left)):
        i, i_end = offsets[left[p]], offsets[left[p] + 1]
        j, j_end = offsets[right[p]], offsets[right[p] + 1]
        count = 0
        while i < i_end and j < j_end:
            x, y = values[i], values[j]
            count += x == y
            # Without branches: which side moves is a coin toss that no predictor guesses.
            i += x <= y
            j += y <= x
        shared[p] = count
    return shared


@kernel
def components(n: int, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> Any:
    """Label connected components (union-find with path halving; Tarjan, van Leeuwen 1984).

    Parameters
    ----------
    n : number of positions; left, right : int64[k], linked positions

    Returns
    -------
    int64[n]: the smallest position of each one's component. O(n + k α(n)).
    """
    parent = np.arange(n)
    for p in range(len(left)):
        a, b = _find(parent, left[p]), _find(parent, right[p])
        if a < b:
            parent[b] = a
        elif b < a:
            parent[a] = b
    for i in range(n):
        parent[i] = parent[parent[i]]  # parents point to smaller positions, which are labelled already
    return parent


@inlined
def _find(parent: npt.NDArray[np.int64], i: int) -> Any:
    """Return the root of `i`, halving its path."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i
