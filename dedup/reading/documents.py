"""Chunks → DOCUMENTS columns: the rules that hold for every format."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.reading import dates
from dedup.reading.records import Chunk
from dedup.schema import DOCUMENTS, TIMESTAMP, utf8


def columns(
    chunk: Chunk, first_row: int, ids: list[str], *, max_doc_chars: int, latest: int, counts: dict[str, int]
) -> list[pa.Array]:
    """Return the columns of DOCUMENTS and then the kept ones.

    Parameters
    ----------
    chunk : n records.
    first_row : the row number of the first.
    ids : n unique ids.
    max_doc_chars : longer texts are cut; their length and hash are those of the whole.
    latest : microseconds since 1970 from which on a date lies in the future.
    counts : `truncated_texts`, `suspect_dates` and `unreadable_dates` are added to.
    """
    n = len(ids)
    chars = pc.utf8_length(chunk.text).cast(pa.int64())
    long = chars.to_numpy() > max_doc_chars
    text = _without_nul(chunk.text)
    if long.any():
        text = pc.utf8_slice_codeunits(text, 0, max_doc_chars)
    micros, known, unreadable = chunk.dates
    suspect = known & ((micros < dates.EARLIEST) | (micros >= latest))
    counts["truncated_texts"] += int(long.sum())
    counts["suspect_dates"] += int(suspect.sum())
    counts["unreadable_dates"] += int(unreadable.sum())
    made = {
        "row": pa.array(np.arange(first_row, first_row + n)),
        "doc_id": pa.array(ids, pa.string()),
        "source_file": pa.array(chunk.source_file, pa.string()),
        "source_row": pa.array(chunk.source_row, pa.int64()),
        "title": _without_nul(blank_as_null(chunk.strings["title"])),
        "text": text,
        "published_at": pa.array(micros, pa.int64(), mask=~known | suspect).cast(TIMESTAMP),
        "date_suspect": pa.array(suspect | unreadable),
        "source": blank_as_null(chunk.strings["source"]),
        "url": blank_as_null(chunk.strings["url"]),
        "lang": blank_as_null(chunk.strings["lang"]),
        "text_chars": chars,
        "text_sha256": pa.array(_hashes(chunk.text), pa.string()),
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


class Ids:
    """The ids given out so far; a class, because an id must differ from all before it in the whole input."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._copies: dict[str, int] = {}

    def unique(self, given: Iterable[str | None], fallback: Iterable[str], counts: dict[str, int]) -> list[str]:
        """Return one id per record: the given one, else the fallback, with `~2`, `~3` after one that was there.

        `counts["duplicate_ids"]` is added to.
        """
        made = []
        for own, other in zip(given, fallback, strict=True):
            wanted = own if own is not None else other
            fresh = wanted
            if wanted in self._seen:
                counts["duplicate_ids"] += 1
                n = self._copies.get(wanted, 1) + 1
                while (fresh := f"{wanted}~{n}") in self._seen:
                    n += 1
                self._copies[wanted] = n
            self._seen.add(fresh)
            made.append(fresh)
        return made
