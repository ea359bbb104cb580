"""A person's verdicts on pairs in a CSV file that only grows: one line each, on the disk before the next question.

The last line of a pair counts. A text that a spreadsheet would run as a formula has an apostrophe before it.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from dedup import commit
from dedup.errors import InputError

COLUMNS = ("doc_id_a", "doc_id_b", "verdict", "level", "stratum", "weight", "score", "accepted", "run_id")
VERDICTS = ("same text", "same story", "different", "skip")
_SCHEMA = pa.schema(
    [(name, pa.float64() if name == "weight" else pa.string()) for name in COLUMNS if name not in ("score", "accepted")]
)
# OWASP, "CSV Injection"; a number is none. Apostrophes in front count too, so that reading takes back what was added.
_FORMULA = re.compile("^'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile("^[+-]?[0-9]+([.,][0-9]+)*([eE][+-]?[0-9]+)?$")


def defused(text: str) -> str:
    """Return a text with an apostrophe before it where a spreadsheet would run it."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.match(text) else text


def fused(text: str) -> str:
    """Take back what `defused` did."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


class Labels:
    """The verdicts of a file, and the end of it."""

    def __init__(self, path: Path, end: int, verdicts: dict[tuple[str, str], dict[str, str]]) -> None:
        self._path = path
        self._end = end
        self.verdicts = verdicts

    def add(self, row: dict[str, Any]) -> None:
        """Append a verdict; it is on the disk when this returns.

        Raises
        ------
        ResourceError
            It cannot be written.
        """
        line = io.StringIO()
        cells = [defused(str(row.get(name, ""))) for name in COLUMNS]
        csv.writer(line, lineterminator="\n").writerow(cells)
        with commit.write_errors(self._path), self._path.open("r+b") as file:
            file.seek(self._end)
            file.write(line.getvalue().encode())
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
            self._end = file.tell()
        self.verdicts[pair_of(row)] = {name: str(row.get(name, "")) for name in COLUMNS}


def pair_of(row: dict[str, Any]) -> tuple[str, str]:
    """Return the two ids of a row in the order of their text, which is that of the pair."""
    first, second = sorted((str(row["doc_id_a"]), str(row["doc_id_b"])))
    return first, second


@contextmanager
def opened(path: Path) -> Iterator[Labels]:
    """Open a file of verdicts to add to it, made where it is not there; what a killed session left half-written goes.

    Raises
    ------
    InputError
        It is there and is no such file.
    """
    if not path.exists():
        if not path.parent.is_dir():
            raise InputError(f"{path}: no folder {str(path.parent)!r}; make it first, or name another file")
        with commit.write_errors(path):
            path.write_text(",".join(COLUMNS) + "\n", "utf-8")
    content = _content(path)
    whole = content[: content.rfind(b"\n") + 1]
    if whole.split(b"\n")[0].decode("utf-8-sig", "replace").strip() != ",".join(COLUMNS):
        raise InputError(f"{path}: is no file of verdicts; wanted the columns {', '.join(COLUMNS)}; name another file")
    yield Labels(path, len(whole), {pair_of(row): row for row in _rows(path, whole)})


def read_labels(path: str | Path) -> pa.Table:
    """Read verdicts on pairs, the last one of each pair; skipped pairs are left out.

    Returns
    -------
    doc_id_a, doc_id_b, verdict, level, stratum, run_id : string; weight : double. Only the first three must be in the
    file: without a level a verdict counts for both, without a stratum and a weight all count alike.

    Raises
    ------
    InputError
        The file cannot be read, columns are missing, or a verdict or a weight is none.
    """
    path = Path(path)
    last = {}
    for row in _rows(path, _content(path)):
        last[(*pair_of(row), row.get("level", ""))] = row
    rows: list[dict[str, Any]] = []
    for row in last.values():
        if row["verdict"] == "skip":
            continue
        for level in [row["level"]] if row.get("level") else ["duplicate", "story"]:
            one = {"stratum": "", "run_id": "", **row, "level": level}
            rows.append(one | {"weight": _weight(path, row.get("weight") or "1")})
    return pa.Table.from_pylist(rows, _SCHEMA)


def is_verdicts(path: str | Path) -> bool:
    """Tell whether a file holds verdicts rather than labels of articles, by its header."""
    path = Path(path)
    return path.suffix.lower() == ".csv" and b"verdict" in _content(path).split(b"\n", 1)[0]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); wanted verdicts of dedup review") from error


def _rows(path: Path, content: bytes) -> Iterator[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig", "replace"), newline=""))
    missing = {"doc_id_a", "doc_id_b", "verdict"} - set(reader.fieldnames or ())
    if missing:
        raise InputError(f"{path}: no column {min(missing)!r}; wanted doc_id_a, doc_id_b and verdict")
    for row in reader:
        one = {name: fused(value or "") for name, value in row.items() if isinstance(name, str)}
        one["verdict"] = one["verdict"].strip().lower()
        if one["verdict"] not in VERDICTS:
            wanted = ", ".join(VERDICTS)
            raise InputError(f"{path} line {reader.line_num}: verdict is {one['verdict']!r}, wanted {wanted}")
        yield one


def _weight(path: Path, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError(f"{path}: weight is {text!r}, wanted a number that is not negative")
    return value
