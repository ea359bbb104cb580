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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema
from dedup.errors import ResourceError

_Int = npt.NDArray[np.int64]

PARTS = 128  # into which a shuffle deals its rows
_ROWS_AT_ONCE = 8192  # that it deals
DEFAULT_MOST = 4 << 30  # bytes; more is of little use to a spill that mostly streams
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
        self.folder = folder or tempfile.gettempdir()
        self.memory = memory or min(DEFAULT_MOST, usable_memory() // 2)
        self.on_disk = False

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
        file = _File(self.folder)
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

    def picks(self, n: int) -> Iterator[slice]:
        """Yield parts of n reads here and there, which on disk map far more than they read; see `rows`."""
        step = max(64, self.memory // 8 // _FAULT) if self.on_disk else max(64, self.memory >> 12)
        for start in range(0, n, step):
            yield slice(start, min(start + step, n))
            self.release()

    def release(self) -> None:
        """Give back the pages of all maps, where documents are on disk."""
        if self.on_disk:
            release()


class Columns:
    """A table that grows, with one chunk a column: values of lists go to a file when documents are on disk.

    Parameters
    ----------
    fields : fixed-width columns, strings, and lists of numbers without nulls
    """

    def __init__(self, spill: Spill, fields: pa.Schema) -> None:
        self._fields = fields
        lists = [field for field in fields if _is_list(field.type)] if spill.on_disk else []
        self._files = {field.name: _File(spill.folder) for field in lists}
        self._lengths: dict[str, list[_Int]] = {field.name: [np.empty(0, np.int64)] for field in lists}
        self._rest = [fields.empty_table().drop_columns(list(self._files))]

    def append(self, table: pa.Table) -> None:
        """Add rows below; the columns are those of the schema, in any order."""
        for name, file in self._files.items():
            if pa.types.is_fixed_size_list(self._fields.field(name).type):
                file.write(schema.matrix(table[name]))
                continue
            values, offsets = schema.ragged(table[name])
            file.write(values)
            self._lengths[name].append(np.diff(offsets))
        self._rest.append(table.select(self._rest[0].column_names))

    def table(self) -> pa.Table:
        """Return all rows; nothing may be added afterwards."""
        filled = [part for part in self._rest if len(part)]
        rest = filled[0] if len(filled) == 1 else pa.concat_tables(self._rest)
        columns = []
        for field in self._fields:
            if field.name not in self._files:
                columns.append(schema.one_chunk(rest[field.name]))
                continue
            file, item = self._files[field.name], field.type.value_type
            values = pa.Array.from_buffers(item, file.size * 8 // item.bit_width, [None, pa.py_buffer(file.map())])
            if pa.types.is_fixed_size_list(field.type):
                columns.append(pa.FixedSizeListArray.from_arrays(values, field.type.list_size))
            else:
                offsets = np.concatenate(([0], np.cumsum(np.concatenate(self._lengths[field.name]))))
                columns.append(pa.LargeListArray.from_arrays(pa.array(offsets), values))
        return pa.Table.from_arrays(columns, schema=self._fields)


class Rows:
    """A table that grows, of any types, in as many chunks as were added; these go to a file likewise."""

    def __init__(self, spill: Spill, fields: pa.Schema) -> None:
        self._fields = fields
        self._file = _File(spill.folder) if spill.on_disk else None
        self._places: list[tuple[int, int]] = []
        self._held: list[pa.Table] = []

    def append(self, table: pa.Table) -> None:
        """Add rows below; the columns are those of the schema, in their order."""
        if self._file is None:
            self._held.append(table)
        else:
            self._places += [self._file.write_batch(batch) for batch in table.combine_chunks().to_batches()]

    def table(self) -> pa.Table:
        """Return all rows; nothing may be added afterwards."""
        if self._file is None:
            return pa.concat_tables([self._fields.empty_table(), *self._held] if not self._held else self._held)
        mapped = pa.py_buffer(self._file.map())
        batches = [pa.ipc.read_record_batch(mapped.slice(*place), self._fields) for place in self._places]
        return pa.Table.from_batches(batches, self._fields)


class Shuffle:
    """Rows dealt out by the leading bits of a key and handed back part by part, in the order of these bits.

    Where keys are hashes the parts are of one size, so that a corpus of any size is sorted by sorting each. As long as
    the rows take less than an eighth of the memory, they stay there and are one part; more go to a file.
    """

    def __init__(self, spill: Spill) -> None:
        self._spill = spill
        self._held: list[tuple[Sequence[pa.Table], npt.NDArray[np.uint64]]] = []
        self._bytes = 0
        self._file: _File | None = None
        self._places: list[list[list[tuple[int, int]]]] = []  # by part and table
        self._fields: list[pa.Schema] = []

    def add(self, tables: Sequence[pa.Table | pa.RecordBatch], key: npt.NDArray[np.uint64]) -> None:
        """Take some rows, of which each table holds some columns.

        Parameters
        ----------
        tables : of n rows each, the same schemas in every call
        key : uint64[n]
        """
        whole = [table if isinstance(table, pa.Table) else pa.Table.from_batches([table]) for table in tables]
        self._held.append((whole, key))
        self._bytes += sum(table.nbytes for table in whole)
        if self._bytes > self._spill.memory // (64 if self._file else 8):
            self._flush()

    def parts(self) -> Iterator[list[pa.Table]]:
        """Yield the tables of each part that has rows, which come in the order they were added; usable once."""
        if self._file is None:
            held, self._held = self._held, []
            if held:
                yield self._together([tables for tables, _ in held])
            return
        self._flush()
        for places in self._places:
            if places[0]:
                yield [
                    pa.Table.from_batches([self._file.read_batch(place, fields) for place in pieces], fields)
                    for pieces, fields in zip(places, self._fields, strict=True)
                ]

    def _flush(self) -> None:
        if not self._held:
            return
        if self._file is None:
            self._file = _File(self._spill.folder)
            self._spill.on_disk = True
            self._fields = [table.schema for table in self._held[0][0]]
            self._places = [[[] for _ in self._fields] for _ in range(PARTS)]
        held, self._held, self._bytes = self._held[::-1], [], 0
        while held:
            some = [held.pop()]
            while held and sum(len(key) for _, key in some) < _ROWS_AT_ONCE:
                some.append(held.pop())
            self._deal(self._together([tables for tables, _ in some]), np.concatenate([key for _, key in some]))

    def _deal(self, whole: list[pa.Table], key: npt.NDArray[np.uint64]) -> None:
        """Write rows to the file by part."""
        assert self._file is not None
        part = (key >> np.uint64(64 - PARTS.bit_length() + 1)).astype(np.int64)
        order = np.argsort(part, kind="stable")
        bounds = np.searchsorted(part[order], np.arange(PARTS + 1))
        for at in range(len(whole)):
            table, whole[at] = whole[at].take(pa.array(order)).combine_chunks(), pa.table({})
            for number in np.flatnonzero(np.diff(bounds)):
                piece = table.slice(bounds[number], bounds[number + 1] - bounds[number])
                self._places[number][at] += [self._file.write_batch(batch) for batch in piece.to_batches()]

    @staticmethod
    def _together(held: Iterable[Sequence[pa.Table]]) -> list[pa.Table]:
        return [pa.concat_tables(column) for column in zip(*held, strict=True)]


class _File:
    """A temporary file without a name."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.size = 0
        with self._errors():
            self._file = tempfile.TemporaryFile(dir=folder, prefix="dedup-", buffering=0)  # noqa: SIM115 - lives on

    def write(self, values: npt.NDArray[Any] | pa.Buffer) -> tuple[int, int]:
        """Append the bytes of an array and return where they lie: place and size."""
        view = memoryview(np.ascontiguousarray(values).reshape(-1) if isinstance(values, np.ndarray) else values)
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
            os.posix_fallocate(self._file.fileno(), 0, size)
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


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


IN_MEMORY = Spill(memory=1 << 62)
