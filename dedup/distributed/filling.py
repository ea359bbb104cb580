"""The rows of documents, groups and clusters over parts; groups and stories are filled in whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import findings, listing
from dedup import tables as run_tables
from dedup.distributed import naming
from dedup.distributed.flow import Message, Tables, at, deal, part_of_place
from dedup.tables import Grouping

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]


def documents(part: int, tables: Tables, *, starts: _Int, parts: int) -> Iterator[Message]:
    """Fill the documents table, and send what groups and stories need of it.

    Inputs: documents, facts, told, overlaps. Streams: documents (with `position`), group_rows,
    story_rows, spellings, sizes.
    """
    if "documents" not in tables:
        return
    found, facts = tables["documents"], tables["facts"]
    position, representative = (facts[name].to_numpy() for name in ("position", "representative"))
    itself = representative == position
    known = tables["told"].take(pa.array(at(tables["told"], representative)))
    told = listing.Told(
        position,
        known["canonical"].to_numpy(),
        representative,
        **{name: known[name] for name in ("canonical_doc_id", "representative_doc_id", "story_id", "duplicate_id")},
        story_size=known["story_size"].to_numpy(),
        duplicate_size=known["duplicate_size"].to_numpy(),
        canonical_reason=known["canonical_reason"],
    )
    scores, exact = _scores(tables, itself, known["cosine"].to_numpy())
    holds = {
        "unique": told.story_size == 1,
        "canonical": told.canonical == position,
        "same_story": itself,
        "exact": exact,
        "contained": facts["contained"].to_numpy(),
    }
    relation = findings.named_relations(holds, scores)
    similarity = findings.likeness(relation, scores)
    made = listing.columns_of(told, {"similarity": similarity, **scores}, relation)
    fields = listing.fields_of(found.schema)
    columns = [made[name] if name in made else found[name] for name in fields.names]
    filled = pa.Table.from_arrays(columns, schema=fields)
    yield Message("documents", part, filled.append_column("position", facts["position"]))
    yield measured(part, filled)
    yield from _group_rows(filled, told, scores, starts)
    yield from _story_rows(filled, told, similarity, starts)
    named = itself & (known["n_groups"].to_numpy() > 1)
    yield from naming.spell(filled.select(["title", "excerpt"]).filter(pa.array(named)), parts)


def _scores(tables: Tables, itself: npt.NDArray[np.bool_], cosine: _Float) -> tuple[dict[str, _Float], Any]:
    """Return scores of each document against its representative, float64[n] by name, and which are equal, bool[n].

    Parameters
    ----------
    itself : bool[n], whether it is the representative
    cosine : float64[n], of its representative with the canonical article
    """
    exact = np.ones(len(itself), np.bool_)
    jaccard, containment = np.ones((2, len(itself)))
    if not itself.all():
        overlaps = tables["overlaps"]
        row = at(overlaps, tables["facts"]["unit"].to_numpy()[~itself])
        exact[~itself] = overlaps["exact"].to_numpy()[row]
        jaccard[~itself], containment[~itself] = (overlaps[name].to_numpy()[row] for name in ("jaccard", "containment"))
    return findings.told_scores(itself, exact, jaccard, containment, cosine), exact


def _group_rows(filled: pa.Table, told: listing.Told, scores: dict[str, _Float], starts: _Int) -> Iterator[Message]:
    sent = filled.select(["doc_id", "source", "published_at"])
    further = {
        "representative": told.representative,
        "position": told.position,
        "jaccard": scores["jaccard"],
        "overlap": np.fmax(scores["jaccard"], scores["containment"]),
    }
    for name, values in further.items():
        sent = sent.append_column(name, pa.array(values))
    yield from deal("group_rows", sent, part_of_place(told.representative, starts))


def _story_rows(filled: pa.Table, told: listing.Told, similarity: _Float, starts: _Int) -> Iterator[Message]:
    canonical = pa.array(told.canonical == told.position)
    sent = filled.select(["source", "published_at", "is_representative"])
    for name in ("doc_id", "title"):  # of the canonical article alone
        sent = sent.append_column(name, pc.if_else(canonical, filled[name], None))
    for name, values in (("canonical", told.canonical), ("position", told.position), ("similarity", similarity)):
        sent = sent.append_column(name, pa.array(values))
    yield from deal("story_rows", sent, part_of_place(told.canonical, starts))


def measured(part: int, table: pa.Table, size: str | None = None) -> Message:
    """Tell of how many bytes and rows a part of a table is, how many rows are of several documents, and of how many."""
    sizes = table[size].to_numpy() if size else np.empty(0, np.int64)
    several = sizes[sizes > 1]
    row = {"bytes": table.nbytes, "rows": len(table), "several": len(several), "of_several": int(several.sum())}
    return Message("sizes", part, pa.table({name: pa.array([value], pa.int64()) for name, value in row.items()}))


def _labelled(rows: pa.Table, head: str) -> tuple[_Int, _Int, _Int]:
    """Return the heads of the clusters of some rows, which of them each row has, and the row of each head."""
    heads, label = np.unique(rows[head].to_numpy(), return_inverse=True)
    return heads, label, np.searchsorted(rows["position"].to_numpy(), heads)


def groups(part: int, tables: Tables) -> Iterator[Message]:
    """Fill the groups table; rows come in the order of positions.

    Inputs: group_rows, standing. Streams: groups, sizes.
    """
    if "group_rows" not in tables:
        return
    rows, standing = tables["group_rows"], tables["standing"]  # both sorted
    _, label, chosen = _labelled(rows, "representative")
    ids = standing["duplicate_id"].to_numpy()
    story_id = standing["story_id"].to_numpy()[label]
    jaccard, overlap = rows["jaccard"].to_numpy(), rows["overlap"].to_numpy()
    made = run_tables.groups_table(rows, Grouping(label, chosen, ids, ids), story_id, jaccard, overlap)
    yield Message("groups", part, made)
    yield measured(part, made, "duplicate_size")


def clusters(part: int, tables: Tables) -> Iterator[Message]:
    """Fill the clusters table.

    Inputs: story_rows, story_ids, cohesions, names. Streams: clusters, sizes.
    """
    if "story_rows" not in tables:
        return
    rows, ids = tables["story_rows"], tables["story_ids"].sort_by("canonical")
    heads, label, chosen = _labelled(rows, "canonical")
    groups = np.flatnonzero(rows["is_representative"].to_numpy())
    total = np.zeros(len(heads))
    if "cohesions" in tables:
        found = tables["cohesions"]
        np.add.at(total, np.searchsorted(heads, found["canonical"].to_numpy()), found["total"].to_numpy())
    cohesion = findings.cohesions(total, np.bincount(label[groups]))
    names = naming.joined(tables["names"], heads) if "names" in tables else [""] * len(heads)
    story_ids = ids["story_id"].to_numpy()
    stories, by_group = Grouping(label, chosen, story_ids, story_ids), Grouping(label, groups, story_ids, story_ids)
    made = run_tables.clusters_table(rows, by_group, stories, rows["similarity"].to_numpy(), cohesion, names)
    yield Message("clusters", part, made)
    yield measured(part, made, "story_size")
