"""Parquet files → Arrow batches of the columns that are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from dedup.params import ReadingParams

# Damage shows as any of these, depending on the byte that was hit.
DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, MemoryError, OverflowError, NotImplementedError)


class BadParquetError(Exception):
    """The file, or the rest of it, cannot be read; the message says why, on one line."""


def opened(file: BinaryIO) -> pq.ParquetFile:
    """Open a Parquet file; raise BadParquetError where its footer cannot be read."""
    try:
        parquet = pq.ParquetFile(file, page_checksum_verification=True)  # of pages that have one
        parquet.schema_arrow  # noqa: B018 - made when asked for, and may fail
    except DAMAGE as error:
        raise _bad(error) from None
    return parquet


def batches(parquet: pq.ParquetFile, columns: Sequence[str], params: ReadingParams) -> Iterator[pa.RecordBatch]:
    """Yield some columns in batches of about `batch_rows` records and `batch_chars` bytes.

    Raises
    ------
    BadParquetError
        Where damage is met; the batches before it are good.
    """
    try:
        footer = parquet.metadata
        stored = sum(footer.row_group(at).total_byte_size for at in range(footer.num_row_groups))
        per_row = max(1, stored // max(1, footer.num_rows))
        rows = max(1, min(params.batch_rows, params.batch_chars // per_row))
        iterator = parquet.iter_batches(batch_size=rows, columns=list(dict.fromkeys(columns)))
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
