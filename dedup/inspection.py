"""What a run would read: files, formats, columns, counts and memory, from a bounded sample; nothing is written."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dedup import memory, reading
from dedup.engines.local import usable_cores
from dedup.errors import InputError, TooManyRejectsError
from dedup.params import Params
from dedup.reading import columns, files, formats, parquet, reader
from dedup.reading.files import FoundFile
from dedup.reading.packed import unpacked
from dedup.reading.source import InputFile, Source
from dedup.spill import Spill

WHOLE_BYTES = 16 << 20  # a file up to this size is read as a whole ...
MOST_BYTES = 64 << 20  # ... until so much was read; of the others a start of about WHOLE_BYTES / 2
MOST_FILES = 200  # that are opened, spread over all
ROWS_SHOWN = 5
EXCERPT_CHARS = 200
_REJECTS = 1000  # of a file, after which it is left: one that holds nothing else must not be read to its end
_BLOCKS = 8  # of packed data from which its ratio is told
_SHOWN = ("doc_id", "published_at", "source", "title", "text")


@dataclass
class _Sampled:
    """What was seen of one file."""

    info: InputFile
    records: int  # in all, or about so many
    exact: bool
    rejected: int
    refused: str = ""  # why, where it cannot be read at all
    text_bytes: int = 0  # in all, or about so many


def inspect(paths: Sequence[str | Path], params: Params) -> dict[str, Any]:
    """Look at the input of a run.

    Parameters
    ----------
    paths : as `dedup.cluster` takes them.
    params : of the run.

    Returns
    -------
    Plain data: `files`, `bytes`, `formats` (of opened files by content, else by ending), `inputs` (of those:
    `source_file`, `format`, `bytes`, `records`, `exact`, `rejected`, `refused`, `columns`), `records` and `text_bytes`
    of all (`exact`: read to the end, else extrapolated), `sampled`, `rejected` and the first `rejects` of the sample,
    `counts` of what reading it repaired, `rows` (five of them), and `memory`: bytes foretold for the run, its threads,
    and the memory it is given.

    Raises
    ------
    InputError
        As a run would: no input, none that can be read, or a file without a text or a title.
    """
    found = reading.find(paths, params.reading, params.tmp_dir)
    sizes = [0 if file.spool else file.path.stat().st_size for file in found]
    step = -(-len(found) // MOST_FILES)
    rows: list[dict[str, Any]] = []
    rejects: list[reading.Reject] = []
    counts: Counter[str] = Counter()
    seen: list[_Sampled] = []
    read = sampled = 0
    for file, size in list(zip(found, sizes, strict=True))[::step]:
        whole = size <= WHOLE_BYTES and read + size <= MOST_BYTES
        one, batches, source = _sample(file, size, whole, params)
        seen.append(one)
        read += size if whole else WHOLE_BYTES // 2
        sampled += sum(map(len, batches))
        rejects += source.rejects
        counts.update(source.counts)
        for batch in batches[:1]:
            rows += _rows(batch)
    if all(one.refused for one in seen):
        raise InputError(f"{seen[0].info.source_file}: {seen[0].refused}")
    stretch = sum(sizes) / max(1, sum(one.info.bytes for one in seen))
    records = round(sum(one.records for one in seen) * stretch)
    text_bytes = round(sum(one.text_bytes for one in seen) * stretch)
    limit = params.reading.limit
    if limit is not None and limit < records:
        text_bytes, records = round(text_bytes * limit / records), limit
    threads = params.jobs or usable_cores()
    return {
        "files": len(found),
        "bytes": sum(sizes),
        "formats": _formats(found, seen),
        "inputs": [_entry(one) for one in seen],
        "records": records,
        "exact": step == 1 and all(one.exact for one in seen),
        "text_bytes": text_bytes,
        "sampled": sampled,
        "rejected": len(rejects),
        "rejects": [asdict(reject) for reject in rejects[:10]],
        "counts": dict(counts),
        "rows": rows[:ROWS_SHOWN],
        "memory": {
            "bytes": round(memory.foretold(records, text_bytes, params.level, threads, params.memory) * 1e6),
            "threads": threads,
            "limit": Spill(memory=params.memory).memory,
        },
    }


def _sample(file: FoundFile, size: int, whole: bool, params: Params) -> tuple[_Sampled, list[pa.RecordBatch], Source]:
    settings = replace(params.reading, limit=None, max_rejects=_REJECTS)
    format = reader.detected(file, settings)
    source, rows = None, None
    if format.name == "parquet" and not whole:
        source, rows = _start_of_parquet(file, params)
    source = source or reading.open_source([file], settings)
    batches: list[pa.RecordBatch] = []
    refused, ended = "", whole
    try:
        for batch in source.batches():
            batches.append(batch)
            if not whole:
                break
    except TooManyRejectsError:
        ended = False
    except InputError as error:
        if not source.rejects:
            raise  # a column that is not there ends a run too
        refused = str(error).removeprefix(f"{file.source_file}: ")
    info = source.files[0] if source.files else InputFile(str(file.path), file.source_file, format.name)
    info = replace(info, path=str(file.path), source_file=file.source_file, format=format.name, bytes=size)
    n = sum(map(len, batches))
    text = sum(int(pc.sum(pc.binary_length(batch["text"])).as_py() or 0) for batch in batches)
    rejected = len(source.rejects)
    if refused or ended:
        return _Sampled(info, n, ended and not refused, rejected, refused, text), batches, source
    if rows is None:
        rows = round(size * (_records_per_byte(file, format.name) or n / max(1, text)))
        rows = max(n, round(rows * n / max(1, n + rejected)))
    return _Sampled(info, rows, False, rejected, refused, round(text / max(1, n) * rows)), batches, source


def _start_of_parquet(file: FoundFile, params: Params) -> tuple[Source | None, int | None]:
    """Open the first rows of a Parquet file, whose hash would need all of it, and count all.

    None of a damaged one, which is left to the reader.
    """
    settings = replace(params.reading, limit=None, max_rejects=_REJECTS, keep_cols=())
    try:
        with files.opened(file) as stream:
            opened = parquet.opened(stream)
            roles = columns.choose(opened.schema_arrow.names, params.reading, file.source_file)
            wanted = list(dict.fromkeys(roles.values()))
            start = next(opened.iter_batches(batch_size=settings.batch_rows, columns=wanted), None)
            rows = opened.metadata.num_rows
    except (parquet.BadParquetError, *parquet.DAMAGE):
        return None, None
    return (None, None) if start is None else (reading.open_frame(start, settings), rows)


def _records_per_byte(file: FoundFile, format: str) -> float | None:
    """Return the records in a byte of a file as it is stored, by its start; None where lines do not tell."""
    if format not in ("jsonl", "csv", "tsv"):
        return None
    content, stored, marks = bytearray(), [0], [0]
    with files.opened(file) as stream:
        for part in unpacked(stream, hashlib.sha256()):
            if stream.tell() > stored[-1]:  # all that was read before has been unpacked by now
                stored.append(stream.tell())
                marks.append(len(content))
            content += part
            if len(content) >= (WHOLE_BYTES // 4 if len(marks) > _BLOCKS else 4 * WHOLE_BYTES):
                break
    whole = len(marks) <= 2
    taken, stored_bytes = (content, stored[-1]) if whole else (content[: marks[-1]], stored[-2])
    lines = taken.count(b"\n")
    if format != "jsonl":
        try:
            lines = sum(1 for _ in csv.reader(io.StringIO(taken.decode("utf-8", "replace"), newline="")))
        except csv.Error:
            return None
    return lines / stored_bytes if lines else None


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    first = batch.slice(0, ROWS_SHOWN).select([*_SHOWN, "text_chars"])
    rows: list[dict[str, Any]] = first.to_pylist()
    for row in rows:
        row["text"] = row["text"][:EXCERPT_CHARS]
        row["published_at"] = row["published_at"] and row["published_at"].isoformat()
    return rows


def _entry(one: _Sampled) -> dict[str, Any]:
    shown = {name: getattr(one.info, name) for name in ("source_file", "format", "bytes", "columns")}
    return {**shown, "records": one.records, "exact": one.exact, "rejected": one.rejected, "refused": one.refused}


def _formats(found: Sequence[FoundFile], seen: Sequence[_Sampled]) -> dict[str, int]:
    known = {one.info.source_file: one.info.format for one in seen}
    names = (known.get(file.source_file, formats.ENDINGS.get(formats.ending(file.path.name), "")) for file in found)
    return dict(sorted(Counter(name or "unknown" for name in names).items()))
