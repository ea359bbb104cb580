"""Candidate pairs for Jaccard, from bands of MinHash signatures."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.hashing import hash_pair
from dedup.kernels.jit import inlined, kernel


@kernel
def band_keys(signatures: npt.NDArray[np.uint32], bands: int, rows: int) -> Any:
    """Hash each band of `rows` slots to one key (Leskovec, Rajaraman, Ullman 2020, section 3.4).

    Parameters
    ----------
    signatures : uint32[n, p], p ≥ bands · rows

    Returns
    -------
    uint64[bands, n]. O(n · bands · rows).
    """
    n = len(signatures)
    keys = np.empty((bands, n), np.uint64)
    for d in range(n):
        for band in range(bands):
            h = np.uint64(band)
            for k in range(band * rows, (band + 1) * rows):
                h = hash_pair(h, np.uint64(signatures[d, k]))
            keys[band, d] = h
    return keys


@kernel
def run_pairs(keys: npt.NDArray[np.uint64], members: npt.NDArray[np.int64], hot: int, predecessors: int) -> Any:
    """Pair the members of each run of equal keys.

    A run of more than `hot` members pairs each member with its `predecessors` only: near-copies stand side by side
    when the members come in the order of their smallest hash, and all pairs of a flooded bucket would never end.

    Parameters
    ----------
    keys : uint64[m], sorted; members : int64[m]

    Returns
    -------
    uint64[k], each smaller member << 32 | larger member; may repeat. O(m · hot).
    """
    total, start = 0, 0
    for end in range(1, len(keys) + 1):
        if end == len(keys) or keys[end] != keys[start]:
            size = end - start
            reach = size - 1 if size <= hot else predecessors
            for i in range(size):
                total += min(i, reach)
            start = end
    pairs = np.empty(total, np.uint64)
    at, start = 0, 0
    for end in range(1, len(keys) + 1):
        if end == len(keys) or keys[end] != keys[start]:
            reach = end - start - 1 if end - start <= hot else predecessors
            for i in range(start, end):
                for j in range(max(start, i - reach), i):
                    pairs[at] = pair(members[i], members[j])
                    at += 1
            start = end
    return pairs


@inlined
def pair(i: Any, j: Any) -> Any:
    """Pack two positions, the smaller one high."""
    return (np.uint64(min(i, j)) << np.uint64(32)) | np.uint64(max(i, j))
