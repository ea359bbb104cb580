"""The cut of merge trees by bucket: each tree whole, from the record of its merges."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import stories
from dedup.distributed.flow import Message, Tables, deal, part_of_place
from dedup.params import StoryParams

_Int = npt.NDArray[np.int64]

# What is known of the merges inside a cluster: 40 bytes each. A cluster is known by its smallest position.
HISTORY = pa.schema(
    [
        ("cluster", pa.int64()),  # that it has become
        ("left", pa.int64()),  # the two that were merged, left < right
        ("right", pa.int64()),
        ("height", pa.float64()),
        ("turn", pa.int64()),  # rises along each path towards the root
    ]
)


def cut_all(part: int, tables: Tables, *, params: StoryParams, starts: _Int) -> Iterator[Message]:
    """Cut the trees of a bucket.

    Parameters
    ----------
    tables : HISTORY, under whatever names; all merges of a tree are in one bucket
    """
    yield from cut(pa.concat_tables(tables.values()), params, starts)


def cut(history: pa.Table, params: StoryParams, starts: _Int) -> Iterator[Message]:
    """Cut whole trees into stories; see `told`.

    Parameters
    ----------
    history : HISTORY. One tree is not parted, and takes 200 bytes a leaf. It has at most √(2 · pairs / merge_floor)
        leaves, 630,000 in a billion pairs: a merge of a and b leaves uses up a · b · merge_floor of the scores or more,
        each at most 1, and a tree of m leaves has m² / 2 of these products.
    """
    if not len(history):
        return
    history = history.sort_by([("turn", "ascending"), ("left", "ascending")])
    position, *ends = numbered(history)
    children = _children(len(position), *ends)
    heights = history["height"].to_numpy().copy()
    label = stories.first_of(stories.cut(len(position), children, heights, params)[0])
    yield from told(position, position[label], starts)


def _children(n: int, left: _Int, right: _Int) -> _Int:
    """Return what each merge joins, int64[k, 2]: merge i makes node n + i, as in `linkage.average_linkage`.

    Parameters
    ----------
    left, right : int64[k], smallest leaf of both, left < right, in the order of merging
    """
    children = np.column_stack((left, right))
    by = np.argsort(left, kind="stable")
    again = left[by[1:]] == left[by[:-1]]
    children[by[1:][again], 0] = n + by[:-1][again]
    made = np.full(n, -1)  # last merge of each leaf's cluster that leaves it the smallest: then it is to the right
    made[left[by]] = by  # of equal ones the last is kept
    inside = made[right] >= 0
    children[inside, 1] = n + made[right[inside]]
    return children


def numbered(pairs: pa.Table) -> tuple[_Int, _Int, _Int]:
    """Return the positions that pairs join, int64[n], and both ends as their ranks, int64[m], for kernels.

    Parameters
    ----------
    pairs : left, right
    """
    left, right = (pairs[side].to_numpy() for side in ("left", "right"))
    # Not by one `unique` with its inverse, which takes 80 bytes a pair.
    position = np.union1d(np.unique(left), np.unique(right))
    return position, np.searchsorted(position, left), np.searchsorted(position, right)


def told(position: _Int, story: _Int, starts: _Int) -> Iterator[Message]:
    """Tell the parts of some representatives, int64[m], their stories, where these are not called after themselves."""
    other = story != position
    table = pa.table({"position": position[other], "story": story[other]})
    yield from deal("stories", table, part_of_place(position[other], starts))
