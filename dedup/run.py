"""A run on disk: written into a staging folder, published by one rename, opened again.

A reader that opens a file of OUT sees a complete file of one run: staging lies beside OUT, never inside it, and the
manifest with the hash of every file is written last, after a check that the tables agree.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

import dedup
from dedup import commit, invariants, lookup, manifests, outputs, verify
from dedup.errors import DamagedRunError, DedupError, SettingsError
from dedup.manifests import ORDERS, REJECTS, TABLES
from dedup.outcome import Outcome
from dedup.protocols import KeptLevel
from dedup.publishing import Claim
from dedup.remote import is_url

IfExists = Literal["error", "skip", "overwrite"]

SKIPPED = {  # what a job may leave undone to stay within its budgets, and how that is said
    "hot_keys": "fingerprints that too many articles share; only neighbours were compared",
    "duplicate_pairs": "candidate pairs of copies above the budget",
    "postings": "terms too common to be compared by",
    "story_pairs": "pairs of articles above the budget, the weakest of each",
}
_KEPT = {"story": "is_canonical", "duplicate": "is_representative"}


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """What a run found.

    documents : one row per accepted record: `schema.RUN_DOCUMENTS`, then kept columns and `text`.
    groups, clusters, pairs : duplicate groups, stories and verified pairs, by `schema.RUN_GROUPS` and so on.
    rejects : records not accepted: `source_file`, `source_row`, `line`, `byte_offset`, `code`, `message`.
    manifest : inputs, settings, version, counts, seconds per stage.
    path : the folder it was read from.

    The tables export Arrow's PyCapsules, so other libraries take them as they are: `pl.DataFrame(run.documents)`,
    `duckdb.from_arrow(run.pairs)`, `pd.DataFrame.from_arrow(run.clusters)` or `run.clusters.to_pandas()`.
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

    def kept(self, level: KeptLevel = "story") -> pa.Table:
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

    def write(
        self,
        out: str | Path,
        *,
        if_exists: IfExists = "error",
        lock_timeout: float = 0.0,
        tmp_dir: str | None = None,
    ) -> str | Path:
        """Write the run to a folder or to S3, where it appears at once and complete, or not at all.

        Parameters
        ----------
        out : the folder; missing parents are made. Or s3://bucket/prefix, where `skip` is `overwrite`.
        if_exists : `error`; `overwrite` to replace an earlier run; `skip` to leave one that was made from the same
            files with the same settings and version, and to replace any other. What is no run is never replaced.
        lock_timeout : seconds to wait for another run that writes this folder.
        tmp_dir : folder for files on their way to S3; None: the system's.

        Returns
        -------
        The folder, or the URL.

        Raises
        ------
        OutputExistsError
            `out` is there and may not be replaced.
        LockedError
            Another run writes it.
        ResourceError
            The disk is full, or another write failed; nothing was changed.
        """
        if is_url(out):
            upload(self, str(out), Outcome(), if_exists, tmp_dir)
            return out
        with outputs.claim(out, if_exists, self._paths(), lock_timeout) as claim:
            if if_exists != "skip" or not self._is_at(claim.target):
                self.save(claim, if_exists)
        return Path(out)

    def save(self, claim: Claim, if_exists: IfExists) -> None:
        """Write the run to the folder of a claim; see `write`."""
        with claim.staging(self.manifest["run_id"]) as staging:
            _stage(self, staging)
            claim.publish(replace=outputs.check(claim.out, if_exists, self._paths()))

    def _paths(self) -> list[str]:
        return [file["path"] for file in self.manifest["inputs"]]

    def _is_at(self, folder: Path) -> bool:
        # The run id hangs on the hashes of the inputs, which data in memory has none of.
        hashed = all(file["sha256"] for file in self.manifest["inputs"])
        return hashed and folder.exists() and manifests.read(folder)["run_id"] == self.manifest["run_id"]

    def verify(self) -> list[str]:
        """Compare the folder that the run was opened from with its manifest, and its tables with each other.

        Returns
        -------
        One line for each damage; none for a sound run.

        Raises
        ------
        SettingsError
            The run was not opened from a folder.
        InputError
            The folder is gone.
        """
        if self.path is None:
            raise SettingsError("verify: got a run in memory, wanted one of a folder; write it and open it first")
        return verify.damage(self.path)

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

    def explain(
        self,
        a: str,
        b: str,
        *,
        jobs: int | None = None,
        memory: int | str | None = None,
        tmp_dir: str | None = None,
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> dict[str, Any]:
        """Say why two articles are together or apart, as plain data; docs/explain.md lists it.

        The first call makes the run again in memory, from its input or its own text; it is kept as long as this object
        is, and further pairs take a moment.

        Parameters
        ----------
        a, b : ids of articles; one of a story or group is that of the article that stands for it.
        jobs, memory, tmp_dir : for making the run again, as for `cluster`.
        progress : called with (stage, done, total or None).

        Raises
        ------
        InputError
            There is no such id, or the input is gone or has changed and the run has no text of its own.
        SettingsError
            Both are the same article, or another version of dedup, with other settings, made the run.
        """
        return dedup.explain(self, a, b, progress, jobs=jobs, memory=memory, tmp_dir=tmp_dir)


def kept_column(level: str) -> str:
    """Return the column that marks the documents kept at a level, `story` or `duplicate`."""
    if level not in _KEPT:
        raise SettingsError(f"level: got {level!r}, wanted {' or '.join(_KEPT)}")
    return _KEPT[level]


def open_run(path: str | Path, tmp_dir: str | None = None) -> Result:
    """Open a finished run.

    Parameters
    ----------
    path : its folder, or s3://bucket/prefix.
    tmp_dir : folder for what comes from S3; None: the system's.

    Raises
    ------
    InputError
        The folder is not there, or holds no run.
    DamagedRunError
        A file of the run is missing, has another size than the manifest says, or cannot be read.
    """
    if is_url(path):
        from dedup.remote import publishing  # noqa: PLC0415 - nothing of it is needed where runs are local

        with publishing.downloaded(str(path), tmp_dir) as folder:
            return replace(open_run(folder), path=None)
    folder = Path(path)
    manifest = manifests.read(folder)
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


def upload(result: Result, out: str, outcome: Outcome, if_exists: IfExists, tmp_dir: str | None = None) -> None:
    """Write a run to S3, unless it is called off before; see `Result.write`."""
    from dedup.remote import publishing  # noqa: PLC0415 - nothing of it is needed where OUT is local

    publishing.check_out(out, if_exists, [file["path"] for file in result.manifest["inputs"]])
    run_id = result.manifest["run_id"]
    with publishing.publication(out, if_exists, run_id, outcome, tmp_dir) as staging, commit.write_errors(staging):
        _stage(result, staging)


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
        files[file.name] = commit.write_table(getattr(result, name), file, wanted, ORDERS[name], metadata)
    files[REJECTS] = commit.write_lines(map(manifests.dumps, result.rejects), staging / REJECTS)
    if wrong := invariants.broken({name: getattr(result, name) for name in TABLES}, result.rejects, manifest):
        raise DedupError(f"{wrong[0]}; nothing was written; please report this")
    manifests.write({**manifest, "files": files}, staging)
    commit.sync(staging)
