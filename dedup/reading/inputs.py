"""The files of a run, one after the other → chunks; and data in memory → chunks."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader

import pyarrow as pa

from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.reading import arrow, columns, delimited, formats, jsonl, parquet, plain, rows, streams
from dedup.reading.files import FoundFile, printable
from dedup.reading.records import COUNTS, Chunk, InputFile, Item, Run


def from_files(found: Sequence[FoundFile], run: Run) -> Iterator[Chunk]:
    """Yield the records of all files."""
    pairs = ((file, detected(file)) for file in found)
    # Text files are joined into chunks: a million of them must not make a million batches.
    for plain_text, group in itertools.groupby(pairs, key=lambda pair: pair[1].name == "txt"):
        if plain_text:
            items = _text_files((file for file, _ in group), run)
            yield from rows.chunks(items, {"text": "text", "id": "id"}, run)
        else:
            for file, format in group:
                if run.remaining() == 0:
                    return
                yield from _from_file(file, format, run)
        if run.remaining() == 0:
            return


def detected(file: FoundFile) -> formats.Format:
    """Return the format of a file; raise InputError where it cannot be opened."""
    try:
        return formats.detect(file.path)
    except OSError as error:
        raise _unreadable(file, error) from None


@contextmanager
def _opened(file: FoundFile, format: str, run: Run) -> Iterator[tuple[BufferedReader, InputFile]]:
    try:
        with file.path.open("rb") as stream:
            info = InputFile(str(file.path), file.source_file, format, bytes=file.path.stat().st_size)
            run.files.append(info)
            yield stream, info
    except OSError as error:
        raise _unreadable(file, error) from None


def _unreadable(file: FoundFile, error: OSError) -> InputError:
    return InputError(f"{printable(file.path)}: {error.strerror}; make the file readable or leave it out")


def _text_files(found: Iterator[FoundFile], run: Run) -> Iterator[Item]:
    for file in found:
        with _opened(file, "txt", run) as (stream, info):
            digest = hashlib.sha256()
            item = plain.record(streams.unpacked(stream, digest), file.source_file, run.counts)
            info.sha256 = streams.finished(stream, digest)
        if item is not None:
            yield item


def _from_file(file: FoundFile, format: formats.Format, run: Run) -> Iterator[Chunk]:
    with _opened(file, format.name, run) as (stream, info):
        if format.name == "parquet":
            info.sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            yield from _from_parquet(stream, info, run)
            return
        digest = hashlib.sha256()
        if format.name:
            yield from _from_lines(streams.unpacked(stream, digest), info, run)
        else:
            yield _refusal(info, 0, format.code, format.message, run)
        info.sha256 = streams.finished(stream, digest)


def _from_lines(chunks: Iterator[bytes], info: InputFile, run: Run) -> Iterator[Chunk]:
    names, items = _items(chunks, info, run)
    if names:
        info.columns = columns.choose(names, run.params, info.source_file)
    yield from rows.chunks(items, info.columns, run)


def _items(chunks: Iterator[bytes], info: InputFile, run: Run) -> tuple[list[str], Iterator[Item]]:
    if info.format == "jsonl":
        return rows.peeked(jsonl.records(chunks, info.source_file), run.params.batch_chars)
    return delimited.table(chunks, info.source_file, info.format, run.counts)


def _from_parquet(stream: BufferedReader, info: InputFile, run: Run) -> Iterator[Chunk]:
    row = 0
    try:
        opened = parquet.opened(stream)
        info.columns = columns.choose(opened.schema_arrow.names, run.params, info.source_file)
        wanted = [name for name in (*info.columns.values(), *run.kept) if name in opened.schema_arrow.names]
        for batch in parquet.batches(opened, wanted, run.params):
            for chunk in arrow.chunks(batch, row, info, run):
                yield chunk
                if run.remaining() == 0:
                    return
            row += batch.num_rows
    except parquet.BadParquetError as error:
        yield _refusal(info, row, "bad_parquet", str(error), run)


def _refusal(info: InputFile, row: int, code: str, message: str, run: Run) -> Chunk:
    item = Item(info.source_file, row, None, None, None, code, message)
    return next(rows.chunks([item], {}, run))


def column_types(file: FoundFile, format: str, params: ReadingParams) -> dict[str, pa.DataType]:
    """Return the columns of a file by its footer, header or first records; none where it cannot be read."""
    run = Run(params, {}, [], dict.fromkeys(COUNTS, 0))
    with _opened(file, format, run) as (stream, info):
        if format == "parquet":
            try:
                schema = parquet.opened(stream).schema_arrow
            except parquet.BadParquetError:
                return {}
            return dict(zip(schema.names, schema.types, strict=True))
        if format in ("", "txt"):
            return {}
        names, _ = _items(streams.unpacked(stream, hashlib.sha256()), info, run)
        return dict.fromkeys(names, pa.string())


def from_batches(batches: Iterator[pa.RecordBatch], info: InputFile, run: Run) -> Iterator[Chunk]:
    """Yield the records of a data frame."""
    run.files.append(info)
    row = 0
    for batch in batches:
        for chunk in arrow.chunks(batch, row, info, run):
            if run.remaining() == 0:
                return
            yield chunk
        row += batch.num_rows


def from_list(items: Sequence[object], info: InputFile, run: Run) -> Iterator[Chunk]:
    """Yield the records of a list of dicts."""
    run.files.append(info)
    numbered = (Item(info.source_file, row, None, None, value) for row, value in enumerate(items))
    yield from rows.chunks(numbered, info.columns, run)
