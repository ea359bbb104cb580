"""Gold labels from a file: one label per article and level, or pairs of articles with a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from dedup.errors import InputError

_NAMES = {  # columns of the normalised table, and the names they may have in a file: the first one found counts
    "doc_id": ("doc_id", "id"),
    "story": ("story", "story_id", "gold_story"),
    "duplicate": ("duplicate", "duplicate_id", "gold_duplicate"),
    "doc_id_a": ("doc_id_a", "id_a"),
    "doc_id_b": ("doc_id_b", "id_b"),
    "label": ("label",),
}
_KNOWN = [name for names in _NAMES.values() for name in names]
_WANTED = "doc_id (or id) with story_id, duplicate_id or both, or else id_a, id_b and label"
_VERDICTS = ("0", "0.0", "false", "1", "1.0", "true")  # three that say different, then three that say same


def read_gold(path: str | Path) -> pa.Table:
    """Read gold labels from Parquet, CSV, TSV or JSON Lines, told apart by the ending.

    Parameters
    ----------
    path : a file with `doc_id` or `id` and the labels of one level or both (`story`, `story_id`, `gold_story`;
        `duplicate`, `duplicate_id`, `gold_duplicate`), or with `id_a`, `id_b` (`doc_id_a`, `doc_id_b`) and `label`
        (1 same, 0 different, empty: do not score). Other columns are left alone.

    Returns
    -------
    `doc_id`, `story`, `duplicate` (string, null where there is no label), or `doc_id_a`, `doc_id_b` (string), `label`
    (double null).

    Raises
    ------
    InputError
        The file cannot be read, columns are missing, or a verdict is neither 0 nor 1.
    """
    path = Path(path)
    try:
        columns, found = _read(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: gold file cannot be read ({error}); wanted columns {_WANTED}") from error
    if {"doc_id_a", "doc_id_b", "label"} <= columns.keys():
        columns["label"] = _verdicts(path, columns["label"])
        return pa.table({name: columns[name] for name in ("doc_id_a", "doc_id_b", "label")})
    if "doc_id" not in columns or not columns.keys() & {"story", "duplicate"}:
        names = ", ".join(map(repr, found)) or "none"
        raise InputError(f"{path}: gold columns are missing; found {names}; wanted {_WANTED}; rename columns")
    empty = pa.nulls(len(columns["doc_id"]), pa.string())
    return pa.table({name: columns.get(name, empty) for name in ("doc_id", "story", "duplicate")})


def _read(path: Path) -> tuple[dict[str, pa.ChunkedArray], list[str]]:
    """Read the known columns, with their normal names and as strings (blank is null), and the names of all columns."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        file = pyarrow.parquet.ParquetFile(path)
        found = file.schema_arrow.names
        table = file.read(columns=[name for name in found if name in _KNOWN])
    elif ending in (".csv", ".tsv"):
        delimiter = "\t" if ending == ".tsv" else ","
        reading = pyarrow.csv.ReadOptions(block_size=1 << 24)  # bytes; a record must fit into one block
        parsing = pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        # Left to inference, the id 007 would become the number 7.
        types = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(_KNOWN, pa.string()))
        table = pyarrow.csv.read_csv(path, reading, parsing, types)
        found = table.column_names
    elif ending in (".jsonl", ".ndjson"):
        records = _read_jsonl(path)
        found = list(dict.fromkeys(name for record in records for name in record))
        known = [name for name in found if name in _KNOWN]
        rows = [{name: str(r[name]) for name in known if r.get(name) is not None} for r in records]
        table = pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in known]))
    else:
        raise InputError(f"{path}: ending {ending!r}; wanted a gold file .parquet, .csv, .tsv, .jsonl or .ndjson")
    columns = {}
    for column, names in _NAMES.items():
        if name := next((name for name in names if name in found), None):
            text = table[name].cast(pa.string())
            columns[column] = pc.if_else(pc.equal(pc.utf8_trim_whitespace(text), ""), None, text)
    return columns, found


def _read_jsonl(path: Path) -> list[dict[str, Any]]:
    records = []
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            if line.strip():
                records.append(dict(orjson.loads(line)))
        except (ValueError, TypeError) as error:
            raise InputError(f"{path} line {number}: {error}; wanted one JSON object a line") from error
    return records


def _verdicts(path: Path, text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn verdicts into 1.0, 0.0 and null."""
    place = pc.index_in(pc.utf8_lower(pc.utf8_trim_whitespace(text)), value_set=pa.array(_VERDICTS), skip_nulls=True)
    bad = np.flatnonzero(text.is_valid().to_numpy() & place.is_null().to_numpy())
    if len(bad):
        got = text[int(bad[0])].as_py()
        raise InputError(f"{path} record {bad[0] + 1}: label is {got!r}; wanted 1 (same), 0 (different) or empty")
    return pc.greater_equal(place, len(_VERDICTS) // 2).cast(pa.int8()).cast(pa.float64())
