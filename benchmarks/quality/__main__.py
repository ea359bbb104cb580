"""How good the result is, on labelled articles.

python -m benchmarks.quality PATH [--bulk PATH] [--only NAME ...] [--set name=value ...] [--quick] [--no-baselines]
    [--explain-errors N] [--json FILE] [--markdown FILE] [--seed N]

PATH is a folder of labelled Parquet files, or of articles with `_gold.csv` (see `sets`). The build is scored through
`dedup.cluster` at its defaults, or with the settings of `--set` (`story_granularity=.5`, `stories.crowding=.6`).
`--only` names sections, sets (by the beginning of their names), or both. `--quick` leaves out the sections that cluster
many times over. All that is random comes from `--seed`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson

import dedup
from benchmarks.quality import errors, report, sections, sets
from benchmarks.quality.scores import Bench, settings
from dedup.errors import SettingsError

TITLES = {
    "stories": "Stories, whole files",
    "copies": "Near-duplicate pairs",
    "events": "Same-event pairs, and languages",
    "unrelated": "One article per story: every story found is false",
    "time": "Time: B-cubed F1 with other dates and with spoilt ones",
    "bulk": "Story sets inside unlabelled articles",
    "boilerplate": "Planted boilerplate",
    "bridges": "Planted bridges and digests",
    "baselines": "Baselines",
}
SLOW = ("unrelated", "time", "boilerplate", "baselines")

_WARM_UP = [
    {
        "id": "1",
        "title": "Lamp post falls in Orlund",
        "text": "A lamp post fell on Elm Street in Orlund on Monday night.",
    },
    {
        "id": "2",
        "title": "Orlund lamp post",
        "text": "Nobody was hurt when a lamp post came down in Orlund, police said.",
    },
]


def main(arguments: list[str] | None = None) -> None:
    """Run the sections, print them, and write them where asked."""
    options = _options(arguments)
    chosen = [name for name in options.only if name in TITLES]
    labelled = sets.load(options.path, [name for name in options.only if name not in TITLES])
    try:
        bench = Bench(settings(options.set), options.seed)
    except SettingsError as error:
        raise SystemExit(str(error)) from error
    dedup.cluster(_WARM_UP)  # compiles the kernels, or loads them
    found: dict[str, report.Section] = {}
    for name, measure in _sections(options, chosen).items():
        start = perf_counter()
        rows = measure(bench, labelled)
        if not rows:
            continue
        found[name] = {"title": TITLES[name], "rows": rows, "seconds": perf_counter() - start}
        print(report.terminal(found[name]), flush=True)
        print()
    targets = {"title": "Figures with a target", "rows": report.summary(found), "seconds": _total(found)}
    if targets["rows"]:
        print(report.terminal(targets))
    if options.explain_errors:
        _explain(bench, labelled, options.explain_errors)
    _write(options, found, targets)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--bulk", type=Path, help="folder of unlabelled Parquet files to put the story sets into")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help=f"sets, or of {', '.join(TITLES)}")
    parser.add_argument("--set", nargs="+", default=[], action="extend", metavar="name=value")
    parser.add_argument("--quick", action="store_true", help=f"without {', '.join(SLOW)}")
    parser.add_argument("--baselines", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--explain-errors", type=int, default=0, metavar="N")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def _sections(options: argparse.Namespace, chosen: list[str]) -> dict[str, Callable[..., list[report.Row]]]:
    """Return the sections to run, in the order of the report."""
    every: dict[str, Callable[..., list[report.Row]]] = {
        "stories": sections.stories,
        "copies": sections.copies,
        "events": sections.events,
        "unrelated": sections.unrelated,
        "time": sections.time,
        "bulk": partial(sections.bulk, folder=options.bulk),
        "boilerplate": sections.boilerplate,
        "bridges": sections.bridges,
        "baselines": sections.baseline,
    }
    if "bulk" in chosen and not options.bulk:
        raise SystemExit("--only bulk: no articles to put the sets into; give their folder with --bulk")
    left_out = {"bulk"} if not options.bulk else set()
    if not chosen:
        left_out |= set(SLOW) if options.quick else set()
        left_out |= set() if options.baselines else {"baselines"}
    return {name: measure for name, measure in every.items() if name in (chosen or every) and name not in left_out}


def _explain(bench: Bench, labelled: list[sets.LabelledSet], count: int) -> None:
    for s in labelled:
        if s.kind == "story":
            print("\n" + errors.text(f"Wrong merges of {s.name}", errors.wrong_merges(s, bench.whole(s), count)))
            print("\n" + errors.text(f"Misses of {s.name}", errors.misses(s, bench.whole(s), count)))
            continue
        for pairs in s.pairs:
            rows = errors.merged_templates(s, pairs, bench.whole(s), count)
            print("\n" + errors.text(f"Template pairs of {pairs.name} in one story", rows))


def _write(options: argparse.Namespace, found: dict[str, report.Section], targets: report.Section) -> None:
    if options.json:
        document: dict[str, Any] = {
            "version": dedup.__version__,
            "seed": options.seed,
            "settings": settings(options.set).results(),
            "targets": targets["rows"],
            "sections": found,
        }
        options.json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    if options.markdown:
        parts = [report.markdown(section) for section in (targets, *found.values())]
        options.markdown.write_text("\n".join(parts), "utf-8")


def _total(found: dict[str, report.Section]) -> float:
    return sum(section["seconds"] for section in found.values())


if __name__ == "__main__":
    main()
