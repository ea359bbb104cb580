"""Who prints what others printed: outlets, their copies, and who was first."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup.report.wording import shortened
from dedup.run import Result
from dedup.summaries import has_stories

IN_MATRIX = 12  # outlets that have a row and a column of their own
IN_TABLE = 100
NAME = 80  # characters
OTHERS = "all others"

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]


def copying(result: Result) -> dict[str, Any]:
    """Count who reprints whom, by outlet.

    The origin of a group of copies is the outlet of its earliest article. Each article of another outlet in the group
    is a reprint of it. Where the two earliest articles of different outlets bear the same time, or one bears none,
    nobody knows who was first, and the group is counted as `unknown`.

    Returns
    -------
    `outlets` (rows by outlet: `source`, `articles`, `reprinted` by others, `reprints` of others, `first` in a story,
    `hours`: median delay of its reprints), `total` outlets, `matrix` (`names`, `counts`: reprints by row of column,
    `rest`: whether the last one is all others; None where there are none), `reprints`, `groups` of copies of several
    outlets, and `unknown` of them.
    """
    documents = result.documents
    encoded = documents["source"].combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    source = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    when = documents["published_at"].cast(pa.int64()).fill_null(np.iinfo(np.int64).max).to_numpy()
    rows, origin, hours, groups, unknown = _reprints(_codes(documents["duplicate_id"]), source, when)
    reprints = np.bincount(source[rows], minlength=len(names))
    reprinted = np.bincount(origin, minlength=len(names))
    first = _first_in_stories(result, source, when, len(names))
    articles = np.bincount(source[source >= 0], minlength=len(names))
    order = sorted(
        range(len(names)), key=lambda code: (-(reprints[code] + reprinted[code]), -articles[code], names[code])
    )
    return {
        "outlets": [
            {
                "source": shortened(names[code], NAME),
                "articles": int(articles[code]),
                "reprinted": int(reprinted[code]),
                "reprints": int(reprints[code]),
                "first": int(first[code]),
                "hours": _median(hours[source[rows] == code]),
            }
            for code in order[:IN_TABLE]
        ],
        "total": len(names),
        "matrix": _matrix(names, order, source[rows], origin),
        "reprints": len(rows),
        "groups": groups,
        "unknown": unknown,
    }


def _codes(column: pa.ChunkedArray) -> _Int:
    codes = column.combine_chunks().dictionary_encode().indices.fill_null(-1)
    array: _Int = codes.to_numpy(zero_copy_only=False).astype(np.int64)
    return array


def _reprints(group: _Int, source: _Int, when: _Int) -> tuple[_Int, _Int, npt.NDArray[np.float64], int, int]:
    """Find the articles that reprint another outlet's.

    Returns
    -------
    rows : int64[m] of these articles.
    origin : int64[m] outlets that they reprint.
    hours : float64[m] after the origin's article; NaN without a date.
    The numbers of groups of several outlets, and of those among them whose origin is unknown.
    """
    known = np.flatnonzero(source >= 0)
    order = known[np.lexsort((known, when[known], group[known]))]
    heads = np.flatnonzero(np.diff(group[order], prepend=-1))
    start = np.repeat(heads, np.diff(np.append(heads, len(order))))
    other = source[order] != source[order[start]]
    none = np.iinfo(np.int64).max
    tied = other & ((when[order] == when[order[start]]) | (when[order[start]] == none))
    several, unclear = np.unique(start[other]), np.unique(start[tied])
    sure = other & ~np.isin(start, unclear)
    rows, origins = order[sure], order[start[sure]]
    late = np.where(when[rows] == none, np.nan, (when[rows] - when[origins]) / 3.6e9)
    return rows, source[origins], late, len(several), len(unclear)


def _first_in_stories(result: Result, source: _Int, when: _Int, n: int) -> _Int:
    """Count by outlet the stories of several outlets that it was the only one to tell first, int64[n]."""
    if not has_stories(result):
        return np.zeros(n, np.int64)
    story = _codes(result.documents["story_id"])
    rows, origin, *_ = _reprints(story, source, when)
    _, one = np.unique(story[rows], return_index=True)
    return np.bincount(origin[one], minlength=n)


def _median(hours: npt.NDArray[np.float64]) -> float | None:
    known = hours[~np.isnan(hours)]
    return round(float(np.median(known)), 1) if len(known) else None


def _matrix(names: list[str], order: list[int], copier: _Int, origin: _Int) -> dict[str, Any] | None:
    """Return the reprints between the outlets that take part most; those of the rest are one outlet more."""
    if not len(copier):
        return None
    taking_part = np.union1d(copier, origin)
    shown = order[: min(IN_MATRIX, len(taking_part))]  # those that take part come first in the order
    place = np.full(len(names), len(shown))
    place[shown] = np.arange(len(shown))
    rest = len(taking_part) > len(shown)
    size = len(shown) + rest
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, (place[copier], place[origin]), 1)
    return {
        "names": [shortened(names[code], NAME) for code in shown] + [OTHERS] * rest,
        "counts": counts.tolist(),
        "rest": rest,
    }
