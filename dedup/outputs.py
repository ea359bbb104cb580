"""Whether an output folder may be written, asked before the work starts and once more before it is published."""

from __future__ import annotations

import fnmatch
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dedup import manifests
from dedup.commit import write_errors
from dedup.errors import DamagedRunError, InputError, OutputExistsError, ResourceError, SettingsError
from dedup.manifests import MANIFEST, REJECTS, TABLES
from dedup.publishing import Claim, claimed

POLICIES = ("error", "skip", "overwrite")
LEAST_SPACE = 1 << 20  # bytes

# Of the input's bytes: low guesses, not measured, so that only a disk that is surely too small is refused.
_SHARE = 0.05
_SHARE_WITH_TEXT = 0.25


@contextmanager
def claim(
    out: str | Path, if_exists: str = "error", inputs: Sequence[str] = (), timeout: float = 0.0
) -> Iterator[Claim]:
    """Hold the lock of an output folder that may be written.

    Parameters
    ----------
    out, if_exists, inputs : see `check`.
    timeout : seconds to wait for another run.

    Raises
    ------
    SettingsError, OutputExistsError, ResourceError
        As `check` does, before anything is touched.
    LockedError
        Another run writes this folder.
    """
    check(out, if_exists, inputs)
    with claimed(out, timeout) as held:
        check(out, if_exists, inputs)  # what was swept, or the run that was waited for, may have changed the answer
        yield held


def check(out: str | Path, if_exists: str = "error", inputs: Sequence[str] = ()) -> bool:
    """Refuse an output folder; return whether a run is there that is to be replaced.

    Parameters
    ----------
    out : the folder of the run to be.
    if_exists : `error`, `skip` or `overwrite`; the last two let an earlier run be replaced.
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
    if if_exists not in POLICIES:
        raise SettingsError(f"if-exists: got {if_exists!r}, wanted {', '.join(POLICIES)}")
    with write_errors(out):
        target = Path(out).resolve()
        there = target.exists()
        if there:
            _check_replaceable(out, target, if_exists, inputs)
        parent = next(folder for folder in target.parents if folder.exists())
        writable = parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)
    if not writable:
        raise ResourceError(f"{out}: {parent} is no folder that can be written to; name another one with -o")
    return there


def check_inputs(
    out: str | Path, inputs: Sequence[str], include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> None:
    """Refuse a folder inside an input folder from which the next run would read this one's results.

    Parameters
    ----------
    include, exclude : globs on the files of folders, as for reading.

    Raises
    ------
    SettingsError
        It is one.
    """
    target = Path(out).resolve()
    for path in inputs:
        folder = Path(path).resolve()
        if folder not in target.parents or not folder.is_dir():
            continue
        inside = target.relative_to(folder)
        hidden = any(part.startswith((".", "_")) for part in inside.parts)
        names = [*(f"{name}.parquet" for name in TABLES), REJECTS]
        if not hidden and any(_read(inside / name, include, exclude) for name in names):
            raise SettingsError(
                f"{out}: lies in the input folder {path}, so that the next run would read it as input; "
                "name a folder elsewhere with -o"
            )


def _read(file: Path, include: Sequence[str], exclude: Sequence[str]) -> bool:
    def matches(globs: Sequence[str]) -> bool:
        return any(fnmatch.fnmatchcase(name, glob) for glob in globs for name in (str(file), file.name))

    return (not include or matches(include)) and not matches(exclude)


def check_space(out: str | Path, input_bytes: int, with_text: bool) -> None:
    """Refuse a disk on which the output surely has no room; the old run stays until the new one is whole.

    Raises
    ------
    ResourceError
        There is too little space.
    """
    target = Path(out).resolve()
    parent = next(folder for folder in target.parents if folder.exists())
    wanted = max(LEAST_SPACE, int(input_bytes * (_SHARE_WITH_TEXT if with_text else _SHARE)))
    free = shutil.disk_usage(parent).free
    if free < wanted:
        raise ResourceError(
            f"{out}: got {free / 1e6:,.1f} MB of free space, wanted at least {wanted / 1e6:,.1f}; free some space, or "
            "name a folder on another disk with -o"
        )


def _check_replaceable(out: str | Path, target: Path, if_exists: str, inputs: Sequence[str]) -> None:
    try:
        manifest = manifests.read(target)
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
