"""The job on Spark beside the job on one machine: python -m benchmarks.on_spark --articles 50000 [--corpus FILE].

Peaks are resident sizes read from /proc twice a second: of the program, the JVM (driver and executors in one, on a
local session) and of each of its Python workers. Shuffle bytes are Spark's own, by step.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks import corpus, whole

_POLL = 0.5
PORT = 4058


def main() -> None:
    """Make the corpus, run both engines, and print what was measured as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.on_spark", description=__doc__)
    parser.add_argument("--articles", type=int, default=50_000)
    parser.add_argument("--corpus", type=Path, default=corpus.SEEDS, help="articles to resample: a file or folder")
    parser.add_argument("--input", type=Path, help="a file to cluster as it is, in place of a resampled one")
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--parts", type=int)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(*options.child)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = options.input or corpus.write(
            folder / "articles.parquet", corpus.read(options.corpus), options.articles, 0
        )
        local = whole.run(source, folder / "LOCAL")
        found = _spark(source, folder, options.master, options.parts)
        found["local"] = {"wall": local["wall"], "cpu": local["cpu"], "peak_mb": local["peak"]}
        found["same"] = _same(folder / "LOCAL", folder / "SPARK")
    print(json.dumps(found, indent=1))


def _spark(source: Path, folder: Path, master: str, parts: int | None) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.on_spark", "--child"]
    command += [str(source), str(folder / "SPARK"), master, str(parts or 0)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peaks: dict[str, float] = defaultdict(float)
    done = threading.Event()
    watching = threading.Thread(target=_watch, args=(child.pid, peaks, done))
    watching.start()
    out, _ = child.communicate()
    done.set()
    watching.join()
    if child.returncode:
        raise RuntimeError(f"the job on {master} ended with {child.returncode}")
    return {**json.loads(out.splitlines()[-1]), "peak_mb": dict(peaks)}


def _watch(root: int, peaks: dict[str, float], done: threading.Event) -> None:
    while not done.wait(_POLL):
        workers = []
        for pid, name in _descendants(root):
            size = _resident(pid)
            if pid == root:
                peaks["program"] = max(peaks["program"], size)
            elif "java" in name:
                peaks["jvm"] = max(peaks["jvm"], size)
            elif "python" in name:
                workers.append(size)
        peaks["worker"] = max(peaks["worker"], *workers, 0)
        peaks["workers"] = max(peaks["workers"], sum(workers))


def _descendants(root: int) -> list[tuple[int, str]]:
    parents, names = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, rest = path.read_text().rpartition(")")
        except OSError:
            continue
        pid, _, name = head.partition(" (")
        parents[int(pid)], names[int(pid)] = int(rest.split()[1]), name
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return [(pid, names.get(pid, "")) for pid in found]


def _resident(pid: int) -> float:
    """Return the memory of a process that it does not share with the one it was forked from, in MB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:] if line.endswith("kB")}
    return sizes.get("Pss", 0) / 1e3 * 1.024


def _child(source: str, out: str, master: str, parts: str) -> None:
    from pyspark.sql import SparkSession

    import dedup
    from dedup.engines.spark import SparkEngine
    from dedup.engines.spark_flow import SparkFlow

    conf = {"spark.driver.memory": "4g", "spark.ui.port": str(PORT), "spark.log.level": "OFF"}
    builder = SparkSession.builder.master(master).config("spark.ui.showConsoleProgress", "false")
    for name, value in {**conf, "spark.ui.retainedStages": "100000", "spark.ui.retainedJobs": "100000"}.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    steps: list[dict[str, Any]] = []
    step = SparkFlow.step

    def timed(self: Any, name: str, function: Any, /, **inputs: Any) -> Any:
        before, start = _shuffled(), time.perf_counter()
        found = step(self, name, function, **inputs)
        seconds = time.perf_counter() - start
        steps.append({"step": name, "seconds": seconds, "sent": self.sent[name], "shuffled": _shuffled() - before})
        return found

    SparkFlow.step = timed  # type: ignore[method-assign]
    start = time.perf_counter()
    with SparkEngine(session, parts=int(parts) or None) as engine:
        result = dedup.cluster([source], engine=engine)
        result.write(out)
    wall = time.perf_counter() - start
    clock = os.times()
    print(
        json.dumps(
            {
                "documents": result.documents.num_rows,
                "wall": wall,
                "cpu_of_the_program": clock.user + clock.system,
                "seconds": result.manifest["seconds"],
                "sent": sum(row["sent"] for row in steps),
                "shuffled": sum(row["shuffled"] for row in steps),
                "steps": steps,
            }
        )
    )
    session.stop()


def _shuffled() -> int:
    """Return the bytes that all stages so far wrote for others to read."""
    with urllib.request.urlopen(f"http://localhost:{PORT}/api/v1/applications") as answer:
        name = json.load(answer)[0]["id"]
    with urllib.request.urlopen(f"http://localhost:{PORT}/api/v1/applications/{name}/stages") as answer:
        return sum(stage["shuffleWriteBytes"] for stage in json.load(answer))


def _same(local: Path, other: Path) -> bool:
    import dedup

    a, b = dedup.open_run(local), dedup.open_run(other)
    return all(getattr(a, name).equals(getattr(b, name)) for name in ("documents", "groups", "clusters", "pairs"))


if __name__ == "__main__":
    main()
