"""One corpus under ever other hash seeds, threads, orders of files and rows, and sizes of chunks: the same tables."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import corpus

ARTICLES = 120
AT_ONCE = 6  # combinations of one process, which has one hash seed
FOLLOW_THE_INPUT = {"row", "source_file", "source_row"}
TABLES = "documents", "groups", "clusters", "pairs"
_CHILD = "import sys; from tests.soak.determinism import work; work(sys.argv[1])"


def run(count: int, seed: int) -> str:
    """Compare `count` combinations; raise for the first that differs."""
    random = np.random.default_rng(seed)
    rows = pa.concat_tables(corpus.tables(corpus.read(corpus.SEEDS), ARTICLES, seed))
    first: dict[Any, tuple[Any, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        every = [combination(random, rows, Path(folder), number) for number in range(count)]
        processes = -(-count // AT_ONCE)
        for hash_seed in range(processes):
            some = every[hash_seed::processes]
            for asked, found in zip(some, told(some, hash_seed), strict=True):
                assert found["spilled"] == (asked["memory"] is not None), asked
                # Bytes hold how the input was parted and read; the tables do not.
                for key in ("tables", f"{asked['layout']} {asked['batch_rows']}"):
                    wanted, by = first.setdefault(key, (found.get(key, found["files"]), asked))
                    assert found.get(key, found["files"]) == wanted, f"{key} differ: {asked} and {by}"
    return f"{count} combinations, {processes} hash seeds, {len(first) - 1} sets of bytes: all equal"


def combination(random: np.random.Generator, rows: pa.Table, folder: Path, number: int) -> dict[str, Any]:
    """Choose threads and chunks, and for every sixth combination write the rows anew in another order."""
    layout = number // 6
    names = [f"{layout}-{name}.parquet" for name in random.permutation(list("abcde")[: 1 + layout % 5]).tolist()]
    paths = [str(folder / name) for name in names]
    if number % 6 == 0:
        order = np.arange(len(rows)) if layout == 0 else random.permutation(len(rows))
        for path, part in zip(sorted(paths), np.array_split(order, len(paths)), strict=True):
            pq.write_table(rows.take(pa.array(part)), path, row_group_size=int(random.integers(5, 300)))
    return {
        "layout": layout,
        "paths": paths,
        "jobs": [1, 2, 3, 5][number % 4],
        "batch_rows": [4096, 7, 64][number // 2 % 3],
        "batch_chars": [8_000_000, 20_000, 8_000_000][number // 2 % 3],
        "memory": [None, 1 << 20][number % 2],
        "out": str(folder / f"out-{number}"),
    }


def told(combinations: list[dict[str, Any]], hash_seed: int) -> list[dict[str, Any]]:
    """Run some combinations in a process of one hash seed."""
    root = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": root}
    words = [sys.executable, "-c", _CHILD, json.dumps(combinations)]
    said = subprocess.run(words, env=env, capture_output=True, text=True, check=False, cwd=root)
    assert said.returncode == 0, said.stderr
    return [json.loads(line) for line in said.stdout.splitlines()]


def work(combinations: str) -> None:
    """Cluster as each combination says, and print what came out of it."""
    from dedup import pipeline, spill
    from dedup.params import Params, ReadingParams

    made = []
    reserve = spill.File.__init__
    spill.File.__init__ = lambda self, folder: (made.append(folder), reserve(self, folder))[1]
    for asked in json.loads(combinations):
        made.clear()
        reading = ReadingParams(batch_rows=asked["batch_rows"], batch_chars=asked["batch_chars"])
        params = Params(reading=reading, jobs=asked["jobs"], memory=asked["memory"])
        out = pipeline.cluster(asked["paths"], params).write(asked["out"])
        print(json.dumps({**digests(out), "spilled": bool(made)}), flush=True)


def digests(out: Path) -> dict[str, Any]:
    """Return the SHA-256 of the tables without what follows the input, and of each file."""
    content = []
    for name in TABLES:
        table = pq.read_table(out / f"{name}.parquet")
        kept = [column for column in table.column_names if column not in FOLLOW_THE_INPUT]
        content.append([name, kept, table.select(kept).to_pylist()])
    files = {name: hashlib.sha256((out / f"{name}.parquet").read_bytes()).hexdigest() for name in TABLES}
    return {"tables": hashlib.sha256(orjson.dumps(content)).hexdigest(), "files": files}
