"""How a time is taken: every run in a process of its own, tools in turn, and medians.

A process sets its tool up on a small input and on the real one, both outside the clock: imports, compiled code,
warm caches, inputs in the form the tool wants. Then it runs once, and again while all is over in half a second. In
fresh processes thread pools and memory of one tool cannot disturb another, and each has a peak of its own.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

OURS = "dedup"
SHORT = 0.5  # seconds within which a run is repeated
REPEATS = 5
LIMIT = 1800  # seconds after which a tool is given up
THREAD_SETTINGS = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Tool:
    """Something to time: `function` is "module:name", takes (source, threads, **options) and returns what is run."""

    name: str
    function: str
    package: str = ""  # its distribution on PyPI; none for what the project itself needs
    threads: tuple[int, ...] = (1, 2)
    options: dict[str, Any] = field(default_factory=dict)
    runs: int | None = None  # fewer than asked for, of a slow one


@dataclass
class Timing:
    """What the runs of one tool on some threads took, and what they returned."""

    tool: Tool
    threads: int
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: float = 0.0  # MB, of the whole process
    value: Any = None
    error: str = ""

    def row(self) -> dict[str, Any]:
        """Return the medians."""
        return {
            "tool": self.tool.name,
            "threads": self.threads,
            "seconds": statistics.median(self.seconds),
            "cpu": statistics.median(self.cpu),
            "peak_mb": self.peak,
            "runs": len(self.seconds),
        }


def installed(tools: list[Tool]) -> tuple[list[Tool], list[dict[str, str]]]:
    """Part the tools that can run from those that are missing, each with the reason."""
    present, missing = [], []
    for tool in tools:
        try:
            metadata.version(tool.package or "numpy")
            present.append(tool)
        except metadata.PackageNotFoundError:
            reason = f"not installed; pip install {tool.package}"
            missing.append({"tool": tool.name, "reason": reason})
    return present, missing


def interleaved(
    tools: list[Tool], source: Path, warm: Path, runs: int, threads: tuple[int, ...], isolated: bool = True
) -> list[Timing]:
    """Time all tools in turn, `runs` times over: A B C A B C … A tool without threads runs on one alone.

    Parameters
    ----------
    source, warm : the input, and a small one of the same kind
    isolated : each run in a process of its own; else all in this one, without a peak for each
    """
    timings = [Timing(tool, count) for tool in tools for count in (threads if len(tool.threads) > 1 else tool.threads)]
    for turn in range(runs):
        for timing in timings:
            if not timing.error and turn < (timing.tool.runs or runs):
                arguments = timing.tool, timing.threads, source, warm, turn == 0
                _add(timing, _isolated(*arguments) if isolated else _served(*arguments))
                _say(timing)
    return timings


def resolve(function: str) -> Callable[..., Any]:
    """Find a function by "module:name"."""
    module, _, name = function.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def peak_mb() -> float:
    """Return the most memory that this process held at any time.

    Not `getrusage`, which on Linux counts what the parent held before the start of this process.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def machine() -> dict[str, Any]:
    """Describe the machine, the versions and the date, for the record."""
    names = ["numpy", "numba", "pyarrow", "scipy", "scikit-learn", "datasketch", "rensa", "fastsketchlsh", "gaoya"]
    names += ["daft", "dedup-rs", "text-dedup", "sparse-dot-topn"]
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "dedup": importlib.import_module("dedup").__version__,
        "versions": versions,
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _isolated(tool: Tool, threads: int, source: Path, warm: Path, keep: bool) -> dict[str, Any]:
    """Run a tool once in a new process, whose libraries read the number of threads as they load."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_send, args=(theirs, tool, threads, source, warm, keep))
    before = {name: os.environ.get(name) for name in THREAD_SETTINGS}
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, str(threads)))
    try:
        process.start()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    theirs.close()
    try:
        result: dict[str, Any] = ours.recv() if ours.poll(LIMIT) else {"error": f"not done after {LIMIT} s"}
        process.join(LIMIT)
    except EOFError:
        result = {"error": "its process died"}
    process.kill()
    return result


def _send(connection: Any, *arguments: Any) -> None:
    """Do the work of a process of its own."""
    connection.send(_served(*arguments))


def _served(tool: Tool, threads: int, source: Path, warm: Path, keep: bool) -> dict[str, Any]:
    """Set a tool up, run it and return what came of it."""
    try:
        prepare = resolve(tool.function)
        prepare(warm, threads, **tool.options)()
        run = prepare(source, threads, **tool.options)
        seconds: list[float] = []
        cpu: list[float] = []
        while not seconds or (len(seconds) < REPEATS and sum(seconds) < SHORT):
            start, start_cpu = time.perf_counter(), _cpu_seconds()
            value = run()
            seconds.append(time.perf_counter() - start)
            cpu.append(_cpu_seconds() - start_cpu)
    except Exception as error:  # whatever a peer raises is a reason to name it and go on
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
    return {
        "seconds": statistics.median(seconds),
        "cpu": statistics.median(cpu),
        "peak": peak_mb(),
        "value": value if keep else None,
    }


def _add(timing: Timing, result: dict[str, Any]) -> None:
    """Add what a run came to."""
    timing.error = result.get("error", "")
    if not timing.error:
        timing.seconds.append(result["seconds"])
        timing.cpu.append(result["cpu"])
        timing.peak = max(timing.peak, result["peak"])
        timing.value = timing.value if result["value"] is None else result["value"]


def _cpu_seconds() -> float:
    """Return the processor time of this process and the children it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _say(timing: Timing) -> None:
    told = timing.error or f"{timing.seconds[-1]:.3f} s"
    print(f"  {timing.tool.name}, {timing.threads} thread(s): {told}", file=sys.stderr, flush=True)
