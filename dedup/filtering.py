"""The kept records of a run, with all their input columns, read once more from the input files."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from dedup import commit, reading
from dedup.errors import InputError, OutputExistsError, SettingsError
from dedup.params import check_tmp_dir
from dedup.remote import RemoteFile, is_url
from dedup.run import Result, kept_column

_File = Path | str  # a local file, or a URL
ENDINGS = (".parquet", ".jsonl", ".csv")
_CSV_TYPES = (  # what the CSV writer takes; the rest becomes text
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_date,
    pa.types.is_timestamp,
)
# What spreadsheets take for the start of a formula (OWASP, "CSV Injection"), full-width ones too; a number is none.
_FORMULA = "^[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]"
_NUMBER = "^[+-]?[0-9]+([.,][0-9]+)*([eE][+-]?[0-9]+)?$"
_ROWS_AT_ONCE = 10_000  # records that are Python objects at the same time


def filter_run(
    result: Result,
    out_file: str | Path,
    level: str = "story",
    dropped_file: str | Path | None = None,
    if_exists: str = "error",
    tmp_dir: str | None = None,
) -> dict[str, int]:
    """Write the complete input records of the documents to keep, in input order.

    Parameters
    ----------
    result : its inputs must still be where its manifest says, unchanged.
    out_file : ends in .parquet, .jsonl or .csv; or s3://bucket/key with such an end.
    level : `story` keeps one document per story, `duplicate` one per duplicate group.
    dropped_file : takes the other documents; refused records are in neither.
    if_exists : `error` or `overwrite`.
    tmp_dir : folder for packed Parquet inputs and for files on their way to S3; None: the system's.

    Returns
    -------
    `kept` and `dropped`, numbers of records.

    Raises
    ------
    SettingsError
        An unknown level or ending, both files are one, or a URL that is not of S3.
    OutputExistsError
        A file is there and may not be replaced, is one of the inputs, or lies in the folder of the run.
    InputError
        The run was made from data in memory, or an input is gone or has changed.
    ResourceError
        A file cannot be written; what was there before stays.
    """
    column = kept_column(level)
    check_tmp_dir(tmp_dir)
    inputs = result.manifest["inputs"]
    files = [str(file) if is_url(file) else Path(file) for file in (out_file, dropped_file) if file is not None]
    _check_files(files, if_exists, result)
    for file in inputs:
        _check_input(file, tmp_dir)
    parts: list[list[pa.Table]] = [[] for _ in files]
    for file, rows, kept in _by_input(result, column):
        records = reading.raw_records(file["path"], file["format"], rows, tmp_dir)
        _check_names(file["path"], records.column_names)
        for part, chosen in zip(parts, (kept, ~kept), strict=False):
            part.append(records.filter(pa.array(chosen)))
    _write_all(files, [_together(part) for part in parts], if_exists, tmp_dir)
    n_kept = pc.sum(result.documents[column]).as_py() or 0
    return {"kept": n_kept, "dropped": result.documents.num_rows - n_kept}


def check_place(file: _File, if_exists: str, result: Result) -> None:
    """Refuse a file or URL that may not be written: one that is there, an input of the run, or one in its folder.

    Raises
    ------
    SettingsError
        `if_exists` is neither `error` nor `overwrite`, or a URL that is not of S3.
    OutputExistsError
        It may not be written.
    InputError
        There is no folder for it.
    """
    if if_exists not in ("error", "overwrite"):
        raise SettingsError(f"if-exists: got {if_exists!r}, wanted error or overwrite")
    paths = [entry["path"] for entry in result.manifest["inputs"] if entry["path"]]
    if _same(file) in map(_same, (path if is_url(path) else Path(path) for path in paths)):
        raise OutputExistsError(f"{file}: is an input of the run; name another file")
    if isinstance(file, str):
        _single().check_file(file, if_exists)
        return
    if result.path is not None and result.path.resolve() in file.resolve().parents:
        raise OutputExistsError(f"{file}: lies in the folder of the run; name a file elsewhere")
    if file.is_dir() or (file.exists() and if_exists == "error"):
        remedy = "name another one" if file.is_dir() else "replace it with --if-exists overwrite"
        raise OutputExistsError(f"{file}: is there already; {remedy}")
    if not file.parent.is_dir():
        raise InputError(f"{file}: no folder {str(file.parent)!r}; make it first, or name another file")


def _write_all(files: list[_File], tables: list[pa.Table], if_exists: str, tmp_dir: str | None) -> None:
    """Write each table to a file beside its place, or on its way to S3; then, all being whole, put them there."""
    with tempfile.TemporaryDirectory(prefix="dedup-", dir=tmp_dir) if any(map(is_url, files)) else nullcontext() as way:
        written = [
            Path(way or "", f"{place}{_ending(file)}") if isinstance(file, str) else _temporary(file)
            for place, file in enumerate(files)
        ]
        try:
            for temporary, table, file in zip(written, tables, files, strict=True):
                with commit.write_errors(temporary.parent if is_url(file) else file):
                    _write(table, temporary, _ending(file))
                    commit.sync(temporary)
            for temporary, file in zip(written, files, strict=True):
                if isinstance(file, str):
                    _single().upload(temporary, file, if_exists)
                    continue
                with commit.write_errors(file):
                    temporary.replace(file)
        finally:
            for temporary in written:
                temporary.unlink(missing_ok=True)


def _single() -> ModuleType:
    from dedup.remote import single  # noqa: PLC0415 - nothing of it is needed where files are local

    return single


def _ending(file: _File) -> str:
    return PurePosixPath(file).suffix if isinstance(file, str) else file.suffix


def _check_files(files: list[_File], if_exists: str, result: Result) -> None:
    if len(set(map(_same, files))) < len(files):
        raise SettingsError(f"{files[0]}: named for the kept and for the dropped records; name two files")
    for file in files:
        if _ending(file) not in ENDINGS:
            raise SettingsError(f"{file}: got ending {_ending(file)!r}, wanted {', '.join(ENDINGS)}; name another file")
        check_place(file, if_exists, result)


def _same(file: _File) -> _File:
    """Return what two names of one file have in common."""
    return file if isinstance(file, str) else file.resolve()


def _check_input(file: dict[str, Any], tmp_dir: str | None) -> None:
    if not file["path"]:
        raise InputError(
            f"{file['source_file']}: the run was made from data in memory or from a pipe, wanted files; "
            "use Result.kept() in Python, or cluster files"
        )
    path = reading.place_of(file["path"], tmp_dir)
    remedy = "put the file back as it was, or cluster again"
    size = path.stat().st_size if isinstance(path, RemoteFile) or path.is_file() else None
    if size != file["bytes"]:
        got = "is not there" if size is None else f"has {size:,} bytes"
        raise InputError(f"{path}: {got}, wanted {file['bytes']:,} bytes as in the run; {remedy}")
    if not reading.is_version(path, file):
        wanted = f"SHA-256 {file['sha256'][:12]}…" if file["sha256"] else f"version {file['etag']}"
        raise InputError(f"{path}: has changed since the run, wanted {wanted}; {remedy}")


def _check_names(path: str, names: list[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: got two columns {twice!r}, wanted each name once; rename one and cluster again")


def _by_input(
    result: Result, column: str
) -> Iterator[tuple[dict[str, Any], npt.NDArray[np.int64], npt.NDArray[np.bool_]]]:
    """Yield each input that has documents, the rows of these in it, ascending, and which are kept."""
    documents = result.documents.select(["row", "source_file", "source_row", column]).sort_by("row")
    names = documents["source_file"].combine_chunks().dictionary_encode()
    codes = names.indices.to_numpy()
    rows = documents["source_row"].to_numpy()
    kept = documents[column].to_numpy()
    # Sorted by code, and inside a file still by row, which is input order.
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(names.dictionary) + 1))
    place = {name: code for code, name in enumerate(names.dictionary.to_pylist())}
    for file in result.manifest["inputs"]:
        if (code := place.get(file["source_file"])) is not None:
            here = order[bounds[code] : bounds[code + 1]]
            yield file, rows[here], kept[here]


def _together(parts: list[pa.Table]) -> pa.Table:
    """Join the records of several inputs; a column whose types do not go together becomes text."""
    if not parts:
        return pa.table({})
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except pa.ArrowTypeError:
        names = dict.fromkeys(name for part in parts for name in part.column_names)
        clash = {name for name in names if not _promotable([part for part in parts if name in part.column_names], name)}
        return pa.concat_tables([_as_text(part, clash) for part in parts], promote_options="permissive")


def _promotable(parts: list[pa.Table], name: str) -> bool:
    try:
        pa.concat_tables([part.select([name]).slice(0, 0) for part in parts], promote_options="permissive")
    except pa.ArrowTypeError:
        return False
    return True


def _as_text(table: pa.Table, names: set[str]) -> pa.Table:
    for position, name in enumerate(table.column_names):
        if name in names:
            table = table.set_column(position, name, _text(table[name]))
    return table


def _defused(table: pa.Table) -> pa.Table:
    """Put an apostrophe before every text, names of columns too, that a spreadsheet would run as a formula."""
    for position, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            column = table[field.name]
            formula = pc.and_not(pc.match_substring_regex(column, _FORMULA), pc.match_substring_regex(column, _NUMBER))
            quoted = pc.binary_join_element_wise(pa.scalar("'", field.type), column, pa.scalar("", field.type))
            table = table.set_column(position, field, pc.if_else(formula, quoted, column))
    return table.rename_columns([f"'{name}" if re.match(_FORMULA, name) else name for name in table.column_names])


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as strings; nested values as JSON."""
    try:
        return column.cast(pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass  # nested, or binary that is not UTF-8
    chunks = [pa.array(map(_cell, chunk.to_pylist()), pa.large_string()) for chunk in column.chunks]
    return pa.chunked_array(chunks, pa.large_string())


def _cell(value: Any) -> str | None:
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=_plain).decode()
    return None if value is None else _plain(value)


def _plain(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _temporary(file: Path) -> Path:
    return file.with_name(f".{file.name}.dedup-{os.getpid()}")


def _write(table: pa.Table, file: Path, ending: str) -> None:
    if ending == ".parquet":
        pq.write_table(table, file, compression="zstd")
    elif ending == ".csv":
        other = {field.name for field in table.schema if not any(is_type(field.type) for is_type in _CSV_TYPES)}
        pyarrow.csv.write_csv(_defused(_as_text(table, other)), file)
    else:
        with file.open("wb") as stream:
            for batch in table.to_batches(_ROWS_AT_ONCE):
                for record in batch.to_pylist():
                    stream.write(orjson.dumps(record, default=_plain, option=orjson.OPT_APPEND_NEWLINE))
