"""Pass 2: articles that report the same story in other words, over one representative per duplicate group.

Positions are those of the representatives sorted by content key. `each` is an engine's map: it runs a function over a
stream of items and yields the results in order.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import counting, schema, sifting, timing
from dedup.kernels import cutting, feedback, jaccard, linkage, nearest, postings
from dedup.params import StoryParams
from dedup.spill import IN_MEMORY, Each, Spill, trim
from dedup.stores import joined
from dedup.weighing import Vectors

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]

TOGETHER, APART = 2.0, linkage.APART * linkage.UNIT  # scores that rules give, beyond all that is measured

_CHUNK = 128  # rows of a call with feedback at least ...
_FEEDBACK_CALLS = 64  # ... of which there are so many at most
_SCORED = 1 << 16  # pairs at a time


class Surroundings(NamedTuple):
    """What lies around each document: with the vectors, all that the score of any pair hangs on."""

    neighbours: _Int  # [n, feedback_neighbours] nearest by faded cosine; -1 where there are fewer
    weights: _Float  # [n, feedback_neighbours] how much of each is mixed in
    norms: _Float  # [n] length of each vector with its neighbours
    tolls: _Float  # [n] what the crowd explains of plain cosines
    crowd: _Float  # [n] mean of the best similarities after feedback, at least crowd_floor


NOTHING_AROUND = Surroundings(np.empty((0, 0), np.int64), np.empty((0, 0)), *(np.empty(0),) * 3)


def similar_pairs(
    rows: Vectors,
    days: _Float,
    refused: tuple[_Int, _Int],
    params: StoryParams,
    each: Each,
    spill: Spill = IN_MEMORY,
    skipped: Counter[str] | None = None,
) -> tuple[pa.Table, Surroundings]:
    """Find the pairs of documents that resemble each other more than their neighbourhoods explain.

    Twice the same correction: pairs whose cosine outweighs the crowd around both get feedback from their nearest
    neighbours (Rocchio 1971), are corrected again for the crowd that the feedback draws, and fade with the time
    between. Dated documents that lie far apart (`within`) are no pairs; undated ones meet all.

    Parameters
    ----------
    days : float64[n], NaN where unknown
    refused : left, right, int64[q]; pairs that pass 1 refused for what differs are no evidence here either.
    skipped : takes how much was left out: terms (`postings`) that were too common, and `story_pairs`

    Returns
    -------
    schema.LINKS, right < left; score ≥ link_floor. No n × n matrix at any time.
    Surroundings
    """
    n = len(rows.indptr) - 1
    share, frequencies = shares_of(rows, params), _shared_frequencies(rows, spill)
    shared = len(frequencies)
    counted: Counter[str] = Counter() if skipped is None else skipped
    left, right, plain, neighbours, weights, tolls = _crowded_pairs(
        rows, frequencies, days, refused, params.sifting * share, params, each, spill, counted
    )
    weights *= params.feedback
    norms = feedback.feedback_norms(*rows[:3], shared, neighbours, weights)
    score = _after_feedback(rows, shared, neighbours, weights, norms, left, right, each)
    trim()  # the parts of it
    crowd, usual = crowds(n, left, right, score, params), timing.usual_decays(days, params)
    for start in range(0, len(score), _SCORED):
        part = slice(start, start + _SCORED)
        a, b = left[part], right[part]
        near = timing.relative(np.abs(days[a] - days[b]), usual[a], usual[b], params)
        score[part] = stand_out(score[part], crowd, share, a, b, params) * near
    linked = score >= params.link_floor
    np.minimum(score, 1.0, out=score)
    columns, kept = [left, right, plain, score], list[pa.Array]()
    del left, right, plain, score  # where all are alike these are most of what there is: one at a time is there twice
    while columns:
        kept.append(pa.array(columns.pop(0)[linked]))
    return pa.Table.from_arrays(kept, schema=schema.LINKS), Surroundings(neighbours, weights, norms, tolls, crowd)


def _shared_frequencies(rows: Vectors, spill: Spill) -> npt.NDArray[np.int32]:
    """Count the rows of each column that several have; the others are the last ones, and pair nobody."""
    held = counting.document_frequencies(*rows[:2], len(rows.terms), spill)
    return held[: int((held > 1).sum())].copy()


def _after_feedback(
    rows: Vectors, shared: int, neighbours: _Int, weights: _Float, norms: _Float, left: _Int, right: _Int, each: Each
) -> _Float:
    """Return the cosines of pairs, sorted by left, with what the neighbours of both ends have mixed in, float64[p]."""
    n = len(norms)
    # Each call clears a sum for every column and row: few calls.
    rows_at_once = max(n // _FEEDBACK_CALLS, _CHUNK)
    bounds = np.searchsorted(left, np.arange(0, n + rows_at_once, rows_at_once))

    def mixed(chunk: int) -> _Float:
        part = slice(bounds[chunk], bounds[chunk + 1])
        found: _Float = feedback.feedback_cosines(
            *rows[:3], shared, neighbours, weights, norms, left[part], right[part]
        )
        return found

    return joined([np.empty(0), *each(mixed, range(len(bounds) - 1))])


def crowds(n: int, left: _Int, right: _Int, similarity: _Float, params: StoryParams) -> _Float:
    """Return the mean of the best similarities of each document over its pairs, at least crowd_floor, float64[n]."""
    best = nearest.best_scores(n, left, right, similarity, params.crowd_neighbours)
    crowd: _Float = np.maximum(best.sum(axis=1) / params.crowd_neighbours, params.crowd_floor)
    return crowd


def shares_of(rows: Vectors, params: StoryParams) -> _Float:
    """Return how much of the crowd around each document is taken off: less of one with few terms, float64[n]."""
    return shares(np.diff(rows.indptr), params)


def shares(terms: _Int, params: StoryParams) -> _Float:
    """Return so from the number of terms of each document."""
    taken: _Float = params.crowding * terms / (terms + params.crowd_length)
    return taken


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
    return (similarity - toll(crowd, shares, left, right)) * density(crowd, left, right, params)


def toll(crowd: _Float, shares: _Float, left: _Int, right: _Int) -> _Float:
    """Return what the crowds around both explain of the similarity of each pair, float64[p]; see `stand_out`."""
    taken: _Float = (shares[left] * crowd[left] + shares[right] * crowd[right]) / 2
    return taken


def density(crowd: _Float, left: _Int, right: _Int, params: StoryParams) -> _Float:
    """Return by what the rest is multiplied in the neighbourhood of each pair, float64[p] ≤ 1; see `stand_out`."""
    dense = (crowd[left] + crowd[right]) / 2 + params.crowd_scale
    factor: _Float = np.sqrt((params.crowd_floor + params.crowd_scale) / dense)
    return factor


def link(n: int, links: pa.Table, params: StoryParams) -> _Int:
    """Group documents into stories: average linkage over the links, and the cut of its tree.

    Parameters
    ----------
    links : schema.LINKS, each pair once; a negative score speaks against one story, `APART` forbids it, and `TOGETHER`
        demands it.

    Returns
    -------
    int64[n], the smallest position of each one's story.
    """
    node, children, heights = tree(n, links, params)
    return first_of(cut(n, children, heights, params)[0][node])


def first_of(label: _Int) -> _Int:
    """Return the smallest position that has the same label, int64[n]."""
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def weights(links: pa.Table) -> _Int:
    """Return the scores of links as whole multiples of `linkage.UNIT`, int64[m]."""
    weight: _Int = np.rint(links["score"].to_numpy() / linkage.UNIT).astype(np.int64)
    return weight


def tree(n: int, links: pa.Table, params: StoryParams) -> tuple[_Int, _Int, _Float]:
    """Merge documents by average linkage.

    Returns
    -------
    node : int64[n], the leaf of each document: that of the first of those that must be together
    children, heights : as of `linkage.average_linkage`
    """
    score = links["score"].to_numpy()
    weight = weights(links)
    left, right = links["left"].to_numpy(), links["right"].to_numpy()
    together = score == TOGETHER
    node = np.arange(n)
    if together.any():
        node = jaccard.components(n, left[together], right[together])
        left, right, weight = _contracted(node, left, right, weight)
    for ends in (left, right):  # as those of one table are: the kernel is compiled for them alone
        ends.flags.writeable = False
    return node, *linkage.average_linkage(np.ones(n, np.int64), left, right, weight, params.merge_floor)


def cut(n: int, children: _Int, heights: _Float, params: StoryParams) -> tuple[_Int, _Float, _Float, _Float]:
    """Cut a tree into stories: label, height, value and best, as of `cutting.tree_cut`."""
    found: tuple[_Int, _Float, _Float, _Float] = cutting.tree_cut(
        n, children, heights, params.granularity, params.cut_power, params.pair_height, params.pair_fade
    )
    return found


def _contracted(node: _Int, left: _Int, right: _Int, weight: _Int) -> tuple[_Int, _Int, _Int]:
    """Make one node of those that must be together: it is as like another as the likest of them.

    Their average would be lower, so that a rule which joins two stories would drive their other articles out. What must
    be kept apart from one of them must be from all.
    """
    a, b = np.minimum(node[left], node[right]), np.maximum(node[left], node[right])
    order = np.lexsort((-weight, b, a))
    order = order[a[order] != b[order]]
    a, b, weight = a[order], b[order], weight[order]
    first = np.flatnonzero((np.diff(a, prepend=-1) != 0) | (np.diff(b, prepend=-1) != 0))
    least = np.minimum.reduceat(weight, first) if len(first) else weight
    apart = least == linkage.APART
    return a[first], b[first], np.where(apart, least, weight[first])


def _crowded_pairs(
    rows: Vectors,
    frequencies: npt.NDArray[np.int32],
    days: _Float,
    refused: tuple[_Int, _Int],
    shares: _Float,
    params: StoryParams,
    each: Each,
    spill: Spill,
    skipped: Counter[str],
) -> tuple[_Int, _Int, _Float, _Int, _Float, _Float]:
    """Return the pairs whose plain cosine outweighs the crowd around both, each row's nearest neighbours and its toll.

    Rows are worked on in order of time, undated ones first; of equally near neighbours the first in that order wins.
    """
    order = np.argsort(np.where(np.isnan(days), -np.inf, days), kind="stable")
    place = np.argsort(order)
    partners = by_row(len(order), place[refused[0]], place[refused[1]])
    later, earlier, plain, neighbours, weights, tolls = _sifted_in_order(
        rows, frequencies, order, days[order], partners, shares[order], params, each, spill, skipped
    )
    one, other = order[later], order[earlier]
    left, right = np.maximum(one, other), np.minimum(one, other)
    del later, earlier, one, other
    by = np.argsort(left * len(order) + right, kind="stable")  # undated alone are sorted, which costs little
    left = left[by]  # one after the other: where all are alike these are most of what there is
    right = right[by]
    plain = plain[by]
    neighbours = np.where(neighbours >= 0, order[neighbours], -1)
    return left, right, plain, neighbours[place], weights[place], tolls[place]


def _sifted_in_order(
    rows: Vectors, frequencies: npt.NDArray[np.int32], order: _Int, days: _Float, refused: tuple[_Int, _Int],
    shares: _Float, params: StoryParams, each: Each, spill: Spill, skipped: Counter[str],
) -> tuple[sifting.Placed, sifting.Placed, _Float, _Int, _Float, _Float]:  # fmt: skip
    """Do so by place: all but `rows` is in the given order of the rows."""
    n = len(order)
    undated, low, high = sifting.within(days, params.window, params.window_nearest)
    met = np.where(np.arange(n) < undated, n, undated + high - low)
    begin = postings.within_budget(rows.indptr, rows.indices, order, frequencies, met / max(n, 1), params.postings)
    skipped["postings"] += int((begin - rows.indptr[order]).sum())
    places = sifting.Places(*rows[:3], len(frequencies), order, begin, days, shares, undated, low, refused)
    state = sifting.unmet(n, params)
    left, right, plain = sifting.sift(places, state, params, each=each, spill=spill, skipped=skipped)
    tolls = sifting.tolls(state, shares)
    outweighs = sifting.outweigh(plain, tolls[left], tolls[right])
    return left[outweighs], right[outweighs], plain[outweighs], state.neighbours, state.weights, tolls


def by_row(n: int, left: _Int, right: _Int) -> tuple[_Int, _Int]:
    """List the partners of each row in both directions, ragged."""
    row, partner = np.concatenate((left, right)), np.concatenate((right, left))
    order = np.lexsort((partner, row))
    return partner[order], np.concatenate(([0], np.cumsum(np.bincount(row, minlength=n))))
