"""A run on S3: uploaded under a name of its own, there as soon as OUT/manifest.json names it.

OUT/manifest.json is the one object that is ever replaced, by a conditional put; a reader that follows it sees one run.
What killed uploads left is deleted by the first run that starts LEFTOVER_SECONDS later; an upload itself gives up after
half of that, so that no run deletes what another is still writing.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from dedup.errors import (
    DamagedRunError,
    DedupError,
    InputError,
    LockedError,
    OutputExistsError,
    ResourceError,
    SettingsError,
)
from dedup.outcome import Outcome
from dedup.remote.s3 import Bucket, MissingError, RefusedError
from dedup.remote.urls import Url, parse

LEFTOVER_SECONDS = 2 * 3600

_MANIFEST = "manifest.json"
_OURS = re.compile(r"run-[0-9A-Za-z]+-[0-9a-f]{8}/")
_OUR_KEYS = {"format", "version", "run_id", "files"}


def check_out(out: str, if_exists: str = "error", inputs: Sequence[str] = ()) -> None:
    """Refuse an output before the work starts, not after it.

    Raises
    ------
    SettingsError
        `out` is not s3://bucket/prefix.
    OutputExistsError
        A run is there and the policy is to leave it; what is there is no run; or an input lies in it.
    ResourceError
        The bucket is missing, out of reach, or may not be read.
    """
    url = _parsed(out)
    _, etag = _current(Bucket(url, ResourceError), url)
    if etag and if_exists == "error":
        raise OutputExistsError(
            f"{url}: a run is there already; replace it with --if-exists overwrite, or name another prefix with -o"
        )
    for path in inputs:
        if f"{path}/".startswith(f"{url}/"):
            raise OutputExistsError(f"{url}: holds the input {path!r}; name another prefix with -o")


def manifest(out: str) -> dict[str, Any] | None:
    """Return the manifest of the run at `out`; None where nothing is."""
    url = _parsed(out)
    return _current(Bucket(url, ResourceError), url)[0]


@contextmanager
def publication(out: str, if_exists: str, run_id: str, outcome: Outcome, tmp_dir: str | None = None) -> Iterator[Path]:
    """Give a local folder for the files of a run; when the caller is done, upload them and make them the run at `out`.

    Parameters
    ----------
    outcome : published, or called off until then.
    tmp_dir : where that folder is made; None: the system's folder for temporary files.

    Raises
    ------
    OutputExistsError, SettingsError, ResourceError
        As `check_out`; or writing failed, and what was there is as it was.
    LockedError
        Another run was published there in the meantime.
    """
    check_out(out, if_exists)
    url = _parsed(out)
    bucket = Bucket(url, ResourceError)
    _, etag = _current(bucket, url)
    with tempfile.TemporaryDirectory(prefix="dedup-", dir=tmp_dir) as name:
        yield Path(name)
        _sweep(bucket, url)
        folder = f"run-{run_id}-{secrets.token_hex(4)}"
        _publish(bucket, url, Path(name), folder, etag, outcome)


@contextmanager
def downloaded(address: str, tmp_dir: str | None = None) -> Iterator[Path]:
    """Give a local copy of the run at a URL, compared with the hashes of its manifest.

    Raises
    ------
    InputError
        There is no run, or it cannot be reached.
    DamagedRunError
        A file is missing or has changed. As for what the caller raises, messages name the URL, not the copy.
    """
    url = _parsed(address)
    bucket = Bucket(url)
    with tempfile.TemporaryDirectory(prefix="dedup-", dir=tmp_dir) as name:
        folder = Path(name)
        try:
            if not _fetch(bucket, url, folder) and not _fetch(bucket, url, folder):  # replaced in between
                raise DamagedRunError(f"{url}: files that its {_MANIFEST} names are missing; make the run again")
            yield folder
        except DedupError as error:
            raise type(error)(str(error).replace(name, str(url))) from None


def _parsed(address: str) -> Url:
    url = parse(address.rstrip("/"))
    if url.scheme != "s3" or not url.key:
        raise SettingsError(f"{url}: a run is a local folder or lies at s3://BUCKET/PREFIX; name one of these")
    return url


def _current(bucket: Bucket, url: Url) -> tuple[dict[str, Any] | None, str]:
    """Return the manifest at `url` and its etag; None and "" where nothing is."""
    try:
        content, etag = bucket.get(f"{url.key}/{_MANIFEST}")
    except MissingError:
        start = len(url.key) + 1
        foreign = next((o.key for o in bucket.listed(f"{url.key}/") if not _OURS.match(o.key, start)), None)
        if foreign is not None:
            raise OutputExistsError(
                f"{url}: holds {foreign!r} and is not a dedup run; name another prefix with -o"
            ) from None
        return None, ""
    manifest = _manifest(content)
    if manifest is None:
        raise OutputExistsError(f"{url}: its {_MANIFEST} is not of a dedup run; name another prefix with -o")
    return manifest, etag


def _manifest(content: bytes) -> dict[str, Any] | None:
    try:
        manifest = json.loads(content)
    except ValueError:
        return None
    return manifest if isinstance(manifest, dict) and manifest.keys() >= _OUR_KEYS else None


def _sweep(bucket: Bucket, url: Url) -> None:
    """Delete folders of runs that are neither the one there is nor young, and parts of such uploads."""
    manifest, _ = _current(bucket, url)
    live = f"{(manifest or {}).get('folder', '')}/"
    before = bucket.now() - timedelta(seconds=LEFTOVER_SECONDS)
    start = len(url.key) + 1
    objects: dict[str, list[Any]] = {}
    for found in bucket.listed(f"{url.key}/run-"):
        if (ours := _OURS.match(found.key, start)) and ours[0] != live:
            objects.setdefault(ours[0], []).append(found)
    for group in objects.values():
        if max(found.written for found in group) < before:
            bucket.delete([found.key for found in group])
    bucket.give_up_parts(f"{url.key}/run-", before)


def _publish(bucket: Bucket, url: Url, staging: Path, folder: str, etag: str, outcome: Outcome) -> None:
    names = sorted(file.name for file in staging.iterdir() if file.name != _MANIFEST)
    keys = [f"{url.key}/{folder}/{name}" for name in (*names, _MANIFEST)]
    with ExitStack() as within:
        try:
            _upload(bucket, url, staging, keys)
            within.enter_context(outcome.publishing())
        except BaseException:
            with suppress(DedupError):  # the network is down: the next run sweeps
                bucket.delete(keys)
            raise
        # From here on the objects stay unless it is certain that no manifest names them.
        _point_to(bucket, url, staging, folder, etag, keys)


def _upload(bucket: Bucket, url: Url, staging: Path, keys: Sequence[str]) -> None:
    started = time.monotonic()
    for key in keys:
        bucket.upload(staging / key.rpartition("/")[2], key)
        if time.monotonic() - started > LEFTOVER_SECONDS / 2 > 0:
            raise ResourceError(f"{url}: the upload takes over {LEFTOVER_SECONDS // 7200} h; use a faster network")


def _point_to(bucket: Bucket, url: Url, staging: Path, folder: str, etag: str, keys: list[str]) -> None:
    """Let OUT/manifest.json name the folder of a run, unless another run was named there meanwhile."""
    staged = (staging / _MANIFEST).read_bytes()
    content = (json.dumps({**json.loads(staged), "folder": folder}, ensure_ascii=False, indent=2) + "\n").encode()
    try:
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        bucket.put(f"{url.key}/{_MANIFEST}", content, **condition)
    except NotImplementedError:
        bucket.put(f"{url.key}/{_MANIFEST}", content)
    except (RefusedError, MissingError):
        try:
            there, _ = bucket.get(f"{url.key}/{_MANIFEST}")
        except MissingError:
            there = b""
        if there != content:  # else it was ours, sent a second time because the first answer was lost
            bucket.delete(keys)
            raise LockedError(f"{url}: another run was written there meanwhile; run the same command again") from None


def _fetch(bucket: Bucket, url: Url, folder: Path) -> bool:
    """Download the files of the run; False where one is missing."""
    try:
        content, _ = bucket.get(f"{url.key}/{_MANIFEST}")
    except MissingError:
        raise InputError(f"{url}: no {_MANIFEST} there; wanted a run, as `dedup cluster ... -o OUT` makes it") from None
    manifest = _manifest(content)
    if manifest is None:
        raise InputError(f"{url}/{_MANIFEST}: not the manifest of a dedup run; name the prefix of a run")
    (folder / _MANIFEST).write_bytes(content)
    where = "/".join(part for part in (url.key, manifest.get("folder", "")) if part)
    for name, entry in _plain_names(url, manifest["files"]).items():
        try:
            bucket.download(f"{where}/{name}", folder / name)
        except MissingError:
            return False
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
                raise DamagedRunError(f"{url}/{name}: other bytes than its {_MANIFEST} says; make the run again")
    return True


def _plain_names(url: Url, files: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in files:
        if "/" in name or name in ("", ".", ".."):  # a forged manifest must not write elsewhere
            raise DamagedRunError(f"{url}/{_MANIFEST}: names the file {name!r}, wanted plain names; make the run again")
    return files
