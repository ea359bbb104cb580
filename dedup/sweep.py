"""The scores of a run along its thresholds and the story granularity: what another setting would have found.

A run holds what was found at its own settings, so its input is clustered again: read once, then grouped at each value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import stories
from dedup.clock import Clock, Progress
from dedup.engines.local import LocalEngine
from dedup.errors import InputError
from dedup.evaluate import evaluate
from dedup.findings import Corpus
from dedup.params import SETTINGS, Params
from dedup.pipeline import find_copies, find_stories, read, without_boilerplate
from dedup.policy import parse_policy
from dedup.replay import corpus_of, params_of
from dedup.run import Result


class Curve(NamedTuple):
    """The level that is scored along a setting, and the values tried beside the one in force."""

    level: str
    values: tuple[float, ...]


# From where everything of one subject is joined to where almost nothing is.
CURVES = {
    "duplicate_threshold": Curve(
        "duplicate", (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    ),
    "containment_threshold": Curve("duplicate", (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)),
    "story_granularity": Curve("story", (0.1, 0.14, 0.18, 0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)),
}

_COLUMNS = {"duplicate": "duplicate_id", "story": "story_id"}
_Int = npt.NDArray[np.int64]
_Labels = Callable[[float], _Int]


def sweep(
    source: Any, gold: pa.Table, params: Params | None = None, *, progress: Progress | None = None
) -> dict[str, Any]:
    """Score the groups along both duplicate thresholds, and the stories along the granularity.

    One setting moves at a time, the others stay as they are in force. The input is read once; the thresholds run pass 1
    again at each value, candidates included, and the granularity only cuts the links between stories again.

    Parameters
    ----------
    source : a `Result`, whose input or own text is read again; or anything that `dedup.cluster` takes.
    gold : either form that `read_gold` returns; a level that it does not label is left out.
    params : the settings in force; by default those of the `Result`, or the shipped ones.
    progress : called with (stage, done, total or None).

    Returns
    -------
    One list of points for each of `CURVES` that can be scored, by value: `value`, `precision`, `recall`, `f1` (B-cubed
    from labels, F1 of pairs from pairs; rounded to 6 decimals). Beside them `measure` ("bcubed" or "pairs"), `in_force`
    and `best` (values by curve; the best F1, of equal ones the nearest to the setting in force), and `skipped` (reasons
    by curve).

    Raises
    ------
    InputError
        No curve can be scored, or the input of the run is gone or has changed.
    SettingsError
        Another version of dedup, with other settings, made the run.
    """
    if isinstance(source, Result):
        params = params or params_of(source)
        evaluate(source.documents, gold)  # labels of another corpus show themselves before the work starts
    params = params or Params()
    skipped = _skipped(gold, params)
    if len(skipped) == len(CURVES):
        reasons = "; ".join(f"no {_words(name)}, since {reason}" for name, reason in skipped.items())
        raise InputError(f"evaluate --sweep: nothing to draw: {reasons}; name other labels or cluster another level")
    clock = Clock(progress or (lambda *_: None))
    in_force = {name: setting(params, name) for name in CURVES if name not in skipped}
    with LocalEngine(params.jobs) as engine:
        corpus = without_boilerplate(_corpus(source, params, engine, clock), params, clock)
        curves = {name: _curve(name, corpus, gold, params, engine, clock) for name in in_force}
    best = {name: min(curves[name], key=lambda point: _rank(point, in_force[name]))["value"] for name in in_force}
    measure = "pairs" if _are_pairs(gold) else "bcubed"
    return {**curves, "measure": measure, "in_force": in_force, "best": best, "skipped": skipped}


def _skipped(gold: pa.Table, params: Params) -> dict[str, str]:
    """Say why a curve cannot be drawn, by its name."""
    reasons = {}
    for name, (level, _) in CURVES.items():
        if not _are_pairs(gold) and (level not in gold.column_names or gold[level].null_count == len(gold)):
            reasons[name] = f"gold has no labels of level {level}"
        elif params.level == "exact" or (level == "story" and params.level != "story"):
            reasons[name] = f"the level clustered is {params.level}"
    return reasons


def _are_pairs(gold: pa.Table) -> bool:
    return "doc_id_a" in gold.column_names


def _words(name: str) -> str:
    return name.replace("_", " ")


def setting(params: Params, name: str) -> float:
    """Return the value of a setting that is a number."""
    part, key = SETTINGS[name].split(".")
    return float(getattr(getattr(params, part), key))


def with_setting(params: Params, name: str, value: float) -> Params:
    """Return parameters with another value of one setting."""
    part, key = SETTINGS[name].split(".")
    return replace(params, **{part: replace(getattr(params, part), **{key: value})})


def _rank(point: dict[str, float], in_force: float) -> tuple[float, float]:
    return -point["f1"], abs(point["value"] - in_force)


def _corpus(source: Any, params: Params, engine: LocalEngine, clock: Clock) -> Corpus:
    if isinstance(source, Result):
        return corpus_of(source, params, engine, clock, "evaluate --sweep")
    return read(source, replace(params, with_text=False), parse_policy(params.canonical), engine, clock)


def _curve(
    name: str, corpus: Corpus, gold: pa.Table, params: Params, engine: LocalEngine, clock: Clock
) -> list[dict[str, float]]:
    """Score the values of one setting, and that in force among them."""
    level, values = CURVES[name]
    values = tuple(sorted({*values, setting(params, name)}))
    points = []
    with clock.stage(_words(name)):
        labels = _stories(name, corpus, params, engine) if level == "story" else _groups(name, corpus, params)
        for value in values:
            documents = pa.table({"doc_id": corpus.documents["doc_id"], _COLUMNS[level]: labels(value)})
            score = evaluate(documents, gold)[level]
            score = score.get("bcubed", score)
            points.append({"value": value, **{key: score[key] for key in ("precision", "recall", "f1")}})
            clock.advance(_words(name), 1, len(values))
    return points


def _groups(name: str, corpus: Corpus, params: Params) -> _Labels:
    """Return what tells the duplicate group of each document at a value of a setting of pass 1."""
    policy = parse_policy(params.canonical)
    return lambda value: find_copies(corpus, with_setting(params, name, value), policy, _unwatched()).group


def _stories(name: str, corpus: Corpus, params: Params, engine: LocalEngine) -> _Labels:
    """Return what tells the story of each document at a value of a setting of the tree cut; links are made once."""
    copies = find_copies(corpus, params, parse_policy(params.canonical), _unwatched())
    found = find_stories(corpus, copies, params, engine, _unwatched())
    representative = found.rank[copies.group]

    def labels(value: float) -> _Int:
        label = stories.link(len(found.label), found.evidence, with_setting(params, name, value).stories)
        return label[representative]

    return labels


def _unwatched() -> Clock:
    return Clock(lambda *_: None)  # the passes repeat themselves; who watches sees the points of the curve
