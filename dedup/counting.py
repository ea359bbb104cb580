"""Terms of articles, counted: tokens → counted terms → a matrix of counts, whose columns are terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import languages, schema
from dedup.kernels import frequencies, tfidf
from dedup.params import StoryParams
from dedup.spill import IN_MEMORY, Each, Spill, trim
from dedup.stores import distinct, joined
from dedup.text import Comparable

_Int = npt.NDArray[np.int64]
_Hashes = npt.NDArray[np.uint64]
_Some = Callable[[_Hashes], _Hashes]  # takes some of others

ENTRY_BYTES = 96  # a term while it is numbered or weighed: hash, count, column and weight, each some times over
_RANGE = 1 << 22  # terms of which the distinct ones are found at a time


class CountMatrix(NamedTuple):
    """Counted terms in CSR, and the term hash of each column, rising."""

    indptr: _Int
    indices: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]
    terms: npt.NDArray[np.uint64]


def count_terms(documents: pa.RecordBatch, text: Comparable, params: StoryParams) -> pa.RecordBatch:
    """Count the terms of each document, those of its title `title_weight` times; function words are none.

    Returns
    -------
    schema.TERMS
    """
    body, title = text.body_tokens, text.title_tokens
    language = languages.of(documents, text)
    stops = languages.stop_words()
    terms, counts, offsets = tfidf.count_terms(
        *body[:3], *title[:3], params.title_weight, *stops[:2], languages.bits(language)
    )
    return pa.RecordBatch.from_arrays(
        [documents["row"], language, schema.ragged_array(terms, offsets), schema.ragged_array(counts, offsets)],
        schema=schema.TERMS,
    )


def count_matrix(
    counted: list[pa.Table], *, chosen: _Int | None = None, spill: Spill = IN_MEMORY, each: Each = map
) -> CountMatrix:
    """Give the terms of documents columns: nothing else of them is needed to weigh them.

    Parameters
    ----------
    counted : one table, schema.TERMS, which is taken out: where no term comes twice its lists are most of what there
        is, and each goes once it is numbered
    chosen : int64[n], positions of the documents wanted, rising; None: all
    """
    table = counted.pop()
    if chosen is not None and len(chosen) == len(table):
        chosen = None  # and nothing is copied
    lists = [table["terms"], table["counts"]]
    del table
    offsets = _row_offsets(lists[0], chosen)
    parts = list(spill.slices(offsets, ENTRY_BYTES))

    def values(part: tuple[int, int]) -> npt.NDArray[Any]:
        start, stop = part
        if chosen is None:
            return schema.ragged(lists[0].slice(start, stop - start))[0]
        return schema.ragged(schema.take_values(lists[0], pa.array(chosen[start:stop])))[0]

    def filled(number: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> npt.NDArray[np.int32]:
        out: npt.NDArray[np.int32] = spill.array(int(offsets[-1]), np.int32)

        def fill(part: tuple[int, int]) -> None:
            out[offsets[part[0]] : offsets[part[1]]] = number(values(part))

        for _ in each(fill, parts):
            spill.release()
        return out

    # On disk all is one range, since each one reads the files again.
    known = _distinct(values, parts, 0 if spill.on_disk else int(offsets[-1]), each)
    trim()  # what the parts of it took
    columns = filled(partial(tfidf.lookup, known, tfidf.index(known)))
    lists.pop(0)
    trim()
    return CountMatrix(offsets, columns, filled(lambda counts: counts), known)


def _distinct(values: Callable[[Any], _Hashes], parts: list[Any], count: int, each: Each) -> _Hashes:
    """Return the distinct hashes of some parts, sorted; range by range, so that few are there twice.

    Parameters
    ----------
    values : gives the hashes of a part; for each range once
    """
    known = []
    for within in ranges_of(count):
        known.append(distinct(each(partial(_distinct_within, within, values), parts)))
        trim()
    return joined(known)


def _distinct_within(within: _Some, values: Callable[[Any], _Hashes], part: Any) -> _Hashes:
    return distinct([within(values(part))])


def ranges_of(count: int) -> Iterator[_Some]:
    """Yield what takes the hashes inside a range from others, for equal and rising ranges of so many hashes."""
    count = 1 + count // _RANGE
    if count == 1:
        yield lambda hashes: hashes
        return
    for low, end in pairwise(number * (1 << 64) // count for number in range(count + 1)):
        yield partial(_between, np.uint64(low), np.uint64(end - 1))


def _between(first: np.uint64, last: np.uint64, hashes: _Hashes) -> _Hashes:
    return hashes[(hashes >= first) & (hashes <= last)]


def document_frequencies(offsets: _Int, columns: npt.NDArray[Any], count: int, spill: Spill) -> npt.NDArray[np.int32]:
    """Count the rows that hold each of `count` columns, int32[count]; of rows in CSR."""
    held = np.zeros(count, np.int32)
    for start, stop in spill.slices(offsets, ENTRY_BYTES):
        frequencies.count_columns(columns[offsets[start] : offsets[stop]].view(np.uint32), held)
    return held


def _row_offsets(terms: pa.ChunkedArray, chosen: _Int | None) -> _Int:
    """Return where the terms of each chosen document start, one after the other."""
    lengths = np.diff(schema.ragged(terms)[1])
    return np.concatenate(([0], np.cumsum(lengths if chosen is None else lengths[chosen])))
