"""Damaged files of every format: no crash of the process, no hang, no foreign error, and counts that are exact.

They are read in child processes, some hundred at a time, so that a crash in compiled code is seen and named.
"""

import bz2
import gzip
import io
import json
import lzma
import random
import resource
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dedup.errors import DedupError
from dedup.params import ReadingParams
from dedup.reading import open_paths

BATCH = 500
DELTA = {"text": "DELTA_BYTE_ARRAY", "id": "DELTA_LENGTH_BYTE_ARRAY"}
SECONDS = 30  # of one file; SIGALRM then ends the child, even inside compiled code
MEMORY = 4 << 30  # of address space
RECORDS = [
    {"id": f"n{row}", "title": f"Bridge {row} reopens", "text": f"The bridge at mile {row} reopened. " * (row % 5 + 1)}
    | {"date": f"2026-03-{row % 28 + 1:02}", "source": "The Coast", "tags": ["roads", str(row)]}
    for row in range(40)
]
FLAT = [{key: value for key, value in record.items() if key != "tags"} for record in RECORDS]
PAGE = (
    "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Bridge reopens</title>"
    '<script type=\'application/ld+json\'>{"datePublished": "2026-03-01"}</script></head><body><article>'
    + "".join(f"<p>The bridge at mile {row} reopened on Sunday after a winter of repairs.</p>" for row in range(12))
    + "</article></body></html>"
)


def parquet(**options) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(RECORDS), out, row_group_size=13, **options)
    return out.getvalue()


@cache
def good_files() -> dict[str, bytes]:
    """Return name → content of one good file of every kind."""
    lines = b"".join(json.dumps(record).encode() + b"\n" for record in RECORDS)
    table = "".join(",".join(f'"{value}"' for value in row) + "\n" for row in [list(FLAT[0]), *map(dict.values, FLAT)])
    csv = table.encode()
    zstd = pa.Codec("zstd").compress(lines, asbytes=True)
    return {
        "lines.jsonl": lines,
        "array.json": json.dumps(RECORDS).encode(),
        "pretty.json": json.dumps(RECORDS, indent=1).encode(),
        "objects.json": "\n".join(json.dumps(record, indent=1) for record in RECORDS).encode(),
        "wide.jsonl": lines.decode().encode("utf-16"),
        "table.csv": csv,
        "table.tsv": csv.replace(b",", b"\t"),
        "latin.csv": (table + '"x","Überfall","Größe","2026-03-01","é"\n').encode("cp1252"),
        "text.txt": PAGE.encode(),
        "text.md": b"# Bridge reopens\n\nIt was closed all winter.\n",
        "page.html": PAGE.encode(),
        "lines.jsonl.gz": gzip.compress(lines, mtime=0),
        "two.jsonl.gz": gzip.compress(lines[:900], mtime=0) + gzip.compress(lines[900:], mtime=0),
        "lines.jsonl.bz2": bz2.compress(lines),
        "lines.jsonl.xz": lzma.compress(lines),
        "lines.jsonl.zst": zstd,
        "plain.parquet": parquet(compression="none", use_dictionary=False),
        "dictionary.parquet": parquet(compression="none"),
        "snappy.parquet": parquet(compression="snappy", data_page_version="2.0"),
        "zstd.parquet": parquet(compression="zstd", write_page_index=True),
        "checked.parquet": parquet(compression="gzip", write_page_checksum=True),
        "delta.parquet": parquet(compression="lz4", use_dictionary=False, column_encoding=DELTA),
        "packed.parquet.gz": gzip.compress(parquet(), mtime=0),
    }


def mutated(content: bytes, choose: random.Random) -> bytes:
    """Return content with one to four random edits: flips, cuts, doublings, random bytes, and ends cut off."""
    data = bytearray(content)
    for _ in range(choose.randint(1, 4)):
        # Half the edits near the end: there Parquet has its footer.
        at = choose.randrange(len(data) + 1) if choose.random() < 0.5 else max(0, len(data) - choose.randrange(600))
        size = choose.choice((1, 1, 2, 4, 16, 200))
        kind = choose.randrange(6)
        if kind == 0:
            data[at : at + 1] = bytes(byte ^ (1 << choose.randrange(8)) for byte in data[at : at + 1])
        elif kind == 1:
            del data[at : at + size]
        elif kind == 2:
            data[at:at] = data[at : at + size]
        elif kind == 3:
            data[at : at + size] = choose.randbytes(size)
        elif kind == 4:
            data[at : at + size] = choose.choice((b"\0", b"\xff", b"\x7f", b'"', b"{", b"[", b"\n")) * size
        elif choose.random() < 0.3:
            del data[at:]
    return bytes(data)


def case(number: int, seed: int) -> tuple[str, bytes]:
    """Return name and content of one damaged file."""
    choose = random.Random(f"{seed}/{number}")
    name = list(good_files())[number % len(good_files())]
    return name, mutated(good_files()[name], choose)


def read(path: Path) -> str:
    """Read a file; return what became of it."""
    source = open_paths([path], ReadingParams(max_rejects=2.0**60, keep_cols=()))
    accepted = 0
    try:
        for batch in source.batches():
            batch.validate(full=True)
            accepted += batch.num_rows
    except DedupError as error:
        assert "\n" not in str(error), f"message over several lines: {error}"
        return "refused"
    file = source.files[0]
    assert accepted + len(source.rejects) == source.n_records == file.records + file.rejected, "counts do not add up"
    assert all(reject.message and ";" in reject.message for reject in source.rejects), "a message without a remedy"
    return "damaged" if source.rejects else "whole"


def child(start: int, stop: int, seed: int) -> None:
    """Read cases; a line for each on stdout before it is read, and one with its outcome after it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        for number in range(start, stop):
            name, content = case(number, seed)
            path = Path(folder, name)
            path.write_bytes(content)
            print(number, name, flush=True)
            signal.alarm(SECONDS)
            print(read(path), flush=True)
            signal.alarm(0)
            path.unlink()


def run(count: int, seed: int) -> str:
    """Read `count` damaged files; raise AssertionError with the case on the first crash, hang or wrong count."""
    outcomes = {"whole": 0, "damaged": 0, "refused": 0}
    for start in range(0, count, BATCH):
        stop = min(start + BATCH, count)
        words = [sys.executable, "-m", "tests.soak.mutations", str(start), str(stop), str(seed)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
        lines = done.stdout.splitlines()
        assert done.returncode == 0, f"case {lines[-1:]}, seed {seed}: code {done.returncode}\n{done.stderr[-3000:]}"
        assert len(lines) == 2 * (stop - start)
        for line in lines[1::2]:
            outcomes[line] += 1
    told = ", ".join(f"{n:,} {name}" for name, n in outcomes.items())
    return f"mutations: {count:,} files of {len(good_files())} kinds, seed {seed}: 0 crashes, counts exact ({told})"


if __name__ == "__main__":
    child(*map(int, sys.argv[1:]))
