"""What the passes found → the tables of a run, but for the pairs (`pairing.py`).

Everything comes in by position: documents sorted by content key, groups and stories as dense labels, representatives in
the order of their position.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]
_Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Grouping:
    """Documents in clusters of one level, and the article chosen for each."""

    label: _Int  # [n] dense, by document
    chosen: _Int  # [k] position of the chosen document
    reason: npt.NDArray[Any]  # [k] the rule that chose it
    id: npt.NDArray[Any]  # [k]

    @cached_property
    def size(self) -> _Int:
        """Documents of each cluster, int64[k]."""
        return np.bincount(self.label)


def cluster_ids(prefix: str, label: _Int, content_key: npt.NDArray[np.uint64], published: pa.Array) -> npt.NDArray[Any]:
    """Name each cluster by the content key of its founding article: the earliest, ties by content key.

    Parameters
    ----------
    label : int64[n], dense 0 … k - 1
    content_key : uint64[n], rising
    published : timestamp[n], null = unknown, which founds nothing that has a date

    Returns
    -------
    str[k], prefix and 16 hexadecimal digits, distinct.
    """
    founder = founders(label, stamps(published))
    return founder_ids(prefix, content_key[founder], founder)


def stamps(published: pa.Array) -> _Int:
    """Return dates as numbers that sort, int64[n]: microseconds, the unknown last."""
    stamp: _Int = published.cast(pa.int64()).fill_null(np.iinfo(np.int64).max).to_numpy(zero_copy_only=False)
    return stamp


def founders(label: _Int, stamp: _Int) -> _Int:
    """Return the row of the first of each label by its stamp, ties by row, int64[k]."""
    order = np.lexsort((np.arange(len(label)), stamp, label))
    founder: _Int = order[np.flatnonzero(np.diff(label[order], prepend=-1))]
    return founder


def founder_ids(prefix: str, content_key: npt.NDArray[np.uint64], founder: _Int) -> npt.NDArray[Any]:
    """Make ids of the content keys of founders, str[k]; of equal keys all must be here, with rising positions.

    Texts without a token are alike and yet not duplicates: the later of equal keys count on.
    """
    key = content_key.copy()
    by_key = np.lexsort((founder, key))
    repeat = np.zeros(len(key), np.uint64)
    starts = np.flatnonzero(np.diff(key[by_key], prepend=~key[by_key[:1]]))
    repeat[by_key] = np.arange(len(key)) - np.repeat(starts, np.diff(np.append(starts, len(key))))
    key += repeat * np.uint64(0x9E3779B97F4A7C15)
    return np.array([f"{prefix}{value:016x}" for value in key.tolist()], dtype=object)


def groups_table(
    documents: pa.Table, groups: Grouping, story_id: npt.NDArray[Any], similarity: _Float, overlap: _Float
) -> pa.Table:
    """Build the groups table, sorted by size.

    Parameters
    ----------
    story_id : str[n], of each document
    similarity : float64[n], Jaccard with the representative
    overlap : float64[n], the larger of Jaccard and containment with it; their mean is the cohesion
    """
    member = np.arange(len(documents)) != groups.chosen[groups.label]
    size = np.bincount(groups.label)
    table = _summary(documents, groups.label)
    return _sorted_by_size(
        pa.table(
            {
                "duplicate_id": pa.array(groups.id, pa.string()),
                "story_id": pa.array(story_id[groups.chosen], pa.string()),
                "duplicate_size": pa.array(size.astype(np.int32)),
                "n_sources": table["n_sources"],
                "representative_doc_id": documents["doc_id"].take(pa.array(groups.chosen)),
                "min_jaccard": rounded(_least(groups.label[member], similarity[member], len(size))),
                "cohesion": rounded(_mean(groups.label[member], overlap[member], len(size))),
                "first_published_at": table["first"],
                "last_published_at": table["last"],
            },
            schema=schema.RUN_GROUPS,
        ),
        "duplicate_size",
        "duplicate_id",
    )


def clusters_table(
    documents: pa.Table,
    groups: Grouping,
    stories: Grouping,
    similarity: _Float,
    cohesion: _Float,
    top_terms: list[str],
) -> pa.Table:
    """Build the clusters table, one row per story, sorted by size.

    Parameters
    ----------
    similarity : float64[n], of each document to the canonical one
    cohesion : float64[k], mean score over all pairs of groups in the story, absent pairs 0; NaN for one group
    top_terms : k strings
    """
    others = np.arange(len(documents)) != stories.chosen[stories.label]
    size = np.bincount(stories.label)
    table = _summary(documents, stories.label)
    return _sorted_by_size(
        pa.table(
            {
                "story_id": pa.array(stories.id, pa.string()),
                "story_size": pa.array(size.astype(np.int32)),
                "n_groups": pa.array(np.bincount(stories.label[groups.chosen]).astype(np.int32)),
                "n_sources": table["n_sources"],
                "canonical_doc_id": documents["doc_id"].take(pa.array(stories.chosen)),
                "title": documents["title"].take(pa.array(stories.chosen)),
                "first_published_at": table["first"],
                "last_published_at": table["last"],
                "min_similarity": rounded(_least(stories.label[others], similarity[others], len(size))),
                "mean_similarity": rounded(_mean(stories.label[others], similarity[others], len(size))),
                "cohesion": rounded(cohesion),
                "top_terms": pa.array(top_terms, pa.string()),
            },
            schema=schema.RUN_CLUSTERS,
        ),
        "story_size",
        "story_id",
    )


def rounded(values: _Float) -> pa.Array:
    """Round to six decimals; NaN becomes null, and no zero is negative."""
    return pa.array(np.round(values, 6) + 0.0, pa.float64(), from_pandas=True)


def _least(label: _Int, values: _Float, k: int) -> _Float:
    least = np.full(k, np.inf)
    np.minimum.at(least, label, values)
    return np.where(np.isinf(least), np.nan, least)


def _mean(label: _Int, values: _Float, k: int) -> _Float:
    count = np.bincount(label, minlength=k)
    total = np.bincount(label, values, minlength=k)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _summary(documents: pa.Table, label: _Int) -> pa.Table:
    """Count sources and find the first and last date of each cluster, in the order of the labels."""
    columns = {name: documents[name] for name in ("source", "published_at")}
    summary = (
        pa.table({"label": label, **columns})
        .group_by("label", use_threads=False)
        .aggregate([("source", "count_distinct"), ("published_at", "min"), ("published_at", "max")])
        .sort_by("label")
    )
    return pa.table(
        {
            "n_sources": summary["source_count_distinct"].cast(pa.int32()),
            "first": summary["published_at_min"],
            "last": summary["published_at_max"],
        }
    )


def _sorted_by_size(table: pa.Table, size: str, name: str) -> pa.Table:
    return table.sort_by([(size, "descending"), (name, "ascending")])
