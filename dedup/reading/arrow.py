"""Columnar input (Parquet files, data frames) → chunks of columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup.reading import cells, dates
from dedup.reading.records import Chunk, Dates, InputFile, Reject, Run
from dedup.reading.rows import STRING_ROLES


def chunks(batch: pa.RecordBatch, first_row: int, info: InputFile, run: Run) -> Iterator[Chunk]:
    """Yield one batch of input as columns, in pieces of bounded size.

    Parameters
    ----------
    batch : holds the columns that `info.columns` and `run.kept` name (a kept one may be missing).
    first_row : source_row of its first record.
    info : the file that it comes from.
    run : its parameters bound a chunk.
    """
    params, roles = run.params, info.columns
    for start in range(0, batch.num_rows, params.batch_rows):
        part = batch.slice(start, params.batch_rows)
        columns = {name: _plain(part, name) for name in (*roles.values(), *run.kept)}
        rows = first_row + start + np.arange(part.num_rows)
        rejects, good = _checked(columns, rows, info)
        if rejects:
            columns = {name: column.filter(good) for name, column in columns.items()}
            rows = rows[good]
        chunk = _chunk(columns, rows, info, run.kept)
        chunk.rejects = rejects
        yield from _cut(chunk, params.batch_chars)


def _plain(batch: pa.RecordBatch, name: str) -> pa.Array:
    index = (
        batch.schema.names.index(name) if name in batch.schema.names else None
    )  # by name fails where one comes twice
    if index is None:
        return pa.nulls(batch.num_rows)
    array = batch.column(index)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _checked(
    columns: dict[str, pa.Array], rows: npt.NDArray[np.int64], info: InputFile
) -> tuple[list[Reject], npt.NDArray[np.bool_]]:
    roles = info.columns
    reasons: dict[int, tuple[str, str]] = {}
    for role in ("title", "text"):
        column = columns.get(roles.get(role, ""))
        if column is not None and pa.types.is_nested(column.type):
            message = f"{roles[role]!r} holds a {column.type}; wanted a string; name another column with --{role}-col"
            for position in np.flatnonzero(np.asarray(pc.is_valid(column))).tolist():
                reasons[position] = (f"{role}_not_string", message)
    for name, column in columns.items():
        for position in _undecodable(column):
            reasons.setdefault(position, ("bad_utf8", f"{name!r} is not valid UTF-8; write the file again as UTF-8"))
    good = np.ones(len(rows), np.bool_)
    good[list(reasons)] = False
    rejects = [Reject(info.source_file, int(rows[at]), None, None, *reasons[at]) for at in sorted(reasons)]
    return rejects, good


def _undecodable(column: pa.Array) -> list[int]:
    binary = pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
    try:
        (column.cast(pa.large_string()) if binary else column).validate(full=True)
    except pa.ArrowInvalid:
        return [position for position, value in enumerate(column) if not _decodes(value)]
    return []


def _decodes(value: pa.Scalar) -> bool:
    try:
        plain = value.as_py()
        if isinstance(plain, bytes):
            plain.decode("utf-8")
    except (UnicodeDecodeError, pa.ArrowInvalid):
        return False
    except (ValueError, OverflowError):  # a moment that Python has no date for is no question of UTF-8
        return True
    return True


def _chunk(
    columns: dict[str, pa.Array],
    rows: npt.NDArray[np.int64],
    info: InputFile,
    kept: dict[str, pa.Field],
) -> Chunk:
    roles = info.columns
    missing = pa.nulls(len(rows))
    text = columns[roles["text"]] if "text" in roles else missing
    return Chunk(
        source_file=[info.source_file] * len(rows),
        source_row=rows,
        text=_strings(text, pa.large_string()).fill_null(""),
        strings={
            role: _strings(columns[roles[role]] if role in roles else missing, pa.string()) for role in STRING_ROLES
        },
        dates=_dates(columns[roles["date"]] if "date" in roles else missing),
        kept=[_kept(columns[name], field.type) for name, field in kept.items()],
        rejects=[],
        has_ids="id" in roles,
    )


def _strings(column: pa.Array, target: pa.DataType) -> pa.Array:
    if pa.types.is_floating(column.type) or pa.types.is_nested(column.type):
        # Arrow writes 1.0 as "1"; one number has one spelling in every format.
        return pa.array(cells.texts(_pylist(column)), target)
    if pa.types.is_decimal(column.type):
        return pa.array([value if value is None else str(value) for value in column.to_pylist()], target)
    try:
        return column.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array(cells.texts(_pylist(column)), target)


def _pylist(column: pa.Array) -> list[object]:
    values = []
    for scalar in column:
        try:
            values.append(scalar.as_py())
        except (ValueError, OverflowError):  # a moment that Python has no date for
            values.append(None)
    return values


def _dates(column: pa.Array) -> Dates:
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return dates.from_timestamps(column)
    return dates.from_values([None if cells.is_missing(value) else value for value in _pylist(column)])


def _kept(column: pa.Array, target: pa.DataType) -> pa.Array:
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), target)
    if pa.types.is_timestamp(target):
        moments = dates.from_timestamps(column)
        return pa.array(moments.micros, pa.int64(), mask=~moments.known).cast(target)
    return column.cast(target) if not pa.types.is_string(target) else _strings(column, target)


def _cut(chunk: Chunk, batch_chars: int) -> Iterator[Chunk]:
    if chunk.text.nbytes <= batch_chars:
        yield chunk
        return
    ends = np.cumsum(pc.binary_length(chunk.text).to_numpy(zero_copy_only=False))
    pieces = np.flatnonzero(np.diff(ends // batch_chars)) + 1
    rest = chunk
    for length in np.diff(np.concatenate(([0], pieces))):
        piece, rest = rest.split(int(length))
        yield piece
    yield rest
