"""The whole job, as a user runs it: python -m benchmarks.job PATH [--articles N] [--runs R] [--json FILE].

Each run is a new process of `dedup cluster` with warm kernels. PATH is a folder or file of articles, taken as it is, or
resampled to N articles when `--articles` is given (then it must hold JSON Lines). Reported are medians over the runs:
wall seconds, peak memory of the process and seconds per stage.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from benchmarks import corpus


def run(source: Path, out: Path, jobs: int | None) -> dict[str, Any]:
    """Cluster once in a child process and return its figures."""
    command = [sys.executable, "-m", "dedup", "cluster", str(source), "-o", str(out), "--json", "--progress", "never"]
    command += ["-j", str(jobs)] if jobs else []
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    printed = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)}: exit status {os.waitstatus_to_exitcode(status)}")
    result = orjson.loads(printed.splitlines()[-1])
    kilobyte = 1 if sys.platform == "darwin" else 1024
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * kilobyte / 1e6,
        "counts": result["counts"],
        "seconds": result["seconds"],
    }


def measure(source: Path, runs: int, jobs: int | None) -> dict[str, Any]:
    """Return the medians over some runs, after one that warms kernels and files."""
    with tempfile.TemporaryDirectory() as folder:
        results = [run(source, Path(folder) / f"run-{i}", jobs) for i in range(runs + 1)][1:]
    median = {name: statistics.median(result[name] for result in results) for name in ("wall", "cpu", "peak")}
    stages = {name: statistics.median(result["seconds"][name] for result in results) for name in results[0]["seconds"]}
    return {**median, "runs": runs, "counts": results[0]["counts"], "seconds": stages}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.job")
    parser.add_argument("path", type=Path)
    parser.add_argument("--articles", type=int)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = options.path
        if options.articles:
            seeds = source if source.is_file() else source / "articles.jsonl"
            table = corpus.resample(corpus.articles(seeds), options.articles)
            source = corpus.write(table, Path(folder) / "articles.parquet")
        figures = measure(source, options.runs, options.jobs)
    print(f"articles {figures['counts']['documents']:,}  runs {figures['runs']}  (medians)")
    print(f"wall {figures['wall']:.2f} s  cpu {figures['cpu']:.2f} s  peak memory {figures['peak']:,.0f} MB")
    for stage, seconds in figures["seconds"].items():
        print(f"{seconds:9.2f} s  {stage}")
    if options.json:
        options.json.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
