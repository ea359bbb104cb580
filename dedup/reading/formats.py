"""Which format a file has: by its content first, by its ending second."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import orjson

ENDINGS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "txt",
    ".md": "md",
    ".html": "html",
    ".htm": "html",
    ".parquet": "parquet",
}
DOCUMENTS = ("txt", "md", "html")  # one file, one document
PACKED_ENDINGS = (".gz", ".zst", ".zstd", ".bz2", ".xz")
_PARQUET_MAGIC = b"PAR1"
_HTML = re.compile(rb"(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html[\s>])", re.IGNORECASE | re.DOTALL)
_FEED = re.compile(rb"(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:rss|feed|rdf:RDF)[\s>]", re.IGNORECASE | re.DOTALL)
_UNPACK = "wanted plain, gzip, zstd, bzip2 or xz files; unpack it first"
_FOREIGN = (  # first bytes of what is no text and no Parquet
    (b"PK\x03\x04", "a zip archive", _UNPACK),
    (b"PK\x05\x06", "a zip archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a rar archive", _UNPACK),
    (b"\x04\x22\x4d\x18", "lz4 data", _UNPACK),
    (b"\xff\x06\x00\x00sNaPpY", "snappy data", _UNPACK),
    (b"%PDF-", "a PDF", "wanted text; convert it with pdftotext"),
    (b"ARROW1", "an Arrow file", "wanted Parquet; convert it with pyarrow.parquet.write_table"),
    (b"Obj\x01", "an Avro file", "wanted Parquet or JSON Lines; convert it first"),
    (b"ORC", "an ORC file", "wanted Parquet; convert it first"),
    (b"SQLite format 3\x00", "an SQLite database", "wanted Parquet or JSON Lines; export the table first"),
    (b"\x80\x04\x95", "a pickle file", "wanted Parquet or JSON Lines; pickle can run code and is never read"),
)
_LINES_LOOKED_AT = 50


class Format(NamedTuple):
    """A format ("jsonl", "json", "csv", "tsv", "txt", "md", "html", "parquet"), or "" with the refusal."""

    name: str
    code: str = ""
    message: str = ""


def ending(name: str) -> str:
    """Return the ending that tells the format, in small letters, looking through that of a packed file."""
    path = Path(name.lower())
    return Path(path.stem).suffix if path.suffix in PACKED_ENDINGS else path.suffix


def detect(name: str, head: bytes, columns: Iterable[str] = ()) -> Format:
    """Tell the format of a file.

    Parameters
    ----------
    name : the file's.
    head : its first bytes, unpacked and in UTF-8.
    columns : names, in small letters, by which the header of a CSV file without an ending is known.
    """
    by_ending = ENDINGS.get(ending(name), "")
    if by_ending == "parquet" or head.startswith(_PARQUET_MAGIC):
        return Format("parquet")
    for magic, what, remedy in _FOREIGN:
        if head.startswith(magic) and (len(magic) > 3 or not by_ending):
            return Format("", "unknown_format", f"{what}; {remedy}")
    if head[257:262] == b"ustar":
        return Format("", "unknown_format", f"a tar archive; {_UNPACK}")
    return _of_text(head.removeprefix(codecs.BOM_UTF8).lstrip(), by_ending, ending(name) == ".json", columns)


def _of_text(content: bytes, by_ending: str, may_be_array: bool, columns: Iterable[str]) -> Format:
    if _HTML.match(content):
        if by_ending in ("", *DOCUMENTS):
            return Format("html")
        message = f"an HTML page; wanted {by_ending}; it may be an error page of the server: fetch it again"
        return Format("", "unknown_format", message)
    if _FEED.match(content) and by_ending not in DOCUMENTS:
        return Format("", "unknown_format", "an RSS or Atom feed; wanted its articles; convert it to JSON Lines first")
    first = content.partition(b"\n")[0]
    if by_ending in ("csv", "tsv", *DOCUMENTS):
        # Documents and headers may start with a brace; a whole JSON object on the first line is no accident.
        return Format("jsonl" if first.startswith(b"{") and _is_object(first) else by_ending)
    if content.startswith((b"[", b"{")):
        return Format(_of_json(content, bool(by_ending) and not may_be_array))
    return Format("jsonl") if by_ending or not content else _of_header(first, columns)


def _of_json(content: bytes, lines_by_ending: bool) -> str:
    first, more, rest = content.partition(b"\n")
    whole = _is_json(first)
    if first.startswith(b"["):
        return "jsonl" if lines_by_ending and more and whole else "json"
    return "json" if more and not whole and not _lines_follow(first, rest) else "jsonl"


def _lines_follow(first: bytes, rest: bytes) -> bool:
    """Say whether a broken first line stands in a file of JSON Lines: one is whole, or all begin as objects do."""
    if first.strip() == b"{":
        return False
    following = rest.split(b"\n", _LINES_LOOKED_AT)[:_LINES_LOOKED_AT]
    objects = [line for line in following if line.startswith(b"{")]
    return any(map(_is_object, objects)) or 0 < len(objects) == sum(map(bool, map(bytes.strip, following)))


def _of_header(first: bytes, columns: Iterable[str]) -> Format:
    wanted = set(columns)
    for delimiter, name in ((b",", "csv"), (b"\t", "tsv"), (b";", "csv")):
        names = {field.strip(b' "\r').decode("utf-8", "replace").lower() for field in first.split(delimiter)}
        if names & wanted:
            return Format(name)
    endings = " ".join(ENDINGS)
    return Format("", "unknown_format", f"neither content nor name tells the format; wanted {endings}; rename the file")


def _is_object(line: bytes) -> bool:
    return line.rstrip().endswith(b"}") and _is_json(line)


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True
