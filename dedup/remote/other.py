"""Google Cloud Storage, Azure and the Hugging Face Hub, by fsspec, with the package that each of them needs."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dedup.errors import InputError, SettingsError
from dedup.remote.objects import LostError, RemoteFile, changed
from dedup.remote.urls import AZURE, Url

_PACKAGE = {"gs": "gcsfs", **dict.fromkeys(AZURE, "adlfs"), "hf": "huggingface_hub"}
_EXTRA = {"gs": "gs", **dict.fromkeys(AZURE, "az"), "hf": "hf"}
_VERSIONS = ("etag", "ETag", "generation", "blob_id", "last_commit", "md5Hash")  # as each of them calls it


class Other:
    """Files of a store that fsspec opens; versions are compared, where it has them, after the last byte."""

    def __init__(self, url: Url) -> None:
        package = _PACKAGE.get(url.scheme)
        try:
            if package is not None:
                importlib.import_module(package)
            import fsspec  # noqa: PLC0415 - an extra, needed only where such a URL was given
        except ImportError:
            extra = _EXTRA.get(url.scheme, "remote")
            raise SettingsError(
                f"{url}: got a {url.scheme}:// URL, wanted the package {package} to read it; "
                f"pip install 'dedup-stories[{extra}]'"
            ) from None
        with _errors(url):
            self._system: Any = fsspec.core.url_to_fs(str(url))[0]

    def find(self, url: Url) -> list[RemoteFile]:
        """Return the file, or all files below it."""
        with _errors(url):
            found = self._system.find(self._path(url), detail=True)
        start = self._path(Url(url.scheme, url.store, "")).rstrip("/") + "/"
        files = []
        for path, about in found.items():
            key = path.lstrip("/").removeprefix(start.lstrip("/"))
            own = Url(url.scheme, url.store, key)
            files.append(RemoteFile(self, own, int(about["size"] or 0), _version(about)))
        return files

    def fetch(self, file: RemoteFile, start: int, stop: int) -> bytes:
        """Return bytes start … stop − 1."""
        with _errors(file.url):
            content: bytes = self._system.cat_file(self._path(file.url), start=start, end=stop)
            if stop == file.size:
                self._system.invalidate_cache()
                now = self._system.info(self._path(file.url))
                if now["size"] != file.size or _version(now) != file.etag:
                    raise changed(file)
        return content

    def _path(self, url: Url) -> str:
        return str(self._system._strip_protocol(str(url)))


def _version(about: dict[str, Any]) -> str:
    return next((str(about[name]) for name in _VERSIONS if about.get(name)), "")


@contextmanager
def _errors(url: Url) -> Iterator[None]:
    """Turn what fsspec and the packages under it raise into ours; their messages may hold tokens and are left out."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{url}: no such bucket, folder or file; check the URL") from None
    except PermissionError:
        raise InputError(f"{url}: access denied, wanted to read it; see that the credentials may") from None
    except (OSError, TimeoutError) as error:
        raise LostError(f"connection lost or not made ({type(error).__name__})") from None
    except Exception as error:  # each package has a tree of its own
        raise InputError(f"{url}: cannot be read ({type(error).__name__}); check the URL and the credentials") from None
