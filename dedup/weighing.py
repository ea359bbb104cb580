"""Terms and their weights: counted terms of articles → unit TF-IDF vectors.

Half of a weight comes from background frequencies, so that a batch of five articles works too.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import languages, schema
from dedup.kernels import postings, tfidf
from dedup.params import StoryParams
from dedup.text import Comparable

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]

_KNOWN_SHARE = 0.45  # of terms: languages that the background has counted have .7 to .98, others up to .25
_TRUST = 4  # terms taken as known beforehand: a headline or two of rare names are no other language


class Background(NamedTuple):
    """In how many of `documents` articles each of some terms occurs; terms : uint64[b], sorted; counts : int32[b]."""

    terms: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.int32]
    documents: int


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


def vectors(counted: pa.Table, frequencies: Background, *, foreign: bool = True) -> Vectors:
    """Weigh the terms of each document by √count · idf, to unit length.

    The idf is the mean of the corpus's own ln((1 + n) / df) and ln((1 + N) / (1 + df_background)): a batch of five
    articles has no frequencies of its own, and a common word stays common in a batch on one topic. A term of languages
    that the background does not know has `foreign_idf`.

    Parameters
    ----------
    counted : schema.TERMS
    foreign : whether it has; without, a word of many copies is not taken for a common one of its language.
    """
    terms, offsets = schema.ragged(counted["terms"])
    counts, _ = schema.ragged(counted["counts"])
    known = np.sort(terms)
    known = known[np.diff(known, prepend=~known[:1]) != 0]  # NumPy's unique takes four times as long
    columns = tfidf.lookup(known, terms)
    own = np.bincount(columns, minlength=len(known))
    place = tfidf.lookup(frequencies.terms, known)
    common = np.where(place >= 0, frequencies.counts[place], 0)
    n = len(counted)
    idf = (np.log((1 + n) / np.maximum(own, 1)) + np.log((1 + frequencies.documents) / (1 + common))) / 2
    if foreign:
        strange, peers = foreign_terms(counted["language"], columns, offsets, place >= 0)
        idf[strange] = foreign_idf(own[strange], peers[strange], frequencies.documents)
    data = tfidf.unit_rows(columns, counts, offsets, idf)
    falling = np.argsort(-own, kind="stable")
    rank = np.empty(len(known), np.uint32)
    rank[falling] = np.arange(len(known), dtype=np.uint32)
    indices = rank[columns]
    postings.order_rows(offsets, indices, data)
    return Vectors(offsets, indices, data, known[falling])


def foreign_terms(
    language: pa.ChunkedArray, columns: npt.NDArray[np.int32], offsets: _Int, known: npt.NDArray[np.bool_]
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
    group = languages.numbered(language) + 1
    terms = np.diff(offsets)
    seen = np.concatenate(([0], np.cumsum(known[columns])))
    seen_of = np.bincount(group, seen[offsets[1:]] - seen[offsets[:-1]])
    lacking = (seen_of + _TRUST) / (np.bincount(group, terms) + _TRUST) < _KNOWN_SHARE
    if not lacking[group].any():
        return np.zeros(len(known), np.bool_), np.zeros(len(known))
    own = np.maximum(np.bincount(columns, minlength=len(known)), 1)
    of = np.repeat(group, terms)
    foreign = ~known & (np.bincount(columns, lacking[of], len(known)) > own / 2)
    return foreign, np.bincount(columns, np.bincount(group)[of], len(known)) / own


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


def top_terms(rows: Vectors, story: _Int, words: dict[int, str], count: int = 6) -> list[str]:
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
    return [", ".join(words[term] for term in own[:size]) for own, size in zip(terms, kept, strict=True)]
