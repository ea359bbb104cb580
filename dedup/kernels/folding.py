"""UTF-8 text → comparable text: case and digits folded, format characters dropped, white space folded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined, kernel
from dedup.kernels.octets import LOW, TOP, bytes_before, load8, repeated, store8

# Classes of a code point. Numbers above SPACE make up tokens.
OTHER, DROPPED, SPACE, LETTER, DIGIT, UNSPACED = range(6)

_NOTHING = -(2**31)
_BLANKS = repeated(0x20)
# Added to bytes of ASCII, these lift to the top bit what is not below a blank, not below "A", and above "Z".
_FROM_BLANK, _FROM_A, _FROM_Z = repeated(0x80 - 0x20), repeated(0x80 - 0x41), repeated(0x80 - 0x5B)
_AFTER_BLANK = np.uint64(0x80)


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
def fold(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    classes: npt.NDArray[np.uint8],
    folds: npt.NDArray[np.int32],
    expansions: npt.NDArray[np.int32],
) -> Any:
    """Fold compatibility forms, case, digits and white space, and drop format characters.

    Parameters
    ----------
    data : uint8[m], offsets : int64[n + 1]
        Valid UTF-8, composed or in NFKC where `composing.unsettled` says so.
    classes : uint8[0x110000]
        Class of each code point.
    folds : int32[f]
        What each code point below f becomes (those above stay or are dropped); -1 - e refers to row e of `expansions`.
    expansions : int32[k, 3]
        Folds of none or several code points, padded with 0; of at most three times the bytes of what they replace.

    Returns
    -------
    out : uint8[m'], out_offsets : int64[n + 1]
        White space is one blank inside, none at the ends. O(m), 8 bytes of ASCII a step.
    """
    n = len(offsets) - 1
    wide = 0
    for i in range(len(data)):
        wide += data[i] >= 0x80
    out = np.empty(len(data) + 2 * wide + 8, np.uint8)  # U+0390 takes 2 bytes, folded 6; ASCII never grows
    out_offsets = np.empty(n + 1, np.int64)
    out_offsets[0] = 0
    at = 0
    for d in range(n):
        start, i, end = at, offsets[d], offsets[d + 1]
        blank = _AFTER_BLANK  # the top bit of a byte that follows a blank, or comes first
        while i < end:
            if i + 8 <= end:
                word = load8(data, i)
                blanks = ~((word ^ _BLANKS) + LOW) & TOP
                odd = (word | ~(word + _FROM_BLANK) | (blanks & ((blanks << np.uint64(8)) | blank))) & TOP
                upper = (word + _FROM_A) & ~(word + _FROM_Z) & TOP
                store8(out, at, word | (upper >> np.uint64(2)))
                plain = bytes_before(odd)  # bytes before the first that needs a closer look
                at += plain
                i += plain
                if plain == 8:
                    blank = blanks >> np.uint64(56)
                    continue
            c, length = decode(data, i, end)
            i += length
            folded = np.int64(folds[c]) if c < len(folds) else (np.int64(c) if classes[c] != DROPPED else _NOTHING)
            if folded == 0x20:
                if at > start and out[at - 1] != 0x20:
                    out[at] = 0x20
                    at += 1
            elif folded >= 0:
                at = encode(out, at, folded)
            elif folded > _NOTHING:
                for k in range(3):
                    part = np.int64(expansions[-1 - folded, k])
                    if part > 0:
                        at = encode(out, at, part)
            blank = _AFTER_BLANK if at == start or out[at - 1] == 0x20 else np.uint64(0)
        if at > start and out[at - 1] == 0x20:
            at -= 1
        out_offsets[d + 1] = at
    return out[:at], out_offsets
