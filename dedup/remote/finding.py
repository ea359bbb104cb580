"""URLs of files, folders and globs → remote files in the order of their bytes, each with its name in the output."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from dedup.errors import InputError
from dedup.remote.http import Web
from dedup.remote.objects import RemoteFile, Store, patiently
from dedup.remote.other import Other
from dedup.remote.s3 import Bucket
from dedup.remote.urls import WEB, Url, parse, shown_root

_TOKEN = re.compile(r"\*+|\[!?\]?[^]]+\]|.", re.DOTALL)


def find(
    arguments: Sequence[str], wanted: Callable[[str, str], bool], *, alone: bool, tmp_dir: str | None = None
) -> list[tuple[RemoteFile, str]]:
    """Return the files that URLs stand for, sorted by the bytes of the URL, each once.

    Parameters
    ----------
    arguments : URLs of a file, of a folder, or with wildcards: `*`, `?` and `[…]` inside one part, `**` for any parts.
    wanted : tells of a file in a folder, by its path in there and its name, whether it is to be read.
    alone : no local file is read besides; else names are whole URLs.
    tmp_dir : folder for what has to be fetched whole; None: the system's.

    Returns
    -------
    Files and their names: relative to the one folder, else to the folder that all URLs share, else the whole URL;
    without credentials, and with `~2`, `~3` where several differ only in what is not shown.

    Raises
    ------
    SettingsError
        A URL that cannot be used, or a package is missing.
    InputError
        There is no such file, it may not be read, or a folder holds nothing to read.
    """
    urls = list(dict.fromkeys(map(parse, arguments)))
    stores: dict[tuple[str, str], Store] = {}
    found: dict[Url, RemoteFile] = {}
    folders: list[str] = []
    for url in urls:
        store = stores.setdefault((url.scheme, url.store), _store(url, tmp_dir))
        folder, files = _of_argument(url, store, wanted)
        folders.append(folder)
        found.update((file.url, file) for file in files)
    # Of one folder or glob, names are relative to it; else to what all arguments share.
    root = folders[0] if len(folders) == 1 else shown_root([f"{folder}/" for folder in folders])
    prefix = f"{root}/" if alone and root else ""
    ordered = sorted(found.values(), key=lambda file: (str(file).encode(), file.url.query))
    return list(zip(ordered, _distinct(str(file).removeprefix(prefix) for file in ordered), strict=True))


def open_again(shown: str, tmp_dir: str | None = None) -> RemoteFile:
    """Return the file that a manifest names.

    Raises
    ------
    InputError
        It is not there any more, or may not be read without the credentials that its URL had.
    """
    url = parse(shown)
    files = patiently(lambda: _store(url, tmp_dir).find(url), shown)
    for file in files:
        if file.url == url:
            return file
    raise InputError(f"{shown}: no such file any more; wanted it as it was clustered; put it back, or cluster again")


def _store(url: Url, tmp_dir: str | None) -> Store:
    if url.scheme in WEB:
        return Web(tmp_dir)
    return Bucket(url) if url.scheme == "s3" else Other(url)


def _of_argument(url: Url, store: Store, wanted: Callable[[str, str], bool]) -> tuple[str, list[RemoteFile]]:
    """Return the shown folder that the argument's files are named from, and the files."""
    whole = replace(url, key=url.fixed)
    listed = patiently(lambda: store.find(whole), str(url))
    if url.wild:
        files = [file for file in listed if _matches(file.url.key, url.key, wanted)]
        folder, empty = str(whole).rstrip("/"), "no file matches"
    elif len(listed) == 1 and listed[0].url == url:
        return str(url).rpartition("/")[0], listed
    else:
        folder, empty = str(url).rstrip("/"), "no such file, and no folder with a file to read"
        files = [file for file in listed if _inside(str(file).removeprefix(f"{folder}/"), wanted)]
    if not files:
        raise InputError(f"{url}: {empty}; check the URL, or see --include")
    return folder, files


def _inside(relative: str, wanted: Callable[[str, str], bool]) -> bool:
    parts = relative.split("/")
    hidden = any(part.startswith((".", "_")) for part in parts)
    return bool(parts[-1]) and not hidden and wanted(relative, parts[-1])


def _matches(key: str, pattern: str, wanted: Callable[[str, str], bool]) -> bool:
    """Tell whether a glob means this file, or a folder above it in which it is to be read."""
    regex = _regex(pattern.rstrip("/"))
    if regex.fullmatch(key):
        return not pattern.endswith("/") and not key.endswith("/")
    parts = key.split("/")
    tops = (at for at in range(1, len(parts)) if regex.fullmatch("/".join(parts[:at])))
    return any(_inside("/".join(parts[at:]), wanted) for at in tops)


def _regex(pattern: str) -> re.Pattern[str]:
    *folders, last = pattern.split("/")
    pieces = ["(?:[^/]+/)*" if part == "**" else _TOKEN.sub(_translated, part) + "/" for part in folders]
    return re.compile("".join(pieces) + ("(?:[^/]+/)*[^/]+" if last == "**" else _TOKEN.sub(_translated, last)))


def _translated(token: re.Match[str]) -> str:
    sign = token[0]
    if sign.startswith("*"):
        return "[^/]*"
    if sign == "?":
        return "[^/]"
    if len(sign) == 1:
        return re.escape(sign)
    inside = sign[1:-1].replace("\\", "\\\\").replace("^", "\\^").replace("[", "\\[")
    return f"(?!/)[{'^' + inside[1:] if inside.startswith('!') else inside}]"


def _distinct(names: Iterator[str]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}~{seen[name]}"
