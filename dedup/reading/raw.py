"""Input records as they were, all columns, for `dedup filter`."""

from __future__ import annotations

import errno
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup.errors import InputError
from dedup.reading import arrays, delimited, encodings, files, formats, jsonl, parquet, partitions, plain
from dedup.reading.documents import CANNOT, Reject, string_array, texts
from dedup.reading.files import printable
from dedup.reading.packed import PackedError, unpacked
from dedup.reading.rows import Item
from dedup.remote import RemoteFile, is_url


def place_of(path: str, tmp_dir: str | None = None) -> Path | RemoteFile:
    """Return the file that a manifest names, for opening.

    Raises
    ------
    InputError
        It lies behind a URL and is not there any more, or cannot be reached.
    """
    if not is_url(path):
        return Path(path)
    from dedup.remote.finding import open_again  # noqa: PLC0415 - nothing of it is needed where all files are local

    return open_again(path, tmp_dir)


def is_version(path: Path | RemoteFile, was: Mapping[str, Any]) -> bool:
    """Tell whether a file is as its entry in a manifest says: by the version that its store names, else by its hash.

    Raises
    ------
    OSError
        A local file cannot be read.
    InputError
        Nor a remote one.
    """
    if path.stat().st_size != was["bytes"]:
        return False
    if isinstance(path, RemoteFile) and path.etag and path.etag == was["etag"]:
        return True
    if not was["sha256"]:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == str(was["sha256"])


def raw_records(path: str, format: str, rows: npt.NDArray[np.int64], tmp_dir: str | None = None) -> pa.Table:
    """Read chosen records of one file with all their columns.

    Parameters
    ----------
    path : of the file.
    format : as `InputFile.format` names it.
    rows : int64[n], wanted `source_row` values, ascending.
    tmp_dir : folder of the temporary file that packed Parquet needs; None: the system's.

    Returns
    -------
    Table of n rows in that order: Parquet columns in their types; CSV columns as strings; JSON Lines columns inferred,
    and as JSON text where the values of one column have no common type; a text file as `id` and `text`,
    a page also with what it says of itself.

    Raises
    ------
    InputError
        If the file cannot be read, or no longer holds these records.
    """
    place = printable(path)
    try:
        found = place_of(path, tmp_dir)
        with found.open("rb") as file:
            table = _parquet(file, rows, tmp_dir) if format == "parquet" else _table(file, format, path, rows)
            for name, value in partitions.of(found).items():
                if name not in table.column_names:
                    table = table.append_column(name, pa.repeat(pa.scalar(value, pa.string()), table.num_rows))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):  # of a temporary file
            raise
        raise InputError(f"{place}: {error.strerror}; wanted the file that was clustered; put it back") from None
    except (parquet.BadParquetError, PackedError) as error:
        raise InputError(f"{place}: {error}") from None
    if table.num_rows != len(rows):
        count = f"{table.num_rows:,} of {len(rows):,} wanted records found"
        raise InputError(f"{place}: {count}; the file has changed since it was clustered; run cluster again")
    return table


def _parquet(file: BinaryIO, rows: npt.NDArray[np.int64], tmp_dir: str | None) -> pa.Table:
    opened = parquet.opened(files.seekable(file, file.read(16), tmp_dir))
    tables = []
    end = 0
    for group in range(opened.metadata.num_row_groups):
        start, end = end, end + opened.metadata.row_group(group).num_rows
        first, last = np.searchsorted(rows, (start, end))
        if first < last:
            tables.append(parquet.row_group(opened, group).take(pa.array(rows[first:last] - start)))
    return pa.concat_tables(tables) if tables else opened.schema_arrow.empty_table()


def _table(file: BinaryIO, format: str, path: str, rows: npt.NDArray[np.int64]) -> pa.Table:
    chunks = encodings.utf8(unpacked(file, hashlib.sha256()))
    counts: dict[str, int] = Counter()  # nobody asks
    if format == "jsonl":
        return _inferred(_wanted(jsonl.records(chunks, ""), rows))
    if format == "json":
        return _inferred(_wanted(arrays.records(chunks, ""), rows))
    if format in formats.DOCUMENTS:
        item = plain.record(chunks, printable(Path(path).name), counts, format)
        names = list(item.value) if isinstance(item, Item) else []
        items = iter([item] if item is not None else [])
    else:
        names, items = delimited.table(chunks, "", format, counts)
    records = _wanted(items, rows)
    return pa.table({name: pa.array([record[name] for record in records], pa.string()) for name in names})


def _wanted(items: Iterator[Item | Reject], rows: npt.NDArray[np.int64]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    if not len(rows):
        return found
    wanted = iter(rows.tolist())
    sought = next(wanted)
    for item in items:
        if item.source_row != sought:
            continue
        if isinstance(item, Item) and type(item.value) is dict:
            found.append(item.value)
        sought = next(wanted, None)
        if sought is None:
            break
    return found


def _inferred(records: list[dict[str, str]]) -> pa.Table:
    names = dict.fromkeys(name for record in records for name in record)
    arrays = [_inferred_array([record.get(name) for record in records]) for name in names]
    printable_names = [name.encode("utf-8", "replace").decode() for name in names]
    return pa.table(arrays, names=printable_names) if arrays else pa.table({})


def _inferred_array(values: Sequence[Any]) -> pa.Array:
    # Mixed values become text; so do an object without keys, which has no Parquet type, and a deep one, which overflows
    # the readers of others.
    if all(_is_shallow(value, 8) for value in values):
        try:
            return pa.array(values)
        except CANNOT:
            pass
    return string_array(texts(values), pa.string())[0]


def _is_shallow(value: Any, depth: int) -> bool:
    if isinstance(value, dict):
        return bool(value) and depth > 0 and all(_is_shallow(part, depth - 1) for part in value.values())
    if isinstance(value, list):
        return depth > 0 and all(_is_shallow(part, depth - 1) for part in value)
    return True
