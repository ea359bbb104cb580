"""The manifest of a run: which files it has and how they were made, sealed by a hash of its own, written last."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from dedup import commit, schema
from dedup.errors import DamagedRunError, InputError

FORMAT = 1
MANIFEST = "manifest.json"
REJECTS = "rejects.jsonl"
TABLES = {
    "documents": schema.RUN_DOCUMENTS,
    "groups": schema.RUN_GROUPS,
    "clusters": schema.RUN_CLUSTERS,
    "pairs": schema.RUN_PAIRS,
}
ORDERS = {  # of the rows of each table, in columns and directions; documents go on by `listing.order_of`
    "documents": (("story_size", "descending"), ("story_id", "ascending")),
    "groups": (("duplicate_size", "descending"), ("duplicate_id", "ascending")),
    "clusters": (("story_size", "descending"), ("story_id", "ascending")),
    "pairs": (("level", "ascending"), ("doc_id_a", "ascending"), ("doc_id_b", "ascending")),
}

_OUR_KEYS = {"format", "version", "run_id", "files"}
_SEAL = "manifest_sha256"
_SEALED = re.compile(rf',\n  "{_SEAL}": "([0-9a-f]{{64}})"\n}}\n\Z'.encode())


def write(manifest: dict[str, Any], folder: Path) -> None:
    """Write the manifest of a run into its folder, with the hash of all above it in the last line."""
    text = dumps(manifest, indent=2).removesuffix("\n}")
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
    commit.write_lines([f'{text},\n  "{_SEAL}": "{digest}"\n}}'], folder / MANIFEST)


def read(folder: Path) -> dict[str, Any]:
    """Read the manifest of a run.

    Raises
    ------
    InputError
        The folder is not there or holds no run, or one of another format.
    DamagedRunError
        The manifest is no JSON.
    """
    file = folder / MANIFEST
    if not file.is_file():
        got = f"no {MANIFEST} in it" if folder.is_dir() else "no such folder"
        raise InputError(f"{folder}: {got}; wanted the folder of a run, as `dedup cluster ... -o OUT` makes it")
    try:
        manifest = json.loads(file.read_bytes())
    except ValueError as error:
        raise DamagedRunError(f"{file}: not JSON ({error}); make the run again") from error
    if not isinstance(manifest, dict) or not manifest.keys() >= _OUR_KEYS:
        raise InputError(f"{file}: not the manifest of a dedup run; name the folder that `dedup cluster` made")
    if manifest["format"] != FORMAT:
        raise InputError(
            f"{file}: got format {manifest['format']!r}, wanted {FORMAT}; open it with dedup {manifest['version']}"
        )
    manifest.pop(_SEAL, None)
    return manifest


def is_sealed(content: bytes) -> bool:
    """Tell whether a manifest is, byte by byte, as it was written."""
    found = _SEALED.search(content)
    return found is not None and hashlib.sha256(content[: found.start()]).hexdigest() == found[1].decode()


def dumps(value: Any, indent: int | None = None) -> str:
    """Return JSON as the files of a run hold it."""
    return json.dumps(value, ensure_ascii=False, indent=indent)
