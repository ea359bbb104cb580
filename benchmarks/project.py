"""The project as a tool among others: each function sets up one task and returns what is run on the clock.

Inputs are Parquet files with the columns of `corpus.SCHEMA`, or `.npz` files of vectors and links.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import sparse

from benchmarks import inputs, truth
from dedup import candidates, duplicates, groups, reading, resemblance, text
from dedup.engines.local import LocalEngine
from dedup.kernels import cosine, cutting, linkage, postings, tfidf
from dedup.params import DuplicateParams, ReadingParams, StoryParams
from dedup.weighing import Vectors

SLOTS = 128
ROWS = 512  # documents a thread takes at a time
PLACES = 256  # rows of vectors likewise
BLOCK = 4096  # of `stories`
LEFT_TO_BOUND = 1.1  # likewise, relative to the floor

Run = Callable[[], Any]


def read_column(source: Path, threads: int) -> Run:
    """Read the text column and nothing else: the floor of all that starts from text."""
    return lambda: len(pq.read_table(source, columns=["text"], use_threads=threads > 1))


def lower(source: Path, threads: int) -> Run:
    """Make lower case of the text column with Arrow: the least that can be done to a text."""
    texts = inputs.column(source)
    return lambda: len(pc.utf8_lower(texts))


def signatures(source: Path, threads: int) -> Run:
    """Text → signatures of 128 slots, uint32[n, 128]."""
    texts, params = inputs.column(source), DuplicateParams(num_perm=SLOTS)

    def part(start: int) -> npt.NDArray[np.uint32]:
        return duplicates.signatures(texts.slice(start, ROWS), params)

    return lambda: np.concatenate(_threaded(threads, part, range(0, len(texts), ROWS)))


def copies(source: Path, threads: int, threshold: float) -> Run:
    """Text → pairs and clusters of copies by all rules of pass 1; for comparison also the pairs alike in wording."""
    batches = list(reading.open_paths([source], ReadingParams()).batches())
    params = DuplicateParams(jaccard=threshold)

    def sketch(batch: pa.RecordBatch) -> pa.RecordBatch:
        return duplicates.sketch(batch, text.prepare(batch), params)

    def run() -> dict[str, Any]:
        with LocalEngine(threads) as engine:
            sketches = pa.Table.from_batches(list(engine.map(sketch, batches)))
        order = pc.sort_indices(sketches, [("content_key", "ascending"), ("row", "ascending")])
        sketches = sketches.take(order)
        unit = duplicates.units(sketches, params)
        verified = resemblance.verify(sketches, *candidates.candidates(sketches, params, unit), params)
        label, _ = groups.group(sketches, verified, params)
        row = sketches["row"].to_numpy()
        return {"verified": verified, "unit": unit, "labels": _at(row, label[unit]), "row": row, "threshold": threshold}

    return run


def pairs_alike(found: dict[str, Any]) -> npt.NDArray[np.int64]:
    """Return the packed pairs of documents that `copies` measured as alike, before figures and titles had a say."""
    verified = found["verified"].filter(pc.greater_equal(found["verified"]["jaccard"], found["threshold"]))
    left, right = verified["left"].to_numpy(), verified["right"].to_numpy()
    unit, n = found["unit"], len(found["unit"])
    alike = sparse.coo_array((np.ones(len(left), np.int32), (left, right)), (n, n)).tocsr()
    member = sparse.coo_array((np.ones(n, np.int32), (unit, found["row"])), (n, n)).tocsr()
    linked = alike + alike.T + sparse.eye_array(n, dtype=np.int32, format="csr")
    return truth.packed(*(member.T @ linked @ member).nonzero())


def load_vectors(source: Path) -> Vectors:
    """Load vectors that `save_vectors` wrote."""
    with np.load(source) as arrays:
        return Vectors(*(arrays[name] for name in Vectors._fields))


def save_vectors(path: Path, matrix: sparse.csr_array) -> Path:
    """Write unit rows in the types of the project, columns ascending."""
    matrix.sort_indices()
    indptr, indices = matrix.indptr.astype(np.int64), matrix.indices.astype(np.uint32)
    terms = np.arange(matrix.shape[1], dtype=np.uint64)
    np.savez(path, indptr=indptr, indices=indices, data=matrix.data.astype(np.float32), terms=terms)
    return path


def cosines(source: Path, threads: int, floor: float) -> Run:
    """Unit vectors → all pairs with a cosine of at least the floor."""
    rows = load_vectors(source)
    return lambda: all_pairs(rows, floor, threads)


def all_pairs(vectors: Vectors, floor: float, jobs: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return all pairs with a cosine of at least the floor, right < left: pass 2 without tolls and dates.

    Returns
    -------
    left, right : int64[p]
    """
    indptr, indices, data = by_frequency(vectors, jobs)
    n = len(indptr) - 1
    order, begin, columns = np.arange(n), indptr[:-1], len(vectors.terms)
    starts = np.empty((-(-n // BLOCK), columns + 1), np.uint32)
    places, values = np.empty(len(indices), np.uint16), np.empty(len(indices), np.float32)
    bases = postings.block_postings(indptr, indices, data, order, BLOCK, starts, places, values)
    index = starts, bases, places, values
    common: Any = postings.common_parts(indptr, indices, data, order, postings.CHECKPOINTS)
    nothing, nobody = np.empty(0, np.int64), np.zeros(n + 1, np.int64)
    # Best cosines of 2 are never surpassed, so that the tolls of all stay at the floor.
    best, none = np.full((n, 1), 2.0), np.empty((n, 0))
    halves = np.full(n, floor / 2 * (1 - 1e-6), np.float32)
    state = np.zeros(n), np.full(n, floor / 2), best, none.astype(np.int64), none, np.full(n, 2, np.float32), halves

    def part(first: int) -> Any:
        return cosine.similar_pairs(
            first, min(first + PLACES, n), order, indptr, indices, data, begin, BLOCK, *index, *common,
            postings.CHECKPOINTS, LEFT_TO_BOUND * floor, n, n, np.full(n, n), nothing, nobody, *state, floor, 1.0, 1.0,
            1 << 40, n,  # no budget
        )[:2]  # fmt: skip

    left, right = zip(*_threaded(jobs, part, range(0, n, PLACES)), strict=True)
    return np.concatenate(left), np.concatenate(right)


def by_frequency(
    vectors: Vectors, jobs: int
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
    """Return the rows with their columns by falling document frequency, as `weighing.vectors` makes them."""
    counts = np.bincount(vectors.indices, minlength=len(vectors.terms))
    rank = np.empty(len(counts), np.uint32)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts), dtype=np.uint32)
    indices, data = rank[vectors.indices], vectors.data.copy()
    parts = [vectors.indptr[start : start + ROWS + 1] for start in range(0, len(vectors.indptr) - 1, ROWS)]
    _threaded(jobs, lambda indptr: postings.order_rows(indptr, indices, data), parts)
    return vectors.indptr, indices, data


def tfidf_vectors(source: Path, threads: int) -> Run:
    """Text → unit rows by term count and ln((1 + n) / (1 + df)) + 1, the weights of scikit-learn's defaults."""
    texts = inputs.column(source)
    stops = np.empty(0, np.uint64)

    def part(start: int) -> Any:
        tokens = text.tokenise(text.comparable(texts.slice(start, ROWS)))[:3]
        n = len(tokens[2]) - 1
        return tfidf.count_terms(*tokens, *_no_tokens(n), 0, stops, stops, np.zeros(n, np.uint64))

    def run() -> Vectors:
        terms, counts, offsets = zip(*_threaded(threads, part, range(0, len(texts), ROWS)), strict=True)
        terms, counts = np.concatenate(terms), np.concatenate(counts)
        sizes = np.concatenate([np.diff(part) for part in offsets])
        known = np.sort(terms)
        known = known[np.diff(known, prepend=~known[:1]) != 0]
        columns = tfidf.lookup(known, tfidf.index(known), terms)
        idf = np.log((1 + len(sizes)) / (1 + np.bincount(columns, minlength=len(known)))) + 1
        bounds = np.concatenate(([0], np.cumsum(sizes)))
        # The kernel weighs by the root of a count, so that squares give the plain count.
        return Vectors(bounds, columns, tfidf.unit_rows(columns, counts * counts, bounds, idf), known)

    return run


def as_matrix(found: Vectors, vocabulary: dict[str, int]) -> sparse.csr_array:
    """Return vectors of the project with the columns of another vocabulary, to compare the two."""
    words = pa.array(list(vocabulary), pa.large_string())
    hashes = {word: key for key, word in text.spellings(words).items()}
    missing = sorted(set(vocabulary) - set(hashes))
    if missing or len(hashes) != len(found.terms):
        raise truth.UnequalError(f"terms: got {len(found.terms):,}, wanted {len(vocabulary):,}, such as {missing[:3]}")
    place = np.empty(len(found.terms), np.int64)
    keys = np.array([hashes[word] for word in vocabulary], np.uint64)
    place[tfidf.lookup(found.terms, tfidf.index(found.terms), keys)] = np.fromiter(vocabulary.values(), np.int64)
    return sparse.csr_array((found.data, place[found.indices], found.indptr), (len(found.indptr) - 1, len(place)))


def average_linkage(source: Path, threads: int, floor: float) -> Run:
    """Weighted pairs → the tree of average linkage down to a floor, and its cut."""
    with np.load(source) as arrays:
        n, left, right = int(arrays["n"]), arrays["left"], arrays["right"]
        weight = np.rint(arrays["weight"] / linkage.UNIT).astype(np.int64)
    cut = StoryParams()

    def run() -> dict[str, Any]:
        children, heights = linkage.average_linkage(np.ones(n, np.int64), left, right, weight, floor)
        cutting.tree_cut(n, children, heights, cut.granularity, cut.cut_power, cut.pair_height, cut.pair_fade)
        return {"children": children, "heights": heights}

    return run


def _no_tokens(n: int) -> tuple[Any, Any, Any]:
    """Return the tokens of n empty titles."""
    return np.empty(0, np.uint64), np.empty(0, np.uint8), np.zeros(n + 1, np.int64)


def _threaded(threads: int, part: Callable[[int], Any], starts: range) -> list[Any]:
    """Run parts on some threads and return what they gave, in order."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(part, starts))


def _at(row: npt.NDArray[np.int64], values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return values in order of the rows of the input."""
    out = np.empty(len(row), np.int64)
    out[row] = values
    return out
