"""Passages that many documents share: where the shingles of a text stand, and what runs of them cover."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.hashing import HAS_DIGIT, IS_CHARACTER, hash_pair
from dedup.kernels.jit import inlined, kernel
from dedup.kernels.sorting import buckets

NOWHERE = 0xFFFF  # the place of a token that is no term and no figure, or lies beyond what 16 bits can name


@kernel
def trace(
    hashes: npt.NDArray[np.uint64],
    kinds: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    words: int,
    characters: int,
    shingles: npt.NDArray[np.uint64],
    shingle_offsets: npt.NDArray[np.int64],
    terms: npt.NDArray[np.uint64],
    term_offsets: npt.NDArray[np.int64],
    figures: npt.NDArray[np.uint64],
    figure_offsets: npt.NDArray[np.int64],
) -> Any:
    """Note for each token which shingle starts there, and which term or figure it is.

    Parameters
    ----------
    hashes : uint64[t], kinds : uint8[t], offsets : int64[n + 1]
    words, characters : as of `hashing.shingle`, which gave shingles : uint64[s], shingle_offsets : int64[n + 1]
    terms : uint64[m], term_offsets : int64[n + 1]
        As of `tfidf.count_terms`.
    figures : uint64[k], figure_offsets : int64[n + 1]
        As of `hashing.numbers`; a figure of several tokens, such as 1,200, is none of them.

    Returns
    -------
    ranks : uint16[t], place of the shingle in its document's list; NOWHERE where none starts.
    places : uint16[t], place in the document's list of terms, followed by its figures. O(t).
    """
    ranks = np.full(len(hashes), NOWHERE, np.uint16)
    places = np.full(len(hashes), NOWHERE, np.uint16)
    longest = 1
    for d in range(len(offsets) - 1):
        longest = max(longest, shingle_offsets[d + 1] - shingle_offsets[d], term_offsets[d + 1] - term_offsets[d])
    shingle_heads, term_heads = np.empty(2 * longest + 3, np.int32), np.empty(2 * longest + 3, np.int32)
    for d in range(len(offsets) - 1):
        first, term_first, figure_first = shingle_offsets[d], term_offsets[d], figure_offsets[d]
        shingle_shift = _index(shingles, first, shingle_offsets[d + 1], shingle_heads)
        term_shift = _index(terms, term_first, term_offsets[d + 1], term_heads)
        n_terms = term_offsets[d + 1] - term_first
        for i in range(offsets[d], offsets[d + 1]):
            in_character = kinds[i] & IS_CHARACTER
            width = characters if in_character else words
            if i + width <= offsets[d + 1]:
                h = hashes[i]
                for j in range(i + 1, i + width):
                    h = hash_pair(h, hashes[j])
                head = h >> shingle_shift
                ranks[i] = _place(shingles, first, shingle_heads[head], shingle_heads[head + np.uint64(1)], h)
            h = hashes[i]
            if kinds[i] & HAS_DIGIT:
                figure = _place(figures, figure_first, 0, figure_offsets[d + 1] - figure_first, h)
                places[i] = min(n_terms + figure, NOWHERE)
                continue
            if in_character:
                if i + 1 == offsets[d + 1] or not kinds[i + 1] & IS_CHARACTER:
                    continue
                h = hash_pair(h, hashes[i + 1])
            head = h >> term_shift
            places[i] = _place(terms, term_first, term_heads[head], term_heads[head + np.uint64(1)], h)
    return ranks, places


@kernel
def common(
    values: npt.NDArray[np.uint64],
    offsets: npt.NDArray[np.int64],
    seen: npt.NDArray[np.uint16],
    bounds: npt.NDArray[np.int64],
    part: int,
    parts: int,
) -> Any:
    """Find the hashes that may be common enough, of one of the parts into which their middle bits cut them.

    Parameters
    ----------
    values : uint64[s], offsets : int64[n + 1]
    seen : uint16[s], upper bounds of how common each is
    bounds : int64[n], from which one counts as common in a document
    part : 0 … parts - 1; parts : 2^k

    Returns
    -------
    places : int64[e], ascending; rows : int64[e], of which document. O(s).
    """
    mask = np.uint64(parts - 1)
    wanted = np.uint64(part)
    places = np.empty(len(values), np.int64)  # pages that nothing is written to take no memory
    rows = np.empty(len(values), np.int64)
    at = 0
    for d in range(len(offsets) - 1):
        for i in range(offsets[d], offsets[d + 1]):
            if seen[i] >= bounds[d] and (values[i] >> np.uint64(40)) & mask == wanted:
                places[at], rows[at] = i, d
                at += 1
    return places[:at].copy(), rows[:at].copy()


@kernel
def cover(
    ranks: npt.NDArray[np.uint16],
    offsets: npt.NDArray[np.int64],
    flags: npt.NDArray[np.bool_],
    shingle_offsets: npt.NDArray[np.int64],
    least: int,
    words: int,
) -> Any:
    """Find the runs of at least `least` flagged shingles in a row, and the tokens that they cover.

    Parameters
    ----------
    ranks : uint16[t] of `trace`, offsets : int64[n + 1]
    flags : bool[s], shingle_offsets : int64[n + 1]
    words : tokens of a shingle

    Returns
    -------
    covered : bool[t]
    inside : bool[s], the shingles of the runs. O(t).
    """
    covered = np.zeros(len(ranks), np.bool_)
    inside = np.zeros(len(flags), np.bool_)
    for d in range(len(offsets) - 1):
        base, end = shingle_offsets[d], offsets[d + 1]
        run = 0
        for i in range(offsets[d], end + 1):
            if i < end and ranks[i] != NOWHERE and flags[base + ranks[i]]:
                run += 1
                continue
            if run >= least:
                for j in range(i - run, i):
                    inside[base + ranks[j]] = True
                covered[i - run : min(i + words - 1, end)] = True
            run = 0
    return covered, inside


@kernel
def discount(
    covered: npt.NDArray[np.bool_],
    places: npt.NDArray[np.uint16],
    offsets: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int32],
    count_offsets: npt.NDArray[np.int64],
    figures: npt.NDArray[np.uint64],
    figure_offsets: npt.NDArray[np.int64],
) -> Any:
    """Take covered tokens off the counts of terms and figures.

    Parameters
    ----------
    covered : bool[t], places : uint16[t] of `trace`, offsets : int64[n + 1]
    counts : int32[m], count_offsets : int64[n + 1]
    figures : uint64[k], sorted inside each document; figure_offsets : int64[n + 1]

    Returns
    -------
    left : int32[m], what is left of the counts
    kept : bool[k], the figures that stay; of equal ones as many go as are covered. O(t + m + k).
    """
    left = counts.copy()
    kept = np.ones(len(figures), np.bool_)
    for d in range(len(offsets) - 1):
        terms = count_offsets[d + 1] - count_offsets[d]
        for i in range(offsets[d], offsets[d + 1]):
            if not covered[i] or places[i] == NOWHERE:
                continue
            if places[i] < terms:
                place = count_offsets[d] + places[i]
                left[place] = max(left[place] - 1, 0)
                continue
            place = figure_offsets[d] + places[i] - terms  # `trace` names the first of equal ones
            figure = figures[place]
            while place < figure_offsets[d + 1] and figures[place] == figure and not kept[place]:
                place += 1
            if place < figure_offsets[d + 1] and figures[place] == figure:
                kept[place] = False
    return left, kept


@kernel
def mean_cosines(
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    data: npt.NDArray[np.float32],
    v: int,
    members: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
) -> Any:
    """Return the mean cosine over the pairs of rows of each set, from the length of the sum of its rows.

    Parameters
    ----------
    indptr : int64[n + 1], indices : uint32[m], data : float32[m]
        CSR of v columns; rows of length 1.
    members : int64[k], rows of each set; offsets : int64[c + 1]

    Returns
    -------
    float64[c]; 0 for a set of one. O(entries of all members).
    """
    means = np.zeros(len(offsets) - 1)
    total = np.zeros(v)
    for c in range(len(means)):
        both = 0.0
        for k in range(offsets[c], offsets[c + 1]):
            for i in range(indptr[members[k]], indptr[members[k] + 1]):
                weight = float(data[i])
                both += 2 * weight * total[indices[i]]  # with each earlier member
                total[indices[i]] += weight
        for k in range(offsets[c], offsets[c + 1]):
            for i in range(indptr[members[k]], indptr[members[k] + 1]):
                total[indices[i]] = 0.0
        size = offsets[c + 1] - offsets[c]
        means[c] = both / max(size * (size - 1), 1)
    return means


@inlined
def _index(values: npt.NDArray[np.uint64], first: int, end: int, heads: npt.NDArray[np.int32]) -> Any:
    """Note where each bucket of the sorted hashes first … end - 1 begins, and return the shift to a bucket."""
    size, shift = buckets(end - first)
    heads[: size + 1] = 0
    for i in range(first, end):
        heads[(values[i] >> shift) + np.uint64(1)] += 1
    for b in range(size):
        heads[b + 1] += heads[b]
    return shift


@inlined
def _place(values: npt.NDArray[np.uint64], base: int, low: int, end: int, value: Any) -> Any:
    """Return the first place after `base` of a value among the sorted values there from low to end - 1, else NOWHERE.

    Nearly all buckets hold two at most, and no branch asks which: it could not be foretold.
    """
    while end - low > 2:
        middle = (low + end) >> 1
        if values[base + middle] < value:
            low = middle + 1
        else:
            end = middle + 1
    last = len(values) - 1
    if last < 0:
        return NOWHERE
    at = low + ((end - low == 2) & (values[min(base + low, last)] < value))
    found = (low < end) & (values[min(base + at, last)] == value)
    return min(at, NOWHERE) if found else NOWHERE
