"""A file → its bytes, its lines, its hash; and its name in print."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from dedup.errors import InputError
from dedup.reading.packed import CHUNK_BYTES, kind, unpacked
from dedup.remote import RemoteFile

if TYPE_CHECKING:
    from dedup.reading.stdin import Spool

    Hash = hashlib._Hash

MAX_LINE_BYTES = 256 << 20
MAX_COLUMNS = 10_000
_CONTROL = re.compile("[\x00-\x1f\x7f]")


class FoundFile(NamedTuple):
    """A file to read: where it is, and its name relative to the input root with `/`, printable whatever its bytes."""

    path: Path | RemoteFile
    source_file: str
    spool: Spool | None = None  # standard input


def printable(path: str | os.PathLike[str]) -> str:
    """Return a path with `/` between its parts, and escapes for control characters and bytes that are not UTF-8."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace").replace(os.sep, "/")
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


@contextmanager
def opened(file: FoundFile) -> Iterator[BinaryIO]:
    """Open a file for reading bytes: the one place that knows where files lie.

    Raises
    ------
    SettingsError
        If a URL cannot be used, or the package that reads it is missing.
    InputError
        If it cannot be opened, or reading fails.
    """
    try:
        with file.spool.open() if file.spool is not None else file.path.open("rb") as stream:
            yield stream
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):  # of a temporary file
            raise
        reason = error.strerror or str(error)
        raise InputError(f"{printable(file.path)}: {reason}; make the file readable or leave it out") from None


def stamp(file: FoundFile) -> tuple[int, ...] | None:
    """Return what changes when somebody writes to a file: size, time in ns, and which one its name stands for."""
    if file.spool is not None:
        return None
    if isinstance(file.path, RemoteFile):
        return (file.path.stat().st_size,)  # its reader asks for one version
    try:
        status = file.path.stat()
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino


def seekable(stream: BinaryIO, head: bytes, folder: str | None) -> BinaryIO:
    """Return the content of a file as one that can be sought in: itself, or unpacked into a temporary file.

    Parameters
    ----------
    stream : of the file as it is stored.
    head : its first bytes.
    folder : of the temporary file, which has no name; None: the system's.

    Raises
    ------
    PackedError
        If it is damaged.
    """
    stream.seek(0)
    if not kind(head):
        return stream
    whole = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - gone with the last reference
    for chunk in unpacked(stream, hashlib.sha256()):
        whole.write(chunk)
    whole.seek(0)
    return whole


def finished(file: BinaryIO, digest: Hash) -> str:
    """Read on to the end of the file and return its hash in hex."""
    while block := file.read(CHUNK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, int, bytes | None]]:
    r"""Cut chunks at `\n`.

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
            yield number, offset, _line(parts, size)
            number, offset = number + 1, offset + size + 1
            parts, size = [], 0
        last = rest[-1] if rest else first
        size += len(last)
        if size <= MAX_LINE_BYTES:
            parts.append(last)
        else:
            parts = []
    if size:
        yield number, offset, _line(parts, size)


def _line(parts: list[bytes], size: int) -> bytes | None:
    if size > MAX_LINE_BYTES:
        return None
    return parts[0] if len(parts) == 1 else b"".join(parts)
