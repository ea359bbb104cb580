"""JSON Lines: one record per line, parsed strictly by orjson."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import orjson

from dedup.reading import files
from dedup.reading.documents import Reject
from dedup.reading.packed import PackedError
from dedup.reading.rows import Item

PEEK_RECORDS = 1000
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def records(chunks: Iterable[bytes], name: str) -> Iterator[Item | Reject]:
    """Yield every line that is not blank, as a value or as the reason why it has none.

    Parameters
    ----------
    chunks : of the unpacked file.
    name : the file's, for the items.
    """
    row, number, offset = 0, 0, 0
    try:
        for number, offset, line in files.lines(chunks):
            if line is None:
                size = f"over {files.MAX_LINE_BYTES:,} bytes"
                message = f"{size} in one line; wanted one record per line"
                yield Reject(name, row, number, offset, "line_too_long", message)
            elif not line or line.isspace():
                continue
            else:
                yield parsed(name, row, number, offset, line)
            row += 1
    except PackedError as error:
        yield Reject(name, row, number, offset, error.code, str(error))


def parsed(name: str, row: int, number: int, offset: int, line: bytes) -> Item | Reject:
    """Return the record that stands in some bytes, or why there is none."""
    try:
        return Item(name, row, number, offset, orjson.loads(line))
    except orjson.JSONDecodeError as error:
        value = _with_surrogates(line)
        if value is not None:
            return Item(name, row, number, offset, value)
        message = f"not JSON: {error.msg} at character {error.pos + 1}; wanted one JSON object per record"
        return Reject(name, row, number, offset, "bad_json", message)


def _with_surrogates(line: bytes) -> Any:
    # orjson refuses "\ud800" and its like, of which old exports are full; the rest of the line is good.
    if not _SURROGATE_ESCAPE.search(line):
        return None
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def peeked(items: Iterator[Item | Reject], most_bytes: int) -> tuple[list[str], Iterator[Item | Reject]]:
    """Return the keys of the first records, in order of appearance, and all items again.

    Parameters
    ----------
    items : as `records` yields them.
    most_bytes : of input after which the look ahead ends, so that long records are not piled up.
    """
    head = []
    keys: dict[str, None] = {}
    start = None
    for item in itertools.islice(items, PEEK_RECORDS):
        head.append(item)
        if isinstance(item, Item) and type(item.value) is dict:
            keys.update(dict.fromkeys(item.value))
        if item.byte_offset is not None:
            start = item.byte_offset if start is None else start
            if item.byte_offset - start > most_bytes:
                break
    return list(keys), itertools.chain(head, items)
