"""Pass 1, document by document: what is kept of each, and which of them no rule can tell apart.

`candidates.py` names the pairs, `resemblance.py` measures them, `groups.py` groups.

Positions are those of the sketches sorted by content key, so that nothing depends on the order of the input.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema
from dedup.kernels import hashing, minhash
from dedup.params import DuplicateParams
from dedup.text import Comparable, comparable, tokenise

_Int = npt.NDArray[np.int64]


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


def _rows_where(
    wanted: npt.NDArray[np.bool_], values: npt.NDArray[np.uint64], offsets: _Int
) -> tuple[npt.NDArray[np.uint64], _Int]:
    """Empty the ragged rows that are not wanted."""
    lengths = np.diff(offsets)
    kept = np.where(wanted, lengths, 0)
    return values[np.repeat(wanted, lengths)], np.concatenate(([0], np.cumsum(kept)))
