"""Peers for what comes after the text: TF-IDF vectors, all pairs of them, average linkage."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks import inputs, truth

TOKEN = r"(?u)\b[^\W\d_]{2,}\b"  # words of letters; what the project counts, in texts without marks and underscores
Run = Callable[[], Any]


def matrix(source: Path) -> sparse.csr_array:
    """Return saved vectors as scipy has them."""
    with np.load(source) as rows:
        shape = len(rows["indptr"]) - 1, len(rows["terms"])
        return sparse.csr_array((rows["data"], rows["indices"], rows["indptr"].astype(np.int32)), shape)


def tfidf_vectorizer(source: Path, threads: int) -> Run:
    """scikit-learn's `TfidfVectorizer` with its defaults, but for float32 and the pattern of a word."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = inputs.strings(source)

    def run() -> dict[str, Any]:
        vectorizer = TfidfVectorizer(token_pattern=TOKEN, dtype=np.float32)
        return {"matrix": vectorizer.fit_transform(texts), "vocabulary": vectorizer.vocabulary_}

    return run


def scipy_cosines(source: Path, threads: int, floor: float) -> Run:
    """scipy's sparse product, a thousand rows at a time so that it fits into memory, and a mask."""
    rows = matrix(source)
    return lambda: truth.cosine_join(rows, floor)


def sklearn_cosines(source: Path, threads: int, floor: float) -> Run:
    """scikit-learn's `radius_neighbors_graph` of cosine distances."""
    from sklearn.neighbors import NearestNeighbors

    rows = matrix(source)

    def run() -> npt.NDArray[np.int64]:
        found = NearestNeighbors(radius=1 - floor, metric="cosine", algorithm="brute", n_jobs=threads).fit(rows)
        graph = found.radius_neighbors_graph(rows, mode="connectivity").tocoo()
        return truth.packed(graph.row, graph.col)

    return run


def topn_cosines(source: Path, threads: int, floor: float, most: int, density: float) -> Run:
    """`sparse_dot_topn.sp_matmul_topn` with a threshold, told how many neighbours a row has at most and on average."""
    from sparse_dot_topn import sp_matmul_topn

    rows = sparse.csr_matrix(matrix(source))
    transposed = rows.T.tocsr()

    def run() -> npt.NDArray[np.int64]:
        found = sp_matmul_topn(
            rows, transposed, top_n=min(most, rows.shape[0]), threshold=floor, density=density, n_threads=threads
        ).tocoo()
        return truth.packed(found.row, found.col)

    return run


def scipy_linkage(source: Path, threads: int, floor: float) -> Run:
    """scipy's dense average linkage of 1 - weight, where an absent pair weighs 0."""
    from scipy.cluster.hierarchy import linkage

    n, left, right, weight = _pairs(source)
    low, high = np.minimum(left, right), np.maximum(left, right)
    distance = np.ones(n * (n - 1) // 2)
    distance[n * low - low * (low + 1) // 2 + high - low - 1] = 1 - weight

    def run() -> dict[str, Any]:
        tree = linkage(distance, "average")
        kept = tree[:, 2] <= 1 - floor
        return {"children": tree[kept, :2].astype(np.int64), "heights": 1 - tree[kept, 2]}

    return run


def plain_linkage(source: Path, threads: int, floor: float) -> Run:
    """Average linkage as one would write it in plain Python: maps of neighbours, and a heap of pairs."""
    n, left, right, weight = _pairs(source)
    pairs = list(zip(left.tolist(), right.tolist(), weight.tolist(), strict=True))

    def run() -> dict[str, Any]:
        near: list[dict[int, float]] = [{} for _ in range(n)]
        for a, b, w in pairs:
            near[a][b] = near[b][a] = w
        size = [1] * n
        heap = [(-w, min(a, b), max(a, b)) for a, b, w in pairs]
        heapq.heapify(heap)
        dead: set[int] = set()
        children, heights = [], []
        while heap and -heap[0][0] >= floor:
            height, a, b = heapq.heappop(heap)
            if a in dead or b in dead:
                continue
            node = len(near)
            dead |= {a, b}
            total: dict[int, float] = {}
            for part in (a, b):
                for other, w in near[part].items():
                    if other not in dead:
                        total[other] = total.get(other, 0.0) + w
                        near[other].pop(part)
            size.append(size[a] + size[b])
            near.append(total)
            near[a] = near[b] = {}
            for other, w in total.items():
                near[other][node] = w
                heapq.heappush(heap, (-w / (size[node] * size[other]), other, node))
            children.append((a, b))
            heights.append(-height)
        return {"children": np.array(children).reshape(-1, 2), "heights": np.array(heights)}

    return run


def _pairs(source: Path) -> tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    with np.load(source) as arrays:
        return int(arrays["n"]), arrays["left"], arrays["right"], arrays["weight"]
