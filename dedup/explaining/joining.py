"""For two articles that are apart: the nearest value of each setting that joins them, found by trying."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from dedup import resemblance, stories, timing
from dedup.clock import Clock, Progress
from dedup.engines.local import LocalEngine
from dedup.explaining.likeness import telling_days
from dedup.explaining.linking import Tree
from dedup.params import Level, Params
from dedup.pipeline import find_copies, find_stories
from dedup.policy import parse_policy
from dedup.replay import Replay, replay
from dedup.run import Result

# Under these thresholds most of what is joined has nothing in common, and everything is compared with everything.
LEAST = {"duplicate_threshold": 0.3, "containment_threshold": 0.5}
_FIELDS = {"duplicate_threshold": "jaccard", "containment_threshold": "containment"}
LEAST_GRANULARITY = 0.001  # as `StoryParams` checks
SCALES = (14.0, 28.0, 90.0, 365.0, 3650.0, 36_500.0)  # days, tried one after the other
_TRIALS = 2  # of pass 2, which takes longest


def settings(
    run: Result, made: Replay, a: int, b: int, told: dict[str, Any], tree: Tree | None, progress: Progress
) -> list[dict[str, Any]]:
    """Try which settings would join two articles.

    Parameters
    ----------
    a, b : positions
    told : the explanation so far: `wording`, `rules`
    tree : of the run's stories; None where it has none.

    Returns
    -------
    One entry a setting, the nearest first: `setting`, `flag`, `in_force`, `value` (None where no value that was tried
    joins them), `joins` (`duplicate` or `story`) and `reason` where none does. With each `value` the run was made again
    as far as it depends on that setting, with its rules. Where a rule forbids one story nothing is tried: the
    only entry names the rule.
    """
    rules, one_group = told["rules"], made.params.level != "story"
    if forbidding := rules["no_copies" if one_group else "apart"]:
        return [_entry("overrides", run.manifest["overrides"]["path"], reason=_forbids(forbidding))]
    clock = Clock(progress)
    with LocalEngine(made.params.jobs) as engine:
        found = [*_levels(run, made, a, b, progress)]
        if made.params.level != "exact":
            for name in LEAST:
                if rules["no_copies"]:
                    in_force = getattr(made.params.duplicates, _FIELDS[name])
                    found.append(_entry(name, in_force, reason=_forbids(rules["no_copies"])))
                else:
                    found.append(_threshold(name, made, a, b, told["wording"], engine, clock))
        if tree is not None:
            found.append(_granularity(made, a, b, tree))
            found.append(_time_scale(made, a, b, engine, clock))
    return sorted(found, key=_distance)


def _distance(entry: dict[str, Any]) -> tuple[bool, float]:
    if entry["value"] is None or isinstance(entry["value"], str):
        return entry["value"] is None, 0.0
    return False, abs(math.log(entry["value"] / entry["in_force"]))


def _entry(name: str, in_force: Any, value: Any = None, joins: str = "", reason: str = "") -> dict[str, Any]:
    flag = f"--{name.replace('_', '-')}"
    told = {"setting": name, "flag": flag, "in_force": in_force, "value": value, "joins": joins or None}
    return told | {"reason": reason or None}


def _forbids(rules: list[str]) -> str:
    return f"no setting joins what a rule forbids; first take out {' and '.join(rules)}"


def _levels(run: Result, made: Replay, a: int, b: int, progress: Progress) -> Iterator[dict[str, Any]]:
    """Try the levels above that of the run."""
    levels: tuple[Level, ...] = ("exact", "duplicate", "story")
    own = made.params.level
    ids = made.doc_id(a), made.doc_id(b)
    for level in levels[levels.index(own) + 1 :]:
        other = replay(run, "explain", progress, level, made.params)
        x, y = (other.position(doc_id) for doc_id in ids)
        label = other.story if level == "story" else other.copies.group
        if label[x] == label[y]:
            yield _entry("level", own, level, level)
            return
    if own != levels[-1]:
        yield _entry("level", own, reason="at no level are they together")


def _threshold(
    name: str, made: Replay, a: int, b: int, told: dict[str, Any], engine: LocalEngine, clock: Clock
) -> dict[str, Any]:
    """Lower one threshold of pass 1 to what the two have in common, and group anew."""
    key = _FIELDS[name]
    in_force = getattr(made.params.duplicates, key)
    value = math.floor(told[key] * 1000) / 1000
    if value >= in_force:
        return _entry(name, in_force, reason=f"they share enough wording; what parts them is: {told['reason']}")
    if value < LEAST[name]:
        reason = f"they share too little; under {LEAST[name]:g} it joins texts that have nothing in common"
        return _entry(name, in_force, reason=reason)
    params = replace(made.params, duplicates=replace(made.params.duplicates, **{key: value}))
    left, right = (np.array([made.copies.unit[at]]) for at in sorted((a, b)))
    verified = resemblance.verify(made.corpus.sketches, left, right, params.duplicates).to_pylist()[0]
    if not verified["accepted"]:
        return _entry(name, in_force, reason=f"at {value:g} they share enough wording, but {verified['reason']}")
    copies = find_copies(made.corpus, params, parse_policy(params.canonical), clock, engine.map)
    if copies.group[a] != copies.group[b]:
        return _entry(name, in_force, reason=f"at {value:g} each is better held by a group of its own")
    return _entry(name, in_force, value, "duplicate")


def _places(made: Replay, a: int, b: int) -> tuple[int, int]:
    i, j = (int(made.found.rank[made.copies.group[at]]) for at in (a, b))
    return i, j


def _granularity(made: Replay, a: int, b: int, tree: Tree) -> dict[str, Any]:
    """Find the largest granularity at which the cut leaves the two in one story, to three digits.

    A node's own value does not hang on the granularity, and the value of its parts rises with it: what is joined at one
    granularity is so at all smaller ones.
    """
    name, in_force = "story_granularity", made.params.stories.granularity
    i, j = _places(made, a, b)
    if not tree.together(i, j, LEAST_GRANULARITY):
        between = tree.between(i, j)
        met = between is not None and between["meet"] is not None
        reason = (
            f"down to {LEAST_GRANULARITY:g} they hold together better in parts"
            if met
            else "they never meet in the tree"
        )
        return _entry(name, in_force, reason=reason)
    low, high = LEAST_GRANULARITY, in_force
    while high / low > 1.0005:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if tree.together(i, j, middle) else (low, middle)
    digits = 2 - math.floor(math.log10(low))
    value = max(math.floor(low * 10**digits) / 10**digits, LEAST_GRANULARITY)
    return _entry(name, in_force, value, "story")


def _time_scale(made: Replay, a: int, b: int, engine: LocalEngine, clock: Clock) -> dict[str, Any]:
    """Try longer time scales: first on the links that are there, then by pass 2 as a whole."""
    name, in_force = "time_scale", made.params.stories.time_scale
    i, j = _places(made, a, b)
    days = telling_days(made)
    apart = abs(float(days[i] - days[j]))
    if not apart > 0:
        return _entry(name, in_force, reason="no time that counts lies between them")
    tried = 0
    for scale in (scale for scale in SCALES if scale > in_force):
        params = replace(made.params, stories=replace(made.params.stories, time_scale=scale))
        label = stories.link(len(made.found.label), _rescored(made, params), params.stories)
        if label[i] == label[j]:
            found = find_stories(made.corpus, made.copies, params, engine, clock)
            if found.label[i] == found.label[j]:
                return _entry(name, in_force, scale, "story")
            tried += 1
            if tried == _TRIALS:
                break
    longest = f"{SCALES[-1]:,.0f} days"
    return _entry(name, in_force, reason=f"time is not what parts them: apart up to {longest}")


def _rescored(made: Replay, params: Params) -> pa.Table:
    """Return the evidence with what another time scale says of its links; neighbours stay those of the run."""
    evidence, days = made.found.evidence, telling_days(made)
    left, right, score = (evidence[name].to_numpy() for name in ("left", "right", "score"))
    was, says = (timing.nearness(days, left, right, of.stories) for of in (made.params, params))
    measured = (score > 0) & (score != stories.TOGETHER)
    changed = np.where(measured, np.minimum(score / was * says, 1.0), score)
    at = evidence.schema.get_field_index("score")
    return evidence.set_column(at, "score", pa.array(changed))
