"""Comparable text → tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.folding import DIGIT, LETTER, UNSPACED, decode
from dedup.kernels.hashing import HAS_DIGIT, HAS_TWO, IS_CHARACTER, hash_bytes, hash_words
from dedup.kernels.jit import inlined, kernel
from dedup.kernels.octets import TOP, bytes_before, digits, load8, load_part


@kernel
def tokenise(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], classes: npt.NDArray[np.uint8]) -> Any:
    """Split comparable text into tokens: runs of letters, marks and digits; single characters in unspaced scripts.

    Parameters
    ----------
    data : uint8[m], offsets : int64[n + 1]
        Comparable text (see `fold`), where every digit is an ASCII digit.
    classes : uint8[0x110000]

    Returns
    -------
    hashes : uint64[t], kinds : uint8[t] (bits IS_CHARACTER, HAS_DIGIT, HAS_TWO), token_offsets : int64[n + 1]
    starts, ends : uint32[t], bytes of each token in its text. O(m).
    """
    n = len(offsets) - 1
    longest = 0
    for d in range(n):
        longest = max(longest, offsets[d + 1] - offsets[d])
    runs, edges = np.empty(longest + 2, np.uint8), np.empty(longest + 1, np.uint8)
    # A word needs a byte of its own and one that ends it; a character of an unspaced script has three.
    hashes = np.empty(len(data) // 2 + n + 1, np.uint64)
    kinds = np.empty(len(hashes), np.uint8)
    starts, ends = np.empty(len(hashes), np.uint32), np.empty(len(hashes), np.uint32)
    token_offsets = np.empty(n + 1, np.int64)
    token_offsets[0] = 0
    t = np.uint64(0)
    for d in range(n):
        base, size, first = offsets[d], offsets[d + 1] - offsets[d], t
        _find_runs(data, base, size, classes, runs)
        for j in range(size + 1):
            before, here = runs[np.uint64(j)], runs[np.uint64(j) + np.uint64(1)]
            edges[j] = ((here != before) & (here != 0)) | (np.uint8((here != before) & (before != 0)) << np.uint8(1))
        begun = ended = t
        for j in range(size + 1):  # without branches, since where words end cannot be foretold
            edge = np.uint64(edges[np.uint64(j)])
            starts[begun], ends[ended] = j, j
            begun += edge & np.uint64(1)
            ended += edge >> np.uint64(1)
        t = begun
        for k in range(first, t):
            start, end = base + np.int64(starts[np.uint64(k)]), base + np.int64(ends[np.uint64(k)])
            word, next_word = load_part(data, start, end), load_part(data, start + 8, end)
            has_digit = digits(word) | digits(next_word)
            h = hash_words(word, next_word)  # without a branch for longer than eight, which many are
            if end - start > 16:
                h = hash_bytes(data, start, end)
                for i in range(start + 16, end):
                    has_digit |= np.uint64(0x30 <= data[i] <= 0x39)
            lead = word & np.uint64(0xFF)
            width = 1 + (lead >= np.uint64(0xC0)) + (lead >= np.uint64(0xE0)) + (lead >= np.uint64(0xF0))
            bits = HAS_DIGIT * (has_digit != np.uint64(0)) + HAS_TWO * (end - start > width)
            hashes[np.uint64(k)] = h
            kinds[np.uint64(k)] = IS_CHARACTER if runs[np.uint64(starts[np.uint64(k)]) + np.uint64(1)] > 1 else bits
        token_offsets[d + 1] = t
    return hashes[:t], kinds[:t], token_offsets, starts[:t], ends[:t]


@inlined
def _find_runs(
    data: npt.NDArray[np.uint8], base: int, size: int, classes: npt.NDArray[np.uint8], runs: npt.NDArray[np.uint8]
) -> Any:
    """Set runs[1 + j] for byte j of a text: 1 in a word, 2 and 3 by turns in characters of unspaced scripts, else 0."""
    high = np.uint8(0)
    for j in range(size):
        byte = data[np.uint64(base) + np.uint64(j)]
        high |= byte
        digit = np.uint8(byte - np.uint8(0x30)) < np.uint8(10)
        runs[j + 1] = digit | (np.uint8((byte | np.uint8(0x20)) - np.uint8(0x61)) < np.uint8(26))
    runs[0] = runs[size + 1] = 0
    if high < 0x80:
        return
    i, end, turn = base, base + size, 2
    while i < end:
        if i + 8 <= end:
            i += bytes_before(load8(data, i) & TOP)
            if i == end or data[i] < 0x80:
                continue
        c, width = decode(data, i, end)
        if c >= 0x80:
            kind = classes[c]
            turn = 5 - turn
            run = 1 if kind == LETTER or kind == DIGIT else (turn if kind == UNSPACED else 0)
            for j in range(i - base, i - base + width):
                runs[j + 1] = run
        i += width
