"""Candidate pairs for containment: a join over the rarest shingles of each document (prefix filter)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined, kernel
from dedup.kernels.lsh import pair


@kernel
def prefix_keys(
    values: npt.NDArray[np.uint64],
    offsets: npt.NDArray[np.int64],
    alive: npt.NDArray[np.bool_],
    seen: npt.NDArray[np.uint8],
    missing: float,
    chosen: npt.NDArray[np.bool_],
) -> None:
    """Choose the ⌊missing · n⌋ + 3 rarest shingles of each document of n shingles, without those seen once.

    Whatever holds (1 - missing) of a document's shingles holds at least three of any such choice (prefix filter;
    Chaudhuri, Ganti, Kaushik 2006, section 3; Bayardo, Ma, Srikant 2007, section 4); the rarest make the shortest
    lists.

    Parameters
    ----------
    values : uint64[s], offsets : int64[n + 1]
    alive : bool[n]; of the others none is chosen
    seen : uint8[s] of `frequencies.look_up`; collisions cost time, never recall.
    chosen : bool[s], overwritten. O(s).
    """
    histogram = np.empty(256, np.int64)
    for d in range(len(offsets) - 1):
        start, end = offsets[d], offsets[d + 1]
        if not alive[d]:
            for i in range(start, end):
                chosen[i] = False
            continue
        # 1 - 0.9 is a little less than 0.1: without the margin ten shingles would give one key too few.
        wanted = min(end - start, int(missing * (end - start) + 1e-6) + 3)
        histogram[:] = 0
        for i in range(start, end):
            histogram[seen[i]] += 1
        level, below = 0, 0
        while level < 255 and below + histogram[level] < wanted:
            below += histogram[level]
            level += 1
        at_level = wanted - below
        for i in range(start, end):
            rare = seen[i] < level
            if seen[i] == level and at_level > 0:
                rare = True
                at_level -= 1
            chosen[i] = rare and seen[i] > 1


@kernel
def mark(values: npt.NDArray[np.uint64], chosen: npt.NDArray[np.bool_], marks: npt.NDArray[np.uint8]) -> None:
    """Set the bit of each chosen hash; values : uint64[s], chosen : bool[s], marks : uint8[2^k]. O(s)."""
    mask = np.uint64(8 * len(marks) - 1)
    for i in range(len(values)):
        if chosen[i]:
            bit = values[i] & mask
            marks[bit >> np.uint64(3)] |= np.uint8(1 << (bit & np.uint64(7)))


@kernel
def key_postings(
    values: npt.NDArray[np.uint64],
    offsets: npt.NDArray[np.int64],
    alive: npt.NDArray[np.bool_],
    chosen: npt.NDArray[np.bool_],
    marks: npt.NDArray[np.uint8],
) -> Any:
    """List the documents that hold a shingle which some document chose as a key, and some more.

    Parameters
    ----------
    values : uint64[s], offsets : int64[n + 1]; alive : bool[n], documents that are listed
    chosen : bool[s], as of `prefix_keys`; marks : uint8[2^k], as of `mark`

    Returns
    -------
    keys : uint64[m], members : uint32[m], is_key : bool[m] (chosen by that member), in document order. O(s).
    """
    mask = np.uint64(8 * len(marks) - 1)
    total = 0
    for d in range(len(alive)):
        if alive[d]:
            for i in range(offsets[d], offsets[d + 1]):
                total += _marked(marks, values[i] & mask)
    keys = np.empty(total, np.uint64)
    members = np.empty(total, np.uint32)
    is_key = np.empty(total, np.bool_)
    at = 0
    for d in range(len(alive)):
        if alive[d]:
            for i in range(offsets[d], offsets[d + 1]):
                if _marked(marks, values[i] & mask):
                    keys[at], members[at], is_key[at] = values[i], d, chosen[i]
                    at += 1
    return keys, members, is_key


@kernel
def keys_of_members(
    starts: npt.NDArray[np.int64], members: npt.NDArray[np.uint32], is_key: npt.NDArray[np.bool_], n: int
) -> Any:
    """Group the postings that are keys by the document that chose them.

    Parameters
    ----------
    starts : int64[r + 1], where the list of each key begins and ends
    members : uint32[m]; is_key : bool[m], as of `key_postings`, by key
    n : documents

    Returns
    -------
    places : uint32[k], runs : uint32[k], where each stands and in which list
    first : int64[n + 1], where those of each document begin. O(m + n).
    """
    first = np.zeros(n + 1, np.int64)
    for i in range(len(members)):
        if is_key[i]:
            first[members[i] + 1] += 1
    for d in range(n):
        first[d + 1] += first[d]
    fill = first[:-1].copy()
    places = np.empty(first[n], np.uint32)
    runs = np.empty(first[n], np.uint32)
    for run in range(len(starts) - 1):
        for i in range(starts[run], starts[run + 1]):
            if is_key[i]:
                places[fill[members[i]]] = i
                runs[fill[members[i]]] = run
                fill[members[i]] += 1
    return places, runs, first


@kernel
def prefix_join(
    starts: npt.NDArray[np.int64],
    members: npt.NDArray[np.uint32],
    places: npt.NDArray[np.uint32],
    runs: npt.NDArray[np.uint32],
    first: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int32],
    start_row: int,
    stop_row: int,
    hot: int,
    predecessors: int,
    most: int,
) -> Any:
    """Pair some documents with those at least as long that hold three of their keys (all, where they have fewer).

    A key in more than `hot` documents pairs neighbours in the list only, whatever else they share. Of more than `most`
    documents that hold enough keys of one, those that hold the most are paired, and of equals the first in its lists.

    Parameters
    ----------
    starts, members, places, runs, first : as of `keys_of_members`
    sizes : int32[n], shingles per document
    start_row, stop_row : the documents start_row … stop_row - 1 are paired with all

    Returns
    -------
    pairs : uint64[k], each smaller member << 32 | larger member; may repeat.
    left_out : int, of those above `most`. O(n + Σ over keys of these documents of all that hold them).
    """
    shared = np.zeros(len(sizes), np.uint8)  # up to 255: small, since it is read in no order
    histogram = np.zeros(256, np.int64)
    touched = np.empty(len(sizes), np.uint32)
    pairs = np.empty(1024, np.uint64)
    at, left_out = 0, 0
    for d in range(start_row, stop_row):
        n_touched = 0
        for p in range(first[d], first[d + 1]):
            i = np.int64(places[p])
            start, end = starts[runs[p]], starts[runs[p] + 1]
            if end - start > hot:
                pairs = _room(pairs, at + 2 * predecessors)
                for j in range(max(start, i - predecessors), min(end, i + predecessors + 1)):
                    if j != i:
                        pairs[at] = pair(d, np.int64(members[j]))
                        at += 1
                continue
            for j in range(start, end):
                other = np.int64(members[j])
                if sizes[other] >= sizes[d] and other != d:
                    touched[n_touched] = other
                    n_touched += shared[other] == 0
                    shared[other] += shared[other] < 255
        pairs = _room(pairs, at + n_touched)
        needed, at_level = np.int64(min(3, sizes[d])), n_touched
        if n_touched > most:
            needed, at_level, lost = _level(n_touched, touched, shared, needed, most, histogram)
            left_out += lost
        for t in range(n_touched):
            count = np.int64(shared[touched[t]])
            if count > needed or (count == needed and at_level > 0):
                pairs[at] = pair(d, np.int64(touched[t]))
                at += 1
                at_level -= count == needed
            shared[touched[t]] = 0
    return pairs[:at].copy(), left_out


@inlined
def _level(
    n_touched: int,
    touched: npt.NDArray[np.uint32],
    shared: npt.NDArray[np.uint8],
    needed: Any,
    most: int,
    histogram: npt.NDArray[np.int64],
) -> Any:
    """Return the fewest shared keys of the best `most`, how many that share so many are among them, and the rest."""
    histogram[:] = 0
    for t in range(n_touched):
        histogram[shared[touched[t]]] += 1
    level, above = np.int64(255), np.int64(0)
    while level > needed and above + histogram[level] < most:
        above += histogram[level]
        level -= 1
    at_level = min(most - above, histogram[level])
    rest = histogram[level] - at_level
    for lower in range(needed, level):
        rest += histogram[lower]
    return level, at_level, rest


@inlined
def _marked(marks: npt.NDArray[np.uint8], bit: Any) -> Any:
    """Tell whether a bit is set."""
    return (marks[bit >> np.uint64(3)] >> (bit & np.uint64(7))) & 1 > 0


@inlined
def _room(pairs: npt.NDArray[np.uint64], needed: int) -> Any:
    """Return an array with room for `needed` entries that starts with those of `pairs`."""
    if needed <= len(pairs):
        return pairs
    larger = np.empty(max(needed, 2 * len(pairs)), np.uint64)
    for p in range(len(pairs)):  # a slice would bring its error message along: 3 s to compile
        larger[p] = pairs[p]
    return larger
