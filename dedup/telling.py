"""What `dedup cluster` tells on stderr: how far it is, and at its end what was read and done."""

# ruff: noqa: PLC0415 - as in cli.py

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rich.console import Console

    from dedup.logs import Lines, Report
    from dedup.run import Result


@contextmanager
def watched(log: Lines | None, stderr: Console, when: str, jobs: int | None, *, moving: bool) -> Iterator[Report]:
    """Show how far a job is, and that kernels are compiled."""
    from dedup import terminal
    from dedup.engines.local import usable_cores
    from dedup.kernels import ahead

    shown: AbstractContextManager[Report]
    shown = log.progress(when) if log else terminal.progress(stderr, when, moving=moving)
    tell = log.event if log else partial(terminal.note, stderr)
    with shown as report, ahead.compiling(jobs or usable_cores(), None if when == "never" else tell):
        yield report


def done(result: Result, out: str, log: Lines | None, stderr: Console, *, skipped: bool, verbose: bool) -> None:
    """Say on stderr what was read and done, or that nothing had to be."""
    from dedup import terminal

    message = "made before from the same inputs with the same settings; nothing to do"
    if log:
        found = {"out": out, "counts": result.manifest["counts"], "seconds": result.manifest["seconds"]}
        log.event(message if skipped else "run written", **found)
    elif skipped:
        terminal.note(stderr, f"{out}: {message}")
    else:
        terminal.columns_read(stderr, result.manifest["inputs"])
        if verbose:
            terminal.stages(stderr, result)
