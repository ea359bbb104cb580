"""Marks and the characters before them → NFC (Unicode Standard Annex 15), for texts that need no more of NFKC."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.folding import decode, encode
from dedup.kernels.jit import inlined, kernel
from dedup.kernels.octets import TOP, bytes_before, load8, store8

# What NFKC makes of a code point beside others: it stays, or is replaced by itself; marks one after another may change
# places, and some make one character with what is before them; the rest may change with their neighbours otherwise.
ALONE, REPLACED, MARK, COMPOSING, JOINING = range(5)

# What a text needs of NFKC before `folding.fold`: nothing, what `compose` does, or all.
SETTLED, COMPOSABLE, UNSETTLED = range(3)

MOST_MARKS = 30  # after one character; more are left to others, since sorting them takes quadratic time
_ROOM = MOST_MARKS + 5  # the character before them may hold four itself


@kernel
def unsettled(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], joins: npt.NDArray[np.uint8]) -> Any:
    """Tell which texts NFKC may change by more than replacing characters one by one, and how.

    The quick check of Unicode Standard Annex 15, section 9, with replaceable characters taken as replaced.

    Parameters
    ----------
    data : uint8[m], offsets : int64[n + 1]
        Valid UTF-8.
    joins : uint8[c], by code point: ALONE, REPLACED, MARK, COMPOSING or JOINING; later code points are JOINING.

    Returns
    -------
    uint8[n]: SETTLED, COMPOSABLE or UNSETTLED; O(m), 8 bytes of ASCII a step.
    """
    n = len(offsets) - 1
    found = np.zeros(n, np.uint8)
    for d in range(n):
        i, end = offsets[d], offsets[d + 1]
        base, marks = ALONE, 0
        while i < end:
            if i + 8 <= end:
                skipped = bytes_before(load8(data, i) & TOP)
                i += skipped
                if skipped > 0:
                    base, marks = ALONE, 0
                if skipped == 8:
                    continue
            c, length = decode(data, i, end)
            i += length
            kind = joins[c] if c < len(joins) else JOINING
            if kind < MARK:
                base, marks = kind, 0
                continue
            marks += 1
            if kind == JOINING or marks > MOST_MARKS:
                found[d] = UNSETTLED
                break
            if kind == COMPOSING or marks > 1:
                found[d] = COMPOSABLE
                if base == REPLACED:
                    found[d] = UNSETTLED
                    break
    return found


@kernel
def compose(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    ranks: npt.NDArray[np.uint8],
    pairs: npt.NDArray[np.int32],
    splits: npt.NDArray[np.int16],
) -> Any:
    """Put marks in their order, and make one character of those that make one.

    The canonical composition algorithm (Unicode Standard 15, section 3.11), from one character without a rank to the
    next.

    Parameters
    ----------
    data : uint8[m], offsets : int64[n + 1]
        Valid UTF-8 of texts that are COMPOSABLE.
    ranks : uint8[c]
        Canonical combining class by code point; 0 for all that is no mark, and for later code points.
    pairs : int32[k, 3]
        First, second and composite, sorted.
    splits : int16[c]
        Row of a composite in `pairs`, if its second is a mark; else -1.

    Returns
    -------
    out : uint8[m'], out_offsets : int64[n + 1]. O(m), 8 bytes of ASCII a step.
    """
    n = len(offsets) - 1
    wide = 0
    for i in range(len(data)):
        wide += data[i] >= 0x80
    out = np.empty(len(data) + 2 * wide + 8, np.uint8)  # U+0390 takes 2 bytes, taken apart 6
    out_offsets = np.empty(n + 1, np.int64)
    out_offsets[0] = 0
    run = np.empty(_ROOM, np.int64)
    at = 0
    for d in range(n):
        start, i, end = at, offsets[d], offsets[d + 1]
        while i < end:
            if i + 8 <= end:
                word = load8(data, i)
                store8(out, at, word)
                plain = bytes_before(word & TOP)
                at += plain
                i += plain
                if plain == 8:
                    continue
            c, length = decode(data, i, end)
            i += length
            if _rank(ranks, c) == 0:
                at = encode(out, at, c)
                continue
            size = 0
            if at > start:
                at -= 1
                while out[at] & 0xC0 == 0x80:
                    at -= 1
                base, _ = decode(out, at, len(out))
                size = _take_apart(base, pairs, splits, run)
            run[size] = c
            size += 1
            while i < end:
                c, length = decode(data, i, end)
                if _rank(ranks, c) == 0:
                    break
                run[size] = c
                size += 1
                i += length
            size = _put_together(run, size, ranks, pairs)
            for k in range(size):
                at = encode(out, at, run[k])
        out_offsets[d + 1] = at
    return out[:at], out_offsets


@inlined
def _rank(ranks: npt.NDArray[np.uint8], c: Any) -> Any:
    return ranks[c] if c < len(ranks) else np.uint8(0)


@inlined
def _take_apart(c: Any, pairs: npt.NDArray[np.int32], splits: npt.NDArray[np.int16], run: npt.NDArray[np.int64]) -> Any:
    """Write a character and the marks that it holds to `run`, and return how many these are together."""
    size = 1
    while c < len(splits) and splits[c] >= 0:
        row = splits[c]
        for k in range(size, 1, -1):
            run[k] = run[k - 1]
        run[1] = pairs[row, 1]
        c = np.int64(pairs[row, 0])
        size += 1
    run[0] = c
    return size


@inlined
def _put_together(
    run: npt.NDArray[np.int64], size: int, ranks: npt.NDArray[np.uint8], pairs: npt.NDArray[np.int32]
) -> Any:
    """Sort marks by rank, compose them with the character before them, if any, and return how many are left."""
    for k in range(1, size):
        c: Any = run[k]
        j = k
        while j > 0 and _rank(ranks, run[j - 1]) > _rank(ranks, c):
            run[j] = run[j - 1]
            j -= 1
        run[j] = c
    if _rank(ranks, run[0]) > 0:
        return size
    kept, last = 1, 0
    for k in range(1, size):
        c = run[k]
        rank: Any = np.int64(_rank(ranks, c))
        composite = _composite(pairs, run[0], c) if rank > last else np.int64(0)
        if composite > 0:
            run[0] = composite
        else:
            run[kept] = c
            kept, last = kept + 1, rank
    return kept


@inlined
def _composite(pairs: npt.NDArray[np.int32], first: Any, second: Any) -> Any:
    """Return what two characters make, 0 where nothing."""
    low, end = 0, len(pairs)
    while low < end:
        middle = (low + end) >> 1
        if pairs[middle, 0] < first or (pairs[middle, 0] == first and pairs[middle, 1] < second):
            low = middle + 1
        else:
            end = middle
    if low < len(pairs) and pairs[low, 0] == first and pairs[low, 1] == second:
        return np.int64(pairs[low, 2])
    return np.int64(0)
