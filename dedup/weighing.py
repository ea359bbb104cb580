"""Terms and their weights: counted terms of articles → unit TF-IDF vectors.

Half of a weight comes from background frequencies, so that a batch of five articles works too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import languages, schema
from dedup.kernels import postings, tfidf
from dedup.params import StoryParams
from dedup.spill import IN_MEMORY, Each, Spill
from dedup.stores import distinct
from dedup.text import Comparable

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]

NAMED = 6  # terms that name a story
SEPARATOR = ", "  # between them

_KNOWN_SHARE = 0.45  # of terms: languages that the background has counted have .7 to .98, others up to .25
_ENTRY_BYTES = 24  # a term while it is weighed: hash, count, column and weight
_AT_ONCE = 1 << 18  # terms
_TRUST = 4  # terms taken as known beforehand: a headline or two of rare names are no other language


class Background(NamedTuple):
    """In how many of `documents` articles each of some terms occurs; terms : uint64[b], sorted; counts : int32[b]."""

    terms: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.int32]
    documents: int

    def of(self, terms: npt.NDArray[np.uint64]) -> _Int:
        """Return in how many documents each of some terms occurs, int64[t]."""
        place = tfidf.lookup(self.terms, terms)
        return np.where(place >= 0, self.counts[place], 0).astype(np.int64)


class Vectors(NamedTuple):
    """Unit TF-IDF rows in CSR, columns by falling document frequency, and the term hash of each column."""

    indptr: _Int
    indices: npt.NDArray[np.uint32]
    data: npt.NDArray[np.float32]
    terms: npt.NDArray[np.uint64]


NO_TERMS = Vectors(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.uint64))


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


@cache
def background() -> Background:
    """Load the shipped document frequencies (see dedup/data/README.md)."""
    with resources.files("dedup.data").joinpath("background.npz").open("rb") as file, np.load(file) as table:
        return Background(table["terms"], table["counts"].astype(np.int32), int(table["documents"]))


def vectors(
    counted: pa.Table,
    frequencies: Background,
    *,
    chosen: _Int | None = None,
    foreign: bool = True,
    own: Background | None = None,
    spill: Spill = IN_MEMORY,
    each: Each = map,
) -> Vectors:
    """Weigh the terms of each document by √count · idf, to unit length.

    The idf is the mean of the corpus's own ln((1 + n) / df) and ln((1 + N) / (1 + df_background)): a batch of five
    articles has no frequencies of its own, and a common word stays common in a batch on one topic. A term of languages
    that the background does not know has `foreign_idf`.

    Parameters
    ----------
    counted : schema.TERMS
    chosen : int64[n], positions of the documents wanted; None: all
    own : frequencies in the corpus, learnt from a part of it; None: from these documents
    foreign : whether it has; without, a word of many copies is not taken for a common one of its language.
    """
    offsets = _row_offsets(counted["terms"], chosen)
    parts = list(spill.slices(offsets, _ENTRY_BYTES))

    def read(part: tuple[int, int]) -> pa.Table:
        first, last = part
        return (
            counted.slice(first, last - first) if chosen is None else schema.take(counted, pa.array(chosen[first:last]))
        )

    known = distinct(each(lambda part: _distinct_of(read(part)), parts))
    columns, counts = spill.array(int(offsets[-1]), np.int32), spill.array(int(offsets[-1]), np.int32)

    def locate(part: tuple[int, int]) -> slice:
        table, here = read(part), slice(offsets[part[0]], offsets[part[1]])
        columns[here] = tfidf.lookup(known, schema.ragged(table["terms"])[0])
        counts[here] = schema.ragged(table["counts"])[0]
        return here

    # What has an entry for each term is as long as the corpus where no term comes twice: nothing of it is made twice.
    held: npt.NDArray[np.int32 | np.int64] = np.zeros(len(known), np.int32)
    n = len(offsets) - 1
    for here in each(locate, parts):
        np.add.at(held, columns[here], 1)
    if own is not None:
        held, n = own.of(known), own.documents
    idf, familiar = np.empty(len(known)), np.empty(len(known), np.bool_)
    for some in _terms(len(known)):
        common = frequencies.of(known[some])
        familiar[some] = common > 0
        idf[some] = mean_idf(held[some], n, common, frequencies.documents)
    if foreign:
        language = counted["language"] if chosen is None else counted["language"].take(pa.array(chosen))
        strange, peers = foreign_terms(language, columns, offsets, familiar, spill)
        for some in _terms(len(known)):
            which = some.start + np.flatnonzero(strange[some])
            idf[which] = foreign_idf(held[which], peers[which], frequencies.documents)
        del strange, peers
    falling = np.argsort(-held, kind="stable")
    rank = np.empty(len(known), np.uint32)
    rank[falling] = np.arange(len(known), dtype=np.uint32)
    known = known[falling]
    del falling
    # In the same place: a part is read whole before it is written.
    indices, data = columns.view(np.uint32), counts.view(np.float32)

    def weigh(part: tuple[int, int]) -> None:
        start, stop = part
        here, ends = slice(offsets[start], offsets[stop]), offsets[start : stop + 1] - offsets[start]
        data[here] = tfidf.unit_rows(columns[here], counts[here], ends, idf)
        indices[here] = rank[columns[here]]
        postings.order_rows(ends, indices[here], data[here])

    for _ in each(weigh, parts):
        spill.release()
    return Vectors(offsets, indices, data, known)


def learnt(counted: pa.Table, spill: Spill = IN_MEMORY) -> Callable[[pa.Table], Vectors]:
    """Learn the frequencies of terms from some documents, and return what weighs any others by them.

    Parameters
    ----------
    counted : schema.TERMS
    """
    terms, counts = np.unique(schema.ragged(counted["terms"])[0], return_counts=True)
    return by_frequencies(Background(terms, counts.astype(np.int32), len(counted)), spill)


def by_frequencies(own: Background, spill: Spill = IN_MEMORY) -> Callable[[pa.Table], Vectors]:
    """Return what weighs counted terms by frequencies that were learnt from others."""
    return partial(vectors, frequencies=background(), own=own, foreign=False, spill=spill)


def _terms(count: int) -> Iterator[slice]:
    """Yield parts of so many terms."""
    for start in range(0, count, _AT_ONCE):
        yield slice(start, min(start + _AT_ONCE, count))


def _row_offsets(terms: pa.ChunkedArray, chosen: _Int | None) -> _Int:
    """Return where the terms of each chosen document start, one after the other."""
    lengths = np.diff(schema.ragged(terms)[1])
    return np.concatenate(([0], np.cumsum(lengths if chosen is None else lengths[chosen])))


def _distinct_of(counted: pa.Table) -> npt.NDArray[np.uint64]:
    return distinct([schema.ragged(counted["terms"])[0]])


def mean_idf(held: npt.NDArray[Any], n: int, common: _Int, documents: int) -> _Float:
    """Return the mean of a corpus's own idf and the background's, float64[t]; see `vectors`.

    Parameters
    ----------
    held : int64[t], in how many of n documents each term occurs; common : int64[t], in how many of the background's
    """
    idf: _Float = (np.log((1 + n) / np.maximum(held, 1)) + np.log((1 + documents) / (1 + common))) / 2
    return idf


def foreign_terms(
    language: pa.ChunkedArray,
    columns: npt.NDArray[np.int32],
    offsets: _Int,
    known: npt.NDArray[np.bool_],
    spill: Spill = IN_MEMORY,
) -> tuple[npt.NDArray[np.bool_], _Float]:
    """Tell which terms the background lacks because it lacks their language, not because they are rare.

    It lacks a language in whose documents, all together, it knows less than `_KNOWN_SHARE` of the terms; documents
    whose language is unknown count as one language.

    Parameters
    ----------
    language : string[n]; columns : int32[m], offsets : int64[n + 1], the terms of each document; known : bool[v]

    Returns
    -------
    foreign : bool[v], unknown terms most of whose documents are in such languages
    peers : float64[v], documents in a term's language; the mean over its documents. Zeros where nothing is foreign.
    """
    group = languages.numbered(language).astype(np.int64) + 1
    terms = np.diff(offsets)
    seen_of, terms_of = np.zeros(2 + int(group.max(initial=0))), np.bincount(group, terms)
    for start, stop in spill.slices(offsets, _ENTRY_BYTES):
        seen = np.concatenate(([0], np.cumsum(known[columns[offsets[start] : offsets[stop]]])))
        ends = offsets[start : stop + 1] - offsets[start]
        seen_of += np.bincount(group[start:stop], seen[ends[1:]] - seen[ends[:-1]], len(seen_of))
    lacking = lacks(seen_of[: len(terms_of)], terms_of)
    if not lacking[group].any():
        return np.zeros(len(known), np.bool_), np.zeros(len(known))
    own, alien, peers = np.zeros(len(known), np.int32), np.zeros(len(known), np.int32), np.zeros(len(known))
    documents = np.bincount(group)
    for start, stop in spill.slices(offsets, _ENTRY_BYTES):
        here, ends = columns[offsets[start] : offsets[stop]], offsets[start : stop + 1] - offsets[start]
        tfidf.count_peers(here, ends, group[start:stop], lacking, documents, own, alien, peers)
    foreign = are_foreign(own, alien, known)
    np.maximum(own, 1, out=own)
    return foreign, np.divide(peers, own, out=peers)


def lacks(seen: _Float, terms: _Int) -> npt.NDArray[np.bool_]:
    """Tell which languages the background lacks, of whose `terms` it has `seen` some; see `foreign_terms`."""
    lacking: npt.NDArray[np.bool_] = (seen + _TRUST) / (terms + _TRUST) < _KNOWN_SHARE
    return lacking


def are_foreign(own: npt.NDArray[Any], alien: npt.NDArray[Any], known: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Tell which terms are foreign: unknown, and `alien` of their `own` documents are in lacking languages."""
    foreign: npt.NDArray[np.bool_] = ~known & (2 * alien > own)
    return foreign


def foreign_idf(own: _Int, peers: _Float, documents: int) -> _Float:
    """Return ln(1 + N) · (ln((1 + p) / (df - 0.85)) / ln(1 + p))^1.5, the background's scale for its missing terms.

    p is the number of documents in the language. A term of two documents counts nearly as much as one of a single: in
    a small batch it is what makes them one story. Against the full background weight for all (Russian pairs of one
    event or not, F1): .77 → .82 in 458 documents, .73 → .79 in batches of 60, .78 → .81 in batches of 20.
    """
    most = np.log(1 + peers)
    rarity = np.log((1 + peers) / np.maximum(own - 0.85, 1)) / most
    idf: _Float = np.log(1 + documents) * np.maximum(rarity, 0) ** 1.5
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
    named = tfidf.lookup(nameable, rows.terms) >= 0
    members = np.argsort(story, kind="stable")
    bounds = np.searchsorted(story[members], np.arange(int(story.max(initial=-1)) + 2))
    found = tfidf.heaviest(rows.indptr, rows.indices, rows.data, named, members, bounds, count)
    terms = rows.terms[found].tolist() if len(rows.terms) else [[]] * len(found)
    kept = (found >= 0).sum(axis=1).tolist()
    return [SEPARATOR.join(words[term] for term in own[:size]) for own, size in zip(terms, kept, strict=True)]
