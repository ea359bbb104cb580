"""The pairs table of a run: what both passes measured, and why a pair holds or does not.

A pair is evidence by position first: left, right, level, kind, the scores, accepted, reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import schema
from dedup.kernels.nearest import best_scores
from dedup.spill import trim
from dedup.tables import rounded

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]
_Bool = npt.NDArray[np.bool_]

TREE_CUT = "tree cut"  # why a link does not hold whose two articles are in different stories
NEAREST_REFUSED = 3  # story pairs kept as evidence for each document, of those that did not hold


def pairs_table(documents: pa.Table, parts: list[pa.Table]) -> pa.Table:
    """Build the pairs table: ids instead of positions, hours apart, sorted by level and the two ids.

    Parameters
    ----------
    parts : tables with left, right (positions), level, kind, jaccard, containment, cosine, score, accepted, reason; the
        list is emptied, so that little is there twice
    """
    pairs = pa.concat_tables(parts)
    parts.clear()
    ids = documents["doc_id"].combine_chunks()
    rank = pc.rank(ids, tiebreaker="first").to_numpy()
    left, right = pairs["left"].to_numpy(), pairs["right"].to_numpy()
    swap = rank[left] > rank[right]
    left, right = np.where(swap, right, left), np.where(swap, left, right)
    order = np.lexsort((rank[right], rank[left], pc.equal(pairs["level"], "story").to_numpy()))
    left, right = left[order], right[order]
    hours = hours_of(documents["published_at"])
    a, b, apart = ids.take(pa.array(left)), ids.take(pa.array(right)), np.abs(hours[left] - hours[right])
    columns = dict(zip(pairs.column_names, pairs.columns, strict=True))
    # Where many are alike these are most of what a run holds: a column at a time is there twice.
    del pairs, rank, swap, left, right, columns["left"], columns["right"]
    trim()
    return pair_rows(((name, columns.pop(name).take(pa.array(order))) for name in list(columns)), a, b, apart)


def hours_of(published: pa.ChunkedArray) -> _Float:
    """Return dates in hours since 1970, float64[n]; NaN where unknown."""
    hours: _Float = published.cast(pa.int64()).to_numpy() / 3.6e9  # null becomes NaN
    return hours


def pair_rows(
    pairs: Iterable[tuple[str, pa.ChunkedArray]], doc_id_a: pa.Array, doc_id_b: pa.Array, hours_apart: _Float
) -> pa.Table:
    """Return evidence with ids instead of positions, in its order.

    Parameters
    ----------
    pairs : columns of `evidence` by name, each used once
    doc_id_a, doc_id_b : the smaller and the larger id of each pair
    """
    made = {"doc_id_a": doc_id_a, "doc_id_b": doc_id_b, "hours_apart": rounded(hours_apart)}
    for name, column in pairs:
        made[name] = rounded(column.to_numpy()) if pa.types.is_floating(column.type) else column
    return pa.Table.from_arrays([made[name] for name in schema.RUN_PAIRS.names], schema=schema.RUN_PAIRS)


def story_pairs(links: pa.Table, unlike: dict[str, pa.Table], story: _Int, representatives: _Int) -> pa.Table:
    """Select the links inside stories, and each document's best ones that did not hold.

    Parameters
    ----------
    links : schema.LINKS over representatives
    unlike : schema.LINKS, refused for what the two texts are, by reason
    story : int64[m], story of each representative
    representatives : int64[m], their document positions
    """
    every = pa.concat_tables([part for part in (links, *unlike.values()) if len(part)] or [links])  # one is not copied
    left, right, score = (every[name].to_numpy() for name in ("left", "right", "score"))
    why = np.repeat(np.arange(1 + len(unlike), dtype=np.int8), [len(links), *map(len, unlike.values())])
    held = (story[left] == story[right]) & (why == 0)
    least = best_scores(len(story), left, right, missed(score, held), NEAREST_REFUSED)[:, -1]
    kept = held | near_misses(score, held, np.minimum(least[left], least[right]))
    return told_links(
        representatives[left[kept]],
        representatives[right[kept]],
        every["cosine"].filter(pa.array(kept)).to_numpy(),
        score[kept],
        np.array([TREE_CUT, *unlike], object)[why[kept]],
        held[kept],
    )


def missed(score: _Float, held: _Bool) -> _Float:
    """Return the scores of the links that did not hold, 0 for the others, float64[p]."""
    return np.where(held, 0.0, score)


def near_misses(score: _Float, held: _Bool, least: _Float) -> _Bool:
    """Tell which links are among the best of either end of those that do not hold, bool[p].

    Parameters
    ----------
    least : float64[p], the `NEAREST_REFUSED`th best score that did not hold at the end where that is less
    """
    return ~held & (score > 0) & (score >= least)


def told_links(
    left: _Int, right: _Int, cosine: _Float, score: _Float, reason: npt.NDArray[Any], held: _Bool
) -> pa.Table:
    """Return links as evidence.

    Parameters
    ----------
    reason : str[p], why it does not hold
    """
    return evidence(
        left,
        right,
        level="story",
        kind="same_story",
        cosine=cosine,
        score=score,
        accepted=held,
        reason=np.where(held, "same story", reason),
    )


def evidence(
    left: _Int, right: _Int, *, level: str, kind: Any, accepted: Any, reason: Any, **scores: _Float
) -> pa.Table:
    """Build a part of the pairs table; a score that is not given is null."""
    n = len(left)
    empty = np.full(n, np.nan)
    return pa.table(
        {
            "left": pa.array(left, pa.int64()),
            "right": pa.array(right, pa.int64()),
            "level": pa.repeat(level, n),
            "kind": _told(kind, n),
            **{name: scores.get(name, empty) for name in ("jaccard", "containment", "cosine", "score")},
            "accepted": pa.array(np.broadcast_to(accepted, n), pa.bool_()),
            "reason": _told(reason, n),
        }
    )


def _told(said: Any, n: int) -> pa.ChunkedArray | pa.Array:
    """Return a column of what is said of all, or of each; not as Python's strings, which take eight times the space."""
    if isinstance(said, (pa.Array, pa.ChunkedArray)):
        return said
    return pa.array(np.broadcast_to(said, n), pa.string())
