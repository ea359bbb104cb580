"""All pairs with a cosine above a floor, one row at a time, with nothing kept but what outweighs the crowd.

Rows are unit vectors in CSR (`indptr` int64, `indices` int32, `data` float32); *postings* are the same matrix by
column. A row meets the postings of its terms and adds up in one dense accumulator (Bayardo, Ma, Srikant 2007,
section 3, All-Pairs-0). Products of two float32 are exact in the float64 sums, which run in term order.

Postings hold *places*: the rows in order of time, so that those within a window lie side by side in every posting list.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined, kernel


@kernel
def transpose(
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int32],
    data: npt.NDArray[np.float32],
    n_columns: int,
    order: npt.NDArray[np.int64],
) -> Any:
    """Turn CSR rows into postings.

    Parameters
    ----------
    order : int64[n], the row at each place

    Returns
    -------
    starts : int64[n_columns + 1], places : uint32[m], ascending inside a column, values : float32[m]. O(m).
    Places are unsigned: an index that cannot be negative needs no check, which is a third of the time of a visit.
    """
    starts = np.zeros(n_columns + 1, np.int64)
    for i in range(len(indices)):
        starts[indices[i] + 1] += 1
    for t in range(n_columns):
        starts[t + 1] += starts[t]
    fill = starts[:-1].copy()
    places = np.empty(len(indices), np.uint32)
    values = np.empty(len(indices), np.float32)
    for d in range(len(order)):
        for i in range(indptr[order[d]], indptr[order[d] + 1]):
            at = fill[indices[i]]
            places[at], values[at] = d, data[i]
            fill[indices[i]] += 1
    return starts, places, values


@kernel
def similar_pairs(
    first: int,
    last: int,
    known: int,
    order: npt.NDArray[np.int64],
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int32],
    data: npt.NDArray[np.float32],
    starts: npt.NDArray[np.int64],
    places: npt.NDArray[np.uint32],
    values: npt.NDArray[np.float32],
    undated: int,
    low: npt.NDArray[np.int64],
    high: npt.NDArray[np.int64],
    budget: int,
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
    """Find the best neighbours of places first … last - 1, and their pairs with earlier ones that outweigh the crowd.

    The toll of a row is share · mean of its `crowd` best cosines: local scaling (Zelnik-Manor, Perona 2004, section
    2), by difference. A pair is emitted where its cosine reaches `floor` and the mean of the two tolls.

    Parameters
    ----------
    known : tolls of places before this one are final; later ones count as 0 here, so the caller filters once more.
    order : int64[n], the row at each place; all else goes by place.
    indptr, indices, data : all rows, columns ascending; starts, places, values : their postings.
    undated, low, high : place i meets the places before `undated` and low[i] … high[i] - 1, int64[n], ≥ undated.
    budget : postings a row visits at most. Where there are more, its commonest terms count as 0: it takes them from
        the one with the fewest postings among what it meets, ties by column, up to the budget.
    refused : int64[q], refused_offsets : int64[n + 1]; pairs that count as 0.
    days : float64[n], NaN where unknown.
    tolls : float64[n], shares : float64[n]

    Returns
    -------
    tolls : float64[last - first]
    neighbours : int64[last - first, near], best by cosine · decay, -1 where there are fewer
    weights : float64[last - first, near], their cosine · decay
    left, right : int64[p], right < left, in order of left, then right; cosine : float64[p]
    O(postings visited + places met for each row); ties go to the smaller place.
    """
    n = len(indptr) - 1
    own = np.zeros(last - first, np.float64)
    neighbours = np.full((last - first, near), -1)
    weights = np.zeros((last - first, near), np.float64)
    cosines = np.zeros(n, np.float64)
    found = np.empty(n, np.int64)
    found_cosine = np.empty(n, np.float64)
    spans = np.empty((_widest(first, last, order, indptr), 4), np.int64)
    best = np.zeros(crowd, np.float64)
    left, right, cosine = np.empty(1024, np.int64), np.empty(1024, np.int64), np.empty(1024, np.float64)
    at = 0
    for i in range(first, last):
        start, end = indptr[order[i]], indptr[order[i] + 1]
        visits = _find_spans(indices[start:end], starts, places, undated, low[i], high[i], n, spans)
        if visits > budget:
            _leave_out_commonest(spans[: end - start], budget)
        _add_cosines(data[start:end], spans, places, values, cosines)
        cosines[i] = 0.0
        for p in range(refused_offsets[i], refused_offsets[i + 1]):
            cosines[refused[p]] = 0.0
        count = _take_candidates(0, undated, floor, cosines, found, found_cosine, 0)
        count = _take_candidates(low[i], high[i], floor, cosines, found, found_cosine, count)
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
def _widest(first: int, last: int, order: npt.NDArray[np.int64], indptr: npt.NDArray[np.int64]) -> Any:
    """Return the number of terms in the longest of some rows."""
    most = 0
    for i in range(first, last):
        most = max(most, indptr[order[i] + 1] - indptr[order[i]])
    return most


@inlined
def _find_spans(
    columns: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    places: npt.NDArray[np.uint32],
    undated: int,
    low: int,
    high: int,
    n: int,
    spans: npt.NDArray[np.int64],
) -> Any:
    """Find the postings of each column before `undated`, and in low … high - 1: two spans; return how many in all."""
    visits = 0
    everything = low <= undated and high >= n
    for k in range(len(columns)):
        begin, end = starts[columns[k]], starts[columns[k] + 1]
        split, resume, stop = end, end, end
        if not everything:
            split = _first_from(places, begin, end, undated)
            resume = _first_from(places, split, end, low)
            stop = _first_from(places, resume, end, high)
        spans[k, 0], spans[k, 1], spans[k, 2], spans[k, 3] = begin, split, resume, stop
        visits += split - begin + stop - resume
    return visits


@inlined
def _first_from(places: npt.NDArray[np.uint32], start: int, end: int, place: int) -> Any:
    """Return where in start … end the ascending places reach one."""
    if start < end and places[start] >= place:
        return start
    while start < end:
        middle = (start + end) // 2
        if places[middle] < place:
            start = middle + 1
        else:
            end = middle
    return start


@inlined
def _leave_out_commonest(spans: npt.NDArray[np.int64], budget: int) -> None:
    """Empty the longest spans, so that the others have `budget` postings at most."""
    size = spans[:, 1] - spans[:, 0] + spans[:, 3] - spans[:, 2]
    visits = 0
    for k in np.argsort(size, kind="mergesort"):
        visits += size[k]
        if visits > budget:
            spans[k, 1], spans[k, 3] = spans[k, 0], spans[k, 2]


@inlined
def _add_cosines(
    data: npt.NDArray[np.float32],
    spans: npt.NDArray[np.int64],
    places: npt.NDArray[np.uint32],
    values: npt.NDArray[np.float32],
    cosines: npt.NDArray[np.float64],
) -> None:
    """Add up the cosines of a row with all that it meets."""
    for k in range(len(data)):
        weight = np.float64(data[k])
        for s in range(0, 4, 2):
            start, end = spans[k, s], spans[k, s + 1]
            met, share = places[start:end], values[start:end]  # counted from 0, as in `_take_candidates`
            for q in range(len(met)):
                cosines[met[q]] += weight * np.float64(share[q])


@inlined
def _take_candidates(
    start: int,
    end: int,
    floor: float,
    cosines: npt.NDArray[np.float64],
    found: npt.NDArray[np.int64],
    found_cosine: npt.NDArray[np.float64],
    count: int,
) -> Any:
    """Append the places from start to end whose cosine reaches the floor, and set all of them back to 0."""
    stretch = cosines[start:end]  # counted from 0, so that the loop needs no check for negative indices
    for j in range(len(stretch)):
        if stretch[j] >= floor:
            found[count], found_cosine[count] = start + j, stretch[j]
            count += 1
        stretch[j] = 0.0
    return count


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
