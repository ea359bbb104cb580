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
    write at once.

    Parameters
    ----------
    folders : asked in this order; they need not exist
    last_resort : used where none of them may be written, if nobody else may write there.
    """

    def __init__(self, folders: Sequence[Path], last_resort: Path) -> None:
        self.folders = tuple(folders)
        self.last_resort = last_resort

    def load(self, name: str) -> bytes | None:
        """Return what was saved under a name, or None; a damaged file counts as none."""
        for folder in (*self.folders, self.last_resort):
            with suppress(OSError):
                data = (folder / name).read_bytes()
                content = data[_DIGEST:]
                whole = hashlib.sha256(content).digest() == data[:_DIGEST]
                if whole and (folder != self.last_resort or is_private(folder)):
                    return content
        return None

    def save(self, name: str, content: bytes) -> Path | None:
        """Keep some bytes under a name, and return the folder; None where nothing may be written."""
        data = hashlib.sha256(content).digest() + content
        for folder in self.folders:
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                return _put(folder, name, data)
        with suppress(OSError):
            self.last_resort.mkdir(mode=0o700, exist_ok=True)
            if is_private(self.last_resort):
                return _put(self.last_resort, name, data)
        return None


def is_private(folder: Path) -> bool:
    """Tell whether only this user may write to a folder: what is read from it is run."""
    found = folder.lstat()
    owned = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)
    return stat.S_ISDIR(found.st_mode) and owned


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
