"""Cosines after each row is mixed with its nearest neighbours, without building the mixed rows.

Rows are unit vectors in CSR, as in `kernels.cosine`; products of two float32 are exact in the float64 sums. Of columns
that one row alone has nothing is summed: how much of that row is mixed in says all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined, kernel


@kernel
def feedback_norms(
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    data: npt.NDArray[np.float32],
    shared: int,
    neighbours: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
) -> Any:
    """Return the length of each row after feedback, x_i + Σ_k weights_ik · x_k (Rocchio 1971).

    Parameters
    ----------
    shared : columns that several rows may have; those from there on have one each, and come last in it
    neighbours : int64[n, k], weights : float64[n, k] (share already multiplied in)

    Returns
    -------
    float64[n]. O(m · k).
    """
    n = len(indptr) - 1
    norms = np.zeros(n, np.float64)
    mixed, own = np.zeros(shared, np.float64), np.zeros(n, np.float64)
    for i in range(n):
        _mix(i, indptr, indices, data, neighbours, weights, mixed, own)
        # A column is summed and cleared where it is met first, so each counts once.
        total = _take(i, indptr, indices, data, mixed, own)
        for k in range(neighbours.shape[1]):
            if neighbours[i, k] >= 0:
                total += _take(neighbours[i, k], indptr, indices, data, mixed, own)
        norms[i] = np.sqrt(total)
    return norms


@kernel
def feedback_cosines(
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    data: npt.NDArray[np.float32],
    shared: int,
    neighbours: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    norms: npt.NDArray[np.float64],
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
) -> Any:
    """Return the cosine after feedback of each pair, without building the mixed rows.

    Mixed row i · mixed row j = mixed row i · (x_j + Σ_k weights_jk · x_k). Near rows share their neighbours, so each
    product of mixed row i with a plain row is worked out once.

    Parameters
    ----------
    shared, neighbours, weights : as in `feedback_norms`, which gives norms : float64[n]
    left, right : int64[p], equal values of left side by side

    Returns
    -------
    float64[p]. O(terms of the rows met).
    """
    n = len(indptr) - 1
    out = np.zeros(len(left), np.float64)
    mixed, own = np.zeros(shared, np.float64), np.zeros(n, np.float64)
    projection = np.zeros(n, np.float64)  # of mixed row i on plain row j, valid where projected[j] == i
    projected = np.full(n, -1)
    start = 0
    for end in range(1, len(left) + 1):
        if end < len(left) and left[end] == left[start]:
            continue
        i = left[start]
        _mix(i, indptr, indices, data, neighbours, weights, mixed, own)
        for p in range(start, end):
            j = right[p]
            total = _project(j, i, indptr, indices, data, mixed, own, projection, projected)
            for k in range(neighbours.shape[1]):
                if neighbours[j, k] >= 0:
                    part = _project(neighbours[j, k], i, indptr, indices, data, mixed, own, projection, projected)
                    total += weights[j, k] * part
            out[p] = total / (norms[i] * norms[j])
        _clear(i, indptr, indices, neighbours, mixed, own)
        start = end
    return out


@inlined
def _mix(
    i: int,
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    data: npt.NDArray[np.float32],
    neighbours: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    mixed: npt.NDArray[np.float64],
    own: npt.NDArray[np.float64],
) -> None:
    """Add row i and its weighted neighbours to `mixed` by column, and to `own` by row."""
    _add(i, 1.0, indptr, indices, data, mixed, own)
    for k in range(neighbours.shape[1]):
        if neighbours[i, k] >= 0:
            _add(neighbours[i, k], weights[i, k], indptr, indices, data, mixed, own)


@inlined
def _add(
    j: int,
    weight: float,
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    data: npt.NDArray[np.float32],
    mixed: npt.NDArray[np.float64],
    own: npt.NDArray[np.float64],
) -> None:
    own[j] += weight
    p, end, shared = np.uint64(indptr[j]), np.uint64(indptr[j + 1]), np.uint64(len(mixed))
    while p < end and np.uint64(indices[p]) < shared:
        mixed[indices[p]] += weight * np.float64(data[p])
        p += np.uint64(1)


@inlined
def _take(
    j: int,
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    data: npt.NDArray[np.float32],
    mixed: npt.NDArray[np.float64],
    own: npt.NDArray[np.float64],
) -> Any:
    """Return the sum of squares of what is mixed over the columns of row j, and set them to 0."""
    total = 0.0
    p, end, shared = np.uint64(indptr[j]), np.uint64(indptr[j + 1]), np.uint64(len(mixed))
    while p < end and np.uint64(indices[p]) < shared:
        total += mixed[indices[p]] * mixed[indices[p]]
        mixed[indices[p]] = 0.0
        p += np.uint64(1)
    if own[j] != 0.0:
        while p < end:
            value = own[j] * np.float64(data[p])
            total += value * value
            p += np.uint64(1)
    own[j] = 0.0
    return total


@inlined
def _clear(
    i: int,
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    neighbours: npt.NDArray[np.int64],
    mixed: npt.NDArray[np.float64],
    own: npt.NDArray[np.float64],
) -> None:
    """Set what `_mix` touched back to 0."""
    _forget(i, indptr, indices, mixed, own)
    for k in range(neighbours.shape[1]):
        if neighbours[i, k] >= 0:
            _forget(neighbours[i, k], indptr, indices, mixed, own)


@inlined
def _forget(
    j: int,
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    mixed: npt.NDArray[np.float64],
    own: npt.NDArray[np.float64],
) -> None:
    own[j] = 0.0
    p, end, shared = np.uint64(indptr[j]), np.uint64(indptr[j + 1]), np.uint64(len(mixed))
    while p < end and np.uint64(indices[p]) < shared:
        mixed[indices[p]] = 0.0
        p += np.uint64(1)


@inlined
def _project(
    j: int,
    i: int,
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    data: npt.NDArray[np.float32],
    mixed: npt.NDArray[np.float64],
    own: npt.NDArray[np.float64],
    projection: npt.NDArray[np.float64],
    projected: npt.NDArray[np.int64],
) -> Any:
    """Return mixed row i · plain row j, worked out once for each i: near texts share their neighbours."""
    if projected[j] != i:
        total = 0.0
        p, end, shared = np.uint64(indptr[j]), np.uint64(indptr[j + 1]), np.uint64(len(mixed))
        while p < end and np.uint64(indices[p]) < shared:
            total += mixed[indices[p]] * np.float64(data[p])
            p += np.uint64(1)
        if own[j] != 0.0:
            while p < end:
                total += own[j] * np.float64(data[p]) * np.float64(data[p])
                p += np.uint64(1)
        projection[j] = total
        projected[j] = i
    return projection[j]
