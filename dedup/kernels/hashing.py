"""Hashes of texts, figures and shingles, all 64 bits wide."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined, kernel
from dedup.kernels.octets import bytes_before, digits, load8, load_part
from dedup.kernels.sorting import sort_rows

# What a token is, as bits.
IS_CHARACTER, HAS_DIGIT, HAS_TWO = 1, 2, 4

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FNV_PRIME = np.uint64(0x100000001B3)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_S32, _S33 = np.uint64(32), np.uint64(33)
_LANES = 4  # of `digest`


@inlined
def mix64(h: Any) -> Any:
    """Spread the bits of a 64-bit hash (the finaliser of MurmurHash3; Appleby 2011): a bijection."""
    h ^= h >> _S33
    h *= _MIX_1
    h ^= h >> _S33
    h *= _MIX_2
    return h ^ (h >> _S33)


@inlined
def hash_words(word: Any, next_word: Any) -> Any:
    """Hash up to 16 bytes, as `octets.load_part` reads them, as `hash_bytes` does; next_word is 0 if there are 8."""
    h = word * _STEP
    h ^= h >> _S32
    both = (h ^ next_word) * _STEP
    both ^= both >> _S32
    return mix64(both if next_word != np.uint64(0) else h)


@inlined
def hash_bytes(data: npt.NDArray[np.uint8], start: int, end: int) -> Any:
    """Hash bytes start … end - 1, none of them 0, eight a step (after MurmurHash64A; Appleby 2008)."""
    h = np.uint64(0)
    i = start
    while i < end:
        h = (h ^ load_part(data, i, end)) * _STEP
        h ^= h >> _S32
        i += 8
    return mix64(h)


@inlined
def hash_pair(a: Any, b: Any) -> Any:
    """Hash two hashes in this order."""
    return mix64(a * _FNV_PRIME + b + _STEP)


@kernel
def hash_neighbours(hashes: npt.NDArray[np.uint64]) -> Any:
    """Hash each value with its successor, uint64[m] → uint64[m - 1]: the terms of unspaced scripts. O(m)."""
    out = np.empty(max(len(hashes) - 1, 0), np.uint64)
    for i in range(len(out)):
        out[i] = hash_pair(hashes[i], hashes[i + 1])
    return out


@kernel
def hash_pairs(a: npt.NDArray[np.uint64], b: npt.NDArray[np.uint64]) -> Any:
    """Hash pairs of hashes, each in this order, uint64[m] twice → uint64[m]. O(m)."""
    out = np.empty(len(a), np.uint64)
    for i in range(len(out)):
        out[i] = hash_pair(a[i], b[i])
    return out


@kernel
def digest(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> Any:
    """Hash each text as a whole, to 128 bits (FNV-1a and a variant).

    Parameters
    ----------
    data : uint8[m], offsets : int64[n + 1]

    Returns
    -------
    uint64[n, 2]; equal for equal texts. O(m).
    """
    n = len(offsets) - 1
    out = np.empty((n, 2), np.uint64)
    # Each byte waits for the one before it: the processor has time for four texts side by side.
    text, left = np.full(_LANES, -1), np.zeros(_LANES, np.int64)
    at = np.zeros(_LANES, np.uint64)
    halves = np.zeros((_LANES, 2), np.uint64)
    begun = 0
    while True:
        step = len(data) + 1
        for k in range(_LANES):
            while left[k] == 0:
                if text[k] >= 0:
                    out[text[k], 0], out[text[k], 1] = mix64(halves[k, 0]), mix64(halves[k, 1])
                text[k], left[k], at[k] = -1, len(data) + 1, 0  # nothing to do but to keep the others company
                if begun < n:
                    text[k], left[k], at[k] = begun, offsets[begun + 1] - offsets[begun], offsets[begun]
                    halves[k, 0], halves[k, 1] = _FNV_OFFSET, _MIX_2
                    begun += 1
            step = min(step, left[k])
        if step > len(data):
            return out
        _digest_lanes(data, at, halves, step)
        for k in range(_LANES):
            if text[k] >= 0:
                left[k] -= step
                at[k] += np.uint64(step)


@inlined
def _digest_lanes(
    data: npt.NDArray[np.uint8], at: npt.NDArray[np.uint64], halves: npt.NDArray[np.uint64], step: int
) -> None:
    """Add `step` bytes to the digest of each of four texts."""
    i0, i1, i2, i3 = at[0], at[1], at[2], at[3]
    high0, high1, high2, high3 = halves[0, 0], halves[1, 0], halves[2, 0], halves[3, 0]
    low0, low1, low2, low3 = halves[0, 1], halves[1, 1], halves[2, 1], halves[3, 1]
    for j in range(np.uint64(step)):
        high0, low0 = _digested(high0, low0, data[i0 + j])
        high1, low1 = _digested(high1, low1, data[i1 + j])
        high2, low2 = _digested(high2, low2, data[i2 + j])
        high3, low3 = _digested(high3, low3, data[i3 + j])
    halves[0, 0], halves[1, 0], halves[2, 0], halves[3, 0] = high0, high1, high2, high3
    halves[0, 1], halves[1, 1], halves[2, 1], halves[3, 1] = low0, low1, low2, low3


@inlined
def _digested(high: Any, low: Any, byte: Any) -> Any:
    """Add a byte to both halves of a digest."""
    b = np.uint64(byte)
    low = (low ^ b) * _MIX_1
    return (high ^ b) * _FNV_PRIME, low ^ (low >> _S33)


@kernel
def numbers(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> Any:
    r"""Hash the figures of each text, `\d+([.,:/]\d+)*`, as a sorted multiset.

    Parameters
    ----------
    data : uint8[m], offsets : int64[n + 1]
        Comparable text, where every digit is an ASCII digit.

    Returns
    -------
    values : uint64[k], sorted inside each text, value_offsets : int64[n + 1]. O(m + k log k).
    """
    n = len(offsets) - 1
    values = np.empty(len(data) // 2 + n + 1, np.uint64)
    value_offsets = np.empty(n + 1, np.int64)
    value_offsets[0] = 0
    k = 0
    for d in range(n):
        i, end = offsets[d], offsets[d + 1]
        while i < end:
            if i + 8 <= end:
                skipped = bytes_before(digits(load8(data, i)))
                i += skipped
                if skipped == 8:
                    continue
            if not 0x30 <= data[i] <= 0x39:
                i += 1
                continue
            start = i
            while i < end:
                if 0x30 <= data[i] <= 0x39 or (
                    (data[i] == 0x2E or data[i] == 0x2C or data[i] == 0x3A or data[i] == 0x2F)
                    and i + 1 < end
                    and 0x30 <= data[i + 1] <= 0x39
                ):
                    i += 1
                else:
                    break
            values[k] = hash_bytes(data, start, i)
            k += 1
        value_offsets[d + 1] = k
    sort_rows(values, value_offsets)
    return values[:k].copy(), value_offsets


@kernel
def shingle(
    hashes: npt.NDArray[np.uint64],
    kinds: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    words: int,
    characters: int,
) -> Any:
    """Hash the runs of tokens (shingles; Broder 1997, section 2) of each text, in their order.

    A shingle has `words` tokens, or `characters` where it starts in an unspaced script. A text too short for any
    is one shingle; a text without tokens has none.

    Parameters
    ----------
    hashes : uint64[t], kinds : uint8[t], offsets : int64[n + 1]

    Returns
    -------
    values : uint64[s], value_offsets : int64[n + 1]. O(t).
    """
    n = len(offsets) - 1
    values = np.empty(len(hashes) + n, np.uint64)
    value_offsets = np.empty(n + 1, np.int64)
    value_offsets[0] = 0
    at = 0
    for d in range(n):
        start, end, first = offsets[d], offsets[d + 1], at
        for i in range(start, end):
            width = characters if kinds[i] & IS_CHARACTER else words
            if i + width <= end:
                h = hashes[i]
                for j in range(i + 1, i + width):
                    h = hash_pair(h, hashes[j])
                values[at] = h
                at += 1
        if at == first and end > start:
            h = hashes[start]
            for j in range(start + 1, end):
                h = hash_pair(h, hashes[j])
            values[at] = h
            at += 1
        value_offsets[d + 1] = at
    return values[:at], value_offsets


@kernel
def distinct(values: npt.NDArray[np.uint64], offsets: npt.NDArray[np.int64]) -> Any:
    """Sort each ragged row of hashes and drop repeats.

    Parameters
    ----------
    values : uint64[m], offsets : int64[n + 1]

    Returns
    -------
    values : uint64[m'], offsets : int64[n + 1]. O(m), see `sort_rows`.
    """
    n = len(offsets) - 1
    out = values.copy()
    sort_rows(out, offsets)
    out_offsets = np.empty(n + 1, np.int64)
    out_offsets[0] = 0
    at = 0
    for d in range(n):
        first = at
        for i in range(offsets[d], offsets[d + 1]):
            if at == first or out[i] != out[at - 1]:
                out[at] = out[i]
                at += 1
        out_offsets[d + 1] = at
    return out[:at].copy(), out_offsets
