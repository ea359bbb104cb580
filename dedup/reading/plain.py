"""Text and Markdown files, and web pages: one file, one document."""

from __future__ import annotations

from collections.abc import Iterable

from dedup.reading import encodings, files, html
from dedup.reading.documents import Reject
from dedup.reading.packed import PackedError
from dedup.reading.rows import Item


def record(chunks: Iterable[bytes], name: str, counts: dict[str, int], format: str = "txt") -> Item | Reject | None:
    """Return a file as one record with `id` and `text`, and of a page what it says of itself; None where it is empty.

    Parameters
    ----------
    chunks : of the unpacked file.
    name : the file's, which becomes its id.
    counts : `encoding_detected` and `encoding_replaced` are added to.
    format : "txt", "md" or "html".
    """
    parts: list[bytes] = []
    size = 0
    most = html.MAX_BYTES if format == "html" else files.MAX_LINE_BYTES
    try:
        for chunk in chunks:
            size += len(chunk)
            if size > most:
                message = f"over {most:,} bytes; wanted one document per file; split it"
                return Reject(name, 0, 1, 0, "line_too_long", message)
            parts.append(chunk)
    except PackedError as error:
        return Reject(name, 0, None, None, error.code, str(error))
    if not size:
        return None
    data = b"".join(parts)
    declared = html.declared(data) if format == "html" else ""
    text = encodings.Decoder(counts, data, declared).text(data)
    if format != "html":
        return Item(name, 0, 1, 0, {"id": name, "text": text})
    if problem := html.too_hard(text):
        return Reject(name, 0, 1, 0, "bad_html", problem)
    return Item(name, 0, 1, 0, {"id": name, **html.article(text)})
