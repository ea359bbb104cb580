"""What a person sees: progress on stderr, a summary and tables on stdout."""

from __future__ import annotations

import errno
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any

from rich import progress as bars
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dedup import summaries
from dedup.run import SKIPPED, Result

Report = Callable[[str, int, int | None], None]

WIDTH = 80  # where there is no terminal
SECONDS_BETWEEN_LINES = 30.0

_SPACE = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_COLOUR = re.compile(r"(\x1b\[|\x9b)[0-?]*[ -/]*[@-~]")  # and moves of the cursor
# C0, DEL, C1; marks that turn the direction of writing, so that one text looks like another; lone surrogates.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """Return a text as one line without characters that could steer the terminal."""
    return _UNSAFE.sub("", _SPACE.sub(" ", _COLOUR.sub("", text)))


def clean_json(text: str) -> str:
    """Return JSON that means the same, with characters that could steer the terminal as escapes."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        # rich would leave with 1; what a closed pipe means is for `failures` to say.
        raise BrokenPipeError(errno.EPIPE, "nobody reads stdout")


def console(stream: IO[str], plain: bool) -> Console:
    """Return a console on a stream; a plain one makes no colours."""
    made = _Console(
        file=stream, color_system=None if plain else "auto", markup=False, emoji=False, highlight=False, soft_wrap=False
    )
    if not made.is_terminal:
        made.width = WIDTH
    return made


@contextmanager
def progress(to: Console, when: str, moving: bool = True) -> Iterator[Report]:
    """Show how far a run is.

    Parameters
    ----------
    to : console on stderr.
    when : `auto`: bars on a terminal, elsewhere a line every 30 seconds; `always`: elsewhere a line per stage as well;
        `never`.
    moving : False gives lines on a terminal too.

    Yields
    ------
    A function that takes the stage, what is done of it, and how much there is (None: not known).
    """
    if when == "never":
        yield lambda stage, done, total: None
    elif moving and to.is_terminal and not to.is_dumb_terminal:
        columns = (
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TimeElapsedColumn(),
            bars.TimeRemainingColumn(),
        )
        with bars.Progress(*columns, console=to, transient=True) as shown:
            yield _bars(shown)
    else:
        yield _lines(to, every_stage=when == "always")


def _bars(shown: bars.Progress) -> Report:
    tasks: dict[str, bars.TaskID] = {}

    def report(stage: str, done: int, total: int | None) -> None:
        if stage not in tasks:
            tasks[stage] = shown.add_task(stage, total=total)
        shown.update(tasks[stage], completed=done, total=total)

    return report


def _lines(to: Console, every_stage: bool) -> Report:
    last = time.monotonic()

    def report(stage: str, done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES or (every_stage and done == total):
            last = now
            _line(to, f"{stage}: {done:,}" + ("" if total is None else f" of {total:,}"))

    return report


def note(to: Console, text: str) -> None:
    """Say something while progress is shown."""
    _line(to, text)


def columns_read(to: Console, inputs: list[dict[str, Any]]) -> None:
    """Say for each format which input columns are used; inputs are those of a manifest."""
    found: dict[tuple[str, str], int] = {}
    for file in inputs:
        roles = "  ".join(f"{role}={column}" for role, column in file["columns"].items())
        key = (file["format"] or "unknown format", roles or "none")
        found[key] = found.get(key, 0) + 1
    for (kind, roles), files in found.items():
        _line(to, f"columns read from {files:,} {kind} {_plural(files, 'input')}: {roles}")


def stages(to: Console, result: Result) -> None:
    """Print the seconds of each stage."""
    for stage, seconds in result.manifest["seconds"].items():
        _line(to, f"{seconds:9.2f} s  {stage}")


def summary(to: Console, result: Result, out: str, seconds: float) -> None:
    """Print what a run found, and what to do next."""
    counts = result.manifest["counts"]
    _line(to, f"{'articles':<18}{counts['documents']:>11,}")
    groups = f"{'duplicate groups':<18}{counts['duplicate_groups']:>11,}"
    _line(to, f"{groups}   {counts['duplicates']:,} articles are copies of others")
    if summaries.has_stories(result):
        _line(to, f"{'stories':<18}{counts['stories']:>11,}   {counts['in_stories']:,} articles belong to one")
    _line(to, f"{'rejected records':<18}{counts['rejected']:>11,}")
    for reject in result.rejects[:3]:
        where = f"record {reject['source_row']}" if reject["line"] is None else f"line {reject['line']}"
        _line(to, f"  {reject['source_file']} {where}: {reject['message']}")
    if len(result.rejects) > 3:
        _line(to, f"  and {len(result.rejects) - 3:,} more in rejects.jsonl")
    if rules := result.manifest.get("overrides"):
        said = f"pairs kept together, {rules['different']:,} apart, {rules['canonical']:,} canonical, "
        _line(to, f"{'overrides':<18}{rules['same']:>11,}   {said}{rules['ignore']:,} ignored")
    for name, number in result.manifest["skipped"].items():
        if number:
            _line(to, f"{'left out':<18}{number:>11,}   {SKIPPED[name]}")
    to.print()
    largest(to, result, 10, ids=False)
    to.print()
    _line(to, f"{seconds:.1f} s, written to {out}; next:")
    _line(to, f"  dedup show {shlex.quote(out)}")
    _line(to, f"  dedup filter {shlex.quote(out)} -o kept.jsonl")


_NUMBERS = {"size", "texts", "outlets", "records", "chars"}


def largest(to: Console, result: Result, top: int, ids: bool = True) -> None:
    """Print the largest stories, or the largest duplicate groups of a run without stories."""
    ((_, rows),) = summaries.largest(result, top).items()
    level = "story" if summaries.has_stories(result) else "duplicate"
    what = "stories" if level == "story" else "duplicate groups"
    if not rows:
        _line(to, f"no {what}: every article stands alone")
        return
    _line(to, f"largest {what}", "bold")
    who = [row["canonical_doc_id" if level == "story" else "representative_doc_id"] for row in rows]
    excerpts = summaries.of_documents(result, "excerpt", who)
    columns = {
        "id": [row[f"{level}_id"] for row in rows] if ids else [],
        "size": [f"{row[f'{level}_size']:,}" for row in rows],
        "texts": [f"{row['n_groups']:,}" for row in rows] if level == "story" else [],
        "outlets": [f"{row['n_sources']:,}" for row in rows],
        "dates": [_span(row["first_published_at"], row["last_published_at"]) for row in rows],
        "title": [row["title"] or excerpt or "(no title)" for row, excerpt in zip(rows, excerpts, strict=True)],
    }
    table(to, {name: cells for name, cells in columns.items() if cells})


def table(to: Console, columns: dict[str, list[str]], head_style: str = "dim") -> None:
    """Print columns under their names, numbers to the right; the last one is cut where the line ends."""
    *names, last = columns
    widths = {name: max(map(cell_len, [name, *map(clean, columns[name])])) for name in names}
    head = {name: [name] for name in columns}
    for rows, style in ((head, head_style), (columns, "")):
        for place, title in enumerate(rows[last]):
            line = Text(style=style)
            for name in names:
                cell = Text(clean(rows[name][place]))
                cell.align("right" if name in _NUMBERS else "left", widths[name])
                line.append_text(cell).append("  ")
            line.append(clean(title))
            line.truncate(to.width, overflow="ellipsis")
            to.print(line)


def story(to: Console, found: dict[str, Any], top: int, asked: str) -> None:
    """Print one story: its groups, their articles, and what holds them together.

    Parameters
    ----------
    to : console on stdout.
    found : as `Result.story` returns it.
    top : articles to show of each group.
    asked : the id that was asked for; its article is marked.
    """
    documents = found["documents"]
    of = found["story"] or found["groups"][0]
    groups: dict[str, list[dict[str, Any]]] = {}
    for document in documents:
        groups.setdefault(document["duplicate_id"], []).append(document)
    counts = [(len(documents), "article"), (len(groups), "text"), (of["n_sources"], "outlet")]
    sizes = ", ".join(f"{n:,} {_plural(n, what)}" for n, what in counts)
    title = next((document["title"] for document in documents if document["is_canonical"]), None)
    to.print(Text(clean(title or documents[0]["title"] or documents[0]["excerpt"] or "(no title)"), "bold"))
    head = f"{documents[0]['story_id'] or documents[0]['duplicate_id']}: {sizes}"
    span = _span(of["first_published_at"], of["last_published_at"])
    _line(to, f"{head}, {span}" if span else head)
    if of.get("top_terms"):
        to.print(Text(clean(f"terms: {of['top_terms']}")))
    for line in _links(found["links"]):
        _line(to, line)
    for duplicate_id, members in groups.items():
        to.print()
        _line(to, f"{duplicate_id}: {len(members):,} {_plural(len(members), 'article')}", "bold")
        for document in members[:top]:
            _member(to, document, asked)
        if len(members) > top:
            _line(to, f"    and {len(members) - top:,} more; show them with --top {len(members)}")
    to.print()
    _line(to, "* stands for the story, + for its group; the number is the likeness to *", "dim")


def _member(to: Console, document: dict[str, Any], asked: str) -> None:
    mark = "*" if document["is_canonical"] else "+" if document["is_representative"] else " "
    date = document["published_at"]
    cells = [
        (mark, 1),
        (document["relation"], 10),
        ("" if document["similarity"] is None else f"{document['similarity']:.3f}", 5),
        (f"{date:%Y-%m-%d}" if date else "no date", 10),
        (document["source"] or "", 20),
    ]
    line = Text("  ")
    for value, width in cells:
        cell = Text(clean(value))
        cell.truncate(width, overflow="ellipsis", pad=True)
        line.append_text(cell).append("  ")
    line.append(clean(document["doc_id"]), "reverse" if document["doc_id"] == asked else "")
    to.print(line, soft_wrap=True)  # an id is there to be copied, so it is never cut
    title = Text("     " + clean(document["title"] or document["excerpt"] or "(no title)"), "dim")
    title.truncate(to.width, overflow="ellipsis")
    to.print(title)


def _links(links: dict[str, Any]) -> tuple[str, str]:
    between = f"links between texts: {links['story']:,}"
    if links["min_cosine"] is not None:
        between += f" (cosine at least {links['min_cosine']:.3f}, mean {links['mean_cosine']:.3f})"
    return between, f"links between copies: {links['duplicate']:,}; pairs refused: {links['refused']:,}"


def scores(to: Console, found: dict[str, dict[str, Any]]) -> None:
    """Print the scores of a run, level by level."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("level", "measure", "precision", "recall", "F1"):
        table.add_column(name, justify="left" if name in ("level", "measure") else "right")
    for level, score in found.items():
        kinds = {"B-cubed": score.get("bcubed"), "pairwise": score.get("pairwise", score)}
        for name, kind in kinds.items():
            if kind is not None:
                table.add_row(level, name, *(f"{kind[key]:.3f}" for key in ("precision", "recall", "f1")))
        if "ari" in score:
            table.add_row(level, "ARI", "", "", f"{score['ari']:.3f}")
    to.print(table)
    for level, score in found.items():
        if "unlabelled" in score:
            what = (
                f"articles scored, {score['missing']:,} labels without an article, {score['unlabelled']:,} unlabelled"
            )
        else:
            what = f"pairs scored, {score['missing']:,} with an unknown article, {score['skipped']:,} without a verdict"
        _line(to, f"{level}: {score['n']:,} {what}")


def _span(first: Any, last: Any) -> str:
    """Return two days as `3–5 Mar 2025`, with no part said twice."""
    start, end = (datetime.fromisoformat(day) if isinstance(day, str) else day for day in (first, last))
    if start is None or end is None:
        return ""
    whole = f"{end.day} {end:%b %Y}"
    if start.date() == end.date():
        return whole
    if start.year != end.year:
        return f"{start.day} {start:%b %Y} – {whole}"
    return f"{start.day}–{whole}" if start.month == end.month else f"{start.day} {start:%b} – {whole}"


def _plural(number: int, word: str) -> str:
    return word if number == 1 else f"{word}s"


def _line(to: Console, text: str, style: str = "") -> None:
    to.print(Text(clean(text), style), soft_wrap=True)  # commands, paths and log lines are copied whole
