"""Peers that start from text, each in the fastest way it documents: text → signatures, text → duplicates.

Each function takes (source, threads, **options), sets up outside the clock, and returns what is run on it. Lists of
Python strings are made outside the clock too, for those that want them; tokens are not, since rows are "from text".
Peers that have shingles of their own making get the same ones: runs of three words, in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks import inputs, truth

SLOTS = 128
BANDS = 32  # of four slots: rensa and FastSketchLSH want a divisor of 128; the next would find half of the pairs at .7
GAOYA = {"hash_size": 32, "num_bands": 25, "band_size": 5, "analyzer": "word", "lowercase": True}
NATIVE = {"ngram_range": (3, 3), "id_container": "vec"}

Run = Callable[[], Any]
_WORD = re.compile(r"\w+")


def shingles(text: str) -> list[str]:
    """Return the word 3-grams of a text, for peers that take tokens."""
    words = _WORD.findall(text.lower())
    return [f"{a} {b} {c}" for (a, b), c in zip(pairwise(words), words[2:], strict=False)] or [" ".join(words)]


def datasketch_signatures(source: Path, threads: int) -> Run:
    """`MinHash.bulk` over the bytes of shingles, hashed with xxhash's 32 bits where installed, else with its SHA-1."""
    from datasketch import MinHash

    texts = inputs.strings(source)

    def run() -> npt.NDArray[Any]:
        rows = [[s.encode() for s in shingles(text)] for text in texts]
        return np.array([m.hashvalues for m in MinHash.bulk(rows, num_perm=SLOTS, **_affine())])

    return run


def rensa_signatures(source: Path, threads: int) -> Run:
    """`RMinHash.digest_matrix_from_token_sets`, the batch path for full sets; "rho" samples and is not comparable."""
    from rensa import RMinHash

    texts = inputs.strings(source)

    def run() -> npt.NDArray[Any]:
        matrix = RMinHash.digest_matrix_from_token_sets([shingles(text) for text in texts], SLOTS, 42)
        return np.array(matrix.to_rows(), np.uint32)

    return run


def fastsketch_signatures(source: Path, threads: int) -> Run:
    """`FastSimilaritySketch.batch`."""
    from FastSketchLSH import FastSimilaritySketch

    texts = inputs.strings(source)
    sketcher = FastSimilaritySketch(size=SLOTS, seed=42)
    return lambda: sketcher.batch([shingles(text) for text in texts], num_threads=threads)


def gaoya_signatures(source: Path, threads: int) -> Run:
    """Insertion into an index of 130 slots, tokens and hashes made in Rust; it hands out no signatures in bulk."""
    from gaoya.minhash import MinHashStringIndex

    texts = inputs.strings(source)
    ids = list(range(len(texts)))
    settings = GAOYA | NATIVE | {"num_bands": 26}  # 130 slots

    def run() -> None:
        MinHashStringIndex(jaccard_threshold=0.7, **settings).par_bulk_insert_docs(ids, texts)

    return run


def daft_signatures(source: Path, threads: int, normalised: bool = False) -> Run:
    """The expression `minhash`, on the native runner; it splits at spaces, and normalises only where told to."""
    import daft
    from daft.functions import minhash, normalize

    _daft_threads(threads)
    frame = daft.from_arrow(pa.table({"text": inputs.column(source)})).collect()

    def run() -> npt.NDArray[Any]:
        text = daft.col("text")
        if normalised:
            text = normalize(text, remove_punct=True, lowercase=True, nfd_unicode=True, white_space=True)
        signed = minhash(text, num_hashes=SLOTS, ngram_size=3, hash_function="xxhash")
        table = frame.select(signed.alias("signature")).to_arrow()
        return table["signature"].combine_chunks().flatten().to_numpy().reshape(-1, SLOTS)

    return run


def dedup_rs_signatures(source: Path, threads: int) -> Run:
    """`EmbedFunc.batch_embed_shard`, tokens and hashes made in Rust; signatures stay in its hash tables."""
    texts = inputs.strings(source)
    rows = np.arange(len(texts), dtype=np.uint32)

    def run() -> None:
        _dedup_rs().batch_embed_shard(texts, rows)

    return run


def text_dedup_signatures(source: Path, threads: int) -> Run:
    """`text_dedup.minhash.embed_func`, which its script maps over a data set."""
    embed, texts = _text_dedup(), inputs.strings(source)

    def run() -> npt.NDArray[Any]:
        bands = [embed(text, i)["__signatures__"] for i, text in enumerate(texts)]
        # Slots are written byte by byte from the other end, eight bytes each.
        return np.frombuffer(b"".join(b"".join(row) for row in bands), ">u8").reshape(len(texts), -1)

    return run


def datasketch_duplicates(source: Path, threads: int, threshold: float) -> Run:
    """`MinHashLSH` over bulk signatures, and each candidate checked by its estimate."""
    from datasketch import MinHash, MinHashLSH

    texts = inputs.strings(source)

    def run() -> dict[str, Any]:
        rows = [[s.encode() for s in shingles(text)] for text in texts]
        signed = MinHash.bulk(rows, num_perm=SLOTS, **_affine())
        index, left, right = MinHashLSH(threshold, SLOTS), [], []
        for i, signature in enumerate(signed):
            met = index.query(signature)
            left += [i] * len(met)
            right += met
            index.insert(i, signature, check_duplication=False)
        return _checked(np.array([m.hashvalues for m in signed]), left, right, threshold)

    return run


def rensa_duplicates(source: Path, threads: int, threshold: float) -> Run:
    """`RMinHashLSH` with a query of all, and each candidate checked by its estimate."""
    from rensa import RMinHash, RMinHashLSH

    texts = inputs.strings(source)

    def run() -> dict[str, Any]:
        signed = RMinHash.from_token_sets([shingles(text) for text in texts], SLOTS, 42)
        index = RMinHashLSH(threshold, SLOTS, BANDS)
        index.insert_many(signed)
        met = index.query_all(signed)
        left = np.repeat(np.arange(len(met)), [len(row) for row in met])
        return _checked(np.array([m.digest() for m in signed]), left, _flat(met), threshold)

    return run


def fastsketch_duplicates(source: Path, threads: int, threshold: float) -> Run:
    """`LSH` with a query of all, and each candidate checked by its estimate."""
    from FastSketchLSH import LSH, FastSimilaritySketch

    texts = inputs.strings(source)

    def run() -> dict[str, Any]:
        sketcher = FastSimilaritySketch(size=SLOTS, seed=42)
        signed = sketcher.batch([shingles(text) for text in texts], num_threads=threads)
        index = LSH(num_perm=SLOTS, num_bands=BANDS)
        index.set_num_threads(threads)
        index.insert(signed)
        met, bounds = index.query(signed, "csr")
        return _checked(signed, np.repeat(np.arange(len(signed)), np.diff(bounds.astype(np.int64))), met, threshold)

    return run


def gaoya_duplicates(source: Path, threads: int, threshold: float) -> Run:
    """`MinHashStringIndex` in bulk; its query keeps what its estimate puts above the threshold."""
    from gaoya.minhash import MinHashStringIndex

    texts = inputs.strings(source)
    ids = list(range(len(texts)))

    def run() -> dict[str, Any]:
        index = MinHashStringIndex(jaccard_threshold=threshold, **GAOYA, **NATIVE)
        index.par_bulk_insert_docs(ids, texts)
        met = index.par_bulk_query(texts)
        return _result(len(texts), np.repeat(np.arange(len(met)), [len(row) for row in met]), _flat(met))

    return run


def dedup_rs_duplicates(source: Path, threads: int, threshold: float) -> Run:
    """`EmbedFunc` and its union of all that share a band."""
    texts = inputs.strings(source)
    rows = np.arange(len(texts), dtype=np.uint32)

    def run() -> dict[str, Any]:
        embed = _dedup_rs()
        embed.batch_embed_shard(texts, rows)
        return {"labels": np.array(embed.cluster().batch_find(rows), np.int64)}

    return run


def text_dedup_duplicates(source: Path, threads: int, threshold: float) -> Run:
    """The tables and the union of its script `text_dedup.minhash`, without the files that it reads and writes."""
    from collections import defaultdict

    from text_dedup.utils import UnionFind

    embed, texts = _text_dedup(), inputs.strings(source)

    def run() -> dict[str, Any]:
        tables: list[dict[bytes, set[int]]] = [defaultdict(set) for _ in range(25)]
        for i, text in enumerate(texts):
            for table, key in zip(tables, embed(text, i)["__signatures__"], strict=True):
                table[key].add(i)
        union = UnionFind()
        for table in tables:
            for members in table.values():
                least = min(members)
                for member in members:
                    union.union(member, least)
        return {"labels": np.array([union.find(i) for i in range(len(texts))], np.int64)}

    return run


def _affine() -> dict[str, Any]:
    """Return the fastest settings of datasketch: 32-bit permutations, and xxhash where it is installed."""
    try:
        import xxhash
    except ImportError:
        return {"scheme": "affine32"}
    return {"scheme": "affine32", "hashfunc": xxhash.xxh32_intdigest}


def _dedup_rs() -> Any:
    from dedup_rs import EmbedFunc

    return EmbedFunc.from_b_r(25, 5, 3, SLOTS, "text", "row", "u32", 1)


def _text_dedup() -> Callable[[str, int], dict[str, Any]]:
    """Return its `embed_func` with the defaults of its script, but for the faster of its two hashes."""
    from text_dedup import minhash

    highest, prime = np.uint32((1 << 32) - 1), np.uint64((1 << 61) - 1)
    random = np.random.RandomState(42)
    permutations = tuple(random.randint(low, prime, size=(SLOTS,), dtype=np.uint64) for low in (1, 0))
    ranges = [(start, start + 5) for start in range(0, 125, 5)]

    def embed(text: str, row: int) -> dict[str, Any]:
        found: dict[str, Any] = minhash.embed_func(
            text, row, num_perm=SLOTS, ngram_size=3, min_length=1, hashranges=ranges, permutations=permutations,
            hash_func=minhash.xxh3_32hash, dtype=np.uint64, max_hash=highest, modulo_prime=prime,
        )  # fmt: skip
        return found

    return embed


@cache
def _daft_threads(threads: int) -> None:
    """Set the threads of its runner, which it allows once."""
    import daft

    daft.set_runner_native(num_threads=threads)


def _flat(rows: list[list[int]]) -> npt.NDArray[np.int64]:
    return np.fromiter((i for row in rows for i in row), np.int64)


def _checked(signed: npt.NDArray[Any], left: Any, right: Any, threshold: float) -> dict[str, Any]:
    """Keep the candidates whose share of equal slots reaches the threshold."""
    left, right = truth.unpacked(truth.packed(np.asarray(left, np.int64), np.asarray(right, np.int64)))
    near = np.empty(len(left), np.bool_)
    for start in range(0, len(left), 100_000):
        part = slice(start, start + 100_000)
        near[part] = (signed[left[part]] == signed[right[part]]).mean(axis=1) >= threshold
    return _result(len(signed), left[near], right[near])


def _result(n: int, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> dict[str, Any]:
    return {"pairs": truth.packed(left, right), "labels": truth.components(n, left, right)}
