"""The Source: inputs in their order → batches of DOCUMENTS, with all that was refused or mended on record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Protocol

import pyarrow as pa

from dedup.errors import InputError, TooManyRejectsError
from dedup.params import ReadingParams
from dedup.reading import dates, documents
from dedup.reading.documents import Chunk, Reject
from dedup.schema import DOCUMENTS

WHOLE_FILE = (
    "bad_parquet",
    "corrupt_bzip2",
    "corrupt_gzip",
    "corrupt_xz",
    "corrupt_zstd",
    "packed_bomb",
    "too_many_columns",
    "unknown_format",
)
_LEAST_ALLOWED = 10
_SHARE_ALLOWED = 0.01
COUNTS = (
    "duplicate_ids",
    "missing_ids",
    "surrogates_replaced",
    "suspect_dates",
    "truncated_texts",
    "unreadable_dates",
    "encoding_replaced",
    "encoding_detected",
)


@dataclass
class InputFile:
    """One input as the manifest names it; `path` is "" and `bytes` and `sha256` are empty for data in memory.

    `etag` is the store's name for the version of a remote file; a remote Parquet file with one has no `sha256`.
    """

    path: str
    source_file: str
    format: str
    bytes: int = 0
    sha256: str = ""
    records: int = 0
    rejected: int = 0
    columns: dict[str, str] = field(default_factory=dict)
    etag: str = ""


class Source:
    """Inputs being read; all is complete when `batches` is used up.

    files : every input that was opened, in order.
    rejects : every record that was not accepted.
    counts : what was repaired. `missing_ids` counts records without an id where the file has an id column,
        `surrogates_replaced` cells, `encoding_replaced` (cp1252) and `encoding_detected` lines of CSV or whole texts,
        the others records; `suspect_dates` lie before `earliest_date` or in the future, `unreadable_dates` are not
        among them.
    n_records : records seen: always accepted + refused.
    schema : of every batch: DOCUMENTS and then the kept columns.
    today : dates more than two days after this day are suspect.
    params : how it is read.
    kept : input column → field of the output.
    """

    def __init__(
        self, read: Callable[[Source], Iterator[Chunk]], kept: dict[str, pa.Field], params: ReadingParams
    ) -> None:
        self.files: list[InputFile] = []
        self.rejects: list[Reject] = []
        self.counts: dict[str, int] = dict.fromkeys(COUNTS, 0)
        self.n_records = 0
        self.schema = pa.schema([*DOCUMENTS, *kept.values()])
        self.today: date = datetime.now(UTC).date()
        self.params = params
        self.kept = kept
        self._accepted = 0
        self._chunks: Iterator[Chunk] | None = read(self)
        self._ids: dict[str, int] = {}  # every id given out → how many records asked for it
        self._by_name: dict[str, InputFile] = {}

    def remaining(self) -> int | None:
        """Return how many more records are wanted; None: all."""
        return None if self.params.limit is None else max(0, self.params.limit - self._accepted)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all accepted records; usable once.

        Raises
        ------
        InputError
            If a file cannot be opened or has neither text nor title, or if not one of the files could be read.
        TooManyRejectsError
            As soon as more records are refused than `max_rejects`, where that is a count.
        """
        for chunk, first_row in self.chunks():
            yield self.batch(chunk, first_row, self._unique_ids(chunk))
        self._ids.clear()
        check_files(self.files, self.rejects)

    def chunks(self) -> Iterator[tuple[Chunk, int]]:
        """Yield the accepted records as they come, each chunk with the row number of its first; usable once."""
        if self._chunks is None:
            raise ValueError("batches: called twice, wanted once; open the input again")
        chunks, self._chunks = self._chunks, None
        for chunk in chunks:
            first_row, remaining = self._accepted, self.remaining()
            if remaining is not None and len(chunk.source_row) > remaining:
                chunk, _ = chunk.split(remaining)  # noqa: PLW2901
            self._record(chunk)
            if len(chunk.source_row):
                yield chunk, first_row

    def _record(self, chunk: Chunk) -> None:
        for file in self.files[len(self._by_name) :]:
            self._by_name[file.source_file] = file
        for name, n in Counter(chunk.source_file).items():
            self._by_name[name].records += n
        for reject in chunk.rejects:
            self._by_name[reject.source_file].rejected += 1
        self.rejects += chunk.rejects
        self.counts["surrogates_replaced"] += chunk.surrogates
        self._accepted += len(chunk.source_row)
        self.n_records += len(chunk.source_row) + len(chunk.rejects)
        allowed = self.params.max_rejects
        if allowed is not None and (allowed >= 1 or allowed == 0):
            check_rejects(self)

    def batch(self, chunk: Chunk, first_row: int, ids: list[str]) -> pa.RecordBatch:
        """Return the records of a chunk under the ids given."""
        columns = documents.columns(
            chunk,
            first_row,
            ids,
            max_doc_chars=self.params.max_doc_chars,
            believable=dates.believable(self.params.earliest_date, self.today),
            counts=self.counts,
        )
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _unique_ids(self, chunk: Chunk) -> list[str]:
        made, again = unique_ids(self.wanted_ids(chunk), self._ids)
        self.counts["duplicate_ids"] += again
        return made

    def wanted_ids(self, chunk: Chunk) -> list[str]:
        """Return the id that each record asks for: the given one, else file and row."""
        given = documents.blank_as_null(chunk.columns["id"]).to_pylist()
        if chunk.has_ids:
            self.counts["missing_ids"] += given.count(None)
        places = zip(given, chunk.source_file, chunk.source_row.tolist(), strict=True)
        return [own if own is not None else f"{name}#{row}" for own, name, row in places]


def unique_ids(wanted: Iterable[str], given: dict[str, int]) -> tuple[list[str], int]:
    """Give each record the id it asks for, with ~2, ~3 after one that was there; ids come in the order of the input.

    Whether one was there hangs on the ids that begin alike and differ in what such endings add, and on no other.

    Parameters
    ----------
    given : every id given out → how many records asked for it; is added to

    Returns
    -------
    The ids, and how many were not as asked for.
    """
    made, again = [], 0
    for asked in wanted:
        fresh = asked
        if asked in given:
            again += 1
            n = given[asked] + 1
            while (fresh := f"{asked}~{n}") in given:
                n += 1
            given[asked] = n
        given[fresh] = 1
        made.append(fresh)
    return made, again


def check_files(files: Sequence[InputFile], rejects: Sequence[Reject]) -> None:
    """Raise InputError where not one of the files could be read."""
    refused = sum(reject.code in WHOLE_FILE for reject in rejects)
    if files and refused == len(files) and not any(file.records for file in files):
        raise InputError(f"{rejects[0].source_file}: {rejects[0].message}")


class Refusals(Protocol):
    """What was refused of an input, and how much of that is borne."""

    @property
    def rejects(self) -> list[Reject]: ...  # noqa: D102
    @property
    def n_records(self) -> int: ...  # noqa: D102
    @property
    def params(self) -> ReadingParams: ...  # noqa: D102


def check_rejects(source: Refusals) -> None:
    """Compare the refused records with `max_rejects`; call it when all batches are read.

    Raises
    ------
    TooManyRejectsError
        If there are more: than the count, than the share of all records seen, or, unset, than 1 % and 10.
    """
    refused = len(source.rejects)
    allowed = source.params.max_rejects
    if allowed is None:
        allowed = max(_LEAST_ALLOWED, _SHARE_ALLOWED * source.n_records)
    elif allowed < 1:
        allowed *= source.n_records
    if refused <= allowed:
        return
    first = source.rejects[0]
    raise TooManyRejectsError(
        f"{first.place()}: {first.message}; {refused:,} of {source.n_records:,} records read so far are like this or "
        f"otherwise unusable, allowed are {int(allowed):,}; mend the input or raise --max-rejects"
    )
