"""Files that are whole or not there: written under another name, brought to the disk, read again, then named."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dedup import spill
from dedup.errors import DedupError, ResourceError
from dedup.schema import TIMESTAMP

ROWS_PER_GROUP = 1_000_000
ROWS_PER_GROUP_WITH_TEXT = 20_000  # a reader holds one row group: at 5 kB a text, 100 MB
BYTES_PER_GROUP = 1 << 26  # of strings, likewise: about 100,000 documents

_PLAIN_TYPES = {pa.string(), pa.int32(), pa.int64(), pa.bool_(), pa.float64(), TIMESTAMP}
UNFINISHED = ".part"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the last: over the size that a file may have


@contextmanager
def write_errors(place: str | Path) -> Iterator[None]:
    """Turn what the system says about a failed write into a `ResourceError` that says where and what to do."""
    try:
        yield
    except OSError as error:
        full = error.errno in FULL
        remedy = "free some space" if full else "see that the disk is sound and can be written to"
        raise ResourceError(f"{place}: cannot be written ({error}); {remedy}, or name another one with -o") from error


def write_table(
    table: pa.Table, file: Path, wanted: pa.Schema, order: Sequence[tuple[str, str]], metadata: Mapping[str, str]
) -> dict[str, Any]:
    """Write a table as Parquet; the same rows give the same bytes, however they are chunked.

    Parameters
    ----------
    table : its columns begin with those of `wanted`; large_string is written as string.
    file : its path.
    wanted : the schema that was promised.
    order : columns and directions; declared in the file as far as the rows do have that order.
    metadata : key-value pairs of the file.

    Returns
    -------
    The file's entry in the manifest: `bytes`, `sha256`, `rows`.

    Raises
    ------
    DedupError
        Other columns, or a type that some reader does not take: a bug.
    """
    name = file.stem
    fields = [pa.field(field.name, _plain_type(field, name)) for field in table.schema]
    if pa.schema(fields[: len(wanted)]) != wanted:
        raise DedupError(f"{name}: got columns {table.schema.names}, wanted {wanted.names} first; please report this")
    target = pa.schema(fields, dict(metadata))
    sorting = pq.SortingColumn.from_ordering(target, found) if (found := _order(table, order)) else None
    with (
        _writing(file) as sink,
        pq.ParquetWriter(sink, target, compression="zstd", write_page_index=True, sorting_columns=sorting) as writer,
    ):
        for start, stop in _row_groups(table):
            # Copied into one chunk: pages must not depend on the chunks, and a slice of a column over 2 GiB cannot
            # be cast to string as long as it shares the offsets of the whole.
            columns = [pa.concat_arrays(column.chunks) for column in table.slice(start, stop - start).columns]
            rows = pa.table(columns, table.schema).cast(target)
            writer.write_table(rows, row_group_size=stop - start)
            del columns, rows
            spill.release()
    return finished(file, table.num_rows, sink.digest.hexdigest(), target)


def write_lines(lines: Iterable[str], file: Path) -> dict[str, Any]:
    r"""Write lines of text; a lone surrogate, as in a file name that is no UTF-8, becomes its JSON escape \udc80.

    Returns
    -------
    The file's entry in the manifest: `bytes`, `sha256`, `rows`.
    """
    count = 0
    with _writing(file) as sink:
        for line in lines:
            sink.write(f"{line}\n".encode("utf-8", "backslashreplace"))
            count += 1
    return finished(file, count, sink.digest.hexdigest())


def finished(file: Path, rows: int, written: str, wanted: pa.Schema | None = None) -> dict[str, Any]:
    """Bring an unfinished file to the disk, read it again, and give it its name.

    Parameters
    ----------
    rows : how many were written to it.
    written : the SHA-256 of what was written, in hex.
    wanted : the schema of its table, with the key-value pairs; None for text.

    Returns
    -------
    Its entry in the manifest: `bytes`, `sha256`, `rows`.

    Raises
    ------
    ResourceError
        It holds something else.
    """
    unfinished = _unfinished(file)
    sync(unfinished)
    same = sha256(unfinished) == written
    if same and wanted is not None:
        footer = pq.read_metadata(unfinished)
        same = footer.num_rows == rows and footer.schema.to_arrow_schema().equals(wanted, check_metadata=True)
    if not same:
        raise ResourceError(f"{file}: does not hold the {rows:,} rows written to it; see that the disk is sound")
    unfinished.rename(file)
    return {"bytes": file.stat().st_size, "sha256": written, "rows": rows}


def sha256(file: str | Path) -> str:
    """Return the hash of a file in hex."""
    with Path(file).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        if hasattr(os, "posix_fadvise"):  # not on macOS; what is read next comes from the disk, not from memory
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


class _Sink(io.RawIOBase):
    """A file that hashes what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.digest = hashlib.sha256()
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._file.write(data)


@contextmanager
def _writing(file: Path) -> Iterator[_Sink]:
    with _unfinished(file).open("xb", buffering=1 << 16) as stream:
        yield _Sink(stream)


def _unfinished(file: Path) -> Path:
    return file.with_name(file.name + UNFINISHED)


def _row_groups(table: pa.Table) -> Iterator[tuple[int, int]]:
    """Yield where row groups start and stop: by rows, and sooner where their strings are long."""
    most = ROWS_PER_GROUP_WITH_TEXT if "text" in table.column_names else ROWS_PER_GROUP
    lengths = np.zeros(table.num_rows, np.int64)
    for field in table.schema:
        if field.type in (pa.string(), pa.large_string()):
            lengths += pc.binary_length(table[field.name]).fill_null(0).to_numpy()
    ends = np.cumsum(lengths)
    start = 0
    while start < table.num_rows:
        full = np.searchsorted(ends, (ends[start - 1] if start else 0) + BYTES_PER_GROUP, side="right")
        stop = min(start + most, max(int(full), start + 1), table.num_rows)
        yield start, stop
        start = stop


def _plain_type(field: pa.Field, name: str) -> pa.DataType:
    if field.type == pa.large_string():
        return pa.string()
    if field.type not in _PLAIN_TYPES:
        raise DedupError(f"{name}: column {field.name!r} is {field.type}, which a run cannot hold; please report this")
    return field.type


def _order(table: pa.Table, order: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the longest beginning of `order` that the rows have; a column with nulls has none."""
    found: list[tuple[str, str]] = []
    tied = pa.scalar(True)  # with the row before, in the columns so far
    for column, direction in order:
        values = table[column].combine_chunks()
        before, after = values[:-1], values[1:]
        wrong = pc.less(after, before) if direction == "ascending" else pc.greater(after, before)
        if values.null_count or pc.any(pc.and_(tied, wrong)).as_py():
            break
        tied = pc.and_(tied, pc.equal(before, after))
        found.append((column, direction))
    return found
