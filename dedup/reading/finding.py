"""Arguments (files, folders, globs, lists, standard input) → files in their order, each with a printable name."""

from __future__ import annotations

import fnmatch
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.reading.files import FoundFile, printable
from dedup.reading.formats import ENDINGS, ending
from dedup.reading.stdin import standard_input
from dedup.remote import is_url

STDIN = "-"
_MAGIC = frozenset("*?[")


def listed(path: str) -> list[str]:
    r"""Return the arguments that a file lists, or standard input where `path` is "-".

    One a line, or separated by NUL, as `find -print0` writes them, where there is a NUL; blank ones are left out.

    Raises
    ------
    InputError
        If it cannot be read, or lists nothing.
    """
    try:
        if path == STDIN and sys.stdin is None:
            raise OSError(None, "standard input is closed")
        data = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError(f"--files-from {printable(path)}: {reason}; wanted a file with one path a line") from None
    separator = b"\0" if b"\0" in data else b"\n"
    names = [os.fsdecode(name.removesuffix(b"\r")) for name in data.split(separator) if name.strip()]
    if not names:
        raise InputError(f"--files-from {printable(path)}: got no path, wanted one a line; nothing to read")
    return names


def find(paths: Sequence[str | Path], params: ReadingParams, tmp_dir: str | None = None) -> list[FoundFile]:
    """Return the files that the arguments stand for, sorted by path bytes, each regular file once.

    Folders are searched to any depth without following links to folders; names with `.` or `_` first are left out.

    Parameters
    ----------
    paths : files, folders, globs (`**` is folders to any depth), "-" for standard input, which comes first, or URLs,
        which come last.
    params : `include` and `exclude` choose among the files of folders.
    tmp_dir : folder for what standard input brings, and servers without ranges; None: the system's.

    Raises
    ------
    InputError
        If there is no argument, one is missing or neither file nor folder, a folder holds nothing to read, or a glob
        matches nothing.
    """
    if not paths:
        raise InputError("no input; got no path, wanted files or folders; name at least one")
    urls = [str(path) for path in paths if is_url(path)]
    local = [path for path in paths if not is_url(path)]
    return (_find_local(local, params, tmp_dir) if local else []) + (
        _find_remote(urls, params, not local, tmp_dir) if urls else []
    )


def _find_remote(urls: list[str], params: ReadingParams, alone: bool, tmp_dir: str | None) -> list[FoundFile]:
    from dedup.remote.finding import find  # noqa: PLC0415 - nothing of it is needed where all files are local

    found = find(urls, lambda relative, name: wanted(relative, name, params), alone=alone, tmp_dir=tmp_dir)
    return [FoundFile(file, name) for file, name in found]


def _find_local(paths: Sequence[str | Path], params: ReadingParams, tmp_dir: str | None) -> list[FoundFile]:
    piped = [FoundFile(Path(STDIN), "stdin", standard_input(tmp_dir))] if STDIN in paths else []
    arguments: dict[Path, Path] = {}  # each with the folder that the names of its files are relative to
    lone = len(set(paths)) == 1
    for path in dict.fromkeys(paths):
        if path != STDIN:
            for root, argument in _resolved(path, lone):
                arguments.setdefault(argument, root)
    root = Path(os.path.commonpath(set(arguments.values()))) if arguments else Path()
    found: set[Path] = set()
    for path in arguments:
        inside = list(_inside(path, params)) if path.is_dir() else [path]
        if not inside:
            known = " ".join(params.include or ENDINGS)
            raise InputError(f"{printable(path)}: a folder without a file to read; wanted {known}; see --include")
        found.update(inside)
    return piped + _once(sorted(found, key=os.fsencode), root, {file.source_file for file in piped})


def _once(paths: list[Path], root: Path, names: set[str]) -> list[FoundFile]:
    files: dict[tuple[int, int], FoundFile] = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise InputError(f"{printable(path)}: {error.strerror}; wanted a file; it was there just now") from None
        if (status.st_dev, status.st_ino) in files:
            continue
        name = printable(path.relative_to(root))
        while name in names:  # two names that differ in unprintable bytes only
            name += "~"
        names.add(name)
        files[status.st_dev, status.st_ino] = FoundFile(path, name)
    return list(files.values())


def _resolved(path: str | Path, lone: bool) -> Iterator[tuple[Path, Path]]:
    """Yield the file or folder that an argument names, or all that a glob names, each after its root."""
    place = printable(path)
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError) and _MAGIC & set(str(path)):
            yield from _globbed(str(path))
            return
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{place}: {reason}; wanted a file or a folder; check the path") from None
    # Not resolve: a link keeps the name that the user gave it.
    whole = _absolute(path)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{place}: neither a file nor a folder; write its content to a file first, or pipe it to -")
    yield (whole if lone and stat.S_ISDIR(mode) else whole.parent), whole


def _absolute(path: str | Path) -> Path:
    return Path(os.path.normpath(Path.cwd() / path))


def _globbed(pattern: str) -> Iterator[tuple[Path, Path]]:
    parts = Path(pattern).parts
    fixed = next(place for place, part in enumerate(parts) if _MAGIC & set(part))
    base = _absolute(Path(*parts[:fixed]))
    matches = sorted(set(_matches(base, parts[fixed:])), key=os.fsencode)
    if not matches:
        raise InputError(f"{printable(pattern)}: nothing matches; wanted files or folders; check the pattern")
    for match in matches:
        yield base, match


def _matches(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Yield what lies in a folder under a glob; hidden names only where the glob has their dot."""
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    if part == "**":  # not followed through links: a loop of them has no end
        for here, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            if rest:
                yield from _matches(Path(here), rest)
            else:
                shown = (Path(here, name) for name in names if not name.startswith("."))
                yield from filter(_usable, shown)
        return
    try:
        entries = list(os.scandir(folder))
    except OSError:  # not a folder, or closed to us: then nothing in it matches
        return
    for entry in entries:
        hidden = entry.name.startswith(".") and not part.startswith(".")
        if not hidden and fnmatch.fnmatchcase(entry.name, part) and _usable(Path(entry.path)):
            yield from _matches(Path(entry.path), rest)


def _usable(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:  # a link to nowhere
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _inside(folder: Path, params: ReadingParams) -> Iterator[Path]:
    for here, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        for name in names:
            path = Path(here, name)
            if name.startswith((".", "_")) or not wanted(str(path.relative_to(folder)), name, params):
                continue
            try:
                regular = stat.S_ISREG(path.stat().st_mode)
            except OSError:  # a link to nowhere
                continue
            if regular:
                yield path


def wanted(relative: str, name: str, params: ReadingParams) -> bool:
    """Tell whether a file of a folder is read, by its path from there and its name."""

    def matches(globs: tuple[str, ...]) -> bool:
        return any(fnmatch.fnmatchcase(relative, glob) or fnmatch.fnmatchcase(name, glob) for glob in globs)

    known = matches(params.include) if params.include else ending(name) in ENDINGS
    return known and not matches(params.exclude)


def _unreadable(error: OSError) -> NoReturn:
    raise InputError(f"{printable(str(error.filename))}: {error.strerror}; make the folder readable or leave it out")
