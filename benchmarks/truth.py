"""What is right: exact answers by other means than the project's, and the checks that come before a time counts."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

_Ids = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]

WIDTH = 3  # words of a shingle
SLACK = 1e-6  # cosines so close to the threshold may fall on either side in float32
CHUNK = 50_000  # pairs measured at a time


class UnequalError(Exception):
    """A tool gave another answer than the exact one."""


def words(text: str) -> list[str]:
    """Split a text into runs of letters, marks and digits, after NFKC and case folding."""
    return _word().findall(unicodedata.normalize("NFKC", text).casefold())


def shingle_sets(texts: list[str]) -> sparse.csr_array:
    """Return the set of word shingles of each text as rows of zeros and ones; a short text is one shingle.

    Shingles are compared whole, by the ids of their words: no hash, no collision.
    """
    known: dict[str, int] = {}
    parts, sizes = [], []
    for text in texts:
        ids = np.array([known.setdefault(word, len(known) + 1) for word in words(text)], np.uint64)
        if 0 < len(ids) < WIDTH:
            ids = np.concatenate((ids, np.zeros(WIDTH - len(ids), np.uint64)))
        grams = ids[:0] if not len(ids) else ids[:-2] << np.uint64(42) | ids[1:-1] << np.uint64(21) | ids[2:]
        parts.append(np.unique(grams))
        sizes.append(len(parts[-1]))
    if len(known) >= 1 << 21:
        raise ValueError(f"truth: got {len(known):,} different words, wanted less than 2,097,152; use fewer texts")
    distinct, columns = np.unique(np.concatenate(parts), return_inverse=True)
    indptr = np.concatenate(([0], np.cumsum(sizes)))
    return sparse.csr_array((np.ones(len(columns), np.float32), columns, indptr), (len(texts), len(distinct)))


def jaccard_join(sets: sparse.csr_array, threshold: float) -> tuple[_Ids, _Ids]:
    """Find all pairs of sets with a Jaccard similarity of at least the threshold, exactly.

    Prefix filter (Chaudhuri, Ganti, Kaushik 2006): with the elements in one order, rare ones first, two such sets share
    one of the first |x| - ⌈t·|x|⌉ + 1 elements of each. Candidates are the product of these prefixes with
    themselves; each is then measured on the whole sets.

    Returns
    -------
    left, right : int64[p], left < right, sorted
    """
    n, sizes = sets.shape[0], np.diff(sets.indptr)
    rank = np.empty(sets.shape[1], np.int64)
    rank[np.argsort(np.bincount(sets.indices, minlength=sets.shape[1]), kind="stable")] = np.arange(sets.shape[1])
    row = np.repeat(np.arange(n), sizes)
    order = np.lexsort((rank[sets.indices], row))
    place = np.arange(len(row)) - np.repeat(sets.indptr[:-1], sizes)
    kept = place < np.repeat(sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1, sizes)
    prefix = sparse.csr_array((np.ones(kept.sum(), np.float32), (row[kept], sets.indices[order][kept])), sets.shape)
    left, right = sparse.triu(prefix @ prefix.T, 1).nonzero()
    near = jaccard(sets, left, right) >= threshold - 1e-12
    return unpacked(packed(left[near], right[near]))


def jaccard(sets: sparse.csr_array, left: _Ids, right: _Ids) -> _Float:
    """Measure pairs of sets, float64[p]."""
    sizes = np.diff(sets.indptr).astype(np.float64)
    shared = np.empty(len(left))
    for start in range(0, len(left), CHUNK):
        part = slice(start, start + CHUNK)
        shared[part] = sets[left[part]].multiply(sets[right[part]]).sum(axis=1)
    return shared / np.maximum(sizes[left] + sizes[right] - shared, 1)


def packed(left: _Ids, right: _Ids) -> _Ids:
    """Return each pair once as one sorted number, whichever of the two comes first."""
    left, right = np.asarray(left, np.int64), np.asarray(right, np.int64)
    both = np.minimum(left, right) << 32 | np.maximum(left, right)
    return np.unique(both[left != right])


def unpacked(pairs: _Ids) -> tuple[_Ids, _Ids]:
    """Return the two sides of packed pairs."""
    return pairs >> 32, pairs & 0xFFFFFFFF


def components(n: int, left: _Ids, right: _Ids) -> _Ids:
    """Label the connected components of n documents and some pairs, int64[n]."""
    graph = sparse.coo_array((np.ones(len(left), np.int8), (left, right)), (n, n))
    return csgraph.connected_components(graph, directed=False)[1].astype(np.int64)


def pair_scores(found: _Ids, truth: _Ids) -> tuple[float, float]:
    """Return precision and recall of packed pairs."""
    right = len(np.intersect1d(found, truth, assume_unique=True))
    return _share(right, len(found)), _share(right, len(truth))


def cluster_scores(found: _Ids, truth: _Ids) -> tuple[float, float]:
    """Return precision and recall of the pairs within clusters, without listing them."""

    def inside(labels: _Ids) -> int:
        sizes = np.unique(labels, return_counts=True)[1].astype(object)  # sums of squares may pass 2^63
        return int((sizes * (sizes - 1) // 2).sum())

    dense = [np.unique(labels, return_inverse=True)[1].astype(np.int64) for labels in (found, truth)]
    right = inside(dense[0] * (int(dense[1].max(initial=0)) + 1) + dense[1])
    return _share(right, inside(dense[0])), _share(right, inside(dense[1]))


def cosine_join(vectors: sparse.csr_array, threshold: float, rows: int = 1000) -> _Ids:
    """Find all pairs of unit vectors with at least such a cosine by scipy's product, some rows at a time."""
    found, transposed = [], vectors.T.tocsr()
    for start in range(0, vectors.shape[0], rows):
        product = (vectors[start : start + rows] @ transposed).tocoo()
        near = product.data >= threshold
        found.append(packed(product.row[near] + start, product.col[near]))
    return np.unique(np.concatenate(found))


def check_pairs(found: _Ids, truth: _Ids, vectors: sparse.csr_array, threshold: float) -> None:
    """Compare packed pairs with the true ones; those within `SLACK` of the threshold may be on either side.

    Raises
    ------
    UnequalError
    """
    odd = np.setxor1d(found, truth, assume_unique=True)
    left, right = unpacked(odd)
    exact = vectors.astype(np.float64)
    cosine = np.asarray(exact[left].multiply(exact[right]).sum(axis=1)).reshape(-1)
    wrong = odd[np.abs(cosine - threshold) > SLACK]
    if len(wrong):
        a, b = unpacked(wrong[:1])
        raise UnequalError(f"{len(wrong):,} of {len(truth):,} pairs differ, first {int(a[0])}, {int(b[0])}")


def check_close(found: Any, truth: Any, tolerance: float, what: str) -> None:
    """Compare two arrays or sparse matrices, absolutely.

    Raises
    ------
    UnequalError
    """
    if found.shape != truth.shape:
        raise UnequalError(f"{what}: got shape {found.shape}, wanted {truth.shape}")
    worst = float(abs(found - truth).max()) if min(found.shape) else 0.0
    if not worst <= tolerance:
        raise UnequalError(f"{what}: got a difference of {worst:.3g}, wanted at most {tolerance:g}")


def check_labels(found: _Ids, truth: _Ids, what: str) -> None:
    """Compare two partitions.

    Raises
    ------
    UnequalError
    """
    pairs = len(np.unique(np.column_stack((found, truth)), axis=0))
    if not len(np.unique(found)) == len(np.unique(truth)) == pairs:
        raise UnequalError(f"{what}: got {len(np.unique(found)):,} clusters that are not the {len(np.unique(truth)):,}")


@cache
def _word() -> re.Pattern[str]:
    """Compile the pattern of a word: `\\w` has no marks, which are part of words in many scripts."""
    ranges: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code))[0] in "LMN":
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges) + "]+")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
