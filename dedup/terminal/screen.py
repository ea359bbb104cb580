"""The console, and what is printed on it whatever it says: lines, tables, dates."""

from __future__ import annotations

import errno
import os
from datetime import datetime
from io import TextIOWrapper
from typing import IO, Any, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from dedup import charts
from dedup.terminal.safe import SPELLED, clean

WIDTH = 80  # where there is no terminal
NUMBERS = {  # names of columns of numbers, which stand to the right
    "articles",
    "texts",
    "sources",
    "cohesion",
    "records",
    "chars",
    "precision",
    "recall",
    "F1",
    "steps",
    "rows",
    "bytes",
}


class Signs(NamedTuple):
    """What is drawn with: the end of a cut text, the dash between dates, and the branches of a tree."""

    cut: str
    dash: str
    branch: str
    last: str
    trunk: str


_DRAWN = Signs("…", "–", "├─", "└─", "│ ")
_PLAIN = Signs("...", "-", "|-", "`-", "| ")


class _Console(Console):
    @property
    def encoding(self) -> str:
        """Return what bars and lines may be drawn in; texts are written as the stream encodes them."""
        return "ascii" if self.is_terminal and _plain_locale() else super().encoding

    def on_broken_pipe(self) -> None:
        # rich would leave with 1; what a closed pipe means is for `failures` to say.
        raise BrokenPipeError(errno.EPIPE, "nobody reads stdout")


def _plain_locale() -> bool:
    # In the C locale Python writes UTF-8 whatever the terminal reads, and may say so in LC_CTYPE (PEP 538 and 540). Who
    # names an encoding to Python is believed.
    if os.environ.get("PYTHONIOENCODING") or os.environ.get("PYTHONUTF8"):
        return False
    kind = os.environ.get("LC_CTYPE", "")
    given = os.environ.get("LC_ALL") or ("" if kind in ("C.UTF-8", "C.utf8", "UTF-8") else kind)
    return (given or os.environ.get("LANG") or "C") in ("C", "POSIX")


def console(stream: IO[str], plain: bool) -> Console:
    """Return a console on a stream; a plain one makes no colours."""
    made = _Console(
        file=stream, color_system=None if plain else "auto", markup=False, emoji=False, highlight=False, soft_wrap=False
    )
    if isinstance(stream, TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
        stream.reconfigure(errors=SPELLED)
    if not made.is_terminal:
        made.width = WIDTH
    return made


def signs(to: Console) -> Signs:
    """Return what can be drawn with on a console."""
    return _DRAWN if charts.draws(to) else _PLAIN


def line(to: Console, text: str, style: str = "") -> None:
    """Print one line, which a terminal folds and a pipe does not: commands, paths and log lines are copied whole."""
    to.print(Text(clean(text), style), soft_wrap=True)


def prose(to: Console, text: str, style: str = "") -> None:
    """Print what nobody copies: a terminal gets it folded between words."""
    to.print(Text(clean(text), style), soft_wrap=not to.is_terminal)


def note(to: Console, text: str) -> None:
    """Say something while progress is shown."""
    line(to, text)


def cut(to: Console, text: str, cells: int) -> str:
    """Return a text made safe, and cut where it is wider than that; wide characters have two cells, marks none."""
    text = clean(text)
    if cell_len(text) <= cells:
        return text
    end = signs(to).cut
    return set_cell_size(text, max(0, cells - len(end))).rstrip() + end[: max(0, cells)]


def padded(text: str, cells: int, right: bool = False) -> str:
    """Return a text with spaces after it, or before it."""
    spaces = " " * (cells - cell_len(text))
    return spaces + text if right else text + spaces


def table(to: Console, columns: dict[str, list[str]], head_style: str = "dim", whole: bool = False) -> None:
    """Print columns under their names, numbers to the right.

    Parameters
    ----------
    to : console.
    columns : cells by name; all but the last are as wide as they must be.
    head_style : of the names.
    whole : the last column is not cut where the line ends.
    """
    *names, last = columns
    widths = {name: max(map(cell_len, [name, *map(clean, columns[name])])) for name in names}
    head = {name: [name] for name in columns}
    for rows, style in ((head, head_style), (columns, "")):
        for place, end in enumerate(rows[last]):
            cells = [padded(clean(rows[name][place]), widths[name], name in NUMBERS) for name in names]
            joined = "  ".join([*cells, clean(end)])
            to.print(Text((joined if whole else cut(to, joined, to.width)).rstrip(), style), soft_wrap=True)


def span(to: Console, first: Any, last: Any) -> str:
    """Return two days as `3–5 Mar 2025`, with no part said twice; dates may be ISO 8601."""
    start, end = (datetime.fromisoformat(day) if isinstance(day, str) else day for day in (first, last))
    if start is None or end is None:
        return ""
    dash = signs(to).dash
    whole = f"{end.day} {end:%b %Y}"
    if start.date() == end.date():
        return whole
    if start.year != end.year:
        return f"{start.day} {start:%b %Y} {dash} {whole}"
    return f"{start.day}{dash}{whole}" if start.month == end.month else f"{start.day} {start:%b} {dash} {whole}"


def plural(number: int, word: str) -> str:
    """Return a number with its word."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
