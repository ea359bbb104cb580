"""Text files: one file, one document."""

from __future__ import annotations

from collections.abc import Iterable

from dedup.reading import streams
from dedup.reading.delimited import decoded
from dedup.reading.records import Item


def record(chunks: Iterable[bytes], name: str, counts: dict[str, int]) -> Item | None:
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
            if size > streams.MAX_LINE_BYTES:
                message = f"over {streams.MAX_LINE_BYTES:,} bytes; wanted one document per file; split it"
                return Item(name, 0, 1, 0, None, "line_too_long", message)
            parts.append(chunk)
    except streams.CORRUPT as error:
        return Item(name, 0, None, None, None, "corrupt_gzip", f"damaged gzip data ({error}); fetch the file again")
    if not size:
        return None
    text = decoded(b"".join(parts).removeprefix(streams.BOM), counts)
    return Item(name, 0, 1, 0, {"id": name, "text": text})
