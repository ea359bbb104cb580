"""Bytes, eight at a time, as one 64-bit number whose lowest byte comes first."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined


def repeated(byte: int) -> np.uint64:
    """Return the same byte eight times."""
    return np.uint64(byte * 0x0101010101010101)


ONES = repeated(1)
TOP = repeated(0x80)  # the bit that flags a byte; none of ASCII has it
LOW = repeated(0x7F)
_FROM_0 = repeated(0x80 - 0x30)  # added to bytes of ASCII, it lifts those from "0" on to the top bit
_FROM_9 = repeated(0x80 - 0x3A)  # … those after "9"


@inlined
def load8(data: npt.NDArray[np.uint8], i: Any) -> Any:
    """Return bytes i … i + 7; compiled to one load."""
    at = np.uint64(i)
    word = np.uint64(data[at])
    for k in range(1, 8):
        word |= np.uint64(data[at + np.uint64(k)]) << np.uint64(8 * k)
    return word


@inlined
def load_part(data: npt.NDArray[np.uint8], i: Any, end: Any) -> Any:
    """Return bytes i … i + 7, those from `end` on as 0."""
    size = max(min(end - i, 8), 0)
    if i + 8 <= len(data):
        half = np.uint64(32 - 4 * size)  # by halves, for a shift by 64 means nothing
        return (load8(data, i) << half << half) >> half >> half
    word = np.uint64(0)
    for k in range(size):
        word |= np.uint64(data[i + k]) << np.uint64(8 * k)
    return word


@inlined
def store8(out: npt.NDArray[np.uint8], i: Any, word: Any) -> Any:
    """Write what `load8` reads; compiled to one store."""
    at = np.uint64(i)
    for k in range(8):
        out[at + np.uint64(k)] = np.uint8((word >> np.uint64(8 * k)) & np.uint64(0xFF))


@inlined
def bytes_before(flags: Any) -> Any:
    """Count the bytes before the first flagged one, of flags within `TOP`; 8 if none."""
    lowest = (flags & (~flags + np.uint64(1))) >> np.uint64(7)
    return np.int64((((lowest - np.uint64(1)) & ONES) * ONES) >> np.uint64(56))


@inlined
def digits(word: Any) -> Any:
    """Flag the bytes that are ASCII digits."""
    ascii = word & LOW
    return (ascii + _FROM_0) & ~(ascii + _FROM_9) & ~word & TOP
