"""Tokens → counted terms → unit TF-IDF rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.hashing import HAS_DIGIT, HAS_TWO, IS_CHARACTER, hash_pair
from dedup.kernels.jit import inlined, kernel
from dedup.kernels.sorting import sort_rows
from dedup.kernels.words import languages_of, word_table

_KEYS_A_SLOT = 4  # of the index of `lookup`, on average


@kernel
def count_terms(
    hashes: npt.NDArray[np.uint64],
    kinds: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    title_hashes: npt.NDArray[np.uint64],
    title_kinds: npt.NDArray[np.uint8],
    title_offsets: npt.NDArray[np.int64],
    title_weight: int,
    stop_words: npt.NDArray[np.uint64],
    stop_languages: npt.NDArray[np.uint64],
    spoken: npt.NDArray[np.uint64],
) -> Any:
    """Count the terms of each document: words of two or more letters, and overlapping pairs of unspaced characters.

    Parameters
    ----------
    hashes : uint64[t], kinds : uint8[t], offsets : int64[n + 1]
        Tokens of the text; those of the title likewise.
    title_weight : times a title counts.
    stop_words : uint64[k], not 0; stop_languages : uint64[k], the languages of which each is a function word, as bits.
    spoken : uint64[n], the languages whose function words are no terms of a document.

    Returns
    -------
    terms : uint64[m], sorted and distinct inside each document
    counts : int32[m]
    term_offsets : int64[n + 1]. O(t log t).
    """
    n = len(offsets) - 1
    terms = np.empty(len(hashes) + max(title_weight, 1) * len(title_hashes), np.uint64)
    bounds = np.empty(n + 1, np.int64)
    bounds[0] = 0
    stops, bits = word_table(stop_words, stop_languages)
    size = 0
    for d in range(n):
        size = _collect(hashes, kinds, offsets[d], offsets[d + 1], stops, bits, spoken[d], terms, size)
        first = size
        size = _collect(
            title_hashes, title_kinds, title_offsets[d], title_offsets[d + 1], stops, bits, spoken[d], terms, size
        )
        for i in range((title_weight - 1) * (size - first)):
            terms[size + i] = terms[first + i]
        size += (title_weight - 1) * (size - first)
        bounds[d + 1] = size
    sort_rows(terms, bounds)
    counts = np.empty(size, np.int32)
    term_offsets = np.empty(n + 1, np.int64)
    term_offsets[0] = 0
    m = 0
    for d in range(n):
        first = m
        for i in range(bounds[d], bounds[d + 1]):
            if m > first and terms[i] == terms[m - 1]:
                counts[m - 1] += 1
            else:
                terms[m], counts[m] = terms[i], 1
                m += 1
        term_offsets[d + 1] = m
    return terms[:m].copy(), counts[:m].copy(), term_offsets


@kernel
def index(keys: npt.NDArray[np.uint64]) -> Any:
    """Find where the keys of each combination of leading bits start, for `lookup`.

    Parameters
    ----------
    keys : uint64[k], sorted and distinct

    Returns
    -------
    uint32[2^b + 1], one to two bytes a key. O(k).
    """
    bits = 1
    while (_KEYS_A_SLOT << bits) < len(keys):
        bits += 1
    shift = np.uint64(64 - bits)
    starts = np.zeros((1 << bits) + 1, np.uint32)
    for k in range(len(keys)):
        starts[(keys[k] >> shift) + np.uint64(1)] = k + 1
    for slot in range(1 << bits):
        starts[slot + 1] = max(starts[slot + 1], starts[slot])
    return starts


@kernel
def lookup(keys: npt.NDArray[np.uint64], starts: npt.NDArray[np.uint32], values: npt.NDArray[np.uint64]) -> Any:
    """Find the place of each value among sorted distinct keys.

    Parameters
    ----------
    keys : uint64[k], sorted and distinct; starts : uint32[2^b + 1], their `index`; values : uint64[m]

    Returns
    -------
    int32[m]; -1 for a value that is no key. O(m) where keys are hashes.
    """
    bits = 0
    while (1 << bits) < len(starts) - 1:
        bits += 1
    shift = np.uint64(64 - bits)
    found = np.empty(len(values), np.int32)
    for i in range(len(values)):
        value, slot = values[i], values[i] >> shift
        low, high = np.uint64(starts[slot]), np.uint64(starts[slot + np.uint64(1)])
        while high - low > 4 * _KEYS_A_SLOT:  # where keys are no hashes
            middle = (low + high) >> np.uint64(1)
            if keys[middle] < value:
                low = middle
            else:
                high = middle + np.uint64(1)
        while low < high and keys[low] < value:
            low += np.uint64(1)
        found[i] = np.int64(low) if low < high and keys[low] == value else -1
    return found


@kernel
def count_peers(
    columns: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.int64],
    group: npt.NDArray[np.int64],
    lacking: npt.NDArray[np.bool_],
    documents: npt.NDArray[np.int64],
    first: int,
    own: npt.NDArray[np.int32],
    alien: npt.NDArray[np.int32],
    peers: npt.NDArray[np.float64],
) -> None:
    """Count for each of some terms its documents, those among them of some groups, and the documents of their groups.

    Parameters
    ----------
    columns : int32[m], offsets : int64[n + 1], distinct terms of each document
    group : int64[n], of each document; lacking : bool[g], the groups that count; documents : int64[g] in each group
    first : the first of the v terms that are counted
    own, alien : int32[v], peers : float64[v], added to in place. O(m).
    """
    for d in range(len(offsets) - 1):
        is_lacking, of_group = lacking[group[d]], float(documents[group[d]])
        for i in range(offsets[d], offsets[d + 1]):
            place = columns[i] - first
            if 0 <= place < len(own):
                own[place] += 1
                alien[place] += is_lacking
                peers[place] += of_group


@kernel
def falling_ranks(counts: npt.NDArray[np.int32]) -> Any:
    """Rank by falling count, ties by place: by counting (Knuth 1998, section 5.2, algorithm D).

    Parameters
    ----------
    counts : int32[v], not negative; the ranks take their place

    Returns
    -------
    ranks : uint32[v], a view of `counts`
    first : int64[largest count + 1], the first rank of the largest count, of the next smaller one … of 0; that of a
        count which none has is the next one's. O(v + the largest count).
    """
    most = 0
    for k in range(len(counts)):
        most = max(most, counts[k])
    first = np.zeros(most + 1, np.int64)
    for k in range(len(counts)):
        first[most - counts[k]] += 1
    total = 0
    for step in range(most + 1):
        total, first[step] = total + first[step], total
    ranks, following = counts.view(np.uint32), first.copy()
    for k in range(len(counts)):
        step = most - counts[k]
        ranks[k] = following[step]
        following[step] += 1
    return ranks, first


@kernel
def unit_rows(
    columns: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.int64],
    idf: npt.NDArray[np.float64],
) -> Any:
    """Weigh counts by √count · idf and scale each row to length 1 (Salton, Buckley 1988, with √tf for 1 + ln tf).

    Parameters
    ----------
    columns : int32[m], counts : int32[m], offsets : int64[n + 1], idf : float64[v]

    Returns
    -------
    float32[m]; a row without weight stays 0. O(m).
    """
    data = np.empty(len(columns), np.float32)
    for d in range(len(offsets) - 1):
        total = 0.0
        for i in range(offsets[d], offsets[d + 1]):
            weight = np.sqrt(float(counts[i])) * idf[columns[i]]
            total += weight * weight
        scale = 1.0 / np.sqrt(total) if total > 0 else 0.0
        for i in range(offsets[d], offsets[d + 1]):
            data[i] = np.sqrt(float(counts[i])) * idf[columns[i]] * scale
    return data


@kernel
def heaviest(
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.uint32],
    data: npt.NDArray[np.float32],
    wanted: npt.NDArray[np.bool_],
    members: npt.NDArray[np.int64],
    bounds: npt.NDArray[np.int64],
    count: int,
) -> Any:
    """Find the columns that weigh most over each group of rows.

    Parameters
    ----------
    indptr, indices, data : rows in CSR; wanted : bool[v], columns that count
    members : int64[k], rows; those of group g are members[bounds[g]] … members[bounds[g + 1] - 1]

    Returns
    -------
    int64[groups, count], by falling sum of weights, ties by column; -1 where there are fewer. O(m · count) at worst.
    """
    groups = len(bounds) - 1
    found = np.full((groups, count), -1)
    column: Any
    total = np.zeros(len(wanted), np.float64)
    weights = np.empty(count, np.float64)
    for g in range(groups):
        for k in range(bounds[g], bounds[g + 1]):
            for p in range(indptr[members[k]], indptr[members[k] + 1]):
                total[indices[p]] += np.float64(data[p])
        for k in range(count):
            weights[k] = 0.0
        for k in range(bounds[g], bounds[g + 1]):
            for p in range(indptr[members[k]], indptr[members[k] + 1]):
                column = np.int64(indices[p])
                weight, total[column] = total[column], 0.0  # each counts once, where it is met first
                if weight > 0.0 and wanted[column]:
                    _insert_heavy(found, weights, g, column, weight)
    return found


@inlined
def _insert_heavy(
    found: npt.NDArray[np.int64], weights: npt.NDArray[np.float64], g: int, column: int, weight: float
) -> None:
    """Insert a column into the heaviest of a group."""
    k = len(weights)
    while k > 0 and (weight > weights[k - 1] or (weight == weights[k - 1] and column < found[g, k - 1])):
        k -= 1
    if k < len(weights):
        for q in range(len(weights) - 1, k, -1):
            found[g, q], weights[q] = found[g, q - 1], weights[q - 1]
        found[g, k], weights[k] = column, weight


@inlined
def _collect(
    hashes: npt.NDArray[np.uint64],
    kinds: npt.NDArray[np.uint8],
    start: int,
    end: int,
    stops: npt.NDArray[np.uint64],
    bits: npt.NDArray[np.uint64],
    spoken: Any,
    bag: npt.NDArray[np.uint64],
    size: int,
) -> Any:
    """Append the terms of tokens start … end - 1 to `bag` and return its new size."""
    for i in range(start, end):
        kind = kinds[i]
        if kind & IS_CHARACTER:
            if i + 1 < end and kinds[i + 1] & IS_CHARACTER:
                bag[size] = hash_pair(hashes[i], hashes[i + 1])
                size += 1
        elif kind & (HAS_TWO | HAS_DIGIT) == HAS_TWO and languages_of(stops, bits, hashes[i]) & spoken == 0:
            bag[size] = hashes[i]
            size += 1
    return size
