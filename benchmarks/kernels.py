"""How far each kernel is from its limit: what it touches per second, against what this memory and cache can do.

The limits are measured in the same run: a copy and a sum of an array that no cache holds, and additions at random
places of an array of the size of a second-level cache, which is what adding up cosines comes down to. Instruction
counts are callgrind's: they do not move with the load, but are those of a processor without AVX-512, which valgrind
does not know.

`python -m benchmarks.kernels CORPUS VECTORS LINKS` is the process that callgrind watches.
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
from dedup.kernels import folding, frequencies, hashing, jaccard, lsh, minhash, tfidf, tokens

LARGE = 1 << 25  # doubles: 268 MB
CACHED = 1 << 16  # doubles: 512 kB
REPEATS = 5
WATCHED = 60  # articles, for callgrind takes fifty times as long
PATIENCE = 900  # seconds
COUNTED = (1, 3)  # runs of a kernel, whose difference in instructions is told
COPY, UPDATE, ARITHMETIC = "copy_bytes", "updates", "multiply_adds"
LIMITS = {COPY: "memory copy", UPDATE: "random update in cache", ARITHMETIC: "multiply-add in cache"}


class Case(NamedTuple):
    """A kernel call and what it touches."""

    run: Callable[[], Any]
    amount: int
    unit: str
    weight: int  # bytes read or written for each of the amount, or operations
    limit: str = COPY


@numba.njit(nogil=True)
def _update(places: npt.NDArray[np.uint32], values: npt.NDArray[np.float32], sums: npt.NDArray[np.float64]) -> None:
    for i in range(len(places)):
        sums[places[i]] += np.float64(0.5) * np.float64(values[i])


@numba.njit(nogil=True)
def _multiply(factors: npt.NDArray[np.uint32], sums: npt.NDArray[np.uint32]) -> None:
    for i in range(CACHED):
        for k in range(len(sums)):
            sums[k] += np.uint32(factors[k] * np.uint32(i))


def limits() -> dict[str, float]:
    """Measure this machine on one thread, each a second: bytes read and written by a copy, bytes read by a sum, random
    updates of 512 kB, and 32-bit multiply-adds on 128 values, which registers and first-level cache hold.
    """
    source, target = np.ones(LARGE), np.zeros(LARGE)
    places = np.random.default_rng(0).integers(CACHED, size=LARGE // 8).astype(np.uint32)
    values, sums = np.ones(len(places), np.float32), np.zeros(CACHED)
    return {
        COPY: 2 * source.nbytes / _seconds(lambda: np.copyto(target, source)),
        "sum_bytes": source.nbytes / _seconds(source.sum),
        UPDATE: len(places) / _seconds(lambda: _update(places, values, sums)),
        ARITHMETIC: CACHED * 128 / _seconds(lambda: _multiply(*np.ones((2, 128), np.uint32))),
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
        share = rate * case.weight / measured[case.limit]
        row = {"tool": name, "threads": 1, "seconds": seconds, "amount": case.amount, "unit": case.unit, "per_s": rate}
        row |= {"limit": LIMITS[case.limit], "limit_share": share, "counts": True}
        rows.append(row | ({"instructions_each": counts[name]} if name in counts else {}))
    facts = {"articles": setting.articles, **{f"{name}_s": float(f"{rate:.4g}") for name, rate in measured.items()}}
    return [{"name": "kernels", "facts": facts, "rows": rows, "skipped": skipped}]


def instructions(setting: Setting) -> tuple[dict[str, float], str]:
    """Count the instructions of each kernel for one of what it touches, on few articles; or say why not."""
    if missing := [tool for tool in ("valgrind", "callgrind_control") if not shutil.which(tool)]:
        return {}, f"not installed: {', '.join(missing)}"
    out = setting.folder / "callgrind"
    out.mkdir(exist_ok=True)
    paths = setting.corpus(WATCHED), setting.vectors(WATCHED), setting.links(20 * WATCHED)
    command = [sys.executable, "-m", "benchmarks.kernels", *map(str, paths)]
    # Code is compiled before, for a processor that valgrind knows; one thread pool less to wait for.
    environment = os.environ | {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": "", "OPENBLAS_NUM_THREADS": "1"}
    watched = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}/out", *command]
    for step in (command, watched):
        try:
            done = subprocess.run(step, capture_output=True, env=environment, check=False, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return {}, f"not done after {PATIENCE} s"
        if done.returncode:
            return {}, f"exit status {done.returncode}: {done.stderr.decode(errors='replace').strip()[-200:]}"
    found = {}
    for i, (name, case) in enumerate(cases(*paths).items()):
        few, many = (_counted(out / f"out.{3 * i + dump}") for dump in (2, 3))
        found[name] = (many - few) / (COUNTED[1] - COUNTED[0]) / case.amount  # what surrounds the kernel cancels out
    return found, ""


def _watch(corpus: str, vectors: str, links: str) -> None:
    """Run each kernel as often as `COUNTED` says, with a dump for each under callgrind, and without it once."""
    found = cases(Path(corpus), Path(vectors), Path(links))
    for case in found.values():
        case.run()
    if "vgpreload" in os.environ.get("LD_PRELOAD", ""):
        _control("--instr=on")
        for case in found.values():
            for count in (0, *COUNTED):
                for _ in range(count):
                    case.run()
                _control("--dump")


def _control(order: str) -> None:
    subprocess.run(["callgrind_control", order, str(os.getpid())], check=True, capture_output=True)


def _counted(dump: Path) -> int:
    """Return the instructions of a dump."""
    lines = dump.read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("totals:"))


def _text_cases(column: Any) -> dict[str, Case]:
    data, offsets = schema.utf8(column)
    tables = text.unicode_tables()
    comparable = schema.utf8(text.comparable(column))
    made = text.tokenise(text.comparable(column))
    n = len(offsets) - 1
    stops = np.empty(0, np.uint64)
    counting = *made[:3], stops, np.empty(0, np.uint8), np.zeros(n + 1, np.int64), 0, stops, stops
    spoken = np.zeros(n, np.uint64)
    terms, counts, bounds = tfidf.count_terms(*counting, spoken)
    known = np.unique(terms)
    starts = tfidf.index(known)
    columns, idf = tfidf.lookup(known, starts, terms), np.ones(len(known))
    return {
        "fold": Case(lambda: folding.fold(data, offsets, *tables[:3]), len(data), "bytes", 2),
        "tokenise": Case(lambda: tokens.tokenise(*comparable, tables.classes), len(comparable[0]), "bytes", 1),
        "shingle": Case(lambda: hashing.shingle(*made[:3], 3, 5), len(made[0]), "tokens", 16),
        "count_terms": Case(lambda: tfidf.count_terms(*counting, spoken), len(made[0]), "tokens", 8),
        "lookup": Case(lambda: tfidf.lookup(known, starts, terms), len(terms), "terms", 12),
        "unit_rows": Case(lambda: tfidf.unit_rows(columns, counts, bounds, idf), len(terms), "terms", 20),
    }


def _pair_cases(column: Any) -> dict[str, Case]:
    made = text.tokenise(text.comparable(column))
    shingles, offsets = hashing.distinct(*hashing.shingle(*made[:3], 3, 5))
    permutations = duplicates.permutations(128)
    signed = minhash.minhash(shingles, offsets, *permutations)
    n = len(offsets) - 1
    left = np.arange(n - 1)
    bits = max(int(4 * len(shingles)).bit_length(), 10)
    slots, alive = np.zeros(1 << bits, np.uint8), np.ones(n, np.bool_)
    return {
        "minhash": Case(
            lambda: minhash.minhash(shingles, offsets, *permutations), len(shingles) * 128, "slots", 1, ARITHMETIC
        ),
        "band_keys": Case(lambda: list(lsh.band_keys(signed, 25, 5)), n * 125, "slots", 4),
        "count_slots": Case(
            lambda: frequencies.count_slots(shingles, offsets, alive, slots, 0, 64 - bits), len(shingles), "shingles", 8
        ),
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
        found[f"all pairs ≥ {floor}"] = Case(lambda t=floor: project.all_pairs(rows, t, 1), met, "postings", 1, UPDATE)
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
