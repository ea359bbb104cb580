"""Cells of any type → the columns of DOCUMENTS: the rules that hold for every format."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dedup.schema import DOCUMENTS, TIMESTAMP, utf8

STRING_ROLES = ("title", "id", "source", "url", "lang")
CANNOT = (TypeError, ValueError, OverflowError, pa.ArrowException)  # what Arrow raises on values without a common type
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Reject:
    """A record that was not accepted, or (`bad_parquet`, `corrupt_gzip`, …) the unread rest of a file, as one record.

    `source_row` counts the records of the file from 0; `line` counts its lines from 1 and is None where there are none;
    `byte_offset` is the start of the line in the unpacked file.
    """

    source_file: str
    source_row: int
    line: int | None
    byte_offset: int | None
    code: str
    message: str

    def place(self) -> str:
        """Return file and line in words."""
        where = f"line {self.line}" if self.line is not None else f"record {self.source_row}"
        return f"{self.source_file} {where}"


@dataclass
class Chunk:
    """Accepted records of one stretch of input, column by column, before they have row numbers and unique ids.

    source_file : of each record.
    source_row : int64[n].
    columns : title, id, source, url, lang → string, null where missing or blank; text → large_string without nulls;
        date → int64 microseconds since 1970 UTC, null where unknown; date_unreadable → bool.
    kept : one array per kept column, of the run's type.
    has_ids : whether the input has an id column.
    surrogates : cells in which lone surrogates were replaced.
    """

    source_file: list[str]
    source_row: npt.NDArray[np.int64]
    columns: dict[str, pa.Array]
    kept: list[pa.Array]
    rejects: list[Reject]
    has_ids: bool
    surrogates: int = 0

    def split(self, n: int) -> tuple[Chunk, Chunk]:
        """Return the first n accepted records with the refusals before the last of them, and the rest."""
        end = int(self.source_row[n - 1]) if n else -1
        before = [reject for reject in self.rejects if reject.source_row < end]
        after = self.rejects[len(before) :]
        return self._part(slice(0, n), before, self.surrogates), self._part(slice(n, None), after, 0)

    def _part(self, at: slice, rejects: list[Reject], surrogates: int) -> Chunk:
        columns = {name: column[at] for name, column in self.columns.items()}
        kept = [column[at] for column in self.kept]
        return Chunk(self.source_file[at], self.source_row[at], columns, kept, rejects, self.has_ids, surrogates)


def columns(
    chunk: Chunk,
    first_row: int,
    ids: list[str],
    *,
    max_doc_chars: int,
    believable: tuple[int, int],
    counts: dict[str, int],
) -> list[pa.Array]:
    """Return the columns of DOCUMENTS and then the kept ones.

    Parameters
    ----------
    chunk : n records.
    first_row : the row number of the first.
    ids : n unique ids.
    max_doc_chars : longer texts are cut; their length and hash are those of the whole.
    believable : microseconds since 1970 at which believable dates begin and end.
    counts : `truncated_texts`, `suspect_dates` and `unreadable_dates` are added to.
    """
    n = len(ids)
    given = chunk.columns
    chars = pc.utf8_length(given["text"]).cast(pa.int64())
    long = chars.to_numpy() > max_doc_chars
    text = _without_nul(given["text"])
    if long.any():
        text = pc.utf8_slice_codeunits(text, 0, max_doc_chars)
    begin, end = believable
    unreadable = given["date_unreadable"]
    suspect = pc.or_(pc.less(given["date"], begin), pc.greater_equal(given["date"], end)).fill_null(False)
    counts["truncated_texts"] += int(long.sum())
    counts["suspect_dates"] += suspect.true_count
    counts["unreadable_dates"] += unreadable.true_count
    made = {
        "row": pa.array(np.arange(first_row, first_row + n)),
        "doc_id": pa.array(ids, pa.string()),
        "source_file": pa.array(chunk.source_file, pa.string()),
        "source_row": pa.array(chunk.source_row, pa.int64()),
        "title": _without_nul(blank_as_null(given["title"])),
        "text": text,
        "published_at": pc.if_else(suspect, pa.scalar(None, pa.int64()), given["date"]).cast(TIMESTAMP),
        "date_suspect": pc.or_(suspect, unreadable),
        "source": blank_as_null(given["source"]),
        "url": blank_as_null(given["url"]),
        "lang": blank_as_null(given["lang"]),
        "text_chars": chars,
        "text_sha256": pa.array(_hashes(given["text"]), pa.string()),
        "text_truncated": pa.array(long),
    }
    return [made[name] for name in DOCUMENTS.names] + chunk.kept


def _without_nul(array: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring(array, "\0")).as_py():
        return array
    return pc.replace_substring(array, "\0", " ")


def blank_as_null(array: pa.Array) -> pa.Array:
    """Return strings with null in place of those without a visible character."""
    blank = pc.equal(pc.utf8_trim_whitespace(array), "")
    return pc.if_else(blank, pa.scalar(None, array.type), array)


def _hashes(text: pa.Array) -> list[str]:
    data, offsets = utf8(text)
    view = data.data
    return [hashlib.sha256(view[a:b]).hexdigest() for a, b in itertools.pairwise(offsets.tolist())]


def is_missing(value: Any) -> bool:
    """Say whether a Python value stands for nothing: None, NaN, pandas' NaT and NA."""
    if value is None:
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 - only NaN and NaT differ from themselves
    except TypeError:  # NA cannot say
        return True
    except ValueError:  # an array says it per element
        return False


def as_text(value: Any) -> str | None:
    """Return a string as it is, None for a missing value, a date in ISO 8601, and JSON text for all else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return _json(value)
    if is_missing(value):
        return None
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return _json(value)


def _json(value: Any) -> str | None:
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY).decode()
    except TypeError:  # more than 64 bits, lone surrogates, deeper than it goes
        pass
    try:
        return json.dumps(value, default=str)
    except (TypeError, ValueError):
        return str(value)
    except RecursionError:
        return None


def texts(values: Sequence[Any]) -> list[str | None]:
    """Return `as_text` of every value."""
    return [value if type(value) is str or value is None else as_text(value) for value in values]


def string_array(values: list[str | None], type: pa.DataType) -> tuple[pa.Array, int]:
    """Return strings as an Arrow array and the number of cells in which lone surrogates became U+FFFD."""
    try:
        return pa.array(values, type), 0
    except UnicodeEncodeError:
        mended = [value if value is None else _SURROGATE.sub("\ufffd", value) for value in values]
        changed = sum(a is not b and a != b for a, b in zip(values, mended, strict=True))
        return pa.array(mended, type), changed


def kept_array(values: Sequence[Any], type: pa.DataType) -> tuple[pa.Array, int]:
    """Return Python values as a kept column of the run's type, and the cells with lone surrogates."""
    if not pa.types.is_string(type):
        return pa.array([None if is_missing(value) else value for value in values], type), 0
    return string_array(texts(values), type)
