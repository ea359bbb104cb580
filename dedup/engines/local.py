"""The engine of one process: threads, which run kernels side by side since those release the interpreter lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class LocalEngine:
    """Runs functions over a stream of items on `jobs` threads; the results come in the order of the items."""

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs or usable_cores()
        self._pool = ThreadPoolExecutor(self.jobs, thread_name_prefix="dedup")

    def map(self, function: Callable[[_In], _Out], items: Iterable[_In]) -> Iterator[_Out]:
        """Yield function(item) for each item, in order, reading only a few items ahead so that memory stays bounded."""
        waiting: deque[Future[_Out]] = deque()
        for item in items:
            waiting.append(self._pool.submit(function, item))
            if len(waiting) > 2 * self.jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


def usable_cores() -> int:
    """Count the cores this process may use: its affinity, and the CPU quota of its control group (cgroup v2)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:  # noqa: PTH123 - pathlib is imported for this alone
            quota, period = file.read().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, round(int(quota) / int(period))))
