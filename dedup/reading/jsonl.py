"""JSON Lines: one record per line, parsed strictly by orjson."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import orjson

from dedup.reading import streams
from dedup.reading.records import Item

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def records(chunks: Iterable[bytes], name: str) -> Iterator[Item]:
    """Yield every line that is not blank, as a value or as the reason why it has none.

    Parameters
    ----------
    chunks : of the unpacked file.
    name : the file's, for the items.
    """
    row, number, offset = 0, 0, 0
    try:
        for number, offset, line in streams.lines(chunks):
            if line is None:
                size = f"over {streams.MAX_LINE_BYTES:,} bytes"
                yield Item(
                    name, row, number, offset, None, "line_too_long", f"{size} in one line; wanted one record per line"
                )
            elif not line or line.isspace():
                continue
            else:
                yield _parsed(name, row, number, offset, line)
            row += 1
    except streams.CORRUPT as error:
        message = f"damaged gzip data after this line ({error}); the records before it were read; fetch the file again"
        yield Item(name, row, number, offset, None, "corrupt_gzip", message)


def _parsed(name: str, row: int, number: int, offset: int, line: bytes) -> Item:
    try:
        return Item(name, row, number, offset, orjson.loads(line))
    except orjson.JSONDecodeError as error:
        value = _with_surrogates(line)
        if value is not None:
            return Item(name, row, number, offset, value)
        message = f"not JSON: {error.msg} at character {error.pos + 1}; wanted one JSON object per line"
        return Item(name, row, number, offset, None, "bad_json", message)


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
