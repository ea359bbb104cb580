"""Hostile corpora against a benign one of the same count and size: processor time, peak memory and pairs of a command.

Time is the processor seconds of the child process, system calls too, with the start of Python in both; memory is its
peak resident size as getrusage(2) tells it, Python and libraries (about 280 MB) in both. Nothing is taken off either.
A kind whose texts are longer by more than a tenth is measured against benign ones as long.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import whole
from tests import hostile

LONGER = 1.1  # times the characters of the benign corpus
MOST_TIME = 3.0  # times the benign corpus
MOST_MEMORY = 1.3
BUDGET = 200  # pairs of a document in both passes together, of which the tables hold a part


def run(count: int, seed: int, kinds: list[str] | None = None) -> str:
    """Cluster `count` documents of each kind, and return a line for each; raise where one is above its limits."""
    with tempfile.TemporaryDirectory() as folder:
        warm = measured(Path(folder), hostile.BENIGN, 100, seed)
        assert warm["documents"] == 100
        usual = measured(Path(folder), hostile.BENIGN, count, seed)
        lines, faults = [_line(hostile.BENIGN, usual, usual)], []
        print(lines[0], file=sys.stderr, flush=True)
        for kind in kinds or hostile.KINDS:
            try:
                found = measured(Path(folder), kind, count, seed)
            except RuntimeError as error:  # the others are measured all the same
                faults.append(f"{kind}: {str(error).splitlines()[-1]}")
                print(f"{kind:18} failed: {error}", file=sys.stderr, flush=True)
                continue
            benign = usual
            if found["size"] > LONGER * usual["size"]:
                words = round(hostile.WORDS * found["size"] / usual["size"])
                benign = measured(Path(folder), hostile.BENIGN, count, seed, words)
                print(_line(f"benign, {words} words", benign, usual), file=sys.stderr, flush=True)
            lines.append(_line(kind, found, benign))
            print(lines[-1], file=sys.stderr, flush=True)
            over = {
                "time": found["cpu"] > MOST_TIME * benign["cpu"],
                "memory": found["peak"] > MOST_MEMORY * benign["peak"],
                "pairs": found["pairs"] > BUDGET * found["documents"],
            }
            faults += [f"{kind}: {name}" for name, is_over in over.items() if is_over]
        if faults:
            raise AssertionError("\n".join([*lines, "above their limits: " + ", ".join(faults)]))
        return f"hostile: {len(lines) - 1} kinds of {count} documents within their limits"


def measured(folder: Path, kind: str, count: int, seed: int, words: int = hostile.WORDS) -> dict[str, Any]:
    """Write a corpus of a kind, cluster it in a new process and return its figures; size is in bytes of UTF-8."""
    source = hostile.write(folder / f"{kind}.parquet", kind, count, seed, words)
    texts = pq.read_table(source, columns=["title", "text"])
    size = sum(pc.sum(pc.binary_length(column)).as_py() or 0 for column in texts.columns)
    del texts
    command = [sys.executable, "-P", "-m", "dedup", "cluster", str(source), "-o", str(folder / "OUT"), "--json"]
    _, cpu, peak, printed = whole.spawned([*command, "-j", "2", "--if-exists", "overwrite", "--progress", "never"])
    told = json.loads(printed.splitlines()[-1])
    pairs = pq.ParquetFile(folder / "OUT" / "pairs.parquet").metadata.num_rows
    source.unlink()
    figures = {"size": size, "cpu": cpu, "peak": peak, "pairs": pairs, "documents": told["counts"]["documents"]}
    return {**figures, "skipped": told["skipped"], "seconds": told["seconds"]}


def _line(kind: str, found: dict[str, Any], benign: dict[str, Any]) -> str:
    skipped = " ".join(f"{name}={number:,}" for name, number in found["skipped"].items() if number)
    longest = max(found["seconds"], key=found["seconds"].get)
    return (
        f"{kind:18} {found['documents']:7,} documents {found['cpu']:7.1f} s ×{found['cpu'] / benign['cpu']:5.2f} "
        f"{found['peak']:6.0f} MB ×{found['peak'] / benign['peak']:5.2f} {found['pairs']:10,} pairs "
        f"most in {longest} {skipped}"
    )
