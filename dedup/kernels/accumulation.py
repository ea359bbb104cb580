"""What a row adds up in a block of places: its terms laid out, their postings looked up, and the products summed.

Inlined into the kernel of all pairs; see there for the arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined, prefetch

_AHEAD = np.uint64(2)  # spans of postings that the memory is asked for in advance


@inlined
def widest(first: int, last: int, order: npt.NDArray[np.int64], indptr: npt.NDArray[np.int64]) -> Any:
    """Return the number of terms in the longest of some rows."""
    most: Any = 0
    for i in range(first, last):
        most = max(most, indptr[order[i] + 1] - indptr[order[i]])
    return most


@inlined
def last_within(norms: npt.NDArray[np.float32], i: int, most: float) -> Any:
    """Return the last checkpoint before which the terms of a row are at most so long."""
    c = norms.shape[1] - 1
    while c > 0 and norms[i, c] > most:
        c -= 1
    return c


@inlined
def spread(
    row: int,
    begin: int,
    checkpoint: int,
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    data: npt.NDArray[np.float32],
    common: npt.NDArray[np.float64],
) -> Any:
    """Lay out the terms of a row before a checkpoint by column; return where the others begin."""
    p = begin
    while p < indptr[row + 1] and indices[p] < checkpoint:
        common[indices[p]] = data[p]
        p += 1
    return p


@inlined
def last_listed(begin: int, end: int, indices: npt.NDArray[np.uint32], n_columns: int) -> Any:
    """Return where the terms of a row end that the postings list."""
    while end > begin and indices[end - 1] >= n_columns:
        end -= 1
    return end


@inlined
def _find_spans(
    begin: int,
    end: int,
    indices: npt.NDArray[np.uint32],
    data: npt.NDArray[np.float32],
    starts: npt.NDArray[np.uint32],
    spans: npt.NDArray[np.uint32],
    factors: npt.NDArray[np.float64],
) -> Any:
    """List where the postings of a row's terms lie in a block, and their weights; terms without any are left out.

    A pass of its own, since what is looked up here is far apart: the memory answers many such questions at a time.
    """
    n = 0
    for p in range(np.uint64(begin), np.uint64(end)):
        column = np.uint64(indices[p])
        spans[0, n], spans[1, n], factors[n] = starts[column], starts[column + np.uint64(1)], data[p]
        n += spans[0, n] < spans[1, n]
    return n


@inlined
def add(
    begin: int,
    end: int,
    indices: npt.NDArray[np.uint32],
    data: npt.NDArray[np.float32],
    starts: npt.NDArray[np.uint32],
    base: int,
    places: npt.NDArray[np.uint16],
    values: npt.NDArray[np.float32],
    spans: npt.NDArray[np.uint32],
    factors: npt.NDArray[np.float64],
    accumulators: npt.NDArray[np.float64],
) -> None:
    """Add up the products of a row's terms begin … end - 1 with those of a block."""
    count = _find_spans(begin, end, indices, data, starts, spans, factors)
    offset = np.uint64(base)
    for k in range(np.uint64(count)):
        factor = factors[k]
        if k + _AHEAD < np.uint64(count):
            # The first cache lines of a span; the machine guesses the rest by itself.
            ahead = offset + np.uint64(spans[0, k + _AHEAD])
            prefetch(places, ahead)
            prefetch(values, ahead)
            prefetch(values, ahead + np.uint64(16))
        # No slices here: counting the references to one takes longer than a few postings.
        for q in range(offset + spans[0, k], offset + spans[1, k]):
            accumulators[places[q]] += factor * np.float64(values[q])
