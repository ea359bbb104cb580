"""Which format a file has: by its content first, by its ending second."""

from __future__ import annotations

import codecs
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
    ".parquet": "parquet",
}
_PARQUET_MAGIC = b"PAR1"
_PACKED = {b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"PK\x03\x04": "zip"}


class Format(NamedTuple):
    """A format ("jsonl", "csv", "tsv", "txt", "parquet"), or "" with the code and message of the refusal."""

    name: str
    code: str = ""
    message: str = ""


def ending(name: str) -> str:
    """Return the ending that tells the format, in small letters, looking through `.gz`."""
    return Path(name.lower().removesuffix(".gz")).suffix


def detect(name: str, head: bytes, packed: bool) -> Format:
    """Tell the format of a file.

    Parameters
    ----------
    name : the file's.
    head : its first bytes, unpacked.
    packed : whether they had to be unpacked, or could not be.
    """
    by_ending = ENDINGS.get(ending(name), "")
    if by_ending == "parquet" or (head.startswith(_PARQUET_MAGIC) and not packed):
        return Format("parquet")
    for magic, kind in _PACKED.items():
        if head.startswith(magic) and (kind != "bzip2" or head[4:10] == b"1AY&SY"):
            return Format("", "unknown_format", f"{kind} data; wanted plain or gzip files; unpack it first")
    return _of_text(head.removeprefix(codecs.BOM_UTF8).lstrip(), by_ending, ending(name) == ".json")


def _of_text(content: bytes, by_ending: str, may_be_array: bool) -> Format:
    first, more, _ = content.partition(b"\n")
    if by_ending in ("csv", "tsv", "txt"):
        # Documents and headers may start with a brace; a whole JSON object on the first line is no accident.
        return Format("jsonl" if first.startswith(b"{") and _is_json(first) else by_ending)
    if first.startswith(b"["):
        if by_ending and not may_be_array and more and _is_json(first):
            return Format("jsonl")
        return Format("", "json_array", "a JSON array; wanted one JSON object per line; convert it with jq -c '.[]'")
    if first.strip() == b"{" and more:
        message = "a JSON object over several lines; wanted one JSON object per line; convert it with jq -c ."
        return Format("", "json_document", message)
    if first.startswith(b"{") or by_ending or not content:
        return Format("jsonl")
    endings = " ".join(ENDINGS)
    return Format("", "unknown_format", f"neither content nor name tells the format; wanted {endings}; rename the file")


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True
