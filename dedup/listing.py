"""The documents table of a run: every article with what was found about it, largest stories first."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema
from dedup.spill import IN_MEMORY, Spill
from dedup.stores import Rows, Shuffle
from dedup.tables import Grouping, rounded

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]

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
    further = [pa.field(f.name, f.type) for f in documents.schema if f.name not in _ALREADY]
    fields = pa.schema([*schema.RUN_DOCUMENTS, *further])
    table = Rows(spill, fields)
    for (part,) in ordered.parts():
        part = part.take(pa.array(np.argsort(place[part["position"].to_numpy()])))  # noqa: PLW2901 - one at a time
        for rows in range(0, len(part), _ROWS_AT_ONCE):
            some = part.slice(rows, _ROWS_AT_ONCE)
            position = some["position"].to_numpy()
            made = _made(position, ids, groups, stories, {name: v[position] for name, v in similar.items()}, relation)
            columns = [made[name] if name in made else some[name] for name in fields.names]
            table.append(pa.Table.from_arrays(columns, schema=fields))
        spill.release()
    return table.table()


def _made(
    position: _Int,
    ids: pa.Array,
    groups: Grouping,
    stories: Grouping,
    similar: dict[str, _Float],
    relation: npt.NDArray[Any],
) -> dict[str, pa.Array]:
    """Return the columns of some rows that tell what was found."""
    group, story = groups.label[position], stories.label[position]
    canonical, representative = stories.chosen[story], groups.chosen[group]
    return {
        "story_id": pa.array(stories.id[story], pa.string()),
        "duplicate_id": pa.array(groups.id[group], pa.string()),
        "is_canonical": pa.array(canonical == position),
        "is_representative": pa.array(representative == position),
        "canonical_doc_id": ids.take(pa.array(canonical)),
        "representative_doc_id": ids.take(pa.array(representative)),
        "relation": pa.array(relation[position], pa.string()),
        "story_size": pa.array(stories.size[story].astype(np.int32)),
        "duplicate_size": pa.array(groups.size[group].astype(np.int32)),
        "canonical_reason": pa.array(stories.reason[story], pa.string()),
        **{name: rounded(values) for name, values in similar.items()},
    }


def _order(groups: Grouping, stories: Grouping) -> _Int:
    """Order the documents by story (largest first), group (largest first) and rank, int64[n]."""
    position = np.arange(len(groups.label))
    canonical, representative = stories.chosen[stories.label], groups.chosen[groups.label]
    story_rank, group_rank = _rank(stories.id), _rank(groups.id)
    return np.lexsort(
        (
            position,
            representative != position,
            group_rank[groups.label],
            -groups.size[groups.label],
            groups.label != groups.label[canonical],
            story_rank[stories.label],
            -stories.size[stories.label],
        )
    )


def _rank(ids: npt.NDArray[Any]) -> _Int:
    rank = np.empty(len(ids), np.int64)
    rank[np.argsort(ids)] = np.arange(len(ids))
    return rank
