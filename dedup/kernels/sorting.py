"""Ragged rows of hashes in order, by buckets of their leading bits, which are spread evenly."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined


@inlined
def sort_rows(values: npt.NDArray[np.uint64], offsets: npt.NDArray[np.int64]) -> Any:
    """Sort each ragged row of hashes in place: by their top bits into about as many buckets, then by insertion.

    O(m) for hashes, whose top bits are spread evenly; O(m²) where all share a bucket.
    """
    longest = 1
    for d in range(len(offsets) - 1):
        longest = max(longest, offsets[d + 1] - offsets[d])
    scratch = np.empty(longest, np.uint64)
    heads = np.empty(2 * longest + 3, np.int32)
    for d in range(len(offsets) - 1):
        first, n = offsets[d], offsets[d + 1] - offsets[d]
        size, shift = buckets(n)
        heads[: size + 1] = 0
        for i in range(first, first + n):
            heads[(values[i] >> shift) + np.uint64(1)] += 1
        for b in range(size):
            heads[b + 1] += heads[b]
        for i in range(first, first + n):
            bucket = values[i] >> shift
            scratch[np.uint64(heads[bucket])] = values[i]
            heads[bucket] += 1
        for i in range(n):
            value, j = scratch[i], first + i
            while j > first and values[j - 1] > value:
                values[j] = values[j - 1]
                j -= 1
            values[j] = value


@inlined
def buckets(n: int) -> Any:
    """Return how many buckets n hashes want, a power of two from 2, and by how much a hash is shifted to its bucket."""
    size, shift = 2, 63
    while size < n:
        size *= 2
        shift -= 1
    return size, np.uint64(shift)
