"""A run on disk: written into a staging folder, published by one rename, opened again.

A reader that opens a file of OUT sees a complete file of one run: staging lies beside OUT, never inside it, and the
manifest with the hash of every file is written last.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from dedup import commit, lookup, schema
from dedup.errors import DamagedRunError, InputError, OutputExistsError, ResourceError, SettingsError
from dedup.remote import is_url

FORMAT = 1
MANIFEST = "manifest.json"
REJECTS = "rejects.jsonl"

IfExists = Literal["error", "overwrite"]

TABLES = {
    "documents": schema.RUN_DOCUMENTS,
    "groups": schema.RUN_GROUPS,
    "clusters": schema.RUN_CLUSTERS,
    "pairs": schema.RUN_PAIRS,
}
_ORDERS = {
    "documents": (("story_size", "descending"), ("story_id", "ascending")),
    "groups": (("duplicate_size", "descending"), ("duplicate_id", "ascending")),
    "clusters": (("story_size", "descending"), ("story_id", "ascending")),
    "pairs": (("level", "ascending"), ("doc_id_a", "ascending"), ("doc_id_b", "ascending")),
}
_OUR_KEYS = {"format", "version", "run_id", "files"}
_KEPT = {"story": "is_canonical", "duplicate": "is_representative"}


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """What a run found.

    documents : one row per accepted record: `schema.RUN_DOCUMENTS`, then kept columns and `text`.
    groups, clusters, pairs : duplicate groups, stories and verified pairs, by `schema.RUN_GROUPS` and so on.
    rejects : records not accepted: `source_file`, `source_row`, `line`, `byte_offset`, `code`, `message`.
    manifest : inputs, settings, version, counts, seconds per stage.
    path : the folder it was read from.
    """

    documents: pa.Table
    groups: pa.Table
    clusters: pa.Table
    pairs: pa.Table
    rejects: list[dict[str, Any]]
    manifest: dict[str, Any]
    path: Path | None = None

    def __repr__(self) -> str:
        sizes = ", ".join(f"{getattr(self, name).num_rows:,} {name}" for name in TABLES)
        return f"Result({sizes}, {len(self.rejects):,} rejects)"

    def kept(self, level: str = "story") -> pa.Table:
        """Return the documents to keep: one per story, or one per duplicate group.

        Parameters
        ----------
        level : `story` or `duplicate`.

        Raises
        ------
        SettingsError
            For another level.
        """
        return self.documents.filter(self.documents[kept_column(level)])

    def write(self, out: str | Path, *, if_exists: IfExists = "error") -> str | Path:
        """Write the run to a folder or to S3, where it appears at once and complete, or not at all.

        Parameters
        ----------
        out : the folder; missing parents are made. Or s3://bucket/prefix.
        if_exists : `error`, or `overwrite` to replace an earlier run. Anything else is never replaced.

        Returns
        -------
        The folder, or the URL.

        Raises
        ------
        OutputExistsError
            `out` is there and may not be replaced.
        ResourceError
            The disk is full, or another write failed; nothing was changed.
        """
        check_out(out, if_exists, [file["path"] for file in self.manifest["inputs"]])
        if is_url(out):
            return _upload(self, str(out), if_exists)
        # Links are followed, so that OUT may be a link to a folder on another disk; staging then lies there too.
        target = Path(out).resolve()
        staging = target.parent / f".{target.name}.dedup-staging-{self.manifest['run_id']}-{os.getpid()}"
        with commit.write_errors(out):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(staging, ignore_errors=True)  # of a killed run with the same process number
            try:
                staging.mkdir()
                _stage(self, staging)
                commit.publish(staging, target)
            except BaseException:  # an interrupt must not leave a folder behind either
                shutil.rmtree(staging, ignore_errors=True)
                raise
        return Path(out)

    def story(self, any_id: str) -> dict[str, Any]:
        """Return one story as plain data.

        Parameters
        ----------
        any_id : of the story, or of a duplicate group or document in it.

        Returns
        -------
        `story` (its row of clusters, None where the run has none), `groups` (rows of groups), `documents` (rows of
        documents without `text`, in the run's order), `links`: accepted links by level, `refused` pairs, and
        `min_cosine` and `mean_cosine` of the accepted links between groups (None where there are none).

        Raises
        ------
        InputError
            There is no such id; the message names similar ones.
        """
        return lookup.story(self, any_id)


def kept_column(level: str) -> str:
    """Return the column that marks the documents kept at a level, `story` or `duplicate`."""
    if level not in _KEPT:
        raise SettingsError(f"level: got {level!r}, wanted {' or '.join(_KEPT)}")
    return _KEPT[level]


def check_out(out: str | Path, if_exists: str = "error", inputs: Sequence[str] = ()) -> None:
    """Refuse an output folder before the work starts, not after it.

    Parameters
    ----------
    out : the folder of the run to be.
    if_exists : `error` or `overwrite`.
    inputs : paths that are read; none may lie in a folder that is to be replaced.

    Raises
    ------
    SettingsError
        `if_exists` is neither.
    OutputExistsError
        `out` is there and the policy is to leave it, or it is not a run, or holds more than a run.
    ResourceError
        The folder above it cannot be written to.
    """
    if if_exists not in ("error", "overwrite"):
        raise SettingsError(f"if-exists: got {if_exists!r}, wanted error or overwrite")
    if is_url(out):
        from dedup.remote import publishing  # noqa: PLC0415 - nothing of it is needed where OUT is local

        publishing.check_out(str(out), if_exists, inputs)
        return
    with commit.write_errors(out):
        target = Path(out).resolve()
        if target.exists():
            _check_replaceable(out, target, if_exists, inputs)
        parent = next(folder for folder in target.parents if folder.exists())
        writable = parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)
    if not writable:
        raise ResourceError(f"{out}: {parent} is no folder that can be written to; name another one with -o")


def _check_replaceable(out: str | Path, target: Path, if_exists: str, inputs: Sequence[str]) -> None:
    try:
        manifest = _read_manifest(target)
    except (InputError, DamagedRunError) as error:
        raise OutputExistsError(f"{out}: is there and is not a dedup run; name another folder with -o") from error
    if if_exists == "error":
        raise OutputExistsError(
            f"{out}: a run is there already; replace it with --if-exists overwrite, or name another folder with -o"
        )
    foreign = sorted({entry.name for entry in target.iterdir()} - set(manifest["files"]) - {MANIFEST})
    if foreign:
        raise OutputExistsError(
            f"{out}: holds {foreign[0]!r}, which is not of the run and would be lost; "
            "move it elsewhere, or name another folder with -o"
        )
    for path in inputs:
        if path and target in (Path(path).resolve(), *Path(path).resolve().parents):
            raise OutputExistsError(f"{out}: holds the input {path!r}; name another folder with -o")


def open_run(path: str | Path) -> Result:
    """Open a finished run.

    Parameters
    ----------
    path : its folder, or s3://bucket/prefix.

    Raises
    ------
    InputError
        The folder is not there, or holds no run.
    DamagedRunError
        A file of the run is missing, has another size than the manifest says, or cannot be read.
    """
    if is_url(path):
        from dedup.remote import publishing  # noqa: PLC0415 - nothing of it is needed where runs are local

        with publishing.downloaded(str(path)) as folder:
            return replace(open_run(folder), path=None)
    folder = Path(path)
    manifest = _read_manifest(folder)
    for name, entry in manifest["files"].items():
        file = folder / name
        size = file.stat().st_size if file.is_file() else None
        if size != entry["bytes"]:
            got = "is missing" if size is None else f"has {size:,} bytes"
            raise DamagedRunError(f"{file}: {got}, wanted {entry['bytes']:,} bytes; make the run again")
    try:
        tables = {name: pq.read_table(folder / f"{name}.parquet", memory_map=True) for name in TABLES}
        rejects = [json.loads(line) for line in (folder / REJECTS).read_bytes().splitlines()]
    except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
        raise DamagedRunError(f"{folder}: cannot be read ({error}); make the run again") from error
    for name, wanted in TABLES.items():
        if missing := set(wanted.names) - set(tables[name].column_names):
            raise DamagedRunError(f"{folder / name}.parquet: no column {min(missing)!r}; make the run again")
    return Result(**tables, rejects=rejects, manifest=manifest, path=folder)


def _read_manifest(folder: Path) -> dict[str, Any]:
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
    return manifest


def _upload(result: Result, out: str, if_exists: str) -> str:
    from dedup.remote import publishing  # noqa: PLC0415 - nothing of it is needed where OUT is local

    with publishing.publication(out, if_exists, result.manifest["run_id"]) as staging, commit.write_errors(staging):
        _stage(result, staging)
    return out


def _stage(result: Result, staging: Path) -> None:
    manifest = result.manifest
    metadata = {
        "dedup.version": str(manifest["version"]),
        "dedup.config": json.dumps(manifest["settings"], sort_keys=True),
        "dedup.run_id": str(manifest["run_id"]),
    }
    files = {}
    for name, wanted in TABLES.items():
        file = staging / f"{name}.parquet"
        files[file.name] = commit.write_table(getattr(result, name), file, wanted, _ORDERS[name], metadata)
    _write_text(staging / REJECTS, "".join(f"{_json(reject)}\n" for reject in result.rejects))
    files[REJECTS] = commit.finished(staging / REJECTS, len(result.rejects))
    _write_text(staging / MANIFEST, _json({**manifest, "files": files}, indent=2) + "\n")
    commit.sync(staging / MANIFEST)
    commit.sync(staging)


def _write_text(file: Path, text: str) -> None:
    # A lone surrogate, from a file name that is no UTF-8, becomes "\udc80": that is its JSON escape too.
    file.write_bytes(text.encode("utf-8", "backslashreplace"))


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
