"""S3 and what speaks its language, by boto3: listing, ranges of one version, uploads, conditional puts.

Credentials, region, endpoint and certificates are found as in the AWS command line (AWS_PROFILE, AWS_ENDPOINT_URL …).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from dedup.errors import DedupError, InputError, SettingsError
from dedup.remote.objects import ATTEMPTS, CONNECT_SECONDS, READ_SECONDS, LostError, RemoteFile, changed
from dedup.remote.urls import Url

_DENIED = "see that the credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID …) may {} it and have not expired"
_EXPIRED = {"400", "ExpiredToken", "InvalidToken"}  # 400: an answer to HEAD has no code of its own
_MISSING = {"404", "NoSuchKey", "NotFound"}


class Stored(NamedTuple):
    """An object in a listing: when it was written, by the clock of the store, and that clock now."""

    key: str
    size: int
    etag: str
    written: datetime


class MissingError(Exception):
    """There is no such object."""


class RefusedError(Exception):
    """The condition of a put does not hold: somebody else was there."""


class Bucket:
    """One bucket.

    url : any URL in it.
    error : what is raised for whatever goes wrong: InputError for inputs.
    """

    def __init__(self, url: Url, error: type[DedupError] = InputError) -> None:
        try:
            import boto3  # noqa: PLC0415 - an extra, needed only where an s3:// URL was given
            import botocore  # noqa: PLC0415
        except ImportError:
            raise SettingsError(
                f"{url}: got an s3:// URL, wanted the package boto3; pip install 'dedup-stories[s3]'"
            ) from None
        self._error = error
        self._place = f"s3://{url.store}"
        self._bucket = url.store
        with self._errors(str(url), "use"):
            session = boto3.Session()
            config = botocore.config.Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                # Public buckets are open to those who have no credentials at all.
                signature_version=None if session.get_credentials() else botocore.UNSIGNED,
            )
            self._client: Any = session.client("s3", config=config)

    def find(self, url: Url) -> list[RemoteFile]:
        """Return the object, or all objects below it."""
        if url.key and not url.key.endswith("/"):
            try:
                with self._errors(str(url), "read"):
                    head = self._client.head_object(Bucket=self._bucket, Key=url.key)
                return [RemoteFile(self, url, head["ContentLength"], head["ETag"])]
            except MissingError:
                pass
        folder = f"{url.key.rstrip('/')}/" if url.key else ""
        return [
            RemoteFile(self, Url("s3", self._bucket, found.key), found.size, found.etag)
            for found in self.listed(folder)
        ]

    def fetch(self, file: RemoteFile, start: int, stop: int) -> bytes:
        """Return bytes start … stop − 1 of the version that was found."""
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        wanted = {"Range": f"bytes={start}-{stop - 1}", "IfMatch": file.etag}
        try:
            with self._errors(str(file), "read"):
                answer = self._client.get_object(Bucket=self._bucket, Key=file.url.key, **wanted)
        except RefusedError:
            raise changed(file) from None
        except MissingError:
            raise InputError(f"{file}: no such object any more, wanted it until it is read; run again") from None
        try:  # boto3 tries requests again, but not the reading of their answers
            content: bytes = answer["Body"].read()
        except (BotoCoreError, OSError) as error:
            raise LostError(f"connection lost ({type(error).__name__})") from None
        return content

    def listed(self, folder: str) -> list[Stored]:
        """Return all objects whose keys start so, sorted by the bytes of the key."""
        found = []
        with self._errors(f"{self._place}/{folder}", "list"):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=folder):
                found += [
                    Stored(entry["Key"], entry["Size"], entry["ETag"], entry["LastModified"])
                    for entry in page.get("Contents", ())
                ]
        return sorted(found, key=lambda entry: entry.key.encode())

    def get(self, key: str) -> tuple[bytes, str]:
        """Return a small object and its etag; MissingError where it is not there."""
        with self._errors(f"{self._place}/{key}", "read"):
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            return answer["Body"].read(), answer["ETag"]

    def put(self, key: str, content: bytes, **condition: str) -> None:
        """Write a small object; RefusedError where the condition (IfMatch, IfNoneMatch) does not hold.

        MissingError where IfMatch finds nothing, NotImplementedError where the store knows no conditions.
        """
        with self._errors(f"{self._place}/{key}", "write"):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content, **condition)

    def upload(self, file: Path, key: str) -> None:
        """Write a file as an object, in parts where it is large; these are given up where one of them fails."""
        with self._errors(f"{self._place}/{key}", "write"):
            self._client.upload_file(str(file), self._bucket, key)
            stored = self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"]
        if stored != file.stat().st_size:
            raise self._error(f"{self._place}/{key}: holds {stored:,} bytes, wanted {file.stat().st_size:,}; run again")

    def download(self, key: str, file: Path) -> None:
        """Write an object to a file; MissingError where it is not there."""
        with self._errors(f"{self._place}/{key}", "read"):
            self._client.download_file(self._bucket, key, str(file))

    def delete(self, keys: list[str]) -> None:
        """Delete objects; those that are not there do not matter."""
        with self._errors(f"{self._place}/{keys[0] if keys else ''}", "delete"):
            for key in keys:
                self._client.delete_object(Bucket=self._bucket, Key=key)

    def give_up_parts(self, folder: str, before: datetime) -> None:
        """End uploads in parts that began before a time: nobody sees them, but they are paid for."""
        with self._errors(f"{self._place}/{folder}", "write"):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=folder)
            for upload in (upload for page in pages for upload in page.get("Uploads", ())):
                if upload["Initiated"] < before:
                    self._client.abort_multipart_upload(
                        Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )

    def now(self) -> datetime:
        """Return the time by the clock of the store, which also dates its objects."""
        from email.utils import parsedate_to_datetime  # noqa: PLC0415

        with self._errors(self._place, "use"):
            answer = self._client.head_bucket(Bucket=self._bucket)
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])

    @contextmanager
    def _errors(self, place: str, verb: str) -> Iterator[None]:
        """Turn what boto3 raises into ours; of its messages only codes are shown."""
        from boto3.exceptions import Boto3Error  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            yield
        except (ClientError, Boto3Error) as error:
            cause = error if isinstance(error, ClientError) else error.__context__
            answer: Any = getattr(cause, "response", {})
            code = str(answer.get("Error", {}).get("Code", type(cause).__name__))
            status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if code in _MISSING:
                raise MissingError from None
            if code in ("PreconditionFailed", "ConditionalRequestConflict") or status == 412:
                raise RefusedError from None
            if code == "NoSuchBucket":
                raise self._error(f"{place}: no such bucket, wanted to {verb} it; check the name") from None
            if status == 501:  # NotImplemented
                raise NotImplementedError from None
            if status in (401, 403) or code in _EXPIRED:
                raise self._error(f"{place}: access denied ({code}); {_DENIED.format(verb)}") from None
            raise self._error(f"{place}: the store answers {code}, wanted to {verb} it; run again later") from None
        except BotoCoreError as error:
            remedy = "see that the network, the endpoint and the credentials are right, then run again"
            raise self._error(f"{place}: not reached ({type(error).__name__}); {remedy}") from None
