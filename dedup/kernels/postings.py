"""What a row of weights is compared through: postings by block, its common terms apart, and where it begins.

Rows are unit vectors in CSR (`indptr` int64, `indices` uint32, `data` float32), columns by falling document frequency,
so that the common terms of a row come first. *Places* are the rows in order of time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined, kernel

# Columns before which the terms of a row may be left to a bound; there are as many norms of each row.
CHECKPOINTS = np.array([0, 16, 32, 64, 128, 256, 512, 1024, 2048])

_ABOVE = 1.0 + 2.0**-20  # covers what rounding to float32 takes from a bound


@kernel
def order_rows(indptr: npt.NDArray[np.int64], indices: npt.NDArray[np.uint32], data: npt.NDArray[np.float32]) -> None:
    """Sort each row by column, in place: by radix, about nine bits at a time (Knuth 1998, section 5.2.5). O(m + n)."""
    widest, highest = 0, np.uint32(0)
    for d in range(len(indptr) - 1):
        widest = max(widest, indptr[d + 1] - indptr[d])
    for p in range(indptr[0], indptr[len(indptr) - 1]):
        highest = max(highest, indices[p])
    length: Any = 1
    while highest >> np.uint64(length) > 0:
        length += 1
    digit = -(-length // -(-length // 9))
    rows = np.empty((2, widest), np.uint64)
    heads = np.empty(1 << digit, np.int64)
    bits = data.view(np.uint32)
    for d in range(len(indptr) - 1):
        start, count = indptr[d], np.uint64(indptr[d + 1] - indptr[d])
        for k in range(count):
            rows[0, k] = (np.uint64(indices[start + k]) << np.uint64(32)) | np.uint64(bits[start + k])
        side = 0
        for shift in range(np.uint64(32), np.uint64(32 + length), np.uint64(digit)):
            _deal(rows, side, count, shift, heads)
            side = 1 - side
        for k in range(count):
            indices[start + k], bits[start + k] = rows[side, k] >> np.uint64(32), rows[side, k] & np.uint64(0xFFFFFFFF)


@inlined
def _deal(rows: npt.NDArray[np.uint64], side: int, count: Any, shift: Any, heads: npt.NDArray[np.int64]) -> None:
    """Copy a row to the other side in the order of a digit; equal ones stay in their order."""
    mask = np.uint64(len(heads) - 1)
    for value in range(len(heads)):
        heads[value] = 0
    for k in range(count):
        heads[(rows[side, k] >> shift) & mask] += 1
    at = 0
    for value in range(len(heads)):
        heads[value], at = at, at + heads[value]
    for k in range(count):
        own = (rows[side, k] >> shift) & mask
        rows[1 - side, np.uint64(heads[own])] = rows[side, k]
        heads[own] += 1


@kernel
def block_postings(
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    data: npt.NDArray[np.float32],
    order: npt.NDArray[np.int64],
    size: int,
    starts: npt.NDArray[np.uint32],
    places: npt.NDArray[np.uint16],
    values: npt.NDArray[np.float32],
) -> Any:
    """Turn CSR rows into postings, one set for each block of `size` places.

    Parameters
    ----------
    order : int64[n], the row at each place
    size : at most 65,536
    starts : uint32[⌈n / size⌉, v + 1], filled in, counted from the base of the block; columns from v on are left out.
    places : uint16[m], values : float32[m], filled in: places from the first of the block, ascending inside a column

    Returns
    -------
    bases : int64[⌈n / size⌉ + 1], where the postings of each block begin. O(m + blocks · v).
    """
    n, n_columns = len(order), starts.shape[1] - 1
    bases = np.zeros(len(starts) + 1, np.int64)
    for b in range(len(starts)):
        first, last = b * size, min((b + 1) * size, n)
        for t in range(n_columns + 1):
            starts[b, t] = 0
        for i in range(first, last):
            for p in range(indptr[order[i]], indptr[order[i] + 1]):
                if indices[p] < n_columns:
                    starts[b, indices[p] + 1] += np.uint32(1)
        for t in range(n_columns):
            starts[b, t + 1] += starts[b, t]
        base = bases[b]
        bases[b + 1] = base + np.int64(starts[b, n_columns])
        for i in range(first, last):
            for p in range(indptr[order[i]], indptr[order[i] + 1]):
                if indices[p] < n_columns:
                    at = starts[b, indices[p]]
                    starts[b, indices[p]] = at + np.uint32(1)
                    places[base + at], values[base + at] = i - first, data[p]
        for t in range(n_columns, 0, -1):  # each start has become the next one's
            starts[b, t] = starts[b, t - 1]
        starts[b, 0] = 0
    return bases


@kernel
def common_parts(
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    data: npt.NDArray[np.float32],
    order: npt.NDArray[np.int64],
    checkpoints: npt.NDArray[np.int64],
) -> Any:
    """Copy the common terms of each row, and measure what lies before each checkpoint.

    Parameters
    ----------
    checkpoints : int64[c], ascending, the last at most 65,536

    Returns
    -------
    starts : int64[n + 1], columns : uint16[k], values : float32[k], by place: the terms before the last checkpoint
    norms : float32[n, c], the length of the terms before each, rounded up. O(m).
    """
    n, count = len(order), len(checkpoints)
    starts = np.zeros(n + 1, np.int64)
    for i in range(n):
        start, p = indptr[order[i]], indptr[order[i]]
        while p < indptr[order[i] + 1] and indices[p] < checkpoints[count - 1]:
            p += 1
        starts[i + 1] = starts[i] + p - start
    columns = np.empty(starts[n], np.uint16)
    values = np.empty(starts[n], np.float32)
    norms = np.empty((n, count), np.float32)
    for i in range(n):
        total, c = 0.0, 0
        for k in range(starts[i + 1] - starts[i]):
            p = indptr[order[i]] + k
            columns[starts[i] + k], values[starts[i] + k] = indices[p], data[p]
            while indices[p] >= checkpoints[c]:
                norms[i, c] = np.sqrt(total) * _ABOVE
                c += 1
            total += np.float64(data[p]) * np.float64(data[p])
        for rest in range(c, count):
            norms[i, rest] = np.sqrt(total) * _ABOVE
    return starts, columns, values, norms


@kernel
def within_budget(
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    order: npt.NDArray[np.int64],
    frequencies: npt.NDArray[np.int32],
    shares: npt.NDArray[np.float64],
    budget: int,
) -> Any:
    """Find from where on each row is used, so that it visits `budget` postings at most: its commonest terms go first.

    Parameters
    ----------
    frequencies : int32[shared], rows that hold each of the first columns, falling; the others are in one each
    shares : float64[n], of all rows that the one at each place meets: that share of the postings counts as visited.

    Returns
    -------
    int64[n], by place, an index into `indices`. O(m).
    """
    n = len(order)
    begin = np.empty(n, np.int64)
    for i in range(n):
        p, share, visits = indptr[order[i] + 1], shares[i], 0.0
        while p > indptr[order[i]]:
            column = indices[p - 1]
            visits += share * (frequencies[column] if column < len(frequencies) else 1)
            if visits > budget:
                break
            p -= 1
        begin[i] = p
    return begin
