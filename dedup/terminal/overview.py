"""What a run read and found: the summary of `dedup cluster`."""

from __future__ import annotations

import shlex
from typing import Any

from rich.console import Console

from dedup import summaries
from dedup.run import SKIPPED, Result
from dedup.terminal.screen import line, plural, prose
from dedup.terminal.stories import short


def columns_read(to: Console, inputs: list[dict[str, Any]]) -> None:
    """Say for each format which input columns are used; inputs are those of a manifest."""
    found: dict[tuple[str, str], int] = {}
    for file in inputs:
        roles = "  ".join(f"{role}={column}" for role, column in file["columns"].items())
        key = (file["format"] or "unknown format", roles or "none")
        found[key] = found.get(key, 0) + 1
    for (kind, roles), files in found.items():
        prose(to, f"columns read from {plural(files, f'{kind} input')}: {roles}")


def stages(to: Console, result: Result) -> None:
    """Print the seconds of each stage."""
    for stage, seconds in result.manifest["seconds"].items():
        line(to, f"{seconds:9.2f} s  {stage}")


def summary(to: Console, result: Result, out: str, seconds: float) -> None:
    """Print what a run found, and what to do next."""
    counts = result.manifest["counts"]
    copies, stories = counts["duplicates"], counts["in_stories"]
    _count(to, "articles", counts["documents"], "")
    groups = plural(counts["duplicate_groups"], "group")
    said = f"the other {copies:,} are copies, in {groups}" if copies else "no copies"
    _count(to, "texts", counts["documents"] - copies, said)
    if summaries.has_stories(result):
        alone = counts["documents"] - stories
        _count(to, "stories", counts["stories"], f"with {plural(stories, 'article')}; {alone:,} stand alone")
    _count(to, "rejected records", counts["rejected"], "")
    for reject in result.rejects[:3]:
        where = f"record {reject['source_row']}" if reject["line"] is None else f"line {reject['line']}"
        line(to, f"  {reject['source_file']} {where}: {reject['message']}")
    if len(result.rejects) > 3:
        line(to, f"  and {len(result.rejects) - 3:,} more in rejects.jsonl")
    if rules := result.manifest.get("overrides"):
        said = f"pairs kept together, {rules['different']:,} apart, {rules['canonical']:,} canonical, "
        _count(to, "overrides", rules["same"], f"{said}{rules['ignore']:,} ignored")
    for name, number in result.manifest["skipped"].items():
        if number:
            _count(to, "left out", number, SKIPPED[name])
    to.print()
    short(to, result, 10)
    to.print()
    line(to, f"{seconds:.1f} s, written to {out}; next:")
    line(to, f"  dedup show {shlex.quote(out)}")
    line(to, f"  dedup report {shlex.quote(out)} -o report.html")
    line(to, f"  dedup filter {shlex.quote(out)} -o kept.jsonl")


def _count(to: Console, name: str, number: int, what: str) -> None:
    line(to, f"{name:<18}{number:>9,}   {what}".rstrip())
