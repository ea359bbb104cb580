"""The largest stories of a run, or duplicate groups: a table for a terminal, one for a pipe, and a short one."""

from __future__ import annotations

import shlex
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from dedup import charts, summaries
from dedup.run import Result
from dedup.terminal.screen import NUMBERS, cut, line, padded, plural, prose, signs, span, table

_LEAST_CELLS = 20  # of articles over time: the two ends of the axis are named above
_MOST_CELLS = 40
_NARROW = 60  # columns from which dates stand beside titles
_WIDE = 150  # columns of a terminal from which a story is one line
_MONTHS = 90  # days from which an axis is named by months


def largest(to: Console, result: Result, top: int) -> None:
    """Print the largest stories, or the largest duplicate groups of a run without stories.

    A pipe gets one line for each, whole, with dates in ISO 8601.
    """
    rows = _rows(result, top)
    if not rows:
        line(to, f"no {_kind(result)[1]}: every article stands alone")
    elif to.is_terminal:
        _drawn(to, result, rows)
    else:
        table(to, _plain(rows), "", whole=True)


def short(to: Console, result: Result, top: int) -> None:
    """Print the titles of the largest stories with their sizes and dates, a line each."""
    rows = _rows(result, top)
    if not rows:
        line(to, f"no {_kind(result)[1]}: every article stands alone")
        return
    columns = {
        "articles": _sizes(to, rows),
        "dates": [span(to, row["first"], row["last"]) for row in rows],
        "title": [row["title"] for row in rows],
    }
    line(to, f"largest {_kind(result)[1]}", "bold")
    table(to, {name: cells for name, cells in columns.items() if any(cells)})


def _kind(result: Result) -> tuple[str, str]:
    return ("story", "stories") if summaries.has_stories(result) else ("duplicate", "duplicate groups")


def _rows(result: Result, top: int) -> list[dict[str, Any]]:
    """Return stories and groups alike: id, articles, texts, sources, cohesion, first, last, title."""
    ((_, found),) = summaries.largest(result, top).items()
    level = _kind(result)[0]
    who = [row["canonical_doc_id" if level == "story" else "representative_doc_id"] for row in found]
    excerpts = summaries.of_documents(result, "excerpt", who)
    return [
        {
            "id": row[f"{level}_id"],
            "articles": row[f"{level}_size"],
            "texts": row.get("n_groups"),
            "sources": row["n_sources"],
            "cohesion": row["cohesion"],
            "first": row["first_published_at"],
            "last": row["last_published_at"],
            "title": row["title"] or excerpt or "(no title)",
        }
        for row, excerpt in zip(found, excerpts, strict=True)
    ]


def _plain(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    columns = {name: ["-" if row[name] is None else str(row[name]) for row in rows] for name in rows[0]}
    columns["cohesion"] = ["-" if row["cohesion"] is None else f"{row['cohesion']:.2f}" for row in rows]
    for name in ("first", "last"):
        columns[name] = [cell[:10] for cell in columns[name]]
    return columns


def _sizes(to: Console, rows: list[dict[str, Any]]) -> list[str]:
    """Return numbers with bars beside them, where there are bars."""
    most = max(row["articles"] for row in rows)
    width = len(f"{most:,}")
    numbers = [f"{row['articles']:>{width},}" for row in rows]
    if not to.is_terminal:
        return numbers
    bars = (charts.bar(row["articles"] / most, charts.draws(to), 8) for row in rows)
    return [f"{number} {bar}" for number, bar in zip(numbers, bars, strict=True)]


def _drawn(to: Console, result: Result, rows: list[dict[str, Any]]) -> None:
    level, kind = _kind(result)
    counts = result.manifest["counts"]
    n = counts["stories" if level == "story" else "duplicate_groups"]
    inside = counts["in_stories"] if level == "story" else counts["duplicates"] + n
    head = f"{n:,} {kind} with {inside:,} of {plural(counts['documents'], 'article')}"
    prose(to, head + (f"; the {len(rows):,} largest" if len(rows) < n else ""), "bold")
    facts, days = _facts(to, result, rows)
    dates = [span(to, row["first"], row["last"]) for row in rows]
    if to.width >= _WIDE:
        columns = {head.strip(): [*cells] for head, *cells in zip(*facts, strict=True)}
        table(to, {**columns, "dates": dates, "title": [row["title"] for row in rows]})
    else:
        line(to, "  " + "  ".join(facts[0]), "dim")
        for row, cells, when in zip(rows, facts[1:], dates, strict=True):
            room = to.width - (cell_len(when) + 2 if when and to.width >= _NARROW else 0)
            title = padded(cut(to, row["title"], room), room)
            to.print(Text(title.rstrip() if room == to.width else f"{title}  {when}", "bold"))
            line(to, ("  " + "  ".join(cells)).rstrip())
    _legend(to, result, level, [cell.strip() for cell in facts[0]], days)


def _facts(to: Console, result: Result, rows: list[dict[str, Any]]) -> tuple[list[list[str]], int | None]:
    """Return the head and the lines of the columns that have room, their cells padded, and the days of a sign."""
    columns = {
        "id": [row["id"] for row in rows],
        "articles": _sizes(to, rows),
        "texts": [f"{row['texts']:,}" if row["texts"] else "" for row in rows],
        "sources": [f"{row['sources']:,}" if row["sources"] else "" for row in rows],
        "cohesion": ["" if row["cohesion"] is None else f"{row['cohesion']:.2f}" for row in rows],
    }
    columns = {name: cells for name, cells in columns.items() if any(cells)}
    widths = {name: max(map(cell_len, [name, *cells])) for name, cells in columns.items()}
    for name in ("cohesion", "texts", "sources"):  # the first to go where there is no room
        if name in columns and sum(widths.values()) + 2 * len(columns) > to.width:
            del columns[name], widths[name]
    found = [
        [padded(cell, widths[name], name in NUMBERS and name != "articles") for cell in (name, *cells)]
        for name, cells in columns.items()
    ]
    room = to.width - sum(widths.values()) - 2 * len(columns) - 2
    axis = None
    if room >= _LEAST_CELLS:
        dates = summaries.dates_of(result, f"{_kind(result)[0]}_id", columns["id"])
        axis = summaries.timeline(dates, min(room, _MOST_CELLS))
    if axis is not None:
        most = int(axis.counts.max())
        signs_of = (charts.sparkline(counts.tolist(), most, charts.draws(to)) for counts in axis.counts)
        found.append([_ends(axis, signs(to).dash), *signs_of])
    return [list(cells) for cells in zip(*found, strict=True)], axis.days if axis else None


def _ends(axis: summaries.Timeline, dash: str) -> str:
    """Return the name of an axis, one end above its first sign and one above its last."""
    if (axis.last - axis.first).days >= _MONTHS:
        first, last = f"{axis.first:%b %Y}", f"{axis.last:%b %Y}"
    else:
        first, last = f"{axis.first.day} {axis.first:%b}", f"{axis.last.day} {axis.last:%b %Y}"
    return first + f" {dash} ".center(max(3, axis.counts.shape[1] - len(first + last))) + last


def _legend(to: Console, result: Result, level: str, shown: list[str], days: int | None) -> None:
    meaning = {
        "texts": "copies counted once",
        "cohesion": "likeness, 0 to 1" if level == "story" else "wording shared, 0 to 1",
    }
    said = [f"{name}: {meaning[name]}" for name in meaning if name in shown]
    if days:
        said.append(f"a sign: {plural(days, 'day')}")
    if said:
        prose(to, "; ".join(said), "dim")
    line(to, f"dedup show {shlex.quote(str(result.path or 'RUN'))} ID  shows one, with its articles", "dim")
