"""What does not fit into the memory of a job: temporary files that are read back through memory maps.

A file has no name from the moment it is made, so that nothing is left of it however the process ends. Mapped pages
count as memory of the process until they are given back (`release`): whoever walks over a mapped column does so in
parts, and `Spill.slices` and its kin give the pages of each part back.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup.errors import ResourceError

_Int = npt.NDArray[np.int64]
Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]  # `map` over parts, or that of an engine

DEFAULT_MOST = 4 << 30  # bytes; more is of little use to a spill that mostly streams
_PICKED = 1 << 16  # pairs at a time: what is worked out of a part takes .3 kB each
_FAULT = 1 << 16  # bytes that Linux maps around the page that is asked for
_MAPS: weakref.WeakSet[_Map] = weakref.WeakSet()


class _Map(mmap.mmap):
    """A memory map that can be told to give its pages back."""


class Spill:
    """Where and above which size the parts of a job go to temporary files.

    Parameters
    ----------
    folder : of the files; None: the system's folder for temporary files.
    memory : bytes that the job may take; None: half of what the process may use, at most 4 GiB.

    Attributes
    ----------
    on_disk : whether the documents are, as `Shuffle` finds when they outgrow an eighth of the memory.
    """

    def __init__(self, folder: str | None = None, memory: int | None = None) -> None:
        self._folder = folder
        self.memory = memory or min(DEFAULT_MOST, usable_memory() // 2)
        self.on_disk = False

    @property
    def folder(self) -> str:
        """The folder of the files.

        Raises
        ------
        ResourceError
            None was given, and the system has none that can be written to.
        """
        try:
            return self._folder or tempfile.gettempdir()
        except FileNotFoundError as error:
            raise ResourceError(f"no folder for temporary files ({error.strerror}); name one with --tmp-dir") from None

    def array(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Make an array, in a file where it is larger than a 32nd of the memory; what it holds at first is not said.

        Raises
        ------
        ResourceError
            The disk is full.
        """
        size = math.prod(np.atleast_1d(shape).tolist()) * np.dtype(dtype).itemsize
        if size <= self.memory // 32:
            return np.empty(shape, dtype)
        file = File(self.folder)
        file.reserve(size)
        made: npt.NDArray[Any] = np.frombuffer(file.map(), dtype).reshape(shape)
        return made

    def rows(self, n: int, width: int) -> Iterator[tuple[int, int]]:
        """Yield where parts of n rows of `width` bytes begin and end; the pages of each are given back after it."""
        step = max(1, self.memory // 64 // width)
        for start in range(0, n, step):
            yield start, min(start + step, n)
            self.release()

    def slices(self, offsets: _Int, width: int = 8) -> Iterator[tuple[int, int]]:
        """Yield where parts of ragged rows begin and end, of about a 64th of the memory; see `rows`.

        Parameters
        ----------
        offsets : int64[n + 1], starting at 0
        width : bytes of a value
        """
        step, start, n = max(1, self.memory // 64 // width), 0, len(offsets) - 1
        while start < n:
            stop = int(np.searchsorted(offsets, offsets[start] + step, side="right")) - 1
            stop = max(stop, start + 1)
            yield start, stop
            self.release()
            start = stop

    def picks(self, n: int, arrays: int = 4) -> Iterator[slice]:
        """Yield parts of n pairs or single documents to be read, which on disk map far more than is read; see `rows`.

        Parameters
        ----------
        arrays : places of mapped files that are read for each
        """
        step = max(64, self.memory // 8 // (arrays * _FAULT) if self.on_disk else min(self.memory >> 12, _PICKED))
        for start in range(0, n, step):
            yield slice(start, min(start + step, n))
            self.release()

    def release(self) -> None:
        """Give back the pages of all maps, where documents are on disk."""
        if self.on_disk:
            release()


class File:
    """A temporary file without a name; `ResourceError` where it cannot grow."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.size = 0
        with self._errors():
            self._file = tempfile.TemporaryFile(dir=folder, prefix="dedup-", buffering=0)  # noqa: SIM115 - lives on

    def write(self, values: npt.NDArray[Any] | pa.Buffer) -> tuple[int, int]:
        """Append the bytes of an array and return where they lie: place and size."""
        flat: Any = np.ascontiguousarray(values).reshape(-1) if isinstance(values, np.ndarray) else values
        view = memoryview(flat)
        place, size = self.size, view.nbytes
        left = view.cast("B") if size else view
        with self._errors():
            while len(left):
                left = left[os.write(self._file.fileno(), left) :]
        self.size += size
        return place, size

    def write_batch(self, batch: pa.RecordBatch) -> tuple[int, int]:
        """Append a record batch without its schema."""
        return self.write(batch.serialize())

    def read_batch(self, place: tuple[int, int], fields: pa.Schema) -> pa.RecordBatch:
        """Read a record batch into memory."""
        with self._errors():
            return pa.ipc.read_record_batch(pa.py_buffer(os.pread(self._file.fileno(), place[1], place[0])), fields)

    def reserve(self, size: int) -> None:
        """Make the file so large; a full disk shows now and not as a signal that kills the process."""
        with self._errors():
            if hasattr(os, "posix_fallocate"):  # not on macOS
                os.posix_fallocate(self._file.fileno(), 0, size)
            self._file.truncate(size)
        self.size = size

    def map(self) -> Any:
        """Return the content, mapped; the map keeps the file."""
        if self.size == 0:
            return b""
        with self._errors():
            mapped = _Map(self._file.fileno(), self.size)
        _MAPS.add(mapped)
        return mapped

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ResourceError(
                f"{self._folder}: temporary files cannot be written ({error.strerror}); free some space there, name "
                "another folder with --tmp-dir, or let the job take more memory with --memory"
            ) from error


def release() -> None:
    """Give back the pages of all mapped files, which are read again where they are needed, and unused memory."""
    for mapped in list(_MAPS):
        if hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)
    pa.default_memory_pool().release_unused()


def trim() -> None:
    """Give back what the threads of a finished stage hold of freed memory; glibc alone keeps it and can be told."""
    pa.default_memory_pool().release_unused()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def usable_memory() -> int:
    """Return the bytes of memory this process may use: the machine's, or the limit of its control group (v2, v1)."""
    least = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            least = min(least, int(Path("/sys/fs/cgroup", name).read_text("ascii")))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return least


IN_MEMORY = Spill(memory=1 << 62)
