"""The reader: inputs in their order → batches of DOCUMENTS, with all that was refused or mended on record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import pyarrow as pa

from dedup.errors import InputError, TooManyRejectsError
from dedup.params import ReadingParams
from dedup.reading import dates, documents
from dedup.reading.records import COUNTS, Chunk, InputFile, Reject, Run
from dedup.schema import DOCUMENTS

WHOLE_FILE = ("bad_parquet", "unknown_format", "json_array", "json_document")
_LEAST_ALLOWED = 10
_SHARE_ALLOWED = 0.01


class Source:
    """Inputs being read; all is complete when `batches` is used up.

    files : every input that was opened, in order.
    rejects : every record that was not accepted.
    counts : what was repaired. `missing_ids` counts records without an id where the file has an id column,
        `surrogates_replaced` cells, `encoding_replaced` lines of CSV or text files, the others records; `suspect_dates`
        are those before 1990 or in the future, `unreadable_dates` are not among them.
    n_records : records seen: always accepted + refused.
    schema : of every batch: DOCUMENTS and then the kept columns.
    today : dates more than two days after this day are suspect.
    """

    def __init__(
        self, read: Callable[[Run], Iterator[Chunk]], kept: dict[str, pa.Field], params: ReadingParams
    ) -> None:
        self.files: list[InputFile] = []
        self.rejects: list[Reject] = []
        self.counts: dict[str, int] = dict.fromkeys(COUNTS, 0)
        self.n_records = 0
        self.schema = pa.schema([*DOCUMENTS, *kept.values()])
        self.today: date = datetime.now(UTC).date()
        self.params = params
        self._run = Run(params, kept, self.files, self.counts)
        self._chunks: Iterator[Chunk] | None = read(self._run)
        self._ids = documents.Ids()
        self._by_name: dict[str, InputFile] = {}

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all accepted records; usable once.

        Raises
        ------
        InputError
            If a file cannot be opened or has neither text nor title, or if not one of the files could be read.
        TooManyRejectsError
            As soon as more records are refused than `max_rejects`, where that is a count.
        """
        if self._chunks is None:
            raise ValueError("batches: called twice, wanted once; open the input again")
        chunks, self._chunks = self._chunks, None
        for chunk in chunks:
            first_row, remaining = self._run.accepted, self._run.remaining()
            if remaining is not None and len(chunk.source_row) > remaining:
                chunk, _ = chunk.split(remaining)  # noqa: PLW2901
            self._record(chunk)
            if len(chunk.source_row):
                yield self._batch(chunk, first_row)
        refused_files = sum(reject.code in WHOLE_FILE for reject in self.rejects)
        if self._run.accepted == 0 and self.files and refused_files == len(self.files):
            raise InputError(f"{self.rejects[0].source_file}: {self.rejects[0].message}")

    def _record(self, chunk: Chunk) -> None:
        for file in self.files[len(self._by_name) :]:
            self._by_name[file.source_file] = file
        for name, n in Counter(chunk.source_file).items():
            self._by_name[name].records += n
        for reject in chunk.rejects:
            self._by_name[reject.source_file].rejected += 1
        self.rejects += chunk.rejects
        self.counts["surrogates_replaced"] += chunk.surrogates
        self._run.accepted += len(chunk.source_row)
        self.n_records += len(chunk.source_row) + len(chunk.rejects)
        allowed = self.params.max_rejects
        if allowed is not None and (allowed >= 1 or allowed == 0):
            check_rejects(self)

    def _batch(self, chunk: Chunk, first_row: int) -> pa.RecordBatch:
        given = documents.blank_as_null(chunk.strings["id"]).to_pylist()
        if chunk.has_ids:
            self.counts["missing_ids"] += given.count(None)
        made = (f"{name}#{row}" for name, row in zip(chunk.source_file, chunk.source_row.tolist(), strict=True))
        ids = self._ids.unique(given, made, self.counts)
        columns = documents.columns(
            chunk,
            first_row,
            ids,
            max_doc_chars=self.params.max_doc_chars,
            latest=dates.latest(self.today),
            counts=self.counts,
        )
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def check_rejects(source: Source) -> None:
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
