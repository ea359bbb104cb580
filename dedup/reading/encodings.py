"""Bytes of text files → text: byte order mark, strict UTF-8, declared, detected, else cp1252 with replacement."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Iterable, Iterator

SAMPLE_BYTES = 1 << 16  # of a file, on which its encoding is detected
# chardet's confidence: .15 to .71 for right answers on a sentence in each of 12 encodings, under .12 for a few words.
_LEAST_CONFIDENCE = 0.14
_MARKS = (  # UTF-32 first: its mark starts like that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NULS: dict[tuple[bool, ...], str] = {
    (True, False, False, False): "utf-32-le",
    (False, False, False, True): "utf-32-be",
    (True, False, True, False): "utf-16-le",
    (False, True, False, True): "utf-16-be",
}


def wide(head: bytes) -> str:
    """Return the name of UTF-16 or UTF-32, told by a mark or by where the NULs of its first characters are, else ""."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    there = tuple(byte != 0 for byte in head[:8])
    return _NULS.get(there[:4], "") if there[4:] == there[: len(there) - 4] else ""


def utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield chunks of UTF-16 and UTF-32 as UTF-8, all else as it is but for UTF-8's byte order mark.

    What is no UTF-16 in a file that starts so becomes U+FFFD.
    """
    iterator = iter(chunks)
    head = b""
    for chunk in iterator:
        head += chunk
        if len(head) >= 8:
            break
    name = wide(head)
    if not name:
        if head := head.removeprefix(codecs.BOM_UTF8):
            yield head
        yield from iterator
        return
    decoder = codecs.getincrementaldecoder(name)("replace")
    for chunk in itertools.chain([head], iterator):
        if text := decoder.decode(chunk):
            yield text.encode("utf-8", "replace")
    if text := decoder.decode(b"", final=True):
        yield text.encode("utf-8", "replace")


class Decoder:
    """Turns pieces of one file into text; the encoding of those that are not UTF-8 is found once.

    Parameters
    ----------
    counts : `encoding_detected` or `encoding_replaced` is added to for each piece that is not UTF-8.
    sample : first bytes of the file.
    declared : name of the encoding that the file itself gives, or "".
    """

    def __init__(self, counts: dict[str, int], sample: bytes = b"", declared: str = "") -> None:
        self._counts = counts
        self._sample = sample[:SAMPLE_BYTES]
        self._declared = declared
        self._encoding: str | None = None

    def text(self, data: bytes) -> str:
        """Return a piece as text, without a byte order mark."""
        try:
            return data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
        except UnicodeDecodeError:
            pass
        for encoding in (self._declared, self._found(data)):
            if encoding:
                try:
                    text = data.decode(encoding)
                except (LookupError, ValueError):
                    continue
                self._counts["encoding_detected"] += 1
                return text
        self._counts["encoding_replaced"] += 1
        return data.decode("cp1252", "replace")

    def _found(self, data: bytes) -> str:
        if self._encoding is None:
            lines = [line for line in self._sample.split(b"\n") if not _is_utf8(line)]
            self._encoding = detected(b"\n".join(lines) or data[:SAMPLE_BYTES])
        return self._encoding


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def detected(sample: bytes) -> str:
    """Return the name of the encoding that bytes are in, or "" where that is uncertain or cp1252."""
    import chardet  # noqa: PLC0415 - few files need it

    found = chardet.detect(sample)
    name = found["encoding"] or ""
    sure = (found["confidence"] or 0) >= _LEAST_CONFIDENCE
    return name if sure and name.lower() not in ("windows-1252", "ascii", "utf-8", "iso-8859-1") else ""
