"""The peak of the whole command against the documented formula.

Resampled from real articles: those of the seeds are so short and few that most of a large corpus would be boilerplate,
which the formula does not foretell.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks import corpus, whole
from dedup.memory import foretold

SHARED = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
DAYS = 5 * 365  # over which articles are spread
WITHIN = 0.20  # of what is foretold


def why_not() -> str | None:
    """Return why this cannot be used here, or None."""
    return None if (SHARED / "bulk").is_dir() else f"no articles in {SHARED / 'bulk'}"


def run(count: int, seed: int) -> str:
    """Cluster `count` articles and return the peak and what is foretold; raise where they are further apart."""
    with tempfile.TemporaryDirectory() as folder:
        source = corpus.write(Path(folder, "articles.parquet"), corpus.read(SHARED / "bulk"), count, seed, DAYS)
        command = [sys.executable, "-P", "-m", "dedup", "cluster", str(source), "-o", str(Path(folder, "OUT"))]
        _, cpu, peak, _ = whole.spawned([*command, "-j", "2", "--quiet"])
        wanted = foretold(count, whole.characters(source), "story", 2)
    off = peak / wanted - 1
    line = f"memory: {count:,} articles, peak {peak:.0f} MB, foretold {wanted:.0f} MB ({off:+.0%}), {cpu:.0f} s"
    if abs(off) > WITHIN:
        raise AssertionError(line)
    return line
