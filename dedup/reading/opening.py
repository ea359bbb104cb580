"""What a user hands over → a Source: paths, data frames, lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

import pyarrow as pa

from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.reading import columns, documents, finding, parquet, reader, rows
from dedup.reading.documents import Chunk
from dedup.reading.files import FoundFile
from dedup.reading.rows import Item
from dedup.reading.source import InputFile, Source

MEMORY = "memory"
_WANTED = "wanted paths, a data frame (pyarrow, pandas, polars, DuckDB), or a list of dicts"


def open_source(source: Any, params: ReadingParams, tmp_dir: str | None = None) -> Source:
    """Open paths, files found before, a data frame or a list of dicts; a string is always a path.

    Parameters
    ----------
    source : the input.
    params : how it is read.
    tmp_dir : folder of the temporary files that standard input and packed Parquet need; None: the system's.

    Raises
    ------
    InputError
        If it is none of these, or as `open_paths` and `open_frame` say.
    """
    if isinstance(source, str | Path):
        return open_paths([source], params, tmp_dir)
    if isinstance(source, list | tuple) and _are_paths(source):
        return open_paths(source, params, tmp_dir)
    if isinstance(source, list) and source and all(isinstance(item, FoundFile) for item in source):
        return reader.open_found(source, params, tmp_dir)
    return open_frame(source, params)


def _are_paths(source: Sequence[Any]) -> TypeGuard[Sequence[str | Path]]:
    return bool(source) and all(isinstance(item, str | Path) for item in source)


def open_paths(paths: Sequence[str | Path], params: ReadingParams, tmp_dir: str | None = None) -> Source:
    """Open files and folders; they are read when `batches` is called.

    Raises
    ------
    InputError
        If a path is missing, a folder holds nothing to read, or no file has a column of `keep_cols`.
    """
    return reader.open_found(finding.find(paths, params, tmp_dir), params, tmp_dir)


def open_frame(frame: Any, params: ReadingParams) -> Source:
    """Open anything with `__arrow_c_stream__` or `__arrow_c_array__`, or a list of dicts or of plain texts.

    Its `source_file` is "memory".

    Raises
    ------
    InputError
        If it is something else, cannot be converted, or has neither a text nor a title.
    """
    if isinstance(frame, list | tuple):
        return _open_list(frame, params)
    if not hasattr(frame, "__arrow_c_stream__") and not hasattr(frame, "__arrow_c_array__"):
        raise InputError(f"{MEMORY}: got {type(frame).__name__}; {_WANTED}; a lazy frame must be collected")
    try:
        if hasattr(frame, "__arrow_c_stream__"):
            reader = pa.RecordBatchReader.from_stream(frame)
        else:
            reader = pa.Table.from_batches([pa.record_batch(frame)]).to_reader()
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
