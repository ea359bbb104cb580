"""What a user hands over → a Source: paths, data frames, lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

import pyarrow as pa

from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.reading import cells, columns, inputs
from dedup.reading.files import FoundFile, find
from dedup.reading.records import InputFile
from dedup.reading.source import Source

MEMORY = "memory"
_WANTED = "wanted paths, a data frame (pyarrow, pandas, polars, DuckDB), or a list of dicts"


def open_source(source: Any, params: ReadingParams) -> Source:
    """Open paths, a data frame or a list of dicts; a string is always a path.

    Raises
    ------
    InputError
        If it is none of these, or as `open_paths` and `open_frame` say.
    """
    if isinstance(source, str | Path):
        return open_paths([source], params)
    if isinstance(source, list | tuple) and _are_paths(source):
        return open_paths(source, params)
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
    found = find(paths, params)
    kept = _kept_of_files(found, params) if params.keep_cols else {}
    return Source(partial(inputs.from_files, found), kept, params)


def _kept_of_files(found: Sequence[FoundFile], params: ReadingParams) -> dict[str, pa.Field]:
    seen: list[dict[str, pa.DataType]] = []
    missing = set(params.keep_cols)
    typed = True
    for file in found:
        format = inputs.detected(file).name
        typed = typed and format in ("parquet", "txt", "")
        # Every Parquet footer is read for its types; the others have names only, and reading their starts costs more.
        if format == "parquet" or missing:
            types = inputs.column_types(file, format, params)
            missing -= types.keys()
            if types or format == "txt":
                seen.append(types)
    if not typed:
        seen = [dict.fromkeys(types, pa.string()) for types in seen]
    return columns.kept_fields(params.keep_cols, seen)


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
    return Source(partial(inputs.from_batches, _guarded(reader), info), kept, params)


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
    return Source(partial(inputs.from_list, items, info), kept, params)


def _list_type(items: Sequence[Any], name: str) -> pa.DataType:
    values = [item.get(name) for item in items if isinstance(item, dict)]
    try:
        type = columns.kept_type(pa.array(values, from_pandas=True).type)
        cells.kept_array(values, type)
    except cells.CANNOT:
        return pa.string()
    return type
