"""The best cosines and the nearest neighbours of each row, and what a pair must reach to matter to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.decay import decay
from dedup.kernels.jit import inlined, kernel

# Thresholds in float32 are lowered by more than rounding to float32 may raise them.
_BELOW = 1.0 - 2.0**-20


@kernel
def settle(
    first: int,
    last: int,
    left: npt.NDArray[np.uint32],
    right: npt.NDArray[np.uint32],
    cosine: npt.NDArray[np.float64],
    days: npt.NDArray[np.float64],
    shares: npt.NDArray[np.float64],
    best: npt.NDArray[np.float64],
    neighbours: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    least: npt.NDArray[np.float32],
    halves: npt.NDArray[np.float32],
    decay_floor: float,
    time_scale: float,
) -> None:
    """Tell the earlier places of the pairs found about the later ones, and set thresholds anew.

    Parameters
    ----------
    first, last : the places that `similar_pairs` went through; its left, right, cosine
    least : float32[n], what a cosine must reach to be among the best or nearest of a place, rounded down
    halves : float32[n], half the toll of each place so far, rounded down. All but the pairs is changed in place.
        O(p · crowd) at worst.
    """
    for p in range(len(left)):
        i, j = left[p], right[p]
        insert(best, j, cosine[p])
        insert_neighbour(j, i, cosine[p] * decay(days[i], days[j], decay_floor, time_scale), neighbours, weights)
        least[j], halves[j] = thresholds(best, weights, shares, j)
    for i in range(first, last):
        least[i], halves[i] = thresholds(best, weights, shares, i)


@kernel
def best_scores(
    n: int, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], score: npt.NDArray[np.float64], count: int
) -> Any:
    """Return the `count` best scores of each row over its pairs, falling; missing ones are 0.

    Parameters
    ----------
    left, right : int64[p], each pair once; score : float64[p], positive

    Returns
    -------
    float64[n, count]. O(p · count) at worst.
    """
    best = np.zeros((n, count), np.float64)
    for p in range(len(left)):
        insert(best, left[p], score[p])
        insert(best, right[p], score[p])
    return best


@kernel
def strongest(row: npt.NDArray[np.uint32], value: npt.NDArray[np.float64], most: int) -> Any:
    """Tell which values are among the `most` highest of their row; of equal ones the first.

    Parameters
    ----------
    row : uint32[p], in any order; value : float64[p]; most : at least 1

    Returns
    -------
    bool[p]. O(p + rows between the smallest and the largest) expected.
    """
    chosen = np.ones(len(row), np.bool_)
    if len(row) == 0:
        return chosen
    low = high = np.int64(row[0])  # signed: the difference of two unsigned ones is a number without a sign
    for p in range(len(row)):
        low, high = min(low, np.int64(row[p])), max(high, np.int64(row[p]))
    begin = np.zeros(high - low + 2, np.int64)
    for p in range(len(row)):
        begin[row[p] - low + 1] += 1
    for i in range(high - low + 1):
        begin[i + 1] += begin[i]
    fill = begin.copy()
    of_row, scratch = np.empty(len(row), np.int64), np.empty(len(row), np.float64)
    for p in range(len(row)):  # a counting sort: equal ones stay in their order
        at = fill[row[p] - low]
        of_row[at], scratch[at] = p, value[p]
        fill[row[p] - low] = at + 1
    for i in range(high - low + 1):
        first, last = begin[i], begin[i + 1]
        if last - first <= most:
            continue
        least = _select(scratch, first, last, most)
        room = most
        for k in range(first, last):
            room -= value[of_row[k]] > least
        for k in range(first, last):
            is_equal = value[of_row[k]] == least
            chosen[of_row[k]] = value[of_row[k]] > least or (is_equal and room > 0)
            room -= is_equal
    return chosen


@inlined
def _select(values: npt.NDArray[np.float64], first: int, last: int, rank: int) -> Any:
    """Return the value of a rank, from 1, among first … last - 1 in falling order, which it shuffles.

    FIND (Hoare 1961).
    """
    start, end, wanted = first, last - 1, first + rank - 1
    while start < end:
        pivot = values[(start + end) >> 1]
        i, j = start, end
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if wanted <= j:
            end = j
        elif wanted >= i:
            start = i
        else:
            break
    return values[wanted]


@inlined
def thresholds(
    best: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], shares: npt.NDArray[np.float64], i: int
) -> Any:
    """Return what a cosine must reach to be among the best or nearest of a place, and half its toll; rounded down."""
    crowd, near = best.shape[1], weights.shape[1]
    total = 0.0
    for k in range(crowd):
        total += best[i, k]
    least = best[i, crowd - 1]
    if near > 0:
        least = min(least, weights[i, near - 1])
    return np.float32(least * _BELOW), np.float32(shares[i] * total / crowd / 2 * _BELOW)


@inlined
def insert(best: npt.NDArray[np.float64], i: int, value: float) -> None:
    """Insert a value into row i of some falling lists, where it is among its best."""
    place = best.shape[1]
    while place > 0 and value > best[i, place - 1]:
        place -= 1
    for k in range(best.shape[1] - 1, place, -1):
        best[i, k] = best[i, k - 1]
    if place < best.shape[1]:
        best[i, place] = value


@inlined
def insert_neighbour(
    i: int, j: int, weight: float, neighbours: npt.NDArray[np.int64], weights: npt.NDArray[np.float64]
) -> None:
    """Insert place `j` into the nearest of place `i`; of equally near ones the smaller comes first."""
    near = weights.shape[1]
    k = near
    while k > 0 and (weight > weights[i, k - 1] or (weight == weights[i, k - 1] and j < neighbours[i, k - 1])):
        k -= 1
    if k < near:
        for q in range(near - 1, k, -1):
            neighbours[i, q], weights[i, q] = neighbours[i, q - 1], weights[i, q - 1]
        neighbours[i, k], weights[i, k] = j, weight
