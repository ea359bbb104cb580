"""Records of row-wise input (JSON Lines, CSV, text files, lists of dicts) → chunks of columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dedup.reading import dates
from dedup.reading.documents import STRING_ROLES, Chunk, Reject, as_text, is_missing, kept_array, string_array, texts
from dedup.reading.source import Source


class Item(NamedTuple):
    """One record as it was found, and where: numbered as in `Reject`."""

    source_file: str
    source_row: int
    line: int | None
    byte_offset: int | None
    value: Any

    def reject(self, code: str, message: str) -> Reject:
        """Return the refusal of this record."""
        return Reject(self.source_file, self.source_row, self.line, self.byte_offset, code, message)


@dataclass
class _Pile:
    """Records on their way into one chunk."""

    items: list[Item] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    chars: int = 0

    def __len__(self) -> int:
        return len(self.items) + len(self.rejects)


def chunks(items: Iterable[Item | Reject], roles: dict[str, str], source: Source) -> Iterator[Chunk]:
    """Yield the records as columns, some thousand at a time, and no more than are wanted.

    Parameters
    ----------
    items : records, or their refusals.
    roles : role → key.
    source : its parameters bound a chunk.
    """
    pile = _Pile()
    left = source.remaining()
    for item in items if left != 0 else ():
        _add(pile, item, roles)
        full = left is not None and len(pile.items) >= left
        if full or len(pile) >= source.params.batch_rows or pile.chars >= source.params.batch_chars:
            yield _chunk(pile, roles, source.kept)
            if full:  # before the next item is asked for: it may lie in a file that need not be opened
                return
            left = source.remaining()
            pile = _Pile()
    if len(pile):
        yield _chunk(pile, roles, source.kept)


def _add(pile: _Pile, item: Item | Reject, roles: dict[str, str]) -> None:
    if isinstance(item, Reject):
        pile.rejects.append(item)
        return
    record = item.value
    text_key = roles.get("text")
    title_key = roles.get("title")
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
        text = as_text(text) or ""
    pile.texts.append(text)
    pile.items.append(item)
    title = record.get(title_key)
    pile.chars += len(text) + (len(title) if type(title) is str else 0)


def _chunk(pile: _Pile, roles: dict[str, str], kept: dict[str, pa.Field]) -> Chunk:
    records: list[dict[str, Any]] = [item.value for item in pile.items]

    def cells(role: str) -> list[Any]:
        key = roles.get(role)
        return [None if key is None else record.get(key) for record in records]

    columns = {}
    columns["text"], surrogates = string_array(list(pile.texts), pa.large_string())
    for role in STRING_ROLES:
        columns[role], mended = string_array(texts(cells(role)), pa.string())
        surrogates += mended
    moments = [None if is_missing(value) else value for value in cells("date")]
    columns["date"], columns["date_unreadable"] = dates.from_values(moments)
    kept_arrays = []
    for name, target in kept.items():
        array, mended = kept_array([record.get(name) for record in records], target.type)
        kept_arrays.append(array)
        surrogates += mended
    return Chunk(
        source_file=[item.source_file for item in pile.items],
        source_row=np.fromiter((item.source_row for item in pile.items), np.int64, len(records)),
        columns=columns,
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
