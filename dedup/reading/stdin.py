"""Standard input as a file: kept as far as it was read, so that it can be read from its start again."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from typing import IO, BinaryIO

from dedup.errors import InputError
from dedup.reading.packed import CHUNK_BYTES


class Spool:
    """A stream, and what was read of it in a temporary file that nobody else can see.

    Parameters
    ----------
    stream : read no further than somebody asked for.
    folder : of the temporary file; None: the system's.
    """

    def __init__(self, stream: IO[bytes], folder: str | None = None) -> None:
        self._stream = stream
        self._kept = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - gone with this object
        self.bytes = 0
        self.ended = False

    def open(self) -> BinaryIO:
        """Return a file over the whole stream, at its start."""
        return io.BufferedReader(_Reader(self), CHUNK_BYTES)  # type: ignore[type-var]

    def pull(self, end: int | None) -> None:
        """Read on until `end` bytes are kept, or all."""
        while not self.ended and (end is None or self.bytes < end):
            block = (
                self._stream.read1(CHUNK_BYTES) if hasattr(self._stream, "read1") else self._stream.read(CHUNK_BYTES)
            )
            self.ended = not block
            self._kept.seek(self.bytes)
            self._kept.write(block)
            self.bytes += len(block)

    def read(self, at: int, size: int) -> bytes:
        """Return up to `size` bytes from `at` on; none at the end only."""
        self.pull(at + 1)
        self._kept.seek(at)
        return self._kept.read(min(size, self.bytes - at)) if self.bytes > at else b""


class _Reader(io.RawIOBase):
    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            self._spool.pull(None)
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._spool.bytes}[whence])
        return self._at

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        block = self._spool.read(self._at, len(buffer))
        buffer[: len(block)] = block
        self._at += len(block)
        return len(block)


def standard_input(folder: str | None) -> Spool:
    """Return standard input.

    Raises
    ------
    InputError
        If it is closed.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise InputError("-: standard input is closed; wanted articles from a pipe; name files instead")
    return Spool(sys.stdin.buffer, folder)
