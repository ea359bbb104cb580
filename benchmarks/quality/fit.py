"""Fits the numbers of `dedup.params.StoryParams` on the story sets of a folder, and cross-validates the choice.

python -m benchmarks.quality.fit PATH [--draws N] [--seed S] [--json FILE] [--settings FILE]

Every set is read once, up to its copies; each setting then runs pass 2 alone over all items (`items`), at about five
seconds for the six open sets. The search is a seeded random local one from the shipped defaults and from the settings
in FILE: a JSON list of objects such as `{"granularity": 0.4, "crowding": 0.7}`. Every setting tried is recorded with
its score on each item, and the cross-validation reads that record: for each whole set, the setting that is best
without it, and how it does on it. The candidates do come from a search that saw all sets, so that the left-out score
judges the choice among them, not the grid or the method.

`title_weight` is not fitted, since terms are counted before pass 2, nor are the floors that save time and memory.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import orjson

import dedup
from benchmarks.quality import items, report, sets
from benchmarks.quality.items import Item
from dedup.errors import SettingsError
from dedup.params import StoryParams

Settings = dict[str, float]
Row = dict[str, Any]

# The values tried for each field.
GRID: dict[str, tuple[float, ...]] = {
    "granularity": (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6),  # outside, headlines fall apart or roundups run together
    "cut_power": (0.3, 0.35, 0.4, 0.45, 0.5),  # at 0 every height counts alike, at 1 large stories fall apart
    "pair_height": (0.0, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3),  # from no bar to one that few true pairs pass
    "pair_fade": (2.0, 2.5, 3.0, 4.0),  # less, and stories of four meet the bar too
    "feedback": (0.25, 0.35, 0.5, 0.65),  # more, and the neighbours outweigh the article
    "feedback_neighbours": (2, 3),  # most stories have no more articles than that
    "crowd_neighbours": (10, 12, 15, 20, 25),  # more than a story has, less than a topic
    "crowd_floor": (0.1, 0.15, 0.2, 0.25, 0.3),  # around the crowds that large sets have
    "crowding": (0.4, 0.5, 0.6, 0.7, 0.8),  # nearer to 1, an article of a large story is its own crowd
    "crowd_scale": (0.02, 0.05, 0.1, 0.2, 0.3, 0.5),  # from the ratio alone to hardly any
    "crowd_length": (5.0, 10.0, 20.0, 30.0),  # distinct terms of a headline to those of a lead
    "sifting": (0.8, 1.0, 1.3),  # around the same correction as after feedback
    "decay_floor": (0.15, 0.2, 0.25, 0.3, 0.4),  # less, and stories that run for months fall apart
    "time_scale": (4.0, 5.0, 7.0, 10.0),  # days; the press keeps to an event for about a week
    "dispersion": (0.5, 0.7, 0.85, 1.0),  # at 1, the usual decay of a corpus costs nothing
    "opposition": (1.0, 2.0, 4.0),  # of a pair of equal texts; sets with few templates hardly tell
}
JUMPS = 0.1  # share of draws that take every field anew, so that the search can leave a valley
PARENTS = 6  # best settings so far that the others start from
CHANGED = (1, 2, 2, 3)  # fields that they change

TOLERATED = {2: 0.01, 4: 0.02, 20: 0.05, 200: 0.10}  # share of them that may be clustered: the bench's targets
OVERLAPPING = (("allsides", "neus"),)  # about 960 headlines in common: each is a hint at the other


@dataclass(frozen=True)
class Trial:
    """A setting and its score on each item, by the item's name."""

    settings: Settings
    scores: dict[str, float]


def main(arguments: list[str] | None = None) -> None:
    """Search, cross-validate, print, and write where asked."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.fit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--draws", type=int, default=100, help="settings to try beside the starting ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--settings", type=Path, help="settings to start from, beside the defaults")
    options = parser.parse_args(arguments)
    try:
        starts = [shipped(), *(given(options.settings) if options.settings else ())]
    except SettingsError as error:
        raise SystemExit(str(error)) from error
    start = perf_counter()
    measured = items.prepare(sets.story_sets(sets.load(options.path)), options.seed)
    print(f"{len(measured)} items read in {perf_counter() - start:.1f} s", flush=True)

    def value(scores: dict[str, float]) -> float:
        return objective(measured, scores)["objective"]

    def measure(settings: Settings) -> dict[str, float]:
        start = perf_counter()
        scores = items.score(measured, StoryParams(**settings))
        changes = {name: tried for name, tried in settings.items() if tried != starts[0][name]}
        print(f"{value(scores):.4f}  ({perf_counter() - start:.1f} s)  {orjson.dumps(changes).decode()}", flush=True)
        return scores

    trials = search(measure, value, starts, options.draws, random.Random(options.seed))
    found = {
        "objective": {"title": "Objective and its parts", "rows": objectives(measured, trials)},
        "settings": {"title": "Settings that differ", "rows": differences(trials[0], best(measured, trials))},
        "left_out": {"title": "Story B-cubed F1 of sets left out of the choice", "rows": leave_out(measured, trials)},
    }
    for section in found.values():
        print("\n" + report.terminal({**section, "seconds": perf_counter() - start}))
    if options.json:
        about = [{"name": item.name, "kind": item.kind, "sets": item.sets, "size": item.size} for item in measured]
        record = [{**asdict(trial), **objective(measured, trial.scores)} for trial in trials]
        document = {"version": dedup.__version__, "seed": options.seed, **found, "items": about, "trials": record}
        options.json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def shipped() -> Settings:
    """Return the defaults of the fields that are fitted."""
    return {name: getattr(StoryParams(), name) for name in GRID}


def given(file: Path) -> list[Settings]:
    """Read settings from a JSON list of objects; fields that are not named keep their defaults.

    Raises
    ------
    SettingsError
        A field is not one of those fitted.
    """
    settings = [{**shipped(), **changes} for changes in orjson.loads(file.read_bytes())]
    if odd := {name for setting in settings for name in setting} - set(GRID):
        raise SettingsError(f"{file}: got {min(odd)!r}, which is not fitted; wanted one of {', '.join(GRID)}")
    return settings


def objective(measured: Sequence[Item], scores: dict[str, float], without: Collection[str] = ()) -> dict[str, float]:
    """Return what the search maximises, and its parts.

    objective = .4 · whole + .4 · parts + .2 · time - .7 · excess

    whole : mean F1 of the whole sets
    parts : mean over sets of the mean F1 of the set and its parts: a setting must not hang on the size of a corpus
    time : mean F1 of the time variants
    excess : mean over batch sizes of how far the share of unrelated articles in stories, a mean over sets, lies above
        what is tolerated

    Items made from a set in `without` count nowhere; a part without items is 0, for every setting alike.
    """
    kept = [item for item in measured if not set(item.sets) & set(without)]

    def mean(chosen: Iterable[float]) -> float:
        return float(np.mean([*chosen] or [0.0]))

    def of(kind: str) -> list[Item]:
        return [item for item in kept if item.kind == kind]

    whole = mean(scores[item.name] for item in of("whole"))
    parts = mean(
        mean(scores[item.name] for item in of("whole") + of("part") if item.sets == s.sets) for s in of("whole")
    )
    time = mean(scores[item.name] for item in of("time"))
    sizes = sorted({item.size for item in of("unrelated")})
    shares = [mean(scores[item.name] for item in of("unrelated") if item.size == size) for size in sizes]
    excess = mean(max(0.0, share - TOLERATED[size]) for size, share in zip(sizes, shares, strict=True))
    total = 0.4 * whole + 0.4 * parts + 0.2 * time - 0.7 * excess
    return {"objective": total, "whole": whole, "parts": parts, "time": time, "excess": excess}


def search(
    measure: Callable[[Settings], dict[str, float]],
    value: Callable[[dict[str, float]], float],
    starts: Sequence[Settings],
    draws: int,
    generator: random.Random,
) -> list[Trial]:
    """Try the starting settings, then `draws` others, most of which change a few fields of one of the best so far.

    Parameters
    ----------
    measure : the scores of a setting; value : what of them is maximised.
    """
    trials = [Trial(settings, measure(settings)) for settings in starts]
    while len(trials) < len(starts) + draws:
        if generator.random() < JUMPS:
            settings = {name: generator.choice(values) for name, values in GRID.items()}
        else:
            parents = sorted(trials, key=lambda trial: -value(trial.scores))[:PARENTS]
            settings = dict(generator.choice(parents).settings)
            for name in generator.sample(list(GRID), generator.choice(CHANGED)):
                settings[name] = generator.choice(GRID[name])
        if all(settings != trial.settings for trial in trials):
            trials.append(Trial(settings, measure(settings)))
    return trials


def best(measured: Sequence[Item], trials: Sequence[Trial], without: Collection[str] = ()) -> Trial:
    """Return the trial of the highest objective without some sets; of equal ones the first."""
    return max(trials, key=lambda trial: objective(measured, trial.scores, without)["objective"])


def leave_out(measured: Sequence[Item], trials: Sequence[Trial]) -> list[Row]:
    """Score each whole set under the setting that is chosen without it.

    `left_out` is that score, `fitted` the one under the choice from all sets, `shipped` under the first trial, and
    `trial` the place of the choice. Overlapping sets follow once more, left out together; both means are over all sets.
    """
    names = [item.name for item in measured if item.kind == "whole"]
    fitted = best(measured, trials).scores

    def row(name: str, without: Collection[str], label: str) -> Row:
        chosen = best(measured, trials, without)
        scores = {"left_out": chosen.scores[name], "fitted": fitted[name], "shipped": trials[0].scores[name]}
        return {"set": label, **scores, "trial": trials.index(chosen)}

    def mean(rows: Iterable[Row], label: str) -> Row:
        rows = list(rows)
        return {
            "set": label,
            **{key: float(np.mean([r[key] for r in rows])) for key in ("left_out", "fitted", "shipped")},
        }

    single = {name: row(name, (name,), name) for name in names}
    rows = [*single.values(), mean(single.values(), "mean (left-out score)")]
    for beginnings in OVERLAPPING:
        both = [name for name in names if name.startswith(beginnings)]
        if len(both) > 1:
            together = {name: row(name, both, f"{name}, with its overlap") for name in both}
            rows += [*together.values(), mean({**single, **together}.values(), "mean, these two left out together")]
    return rows


def objectives(measured: Sequence[Item], trials: Sequence[Trial]) -> list[Row]:
    """Tell what the shipped defaults and the best setting reach, and the difference."""
    chosen = best(measured, trials)
    before, after = (objective(measured, trial.scores) for trial in (trials[0], chosen))
    return [
        {"setting": "shipped", **before},
        {"setting": f"best, trial {trials.index(chosen)} of {len(trials) - 1}", **after},
        {"setting": "difference", **{name: after[name] - before[name] for name in after}},
    ]


def differences(before: Trial, after: Trial) -> list[Row]:
    """List the fields in which two settings differ."""
    rows = [
        {"field": name, "shipped": str(value), "best": str(after.settings[name])}
        for name, value in before.settings.items()
        if value != after.settings[name]
    ]
    return rows or [{"field": "none"}]


if __name__ == "__main__":
    main()
