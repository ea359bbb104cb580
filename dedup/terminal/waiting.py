"""How far a run is, on stderr: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress as bars
from rich.console import Console

from dedup.terminal.screen import line

Report = Callable[[str, int, int | None], None]

SECONDS_BETWEEN_LINES = 30.0


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
            line(to, f"{stage}: {done:,}" + ("" if total is None else f" of {total:,}"))

    return report
