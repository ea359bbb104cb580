"""JSON arrays and JSON objects over several lines → records, one at a time, however large the file is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dedup.reading import files, jsonl
from dedup.reading.documents import Reject
from dedup.reading.packed import PackedError
from dedup.reading.rows import Item

# Possessive: the end of a string is found in one pass, without a stack.
_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_NESTED = re.compile(rb'["\[\]{}]')
_SCALAR_END = re.compile(rb'[\s,\[\]{}"]')
_GAP = re.compile(rb"[\s,]*+")
_OPEN, _QUOTE, _BACKSLASH = b"[{", ord('"'), ord("\\")


class _Scanner:
    """Finds where records begin and end; holds at most one of them, and none over `MAX_LINE_BYTES`.

    Nesting is counted, not stacked; orjson refuses a record more than 1,024 levels deep.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._row = 0
        self._depth = 0
        self._base = 0  # depth at which records lie: 1 inside an array
        self._in_string = self._escaped = self._open = self._scalar = False
        self._parts: list[bytes] = []  # of a record whose end has not come yet
        self._size = 0
        self._place = (1, 0)  # line and offset of that record
        self._offset = 0  # of the chunk
        self._line = 1  # at `_counted` in the chunk
        self._counted = 0

    def feed(self, chunk: bytes) -> Iterator[Item | Reject]:
        """Yield the records that end in this chunk."""
        at, begin, self._counted = 0, 0, 0
        if self._escaped:
            at, self._escaped = 1, False
        while at < len(chunk):
            if not self._open:
                at = self._between(chunk, at)
                begin = at
                if not self._open:
                    continue
            at, ended = self._inside(chunk, at)
            if ended:
                yield self._record(chunk[begin:at])
                begin = at
        if self._open:
            self._size += len(chunk) - begin
            if self._size <= files.MAX_LINE_BYTES:
                self._parts.append(chunk[begin:])
            else:
                self._parts = []
        self._line += chunk.count(b"\n", self._counted)
        self._offset += len(chunk)

    def _between(self, chunk: bytes, at: int) -> int:
        """Go to the next record, into an array or out of it."""
        found = _GAP.match(chunk, at)
        at = found.end() if found else at
        if at == len(chunk):
            return at
        if chunk[at] == ord("[") and self._base == 0:
            self._base = self._depth = 1
            return at + 1
        if chunk[at] == ord("]") and self._base == 1:
            self._base = self._depth = 0
            return at + 1
        self._open, self._scalar = True, chunk[at] not in b'[{"'
        self._line += chunk.count(b"\n", self._counted, at)
        self._counted = at
        self._place = self._line, self._offset + at
        return at

    def _inside(self, chunk: bytes, at: int) -> tuple[int, bool]:
        """Go on to what ends the record, or to the next step inside it."""
        if self._in_string:
            return self._string(chunk, at)
        if self._scalar:
            found = _SCALAR_END.search(chunk, at)
            if found is None:
                return len(chunk), False
            fresh = found.start() == at and not self._size  # a bracket that closes nothing
            return at + 1 if fresh else found.start(), True
        found = _NESTED.search(chunk, at)
        if found is None:
            return len(chunk), False
        sign = chunk[found.start()]
        if sign == _QUOTE:
            self._in_string = True
        else:
            self._depth += 1 if sign in _OPEN else -1
        return found.end(), self._depth == self._base and not self._in_string

    def _string(self, chunk: bytes, at: int) -> tuple[int, bool]:
        found = _STRING.match(chunk, at)
        end = found.end() if found else at
        if end == len(chunk):
            return end, False
        if chunk[end] == _BACKSLASH:  # the last byte: what it escapes is in the next chunk
            self._escaped = True
            return len(chunk), False
        self._in_string = False
        return end + 1, self._depth == self._base

    def _record(self, last: bytes) -> Item | Reject:
        size, parts, (line, offset), row = self._size + len(last), self._parts, self._place, self._row
        self._open, self._parts, self._size = False, [], 0
        self._row += 1
        if size > files.MAX_LINE_BYTES:
            message = f"over {files.MAX_LINE_BYTES:,} bytes in one record; wanted one article per record"
            return Reject(self._name, row, line, offset, "record_too_long", message)
        return jsonl.parsed(self._name, row, line, offset, b"".join([*parts, last]) if parts else last)

    def end(self) -> Iterator[Item | Reject]:
        """Yield what is left at the end of the file."""
        if self._open and self._depth == self._base == 0 and not self._in_string:
            yield self._record(b"")
        elif self._open or self._base:
            line, offset = self._place if self._open else (self._line, self._offset)
            where = "inside this record" if self._open else "before its array does"
            message = f"not JSON: the file ends {where}; the records before it were read; fetch the file again"
            yield Reject(self._name, self._row, line, offset, "bad_json", message)

    def broken(self, error: PackedError) -> Reject:
        """Return the refusal of the rest of a damaged file."""
        return Reject(self._name, self._row, self._line, self._offset, error.code, str(error))


def records(chunks: Iterable[bytes], name: str) -> Iterator[Item | Reject]:
    """Yield the elements of an array, or the objects that follow each other, as values or as refusals.

    Parameters
    ----------
    chunks : of the unpacked file, in UTF-8.
    name : the file's, for the items.
    """
    scanner = _Scanner(name)
    try:
        for chunk in chunks:
            yield from scanner.feed(chunk)
    except PackedError as error:
        yield scanner.broken(error)
    else:
        yield from scanner.end()
