"""Columns that stand in the path: `dt=2026-11-01/part.parquet` has a column `dt`."""

from __future__ import annotations

import itertools
from pathlib import Path
from urllib.parse import unquote

from dedup.reading.files import printable
from dedup.remote import RemoteFile

_NULL = "__HIVE_DEFAULT_PARTITION__"


def of(path: Path | RemoteFile) -> dict[str, str | None]:
    """Return the columns that the folders just above a file give, from the outermost, as strings.

    Hive's rules: `key=value` in an unbroken row of folders down to the file, escapes of URLs resolved, and one word for
    null. A column of the file wins over one of its path.
    """
    folders = itertools.takewhile(lambda name: "=" in name[1:], (folder.name for folder in Path(str(path)).parents))
    found = {}
    for folder in reversed(list(folders)):
        key, _, value = printable(folder).partition("=")
        found[unquote(key)] = None if value == _NULL else unquote(value)
    return found
