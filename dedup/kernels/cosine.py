"""All pairs with a cosine above a floor, one row at a time, with nothing kept but what outweighs the crowd.

Rows are unit vectors in CSR (`indptr` int64, `indices` int32, `data` float32); *postings* are the same matrix by
column. A row meets the postings of its terms and adds up in one dense accumulator (Bayardo, Ma, Srikant 2007,
section 3, All-Pairs-0). Products of two float32 are exact in the float64 sums, which run in term order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined, kernel


@kernel
def transpose(
    indptr: npt.NDArray[np.int64], indices: npt.NDArray[np.int32], data: npt.NDArray[np.float32], n_columns: int
) -> Any:
    """Turn CSR rows into postings.

    Returns
    -------
    starts : int64[n_columns + 1], rows : uint32[m], ascending inside a column, values : float32[m]. O(m).
    Rows are unsigned: an index that cannot be negative needs no check, which is a third of the time of a visit.
    """
    starts = np.zeros(n_columns + 1, np.int64)
    for i in range(len(indices)):
        starts[indices[i] + 1] += 1
    for t in range(n_columns):
        starts[t + 1] += starts[t]
    fill = starts[:-1].copy()
    rows = np.empty(len(indices), np.uint32)
    values = np.empty(len(indices), np.float32)
    for d in range(len(indptr) - 1):
        for i in range(indptr[d], indptr[d + 1]):
            at = fill[indices[i]]
            rows[at], values[at] = d, data[i]
            fill[indices[i]] += 1
    return starts, rows, values


@kernel
def similar_pairs(
    first: int,
    last: int,
    known: int,
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int32],
    data: npt.NDArray[np.float32],
    starts: npt.NDArray[np.int64],
    rows: npt.NDArray[np.uint32],
    values: npt.NDArray[np.float32],
    refused: npt.NDArray[np.int64],
    refused_offsets: npt.NDArray[np.int64],
    days: npt.NDArray[np.float64],
    tolls: npt.NDArray[np.float64],
    shares: npt.NDArray[np.float64],
    crowd: int,
    near: int,
    floor: float,
    decay_floor: float,
    time_scale: float,
) -> Any:
    """Find the best neighbours of rows first … last - 1, and their pairs with earlier rows that outweigh the crowd.

    The toll of a row is share · mean of its `crowd` best cosines: local scaling (Zelnik-Manor, Perona 2004, section
    2), by
    difference. A pair is emitted where its cosine reaches `floor` and the mean of the two tolls.

    Parameters
    ----------
    known : tolls of rows before this one are final; later ones count as 0 here, so the caller filters once more.
    indptr, indices, data : all rows; starts, rows, values : their postings.
    refused : int64[q], refused_offsets : int64[n + 1]; pairs that count as 0.
    days : float64[n], NaN where unknown.
    tolls : float64[n], shares : float64[n]

    Returns
    -------
    tolls : float64[last - first]
    neighbours : int64[last - first, near], best by cosine · decay, -1 where there are fewer
    weights : float64[last - first, near], their cosine · decay
    left, right : int64[p], right < left, in order of left, then right; cosine : float64[p]
    O(postings visited + n for each row); ties go to the smaller position.
    """
    n = len(indptr) - 1
    own = np.zeros(last - first, np.float64)
    neighbours = np.full((last - first, near), -1)
    weights = np.zeros((last - first, near), np.float64)
    cosines = np.zeros(n, np.float64)
    found = np.empty(n, np.int64)
    found_cosine = np.empty(n, np.float64)
    best = np.zeros(crowd, np.float64)
    left, right, cosine = np.empty(1024, np.int64), np.empty(1024, np.int64), np.empty(1024, np.float64)
    at = 0
    for i in range(first, last):
        _add_cosines(i, indptr, indices, data, starts, rows, values, refused, refused_offsets, cosines)
        count = 0
        for j in range(n):
            if cosines[j] >= floor:
                found[count], found_cosine[count] = j, cosines[j]
                count += 1
            cosines[j] = 0.0
        best[:] = 0.0
        for c in range(count):
            j = found[c]
            _insert(best, found_cosine[c])
            value = found_cosine[c] * decay(days[i], days[j], decay_floor, time_scale)
            place = _insert(weights[i - first], value)
            if place < near:
                neighbours[i - first, place + 1 :] = neighbours[i - first, place : near - 1].copy()
                neighbours[i - first, place] = j
        own[i - first] = shares[i] * best.sum() / crowd
        if at + count > len(left):
            room = 2 * (at + count)
            left, right, cosine = _longer(left, room), _longer(right, room), _longer(cosine, room)
        for c in range(count):
            j = found[c]
            if j >= i:
                break
            other = tolls[j] if j < known else 0.0
            if 2.0 * found_cosine[c] >= own[i - first] + other:
                left[at], right[at], cosine[at] = i, j, found_cosine[c]
                at += 1
    return own, neighbours, weights, left[:at].copy(), right[:at].copy(), cosine[:at].copy()


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
        _insert(best[left[p]], score[p])
        _insert(best[right[p]], score[p])
    return best


@kernel
def pair_cosines(
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int32],
    data: npt.NDArray[np.float32],
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
) -> Any:
    """Return the cosine of each pair of rows, float64[p]. O(Σ of the two lengths)."""
    out = np.zeros(len(left), np.float64)
    for p in range(len(left)):
        i, i_end = indptr[left[p]], indptr[left[p] + 1]
        j, j_end = indptr[right[p]], indptr[right[p] + 1]
        total = 0.0
        while i < i_end and j < j_end:
            if indices[i] == indices[j]:
                total += np.float64(data[i]) * np.float64(data[j])
            # Both sides are read before either moves.
            step_i, step_j = indices[i] <= indices[j], indices[j] <= indices[i]
            i += step_i
            j += step_j
        out[p] = total
    return out


@inlined
def decay(day_i: float, day_j: float, floor: float, scale: float) -> Any:
    """Return floor + (1 - floor) · exp(-|Δt| / scale); 1 where a date is unknown (NaN)."""
    apart = abs(day_i - day_j)
    if np.isnan(apart):
        return 1.0
    return floor + (1.0 - floor) * np.exp(-apart / scale)


@inlined
def _add_cosines(
    i: int,
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int32],
    data: npt.NDArray[np.float32],
    starts: npt.NDArray[np.int64],
    rows: npt.NDArray[np.uint32],
    values: npt.NDArray[np.float32],
    refused: npt.NDArray[np.int64],
    refused_offsets: npt.NDArray[np.int64],
    cosines: npt.NDArray[np.float64],
) -> None:
    """Add up the cosines of row i with all rows; 0 with itself and with refused ones."""
    for p in range(indptr[i], indptr[i + 1]):
        weight = np.float64(data[p])
        for q in range(starts[indices[p]], starts[indices[p] + 1]):
            cosines[rows[q]] += weight * np.float64(values[q])
    cosines[i] = 0.0
    for p in range(refused_offsets[i], refused_offsets[i + 1]):
        cosines[refused[p]] = 0.0


@inlined
def _insert(best: npt.NDArray[np.float64], value: float) -> Any:
    """Insert a value into a falling list of fixed length; return its place, or that length where it is too small."""
    place = len(best)
    while place > 0 and value > best[place - 1]:
        place -= 1
    for i in range(len(best) - 1, place, -1):
        best[i] = best[i - 1]
    if place < len(best):
        best[place] = value
    return place


@inlined
def _longer(array: Any, room: int) -> Any:
    """Return an array with `room` entries that starts with those given."""
    out = np.empty(room, array.dtype)
    out[: len(array)] = array
    return out
