"""What the readers hand to one another: one record, one stretch of records as columns, one refusal, one input file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup.params import ReadingParams


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
class InputFile:
    """One input as the manifest names it; `path` is "" and `bytes` and `sha256` are empty for data in memory."""

    path: str
    source_file: str
    format: str
    bytes: int = 0
    sha256: str = ""
    records: int = 0
    rejected: int = 0
    columns: dict[str, str] = field(default_factory=dict)


class Item(NamedTuple):
    """One record of a row-wise format as it was found; with a `code`, the reason why it has no value."""

    source_file: str
    source_row: int
    line: int | None
    byte_offset: int | None
    value: Any
    code: str | None = None
    message: str = ""

    def reject(self, code: str, message: str) -> Reject:
        """Return the refusal of this record."""
        return Reject(self.source_file, self.source_row, self.line, self.byte_offset, code, message)


class Dates(NamedTuple):
    """Dates as microseconds since 1970 UTC.

    micros : int64[n], any value where not known.
    known : bool[n], a date was given and could be read.
    unreadable : bool[n], something was given and could not be read.
    """

    micros: npt.NDArray[np.int64]
    known: npt.NDArray[np.bool_]
    unreadable: npt.NDArray[np.bool_]

    def part(self, at: slice) -> Dates:
        """Return a stretch of them."""
        return Dates(self.micros[at], self.known[at], self.unreadable[at])


@dataclass
class Chunk:
    """Accepted records of one stretch of input, column by column, before they have row numbers and unique ids.

    text : large_string without nulls.
    strings : title, id, source, url, lang → string, null where missing or blank.
    kept : one array per kept column, of the run's type.
    has_ids : whether the input has an id column.
    surrogates : cells in which lone surrogates were replaced.
    """

    source_file: list[str]
    source_row: npt.NDArray[np.int64]
    text: pa.Array
    strings: dict[str, pa.Array]
    dates: Dates
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
        return Chunk(
            self.source_file[at],
            self.source_row[at],
            self.text[at],
            {role: column[at] for role, column in self.strings.items()},
            self.dates.part(at),
            [column[at] for column in self.kept],
            rejects,
            self.has_ids,
            surrogates,
        )


COUNTS = (
    "duplicate_ids",
    "missing_ids",
    "surrogates_replaced",
    "suspect_dates",
    "truncated_texts",
    "unreadable_dates",
    "encoding_replaced",
)


@dataclass
class Run:
    """What the readers of one run share.

    kept : input column → field of the output.
    files : grows by every file that is opened.
    counts : grow with what is repaired.
    accepted : records taken so far; whoever takes the chunks counts them here.
    """

    params: ReadingParams
    kept: dict[str, pa.Field]
    files: list[InputFile]
    counts: dict[str, int]
    accepted: int = 0

    def remaining(self) -> int | None:
        """Return how many more records are wanted; None: all."""
        return None if self.params.limit is None else max(0, self.params.limit - self.accepted)
