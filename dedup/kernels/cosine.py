"""All pairs with a cosine that outweighs the crowd around both, by blocked accumulation with bounds.

Rows and places as in `kernels.postings`; each row meets the places before it. A block of places has postings of its
own, and accumulators that stay in the cache (blocking: Lam, Rothberg, Wolf 1991). A row adds up its rare terms only;
what its commonest terms could add is bounded by the lengths of both (Bayardo, Ma, Srikant 2007, section 3.2;
Anastasiu, Karypis 2014, section 4), and worked out for the few pairs that the bound leaves. Products of two float32 are
exact in the float64 sums. Rows are unsigned where they index, since an index that may be negative costs a check.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.accumulation import add, last_listed, last_within, spread, widest
from dedup.kernels.decay import decay
from dedup.kernels.jit import inlined, kernel
from dedup.kernels.nearest import insert, insert_neighbour, thresholds
from dedup.kernels.sifting import STEPS, clear_flags, flag, highest, list_flagged, longer, strongest

AT_WORK = 10  # times the budget that rows may have on average before what outweighs the crowd is known


@kernel
def similar_pairs(
    first: int,
    last: int,
    order: npt.NDArray[np.int64],
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    data: npt.NDArray[np.float32],
    begin: npt.NDArray[np.int64],
    size: int,
    starts: npt.NDArray[np.uint32],
    bases: npt.NDArray[np.int64],
    places: npt.NDArray[np.uint16],
    values: npt.NDArray[np.float32],
    common_starts: npt.NDArray[np.int64],
    common_columns: npt.NDArray[np.uint16],
    common_values: npt.NDArray[np.float32],
    norms: npt.NDArray[np.float32],
    checkpoints: npt.NDArray[np.int64],
    most: float,
    until: int,
    undated: int,
    low: npt.NDArray[np.int64],
    refused: npt.NDArray[np.int64],
    refused_offsets: npt.NDArray[np.int64],
    days: npt.NDArray[np.float64],
    shares: npt.NDArray[np.float64],
    best: npt.NDArray[np.float64],
    neighbours: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    least: npt.NDArray[np.float32],
    halves: npt.NDArray[np.float32],
    floor: float,
    decay_floor: float,
    time_scale: float,
    budget: int,
    at_most: int,
) -> Any:
    """Find the pairs of places first … last - 1 with earlier ones that may matter to either.

    The toll of a row is share · mean of its best cosines: local scaling (Zelnik-Manor, Perona 2004, section 2), by
    difference. Matter does a cosine of at least `floor` that is above the `least` of the earlier place (it may be one
    of its best), or reaches the mean of the two tolls, as far as they are known: a toll only grows.

    Parameters
    ----------
    order : int64[n], the row at each place; all else goes by place.
    indptr, indices, data : all rows, used from `begin` on; size, starts, bases, places, values : of `block_postings`;
        common_…, norms : of `common_parts`
    most : length up to which the common terms of a row are left to the bound; moves the order of a sum, no more.
    until, undated, low : place i meets the places before `undated` and low[i] … i - 1, as far as they come before
        `until`; low never falls.
    refused : int64[q], refused_offsets : int64[n + 1]; earlier places that count as 0.
    days : float64[n], NaN where unknown; shares : float64[n]
    best : float64[n, crowd], neighbours : int64[n, near], weights : float64[n, near]
        Best cosines of each place so far, and its nearest by cosine · decay; ties go to the smaller place. Rows first …
        last - 1 are filled in with what comes before them.
    least, halves : float32[n], of the places before: as `settle` left them.

    budget : pairs that a row keeps, its strongest, where these rows have AT_WORK times as many on average.
    at_most : places of a block that a row looks at more closely, those with the highest bounds.

    Returns
    -------
    left, right : uint32[p], right < left; cosine : float64[p]; blocks from the last, in each by left, then right.
    left_out : int, pairs above the budget; places not looked at count where half of those looked at gave pairs.
        O(postings visited + pairs met / 8).
    """
    accumulators = np.zeros(size, np.float64)
    flags = np.zeros((size + 15) // 8 * 8, np.uint8)
    found = np.empty(len(flags), np.uint16)
    common = np.zeros(checkpoints[-1], np.float64)
    by_checkpoint = np.empty((len(checkpoints), size), np.float32)
    left, right, cosine = np.empty(1024, np.uint32), np.empty(1024, np.uint32), np.empty(1024, np.float64)
    longest = widest(first, last, order, indptr)
    spans, factors = np.empty((2, longest + 1), np.uint32), np.empty(longest + 1, np.float64)
    at, left_out, allowed = 0, 0, AT_WORK * budget * (last - first)
    histogram = np.zeros(STEPS, np.int64)
    for b in range((min(last, until) - 1) // size, -1, -1):
        base = b * size
        if base >= undated and min(base + size, len(order)) <= low[first]:
            continue
        _turn(norms, base, min(size, len(order) - base), by_checkpoint)
        for i in range(max(first, base + 1), last):
            c = last_within(norms, i, most)
            begin_rare = spread(order[i], begin[i], checkpoints[c], indptr, indices, data, common)
            end = last_listed(begin_rare, indptr[order[i] + 1], indices, starts.shape[1] - 1)
            add(begin_rare, end, indices, data, starts[b], bases[b], places, values, spans, factors, accumulators)
            _refuse(refused, refused_offsets[i], refused_offsets[i + 1], base, size, accumulators)
            met = min(size, min(i, until) - base)
            own_least, own_half = thresholds(best, weights, shares, i)
            flag(
                accumulators[:met], norms[i, c], by_checkpoint[c], least[base : base + met], halves[base : base + met],
                own_least, own_half, np.float32(floor), flags,
            )  # fmt: skip
            clear_flags(flags, max(undated - base, 0), min(low[i] - base, met))
            clear_flags(flags, met, (met + 7) // 8 * 8)
            count = list_flagged(flags, met, found)
            passed = max(count - at_most, 0)
            if passed > 0:
                highest(count, found, accumulators, norms[i, c], by_checkpoint[c], at_most, histogram)
                count = at_most
            if at + count > len(left):
                room = 2 * (at + count)
                left, right, cosine = longer(left, room), longer(right, room), longer(cosine, room)
            _finish(
                count, found, base, checkpoints[c], accumulators, common, common_starts, common_columns, common_values,
                cosine, at,
            )  # fmt: skip
            _meet(
                i, base, count, found, cosine, at, floor, days, decay_floor, time_scale, best, neighbours, weights
            )  # fmt: skip
            _, own_half = thresholds(best, weights, shares, i)
            end = _keep(i, base, count, found, floor, least, halves, own_half, left, right, cosine, at)
            left_out, at = left_out + (passed if 2 * (end - at) >= count else 0), end
            if at > 4 * allowed:
                kept = strongest(left, right, cosine, at, first, last, budget)
                left_out, at = left_out + at - kept, kept
            _clear(accumulators, size)
            _clear(common, checkpoints[c])
    at = _keep_final(left, right, cosine, at, least, halves, best, weights, shares)
    if at > allowed:
        kept = strongest(left, right, cosine, at, first, last, budget)
        left_out, at = left_out + at - kept, kept
    return left[:at].copy(), right[:at].copy(), cosine[:at].copy(), left_out


@kernel
def pair_cosines(
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
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
            x, y = indices[i], indices[j]
            if x == y:
                total += np.float64(data[i]) * np.float64(data[j])
            # Without branches: which side moves is a coin toss that no predictor guesses.
            i += x <= y
            j += y <= x
        out[p] = total
    return out


@inlined
def _turn(norms: npt.NDArray[np.float32], base: int, count: int, out: npt.NDArray[np.float32]) -> None:
    """Put the norms of `count` places from `base` on by checkpoint."""
    for j in range(count):
        for c in range(norms.shape[1]):
            out[c, j] = norms[base + j, c]


@inlined
def _refuse(
    refused: npt.NDArray[np.int64], start: int, end: int, base: int, size: int, accumulators: npt.NDArray[np.float64]
) -> None:
    """Put the sums of the refused places of a block under all bounds."""
    for p in range(start, end):
        if base <= refused[p] < base + size:
            accumulators[refused[p] - base] = -2.0


@inlined
def _clear(values: npt.NDArray[np.float64], count: int) -> None:
    for k in range(count):
        values[k] = 0.0


@inlined
def _finish(
    count: int,
    found: npt.NDArray[np.uint16],
    base: int,
    checkpoint: int,
    accumulators: npt.NDArray[np.float64],
    common: npt.NDArray[np.float64],
    starts: npt.NDArray[np.int64],
    columns: npt.NDArray[np.uint16],
    values: npt.NDArray[np.float32],
    cosine: npt.NDArray[np.float64],
    at: int,
) -> None:
    """Work out the whole cosines of the places listed."""
    for k in range(count):
        j = np.uint64(found[k])
        total = accumulators[j]
        q, end = np.uint64(starts[np.uint64(base) + j]), np.uint64(starts[np.uint64(base) + j + np.uint64(1)])
        while q < end and columns[q] < checkpoint:
            total += common[columns[q]] * np.float64(values[q])
            q += np.uint64(1)
        cosine[at + k] = total


@inlined
def _meet(
    i: int,
    base: int,
    count: int,
    found: npt.NDArray[np.uint16],
    cosine: npt.NDArray[np.float64],
    at: int,
    floor: float,
    days: npt.NDArray[np.float64],
    decay_floor: float,
    time_scale: float,
    best: npt.NDArray[np.float64],
    neighbours: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
) -> None:
    """Tell place `i` of the `count` cosines at `at`."""
    j: Any
    for k in range(at, at + count):
        j, value = base + np.int64(found[k - at]), cosine[k]
        if value >= floor:
            insert(best, i, value)
            faded = value * decay(days[i], days[j], decay_floor, time_scale)
            insert_neighbour(i, j, faded, neighbours, weights)


@inlined
def _matters(value: float, least: float, tolls: float) -> Any:
    """Tell whether a cosine may be one of the best of the earlier place, or outweighs the tolls of both."""
    return value > least or value >= tolls


@inlined
def _keep(
    i: int,
    base: int,
    count: int,
    found: npt.NDArray[np.uint16],
    floor: float,
    least: npt.NDArray[np.float32],
    halves: npt.NDArray[np.float32],
    own_half: np.float32,
    left: npt.NDArray[np.uint32],
    right: npt.NDArray[np.uint32],
    cosine: npt.NDArray[np.float64],
    at: int,
) -> Any:
    """Keep those of the `count` cosines at `at` that matter, and return where the next ones go."""
    end = at
    for k in range(count):
        j, value = base + np.int64(found[k]), cosine[at + k]
        left[end], right[end], cosine[end] = i, j, value
        end += value >= floor and _matters(value, least[j], own_half + halves[j])
    return end


@inlined
def _keep_final(
    left: npt.NDArray[np.uint32],
    right: npt.NDArray[np.uint32],
    cosine: npt.NDArray[np.float64],
    count: int,
    least: npt.NDArray[np.float32],
    halves: npt.NDArray[np.float32],
    best: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    shares: npt.NDArray[np.float64],
) -> Any:
    """Keep the pairs that matter still, now that the tolls of the rows are known, and return how many."""
    end = 0
    for p in range(count):
        _, own_half = thresholds(best, weights, shares, left[p])
        left[end], right[end], cosine[end] = left[p], right[p], cosine[p]
        end += _matters(cosine[p], least[right[p]], own_half + halves[right[p]])
    return end
