"""MinHash signatures, bit-equal to `datasketch.MinHash(scheme="affine32")` over the same 32-bit hashes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined, kernel


@kernel
def minhash(
    shingles: npt.NDArray[np.uint64],
    offsets: npt.NDArray[np.int64],
    a: npt.NDArray[np.uint32],
    b: npt.NDArray[np.uint32],
) -> Any:
    """Compute the MinHash signature of each shingle set (Broder 1997, section 3).

    The low 32 bits of a shingle pass the 32-bit finaliser of MurmurHash3, then each slot keeps the minimum of
    a·h + b mod 2³² (datasketch 2.0, scheme "affine32").

    Parameters
    ----------
    shingles : uint64[s], offsets : int64[n + 1]
    a, b : uint32[p]; every a is odd.

    Returns
    -------
    uint32[n, p]; a document without shingles has 2³² - 1 everywhere. O(s · p), 8 slots a vector instruction.
    """
    n, slots = len(offsets) - 1, len(a)
    signatures = np.full((n, slots), 0xFFFFFFFF, np.uint32)
    for d in range(n):
        row = signatures[d]
        last = offsets[d + 1] - 1
        for i in range(offsets[d], last + 1, 8):
            h0 = _mixed(shingles[min(i + 0, last)])
            h1 = _mixed(shingles[min(i + 1, last)])
            h2 = _mixed(shingles[min(i + 2, last)])
            h3 = _mixed(shingles[min(i + 3, last)])
            h4 = _mixed(shingles[min(i + 4, last)])
            h5 = _mixed(shingles[min(i + 5, last)])
            h6 = _mixed(shingles[min(i + 6, last)])
            h7 = _mixed(shingles[min(i + 7, last)])
            for k in range(slots):
                x, m, c = row[k], a[k], b[k]
                x = min(x, np.uint32(np.uint32(m * h0) + c))
                x = min(x, np.uint32(np.uint32(m * h1) + c))
                x = min(x, np.uint32(np.uint32(m * h2) + c))
                x = min(x, np.uint32(np.uint32(m * h3) + c))
                x = min(x, np.uint32(np.uint32(m * h4) + c))
                x = min(x, np.uint32(np.uint32(m * h5) + c))
                x = min(x, np.uint32(np.uint32(m * h6) + c))
                x = min(x, np.uint32(np.uint32(m * h7) + c))
                row[k] = x
    return signatures


@inlined
def _mixed(shingle: Any) -> Any:
    """Return the low 32 bits of a shingle after the finaliser of MurmurHash3."""
    h = np.uint32(shingle & np.uint64(0xFFFFFFFF))
    # Every product is wrapped: uint32 · uint32 is promoted to uint64 otherwise and runs twice as slow.
    h = np.uint32(h ^ (h >> np.uint32(16)))
    h = np.uint32(h * np.uint32(0x85EBCA6B))
    h = np.uint32(h ^ (h >> np.uint32(13)))
    h = np.uint32(h * np.uint32(0xC2B2AE35))
    return np.uint32(h ^ (h >> np.uint32(16)))
