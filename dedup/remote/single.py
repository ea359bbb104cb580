"""One file as one object of S3, which its readers see whole or not at all."""

from __future__ import annotations

from pathlib import Path

from dedup.errors import OutputExistsError, ResourceError, SettingsError
from dedup.remote.s3 import Bucket
from dedup.remote.urls import parse


def check_file(address: str, if_exists: str) -> None:
    """Refuse a URL to which a file is not to be written.

    Parameters
    ----------
    if_exists : `error` or `overwrite`.

    Raises
    ------
    SettingsError
        It is not s3://bucket/key.
    OutputExistsError
        An object is there, and the policy is to leave it.
    ResourceError
        The bucket is missing, out of reach, or may not be read.
    """
    url = parse(address)
    if url.scheme != "s3" or not url.key or url.key.endswith("/") or url.wild:
        raise SettingsError(f"{url}: got this URL, wanted a local file or s3://BUCKET/KEY; name one of these")
    there = any(found.url == url for found in Bucket(url, ResourceError).find(url))
    if there and if_exists == "error":
        raise OutputExistsError(f"{url}: is there already; replace it with --if-exists overwrite")


def upload(file: Path, address: str, if_exists: str) -> None:
    """Write a file to a URL; raises as `check_file`, and `ResourceError` where writing fails."""
    check_file(address, if_exists)
    url = parse(address)
    Bucket(url, ResourceError).upload(file, url.key)
