"""Bytes of a file → unpacked bytes → lines, with the file's hash made on the way and every buffer bounded."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    Hash = hashlib._Hash

GZIP_MAGIC = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"
CHUNK_BYTES = 1 << 20
GZIP_CHUNK_BYTES = 1 << 16  # small, because what one call unpacks before it meets damage is lost
MAX_LINE_BYTES = 256 << 20

CORRUPT = (EOFError, zlib.error)  # what `unpacked` raises on a damaged gzip file


def _block(file: IO[bytes], size: int, digest: Hash) -> bytes:
    block = file.read(size)
    digest.update(block)
    return block


def unpacked(file: IO[bytes], digest: Hash) -> Iterator[bytes]:
    """Yield the content of a file in chunks, unpacked where it starts as gzip does.

    Parameters
    ----------
    file : open for reading bytes, at its start.
    digest : updated with the bytes as they are stored.

    Raises
    ------
    EOFError
        If a gzip file ends too early.
    zlib.error
        If it is damaged.
    """
    block = _block(file, GZIP_CHUNK_BYTES, digest)
    if block.startswith(GZIP_MAGIC):
        yield from _gunzipped(block, file, digest)
        return
    while block:
        yield block
        block = _block(file, CHUNK_BYTES, digest)


def _gunzipped(block: bytes, file: IO[bytes], digest: Hash) -> Iterator[bytes]:
    inflater = zlib.decompressobj(wbits=31)
    piece = b""
    # A full piece may have left output inside the inflater although all input was taken.
    while block or len(piece) == GZIP_CHUNK_BYTES:
        if inflater.eof:
            piece = b""
            block = block.lstrip(b"\0")  # padding between members is allowed
            if block:
                inflater = zlib.decompressobj(wbits=31)
            else:
                block = _block(file, GZIP_CHUNK_BYTES, digest)
                continue
        piece = inflater.decompress(block, GZIP_CHUNK_BYTES)
        if piece:
            yield piece
        block = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
        block = block or _block(file, GZIP_CHUNK_BYTES, digest)
    if not inflater.eof:
        raise EOFError("the file ends inside the packed data")


def finished(file: IO[bytes], digest: Hash) -> str:
    """Read on to the end of the file and return its hash in hex."""
    while _block(file, CHUNK_BYTES, digest):
        pass
    return digest.hexdigest()


def lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, int, bytes | None]]:
    r"""Cut chunks at `\n`; a byte order mark at the start is left out.

    Yields
    ------
    number : int, from 1.
    offset : int, of the line's first byte.
    line : bytes without the `\n`; None for a line over MAX_LINE_BYTES, which is never held.
    """
    number, offset = 1, 0
    parts: list[bytes] = []  # of a line whose end has not come yet
    size = 0
    for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        for piece in (first, *rest[:-1]) if rest else ():
            size += len(piece)
            parts.append(piece)
            yield number, offset, _line(parts, size, number)
            number, offset = number + 1, offset + size + 1
            parts, size = [], 0
        last = rest[-1] if rest else first
        size += len(last)
        if size <= MAX_LINE_BYTES:
            parts.append(last)
        else:
            parts = []
    if size:
        yield number, offset, _line(parts, size, number)


def _line(parts: list[bytes], size: int, number: int) -> bytes | None:
    if size > MAX_LINE_BYTES:
        return None
    line = parts[0] if len(parts) == 1 else b"".join(parts)
    return line.removeprefix(BOM) if number == 1 else line
