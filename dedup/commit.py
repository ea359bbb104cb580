"""Files and folders that are whole or not there: tables written and checked, and one rename that publishes them.

The rename is Linux's renameat2, for which Python has no binding.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dedup import spill
from dedup.errors import DedupError, OutputExistsError, ResourceError
from dedup.schema import TIMESTAMP

ROWS_PER_GROUP = 1_000_000
ROWS_PER_GROUP_WITH_TEXT = 20_000  # a reader holds one row group: at 5 kB a text, 100 MB
BYTES_PER_GROUP = 1 << 26  # of strings, likewise: about 100,000 documents

_PLAIN_TYPES = {pa.string(), pa.int32(), pa.int64(), pa.bool_(), pa.float64(), TIMESTAMP}
_AT_FDCWD = -100
_NOREPLACE = 1
_EXCHANGE = 2
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}  # an old kernel, or a file system that cannot do it


@contextmanager
def write_errors(place: str | Path) -> Iterator[None]:
    """Turn what the system says about a failed write into a `ResourceError` that says where and what to do."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
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
    with pq.ParquetWriter(file, target, compression="zstd", write_page_index=True, sorting_columns=sorting) as writer:
        for start, stop in _row_groups(table):
            # Copied into one chunk: pages must not depend on the chunks, and a slice of a column over 2 GiB cannot
            # be cast to string as long as it shares the offsets of the whole.
            columns = [pa.concat_arrays(column.chunks) for column in table.slice(start, stop - start).columns]
            rows = pa.table(columns, table.schema).cast(target)
            writer.write_table(rows, row_group_size=stop - start)
            del columns, rows
            spill.release()
    return finished(file, table.num_rows)


def finished(file: Path, rows: int) -> dict[str, Any]:
    """Bring a file to the disk, read it again, and return its entry in the manifest."""
    sync(file)
    if file.suffix == ".parquet" and pq.read_metadata(file).num_rows != rows:
        raise ResourceError(f"{file}: does not hold the {rows:,} rows written to it; see that the disk is sound")
    return {"bytes": file.stat().st_size, "sha256": sha256(file), "rows": rows}


def sha256(file: str | Path) -> str:
    """Return the hash of a file in hex."""
    with Path(file).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def publish(staging: Path, target: Path) -> None:
    """Put the folder `staging` at `target`; a folder that is there is exchanged for it and then deleted.

    Both lie in one folder. Readers that hold files of the old folder open keep them.

    Raises
    ------
    OutputExistsError
        Something appeared at `target` in the meantime.
    OSError
        As the system says it; `target` is as it was.
    """
    if target.exists():
        old = staging
        if not _renameat2(staging, target, _EXCHANGE):
            old = staging.with_name(f"{staging.name}-old")
            _two_renames(staging, target, old)
        sync(target.parent)
        shutil.rmtree(old, ignore_errors=True)  # what is left of it harms nobody
        return
    try:
        if not _renameat2(staging, target, _NOREPLACE):
            staging.rename(target)
    except FileExistsError as error:
        raise OutputExistsError(f"{target}: appeared while this run worked; name another folder with -o") from error
    sync(target.parent)


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


def _two_renames(staging: Path, target: Path, old: Path) -> None:
    """Replace `target` where no exchange is possible; between the two renames there is none for a moment."""
    target.rename(old)
    try:
        staging.rename(target)
    except BaseException:
        old.rename(target)
        raise


def _renameat2(source: Path, target: Path, flag: int) -> bool:
    """Rename by renameat2(2); False where it does not exist."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flag) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))
