"""Pass 1: copies of one text, from sketches to verified pairs. `candidates.py` names the pairs, `groups.py` groups.

Positions are those of the sketches sorted by content key, so that nothing depends on the order of the input.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema
from dedup.kernels import hashing, jaccard, minhash
from dedup.params import DuplicateParams
from dedup.spill import IN_MEMORY, Each, Spill
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
    return collapsed(
        schema.matrix(sketches["digest"]),
        sketches["content_key"].to_numpy(),
        sketches["words"].to_numpy() < params.short_words,
        np.diff(schema.ragged(sketches["shingles"])[1]) == 0,
    )


def collapsed(
    digest: npt.NDArray[np.uint64],
    key: npt.NDArray[np.uint64],
    short: npt.NDArray[np.bool_],
    empty: npt.NDArray[np.bool_],
) -> _Int:
    """Collapse documents as `units` does.

    Parameters
    ----------
    digest : uint64[n, 2], of the text
    key : uint64[n], of text, title and date
    short, empty : bool[n], whether a text is a notice, and whether it has no shingle

    Returns
    -------
    int64[n], the first row of each one's unit.
    """
    n = len(key)
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


def verify(
    sketches: pa.Table,
    left: _Int,
    right: _Int,
    params: DuplicateParams,
    spill: Spill = IN_MEMORY,
    each: Each = map,
) -> pa.Table:
    """Measure each candidate exactly and say whether it is the same text, and if not, why.

    Parameters
    ----------
    left, right : int64[p], positions

    Returns
    -------
    schema.VERIFIED
    """
    digest = schema.matrix(sketches["digest"]).copy()  # not mapped: every pair would fetch two pages of it

    def measure(part: slice) -> pa.Table:
        return _verified(sketches, digest, left[part], right[part], params)

    parts = list(each(measure, spill.picks(len(left))))
    return pa.concat_tables(parts).combine_chunks() if parts else schema.VERIFIED.empty_table()


def _verified(
    sketches: pa.Table, digest: npt.NDArray[np.uint64], left: _Int, right: _Int, params: DuplicateParams
) -> pa.Table:
    similarity, contained = _overlap(sketches["shingles"], left, right)
    near = similarity >= params.jaccard
    within = contained >= params.containment
    exact = (digest[left] == digest[right]).all(axis=1)
    alike = np.flatnonzero(near | within)
    reason = np.full(len(left), "wording differs")
    reason[alike] = _differences(sketches, left[alike], right[alike], similarity[alike], params)
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


def templates(
    sketches: pa.Table, left: _Int, right: _Int, params: DuplicateParams, spill: Spill = IN_MEMORY
) -> npt.NDArray[np.bool_]:
    """Tell which pairs are one template filled in twice: like wording, but other figures, headlines or dates.

    Less likeness is asked than of copies, since what is filled in is much of a notice; independent reports share almost
    no shingles.

    Parameters
    ----------
    sketches : `TEMPLATE_COLUMNS` of schema.sketches
    left, right : int64[p], positions

    Returns
    -------
    bool[p]
    """
    found = np.zeros(len(left), np.bool_)
    share = params.template_share
    for part in spill.picks(len(left)):
        x, y = left[part], right[part]
        similarity, contained = _overlap(sketches["shingles"], x, y)
        alike = (similarity >= share * params.jaccard) | (contained >= share * params.containment)
        reason = _differences(sketches, x[alike], y[alike], similarity[alike], params)
        found[part][alike] = np.isin(reason, OTHER_FACTS)
    return found


def overlap(
    sketches: pa.Table, left: _Int, right: _Int, spill: Spill = IN_MEMORY
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return exact Jaccard and containment (of the shorter in the longer) of each pair, float64[p] each."""
    similarity, contained = np.empty(len(left)), np.empty(len(left))
    for part in spill.picks(len(left)):
        similarity[part], contained[part] = _overlap(sketches["shingles"], left[part], right[part])
    return similarity, contained


def _overlap(
    shingles: pa.ChunkedArray, left: _Int, right: _Int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    values, offsets = schema.ragged(shingles)
    x, y = _sizes(offsets, left, right)
    shared = jaccard.overlap(values, offsets, left, right)
    return shared / np.maximum(x + y - shared, 1), shared / np.maximum(np.minimum(x, y), 1)


class Facts(NamedTuple):
    """What verification asks of each pair beside its wording."""

    words: _Int  # [p] of the shorter text
    agreeing: _Int  # [p] figures that both have
    differing: _Int  # [p] figures that the one with fewer has and the other lacks
    title: _Int  # [p] distinct words of the shorter title
    title_shared: _Int  # [p] of them in the other title
    swapped: npt.NDArray[np.bool_]  # [p] whether each notice has a word that the other lacks
    hours: npt.NDArray[np.float64]  # [p] apart; NaN where a date is unknown


def facts(sketches: pa.Table, left: _Int, right: _Int) -> Facts:
    """Measure what parts two texts of like wording: figures, headlines, words of notices, and dates."""
    words, hours = sketches["words"].to_numpy(), sketches["hours"].to_numpy()
    shared, fewer = [], []
    for name in ("numbers", "title_words", "vocabulary"):
        values, offsets = schema.ragged(sketches[name])
        shared.append(jaccard.overlap(values, offsets, left, right))
        fewer.append(np.minimum(*_sizes(offsets, left, right)))
    return Facts(
        words=np.minimum(words[left], words[right]),
        agreeing=shared[0],
        differing=fewer[0] - shared[0],
        title=fewer[1],
        title_shared=shared[1],
        swapped=fewer[2] > shared[2],
        hours=np.abs(hours[left] - hours[right]),
    )


def _differences(
    sketches: pa.Table, left: _Int, right: _Int, similarity: npt.NDArray[np.float64], params: DuplicateParams
) -> npt.NDArray[np.str_]:
    """Name what parts two texts of like wording, "" where nothing does: figures, and for notices headline and date."""
    found = facts(sketches, left, right)
    figures_agree = (found.differing <= found.words // params.numbers_slack) | (
        found.agreeing >= params.numbers_agree * (found.agreeing + found.differing)
    )
    titled = found.title > 0
    short = found.words < params.short_words
    return np.select(
        [
            ~figures_agree,
            short & titled & (found.title_shared < params.short_title_share * found.title),
            short & ~titled & (similarity < params.short_jaccard),
            short & ~titled & found.swapped,
            short & (found.hours >= params.short_hours),  # False where a date is unknown
        ],
        ["numbers differ", "titles differ", "notices differ", "words differ", "dates differ"],
        "",
    )


def _sizes(offsets: _Int, left: _Int, right: _Int) -> tuple[_Int, _Int]:
    return offsets[left + 1] - offsets[left], offsets[right + 1] - offsets[right]


def _rows_where(
    wanted: npt.NDArray[np.bool_], values: npt.NDArray[np.uint64], offsets: _Int
) -> tuple[npt.NDArray[np.uint64], _Int]:
    """Empty the ragged rows that are not wanted."""
    lengths = np.diff(offsets)
    kept = np.where(wanted, lengths, 0)
    return values[np.repeat(wanted, lengths)], np.concatenate(([0], np.cumsum(kept)))
