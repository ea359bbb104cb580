"""Packed files (gzip, zstd, bzip2, xz), told by their content → their content in chunks, within limits."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    import hashlib

    Hash = hashlib._Hash

CHUNK_BYTES = 1 << 20
PACKED_CHUNK_BYTES = 1 << 16  # small, because what one call unpacks before it meets damage is lost
_ZSTD_CHUNK_BYTES = 1 << 14  # smaller still: here all of it is lost, not only what could not be unpacked
MAX_RATIO = 200  # unpacked to stored bytes; text packs 3 to 30 times, a bomb a thousand times and more ...
RATIO_FROM_BYTES = 64 << 20  # ... which does not matter in files that unpack to less than this
MAX_UNPACKED_BYTES = 1 << 38
MAX_WINDOW_BYTES = 256 << 20  # memory that one xz file may ask for; zstd refuses more than 128 MiB by itself

_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)
_BLOCK = b"1AY&SY", b"\x17rE8P\x90"  # what follows BZh and a digit: a block, or the end of an empty file
_SKIPPABLE = range(0x50, 0x60), b"\x2a\x4d\x18"  # a zstd frame that says nothing, as parallel packers write first
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, pa.ArrowException, OSError, ValueError, MemoryError)


class PackedError(Exception):
    """A packed file is damaged or unpacks to too much from here on; `code` and message are those of the refusal."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def kind(head: bytes) -> str:
    """Return "gzip", "zstd", "bzip2" or "xz" by the first 10 bytes of a file, "" for all else."""
    for magic, name in _MAGIC:
        if head.startswith(magic) and (name != "bzip2" or head[4:10] in _BLOCK):
            return name
    return "zstd" if head[1:4] == _SKIPPABLE[1] and head[0] in _SKIPPABLE[0] else ""


class _Counted:
    """A file of bytes that knows how many were read, and their hash; what pyarrow asks of a file."""

    closed = False
    mode = "rb"

    def __init__(self, file: IO[bytes], digest: Hash) -> None:
        self._file = file
        self._digest = digest
        self.first = b""  # what was read already and comes once more
        self.bytes = 0
        self.error: OSError | None = None

    def read(self, size: int) -> bytes:
        if self.first:
            block, self.first = self.first[:size], self.first[size:]
            return block
        try:
            block = self._file.read(size)
        except OSError as error:
            self.error = error
            raise
        self._digest.update(block)
        self.bytes += len(block)
        return block

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """Leave the file open: whoever opened it closes it."""


def unpacked(file: IO[bytes], digest: Hash) -> Iterator[bytes]:
    """Yield the content of a file in chunks, unpacked where its content says that it is packed.

    Parameters
    ----------
    file : open for reading bytes, at its start.
    digest : updated with the bytes as they are stored.

    Raises
    ------
    PackedError
        Where it is damaged, ends too early, or is a bomb; the chunks before are good.
    OSError
        If it cannot be read.
    """
    stored = _Counted(file, digest)
    block = stored.read(PACKED_CHUNK_BYTES)
    name = kind(block)
    if not name:
        while block:
            yield block
            block = stored.read(CHUNK_BYTES)
        return
    total = 0
    try:
        for piece in _zstd(block, stored) if name == "zstd" else _members(_NEW[name], block, stored.read):
            total += len(piece)
            if total > MAX_UNPACKED_BYTES or (total > RATIO_FROM_BYTES and total > MAX_RATIO * stored.bytes):
                size = f"{stored.bytes:,} bytes of {name} data unpack to over {total - len(piece):,}"
                message = f"{size}; wanted at most {MAX_RATIO} times as many; unpack it first if that is right"
                raise PackedError("packed_bomb", message)
            yield piece
    except _DAMAGE as error:
        if stored.error is not None:
            raise stored.error from None
        reason = " ".join(str(error).split())
        message = f"damaged {name} data from here ({reason}); what was before it is kept; fetch the file again"
        raise PackedError(f"corrupt_{name}", message) from None


class _Inflater:
    """zlib's unpacker with the interface of the other two."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(wbits=31)
        self.needs_input = True

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._inflater.decompress(self._inflater.unconsumed_tail + data, max_length)
        # A full piece may have left output inside the inflater although all input was taken.
        self.needs_input = not self._inflater.unconsumed_tail and len(piece) < max_length
        return piece

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflater.unused_data


_NEW: dict[str, Callable[[], Any]] = {
    "gzip": _Inflater,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_WINDOW_BYTES),
}


def _members(new: Callable[[], Any], block: bytes, read: Callable[[int], bytes]) -> Iterator[bytes]:
    unpacker = new()
    while True:
        piece = unpacker.decompress(block, PACKED_CHUNK_BYTES)
        if piece:
            yield piece
        block = b""
        if unpacker.eof:
            block = unpacker.unused_data.lstrip(b"\0")  # padding between members is allowed
            while not block:
                fresh = read(PACKED_CHUNK_BYTES)
                if not fresh:
                    return
                block = fresh.lstrip(b"\0")
            unpacker = new()
        elif unpacker.needs_input:
            block = read(PACKED_CHUNK_BYTES)
            if not block and not piece:
                raise EOFError("the file ends inside the packed data")


def _zstd(block: bytes, stored: _Counted) -> Iterator[bytes]:
    stored.first = block
    with pa.CompressedInputStream(pa.PythonFile(stored, "r"), "zstd") as stream:
        while piece := stream.read(_ZSTD_CHUNK_BYTES):
            yield piece
