"""Texts of a corpus in the forms that tools want, without a line of the project, whose memory is not theirs."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def column(source: Path) -> pa.Array:
    """Return the texts as one Arrow array."""
    return pq.read_table(source, columns=["text"])["text"].combine_chunks().cast(pa.large_string())


def strings(source: Path) -> list[str]:
    """Return the texts as Python strings."""
    texts: list[str] = column(source).to_pylist()
    return texts
