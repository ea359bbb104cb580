"""Pass 1: copies of one text, from sketches to verified pairs. `groups.py` makes groups of them.

Positions are those of the sketches sorted by content key, so that nothing depends on the order of the input.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema
from dedup.kernels import hashing, jaccard, lsh, minhash
from dedup.params import DuplicateParams
from dedup.text import Comparable, comparable, tokenise

_Int = npt.NDArray[np.int64]

TEMPLATE_COLUMNS = ["words", "hours", "shingles", "numbers", "vocabulary", "title_words"]  # what `templates` looks at
OTHER_FACTS = ("numbers differ", "titles differ", "dates differ")  # reasons that speak against one story too


def sketch(documents: pa.RecordBatch, text: Comparable, params: DuplicateParams) -> pa.RecordBatch:
    """Reduce each document to what pass 1 needs of it.

    Returns
    -------
    schema.sketches(params.num_perm)
    """
    body, title = schema.utf8(text.body), schema.utf8(text.title)
    tokens = text.body_tokens
    shingles, offsets = hashing.shingle(*tokens[:3], params.shingle_words, params.shingle_chars)
    a, b = permutations(params.num_perm)
    digest = hashing.digest(*body)
    words = tokens.words()
    published = documents["published_at"].cast(pa.int64())
    hours = published.fill_null(0).to_numpy() / 3.6e9
    hours[published.is_null().to_numpy(zero_copy_only=False)] = np.nan
    key = np.column_stack((digest, hashing.digest(*title), hours.view(np.uint64)))
    short = words < params.short_words
    return pa.RecordBatch.from_arrays(
        [
            documents["row"],
            schema.matrix_array(digest),
            pa.array(hashing.digest(key.view(np.uint8).reshape(-1), np.arange(len(key) + 1) * key.shape[1] * 8)[:, 0]),
            pa.array(words),
            pa.array(hours),
            schema.ragged_array(*hashing.distinct(shingles, offsets)),
            schema.matrix_array(minhash.minhash(shingles, offsets, a, b)),
            schema.ragged_array(*hashing.numbers(*body)),
            schema.ragged_array(*hashing.distinct(*_rows_where(short, tokens.hashes, tokens.offsets))),
            schema.ragged_array(*hashing.distinct(text.title_tokens.hashes, text.title_tokens.offsets)),
        ],
        schema=schema.sketches(params.num_perm),
    )


def signatures(texts: pa.Array, params: DuplicateParams) -> npt.NDArray[np.uint32]:
    """Compute the MinHash signatures of texts as `sketch` does, and nothing else.

    Fastest on some megabytes at a time; threads may work side by side on slices of a column.

    Parameters
    ----------
    texts : string or large_string[n]

    Returns
    -------
    uint32[n, num_perm]
    """
    tokens = tokenise(comparable(texts))
    shingles, offsets = hashing.shingle(*tokens[:3], params.shingle_words, params.shingle_chars)
    a, b = permutations(params.num_perm)
    found: npt.NDArray[np.uint32] = minhash.minhash(shingles, offsets, a, b)
    return found


@cache
def permutations(num_perm: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return the multipliers and increments of `datasketch.MinHash(num_perm, scheme="affine32")` with its seed of 1.

    Made by datasketch's own recipe instead of its import, which takes a second; a test compares the two.
    """
    generator = np.random.RandomState(1)  # datasketch's generator, bit for bit
    a = generator.randint(0, 1 << 31, num_perm, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return a, generator.randint(0, 1 << 32, num_perm, dtype=np.uint32)


def to_datasketch(signatures: npt.NDArray[np.uint32]) -> list[Any]:
    """Hand signatures over to datasketch, for its indexes and stores.

    Parameters
    ----------
    signatures : uint32[n, num_perm], such as `schema.matrix(sketches["signature"])`

    Returns
    -------
    list of n datasketch.MinHash. They hash as these signatures do: update them with shingle hashes as integers.
    """
    from datasketch import MinHash  # noqa: PLC0415 - a second to import, and only for those who ask

    a, b = permutations(signatures.shape[1])
    same = {"scheme": "affine32", "permutations": np.array([a, b]), "hashfunc": lambda h: int(h) & 0xFFFFFFFF}
    return [MinHash(hashvalues=row, **same) for row in signatures]


def band_shape(num_perm: int, threshold: float, recall: float) -> tuple[int, int]:
    """Return (bands, rows): the most rows that still find `recall` of the pairs at the Jaccard threshold.

    A pair of Jaccard j shares a band with probability 1 - (1 - j^rows)^bands (Leskovec, Rajaraman, Ullman 2020,
    section 3.4.2). More rows mean fewer useless candidates.
    """
    for rows in range(num_perm, 1, -1):
        for bands in range(1, num_perm // rows + 1):
            if 1 - (1 - threshold**rows) ** bands >= recall:
                return bands, rows
    return num_perm, 1


def units(sketches: pa.Table, params: DuplicateParams) -> _Int:
    """Collapse documents that no rule of this pass can tell apart.

    Equal long texts are one unit. Short ones must share title and date too: a template can have an identical body under
    another title. A document without tokens is a unit of its own: nothing is a duplicate of nothing.

    Parameters
    ----------
    sketches : sorted by content key

    Returns
    -------
    int64[n], the first position of each one's unit.
    """
    digest = schema.matrix(sketches["digest"])
    key = sketches["content_key"].to_numpy()
    n = len(key)
    short = sketches["words"].to_numpy() < params.short_words
    empty = np.diff(schema.ragged(sketches["shingles"])[1]) == 0
    position = np.arange(n)
    tag = np.where(empty, position + 1, np.where(short, key, 0)).astype(np.uint64)
    order = np.lexsort((position, tag, digest[:, 1], digest[:, 0]))
    same = np.ones(n, np.bool_)
    for column in (digest[:, 0], digest[:, 1], tag):
        same[1:] &= column[order][1:] == column[order][:-1]
    starts = np.where(same & (position > 0), 0, position)
    unit = np.empty(n, np.int64)
    unit[order] = order[np.maximum.accumulate(starts)]
    return unit


def candidates(sketches: pa.Table, params: DuplicateParams) -> tuple[_Int, _Int]:
    """Find pairs worth verifying: MinHash bands for Jaccard, and a prefix join that completes both thresholds.

    Parameters
    ----------
    sketches : one row per unit

    Returns
    -------
    left, right : int64[p], left < right, sorted and distinct.
    """
    shingles, offsets = schema.ragged(sketches["shingles"])
    sizes = np.diff(offsets)
    # Neighbours in the order of the smallest hash are likely near-copies, which is what a hot key pairs.
    filled = np.flatnonzero(sizes)
    by_smallest = filled[np.argsort(shingles[offsets[filled]], kind="stable")]
    found = [
        _band_pairs(schema.matrix(sketches["signature"]), by_smallest, params),
        _prefix_pairs(shingles, offsets, by_smallest, params),
    ]
    return _unpacked(np.concatenate(found))


def equal_pairs(sketches: pa.Table, params: DuplicateParams) -> tuple[_Int, _Int]:
    """Pair the units of equal text: notices that differ in title or date only.

    Returns
    -------
    left, right : int64[p], as of `candidates`
    """
    key = schema.matrix(sketches["digest"])[:, 0]
    filled = np.flatnonzero(np.diff(schema.ragged(sketches["shingles"])[1]))
    by_key = filled[np.argsort(key[filled], kind="stable")]
    return _unpacked(lsh.run_pairs(key[by_key], by_key, params.hot_key, params.predecessors))


def verify(sketches: pa.Table, left: _Int, right: _Int, params: DuplicateParams) -> pa.Table:
    """Measure each candidate exactly and say whether it is the same text, and if not, why.

    Parameters
    ----------
    sketches : one row per unit
    left, right : int64[p], positions

    Returns
    -------
    schema.VERIFIED
    """
    similarity, contained = overlap(sketches, left, right)
    near = similarity >= params.jaccard
    within = contained >= params.containment
    digest = schema.matrix(sketches["digest"])
    exact = (digest[left] == digest[right]).all(axis=1)
    reason = np.where(near | within, _differences(sketches, left, right, similarity, params), "wording differs")
    accepted = reason == ""
    kind = np.select([exact, near, within], ["exact", "near", "contained"], "near")
    return pa.Table.from_arrays(
        [
            pa.array(left),
            pa.array(right),
            pa.array(kind),
            pa.array(similarity),
            pa.array(contained),
            pa.array(accepted),
            pa.array(np.where(accepted, "same text", reason)),
        ],
        schema=schema.VERIFIED,
    )


def templates(sketches: pa.Table, left: _Int, right: _Int, params: DuplicateParams) -> npt.NDArray[np.bool_]:
    """Tell which pairs are one template filled in twice: like wording, but other figures, headlines or dates.

    Less likeness is asked than of copies, since what is filled in is much of a notice; independent reports share almost
    no shingles.

    Parameters
    ----------
    sketches : `TEMPLATE_COLUMNS` of schema.sketches, one row per unit
    left, right : int64[p], positions

    Returns
    -------
    bool[p]
    """
    similarity, contained = overlap(sketches, left, right)
    share = params.template_share
    alike = (similarity >= share * params.jaccard) | (contained >= share * params.containment)
    found = np.zeros(len(left), np.bool_)
    reason = _differences(sketches, left[alike], right[alike], similarity[alike], params)
    found[alike] = np.isin(reason, OTHER_FACTS)
    return found


def overlap(sketches: pa.Table, left: _Int, right: _Int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return exact Jaccard and containment (of the shorter in the longer) of each pair, float64[p] each."""
    shingles, offsets = schema.ragged(sketches["shingles"])
    sizes = np.diff(offsets)
    shared = jaccard.overlap(shingles, offsets, left, right)
    similarity = shared / np.maximum(sizes[left] + sizes[right] - shared, 1)
    return similarity, shared / np.maximum(np.minimum(sizes[left], sizes[right]), 1)


def _differences(
    sketches: pa.Table, left: _Int, right: _Int, similarity: npt.NDArray[np.float64], params: DuplicateParams
) -> npt.NDArray[np.str_]:
    """Name what parts two texts of like wording, "" where nothing does: figures, and for notices headline and date."""
    words = sketches["words"].to_numpy()
    shorter = np.minimum(words[left], words[right])
    figures, figure_offsets = schema.ragged(sketches["numbers"])
    counts = np.diff(figure_offsets)
    agreeing = jaccard.overlap(figures, figure_offsets, left, right)
    differing = np.minimum(counts[left], counts[right]) - agreeing
    figures_agree = (differing <= shorter // params.numbers_slack) | (
        agreeing >= params.numbers_agree * (agreeing + differing)
    )
    titles, title_offsets = schema.ragged(sketches["title_words"])
    title_sizes = np.diff(title_offsets)
    shorter_title = np.minimum(title_sizes[left], title_sizes[right])
    titled = shorter_title > 0
    title_shared = jaccard.overlap(titles, title_offsets, left, right)
    vocabulary, vocabulary_offsets = schema.ragged(sketches["vocabulary"])
    distinct = np.diff(vocabulary_offsets)
    common = jaccard.overlap(vocabulary, vocabulary_offsets, left, right)
    swapped = (distinct[left] > common) & (distinct[right] > common)
    hours = sketches["hours"].to_numpy()
    apart = np.abs(hours[left] - hours[right]) >= params.short_hours  # False where a date is unknown
    short = shorter < params.short_words
    return np.select(
        [
            ~figures_agree,
            short & titled & (title_shared < params.short_title_share * shorter_title),
            short & ~titled & (similarity < params.short_jaccard),
            short & ~titled & swapped,
            short & apart,
        ],
        ["numbers differ", "titles differ", "notices differ", "words differ", "dates differ"],
        "",
    )


def _band_pairs(signatures: npt.NDArray[np.uint32], order: _Int, params: DuplicateParams) -> npt.NDArray[np.uint64]:
    """Pair the units that share a band."""
    bands, rows = band_shape(params.num_perm, params.jaccard, params.recall)
    found = []
    for keys in lsh.band_keys(signatures, bands, rows):
        by_key = order[np.argsort(keys[order], kind="stable")]
        found.append(lsh.run_pairs(keys[by_key], by_key, params.hot_key, params.predecessors))
    return np.unique(np.concatenate(found))


def _prefix_pairs(
    shingles: npt.NDArray[np.uint64], offsets: _Int, order: _Int, params: DuplicateParams
) -> npt.NDArray[np.uint64]:
    """Pair the units of which the shorter may hold `prefix_containment` of its shingles in the longer."""
    counts = np.zeros(1 << max(int(4 * len(shingles)).bit_length(), 10), np.uint8)
    lsh.count_slots(shingles, counts)
    chosen = lsh.prefix_keys(shingles, offsets, counts, 1 - params.prefix_containment)
    keys, members, is_key = lsh.postings(shingles, offsets, chosen, counts)
    rank = np.empty(len(offsets) - 1, np.int64)
    rank[order] = np.arange(len(order))
    by_key = np.lexsort((rank[members], keys))
    sizes = np.diff(offsets)
    pairs: npt.NDArray[np.uint64] = lsh.prefix_join(
        keys[by_key], members[by_key], is_key[by_key], sizes, params.hot_key, params.predecessors
    )
    return pairs


def _unpacked(pairs: npt.NDArray[np.uint64]) -> tuple[_Int, _Int]:
    """Return the two positions of each distinct packed pair, sorted."""
    pairs = np.unique(pairs)
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _rows_where(
    wanted: npt.NDArray[np.bool_], values: npt.NDArray[np.uint64], offsets: _Int
) -> tuple[npt.NDArray[np.uint64], _Int]:
    """Empty the ragged rows that are not wanted."""
    lengths = np.diff(offsets)
    kept = np.where(wanted, lengths, 0)
    return values[np.repeat(wanted, lengths)], np.concatenate(([0], np.cumsum(kept)))
