"""The peak of the whole command against the documented formula."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks import corpus, memory_model, whole

WITHIN = 0.20  # of what is foretold


def run(count: int, seed: int) -> str:
    """Cluster `count` articles and return the peak and what is foretold; raise where they are further apart."""
    with tempfile.TemporaryDirectory() as folder:
        source = corpus.write(Path(folder, "articles.parquet"), corpus.read(corpus.SEEDS), count, seed)
        command = [sys.executable, "-P", "-m", "dedup", "cluster", str(source), "-o", str(Path(folder, "OUT"))]
        _, cpu, peak, _ = whole.spawned([*command, "-j", "2", "--quiet"])
        foretold = memory_model.foretold(count, whole._characters(source), "story", 2)
    off = peak / foretold - 1
    line = f"memory: {count:,} articles, peak {peak:.0f} MB, foretold {foretold:.0f} MB ({off:+.0%}), {cpu:.0f} s"
    if abs(off) > WITHIN:
        raise AssertionError(line)
    return line
