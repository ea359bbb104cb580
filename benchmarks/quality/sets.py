"""Labelled sets, read from a folder; what a set measures follows from its labels, not from its name.

PATH is a folder of Parquet files (`id, title, text, published_at, source, url, lang, story_id`; beside them pair files
`id_a, id_b, label, jaccard4`), or a folder of articles in any form that `dedup` reads, with labels in `_gold.csv`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dedup import reading
from dedup.gold import read_gold
from dedup.params import ReadingParams

GOLD_FILE = "_gold.csv"
ARTICLE = pa.schema(
    [
        ("id", pa.string()),
        ("title", pa.string()),
        ("text", pa.large_string()),
        ("published_at", pa.timestamp("us", "UTC")),
        ("source", pa.string()),
        ("url", pa.string()),
        ("lang", pa.string()),
        ("story_id", pa.string()),
    ]
)


@dataclass(frozen=True)
class Pairs:
    """Labelled pairs of a set: `doc_id_a`, `doc_id_b`, `label` (1 same, 0 different, null: not scored)."""

    name: str
    level: str  # "duplicate" or "story"
    table: pa.Table


@dataclass(frozen=True)
class LabelledSet:
    """Articles with gold labels.

    documents : `ARTICLE`; `story_id` is null where a set has pairs only.
    kind : "story" (most articles share a label with another), "copies" (labels of copies: most articles stand alone),
        or "pairs" (no labels per article).
    pairs : its pair files
    duplicates : gold label of the copy level, one per article, where there is one
    """

    name: str
    documents: pa.Table
    kind: str
    pairs: tuple[Pairs, ...] = ()
    duplicates: pa.Array | None = None

    @property
    def ids(self) -> pa.Array:
        return self.documents["id"].combine_chunks()

    @property
    def stories(self) -> npt.NDArray[np.int64]:
        """Gold story of each article as numbers from 0 in the order of appearance."""
        return codes(self.documents["story_id"])


def codes(labels: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.int64]:
    """Turn labels without nulls into numbers from 0."""
    array = labels.combine_chunks() if isinstance(labels, pa.ChunkedArray) else labels
    return array.dictionary_encode().indices.to_numpy().astype(np.int64)


def load(path: Path, only: Iterable[str] = ()) -> list[LabelledSet]:
    """Read the sets of a folder, sorted by name; `only`: beginnings of the names that are wanted, none for all."""
    wanted = tuple(only)
    sets = _from_articles(path) if (path / GOLD_FILE).is_file() else _from_parquet(path)
    found = ", ".join(s.name for s in sets) or "none"
    if not sets:
        raise SystemExit(f"{path}: no labelled set to score; wanted Parquet files with story_id, or {GOLD_FILE}")
    for name in wanted:
        if not any(s.name.startswith(name) for s in sets):
            raise SystemExit(f"--only {name}: no section or set of that name; the sets of {path} are {found}")
    return [s for s in sets if not wanted or s.name.startswith(wanted)]


def story_sets(sets: Sequence[LabelledSet]) -> list[LabelledSet]:
    return [s for s in sets if s.kind == "story"]


def pick(sets: Sequence[LabelledSet], *names: str) -> list[LabelledSet]:
    """Return the story sets whose names begin so, in this order; all story sets where there is none of them."""
    stories = story_sets(sets)
    found = [s for name in names for s in stories if s.name.startswith(name)]
    return found or stories


def sample_bulk(path: Path, count: int, random: np.random.Generator) -> pa.Table:
    """Draw unlabelled articles from a folder of Parquet files; their ids begin with `bulk/`."""
    table = pa.concat_tables([_articles(file) for file in sorted(path.glob("*.parquet"))])
    rows = np.sort(random.choice(len(table), min(count, len(table)), replace=False))
    table = table.take(pa.array(rows))
    ids = pc.binary_join_element_wise("bulk/", table["id"], "")
    return table.set_column(0, "id", ids).set_column(7, "story_id", pa.nulls(len(table), pa.string()))


def _from_parquet(path: Path) -> list[LabelledSet]:
    files = sorted(path.glob("*.parquet"))
    names = {file: set(pq.read_schema(file).names) for file in files}
    pairs = [_pairs(file) for file in files if {"id_a", "id_b", "label"} <= names[file]]
    sets = []
    for file in files:
        if not {"id", "text"} <= names[file]:
            continue
        documents = _articles(file)
        own = tuple(p for p in pairs if pc.all(pc.is_in(p.table["doc_id_a"], value_set=documents["id"])).as_py())
        kind = _kind(documents)
        if kind != "pairs" or own:
            sets.append(LabelledSet(file.stem, documents, kind, own))
    return sets


def _from_articles(path: Path) -> list[LabelledSet]:
    batches = [pa.table(batch) for batch in reading.open_source(path, ReadingParams()).batches()]
    table = pa.concat_tables(batches).rename_columns({"doc_id": "id"})
    gold = read_gold(path / GOLD_FILE)
    place = pc.index_in(table["id"], value_set=gold["doc_id"])
    labels = {level: gold[level].take(place) for level in ("story", "duplicate")}
    if labels["story"].null_count:
        missing = table["id"].filter(labels["story"].is_null())[0].as_py()
        raise SystemExit(f"{path / GOLD_FILE}: no story for article {missing!r}; wanted one for each article")
    documents = _cast(table.append_column("story_id", labels["story"]))
    duplicates = None if labels["duplicate"].null_count else labels["duplicate"].combine_chunks()
    return [LabelledSet(path.resolve().name, documents, _kind(documents), (), duplicates)]


def _articles(file: Path) -> pa.Table:
    return _cast(pq.read_table(file, partitioning=None))


def _cast(table: pa.Table) -> pa.Table:
    """Give a table the columns of `ARTICLE`; those it lacks are null."""
    n = len(table)
    columns = [table[f.name] if f.name in table.column_names else pa.nulls(n, f.type) for f in ARTICLE]
    return pa.table([column.cast(f.type) for column, f in zip(columns, ARTICLE, strict=True)], schema=ARTICLE)


def _kind(documents: pa.Table) -> str:
    labels = documents["story_id"]
    if labels.null_count:
        return "pairs"
    sizes = np.bincount(codes(labels))
    return "story" if 2 * sizes[sizes > 1].sum() > len(documents) else "copies"


def _pairs(file: Path) -> Pairs:
    """Read a pair file; measured overlap means that it judges copies."""
    columns = pq.read_table(file)
    measured = "jaccard4" in columns.column_names and columns["jaccard4"].null_count < len(columns)
    return Pairs(file.stem, "duplicate" if measured else "story", read_gold(file))
