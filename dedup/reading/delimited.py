"""CSV and its relatives, by the csv module."""

from __future__ import annotations

import csv
import itertools
from collections import deque
from collections.abc import Iterable, Iterator

from dedup.reading import files
from dedup.reading.documents import Reject
from dedup.reading.encodings import SAMPLE_BYTES, Decoder
from dedup.reading.packed import PackedError
from dedup.reading.rows import Item

_DELIMITERS = {"csv": ",\t;", "tsv": "\t,;"}  # the usual one first: it wins ties and lone columns


MAX_RECORD_LINES = 100_000  # over these a quote that was opened is taken for one that nobody closes
MAX_RECORD_CHARS = 1 << 24  # of records over several lines
MAX_READ_AGAIN = 100  # times that the lines after such a quote are read as records: each costs as much as they are long


class _TooLongError(Exception):
    pass


class _UnclosedError(Exception):
    pass


class _TextLines:
    """Lines as text; the encoding of those that are not UTF-8 is detected, and they are counted.

    A class, because the csv reader pulls the lines and must be able to go on after one was refused: a generator that
    has raised is at its end.
    """

    def __init__(self, chunks: Iterable[bytes], counts: dict[str, int]) -> None:
        self.number = 0
        self.offset = 0
        sample, chunks = _sampled(iter(chunks))
        self._decoder = Decoder(counts, sample)
        self._lines = files.lines(chunks)
        self._record: list[tuple[int, int, str]] = []
        self._chars = 0
        self._again: deque[tuple[int, int, str]] = deque()
        self._read_again = 0

    def begin(self) -> None:
        """Say that the lines to come are of another record."""
        self._record, self._chars = [], 0

    def take_back(self) -> list[tuple[int, int, str]]:
        """Return the lines (number, offset, text) of a record without an end; all but the first come once more.

        So they do MAX_READ_AGAIN times in a file; after that all are returned.
        """
        lost, self._record = self._record, []
        if self._read_again < MAX_READ_AGAIN:
            self._read_again += 1
            self._again.extendleft(reversed(lost[1:]))
            lost = lost[:1]
            self.number = lost[0][0]
        return lost

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number, self.offset, text = self._again.popleft() if self._again else self._fresh()
        self._record.append((self.number, self.offset, text))
        self._chars += len(text)
        if len(self._record) > 1 and (len(self._record) > MAX_RECORD_LINES or self._chars > MAX_RECORD_CHARS):
            raise _UnclosedError
        return text

    def _fresh(self) -> tuple[int, int, str]:
        try:
            self.number, self.offset, line = next(self._lines)
        except StopIteration:
            if self._record:
                raise _UnclosedError from None  # the csv module would make a record of all that is left
            raise
        if line is None:
            raise _TooLongError
        return self.number, self.offset, self._decoder.text(line) + "\n"


def _sampled(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes of a file, and all of it again; damage is met where it is reached."""
    head: list[bytes] = []
    broken: list[PackedError] = []
    try:
        while sum(map(len, head)) < SAMPLE_BYTES and (chunk := next(chunks, b"")):
            head.append(chunk)
    except PackedError as error:
        broken.append(error)
    return b"".join(head), itertools.chain(head, _raised(broken), chunks)


def _raised(errors: list[PackedError]) -> Iterator[bytes]:
    for error in errors:
        raise error
    yield from ()


def table(
    chunks: Iterable[bytes], name: str, format: str, counts: dict[str, int]
) -> tuple[list[str], Iterator[Item | Reject]]:
    """Read the header and return its names with an iterator over the rows, as dicts of strings.

    Parameters
    ----------
    chunks : of the unpacked file.
    name : the file's, for the items.
    format : "csv" or "tsv"; the header decides about the delimiter, this only where it cannot.
    counts : `encoding_detected` and `encoding_replaced` are added to.

    Returns
    -------
    names : of the columns; a name that comes again gets a number, so that every field can be addressed.
    items : the records.
    """
    csv.field_size_limit(max(csv.field_size_limit(), files.MAX_LINE_BYTES))
    lines = _TextLines(chunks, counts)
    try:
        first = _first_line(lines)
    except _TooLongError:
        return [], iter([Reject(name, 0, lines.number, lines.offset, "line_too_long", _too_long())])
    except PackedError as error:
        return [], iter([Reject(name, 0, lines.number, None, error.code, str(error))])
    reader = csv.reader(itertools.chain([first], lines), delimiter=_delimiter(first, format), strict=False)
    try:
        names = _distinct(next(reader, []))
    except PackedError as error:
        return [], iter([Reject(name, 0, lines.number, None, error.code, str(error))])
    except (csv.Error, _TooLongError, _UnclosedError) as error:
        message = f"no header: {error or 'its quote is not closed'}; wanted names of columns"
        return [], iter([Reject(name, 0, lines.number, None, "bad_csv", message)])
    if len(names) > files.MAX_COLUMNS:
        message = f"{len(names):,} columns; wanted at most {files.MAX_COLUMNS:,}; write those that matter to a new file"
        return [], iter([Reject(name, 0, lines.number, None, "too_many_columns", message)])
    return names, _rows(reader, name, lines, names)


def _rows(reader: Iterator[list[str]], name: str, lines: _TextLines, names: list[str]) -> Iterator[Item | Reject]:
    row = 0
    while True:
        start = lines.number + 1
        lines.begin()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except PackedError as error:
            yield Reject(name, row, start, None, error.code, str(error))
            return
        except _TooLongError:
            yield Reject(name, row, start, lines.offset, "line_too_long", _too_long())
        except _UnclosedError:
            first, last = start, lines.number
            for number, offset, _ in lines.take_back():
                yield Reject(name, row, number, offset, "unclosed_quote", _unclosed(first, last))
                row += 1
            continue
        except csv.Error as error:
            yield Reject(name, row, start, None, "bad_csv", f"not CSV: {error}; wanted one record per line")
        else:
            if not fields:
                continue
            if len(fields) == len(names):
                yield Item(name, row, start, None, dict(zip(names, fields, strict=True)))
            else:
                message = f"{len(fields)} fields; the header has {len(names)}; quote fields that hold the delimiter"
                yield Reject(name, row, start, None, "ragged_row", message)
        row += 1


def _first_line(lines: _TextLines) -> str:
    for line in lines:
        if not line.isspace():
            return line
        lines.begin()
    return ""


def _unclosed(first: int, last: int) -> str:
    return (
        f"a quote opened in line {first:,} is not closed up to line {last:,}; of these lines the ones not rejected are "
        "read as records of their own; close or double the quote"
    )


def _delimiter(header: str, format: str) -> str:
    unquoted = "".join(header.split('"')[::2])
    return max(_DELIMITERS[format], key=unquoted.count)


def _distinct(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}  # and the number that its next namesake gets
    for position, name in enumerate(names):
        fresh = name
        while fresh in seen:
            seen[name] += 1
            fresh = f"{name}_{seen[name]}"
        names[position] = fresh
        seen.setdefault(fresh, 1)
    return names


def _too_long() -> str:
    return f"over {files.MAX_LINE_BYTES:,} bytes in one line; wanted one record per line"
