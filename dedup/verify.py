"""A finished run against its own manifest: hashes, schemas, rows, and what holds between its tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dedup import commit, invariants, manifests
from dedup.manifests import MANIFEST, REJECTS, TABLES


def damage(folder: Path) -> list[str]:
    """Name every damage to the run in a folder, one line each; an empty list is a sound run.

    Where a file has other bytes than the manifest says, what it holds is not looked at.

    Raises
    ------
    InputError
        The folder is not there, or holds no run.
    """
    wanted = {*(f"{name}.parquet" for name in TABLES), REJECTS}
    try:
        sound = manifests.is_sealed((folder / MANIFEST).read_bytes())
    except OSError as error:
        sound = False
        reason = f"cannot be read ({error.strerror})"
    else:
        reason = "has changed since it was written"
    if not sound and any((folder / name).is_file() for name in wanted):
        return [f"{MANIFEST}: {reason}"]
    manifest = manifests.read(folder)
    found = [f"{name}: not in the manifest" for name in sorted(wanted - set(manifest["files"]))]
    found += [line for name, entry in manifest["files"].items() for line in _of_file(folder / name, entry)]
    return found or list(_of_content(folder, manifest))


def _of_file(file: Path, entry: dict[str, Any]) -> Iterator[str]:
    try:
        if not file.is_file():
            yield f"{file.name}: is missing"
        elif (size := file.stat().st_size) != entry["bytes"]:
            yield f"{file.name}: has {size:,} bytes, wanted {entry['bytes']:,}"
        elif (digest := commit.sha256(file)) != entry["sha256"]:
            yield f"{file.name}: has SHA-256 {digest[:12]}…, wanted {entry['sha256'][:12]}…"
    except OSError as error:
        yield f"{file.name}: cannot be read ({error.strerror})"


def _of_content(folder: Path, manifest: dict[str, Any]) -> Iterator[str]:
    # These bytes are those that were written; what is wrong now was so from the start.
    tables = dict[str, pa.Table]()
    try:
        for name, wanted in TABLES.items():
            table = pq.read_table(folder / f"{name}.parquet", memory_map=True)
            rows = manifest["files"][f"{name}.parquet"]["rows"]
            if len(table) != rows:
                yield f"{name}.parquet: has {len(table):,} rows, wanted {rows:,}"
            if not table.schema.remove_metadata().equals(pa.schema([*wanted, *list(table.schema)[len(wanted) :]])):
                yield f"{name}.parquet: has columns {table.column_names}, wanted {wanted.names} first, by their types"
                return
            tables[name] = table
        rejects = [json.loads(line) for line in (folder / REJECTS).read_bytes().splitlines()]
    except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
        yield f"{folder.name}: cannot be read ({error})"
        return
    yield from invariants.broken(tables, rejects, manifest)
