"""What a user hands over → a Source: paths, data frames, lists."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeGuard

import pyarrow as pa

from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.reading import columns, delimited, documents, files, formats, jsonl, parquet, plain, rows
from dedup.reading.documents import Chunk, Reject
from dedup.reading.files import FoundFile
from dedup.reading.rows import Item
from dedup.reading.source import InputFile, Source
from dedup.remote import RemoteFile

MEMORY = "memory"
_WANTED = "wanted paths, a data frame (pyarrow, pandas, polars, DuckDB), or a list of dicts"


def open_source(source: Any, params: ReadingParams) -> Source:
    """Open paths, files found before, a data frame or a list of dicts; a string is always a path.

    Raises
    ------
    InputError
        If it is none of these, or as `open_paths` and `open_frame` say.
    """
    if isinstance(source, str | Path):
        return open_paths([source], params)
    if isinstance(source, list | tuple) and _are_paths(source):
        return open_paths(source, params)
    if isinstance(source, list) and source and all(isinstance(item, FoundFile) for item in source):
        return _open_found(source, params)
    return open_frame(source, params)


def _are_paths(source: Sequence[Any]) -> TypeGuard[Sequence[str | Path]]:
    return bool(source) and all(isinstance(item, str | Path) for item in source)


def open_paths(paths: Sequence[str | Path], params: ReadingParams) -> Source:
    """Open files and folders; they are read when `batches` is called.

    Raises
    ------
    InputError
        If a path is missing, a folder holds nothing to read, or no file has a column of `keep_cols`.
    """
    return _open_found(files.find(paths, params), params)


def _open_found(found: Sequence[FoundFile], params: ReadingParams) -> Source:
    kept = _kept_of_files(found, params) if params.keep_cols else {}
    return Source(partial(_read_files, found), kept, params)


def _read_files(found: Sequence[FoundFile], source: Source) -> Iterator[Chunk]:
    pairs = ((file, _detected(file)) for file in found)
    # Text files are joined into chunks: a million of them must not make a million batches.
    for plain_text, group in itertools.groupby(pairs, key=lambda pair: pair[1].name == "txt"):
        if plain_text:
            items = _text_files((file for file, _ in group), source)
            yield from rows.chunks(items, {"text": "text", "id": "id"}, source)
        else:
            for file, format in group:
                if source.remaining() == 0:
                    return
                yield from _read_file(file, format, source)
        if source.remaining() == 0:
            return


def _detected(file: FoundFile) -> formats.Format:
    try:
        return formats.detect(file.path.name, *files.head(file.path))
    except OSError as error:
        raise _unreadable(file, error) from None


@contextmanager
def _opened(file: FoundFile, format: str, seen: list[InputFile]) -> Iterator[tuple[BufferedReader, InputFile]]:
    try:
        with file.path.open("rb") as stream:
            info = InputFile(str(file.path), file.source_file, format, bytes=file.path.stat().st_size)
            if isinstance(file.path, RemoteFile):
                info.etag = file.path.etag
            seen.append(info)
            yield stream, info
    except OSError as error:
        raise _unreadable(file, error) from None


def _unreadable(file: FoundFile, error: OSError) -> InputError:
    return InputError(f"{files.printable(file.path)}: {error.strerror}; make the file readable or leave it out")


def _text_files(found: Iterator[FoundFile], source: Source) -> Iterator[Item | Reject]:
    for file in found:
        with _opened(file, "txt", source.files) as (stream, info):
            digest = hashlib.sha256()
            item = plain.record(files.unpacked(stream, digest), file.source_file, source.counts)
            info.sha256 = files.finished(stream, digest)
        if item is not None:
            yield item


def _read_file(file: FoundFile, format: formats.Format, source: Source) -> Iterator[Chunk]:
    with _opened(file, format.name, source.files) as (stream, info):
        if format.name == "parquet":
            if not info.etag:  # which names the content as well, and a remote file is not to be fetched twice
                info.sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            yield from parquet.read(parquet.file_batches(stream, info, source), info, source)
            return
        digest = hashlib.sha256()
        if format.name:
            names, items = _records(files.unpacked(stream, digest), info, source.params, source.counts)
        else:
            names, items = [], iter([Reject(info.source_file, 0, None, None, format.code, format.message)])
        if names:
            info.columns = columns.choose(names, source.params, info.source_file)
        yield from rows.chunks(items, info.columns, source)
        info.sha256 = files.finished(stream, digest)


def _records(
    chunks: Iterator[bytes], info: InputFile, params: ReadingParams, counts: dict[str, int]
) -> tuple[list[str], Iterator[Item | Reject]]:
    if info.format == "jsonl":
        return jsonl.peeked(jsonl.records(chunks, info.source_file), params.batch_chars)
    return delimited.table(chunks, info.source_file, info.format, counts)


def _kept_of_files(found: Sequence[FoundFile], params: ReadingParams) -> dict[str, pa.Field]:
    seen: list[dict[str, pa.DataType]] = []
    missing = set(params.keep_cols)
    typed = True
    for file in found:
        format = _detected(file).name
        typed = typed and format in ("parquet", "txt", "")
        # Every Parquet footer is read for its types; the others have names only, and reading their starts costs more.
        if format == "parquet" or missing:
            types = _column_types(file, format, params)
            missing -= types.keys()
            if types or format == "txt":
                seen.append(types)
    if not typed:
        seen = [dict.fromkeys(types, pa.string()) for types in seen]
    return columns.kept_fields(params.keep_cols, seen)


def _column_types(file: FoundFile, format: str, params: ReadingParams) -> dict[str, pa.DataType]:
    # By its footer, header or first records; none where it cannot be read.
    with _opened(file, format, []) as (stream, info):
        if format == "parquet":
            try:
                schema = parquet.opened(stream).schema_arrow
            except parquet.BadParquetError:
                return {}
            return dict(zip(schema.names, schema.types, strict=True))
        if format in ("", "txt"):
            return {}
        names, _ = _records(files.unpacked(stream, hashlib.sha256()), info, params, Counter())
        return dict.fromkeys(names, pa.string())


def open_frame(frame: Any, params: ReadingParams) -> Source:
    """Open anything with `__arrow_c_stream__`, or a list of dicts or of plain texts; its `source_file` is "memory".

    Raises
    ------
    InputError
        If it is something else, cannot be converted, or has neither a text nor a title.
    """
    if isinstance(frame, list | tuple):
        return _open_list(frame, params)
    if isinstance(frame, pa.RecordBatch):
        frame = pa.Table.from_batches([frame])
    if not hasattr(frame, "__arrow_c_stream__"):
        raise InputError(f"{MEMORY}: got {type(frame).__name__}; {_WANTED}; a lazy frame must be collected")
    try:
        reader = pa.RecordBatchReader.from_stream(frame)
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{MEMORY}: {type(frame).__name__} cannot become Arrow ({reason}); {_WANTED}") from None
    names = reader.schema.names
    info = InputFile("", MEMORY, "memory", columns=columns.choose(names, params, MEMORY))
    types = dict(zip(names, reader.schema.types, strict=True))
    kept = columns.kept_fields(params.keep_cols, [types])
    return Source(partial(_read_frame, _guarded(reader), info), kept, params)


def _read_frame(batches: Iterator[pa.RecordBatch], info: InputFile, source: Source) -> Iterator[Chunk]:
    source.files.append(info)
    yield from parquet.read(batches, info, source)


def _guarded(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InputError(f"{MEMORY}: the frame broke off ({' '.join(str(error).split())}); {_WANTED}") from None
        yield batch


def _open_list(items: Sequence[Any], params: ReadingParams) -> Source:
    if items and all(isinstance(item, str) for item in items):
        items = [{params.text_col or "text": item} for item in items]
    names = list(dict.fromkeys(key for item in items if isinstance(item, dict) for key in item if isinstance(key, str)))
    info = InputFile("", MEMORY, "memory")
    if names:
        info.columns = columns.choose(names, params, MEMORY)
    types = {name: _list_type(items, name) for name in params.keep_cols if name in names}
    found = [dict.fromkeys(names, pa.string()) | types] if names else []
    kept = columns.kept_fields(params.keep_cols, found)
    return Source(partial(_read_list, items, info), kept, params)


def _list_type(items: Sequence[Any], name: str) -> pa.DataType:
    values = [item.get(name) for item in items if isinstance(item, dict)]
    try:
        type = columns.kept_type(pa.array(values, from_pandas=True).type)
        documents.kept_array(values, type)
    except documents.CANNOT:
        return pa.string()
    return type


def _read_list(items: Sequence[object], info: InputFile, source: Source) -> Iterator[Chunk]:
    source.files.append(info)
    numbered = (Item(info.source_file, row, None, None, value) for row, value in enumerate(items))
    yield from rows.chunks(numbered, info.columns, source)
