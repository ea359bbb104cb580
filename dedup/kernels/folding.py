"""UTF-8 text → comparable text: case and digits folded, format characters dropped, white space folded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined, kernel

# Classes of a code point. Numbers above SPACE make up tokens.
OTHER, DROPPED, SPACE, LETTER, DIGIT, UNSPACED = range(6)


@inlined
def decode(data: npt.NDArray[np.uint8], i: int, end: int) -> Any:
    """Return the code point at byte `i` and its length in bytes (RFC 3629, section 3; the input is valid)."""
    b = np.int64(data[i])
    if b < 0x80:
        return b, 1
    if b < 0xE0 and i + 1 < end:
        return ((b & 0x1F) << 6) | (np.int64(data[i + 1]) & 0x3F), 2
    if b < 0xF0 and i + 2 < end:
        return ((b & 0x0F) << 12) | ((np.int64(data[i + 1]) & 0x3F) << 6) | (np.int64(data[i + 2]) & 0x3F), 3
    if i + 3 < end:
        return (
            ((b & 0x07) << 18)
            | ((np.int64(data[i + 1]) & 0x3F) << 12)
            | ((np.int64(data[i + 2]) & 0x3F) << 6)
            | (np.int64(data[i + 3]) & 0x3F),
            4,
        )
    return np.int64(0xFFFD), end - i


@inlined
def encode(out: npt.NDArray[np.uint8], at: int, c: Any) -> Any:
    """Write code point `c` at byte `at` of `out` as UTF-8 and return the next free byte."""
    if c < 0x80:
        out[at] = c
        return at + 1
    if c < 0x800:
        out[at] = 0xC0 | (c >> 6)
        out[at + 1] = 0x80 | (c & 0x3F)
        return at + 2
    if c < 0x10000:
        out[at] = 0xE0 | (c >> 12)
        out[at + 1] = 0x80 | ((c >> 6) & 0x3F)
        out[at + 2] = 0x80 | (c & 0x3F)
        return at + 3
    out[at] = 0xF0 | (c >> 18)
    out[at + 1] = 0x80 | ((c >> 12) & 0x3F)
    out[at + 2] = 0x80 | ((c >> 6) & 0x3F)
    out[at + 3] = 0x80 | (c & 0x3F)
    return at + 4


@kernel
def non_ascii(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> Any:
    """Tell which texts hold a byte above 0x7F.

    Parameters
    ----------
    data : uint8[m], offsets : int64[n + 1]

    Returns
    -------
    bool[n]; O(m).
    """
    n = len(offsets) - 1
    found = np.zeros(n, np.bool_)
    for d in range(n):
        bits = np.uint8(0)
        for i in range(offsets[d], offsets[d + 1]):
            bits |= data[i]
        found[d] = bits >= 0x80
    return found


@kernel
def fold(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    classes: npt.NDArray[np.uint8],
    folds: npt.NDArray[np.int32],
    expansions: npt.NDArray[np.int32],
) -> Any:
    """Fold case, digits and white space, and drop format characters.

    Parameters
    ----------
    data : uint8[m], offsets : int64[n + 1]
        Valid UTF-8 in NFKC.
    classes : uint8[0x110000]
        Class of each code point.
    folds : int32[f]
        Case fold of each code point below f (those above have none); -1 - e refers to row e of `expansions`.
    expansions : int32[k, 3]
        Full folds of more than one code point, padded with 0 (Unicode Standard 15, section 3.13, toCasefold).

    Returns
    -------
    out : uint8[m'], out_offsets : int64[n + 1]
        White space is one blank inside, none at the ends. O(m).
    """
    n = len(offsets) - 1
    wide = 0
    for i in range(len(data)):
        wide += data[i] >= 0x80
    # A fold of one code point takes at most three times its bytes (U+0390: 2 bytes, 6 folded); ASCII never grows.
    out = np.empty(len(data) + 2 * wide + 4, np.uint8)
    out_offsets = np.empty(n + 1, np.int64)
    out_offsets[0] = 0
    at = 0
    for d in range(n):
        start, i, end = at, offsets[d], offsets[d + 1]
        blank = False
        while i < end:
            if data[i] < 0x80:
                c, length = np.int64(data[i]), 1
            else:
                c, length = decode(data, i, end)
            i += length
            kind = classes[c]
            if kind == SPACE:
                blank = True
                continue
            if kind == DROPPED:
                continue
            if blank:
                if at > start:
                    out[at] = 0x20
                    at += 1
                blank = False
            if c < len(folds):
                folded = np.int64(folds[c])
                if folded < 0:
                    for k in range(3):
                        part = np.int64(expansions[-1 - folded, k])
                        if part > 0:
                            at = encode(out, at, part)
                    continue
                c = folded
            at = encode(out, at, c)
        out_offsets[d + 1] = at
    return out[:at].copy(), out_offsets
