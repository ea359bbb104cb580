"""Inputs → documents in parts: files are read side by side, and numbered and named as one machine does it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dedup import reading, schema
from dedup.distributed import corpus
from dedup.distributed.corpus import Corpus
from dedup.distributed.flow import Dataset, Flow, Message, Tables, counted, deal, part_of_hash, total_of
from dedup.kernels import hashing
from dedup.params import Params, ReadingParams
from dedup.reading import columns, parquet, reader
from dedup.reading.documents import Chunk, Reject
from dedup.reading.source import COUNTS, InputFile, Source, check_files, unique_ids
from dedup.remote import RemoteFile
from dedup.remote.urls import Url

_Int = npt.NDArray[np.int64]

_ROWS = 2048  # of a block of documents
_SUFFIX = re.compile(r"(~\d+)+\Z")  # what `unique_ids` adds, perhaps more than once


@dataclass(frozen=True)
class Content:
    """A store of one file, which is in memory."""

    content: bytes  # of the file

    def find(self, url: Url) -> list[RemoteFile]:
        """Return the file, whatever the URL."""
        return [RemoteFile(self, url, len(self.content), "")]

    def fetch(self, file: RemoteFile, start: int, stop: int) -> bytes:
        """Return bytes start … stop - 1."""
        return self.content[start:stop]


class File(NamedTuple):
    """A file to be read, by its number in the order of the input."""

    number: int
    source_file: str
    path: str
    bytes: int


class Read(NamedTuple):
    """What was read: as `reading.Source` tells it."""

    files: list[InputFile]
    rejects: list[Reject]
    counts: dict[str, int]
    n_records: int
    params: ReadingParams


FILES = pa.schema([("number", pa.int64()), ("source_file", pa.string()), ("path", pa.string()), ("bytes", pa.int64())])


def parts_of_files(sizes: Sequence[int], parts: int) -> _Int:
    """Deal out files in stretches of about as many bytes, int64[files]; one part reads a file."""
    ends = np.cumsum(np.array(sizes, np.int64) + 1)
    found: _Int = np.minimum((ends - 1) * parts // ends[-1], parts - 1)
    return found


def read(
    flow: Flow, params: Params, kept: Mapping[str, pa.Field], files: Dataset | None = None, rows: Dataset | None = None
) -> tuple[Corpus, Read]:
    """Read files, or the rows of a frame, and sketch them.

    Parameters
    ----------
    params : its `reading.keep_cols` has all columns that are kept; a limit, which hangs on what comes before, is not
        known here
    kept : input column → field of the output
    files : `FILES`, dealt out by `parts_of_files`; `content` (large_binary) where workers cannot open the paths
    rows : of a frame, with `__piece`, the number of the stretch that a row is in

    Raises
    ------
    InputError, TooManyRejectsError
        As `reading.Source.batches`.
    """
    settings: dict[str, Any] = {"params": params.reading, "kept": dict(kept), "parts": flow.parts}
    if files is not None:
        parsed = flow.step("read", partial(_read_files, **settings), files=files)
    else:
        stretches = flow.step("stretches", _counted, rows=rows)
        sizes = _rows_by_piece(flow, stretches["counts"])
        parsed = flow.step("read", partial(_read_rows, before=_before(sizes), **settings), rows=stretches["rows"])
    told = sorted(
        (orjson.loads(said) for table in flow.gather(parsed["told"]).values() for said in table["told"].to_pylist()),
        key=lambda said: said["piece"],
    )
    before = _before({said["piece"]: said["accepted"] for said in told})
    named = flow.step("ids", partial(_named, before=before), ids=parsed["ids"])
    found = _put_together(told, total_of(flow, named["again"]), params.reading)
    check_files(found.files, found.rejects)
    reading.check_rejects(found)
    reduced = flow.step(
        "sketch", partial(_sketched, before=before, params=params, parts=flow.parts),
        documents=parsed["documents"], ids=named["ids"],
    )  # fmt: skip
    return corpus.place(flow, {name: reduced[name] for name in corpus.KINDS}), found


def _before(sizes: Mapping[int, int]) -> dict[int, int]:
    """Return how many there are before each piece."""
    order = sorted(sizes)
    return dict(zip(order, [0, *np.cumsum([sizes[piece] for piece in order]).tolist()], strict=False))


def _rows_by_piece(flow: Flow, counts: Dataset) -> dict[int, int]:
    """Return how many rows each piece has, as `_counted` told."""
    found: Counter[int] = Counter()
    for table in flow.gather(counts).values():
        found.update(dict(zip(table["piece"].to_pylist(), table["rows"].to_pylist(), strict=True)))
    return dict(found)


# Steps, in the order in which they run


def _counted(part: int, tables: Tables) -> Iterator[Message]:
    """Count the rows of each stretch that is here, and keep them."""
    table = tables["rows"]
    piece, size = np.unique(table["__piece"].to_numpy(), return_counts=True)
    yield Message("rows", part, table)
    yield Message("counts", part, pa.table({"piece": piece, "rows": size}))


def _read_files(
    part: int, tables: Tables, *, params: ReadingParams, kept: dict[str, pa.Field], parts: int
) -> Iterator[Message]:
    """Read the files of a part, one after the other; a piece is what a part reads."""
    rows = tables["files"].sort_by("number").to_pylist()
    found = [reading.FoundFile(_place(row["path"], row.get("content")), row["source_file"]) for row in rows]
    yield from _records(Source(partial(reader.read_files, found, None), kept, params), part, parts)


def _place(path: str, content: bytes | None) -> Path | RemoteFile:
    """Return what a reader opens: the file of a path, or its content where that came along."""
    if content is None:
        return Path(path)
    scheme, _, rest = path.partition("://")
    store, _, key = rest.partition("/")
    return Content(content).find(Url(scheme, store, key))[0]


def _read_rows(
    part: int, tables: Tables, *, before: dict[int, int], params: ReadingParams, kept: dict[str, pa.Field], parts: int
) -> Iterator[Message]:
    """Read rows of a frame, numbered among all."""
    table = tables["rows"]
    pieces = table["__piece"].to_numpy()
    begin = np.flatnonzero(np.diff(pieces, prepend=-1))
    for start, stop in zip(begin.tolist(), [*begin[1:].tolist(), len(pieces)], strict=True):
        piece = int(pieces[start])
        batch = table.slice(start, stop - start).drop_columns(["__piece"]).combine_chunks().to_batches()[0]
        info = InputFile("", reading.MEMORY, reading.MEMORY)
        info.columns = columns.choose(batch.schema.names, params, reading.MEMORY)

        def chunks(
            source: Source, batch: pa.RecordBatch = batch, first: int = before[piece], info: InputFile = info
        ) -> Iterator[Chunk]:
            source.files.append(info)
            yield from parquet.chunks(batch, first, info, source, {})

        yield from _records(Source(chunks, kept, params), piece, parts)


def _records(source: Source, piece: int, parts: int) -> Iterator[Message]:
    """Send the documents of a piece out in blocks, what ids they ask for, and what there is to tell."""
    at = 0
    for block, (chunk, _) in enumerate(source.chunks()):
        home = (piece + block) % parts
        wanted = source.wanted_ids(chunk)
        n = len(wanted)
        documents = pa.Table.from_batches([source.batch(chunk, at, wanted)])
        yield Message("documents", home, documents.append_column("piece", pa.array(np.full(n, piece))))
        places = {"piece": np.full(n, piece), "at": np.arange(at, at + n), "home": np.full(n, home)}
        roots = pa.array([_SUFFIX.sub("", id) for id in wanted], pa.string())
        digest = hashing.digest(*schema.utf8(roots))[:, 0]
        yield from deal("ids", pa.table({"id": pa.array(wanted, pa.string()), **places}), part_of_hash(digest, parts))
        at += n
    told = {
        "piece": piece,
        "accepted": at,
        "n_records": source.n_records,
        "files": [asdict(file) for file in source.files],
        "rejects": [asdict(reject) for reject in source.rejects],
        "counts": source.counts,
    }
    yield Message("told", piece % parts, pa.table({"told": pa.array([orjson.dumps(told)], pa.large_binary())}))


def _named(part: int, tables: Tables, *, before: dict[int, int]) -> Iterator[Message]:
    """Make ids unique, in the order of the input; those that begin alike are all here."""
    table = tables["ids"]
    first = np.array([before[piece] for piece in table["piece"].to_pylist()])
    order = np.argsort(first + table["at"].to_numpy())
    table = schema.take(table, pa.array(order))
    made, again = unique_ids(table["id"].to_pylist(), {})
    fresh = pa.array(made, pa.string())
    changed = pc.not_equal(fresh, table["id"])
    renamed = table.set_column(table.schema.get_field_index("id"), "id", fresh).filter(changed)
    yield from deal("ids", renamed, renamed["home"].to_numpy())
    yield counted("again", part, again)


def _sketched(part: int, tables: Tables, *, before: dict[int, int], params: Params, parts: int) -> Iterator[Message]:
    """Give documents their row and id, and reduce them to sketches."""
    if "documents" not in tables:
        return
    table = tables["documents"]
    piece, at = table["piece"].to_numpy(), table["row"].to_numpy()
    row = np.array([before[number] for number in np.unique(piece).tolist()])[np.unique(piece, return_inverse=True)[1]]
    row += at
    ids = table["doc_id"].combine_chunks()
    if "ids" in tables:
        renamed = tables["ids"]
        first = np.array([before[number] for number in renamed["piece"].to_pylist()])
        order = np.argsort(row)
        place = order[np.searchsorted(row[order], first + renamed["at"].to_numpy())]
        mask = np.zeros(len(table), np.bool_)
        mask[place] = True
        by_place = renamed["id"].combine_chunks().take(pa.array(np.argsort(place)))
        ids = pc.replace_with_mask(ids, pa.array(mask), by_place)
    for name, values in (("row", pa.array(row)), ("doc_id", ids)):
        table = table.set_column(table.schema.get_field_index(name), name, values)
    for batch in table.drop_columns(["piece"]).combine_chunks().to_batches(max_chunksize=_ROWS):
        yield from corpus.reduced(batch, params, parts)


def _put_together(told: list[dict[str, Any]], again: int, params: ReadingParams) -> Read:
    """Put together what the parts say of what they read."""
    files: list[InputFile] = []
    for file in (InputFile(**file) for said in told for file in said["files"]):
        if files and files[-1].source_file == file.source_file:  # stretches of one frame
            files[-1].records += file.records
            files[-1].rejected += file.rejected
        else:
            files.append(file)
    counts = dict.fromkeys(COUNTS, 0)
    for said in told:
        for name, count in said["counts"].items():
            counts[name] += count
    counts["duplicate_ids"] = again
    rejects = [Reject(**reject) for said in told for reject in said["rejects"]]
    return Read(files, rejects, counts, sum(said["n_records"] for said in told), params)
