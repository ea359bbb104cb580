"""Arguments → files in their order, each with a printable name; a file → its unpacked bytes, its lines, its hash."""

from __future__ import annotations

import codecs
import fnmatch
import hashlib
import os
import stat
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, NoReturn

from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.reading.formats import ENDINGS, ending
from dedup.remote import RemoteFile, is_url

if TYPE_CHECKING:
    Hash = hashlib._Hash

CHUNK_BYTES = 1 << 20
GZIP_CHUNK_BYTES = 1 << 16  # small, because what one call unpacks before it meets damage is lost
MAX_LINE_BYTES = 256 << 20

CORRUPT = (EOFError, zlib.error)  # what `unpacked` raises on a damaged gzip file

_GZIP_MAGIC = b"\x1f\x8b"
_LATER = {"-": "standard input", "*": "a quoted glob"}


class FoundFile(NamedTuple):
    """A file to read: where it is, and its name relative to the input root with `/`, printable whatever its bytes."""

    path: Path | RemoteFile
    source_file: str


def find(paths: Sequence[str | Path], params: ReadingParams) -> list[FoundFile]:
    """Return the files that the arguments stand for, sorted by path bytes, local ones first, each regular file once.

    Folders are searched to any depth without following links to folders; names with `.` or `_` first are left out.

    Raises
    ------
    SettingsError
        If a URL cannot be used, or the package that reads it is missing.
    InputError
        If there is no argument, one is missing or neither file nor folder, or a folder holds nothing to read.
    """
    if not paths:
        raise InputError("no input; got no path, wanted files or folders; name at least one")
    urls = [str(path) for path in paths if is_url(path)]
    local = [path for path in paths if not is_url(path)]
    return (_find_local(local, params) if local else []) + (_find_remote(urls, params, not local) if urls else [])


def _find_remote(urls: list[str], params: ReadingParams, alone: bool) -> list[FoundFile]:
    from dedup.remote.finding import find  # noqa: PLC0415 - nothing of it is needed where all files are local

    found = find(urls, lambda relative, name: _wanted(relative, name, params), alone=alone)
    return [FoundFile(file, name) for file, name in found]


def _find_local(paths: Sequence[str | Path], params: ReadingParams) -> list[FoundFile]:
    # Not resolve: a link keeps the name that the user gave it.
    arguments = list(dict.fromkeys(Path(os.path.normpath(Path.cwd() / path)) for path in map(_checked, paths)))
    root = arguments[0]
    if len(arguments) > 1 or not root.is_dir():
        root = Path(os.path.commonpath([path.parent for path in arguments]))
    found: list[Path] = []
    for path in arguments:
        inside = list(_inside(path, params)) if path.is_dir() else [path]
        if not inside:
            wanted = " ".join(params.include or ENDINGS)
            raise InputError(f"{printable(path)}: a folder without a file to read; wanted {wanted}; see --include")
        found += inside
    files: dict[tuple[int, int], FoundFile] = {}
    for path in sorted(set(found), key=os.fsencode):
        status = path.stat()
        files.setdefault((status.st_dev, status.st_ino), FoundFile(path, printable(path.relative_to(root))))
    return list(files.values())


def _checked(path: str | Path) -> str | Path:
    place = printable(path)
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as error:
        for sign, what in _LATER.items():
            if place == sign or (sign != "-" and sign in str(path)):
                raise InputError(f"{place}: {what} cannot be read; wanted files or folders; name these") from None
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{place}: {reason}; wanted a file or a folder; check the path") from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{place}: neither a file nor a folder; write its content to a file first")
    return path


def _inside(folder: Path, params: ReadingParams) -> Iterator[Path]:
    for here, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        for name in names:
            path = Path(here, name)
            if name.startswith((".", "_")) or not _wanted(str(path.relative_to(folder)), name, params):
                continue
            try:
                regular = stat.S_ISREG(path.stat().st_mode)
            except OSError:  # a link to nowhere
                continue
            if regular:
                yield path


def _wanted(relative: str, name: str, params: ReadingParams) -> bool:
    def matches(globs: tuple[str, ...]) -> bool:
        return any(fnmatch.fnmatchcase(relative, glob) or fnmatch.fnmatchcase(name, glob) for glob in globs)

    known = matches(params.include) if params.include else ending(name) in ENDINGS
    return known and not matches(params.exclude)


def _unreadable(error: OSError) -> NoReturn:
    raise InputError(f"{printable(str(error.filename))}: {error.strerror}; make the folder readable or leave it out")


def printable(path: str | os.PathLike[str]) -> str:
    """Return a path with `/` between its parts, and with backslash escapes for bytes that are not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace").replace(os.sep, "/")


def head(path: Path | RemoteFile) -> tuple[bytes, bool]:
    """Return the first bytes of a file, unpacked, and whether they had to be unpacked; none where they are damaged.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        try:
            return next(unpacked(file, hashlib.sha256()), b""), packed
        except CORRUPT:
            return b"", True


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
    if block.startswith(_GZIP_MAGIC):
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
    return line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
