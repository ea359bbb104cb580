"""The whole job as a user runs it: new processes of `dedup cluster`, at one size, at many, and at none."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import dedup
from benchmarks import corpus, staged
from benchmarks.measuring import OURS
from benchmarks.setting import Setting
from dedup.memory import foretold

KILOBYTE = 1 if sys.platform == "darwin" else 1024
_LAUNCHER = """
import os, sys, time
start = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print()
print(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""
LEAST_SECONDS = 0.02  # of a stage at its largest, under which a slope would be noise


def run(source: Path, out: Path, level: str = "story", jobs: int | None = None) -> dict[str, Any]:
    """Cluster once in a new process and return its figures, with the seconds and the peak of each stage."""
    told = out.with_suffix(".peaks.json")
    command = [sys.executable, "-m", "benchmarks.staged", str(told), "cluster", str(source), "-o", str(out), "--json"]
    command += ["--if-exists", "overwrite"]
    command += ["--level", level, *(["-j", str(jobs)] if jobs else [])]
    wall, cpu, peak, printed = spawned(command)
    result = orjson.loads(printed.splitlines()[-1])
    peaks = orjson.loads(told.read_bytes())
    peak = max(peak, peaks.pop(staged.WHOLE, 0.0))  # the system's own figure starts anew with each stage too
    figures = {"counts": result["counts"], "seconds": result["seconds"], "peaks": peaks}
    return {"wall": wall, "cpu": cpu, "peak": peak, **figures}


def _fresh(folder: Path) -> dict[str, str]:
    """Copy the package without compiled code; return the environment in which Python finds the copy and no cache."""
    package = Path(dedup.__file__).parent
    shutil.copytree(package, folder / "dedup", ignore=shutil.ignore_patterns("__pycache__"))
    home = str(folder / "home")
    return {"PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": home, "HOME": home, "XDG_CACHE_HOME": home}


def spawned(command: list[str], **environment: str) -> tuple[float, float, float, bytes]:
    """Run a command; return its seconds, processor seconds, peak memory in MB and output.

    A process counts as its peak what the one held that started it; so a small one in between does.

    Raises
    ------
    RuntimeError
        The command failed.
    """
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command]
    done = subprocess.run(launcher, capture_output=True, env={**os.environ, **environment}, check=False)
    if done.returncode:
        told = done.stderr.decode(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}\n{told}")
    printed, _, usage = done.stdout.rstrip().rpartition(b"\n")
    wall, cpu, peak = (float(value) for value in usage.split())
    return wall, cpu, peak * KILOBYTE / 1e6, printed


def median_job(setting: Setting, source: Path, level: str, jobs: int | None = None) -> dict[str, Any]:
    """Return the medians over some runs, after one on few articles that compiles the kernels of this level."""
    if level not in setting.warmed:
        run(setting.corpus(setting.small, spaced=False), setting.folder / "warm", level, jobs)
        setting.warmed.add(level)
    results = [run(source, setting.folder / f"run-{i}", level, jobs) for i in range(setting.runs)]
    median: dict[str, Any] = {
        name: statistics.median(result[name] for result in results) for name in ("wall", "cpu", "peak")
    }
    for kind in ("seconds", "peaks"):
        median[kind] = {name: statistics.median(result[kind][name] for result in results) for name in results[0][kind]}
    return {**median, "counts": results[0]["counts"]}


def job(setting: Setting) -> list[dict[str, Any]]:
    """Time the whole job at one size, both levels, with the seconds and the peak of each stage."""
    source = setting.corpus(setting.articles, spaced=False) if setting.articles else setting.source
    rows = []
    for level in setting.levels:
        for jobs in setting.threads:
            rows.append(_row(setting, level, jobs, median_job(setting, source, level, jobs), source))
    return [_section(setting, "job", rows, source)]


def growth(setting: Setting) -> list[dict[str, Any]]:
    """Time the whole job at several sizes, and fit the slope of log seconds against log articles for each stage."""
    rows = []
    for level in setting.levels:
        for size in setting.sizes:
            source = setting.corpus(size, spaced=False)
            jobs = max(setting.threads)
            rows.append(_row(setting, level, jobs, median_job(setting, source, level, jobs), source))
    slopes = {level: stage_slopes([row for row in rows if row["level"] == level]) for level in setting.levels}
    section = _section(setting, "growth", rows, setting.corpus(setting.sizes[-1], spaced=False))
    return [section | {"slopes": slopes}]


def memory(setting: Setting) -> list[dict[str, Any]]:
    """Compare the peak memory of the whole job at several sizes with what the project foretells."""
    rows, jobs = [], max(setting.threads)
    for level in setting.levels:
        for size in setting.sizes:
            source = setting.corpus(size, spaced=False)
            found = run(source, setting.folder / "memory", level, jobs)
            row = {"tool": OURS, "level": level, "threads": jobs, "articles": size, "peak_mb": found["peak"]}
            row |= _foretold(found["peak"], size, source, level, jobs)
            rows.append(row | {"counts": True, "stages": found["seconds"], "peaks": found["peaks"]})
    fits = {level: _line([row for row in rows if row["level"] == level]) for level in setting.levels}
    facts = {"from": _made(setting), "days": setting.days}
    return [{"name": "memory", "facts": facts, "rows": rows, "skipped": [], "lines": fits}]


def startup(setting: Setting) -> list[dict[str, Any]]:
    """Time `--help`, ten articles with warm kernels, and ten articles where no kernel was ever compiled."""
    ten = setting.folder / "ten.parquet"
    pq.write_table(pq.read_table(setting.corpus(max(setting.small, 10), spaced=False)).slice(0, 10), ten)
    out = str(setting.folder / "ten")
    cluster = [sys.executable, "-P", "-m", "dedup", "cluster", str(ten), "-o", out, "--progress", "never"]
    cluster += ["--if-exists", "overwrite"]
    spawned(cluster)
    cases = {
        "--help": lambda _: spawned([sys.executable, "-m", "dedup", "--help"]),
        "ten articles, warm": lambda _: spawned(cluster),
    }
    if setting.cold:
        cases["ten articles, no kernel compiled"] = lambda i: spawned(cluster, **_fresh(setting.folder / f"new-{i}"))
    took: dict[str, list[Any]] = {name: [] for name in cases}
    for i in range(setting.runs):
        for name, case in cases.items():
            took[name].append(case(i)[:3])
    rows = [
        {"tool": OURS, "case": name, **_medians(times), "runs": len(times), "counts": True}
        for name, times in took.items()
    ]
    return [{"name": "startup", "facts": {}, "rows": rows, "skipped": []}]


def stage_slopes(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the slope of each stage that takes time, and of the whole."""
    sizes = [row["articles"] for row in rows]
    stages = {"all": [row["seconds"] for row in rows]}
    for name in rows[0]["stages"]:
        stages[name] = [row["stages"][name] for row in rows]
    kept = {name: seconds for name, seconds in stages.items() if seconds[-1] >= LEAST_SECONDS and min(seconds) > 0}
    return {name: round(slope(sizes, seconds), 2) for name, seconds in kept.items()} if len(sizes) > 1 else {}


def slope(sizes: list[int], seconds: list[float]) -> float:
    """Fit log seconds = slope · log size + c by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def _row(setting: Setting, level: str, jobs: int, figures: dict[str, Any], source: Path) -> dict[str, Any]:
    whole = {"seconds": figures["wall"], "cpu": figures["cpu"], "peak_mb": figures["peak"], "runs": setting.runs}
    counts = {"groups": figures["counts"].get("groups"), "clusters": figures["counts"].get("clusters")}
    head = {"tool": OURS, "level": level, "threads": jobs, "articles": figures["counts"]["documents"]}
    foretold = _foretold(figures["peak"], head["articles"], source, level, jobs) if source != setting.source else {}
    stages = {"stages": figures["seconds"], "peaks": figures["peaks"]}
    return {**head, **whole, **foretold, **counts, "counts": True, **stages}


def _foretold(peak: float, articles: int, source: Path, level: str, jobs: int) -> dict[str, float]:
    """Return the peak that the project foretells, and how far off the measured one is."""
    wanted = foretold(articles, characters(source), level, jobs)
    return {"foretold_mb": wanted, "off": peak / wanted - 1}


def _section(setting: Setting, name: str, rows: list[dict[str, Any]], source: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {"from": _made(setting)}
    if source != setting.source:
        facts |= {"days": setting.days, "megabytes": round(characters(source) / 1e6, 1)}
    return {"name": name, "facts": facts, "rows": rows, "skipped": []}


def _made(setting: Setting) -> str:
    return "seeds" if setting.source == corpus.SEEDS else "articles given by --corpus"


def characters(source: Path) -> int:
    """Return the bytes of all texts."""
    total = 0
    for batch in pq.ParquetFile(source).iter_batches(columns=["text"]):
        total += pc.sum(pc.binary_length(batch["text"].cast(pa.large_string()))).as_py() or 0
    return total


def _line(rows: list[dict[str, Any]]) -> dict[str, float] | None:
    """Fit the peak as a line: MB at no articles, and MB for each thousand."""
    if len(rows) < 2:
        return None
    per, fixed = np.polyfit([row["articles"] / 1000 for row in rows], [row["peak_mb"] for row in rows], 1)
    return {"fixed_mb": round(float(fixed), 1), "mb_per_1000": round(float(per), 2)}


def _medians(times: list[Any]) -> dict[str, float]:
    return {name: statistics.median(time[i] for time in times) for i, name in enumerate(("seconds", "cpu", "peak_mb"))}
