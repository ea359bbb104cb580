"""Row-wise records (JSON Lines, CSV, text files, lists of dicts) → chunks of columns."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from dedup.reading import cells, dates
from dedup.reading.records import Chunk, Item, Reject, Run

PEEK_RECORDS = 1000
STRING_ROLES = ("title", "id", "source", "url", "lang")


def peeked(items: Iterator[Item], most_bytes: int) -> tuple[list[str], Iterator[Item]]:
    """Return the keys of the first records, in order of appearance, and all items again.

    Parameters
    ----------
    items : where records are dicts.
    most_bytes : of input after which the look ahead ends, so that long records are not piled up.
    """
    head = []
    keys: dict[str, None] = {}
    start = None
    for item in itertools.islice(items, PEEK_RECORDS):
        head.append(item)
        if type(item.value) is dict:
            keys.update(dict.fromkeys(item.value))
        if item.byte_offset is not None:
            start = item.byte_offset if start is None else start
            if item.byte_offset - start > most_bytes:
                break
    return list(keys), itertools.chain(head, items)


@dataclass
class _Pile:
    """Records on their way into one chunk."""

    items: list[Item] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    chars: int = 0

    def __len__(self) -> int:
        return len(self.items) + len(self.rejects)


def chunks(items: Iterable[Item], roles: dict[str, str], run: Run) -> Iterator[Chunk]:
    """Yield the records as columns, some thousand at a time, and no more than are wanted.

    Parameters
    ----------
    items : records as dicts, or their refusals.
    roles : role → key.
    run : its parameters bound a chunk.
    """
    pile = _Pile()
    left = run.remaining()
    for item in items if left != 0 else ():
        _add(pile, item, roles)
        full = left is not None and len(pile.items) >= left
        if full or len(pile) >= run.params.batch_rows or pile.chars >= run.params.batch_chars:
            yield _chunk(pile, roles, run.kept)
            if full:  # before the next item is asked for: it may lie in a file that need not be opened
                return
            left = left - len(pile.items) if left is not None else None
            pile = _Pile()
    if len(pile):
        yield _chunk(pile, roles, run.kept)


def _add(pile: _Pile, item: Item, roles: dict[str, str]) -> None:
    record = item.value
    text_key = roles.get("text")
    title_key = roles.get("title")
    if item.code is not None:
        pile.rejects.append(item.reject(item.code, item.message))
        return
    if type(record) is not dict:
        message = f"{_kind(record)}; wanted an object with a text or a title"
        pile.rejects.append(item.reject("not_an_object", message))
        return
    if text_key not in record and title_key not in record:
        wanted = " or ".join(repr(key) for key in (text_key, title_key) if key is not None)
        message = f"no {wanted} in this record; name another column with --text-col or --title-col"
        pile.rejects.append(item.reject("no_text", message))
        return
    for role, key in (("text", text_key), ("title", title_key)):
        value = record.get(key)
        if isinstance(value, list | dict):
            message = f"{key!r} holds {_kind(value)}; wanted a string; name another column with --{role}-col"
            pile.rejects.append(item.reject(f"{role}_not_string", message))
            return
    text = record.get(text_key)
    if type(text) is not str:
        text = cells.as_text(text) or ""
    pile.texts.append(text)
    pile.items.append(item)
    title = record.get(title_key)
    pile.chars += len(text) + (len(title) if type(title) is str else 0)


def _chunk(pile: _Pile, roles: dict[str, str], kept: dict[str, pa.Field]) -> Chunk:
    records: list[dict[str, Any]] = [item.value for item in pile.items]
    text, surrogates = cells.string_array(list(pile.texts), pa.large_string())
    strings = {}
    for role in STRING_ROLES:
        key = roles.get(role)
        values = cells.texts([None if key is None else record.get(key) for record in records])
        strings[role], mended = cells.string_array(values, pa.string())
        surrogates += mended
    date_key = roles.get("date")
    moments = [None if date_key is None else record.get(date_key) for record in records]
    kept_arrays = []
    for name, target in kept.items():
        array, mended = cells.kept_array([record.get(name) for record in records], target.type)
        kept_arrays.append(array)
        surrogates += mended
    return Chunk(
        source_file=[item.source_file for item in pile.items],
        source_row=np.fromiter((item.source_row for item in pile.items), np.int64, len(records)),
        text=text,
        strings=strings,
        dates=dates.from_values([None if cells.is_missing(value) else value for value in moments]),
        kept=kept_arrays,
        rejects=pile.rejects,
        has_ids="id" in roles,
        surrogates=surrogates,
    )


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else f"a {type(value).__name__}"
