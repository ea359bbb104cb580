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
    history : HISTORY. One tree is not parted, and takes 200 bytes a leaf.
    """
    if not len(history):
        return
    history = history.sort_by([("turn", "ascending"), ("left", "ascending")])
    ends = np.concatenate([history[side].to_numpy() for side in ("left", "right")])
    position, leaf = np.unique(ends, return_inverse=True)
    children = _children(len(position), leaf[: len(history)], leaf[len(history) :])
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


def told(position: _Int, story: _Int, starts: _Int) -> Iterator[Message]:
    """Tell the parts of some representatives, int64[m], their stories, where these are not called after themselves."""
    other = story != position
    table = pa.table({"position": position[other], "story": story[other]})
    yield from deal("stories", table, part_of_place(position[other], starts))
