"""Where compiled kernels are kept from one run to the next: one file each, whole or not there."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

WRITING = threading.Lock()  # held while a file is unfinished
_DIGEST = 32  # bytes before the content, its SHA-256


class Store:
    """Bytes by name in the first of some folders that may be written; read from any of them.

    A file is named after all that it depends on, so that nothing here grows stale, and several processes may read and
    write at once. What is read is run: a folder or file that somebody could have written who may not change the
    program anyway (`is_trusted`) is passed over.

    Parameters
    ----------
    folders : asked in this order; they need not exist
    last_resort : used where none of them may be written or trusted; a link is never followed.
    """

    def __init__(self, folders: Sequence[Path], last_resort: Path) -> None:
        self.folders = tuple(folders)
        self.last_resort = last_resort

    def load(self, name: str) -> bytes | None:
        """Return what was saved under a name, or None; a damaged file counts as none."""
        for folder in (*self.folders, self.last_resort):
            with suppress(OSError):
                if not self._is_open(folder):
                    continue
                data = _read(folder / name)
                content = data[_DIGEST:]
                if hashlib.sha256(content).digest() == data[:_DIGEST]:
                    return content
        return None

    def save(self, name: str, content: bytes) -> Path | None:
        """Keep some bytes under a name, and return the folder; None where nothing may be written."""
        data = hashlib.sha256(content).digest() + content
        for folder in (*self.folders, self.last_resort):
            with suppress(OSError):
                folder.parent.mkdir(parents=folder != self.last_resort, exist_ok=True)
                folder.mkdir(mode=0o700 if folder == self.last_resort else 0o755, exist_ok=True)
                if self._is_open(folder):
                    return _put(folder, name, data)
        return None

    def _is_open(self, folder: Path) -> bool:
        found = folder.lstat() if folder == self.last_resort else folder.stat()
        return stat.S_ISDIR(found.st_mode) and is_trusted(found)


def is_trusted(found: os.stat_result) -> bool:
    """Tell whether nobody may write to a file or folder but this user, root, and who may write the program itself."""
    if not hasattr(os, "getuid"):
        return True
    source = Path(__file__).parent.stat()
    owned = found.st_uid in (os.getuid(), 0, source.st_uid)
    by_group = found.st_mode & 0o020 and not (source.st_mode & 0o020 and source.st_gid == found.st_gid)
    return owned and not by_group and not found.st_mode & 0o002


def _read(path: Path) -> bytes:
    """Read a file, and no link; who may write it is asked of the open file, which cannot be another one by then."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not (stat.S_ISREG(found.st_mode) and is_trusted(found)):
            raise PermissionError(path)
        return file.read()


def _put(folder: Path, name: str, data: bytes) -> Path:
    with WRITING:
        handle, unfinished = tempfile.mkstemp(dir=folder, prefix=name, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(unfinished).chmod(0o644)  # for all who may read the folder
            Path(unfinished).replace(folder / name)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
    return folder
