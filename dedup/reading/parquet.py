"""Columnar input: Parquet files → Arrow batches; these, and those of data frames → chunks of columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dedup.reading import columns, dates, files, rows
from dedup.reading.documents import STRING_ROLES, Chunk, Reject, is_missing, texts
from dedup.reading.source import InputFile, Source

# Damage shows as any of these, depending on the byte that was hit.
DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, MemoryError, OverflowError, NotImplementedError)


class BadParquetError(Exception):
    """The file, or the rest of it, cannot be read; the message says why, on one line."""

    code = "bad_parquet"


class TooWideError(BadParquetError):
    """The file has more columns than are looked at."""

    code = "too_many_columns"


def opened(file: BinaryIO) -> pq.ParquetFile:
    """Open a Parquet file; raise BadParquetError where its footer cannot be read."""
    try:
        parquet = pq.ParquetFile(file, page_checksum_verification=True)  # of pages that have one
        parquet.schema_arrow  # noqa: B018 - made when asked for, and may fail
        width = parquet.metadata.num_columns
    except DAMAGE as error:
        raise _bad(error) from None
    if width > files.MAX_COLUMNS:
        wanted = f"wanted at most {files.MAX_COLUMNS:,}; write those that matter to a new file"
        raise TooWideError(f"{width:,} columns; {wanted}")
    return parquet


def file_batches(
    file: BinaryIO, info: InputFile, source: Source, path_names: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Yield the wanted columns of a file in batches of about `batch_rows` records and `batch_chars` bytes.

    Parameters
    ----------
    file : open for reading bytes.
    info : its `columns` are set.
    source : names the kept columns; its parameters bound a batch.
    path_names : columns that stand in its path.

    Raises
    ------
    InputError
        If it has neither a text nor a title.
    BadParquetError
        Where damage is met; the batches before it are good.
    """
    params = source.params
    parquet = opened(file)
    names = parquet.schema_arrow.names
    info.columns = columns.choose(names, params, info.source_file, path_names)
    wanted = dict.fromkeys(name for name in (*info.columns.values(), *source.kept) if name in names)
    try:
        footer = parquet.metadata
        stored = sum(footer.row_group(at).total_byte_size for at in range(footer.num_row_groups))
        per_row = max(1, stored // max(1, footer.num_rows))
        most = max(1, min(params.batch_rows, params.batch_chars // per_row))
        iterator = parquet.iter_batches(batch_size=most, columns=list(wanted))
    except DAMAGE as error:
        raise _bad(error) from None
    while True:
        try:
            batch = next(iterator)
        except StopIteration:
            return
        except DAMAGE as error:
            raise _bad(error) from None
        yield batch


def _bad(error: BaseException) -> BadParquetError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return BadParquetError(f"damaged Parquet ({reason}); fetch or write the file again")


def row_group(parquet: pq.ParquetFile, group: int) -> pa.Table:
    """Read one row group with all its columns; raise BadParquetError on damage."""
    try:
        return parquet.read_row_group(group)
    except DAMAGE as error:
        raise _bad(error) from None


def read(
    batches: Iterable[pa.RecordBatch], info: InputFile, source: Source, own: Mapping[str, str | None] | None = None
) -> Iterator[Chunk]:
    """Yield columnar input as chunks of bounded size, and where a Parquet file is damaged the refusal of its rest.

    Parameters
    ----------
    batches : hold the columns that `info.columns` and `source.kept` name (a kept one may be missing).
    info : the file that they come from.
    source : its parameters bound a chunk.
    own : columns that stand in its path, and their value.
    """
    row = 0
    if source.remaining() == 0:
        return
    try:
        for batch in batches:
            for chunk in chunks(batch, row, info, source, own or {}):
                yield chunk
                if source.remaining() == 0:  # before the next is asked for: it may be damaged
                    return
            row += batch.num_rows
    except BadParquetError as error:
        yield from rows.chunks([Reject(info.source_file, row, None, None, error.code, str(error))], {}, source)


def chunks(
    batch: pa.RecordBatch, first_row: int, info: InputFile, source: Source, own: Mapping[str, str | None]
) -> Iterator[Chunk]:
    """Yield the records of a batch, of which the first has this number; the rest as of `read`."""
    params = source.params
    for start in range(0, batch.num_rows, params.batch_rows):
        part = batch.slice(start, params.batch_rows)
        cells = {name: _plain(part, name, own) for name in (*info.columns.values(), *source.kept)}
        numbers = first_row + start + np.arange(part.num_rows)
        rejects, good = _checked(cells, numbers, info)
        if rejects:
            cells = {name: column.filter(good) for name, column in cells.items()}
            numbers = numbers[good]
        chunk = _chunk(cells, numbers, info, source.kept)
        chunk.rejects = rejects
        yield from _cut(chunk, params.batch_chars)


def _plain(batch: pa.RecordBatch, name: str, own: Mapping[str, str | None]) -> pa.Array:
    if name not in batch.schema.names:
        return pa.repeat(pa.scalar(own[name], pa.string()), batch.num_rows) if name in own else pa.nulls(batch.num_rows)
    array = batch.column(batch.schema.names.index(name))  # by name fails where one comes twice
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _checked(
    cells: dict[str, pa.Array], numbers: npt.NDArray[np.int64], info: InputFile
) -> tuple[list[Reject], npt.NDArray[np.bool_]]:
    roles = info.columns
    reasons: dict[int, tuple[str, str]] = {}
    for role in ("title", "text"):
        column = cells.get(roles.get(role, ""))
        if column is not None and pa.types.is_nested(column.type):
            message = f"{roles[role]!r} holds a {column.type}; wanted a string; name another column with --{role}-col"
            for position in np.flatnonzero(np.asarray(pc.is_valid(column))).tolist():
                reasons[position] = (f"{role}_not_string", message)
    for name, column in cells.items():
        for position in _undecodable(column):
            reasons.setdefault(position, ("bad_utf8", f"{name!r} is not valid UTF-8; write the file again as UTF-8"))
    good = np.ones(len(numbers), np.bool_)
    good[list(reasons)] = False
    rejects = [Reject(info.source_file, int(numbers[at]), None, None, *reasons[at]) for at in sorted(reasons)]
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
    cells: dict[str, pa.Array], numbers: npt.NDArray[np.int64], info: InputFile, kept: dict[str, pa.Field]
) -> Chunk:
    missing = pa.nulls(len(numbers))
    given = {role: cells[name] for role, name in info.columns.items()}
    made = {role: _strings(given.get(role, missing), pa.string()) for role in STRING_ROLES}
    made["text"] = _strings(given.get("text", missing), pa.large_string()).fill_null("")
    made["date"], made["date_unreadable"] = _dates(given.get("date", missing))
    kept_arrays = [_kept(cells[name], field.type) for name, field in kept.items()]
    return Chunk([info.source_file] * len(numbers), numbers, made, kept_arrays, [], "id" in info.columns)


def _strings(column: pa.Array, target: pa.DataType) -> pa.Array:
    if pa.types.is_floating(column.type) or pa.types.is_nested(column.type):
        # Arrow writes 1.0 as "1"; one number has one spelling in every format.
        return pa.array(texts(_pylist(column)), target)
    if pa.types.is_decimal(column.type):
        return pa.array([value if value is None else str(value) for value in column.to_pylist()], target)
    try:
        return column.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array(texts(_pylist(column)), target)


def _pylist(column: pa.Array) -> list[object]:
    values = []
    for scalar in column:
        try:
            values.append(scalar.as_py())
        except (ValueError, OverflowError):  # a moment that Python has no date for
            values.append(None)
    return values


def _dates(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return dates.from_timestamps(column)
    return dates.from_values([None if is_missing(value) else value for value in _pylist(column)])


def _kept(column: pa.Array, target: pa.DataType) -> pa.Array:
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), target)
    if pa.types.is_timestamp(target):
        return dates.from_timestamps(column)[0].cast(target)
    return column.cast(target) if not pa.types.is_string(target) else _strings(column, target)


def _cut(chunk: Chunk, batch_chars: int) -> Iterator[Chunk]:
    text = chunk.columns["text"]
    if text.nbytes <= batch_chars:
        yield chunk
        return
    ends = np.cumsum(pc.binary_length(text).to_numpy(zero_copy_only=False))
    pieces = np.flatnonzero(np.diff(ends // batch_chars)) + 1
    rest = chunk
    for length in np.diff(np.concatenate(([0], pieces))):
        piece, rest = rest.split(int(length))
        yield piece
    yield rest
