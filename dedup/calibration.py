"""Settings that fit a person's verdicts: what the run's own are worth, and others that are better beyond doubt.

Verdicts on pairs drawn by `sampling` are weighted by what their stratum stands for. Intervals come from a bootstrap
over the pairs of each stratum (Efron 1979). A setting is proposed where it beats the one in force in all but 2.5 % of
the draws, shared among the values tried, and of those that cannot be told from the best the one nearest to that in
force: few verdicts fit anything.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import stories
from dedup.clock import Clock, Progress
from dedup.engines.local import LocalEngine
from dedup.errors import InputError
from dedup.findings import Corpus
from dedup.params import Params
from dedup.pipeline import find_copies, find_stories, without_boilerplate
from dedup.policy import parse_policy
from dedup.replay import corpus_of, params_of
from dedup.run import Result
from dedup.sampling import draw, pairs_of
from dedup.sweep import CURVES, setting, with_setting

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]
_Bool = npt.NDArray[np.bool_]

TIME_SCALES = (2.0, 4.0, 7.0, 14.0, 28.0)
SETTINGS = {"duplicate": ("duplicate_threshold", "containment_threshold"), "story": ("story_granularity", "time_scale")}
SAME = {"duplicate": ("same text",), "story": ("same text", "same story")}
LEAST = 30  # verdicts of either kind at a level, below which nothing is proposed
LEAST_CHANGED = 8  # verdicts on pairs that a setting decides otherwise
DRAWS = 2000
_SHARE = 0.025  # of the draws beyond either end of an interval
_DRAWN_FROM_GOLD = 3000  # pairs, where labels name the story of each article


class Verdicts(NamedTuple):
    """Judged pairs of one level by the positions of their articles in a corpus."""

    left: _Int
    right: _Int
    same: _Bool
    stratum: _Int  # dense
    weight: _Float  # of the whole stratum


def calibrate(result: Result, labels: pa.Table, *, seed: int = 1, progress: Progress | None = None) -> dict[str, Any]:
    """Estimate precision and recall of a run from verdicts, and propose settings that do better beyond doubt.

    Parameters
    ----------
    result : its input or own text is clustered again, as by `sweep`.
    labels : of `labels.read_labels`: verdicts on pairs, or one label per article.
    seed : of the bootstrap.
    progress : called with (stage, done, total or None).

    Returns
    -------
    One entry for each level: `pairs`, `same`, `different` (verdicts), `unknown` (with an article that is not in the
    run), `needed` (what is missing before anything is proposed: a kind of verdict → how many more), `now` and
    `proposed` (settings, and `precision`, `recall`, `f1` as [estimate, low, high]; `proposed` is None where the
    settings in force are as good as any) and `tried` (by setting: value, f1, and gain over that in force with its
    interval).

    Raises
    ------
    InputError, SettingsError
        As `sweep`; or no verdict is on articles of the run.
    """
    params = params_of(result)
    if "doc_id" in labels.column_names:
        labels = _from_gold(result, labels, seed)
    clock = Clock(progress or (lambda *_: None))
    generator = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    with LocalEngine(params.jobs) as engine:
        corpus = None
        for level in SAME:
            own, unknown = _known(result.documents, labels, level)
            entry = _summary(own, unknown)
            found[level] = entry
            if params.level != "story" and level == "story":
                entry["needed"] = {}
                continue
            if not len(own):
                continue
            if corpus is None:
                corpus = without_boilerplate(
                    corpus_of(result, params, engine, clock, "calibrate"), params, clock, engine.map
                )
            verdicts = _verdicts(corpus, own, level)
            params = _level(level, corpus, params, verdicts, entry, engine, clock, generator)
    if not any(entry["pairs"] for entry in found.values()):
        raise InputError("calibrate: no verdict is on two articles of the run; name labels that were made of this run")
    return found


def _level(
    level: str,
    corpus: Corpus,
    params: Params,
    verdicts: Verdicts,
    entry: dict[str, Any],
    engine: LocalEngine,
    clock: Clock,
    generator: np.random.Generator,
) -> Params:
    """Fill in the entry of a level, and return the settings with those proposed for it."""
    chances = _weights(verdicts, generator)
    first = {name: setting(params, name) for name in SETTINGS[level]}
    with clock.stage(f"{level} level"):
        name, in_force = next(iter(first.items()))
        together = _predict(name, [in_force], corpus, params, verdicts, engine)
        entry["now"] = {"settings": first, **_told(_scores(together, verdicts.same, chances), 0, verdicts, together)}
    if entry["needed"]:
        return params
    proposed = params
    for name, in_force in first.items():
        with clock.stage(name.replace("_", " ")):
            values = _values(name, in_force, corpus)
            together = _predict(name, values, corpus, proposed, verdicts, engine)
            scores, at = _scores(together, verdicts.same, chances), values.index(in_force)
            best, entry["tried"][name] = _choose(values, at, scores, together, verdicts)
        if best != at:
            proposed = with_setting(proposed, name, values[best])
            entry["proposed"] = _told(scores, best, verdicts, together)
    if entry["proposed"]:
        entry["proposed"]["settings"] = {name: setting(proposed, name) for name in first}
    return proposed


def _values(name: str, in_force: float, corpus: Corpus) -> list[float]:
    if name == "time_scale":
        dated = corpus.documents["published_at"].null_count < len(corpus.documents)
        return sorted({*(TIME_SCALES if dated else ()), in_force})
    return sorted({*CURVES[name].values, in_force})


def _predict(
    name: str, values: list[float], corpus: Corpus, params: Params, verdicts: Verdicts, engine: LocalEngine
) -> _Bool:
    """Tell which judged pairs each value of a setting puts into one cluster, bool[values, pairs]."""
    policy = parse_policy(params.canonical)
    quiet = Clock(lambda *_: None)
    rows = []
    copies = found = None
    for value in values:
        tried = with_setting(params, name, value)
        if copies is None or name not in SETTINGS["story"]:
            copies = find_copies(corpus, tried, policy, quiet)
        label = copies.group
        if name in SETTINGS["story"]:
            if found is None or name == "time_scale":
                found = find_stories(corpus, copies, tried, engine, quiet)
            label = stories.link(len(found.label), found.evidence, tried.stories)[found.rank[copies.group]]
        rows.append(label[verdicts.left] == label[verdicts.right])
    return np.array(rows)


def _weights(verdicts: Verdicts, generator: np.random.Generator) -> _Float:
    """Return the weight of each pair in the sample itself and in draws from it, float64[1 + DRAWS, pairs]."""
    times = np.ones((DRAWS + 1, len(verdicts.same)))
    for stratum in np.unique(verdicts.stratum):
        members = np.flatnonzero(verdicts.stratum == stratum)
        times[1:, members] = generator.multinomial(len(members), np.full(len(members), 1 / len(members)), DRAWS)
        times[:, members] *= verdicts.weight[members] / len(members)
    return times


def _scores(together: _Bool, same: _Bool, weights: _Float) -> dict[str, _Float]:
    """Return precision, recall and F1 of each value in each draw, float64[values, 1 + DRAWS]."""
    right = (together & same).astype(float) @ weights.T
    claimed, true = together.astype(float) @ weights.T, same.astype(float) @ weights.T
    precision = np.where(claimed > 0, right / np.maximum(claimed, 1e-12), 1.0)
    recall = np.where(true > 0, right / np.maximum(true, 1e-12), 1.0)
    f1 = 2 * right / np.maximum(claimed + true, 1e-12)
    return {"precision": precision, "recall": recall, "f1": f1}


def _choose(
    values: list[float], at: int, scores: dict[str, _Float], together: _Bool, verdicts: Verdicts
) -> tuple[int, list[dict[str, Any]]]:
    """Return the place of the value to propose, `at` where none is better beyond doubt, and what was tried."""
    f1 = scores["f1"]
    gain = f1 - f1[at]
    share = _SHARE / max(len({row.tobytes() for row in together}) - 1, 1)  # values that differ share the doubt
    sure = np.quantile(gain[:, 1:], share, axis=1) > 0
    sure &= (together != together[at]).sum(axis=1) >= LEAST_CHANGED
    tried = [
        {"value": value, "f1": _rounded(f1[place, 0]), "gain": _interval(gain[place])}
        for place, value in enumerate(values)
    ]
    if not sure.any():
        return at, tried
    best = max(np.flatnonzero(sure), key=lambda place: f1[place, 0])
    behind = np.quantile((f1[best] - f1)[:, 1:], _SHARE, axis=1) <= 0
    able = np.flatnonzero(sure & behind)
    return int(min(able, key=lambda place: abs(place - at))), tried


def _told(scores: dict[str, _Float], place: int, verdicts: Verdicts, together: _Bool) -> dict[str, Any]:
    """Return the scores of a value with their intervals.

    Where no verdict speaks against it a bootstrap sees no doubt: three in n may still be wrong (the rule of three).
    """
    judged = {"precision": together[place].sum(), "recall": verdicts.same.sum(), "f1": verdicts.same.sum()}
    found = {name: _interval(score[place]) for name, score in scores.items()}
    for name, (estimate, low, high) in found.items():
        if low == 1:
            found[name] = [estimate, _rounded(max(0.0, 1 - 3 / max(int(judged[name]), 1))), high]
    return found


def _interval(draws: _Float) -> list[float]:
    low, high = np.quantile(draws[1:], (_SHARE, 1 - _SHARE))
    return [_rounded(value) for value in (draws[0], low, high)]


def _rounded(value: float) -> float:
    return round(float(value), 4) + 0.0


def _known(documents: pa.Table, labels: pa.Table, level: str) -> tuple[pa.Table, int]:
    """Return the verdicts of a level on articles of the run, and how many others there are."""
    own = labels.filter(pc.equal(labels["level"], level))
    known = pc.and_(*(pc.is_in(own[side], documents["doc_id"]) for side in ("doc_id_a", "doc_id_b")))
    return own.filter(known), len(own) - (pc.sum(known).as_py() or 0)


def _summary(own: pa.Table, unknown: int) -> dict[str, Any]:
    level = own["level"][0].as_py() if len(own) else None
    same = pc.sum(pc.is_in(own["verdict"], pa.array(SAME[level]))).as_py() if level else 0
    counts = {"same": same, "different": len(own) - same}
    needed = {kind: LEAST - count for kind, count in counts.items() if count < LEAST}
    blank = {"needed": needed, "now": None, "proposed": None, "tried": {}}
    return {"pairs": len(own), **counts, "unknown": unknown, **blank}


def _verdicts(corpus: Corpus, own: pa.Table, level: str) -> Verdicts:
    ids = corpus.documents["doc_id"]
    left, right = (pc.index_in(own[side], ids).to_numpy().astype(np.int64) for side in ("doc_id_a", "doc_id_b"))
    same = pc.is_in(own["verdict"], pa.array(SAME[level])).to_numpy()
    stratum = own["stratum"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    return Verdicts(left, right, same, stratum, own["weight"].to_numpy())


def _from_gold(result: Result, gold: pa.Table, seed: int) -> pa.Table:
    """Draw pairs of the run as `dedup review` does, and judge them by the labels of their articles."""
    every = pairs_of(result, seed)
    parts = []
    for level in SAME:
        own = draw(every, _DRAWN_FROM_GOLD, seed, (level,))
        one, two = (gold[level].take(pc.index_in(own[side], gold["doc_id"])) for side in ("doc_id_a", "doc_id_b"))
        verdict = pc.if_else(pc.equal(one, two), SAME[level][-1], "different")
        parts.append(own.append_column("verdict", verdict).filter(pc.is_valid(verdict)))
    return pa.concat_tables(parts)


def proposal(found: dict[str, Any]) -> dict[str, float]:
    """Return the settings that are proposed, by name; those that stay as they are left out."""
    changed = {}
    for entry in found.values():
        if entry["proposed"]:
            for name, value in entry["proposed"]["settings"].items():
                if value != entry["now"]["settings"][name]:
                    changed[name] = value
    return changed
