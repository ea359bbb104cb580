"""Files that were found → a Source: each opened once, told by its content, read to its end, and seen not to change."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import BinaryIO

import pyarrow as pa

from dedup.params import ReadingParams
from dedup.reading import arrays, columns, delimited, encodings, files, formats, jsonl, parquet, partitions, plain, rows
from dedup.reading.documents import Chunk, Reject
from dedup.reading.files import FoundFile
from dedup.reading.packed import PACKED_CHUNK_BYTES, PackedError, unpacked
from dedup.reading.rows import Item
from dedup.reading.source import InputFile, Source
from dedup.remote import RemoteFile

_ROLES = {role: role for role in columns.NAMES}  # the keys of one-document files are those of the roles


def open_found(found: Sequence[FoundFile], params: ReadingParams, tmp_dir: str | None = None) -> Source:
    """Open files; they are read when `batches` is called.

    Raises
    ------
    InputError
        If one cannot be opened, or none has a column of `keep_cols`.
    """
    return Source(partial(read_files, found, tmp_dir), kept_of_files(found, params, tmp_dir), params)


def read_files(found: Sequence[FoundFile], tmp_dir: str | None, source: Source) -> Iterator[Chunk]:
    """Yield the records of files, one after the other."""
    pairs = ((file, detected(file, source.params)) for file in found)
    # Files of one document are joined into chunks: a million of them must not make a million batches.
    for one_document, group in itertools.groupby(pairs, key=lambda pair: pair[1].name in formats.DOCUMENTS):
        if one_document:
            yield from rows.chunks(_documents(group, source), _ROLES, source)
        else:
            for file, format in group:
                if source.remaining() == 0:
                    return
                yield from _read_file(file, format, source, tmp_dir)
        if source.remaining() == 0:
            return


def detected(file: FoundFile, params: ReadingParams) -> formats.Format:
    """Tell the format of a file by its start."""
    with files.opened(file) as stream:
        head = _head(stream)
    flags = (getattr(params, f"{role}_col") for role in ("text", "title"))
    names = {*columns.NAMES["text"], *columns.NAMES["title"], *filter(None, flags)}
    return formats.detect(file.path.name, head, {name.lower() for name in names})


def _head(stream: BinaryIO) -> bytes:
    """Return the first bytes of a file, unpacked and in UTF-8; none where they are damaged."""
    try:
        return next(encodings.utf8(unpacked(stream, hashlib.sha256())), b"")
    except PackedError:
        return b""


@contextmanager
def _opened(file: FoundFile, format: str, source: Source) -> Iterator[tuple[BinaryIO, InputFile, list[Reject]]]:
    """Open a file and note it among the inputs; at its end the list holds a refusal if it has changed."""
    before = files.stamp(file)
    changed: list[Reject] = []
    with files.opened(file) as stream:
        path = "" if file.spool is not None else str(file.path)
        info = InputFile(path, file.source_file, format, bytes=before[0] if before else 0)
        if isinstance(file.path, RemoteFile):
            info.etag = file.path.etag
        source.files.append(info)
        yield stream, info, changed
        if file.spool is not None:
            info.bytes = file.spool.bytes
        elif files.stamp(file) != before:
            message = "changed while it was read; wanted a file that nobody writes to; run again when it is finished"
            changed.append(Reject(file.source_file, -1, None, None, "file_changed", message))


def _documents(found: Iterator[tuple[FoundFile, formats.Format]], source: Source) -> Iterator[Item | Reject]:
    for file, format in found:
        with _opened(file, format.name, source) as (stream, info, changed):
            digest = hashlib.sha256()
            chunks = encodings.utf8(unpacked(stream, digest))
            item = plain.record(chunks, file.source_file, source.counts, format.name)
            info.sha256 = files.finished(stream, digest)
        if isinstance(item, Item):
            item.value.update(_by_role(partitions.of(file.path), item.value, source.params))
        if item is not None:
            yield item
        yield from (replace(reject, source_row=1) for reject in changed)


def _by_role(path_columns: dict[str, str | None], own: dict[str, str], params: ReadingParams) -> dict[str, str | None]:
    """Return the columns of a path, and those that have a role under the name of the role."""
    roles = columns.of_path(list(path_columns), params)
    given = {role: path_columns[name] for role, name in roles.items()}
    return {name: value for name, value in {**path_columns, **given}.items() if name not in own}


def _read_file(file: FoundFile, format: formats.Format, source: Source, tmp_dir: str | None) -> Iterator[Chunk]:
    place = file.source_file
    with _opened(file, format.name, source) as (stream, info, changed):
        digest = hashlib.sha256()
        if format.name == "parquet":
            yield from _read_parquet(stream, info, source, tmp_dir, partitions.of(file.path))
        else:
            own = partitions.of(file.path)
            if format.name:
                chunks = encodings.utf8(unpacked(stream, digest))
                names, items = _records(chunks, info, source.params, source.counts)
            else:
                names, items = [], iter([Reject(place, 0, None, None, format.code, format.message)])
            if names:
                info.columns = columns.choose(names, source.params, place, list(own))
            yield from rows.chunks(_with(own, items), info.columns, source)
            if file.spool is None or source.remaining() != 0:  # a pipe may have no end
                info.sha256 = files.finished(stream, digest)
    for reject in changed:
        yield from rows.chunks([replace(reject, source_row=info.records + info.rejected)], {}, source)


def _read_parquet(
    stream: BinaryIO, info: InputFile, source: Source, tmp_dir: str | None, own: dict[str, str | None]
) -> Iterator[Chunk]:
    if not info.etag:  # which names the content as well, and a remote file is not to be fetched twice
        info.sha256 = files.finished(stream, hashlib.sha256())
    stream.seek(0)
    head = stream.read(16)
    try:
        whole = files.seekable(stream, head, tmp_dir)
    except PackedError as error:
        yield from rows.chunks([Reject(info.source_file, 0, None, None, error.code, str(error))], {}, source)
        return
    yield from parquet.read(parquet.file_batches(whole, info, source, list(own)), info, source, own)


def _with(own: dict[str, str | None], items: Iterator[Item | Reject]) -> Iterator[Item | Reject]:
    if not own:
        return items
    return (_joined(own, item) if isinstance(item, Item) and type(item.value) is dict else item for item in items)


def _joined(own: dict[str, str | None], item: Item) -> Item:
    return item._replace(value={**own, **item.value})


def _records(
    chunks: Iterator[bytes], info: InputFile, params: ReadingParams, counts: dict[str, int]
) -> tuple[list[str], Iterator[Item | Reject]]:
    if info.format in ("jsonl", "json"):
        records = jsonl.records if info.format == "jsonl" else arrays.records
        return jsonl.peeked(records(chunks, info.source_file), params.batch_chars)
    return delimited.table(chunks, info.source_file, info.format, counts)


def kept_of_files(found: Sequence[FoundFile], params: ReadingParams, tmp_dir: str | None) -> dict[str, pa.Field]:
    """Return kept input column → field of the output; raises as `open_found`."""
    if not params.keep_cols:
        return {}
    seen: list[dict[str, pa.DataType]] = []
    missing = set(params.keep_cols)
    typed = True
    for file in found:
        format = detected(file, params).name
        typed = typed and format in ("parquet", *formats.DOCUMENTS, "")
        of_path = dict.fromkeys(partitions.of(file.path), pa.string())
        # Every Parquet footer is read for its types; the others have names only, and reading their starts costs more.
        if format == "parquet" or missing:
            types = of_path | _column_types(file, format, params, tmp_dir)
            missing -= types.keys()
            if types or format in formats.DOCUMENTS:
                seen.append(types)
    if not typed:
        seen = [dict.fromkeys(types, pa.string()) for types in seen]
    return columns.kept_fields(params.keep_cols, seen)


def _column_types(file: FoundFile, format: str, params: ReadingParams, tmp_dir: str | None) -> dict[str, pa.DataType]:
    # By its footer, header or first records; none where it cannot be read.
    with files.opened(file) as stream:
        if format == "parquet":
            try:
                schema = parquet.opened(files.seekable(stream, stream.read(PACKED_CHUNK_BYTES), tmp_dir)).schema_arrow
            except (parquet.BadParquetError, PackedError):
                return {}
            return dict(zip(schema.names, schema.types, strict=True))
        if format in ("", *formats.DOCUMENTS):
            return {}
        info = InputFile("", file.source_file, format)
        names, _ = _records(encodings.utf8(unpacked(stream, hashlib.sha256())), info, params, Counter())
        return dict.fromkeys(names, pa.string())
