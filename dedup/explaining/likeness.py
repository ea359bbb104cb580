"""Pass 2: the terms that carry the cosine of two texts, and the steps from it to their score."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import sifting, stories, text, timing
from dedup.evidence import refused_pairs
from dedup.kernels import cosine, feedback
from dedup.replay import Replay

_Int = npt.NDArray[np.int64]
_Texts = dict[str, tuple[str, str]]

TERMS = 12  # named one by one


def likeness(made: Replay, i: int, j: int, texts: _Texts) -> dict[str, Any]:
    """Take the score of two representatives apart.

    Parameters
    ----------
    i, j : places among the representatives
    texts : title and text of both, by id

    Returns
    -------
    Plain data, as docs/explain.md lists it under `likeness`. The shares of the terms add up to the cosine, and the
    steps to the score.
    """
    ids = [_doc_id(made, at) for at in (i, j)]
    terms = _terms(made, i, j, [texts[doc_id] for doc_id in ids])
    steps, parts = _steps(made, i, j)
    score = float(sum(step["change"] for step in steps))
    return {
        "a": ids[0],
        "b": ids[1],
        **terms,
        "cosine": parts["cosine"],
        "steps": steps,
        "score": score,
        "neighbours": {"a": _neighbours(made, i), "b": _neighbours(made, j)},
        **_gate(made, i, j, parts, score),
    }


def _doc_id(made: Replay, place: int) -> str:
    return made.doc_id(int(made.found.positions[place]))


def _terms(made: Replay, i: int, j: int, own: list[tuple[str, str]]) -> dict[str, Any]:
    """Return what each shared term adds to the cosine, the largest by name."""
    rows = made.found.vectors
    here, there = (slice(rows.indptr[at], rows.indptr[at + 1]) for at in (i, j))
    _, at_i, at_j = np.intersect1d(rows.indices[here], rows.indices[there], return_indices=True)
    columns = rows.indices[here][at_i]
    weights = rows.data[here][at_i].astype(np.float64), rows.data[there][at_j].astype(np.float64)
    share = weights[0] * weights[1]
    order = np.lexsort((columns, -share))
    words = text.spellings(pa.array([part for value in own for part in value], pa.string()))
    named = []
    for at in order[:TERMS].tolist():
        named.append(
            {
                "term": words.get(int(rows.terms[columns[at]]), "?"),
                "share": float(share[at]),
                "weight_a": float(weights[0][at]),
                "weight_b": float(weights[1][at]),
                "texts": int(np.count_nonzero(rows.indices == columns[at])),
            }
        )
    rest = order[TERMS:]
    return {
        "terms": named,
        "other_terms": {"terms": len(rest), "share": float(share[rest].sum())},
        "texts": len(rows.indptr) - 1,
    }


def _steps(made: Replay, i: int, j: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Return what each step changes, and the figures it hangs on."""
    params, rows, around = made.params.stories, made.found.vectors, made.found.around
    left, right = np.array([max(i, j)]), np.array([min(i, j)])
    plain = float(cosine.pair_cosines(*rows[:3], left, right)[0])
    mixed = float(
        feedback.feedback_cosines(
            *rows[:3], len(rows.terms), around.neighbours, around.weights, around.norms, left, right
        )[0]
    )
    days = telling_days(made)
    shares = stories.shares_of(rows, params)
    toll = float(stories.toll(around.crowd, shares, left, right)[0])
    density = float(stories.density(around.crowd, left, right, params)[0])
    near = float(timing.nearness(days, left, right, params)[0])
    score = float((stories.stand_out(np.array([mixed]), around.crowd, shares, left, right, params) * near)[0])
    apart = abs(float(days[i] - days[j]))
    parts = {"cosine": plain, "similarity": mixed, "toll": toll, "density": density, "nearness": near}
    steps: list[dict[str, Any]] = [
        {"step": "cosine", "change": plain},
        {"step": "neighbours", "change": mixed - plain},
        {"step": "crowd", "change": -toll, "crowd_a": float(around.crowd[i]), "crowd_b": float(around.crowd[j])},
        {"step": "density", "change": (mixed - toll) * (density - 1), "times": density},
        {
            "step": "time",
            "change": score - (mixed - toll) * density,
            "times": near,
            "days_apart": None if np.isnan(apart) else apart,
        },
    ]
    if score > 1:
        steps.append({"step": "ceiling", "change": 1 - score})
    total = 0.0
    for step in steps:
        total += step["change"]
        step["after"] = total
    return steps, parts


def telling_days(made: Replay) -> npt.NDArray[np.float64]:
    """Return the days of the representatives as pass 2 takes them, float64[k]."""
    return timing.telling_days(made.corpus.sketches["hours"].to_numpy()[made.found.positions])


def _neighbours(made: Replay, i: int) -> list[dict[str, Any]]:
    """Name the nearest neighbours that are mixed into a text, and how much of each."""
    around = made.found.around
    near = zip(around.neighbours[i].tolist(), around.weights[i].tolist(), strict=True)
    titles = made.corpus.documents["title"]
    return [
        {"doc_id": _doc_id(made, at), "title": titles[int(made.found.positions[at])].as_py(), "weight": weight}
        for at, weight in near
        if at >= 0 and weight > 0
    ]


def _gate(made: Replay, i: int, j: int, parts: dict[str, float], score: float) -> dict[str, Any]:
    """Say whether the two are linked, and if not, at which gate the pair was stopped."""
    params, tolls = made.params.stories, made.found.around.tolls
    gate = None
    listed = _row(made.found.links, i, j)
    refused = refused_pairs(made.copies, made.found.rank)
    asked = float(tolls[i] + tolls[j]) / 2
    if ((refused[0] == min(i, j)) & (refused[1] == max(i, j))).any():
        gate = "refused by pass 1"
    elif _too_far(made, i, j):
        gate = "too far apart in time"
    elif parts["cosine"] < params.pair_floor:
        gate = "below the floor"
    elif parts["cosine"] < asked:
        gate = "lost in the crowd"
    elif score < params.link_floor:
        gate = "score too low"
    elif not listed:
        gate = next((name for name, links in made.found.unlike.items() if _row(links, i, j)), "over the budget")
    return {
        "linked": gate is None,
        "gate": gate,
        "score_wanted": params.link_floor,
        "cosine_wanted": max(params.pair_floor, asked),
    }


def _row(links: pa.Table, i: int, j: int) -> bool:
    """Tell whether a pair is listed."""
    left, right = links["left"].to_numpy(), links["right"].to_numpy()
    return bool((((left == i) & (right == j)) | ((left == j) & (right == i))).any())


def _too_far(made: Replay, i: int, j: int) -> bool:
    """Tell whether two dated texts lie so far apart that they were not compared."""
    params, days = made.params.stories, telling_days(made)
    if np.isnan(days[[i, j]]).any():
        return False
    order = np.argsort(np.where(np.isnan(days), -np.inf, days), kind="stable")
    place = np.argsort(order)
    _, low, high = sifting.within(days[order], params.window, params.window_nearest)
    return not low[place[i]] <= place[j] < high[place[i]]
