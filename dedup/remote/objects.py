"""A remote file that opens and reads like a local one: by ranges, each tried again a bounded number of times."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from dedup.errors import InputError
from dedup.remote.urls import Url

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

T = TypeVar("T")

ATTEMPTS = 5  # over about 17 s, besides the time-outs of the attempts themselves
CONNECT_SECONDS = 10
READ_SECONDS = 60  # without a byte
PAUSE = 0.2  # seconds before the second attempt; four times as long before each further one
SMALL_BYTES = 1 << 16
LARGE_BYTES = 8 << 20


class LostError(Exception):
    """A connection failed in a way that may pass; the message says how."""


class Store(Protocol):
    """Where remote files lie."""

    def find(self, url: Url) -> list[RemoteFile]:
        """Return the file of this URL, or all files below it where it is a folder; none where there is neither."""

    def fetch(self, file: RemoteFile, start: int, stop: int) -> bytes:
        """Return bytes start … stop − 1; LostError where another attempt may succeed."""


class _Status(NamedTuple):
    st_size: int


@dataclass(frozen=True, repr=False)
class RemoteFile:
    """What readers need of a path, for a file behind a URL.

    size : bytes.
    etag : the store's name for this version of the content; "" where it has none.
    """

    store: Store
    url: Url
    size: int
    etag: str

    def __str__(self) -> str:
        return str(self.url)

    __repr__ = __str__

    def __fspath__(self) -> str:
        return str(self.url)

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.name

    def stat(self) -> _Status:
        """Return its size, as the store gave it when the file was found."""
        return _Status(self.size)

    def open(self, mode: str = "rb") -> io.BufferedReader:
        """Open it for reading bytes; only "rb" is known. Nothing is fetched before it is read.

        Raises
        ------
        InputError
            On reading: the file is gone, has changed, may not be read, or the connection stays lost.
        """
        if mode != "rb":
            raise ValueError(f"{self}: got mode {mode!r}, wanted 'rb'")
        return io.BufferedReader(_Ranges(self), SMALL_BYTES)


class _Ranges(io.RawIOBase):
    """Reads exactly what is asked for after a jump, and ever longer ranges ahead where reading goes straight on."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._at = 0
        self._start = 0  # of the block
        self._block = b""
        self._ahead = SMALL_BYTES // 2  # doubled by the first range

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        if start + offset < 0:
            raise ValueError(f"{self._file}: seek to {start + offset:,}, before the start")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._file.size - self._at)
        if wanted <= 0:
            return 0
        end = self._start + len(self._block)
        if not self._start <= self._at < end:
            straight_on = self._at == end
            self._ahead = min(2 * self._ahead, LARGE_BYTES) if straight_on else SMALL_BYTES
            stop = min(self._at + max(wanted, self._ahead), self._file.size)
            self._start, self._block = self._at, self._fetched(self._at, stop)
        offset = self._at - self._start
        piece = self._block[offset : offset + wanted]
        view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _fetched(self, start: int, stop: int) -> bytes:
        block = patiently(lambda: self._file.store.fetch(self._file, start, stop), str(self._file))
        if len(block) != stop - start:
            raise changed(self._file)
        return block


def patiently(attempt: Callable[[], T], place: str) -> T:
    """Do something that may lose its connection, ATTEMPTS times at most.

    Raises
    ------
    InputError
        The connection was lost every time.
    """
    pause, reason = PAUSE, ""
    for number in range(ATTEMPTS):
        if number:
            time.sleep(pause)
            pause *= 4
        try:
            return attempt()
        except LostError as error:
            reason = str(error)
    raise InputError(
        f"{place}: {reason}, {ATTEMPTS} times in a row; wanted the whole file; "
        "see that the network and the server are up, then run the same command again"
    )


def changed(file: RemoteFile) -> InputError:
    """Return the error for a file that is no longer what it was when it was found."""
    return InputError(f"{file}: has changed while it was read, wanted one version of it; run the same command again")
