"""What a command says last, to whoever reads its streams: once, and from whichever thread gets there first."""

from __future__ import annotations

import itertools
import json
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import IO, ClassVar

Last = Callable[[int], None]


class _State:
    """Of the command that runs."""

    words: tuple[str, ...] = ()
    last: ClassVar[list[Last]] = []
    told = False


_TELLING = threading.RLock()  # a signal may come while the thread that handles it holds this


def begin(words: list[str]) -> None:
    """Take the words of a command: those of its flags that say how it speaks count also where they cannot be parsed."""
    _State.words, _State.last, _State.told = tuple(words), [], False
    if asked("--log-format", "json"):
        import_module("dedup.logs")  # not in the midst of a signal


def at_end(do: Last) -> None:
    """Name what must be done, with the exit code, before the process is ended from outside the main thread."""
    _State.last.append(do)


def asked(flag: str, value: str) -> bool:
    """Tell whether the command was given a flag with a value."""
    return f"{flag}={value}" in _State.words or (flag, value) in itertools.pairwise(_State.words)


def line(message: str, code: int) -> str:
    """Return what stderr says of a failure: JSON where the log is."""
    if not asked("--log-format", "json"):
        return message
    told: str = sys.modules["dedup.logs"].line("error", message, exit_code=code)
    return told


def say(line: str, to: IO[str] | None) -> None:
    """Write a line in one piece: where nothing is buffered (PYTHONUNBUFFERED), a signal may come between two."""
    if to is not None:  # as it is where a stream is closed
        to.write(f"{line}\n")
        to.flush()


def fail(code: int, error: str) -> None:
    """Print the last line of stdout that --json promises, for a failure too."""
    with _TELLING:
        if "--json" in _State.words and not _State.told:
            with suppress(OSError):  # whoever listens may be gone; the exit code stays
                say(json.dumps({"status": "failed", "exit_code": code, "error": error}), sys.stdout)
            _State.told = True


def end(code: int, error: str) -> None:
    """Do all that is left to be done, in a thread beside the main one."""
    for do in _State.last:
        do(code)
    fail(code, error)
