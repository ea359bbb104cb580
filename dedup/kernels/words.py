"""Function words: which languages a word is one of, as bits beside its hash, and what a text says about its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.folding import decode
from dedup.kernels.jit import inlined, kernel

# Which bit is set: the top six bits of its product with a de Bruijn number tell (Leiserson, Prokop, Randall 1998).
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_BIT = np.zeros(64, np.uint8)
_BIT[[(0x03F79D71B4CB0A89 << bit & 2**64 - 1) >> 58 for bit in range(64)]] = np.arange(64)


@kernel
def language_votes(
    data: npt.NDArray[np.uint8],
    text_offsets: npt.NDArray[np.int64],
    hashes: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.uint32],
    offsets: npt.NDArray[np.int64],
    most: int,
    words: npt.NDArray[np.uint64],
    languages: npt.NDArray[np.uint64],
    scripts: npt.NDArray[np.uint8],
    n_languages: int,
) -> Any:
    """Count for each text the tokens that speak for each language.

    A token in a script of one language speaks for that; any other for all languages of which it is a function word.

    Parameters
    ----------
    data : uint8[m], text_offsets : int64[n + 1]; hashes : uint64[t], starts : uint32[t], offsets : int64[n + 1]
        Comparable texts and their tokens.
    most : tokens of a text that are asked, from its start.
    words : uint64[k], not 0; languages : uint64[k], bit i for language i.
    scripts : uint8[c], by code point: 1 + language where its script has only one, else 0. A token that starts with a
        later code point says nothing by its script.

    Returns
    -------
    votes : int32[n, n_languages]. O(t).
    """
    n = len(offsets) - 1
    keys, bits = word_table(words, languages)
    votes = np.zeros((n, n_languages), np.int32)
    for d in range(n):
        for i in range(offsets[d], min(offsets[d + 1], offsets[d] + most)):
            c, _ = decode(data, text_offsets[d] + np.int64(starts[i]), len(data))
            script = scripts[c] if c < len(scripts) else np.uint8(0)
            if script > 0:
                votes[d, script - 1] += 1
                continue
            left = languages_of(keys, bits, hashes[i])
            while left > 0:
                lowest = left & (~left + np.uint64(1))
                votes[d, _BIT[(lowest * _DE_BRUIJN) >> np.uint64(58)]] += 1
                left ^= lowest
    return votes


@inlined
def word_table(words: npt.NDArray[np.uint64], languages: npt.NDArray[np.uint64]) -> Any:
    """Build an open-addressing table from hashes (0 = empty) to languages as bits."""
    size = 16
    while size < 4 * len(words):
        size *= 2
    keys, bits = np.zeros(size, np.uint64), np.zeros(size, np.uint64)
    for k in range(len(words)):
        slot = words[k] & np.uint64(size - 1)
        while keys[slot] != 0:
            slot = (slot + np.uint64(1)) & np.uint64(size - 1)
        keys[slot], bits[slot] = words[k], languages[k]
    return keys, bits


@inlined
def languages_of(keys: npt.NDArray[np.uint64], bits: npt.NDArray[np.uint64], word: Any) -> Any:
    """Return the languages of which a word is a function word, as bits."""
    mask = np.uint64(len(keys) - 1)
    slot = word & mask
    while keys[slot] != 0 and keys[slot] != word:
        slot = (slot + np.uint64(1)) & mask
    return bits[slot]
