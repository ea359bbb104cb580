"""Arguments → the files to read, in their order, each with its printable name."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.reading.formats import ENDINGS, ending

_LATER = {"-": "standard input", "://": "a URL", "*": "a quoted glob"}


@dataclass(frozen=True)
class FoundFile:
    """A file to read: where it is, and its name relative to the input root with `/`, printable whatever its bytes."""

    path: Path
    source_file: str


def find(paths: Sequence[str | Path], params: ReadingParams) -> list[FoundFile]:
    """Return the files that the arguments stand for, sorted by path bytes, each regular file once.

    Folders are searched to any depth without following links to folders; names with `.` or `_` first are left out.

    Raises
    ------
    InputError
        If there is no argument, one is missing or neither file nor folder, or a folder holds nothing to read.
    """
    if not paths:
        raise InputError("no input; got no path, wanted files or folders; name at least one")
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


def printable(path: str | Path) -> str:
    """Return a path with `/` between its parts, and with backslash escapes for bytes that are not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace").replace(os.sep, "/")
