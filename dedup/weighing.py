"""Terms and their weights: counted terms of articles → unit TF-IDF vectors.

Half of a weight comes from background frequencies, so that a batch of five articles works too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema
from dedup.counting import ENTRY_BYTES, CountMatrix, count_matrix, document_frequencies, ranges_of
from dedup.foreign import foreign_idf, foreign_terms, language_groups
from dedup.kernels import postings, tfidf
from dedup.spill import IN_MEMORY, Each, Spill
from dedup.stores import joined

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]

NAMED = 6  # terms that name a story
SEPARATOR = ", "  # between them

_AT_ONCE = 1 << 18  # terms


@dataclass(frozen=True)
class Background:
    """In how many of `documents` articles each of some terms occurs; terms : uint64[b], sorted; counts : int32[b]."""

    terms: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.int32]
    documents: int

    def of(self, terms: npt.NDArray[np.uint64]) -> _Int:
        """Return in how many documents each of some terms occurs, int64[t]."""
        place = tfidf.lookup(self.terms, self._starts, terms)
        return np.where(place >= 0, self.counts[place], 0).astype(np.int64)

    @cached_property
    def _starts(self) -> npt.NDArray[np.uint32]:
        starts: npt.NDArray[np.uint32] = tfidf.index(self.terms)
        return starts


class Vectors(NamedTuple):
    """Unit TF-IDF rows in CSR, columns by falling document frequency, and the term hash of each column."""

    indptr: _Int
    indices: npt.NDArray[np.uint32]
    data: npt.NDArray[np.float32]
    terms: npt.NDArray[np.uint64]


NO_TERMS = Vectors(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.uint64))


@cache
def background() -> Background:
    """Load the shipped document frequencies (see dedup/data/README.md)."""
    with resources.files("dedup.data").joinpath("background.npz").open("rb") as file, np.load(file) as table:
        return Background(table["terms"], table["counts"].astype(np.int32), int(table["documents"]))


def vectors(counted: pa.Table, frequencies: Background, spill: Spill = IN_MEMORY) -> Vectors:
    """Weigh counted terms, schema.TERMS; see `count_matrix` and `weigh`."""
    return weigh(count_matrix([counted], spill=spill), frequencies, counted["language"], spill=spill)


def weigh(
    matrix: CountMatrix,
    frequencies: Background,
    language: pa.ChunkedArray | None = None,
    own: Background | None = None,
    spill: Spill = IN_MEMORY,
    each: Each = map,
) -> Vectors:
    """Weigh the terms of each document by √count · idf, to unit length.

    The idf is the mean of the corpus's own ln((1 + n) / df) and ln((1 + N) / (1 + df_background)): a batch of five
    articles has no frequencies of its own, and a common word stays common in a batch on one topic. A term of languages
    that the background does not know has `foreign.foreign_idf`.

    Parameters
    ----------
    matrix : its arrays become those of the vectors: where no term comes twice they are as long as the corpus, and
        nothing of the kind is made that can be done without.
    language : string[n]; None: no term is foreign, so that one of many copies is no common word of its language
    own : frequencies in the corpus, learnt from a part of it; None: from these documents
    """
    offsets, columns, _, known = matrix
    if own is None:
        held, n = document_frequencies(offsets, columns, len(known), spill), len(offsets) - 1
    else:
        held, n = own.of(known).astype(np.int32), own.documents
    first = _rank_columns(matrix, held, spill)
    del held
    # A term of one document needs no weight beside that of its only entry: it is worked out there.
    shared = int(first[-2]) if own is None and len(first) > 1 else len(known)
    idf, familiar = np.empty(shared), np.empty(len(known), np.bool_)
    for some in _terms(len(known)):
        common = frequencies.of(known[some])
        familiar[some] = common > 0
        several = slice(some.start, min(some.stop, shared))
        if several.start < several.stop:
            of_several = common[: several.stop - several.start]
            idf[several] = mean_idf(_of_ranks(first, several), n, of_several, frequencies.documents)
    groups = None
    if language is not None:
        groups = language_groups(language, columns, offsets, familiar, spill)
        for some, strange, peers in foreign_terms(groups, columns, offsets, familiar[:shared], spill):
            idf[some][strange] = foreign_idf(_of_ranks(first, some)[strange], peers[strange], frequencies.documents)

    def idf_of_lone(terms: npt.NDArray[np.int32], rows: _Int) -> _Float:
        found = mean_idf(np.ones(len(terms), np.int64), n, frequencies.of(known[terms]), frequencies.documents)
        if groups is not None:
            group = groups.group[rows]
            strange = groups.lacking[group] & ~familiar[terms]
            peers = groups.documents[group[strange]].astype(np.float64)
            found[strange] = foreign_idf(np.ones(len(peers), np.int64), peers, frequencies.documents)
        return found

    return Vectors(offsets, *_unit_rows(matrix, idf, idf_of_lone, spill, each), known)


def _rank_columns(matrix: CountMatrix, held: npt.NDArray[np.int32], spill: Spill) -> _Int:
    """Give columns numbers by falling frequency, in the arrays of a matrix; return `first` of `tfidf.falling_ranks`.

    Parameters
    ----------
    held : int32[v], of each column; used up
    """
    first: _Int
    rank, first = tfidf.falling_ranks(held)
    offsets, columns = matrix.indptr, matrix.indices
    for start, stop in spill.slices(offsets, ENTRY_BYTES):
        here = slice(offsets[start], offsets[stop])
        columns[here] = rank[columns[here]]
    _arrange(matrix.terms, rank, first)
    return first


def _arrange(terms: npt.NDArray[np.uint64], rank: npt.NDArray[np.uint32], first: _Int) -> None:
    """Put terms into the order of their ranks; most have the smallest count and stay in their order, so it is in place.

    Parameters
    ----------
    rank, first : as of `tfidf.falling_ranks`
    """
    shared = first[first < len(rank)][-1:]  # the first rank of the smallest count
    common = rank < shared
    kept, places, end = terms[common], rank[common], len(terms)
    for some in reversed(list(_terms(len(terms)))):
        rest = terms[some][~common[some]]
        end -= len(rest)
        terms[end : end + len(rest)] = rest
    terms[places] = kept


def _of_ranks(first: _Int, some: slice) -> _Int:
    """Return the counts of some ranks; first as of `tfidf.falling_ranks`."""
    return len(first) - np.searchsorted(first, np.arange(some.start, some.stop), side="right")


def _unit_rows(
    matrix: CountMatrix, idf: _Float, idf_of_lone: Callable[[Any, _Int], _Float], spill: Spill, each: Each
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
    """Weigh counts by the idf of their columns, and sort each row by column: in the arrays of the matrix.

    Parameters
    ----------
    idf : float64[shared], of the first columns
    idf_of_lone : gives that of others and the rows that they are in, each in one
    """
    offsets, columns, counts, _ = matrix
    indices, data = columns.view(np.uint32), counts.view(np.float32)

    def weigh(part: tuple[int, int]) -> None:  # reads a part whole before it writes it
        start, stop = part
        here, ends = slice(offsets[start], offsets[stop]), offsets[start : stop + 1] - offsets[start]
        some, lone = columns[here], columns[here] >= len(idf)
        own = np.empty(len(some))
        own[~lone] = idf[some[~lone]]
        own[lone] = idf_of_lone(some[lone], np.repeat(np.arange(start, stop), np.diff(ends))[lone])
        data[here] = tfidf.unit_rows(np.arange(len(some), dtype=np.int32), counts[here], ends, own)
        postings.order_rows(ends, indices[here], data[here])

    for _ in each(weigh, list(spill.slices(offsets, ENTRY_BYTES))):
        spill.release()
    return indices, data


def learnt(counted: pa.Table, spill: Spill = IN_MEMORY) -> Callable[[pa.Table], Vectors]:
    """Learn the frequencies of terms from some documents, and return what weighs any others by them.

    Parameters
    ----------
    counted : schema.TERMS
    """
    values = schema.ragged(counted["terms"])[0]
    found = [np.unique(within(values), return_counts=True) for within in ranges_of(len(values))]
    terms, counts = map(joined, map(list, zip(*found, strict=True)))
    return by_frequencies(Background(terms, counts.astype(np.int32), len(counted)), spill)


def by_frequencies(own: Background, spill: Spill = IN_MEMORY) -> Callable[[pa.Table], Vectors]:
    """Return what weighs counted terms by frequencies that were learnt from others."""
    return lambda counted: weigh(count_matrix([counted], spill=spill), background(), own=own, spill=spill)


def _terms(count: int) -> Iterator[slice]:
    """Yield parts of so many terms."""
    for start in range(0, count, _AT_ONCE):
        yield slice(start, min(start + _AT_ONCE, count))


def mean_idf(held: npt.NDArray[Any], n: int, common: _Int, documents: int) -> _Float:
    """Return the mean of a corpus's own idf and the background's, float64[t]; see `vectors`.

    Parameters
    ----------
    held : int64[t], in how many of n documents each term occurs; common : int64[t], in how many of the background's
    """
    idf: _Float = (np.log((1 + n) / np.maximum(held, 1)) + np.log((1 + documents) / (1 + common))) / 2
    return idf


def top_terms(rows: Vectors, story: _Int, words: dict[int, str], count: int = NAMED) -> list[str]:
    """Name each story by the terms that weigh most over its documents.

    Parameters
    ----------
    story : int64[n], dense labels 0 … k - 1; -1 leaves a document out
    words : term hash → word, of the terms that may be named

    Returns
    -------
    list of k strings, terms separated by ", ".
    """
    nameable = np.sort(np.fromiter(words, np.uint64, len(words)))
    named = tfidf.lookup(nameable, tfidf.index(nameable), rows.terms) >= 0
    members = np.argsort(story, kind="stable")
    bounds = np.searchsorted(story[members], np.arange(int(story.max(initial=-1)) + 2))
    found = tfidf.heaviest(rows.indptr, rows.indices, rows.data, named, members, bounds, count)
    terms = rows.terms[found].tolist() if len(rows.terms) else [[]] * len(found)
    kept = (found >= 0).sum(axis=1).tolist()
    return [SEPARATOR.join(words[term] for term in own[:size]) for own, size in zip(terms, kept, strict=True)]
