"""Whether a run over the same inputs is there already: the answer of `--if-exists skip`.

An input is the same where its path, size, and the times at which its content (mtime) and its entry (ctime, which no
program can set) changed are those of the run. Where a time differs, and where it lay so near to the run that a later
change could bear it too, the SHA-256 decides. So millions of bytes need not be read, and a copy restored by a backup
is still the same.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import dedup
from dedup import commit, manifests, reading
from dedup.errors import DedupError, InputError
from dedup.params import Params, ReadingParams

# A time younger than this tells nothing: some file systems count in steps of two seconds.
SETTLED_NS = 3_000_000_000

_TIMES = ("modified_ns", "changed_ns")


class Seen(NamedTuple):
    """An input file as it was before it was read."""

    path: str
    source_file: str
    bytes: int
    times: tuple[int, int] | None  # None: too young to tell anything


def look(inputs: Sequence[str], params: ReadingParams) -> list[Seen] | None:
    """Return the files that inputs stand for; None where that cannot be told without reading, or is an error.

    Parameters
    ----------
    inputs : as the user named them.
    """
    if any(path == "-" or "://" in path for path in inputs):
        return None
    now = time.time_ns()
    try:
        return [_seen(file, now) for file in reading.find(inputs, params)]
    except (InputError, OSError):  # the run will say so
        return None


def _seen(file: reading.FoundFile, now: int) -> Seen:
    status = Path(file.path).stat()
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return Seen(str(file.path), file.source_file, status.st_size, times if max(times) < now - SETTLED_NS else None)


def note(manifest: dict[str, Any], seen: Sequence[Seen]) -> None:
    """Put what was seen before the run into its manifest, for `is_same` to find."""
    by_path = {file.path: file for file in seen}
    for entry in manifest["inputs"]:
        file = by_path.get(entry["path"])
        if file is not None and file.times is not None and file.bytes == entry["bytes"]:
            entry.update(zip(_TIMES, file.times, strict=True))


def is_same(out: str | Path, seen: Sequence[Seen] | None, params: Params) -> bool:
    """Tell whether the run in a folder is whole by its sizes, and made by this version of these inputs and settings."""
    folder = Path(out)
    try:
        manifest = manifests.read(folder)
        whole = all((folder / name).stat().st_size == entry["bytes"] for name, entry in manifest["files"].items())
    except (DedupError, OSError, KeyError, TypeError):  # no run, or a damaged one
        return False
    return whole and is_made_of(manifest, seen, params)


def is_made_of(manifest: dict[str, Any] | None, seen: Sequence[Seen] | None, params: Params) -> bool:
    """Tell whether a run was made by this version of these inputs and settings, by its manifest."""
    if manifest is None or seen is None:
        return False
    try:
        made = [manifest["version"], manifests.dumps(manifest["settings"])]
        if made != [dedup.__version__, manifests.dumps(params.results())] or len(manifest["inputs"]) != len(seen):
            return False
        return all(map(_is_same, manifest["inputs"], seen))
    except (DedupError, OSError, KeyError, TypeError):  # a damaged one
        return False


def _is_same(entry: dict[str, Any], file: Seen) -> bool:
    if (entry["path"], entry["source_file"], entry["bytes"]) != file[:3]:
        return False
    if file.times is not None and file.times == tuple(entry.get(name) for name in _TIMES):
        return True
    return bool(commit.sha256(file.path) == entry["sha256"])
