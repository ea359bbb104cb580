"""Pass 2: articles that report the same story in other words, over one representative per duplicate group.

Positions are those of the representatives sorted by content key. `each` is an engine's map: it runs a function over a
stream of items and yields the results in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import languages, schema, timing
from dedup.kernels import cosine, feedback, linkage, tfidf
from dedup.params import StoryParams
from dedup.text import Comparable

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]
Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]

_CHUNK = 256  # rows a thread takes at a time; fixed, so that results do not depend on the number of threads
_KNOWN_SHARE = 0.45  # of terms: languages that the background has counted have .7 to .98, others up to .25
_TRUST = 4  # terms taken as known beforehand: a headline or two of rare names are no other language
_WAVE = 4096  # rows after which the tolls of all rows so far are final, and pairs are filtered by them


class Background(NamedTuple):
    """In how many of `documents` articles each of some terms occurs; terms : uint64[b], sorted; counts : int32[b]."""

    terms: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.int32]
    documents: int


class Vectors(NamedTuple):
    """Unit TF-IDF rows in CSR, and the term hash of each column."""

    indptr: _Int
    indices: npt.NDArray[np.int32]
    data: npt.NDArray[np.float32]
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
    return Vectors(offsets, columns, tfidf.unit_rows(columns, counts, offsets, idf), known)


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


def similar_pairs(rows: Vectors, days: _Float, refused: tuple[_Int, _Int], params: StoryParams, each: Each) -> pa.Table:
    """Find the pairs of documents that resemble each other more than their neighbourhoods explain.

    Twice the same correction: pairs whose cosine outweighs the crowd around both get feedback from their nearest
    neighbours (Rocchio 1971), are corrected again for the crowd that the feedback draws, and fade with the time
    between. Documents more than `window` days apart are no pairs; undated ones meet all.

    Parameters
    ----------
    days : float64[n], NaN where unknown
    refused : left, right, int64[q]; pairs that pass 1 refused for what differs are no evidence here either.

    Returns
    -------
    schema.LINKS, right < left; score ≥ link_floor. No n × n matrix at any time.
    """
    rows = rows._replace(indices=rows.indices.view(np.uint32))  # no check for negative ones, as in `cosine.transpose`
    n = len(rows.indptr) - 1
    terms = np.diff(rows.indptr)
    shares = params.crowding * terms / (terms + params.crowd_length)
    sifted = _crowded_pairs(rows, days, refused, params.sifting * shares, params, each)
    left, right, plain, neighbours, weights = sifted
    weights *= params.feedback
    norms = feedback.feedback_norms(rows.indptr, rows.indices, rows.data, len(rows.terms), neighbours, weights)
    bounds = np.searchsorted(left, np.arange(0, n + _CHUNK, _CHUNK))

    def after_feedback(chunk: int) -> _Float:
        part = slice(bounds[chunk], bounds[chunk + 1])
        found: _Float = feedback.feedback_cosines(
            *rows[:3], len(rows.terms), neighbours, weights, norms, left[part], right[part]
        )
        return found

    similarity = np.concatenate([np.empty(0), *each(after_feedback, range(len(bounds) - 1))])
    best = cosine.best_scores(n, left, right, similarity, params.crowd_neighbours)
    crowd = np.maximum(best.sum(axis=1) / params.crowd_neighbours, params.crowd_floor)
    score = stand_out(similarity, crowd, shares, left, right, params) * timing.nearness(days, left, right, params)
    linked = score >= params.link_floor
    return pa.Table.from_arrays(
        [pa.array(column[linked]) for column in (left, right, plain, np.minimum(score, 1.0))], schema=schema.LINKS
    )


def stand_out(
    similarity: _Float, crowd: _Float, shares: _Float, left: _Int, right: _Int, params: StoryParams
) -> _Float:
    """Return how far the similarity of each pair stands out from the crowd around both.

    Local scaling (Zelnik-Manor, Perona 2004, section 2), by difference and by ratio: what the crowd explains is taken
    off, and in a dense neighbourhood the rest counts for less. Never more than the similarity.

    Parameters
    ----------
    similarity : float64[p], of the pairs left, right : int64[p]
    crowd : float64[n], mean of each one's best similarities, at least crowd_floor
    shares : float64[n], how much of it is taken off

    Returns
    -------
    float64[p]
    """
    toll = (shares[left] * crowd[left] + shares[right] * crowd[right]) / 2
    dense = (crowd[left] + crowd[right]) / 2 + params.crowd_scale
    return (similarity - toll) * np.sqrt((params.crowd_floor + params.crowd_scale) / dense)


def link(n: int, links: pa.Table, params: StoryParams) -> _Int:
    """Group documents into stories: average linkage over the links, and the cut of its tree.

    Parameters
    ----------
    links : schema.LINKS, each pair once; a negative score speaks against one story.

    Returns
    -------
    int64[n], the smallest position of each one's story.
    """
    weight = np.rint(links["score"].to_numpy() / linkage.UNIT).astype(np.int64)
    left, right = links["left"].to_numpy(), links["right"].to_numpy()
    children, heights = linkage.average_linkage(n, left, right, weight, params.merge_floor)
    label = linkage.tree_cut(
        n, children, heights, params.granularity, params.cut_power, params.pair_height, params.pair_fade
    )
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


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
    story_of = np.repeat(story, np.diff(rows.indptr))
    kept = named[rows.indices] & (story_of >= 0)
    pair, inverse = np.unique(story_of[kept] * len(rows.terms) + rows.indices[kept], return_inverse=True)
    weight = np.bincount(inverse, rows.data[kept].astype(np.float64), len(pair))
    of, term = np.divmod(pair, len(rows.terms))
    order = np.lexsort((term, -weight, of))
    of, term = of[order], term[order]
    place = np.arange(len(of)) - np.searchsorted(of, of)
    best = place < count
    names: list[list[str]] = [[] for _ in range(int(story.max(initial=-1)) + 1)]
    for label, column in zip(of[best].tolist(), term[best].tolist(), strict=True):
        names[label].append(words[int(rows.terms[column])])
    return [", ".join(terms) for terms in names]


def within(days: _Float, window: float) -> tuple[int, _Int, _Int]:
    """Tell which documents lie within a window of each.

    Parameters
    ----------
    days : float64[n], ascending after the unknown ones (NaN)

    Returns
    -------
    undated : int, number of unknown ones, which meet all
    low, high : int64[n], first and one past the last of the dated documents that each meets
    """
    undated = int(np.isnan(days).sum())
    low = np.full(len(days), undated)
    high = np.full(len(days), len(days))
    low[undated:] += np.searchsorted(days[undated:], days[undated:] - window)
    # Read off `low`, so that rounding cannot let one of two meet the other alone.
    high[undated:] = np.searchsorted(low[undated:], np.arange(undated, len(days)), side="right") + undated
    return undated, low, high


def _crowded_pairs(
    rows: Vectors, days: _Float, refused: tuple[_Int, _Int], shares: _Float, params: StoryParams, each: Each
) -> tuple[_Int, _Int, _Float, _Int, _Float]:
    """Return the pairs whose plain cosine outweighs the crowd around both, and each row's nearest neighbours.

    Rows are worked on in order of time, undated ones first; of equally near neighbours the first in that order wins.
    """
    order = np.argsort(np.where(np.isnan(days), -np.inf, days), kind="stable")
    place = np.argsort(order)
    partners = _by_row(len(order), place[refused[0]], place[refused[1]])
    later, earlier, plain, neighbours, weights = _sifted_in_order(
        rows, order, days[order], partners, shares[order], params, each
    )
    left, right = np.maximum(order[later], order[earlier]), np.minimum(order[later], order[earlier])
    by = np.argsort(left * len(order) + right, kind="stable")  # undated alone are sorted, which costs little
    neighbours = np.where(neighbours >= 0, order[neighbours], -1)
    return left[by], right[by], plain[by], neighbours[place], weights[place]


def _sifted_in_order(
    rows: Vectors, order: _Int, days: _Float, refused: tuple[_Int, _Int], shares: _Float,
    params: StoryParams, each: Each,
) -> tuple[_Int, _Int, _Float, _Int, _Float]:  # fmt: skip
    """Do so by place: all but `rows` is in the given order of the rows."""
    n = len(order)
    starts, places, values = cosine.transpose(rows.indptr, rows.indices, rows.data, len(rows.terms), order)
    reach = within(days, params.window)
    tolls = np.zeros(n)
    near = params.feedback_neighbours
    neighbours, weights = np.empty((n, near), np.int64), np.empty((n, near))
    found: list[tuple[_Int, _Int, _Float]] = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for wave in range(0, n, _WAVE):

        def chunk(first: int, known: int = wave) -> Any:
            last = min(first + _CHUNK, n, known + _WAVE)
            return first, last, cosine.similar_pairs(
                first, last, known, order, rows.indptr, rows.indices, rows.data, starts, places, values,
                *reach, params.postings, *refused, days, tolls, shares, params.crowd_neighbours,
                near, params.pair_floor, params.decay_floor, params.time_scale,
            )  # fmt: skip

        parts = list(each(chunk, range(wave, min(wave + _WAVE, n), _CHUNK)))
        for first, last, part in parts:
            tolls[first:last], neighbours[first:last], weights[first:last] = part[:3]
        for _, _, (*_, left, right, plain) in parts:
            outweighs = 2 * plain >= tolls[left] + tolls[right]
            found.append((left[outweighs], right[outweighs], plain[outweighs]))
    left, right, plain = (np.concatenate(column) for column in zip(*found, strict=True))
    return left, right, plain, neighbours, weights


def _by_row(n: int, left: _Int, right: _Int) -> tuple[_Int, _Int]:
    """List the partners of each row in both directions, ragged."""
    row, partner = np.concatenate((left, right)), np.concatenate((right, left))
    order = np.lexsort((partner, row))
    return partner[order], np.concatenate(([0], np.cumsum(np.bincount(row, minlength=n))))
