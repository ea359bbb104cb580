"""How far each kernel is from its limit: what it touches per second, against what this memory and cache can do.

The limits are measured in the same run: a copy and a sum of an array that no cache holds, and additions at random
places of an array of the size of a second-level cache, which is what adding up cosines comes down to. Instruction
counts are callgrind's: they do not move with the load, but are those of a processor without AVX-512, which valgrind
does not know.

`python -m benchmarks.kernels CORPUS VECTORS LINKS OUT` is the process that callgrind watches.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from benchmarks import inputs, project
from benchmarks.setting import Setting
from dedup import duplicates, schema, text
from dedup.kernels import folding, hashing, jaccard, lsh, minhash, tfidf

LARGE = 1 << 25  # doubles: 268 MB
CACHED = 1 << 16  # doubles: 512 kB
REPEATS = 5
COPY, UPDATE = "memory copy", "random update in cache"


class Case(NamedTuple):
    """A kernel call and what it touches."""

    run: Callable[[], Any]
    amount: int
    unit: str
    item_bytes: int  # bytes read or written for each of the amount; 0 where the limit is `UPDATE`


@numba.njit(nogil=True)
def _update(places: npt.NDArray[np.uint32], values: npt.NDArray[np.float32], sums: npt.NDArray[np.float64]) -> None:
    for i in range(len(places)):
        sums[places[i]] += np.float64(0.5) * np.float64(values[i])


def limits() -> dict[str, float]:
    """Measure this machine on one thread: GB/s of a copy (read and written) and of a sum, updates per second."""
    source, target = np.ones(LARGE), np.zeros(LARGE)
    places = np.random.default_rng(0).integers(CACHED, size=LARGE // 8).astype(np.uint32)
    values, sums = np.ones(len(places), np.float32), np.zeros(CACHED)
    return {
        "copy_gb_s": 2 * source.nbytes / _seconds(lambda: np.copyto(target, source)) / 1e9,
        "sum_gb_s": source.nbytes / _seconds(source.sum) / 1e9,
        "updates_s": len(places) / _seconds(lambda: _update(places, values, sums)),
    }


def cases(corpus: Path, vectors: Path, links: Path) -> dict[str, Case]:
    """Set up one call of each kernel."""
    return _text_cases(inputs.column(corpus)) | _pair_cases(inputs.column(corpus)) | _matrix_cases(vectors, links)


def kernels(setting: Setting) -> list[dict[str, Any]]:
    """Time each kernel on one thread, and tell what share of its limit it reaches."""
    paths = setting.corpus(setting.articles), setting.vectors(setting.articles), setting.links(setting.pairs)
    measured = limits()
    counts, skipped = {}, []
    if setting.instructions:
        counts, reason = instructions(setting)
        skipped = [{"tool": "callgrind", "reason": reason}] if reason else []
    rows = []
    for name, case in cases(*paths).items():
        seconds = _seconds(case.run)
        rate = case.amount / seconds
        limit = measured["copy_gb_s"] * 1e9 / case.item_bytes if case.item_bytes else measured["updates_s"]
        row = {"tool": name, "threads": 1, "seconds": seconds, "amount": case.amount, "unit": case.unit, "per_s": rate}
        row |= {"limit": COPY if case.item_bytes else UPDATE, "limit_share": rate / limit, "counts": True}
        rows.append(row | ({"instructions_each": counts[name]} if name in counts else {}))
    facts = {"articles": setting.articles, **{name: float(f"{value:.4g}") for name, value in measured.items()}}
    return [{"name": "kernels", "facts": facts, "rows": rows, "skipped": skipped}]


def instructions(setting: Setting) -> tuple[dict[str, float], str]:
    """Count the instructions of each kernel for one of what it touches, at the small size; or say why not."""
    if missing := [tool for tool in ("valgrind", "callgrind_control") if not shutil.which(tool)]:
        return {}, f"not installed: {', '.join(missing)}"
    out = setting.folder / "callgrind"
    out.mkdir(exist_ok=True)
    inputs = setting.corpus(setting.small), setting.vectors(setting.small), setting.links(setting.pairs // 100)
    command = [sys.executable, "-m", "benchmarks.kernels", *map(str, inputs), str(out)]
    # Code is compiled before, for a processor that valgrind knows; one thread pool less to wait for.
    environment = os.environ | {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": "", "OPENBLAS_NUM_THREADS": "1"}
    watched = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}/out", *command]
    for step in (command, watched):
        done = subprocess.run(step, capture_output=True, env=environment, check=False)
        if done.returncode:
            return {}, f"exit status {done.returncode}: {done.stderr.decode(errors='replace').strip()[-200:]}"
    return {name: _total(out / f"{i}.txt") for i, name in enumerate(cases(*inputs)) if (out / f"{i}.txt").exists()}, ""


def _watch(corpus: str, vectors: str, links: str, out: str) -> None:
    """Run each kernel once with and once without being counted; under valgrind, a dump each."""
    control = ["callgrind_control", "-i"]
    watched = "valgrind" in os.environ.get("LD_PRELOAD", "") or "vgpreload" in os.environ.get("LD_PRELOAD", "")
    for i, case in enumerate(cases(Path(corpus), Path(vectors), Path(links)).values()):
        case.run()
        if watched:
            pid = str(os.getpid())
            subprocess.run([*control, "on", pid], check=True, capture_output=True)
            case.run()
            subprocess.run([*control, "off", pid], check=True, capture_output=True)
            subprocess.run(["callgrind_control", f"--dump={i}", pid], check=True, capture_output=True)
            Path(out, f"{i}.txt").write_text(str(case.amount), encoding="ascii")


def _total(path: Path) -> float:
    return float(path.read_text(encoding="ascii"))


def _text_cases(column: Any) -> dict[str, Case]:
    data, offsets = schema.utf8(column)
    classes, folds, expansions = text.unicode_tables()
    comparable = schema.utf8(text.comparable(column))
    tokens = text.tokenise(text.comparable(column))
    n = len(offsets) - 1
    stops = np.empty(0, np.uint64)
    counting = *tokens[:3], stops, np.empty(0, np.uint8), np.zeros(n + 1, np.int64), 0, stops, stops
    spoken = np.zeros(n, np.uint64)
    terms, counts, bounds = tfidf.count_terms(*counting, spoken)
    known = np.unique(terms)
    columns, idf = tfidf.lookup(known, terms), np.ones(len(known))
    return {
        "fold": Case(lambda: folding.fold(data, offsets, classes, folds, expansions), len(data), "bytes", 2),
        "tokenise": Case(lambda: hashing.tokenise(*comparable, classes), len(comparable[0]), "bytes", 1),
        "shingle": Case(lambda: hashing.shingle(*tokens[:3], 3, 5), len(tokens[0]), "tokens", 16),
        "count_terms": Case(lambda: tfidf.count_terms(*counting, spoken), len(tokens[0]), "tokens", 8),
        "lookup": Case(lambda: tfidf.lookup(known, terms), len(terms), "terms", 12),
        "unit_rows": Case(lambda: tfidf.unit_rows(columns, counts, bounds, idf), len(terms), "terms", 20),
    }


def _pair_cases(column: Any) -> dict[str, Case]:
    tokens = text.tokenise(text.comparable(column))
    shingles, offsets = hashing.shingle(*tokens[:3], 3, 5)
    permutations = duplicates.permutations(128)
    signed = minhash.minhash(shingles, offsets, *permutations)
    n = len(offsets) - 1
    left = np.arange(n - 1)
    slots = np.zeros(1 << max(int(4 * len(shingles)).bit_length(), 10), np.uint8)
    return {
        "minhash": Case(lambda: minhash.minhash(shingles, offsets, *permutations), len(shingles) * 128, "slots", 4),
        "band_keys": Case(lambda: list(lsh.band_keys(signed, 25, 5)), n * 125, "slots", 4),
        "count_slots": Case(lambda: lsh.count_slots(shingles, slots), len(shingles), "shingles", 8),
        "overlap": Case(
            lambda: jaccard.overlap(shingles, offsets, left, left + 1), int(2 * len(shingles)), "shingles", 8
        ),
    }


def _matrix_cases(vectors: Path, links: Path) -> dict[str, Case]:
    rows = project.load_vectors(vectors)
    counts = np.bincount(rows.indices, minlength=len(rows.terms)).astype(np.int64)
    tree = project.average_linkage(links, 1, 0.05)
    with np.load(links) as arrays:
        pairs = len(arrays["left"])
    met = int((counts * counts).sum())
    found: dict[str, Case] = {}
    for floor in (0.5, 0.1):
        found[f"all pairs ≥ {floor}"] = Case(lambda t=floor: project.all_pairs(rows, t, 1), met, "postings", 0)
    return found | {"average_linkage": Case(tree, pairs, "pairs", 24)}


def _seconds(run: Callable[[], Any]) -> float:
    """Return the least of some runs after a first one: what the machine can do."""
    run()
    times: list[float] = []
    while len(times) < REPEATS and sum(times) < 1.0:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    _watch(*sys.argv[1:])
