"""The engine of one process: threads, which run kernels side by side since those release the interpreter lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from types import TracebackType
from typing import Self, TypeVar

from dedup.spill import trim
from dedup.threads import have_room

_In = TypeVar("_In")
_Out = TypeVar("_Out")

_PATIENCE = 1.0  # seconds


class LocalEngine:
    """Runs functions over a stream of items on `jobs` threads; the results come in the order of the items."""

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs or usable_cores()
        self._pool = ThreadPoolExecutor(self.jobs, thread_name_prefix="dedup")
        self._started = False

    def map(self, function: Callable[[_In], _Out], items: Iterable[_In]) -> Iterator[_Out]:
        """Yield function(item) for each item, in order, reading only a few items ahead so that memory stays bounded."""
        self._start()
        waiting: deque[Future[_Out]] = deque()
        for item in items:
            waiting.append(self._pool.submit(function, item))
            if len(waiting) > 2 * self.jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def trim(self) -> None:
        """Let each thread give back what it holds of freed memory: Arrow keeps for each what that one has allocated."""
        self._start()
        self._in_each(trim)

    def _start(self) -> None:
        """Start all threads, once."""
        if not self._started:
            if not have_room(self.jobs):
                raise MemoryError(f"no room for the stacks of {self.jobs} threads")
            self._in_each(lambda: None)
            self._started = True

    def _in_each(self, do: Callable[[], None]) -> None:
        all_here = Barrier(self.jobs)

        def wait_and_do() -> None:
            # Where all wait for each other none does it twice. One may not come: it could not start, or the job ends.
            with suppress(BrokenBarrierError):
                all_here.wait(_PATIENCE)
            do()

        for done in [self._pool.submit(wait_and_do) for _ in range(self.jobs)]:
            done.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


def usable_cores(groups: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup") -> int:
    """Count the cores this process may use: its affinity, and the CPU quotas of its control groups, versions 1 and 2.

    Parameters
    ----------
    groups : file that names the groups of this process (cgroups(7))
    root : folder under which the hierarchies are mounted
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for line in _read(groups).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = f"{root}/{controllers}" if controllers else root
        if controllers and not os.path.isdir(top):  # noqa: PTH112 - pathlib is imported for this alone
            top = f"{root}/cpu"
        # A group may use what all above it leave; in a container these are not visible, and the top is its own.
        parts = path.strip("/").split("/")
        for depth in range(len(parts) + 1):
            quota = _quota("/".join([top, *parts[:depth]]), version=1 if controllers else 2)
            if quota is not None:
                cores = min(cores, max(1, round(quota)))
    return cores


def _quota(folder: str, version: int) -> float | None:
    """Return the cores that a control group may keep busy, None where there is no limit."""
    if version == 1:
        given = [_read(f"{folder}/cpu.cfs_{name}_us") for name in ("quota", "period")]
    else:
        given = _read(f"{folder}/cpu.max").split()
    try:
        quota, period = map(int, given)
    except ValueError:  # no such files, or "max"
        return None
    return quota / period if quota > 0 and period > 0 else None  # -1: no limit


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib is imported for this alone
            return file.read()
    except OSError:
        return ""
