"""What holds in every run, whatever its input: between its tables, and between these and the counts of its manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_Int = npt.NDArray[np.int64]
_Rejects = Sequence[Mapping[str, Any]]

# Level → its table, the column that marks who stands for a cluster, and the column that names it.
_LEVELS = {
    "story": ("clusters", "is_canonical", "canonical_doc_id"),
    "duplicate": ("groups", "is_representative", "representative_doc_id"),
}


def broken(tables: Mapping[str, pa.Table], rejects: _Rejects, manifest: Mapping[str, Any]) -> list[str]:
    """Name what does not hold; an empty list is a sound run.

    Parameters
    ----------
    tables : documents, groups, clusters, pairs, by their schemas.
    rejects : the records that were not accepted.
    manifest : `inputs` and `counts` of it.

    Returns
    -------
    One line for each broken rule: the table, and what is wrong with how many rows.
    """
    documents = tables["documents"]
    levels = (_level(documents, tables[name], level, name) for level, (name, _, _) in _LEVELS.items())
    return [
        *_records(documents, rejects, manifest),
        *_ids(documents, tables["pairs"]),
        *chain.from_iterable(levels),
        *_nesting(documents, tables),
        *_counts(tables, rejects, manifest["counts"]),
    ]


def _records(documents: pa.Table, rejects: _Rejects, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Look whether every record of every input is in documents or in rejects, and nothing else is."""
    found = pc.value_counts(documents["source_file"])
    accepted = dict(zip(*(found.field(at).to_pylist() for at in range(2)), strict=True))
    refused = Counter(reject["source_file"] for reject in rejects)
    for file in manifest["inputs"]:
        for table, counted, wanted in (("documents", accepted, "records"), ("rejects", refused, "rejected")):
            got = counted.pop(file["source_file"], 0)
            if got != file[wanted]:
                yield f"{table}: {got:,} rows of the input {file['source_file']!r}, wanted {file[wanted]:,}"
    for name in {*accepted, *refused}:
        yield f"documents: rows of {name!r}, which is no input"
    seen = manifest["counts"].get("records")
    if seen is not None and seen != len(documents) + len(rejects):
        yield f"documents: {len(documents):,} rows and {len(rejects):,} rejects, wanted {seen:,} records together"


def _ids(documents: pa.Table, pairs: pa.Table) -> Iterator[str]:
    for column in ("doc_id", "row"):
        distinct = pc.count_distinct(documents[column], mode="only_valid").as_py()
        yield from _told("documents", f"without a {column} of their own", len(documents) - distinct)
    unknown = [pc.is_in(pairs[side], documents["doc_id"]) for side in ("doc_id_a", "doc_id_b")]
    yield from _wrong("pairs", "of unknown documents", ~_array(pc.and_(*unknown)))
    yield from _wrong("pairs", "of a document with itself", _array(pc.equal(pairs["doc_id_a"], pairs["doc_id_b"])))


def _level(documents: pa.Table, table: pa.Table, level: str, name: str) -> Iterator[str]:
    """Look whether the clusters of a level and their table say the same, and each has one that stands for it."""
    _, mark, stands = _LEVELS[level]
    ids = table[f"{level}_id"]
    label = _place(documents[f"{level}_id"], ids)
    yield from _told(name, f"without a {level}_id of their own", len(table) - pc.count_distinct(ids).as_py())
    yield from _wrong("documents", f"whose {level}_id is not in {name}", label < 0)
    rows = np.flatnonzero(label >= 0)
    label = label[rows]
    size = np.bincount(label, minlength=len(table))
    yield from _wrong(name, f"with another {level}_size than documents", _array(table[f"{level}_size"]) != size)
    said = _array(documents[f"{level}_size"])[rows]
    yield from _wrong("documents", f"with another {level}_size than there are", said != size[label])
    marked = _array(documents[mark]).astype(bool)[rows]
    heads = np.bincount(label[marked], minlength=len(table))
    yield from _wrong(name, f"without exactly one document of {mark}", heads != 1)
    head = np.full(len(table), -1)
    head[label[marked]] = rows[marked]
    yield from _wrong(name, f"whose {stands} is another document", _place(table[stands], documents["doc_id"]) != head)
    named = _place(documents[stands], documents["doc_id"])[rows]
    yield from _wrong("documents", f"whose {stands} is another document", named != head[label])


def _nesting(documents: pa.Table, tables: Mapping[str, pa.Table]) -> Iterator[str]:
    """Look whether each duplicate group lies in one story, and stories count their groups."""
    groups, clusters = tables["groups"], tables["clusters"]
    group = _place(documents["duplicate_id"], groups["duplicate_id"])
    story = _place(documents["story_id"], clusters["story_id"])
    home = _place(groups["story_id"], clusters["story_id"])
    known = group >= 0
    yield from _wrong("documents", "in another story than their duplicate group", home[group[known]] != story[known])
    counted = np.bincount(home[home >= 0], minlength=len(clusters))
    yield from _wrong("clusters", "with another n_groups than groups", _array(clusters["n_groups"]) != counted)


def _counts(tables: Mapping[str, pa.Table], rejects: _Rejects, counts: Mapping[str, int]) -> Iterator[str]:
    group, story = _array(tables["groups"]["duplicate_size"]), _array(tables["clusters"]["story_size"])
    found = {
        "documents": len(tables["documents"]),
        "rejected": len(rejects),
        "duplicate_groups": int((group > 1).sum()),
        "duplicates": len(tables["documents"]) - len(group),
        "stories": int((story > 1).sum()),
        "in_stories": int(story[story > 1].sum()),
        "singles": int((story == 1).sum()),
    }
    for name, got in found.items():
        if counts.get(name) != got:
            yield f"manifest.json: counts {counts.get(name)} as {name}, the tables hold {got:,}"


def _place(values: pa.ChunkedArray, among: pa.ChunkedArray) -> _Int:
    """Return where each value stands among others, -1 where it does not or is null; int64[n]."""
    place: _Int = pc.index_in(values, among, skip_nulls=True).fill_null(-1).to_numpy().astype(np.int64)
    return place


def _array(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """View a column of numbers or bools as an array; a null is -1 or false."""
    values: npt.NDArray[Any] = column.fill_null(False if pa.types.is_boolean(column.type) else -1).to_numpy()
    return values


def _wrong(table: str, what: str, wrong: npt.NDArray[np.bool_]) -> Iterator[str]:
    yield from _told(table, what, int(np.count_nonzero(wrong)))


def _told(table: str, what: str, rows: int) -> Iterator[str]:
    if rows:
        yield f"{table}: {rows:,} {'row' if rows == 1 else 'rows'} {what}"
