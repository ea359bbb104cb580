"""Text files: one file, one document."""

from __future__ import annotations

import codecs
from collections.abc import Iterable

from dedup.reading import files
from dedup.reading.documents import Reject
from dedup.reading.rows import Item


def record(chunks: Iterable[bytes], name: str, counts: dict[str, int]) -> Item | Reject | None:
    """Return a file as one record with `id` and `text`; None where the file is empty.

    Parameters
    ----------
    chunks : of the unpacked file.
    name : the file's, which becomes its id.
    counts : `encoding_replaced` is added to.
    """
    parts: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            size += len(chunk)
            if size > files.MAX_LINE_BYTES:
                message = f"over {files.MAX_LINE_BYTES:,} bytes; wanted one document per file; split it"
                return Reject(name, 0, 1, 0, "line_too_long", message)
            parts.append(chunk)
    except files.CORRUPT as error:
        return Reject(name, 0, None, None, "corrupt_gzip", f"damaged gzip data ({error}); fetch the file again")
    if not size:
        return None
    text = decoded(b"".join(parts).removeprefix(codecs.BOM_UTF8), counts)
    return Item(name, 0, 1, 0, {"id": name, "text": text})


def decoded(data: bytes, counts: dict[str, int]) -> str:
    """Return UTF-8 as text, anything else as cp1252 with replacement, counted as `encoding_replaced`."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        counts["encoding_replaced"] += 1
        return data.decode("cp1252", "replace")
