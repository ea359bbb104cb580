"""The log of a job as JSON lines: `time`, `level`, `message`, and what goes with it (`stage`, `done`, `counts` …)."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, Any

Report = Callable[[str, int, int | None], None]

SECONDS_BETWEEN_LINES = 30.0
ROOT = logging.getLogger()


def line(level: str, message: str, **fields: Any) -> str:
    """Return an event as one line of ASCII, which nothing in it can break or steer a terminal with."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": now, "level": level, "message": message, **fields}, default=str)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return line(record.levelname.lower(), record.getMessage(), logger=record.name)


class Lines:
    """Writes events to a stream, those of Python's loggers too.

    Parameters
    ----------
    stream : standard error.
    quiet : only errors are written, which do not come through here.
    """

    def __init__(self, stream: IO[str], quiet: bool) -> None:
        self._stream = stream
        self._quiet = quiet

    @contextmanager
    def progress(self, when: str) -> Iterator[Report]:
        """Log each stage at its end, and every 30 seconds how far it is; nothing where `when` is `never`.

        Yields
        ------
        A function that takes the stage, what is done of it, and how much there is (None: not known).
        """
        handler = logging.StreamHandler(self._stream)
        handler.setFormatter(_Formatter())
        others, ROOT.handlers = ROOT.handlers, [handler]
        started = last = time.monotonic()
        running = ""

        def report(stage: str, done: int, total: int | None) -> None:
            nonlocal started, last, running
            now = time.monotonic()
            if stage != running:
                running, started = stage, now
            ended = done == total
            if when != "never" and (ended or now - last >= SECONDS_BETWEEN_LINES):
                last = now
                seconds = round(now - started, 3)
                message = "stage done" if ended else "stage running"
                self.event(message, stage=stage, done=done, total=total, seconds=seconds)

        try:
            yield report
        finally:
            ROOT.handlers = others

    def event(self, message: str, **fields: Any) -> None:
        """Log that something happened."""
        if not self._quiet:
            self._stream.write(line("info", message, **fields) + "\n")  # in one piece, see `endings.say`
            self._stream.flush()
