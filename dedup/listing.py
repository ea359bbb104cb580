"""The documents table of a run: every article with what was found about it, largest stories first."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema
from dedup.spill import IN_MEMORY, Spill
from dedup.stores import Rows, Shuffle
from dedup.tables import Grouping, rounded

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]
_Bool = npt.NDArray[np.bool_]

_ROWS_AT_ONCE = 50_000
_ALREADY = {*schema.RUN_DOCUMENTS.names, "content_key"}


def documents_table(
    documents: pa.Table,
    groups: Grouping,
    stories: Grouping,
    similar: dict[str, _Float],
    relation: npt.NDArray[Any],
    spill: Spill = IN_MEMORY,
) -> pa.Table:
    """Build the documents table, sorted by story (largest first), group (largest first) and rank.

    Parameters
    ----------
    documents : schema.DOCUMENTS (`text` only where wanted), `excerpt`, `content_key`, then kept columns, by position
    similar : similarity, jaccard, containment, cosine, each float64[n], NaN for null
    relation : str[n]

    Returns
    -------
    schema.RUN_DOCUMENTS and kept columns
    """
    n = len(documents)
    place = np.empty(n, np.int64)
    place[_order(groups, stories)] = np.arange(n)
    key = place.astype(np.uint64) << np.uint64(64 - n.bit_length())
    ordered = Shuffle(spill)
    start = 0
    for batch in documents.to_batches(max_chunksize=_ROWS_AT_ONCE):
        end = start + len(batch)
        whole = pa.Table.from_batches([batch]).append_column("position", pa.array(np.arange(start, end)))
        ordered.add([whole], key[start:end])
        start = end
    ids = documents["doc_id"].combine_chunks()
    fields = fields_of(documents.schema)
    table = Rows(spill, fields)
    for (part,) in ordered.parts():
        part = part.take(pa.array(np.argsort(place[part["position"].to_numpy()])))  # noqa: PLW2901 - one at a time
        for rows in range(0, len(part), _ROWS_AT_ONCE):
            some = part.slice(rows, _ROWS_AT_ONCE)
            position = some["position"].to_numpy()
            told = _told(position, ids, groups, stories)
            made = columns_of(told, {name: v[position] for name, v in similar.items()}, relation[position])
            columns = [made[name] if name in made else some[name] for name in fields.names]
            table.append(pa.Table.from_arrays(columns, schema=fields))
        spill.release()
    return table.table()


class Told(NamedTuple):
    """What was found about some documents, one entry for each."""

    position: _Int
    canonical: _Int  # position
    representative: _Int  # position
    canonical_doc_id: pa.Array
    representative_doc_id: pa.Array
    story_id: pa.Array
    duplicate_id: pa.Array
    story_size: _Int
    duplicate_size: _Int
    canonical_reason: pa.Array


def columns_of(told: Told, similar: dict[str, _Float], relation: npt.NDArray[Any]) -> dict[str, pa.Array]:
    """Return the columns of some rows that tell what was found; `similar` and `relation` are those of the rows."""
    kept = ("canonical_doc_id", "representative_doc_id", "story_id", "duplicate_id", "canonical_reason")
    return {
        **{name: getattr(told, name) for name in kept},
        "is_canonical": pa.array(told.canonical == told.position),
        "is_representative": pa.array(told.representative == told.position),
        "relation": pa.array(relation, pa.string()),
        "story_size": pa.array(told.story_size.astype(np.int32)),
        "duplicate_size": pa.array(told.duplicate_size.astype(np.int32)),
        **{name: rounded(values) for name, values in similar.items()},
    }


def _told(position: _Int, ids: pa.Array, groups: Grouping, stories: Grouping) -> Told:
    group, story = groups.label[position], stories.label[position]
    canonical, representative = stories.chosen[story], groups.chosen[group]
    return Told(
        position,
        canonical,
        representative,
        canonical_doc_id=ids.take(pa.array(canonical)),
        representative_doc_id=ids.take(pa.array(representative)),
        story_id=pa.array(stories.id[story], pa.string()),
        duplicate_id=pa.array(groups.id[group], pa.string()),
        story_size=stories.size[story],
        duplicate_size=groups.size[group],
        canonical_reason=pa.array(stories.reason[story], pa.string()),
    )


def _order(groups: Grouping, stories: Grouping) -> _Int:
    """Order the documents by story (largest first), group (largest first) and rank, int64[n]."""
    position = np.arange(len(groups.label))
    return order_of(
        position,
        groups.chosen[groups.label] != position,
        (groups.size[groups.label], _rank(groups.id)[groups.label]),
        groups.label != groups.label[stories.chosen[stories.label]],
        (stories.size[stories.label], _rank(stories.id)[stories.label]),
    )


def order_of(position: _Int, copy: _Bool, group: tuple[_Int, _Int], other: _Bool, story: tuple[_Int, _Int]) -> _Int:
    """Order rows by story (largest first), group (the canonical one's, then the largest first) and rank, int64[n].

    Parameters
    ----------
    copy : whether another document represents the group
    group, story : size and rank of the id of the row's own
    other : whether the canonical article is in another group
    """
    order: _Int = np.lexsort((position, copy, group[1], -group[0], other, story[1], -story[0]))
    return order


def fields_of(documents: pa.Schema) -> pa.Schema:
    """Return the columns of the table: `schema.RUN_DOCUMENTS`, then those kept of the input, and the text if wanted."""
    return pa.schema([*schema.RUN_DOCUMENTS, *(pa.field(f.name, f.type) for f in documents if f.name not in _ALREADY)])


def _rank(ids: npt.NDArray[Any]) -> _Int:
    rank = np.empty(len(ids), np.int64)
    rank[np.argsort(ids)] = np.arange(len(ids))
    return rank
