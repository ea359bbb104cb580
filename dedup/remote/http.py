"""Files on web servers, by the standard library: ranges where the server has them, else one download to a local file.

A request follows redirects and takes proxies from the environment; a password goes to the host of the URL only.
"""

from __future__ import annotations

import base64
import errno
import http.client
import os
import shutil
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from dedup.errors import InputError
from dedup.remote.objects import READ_SECONDS, LostError, RemoteFile, changed
from dedup.remote.urls import Url

_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_QUOTED = "%/:=&?~+!$,;'@()*[]"  # left as they are: what was quoted stays so
_REMEDY = {
    401: "give user and password as https://USER:PASSWORD@…, or a signed URL",
    403: "a signed URL may have expired, or the server wants a user and a password",
    404: "check the URL",
    410: "check the URL",
}


class Web:
    """Files behind http and https, each by its own URL: there is no listing."""

    def __init__(self, folder: str | None = None) -> None:
        self._folder = folder  # of temporary files; None: the system's
        self._local: dict[Url, IO[bytes]] = {}  # of servers without ranges; unnamed, so gone with the process

    def find(self, url: Url) -> list[RemoteFile]:
        """Return the file of this URL; it is asked for its first byte."""
        return [self._found(url)]

    def fetch(self, file: RemoteFile, start: int, stop: int) -> bytes:
        """Return bytes start … stop − 1."""
        local = self._local.get(file.url)
        if local is not None:
            return os.pread(local.fileno(), stop - start, start)
        with _answer(file.url, f"bytes={start}-{stop - 1}") as answer:
            if answer.status != 206 or _version(answer) != file.etag or _total(answer) != file.size:
                raise changed(file)
            content = answer.read()
            _check_length(len(content), answer)
            return content

    def _found(self, url: Url) -> RemoteFile:
        try:
            with _answer(url, "bytes=0-0") as answer:
                if answer.status == 206:
                    return RemoteFile(self, url, _total(answer), _version(answer))
                local = tempfile.TemporaryFile(prefix="dedup-", dir=self._folder)  # noqa: SIM115 - lives as long as the store
                shutil.copyfileobj(answer, local, 1 << 20)
                local.flush()
                size = local.tell()
                _check_length(size, answer)
                self._local[url] = local
                return RemoteFile(self, url, size, _version(answer))
        except _EmptyError:
            return RemoteFile(self, url, 0, "")


class _EmptyError(Exception):
    pass


@contextmanager
def _answer(url: Url, range: str) -> Iterator[http.client.HTTPResponse]:
    """Ask for a range; the errors of the request and of reading the answer are told apart by whether they may pass."""
    path = urllib.parse.quote(url.key, safe=_QUOTED) + (f"?{url.query}" if url.query else "")
    request = urllib.request.Request(f"{url.scheme}://{url.store}/{path}")
    request.add_header("Range", range)
    request.add_header("Accept-Encoding", "identity")
    request.add_header("User-Agent", "dedup")
    if url.user:
        login = base64.b64encode(urllib.parse.unquote(url.user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {login}")
    try:
        with urllib.request.urlopen(request, timeout=READ_SECONDS) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and error.headers.get("Content-Range", "").strip() == "bytes */0":
            raise _EmptyError from None
        if error.code in _AGAIN:
            raise LostError(f"the server answers {error.code} {http.client.responses.get(error.code, '')}") from None
        reason = f"{error.code} {http.client.responses.get(error.code, '')}".strip()
        remedy = _REMEDY.get(error.code, "see what the server wants")
        raise InputError(f"{url}: the server answers {reason}, wanted the file; {remedy}") from None
    except (ValueError, OverflowError, http.client.InvalidURL) as error:
        raise InputError(f"{url}: cannot be asked for ({type(error).__name__}); check the URL") from None
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):  # of the local file
            raise
        # Not the message of the error: it may hold the whole URL.
        cause = getattr(error, "reason", error)
        what = getattr(cause, "strerror", None) or type(cause).__name__
        raise LostError(f"connection lost or not made ({what})") from None


def _version(answer: http.client.HTTPResponse) -> str:
    return answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""


def _total(answer: http.client.HTTPResponse) -> int:
    total = answer.headers.get("Content-Range", "").rpartition("/")[2]
    if not total.isdigit():
        raise LostError("the server does not tell how long the file is")
    return int(total)


def _check_length(got: int, answer: http.client.HTTPResponse) -> None:
    # A connection that is closed too early looks like the end of the file to those who read piece by piece.
    length = answer.headers.get("Content-Length", "")
    if length.isdigit() and got != int(length):
        raise LostError(f"connection lost after {got:,} of {int(length):,} bytes")
