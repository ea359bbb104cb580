"""How far a job is, told to whoever watches, and how long its stages took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dedup.spill import trim

Progress = Callable[[str, int, int | None], None]


class Clock:
    """Reports the stages to whoever watches, and keeps their seconds."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stage = ""
        self._done = 0
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage, and say when it begins and ends."""
        trim()  # what was given up since the last one
        start, self._stage, self._done = time.perf_counter(), name, 0
        self._progress(name, 0, None)
        yield
        trim()
        self.seconds[name] = round(time.perf_counter() - start, 3)
        total = self._done or 1
        self._progress(name, total, total)

    def advance(self, name: str, count: int, total: int | None = None) -> None:
        """Say that `count` more of a stage is done."""
        self._done += count
        self._progress(name, self._done, total)

    def step(self) -> None:
        """Say that one more step of the stage at work is done."""
        self.advance(self._stage, 1)
