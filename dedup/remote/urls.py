"""What a URL says: scheme, bucket or host, key; and the part of it that may be shown and kept."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dedup.errors import SettingsError

WEB = ("http", "https")
AZURE = ("az", "abfs", "abfss")
SCHEMES = ("s3", "gs", *AZURE, "hf", *WEB)

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_QUERY = re.compile(r"\?[^/]*=")  # `?` alone is a wildcard
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, repr=False)
class Url:
    """A URL in its parts; credentials are in `user` and `query` only, and these are never shown.

    scheme : one of SCHEMES.
    store : bucket, container, or host and port.
    key : what follows, without the `/` before it.
    query, user : of http(s); `name:password`.
    """

    scheme: str
    store: str
    key: str
    query: str = ""
    user: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.store}/{self.key}"

    __repr__ = __str__

    @property
    def name(self) -> str:
        """The last part of the key, or of what is before it."""
        return self.key.rstrip("/").rpartition("/")[2] or self.store

    @property
    def fixed(self) -> str:
        """The folders of the key before its first wildcard; the whole key where it has none."""
        if not self.wild:
            return self.key
        parts = self.key.split("/")
        return "/".join(parts[: next(at for at, part in enumerate(parts) if _WILD.search(part))])

    @property
    def wild(self) -> bool:
        """Whether the key is a glob; in http(s) `?` and `[` have another meaning, and nothing can be listed."""
        return self.scheme not in WEB and bool(_WILD.search(self.key))


def is_url(path: object) -> bool:
    """Tell whether an argument is a URL."""
    return isinstance(path, str) and bool(_URL.match(path))


def parse(text: str) -> Url:
    """Take a URL apart.

    Raises
    ------
    SettingsError
        An unknown scheme, no bucket or host, or credentials where none belong; the message shows none.
    """
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower()
    if scheme not in SCHEMES:
        raise SettingsError(f"{scheme}://: got this kind of URL, wanted {', '.join(f'{s}://' for s in SCHEMES)}")
    query = user = ""
    if scheme in WEB:
        rest, _, query = rest.partition("#")[0].partition("?")
    elif _QUERY.search(rest):
        raise SettingsError(f"{scheme}://{_before_query(rest)}: got a query after the name, wanted none; {_INSTEAD}")
    store, _, key = rest.partition("/")
    if "@" in store and (scheme not in AZURE or ":" in store):
        user, _, store = store.rpartition("@")
        if scheme not in WEB:
            raise SettingsError(f"{scheme}://{store}/{key}: got a user or password in the URL; {_INSTEAD}")
    if not store or (scheme in WEB and not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s\\@:\[\]]+)(:\d{1,5})?", store)):
        raise SettingsError(f"{scheme}://{store}: no {'host' if scheme in WEB else 'bucket'} in this URL; name one")
    return Url(scheme, store, key, query, user)


_INSTEAD = "leave it out and give credentials as the store's own tools take them (see docs/remote.md)"


def _before_query(rest: str) -> str:
    return rest[: rest.index("?")].rpartition("@")[2]


def shown_root(paths: list[str]) -> str:
    """Return the common folder of URLs as they are shown; "" where they have none, or some are no URLs."""
    if not paths or not all(map(is_url, paths)):
        return ""
    folders = [path.rpartition("/")[0].split("/") for path in paths]
    shared = 0
    while all(len(parts) > shared for parts in folders) and len({parts[shared] for parts in folders}) == 1:
        shared += 1
    return "/".join(folders[0][:shared]) if shared > 2 else ""
