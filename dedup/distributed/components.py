"""Connected components of a graph whose edges are spread over the parts.

Each part first keeps a forest of its own edges. Where all forests together are small, one part finishes them; else
large-star and small-star take turns (Kiveris et al. 2014, "Connected components in MapReduce and beyond"), with an
edge lying in the part of its larger node. The least neighbour of a node is then known to its own part from its smaller
neighbours alone, and what others need of it is asked for once a part: a node with any number of edges costs no part
more than one row for each part that sends, and no list of neighbours is ever made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup.distributed.flow import (
    Dataset,
    Flow,
    Message,
    Tables,
    ask,
    at,
    counted,
    deal,
    ends,
    part_of_hash,
    part_of_place,
    reply,
    total_of,
)
from dedup.errors import DedupError
from dedup.kernels import hashing, jaccard

_Int = npt.NDArray[np.int64]

WHOLE = 2_000_000  # edges that one part finishes in 430 MB, where no two have a common node
ROUNDS = 60  # graphs of copies take 3 to 6, a path of a million takes 17

LABELS = pa.schema([("position", pa.int64()), ("label", pa.int64())])
_EDGES = pa.schema([("left", pa.int64()), ("right", pa.int64())])


def components(
    flow: Flow,
    name: str,
    edges: Dataset,
    starts: _Int,
    *,
    pick: Callable[[pa.Table], pa.Table] | None = None,
    whole: int = WHOLE,
    rounds: int = ROUNDS,
) -> Dataset:
    """Label the nodes of a graph by the smallest position of their component.

    Parameters
    ----------
    name : begins the names of the steps
    edges : columns `left` and `right`, int64 positions, in any part
    starts : int64[parts + 1], the first position of each part
    pick : takes the edges out of a part's table; None: all of it
    whole : edges, up to which one part finishes
    rounds : of the two stars that are allowed

    Returns
    -------
    By part, sorted: `LABELS` of the nodes that have an edge.

    Raises
    ------
    DedupError
        There are more rounds than allowed.
    """
    forest = flow.step(f"{name}-forest", partial(_forest, pick=pick), edges=edges)
    total = total_of(flow, forest["counts"])
    if not total:
        return forest["labels"]
    if total <= whole:
        one = flow.step(f"{name}-collect", _collect, edges=forest["edges"])
        return flow.step(f"{name}-finish", partial(_finish, starts=starts), edges=one["edges"])["labels"]
    spread = flow.step(f"{name}-spread", partial(_spread, starts=starts), edges=forest["edges"])["edges"]
    for number in range(rounds):
        asked = flow.step(f"{name}-ask-{number}", partial(_ask, starts=starts), edges=spread)
        told = flow.step(f"{name}-tell-{number}", _tell, least=asked["least"], asked=asked["asked"])
        stars = flow.step(
            f"{name}-star-{number}", partial(_star, starts=starts), edges=asked["edges"], told=told["told"]
        )
        if _unchanged(flow, stars["sums"]):
            return told["labels"]
        spread = stars["edges"]
    raise DedupError(
        f"components of {name}: edges still change after {rounds} rounds, wanted at most {rounds}; please report this"
    )


def bucket_of(label: _Int, parts: int) -> _Int:
    """Return the part that works on each cluster, int64[m]: by a hash of its smallest position.

    Ranges would not do, since smallest positions crowd in the first parts.
    """
    key = label.astype(np.uint64)
    return part_of_hash(hashing.hash_pairs(key, key), parts)


def _stars(left: _Int, right: _Int) -> tuple[_Int, _Int]:
    """Return stars with the same components: each node but the smallest of its component, and that smallest one."""
    nodes, place = np.unique(np.concatenate((left, right)), return_inverse=True)
    label = jaccard.components(len(nodes), place[: len(left)], place[len(left) :])
    leaf = np.flatnonzero(label != np.arange(len(nodes)))
    return nodes[leaf], nodes[label[leaf]]


def _table(larger: _Int, smaller: _Int) -> pa.Table:
    return pa.Table.from_arrays([pa.array(larger), pa.array(smaller)], schema=_EDGES)


def _forest(part: int, tables: Tables, *, pick: Callable[[pa.Table], pa.Table] | None) -> Iterator[Message]:
    """Keep a forest of a part's own edges."""
    edges = tables["edges"] if pick is None else pick(tables["edges"])
    found = _table(*_stars(*ends(edges)))
    yield Message("edges", part, found)
    yield counted("counts", part, len(found))


def _collect(_: int, tables: Tables) -> Iterator[Message]:
    yield Message("edges", 0, tables["edges"])


def _finish(_: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Label all nodes that have an edge."""
    leaf, root = _stars(*ends(tables["edges"]))
    roots = np.unique(root)
    nodes, label = np.concatenate((leaf, roots)), np.concatenate((root, roots))
    order = np.argsort(nodes)
    yield from _labels(nodes[order], label[order], starts)


def _labels(nodes: _Int, label: _Int, starts: _Int) -> Iterator[Message]:
    table = pa.Table.from_arrays([pa.array(nodes), pa.array(label)], schema=LABELS)
    yield from deal("labels", table, part_of_place(nodes, starts))


def _spread(_: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Send each edge to the part of its larger node."""
    larger = tables["edges"]["left"].to_numpy()
    yield from deal("edges", tables["edges"], part_of_place(larger, starts))


def _ask(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Keep each edge once, find the least neighbour of each larger node, and ask for those of the smaller ones."""
    larger, smaller = ends(tables["edges"])
    order = np.lexsort((smaller, larger))
    larger, smaller = larger[order], smaller[order]
    once = (np.diff(larger, prepend=-1) != 0) | (np.diff(smaller, prepend=-1) != 0)
    larger, smaller = larger[once], smaller[once]
    first = np.flatnonzero(np.diff(larger, prepend=-1))
    yield Message("edges", part, _table(larger, smaller))
    yield Message("least", part, pa.table({"place": larger[first], "least": smaller[first]}))
    yield from ask("asked", part, smaller, starts)


def _tell(part: int, tables: Tables) -> Iterator[Message]:
    """Tell the least of each node asked for and its neighbours; and the labels, should these be the last."""
    asked = tables.get("asked")
    least = tables.get("least")
    nodes, small = (np.empty(0, np.int64),) * 2 if least is None else (least[n].to_numpy() for n in ("place", "least"))
    wanted = np.empty(0, np.int64) if asked is None else asked["place"].to_numpy()
    roots = np.setdiff1d(wanted, nodes)
    nodes, small = np.concatenate((nodes, roots)), np.concatenate((small, roots))
    order = np.argsort(nodes)
    nodes, small = nodes[order], small[order]
    yield from reply("told", asked, pa.table({"least": small}), nodes)
    yield Message("labels", part, pa.Table.from_arrays([pa.array(nodes), pa.array(small)], schema=LABELS))


def _star(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Large-star: point each edge to the least neighbour of its smaller node; small-star: keep a forest of those."""
    before = ends(tables["edges"])
    told = tables["told"]
    after = _stars(before[0], told["least"].to_numpy()[at(told, before[1])])
    yield from deal("edges", _table(*after), part_of_place(after[0], starts))
    sums = {}
    for name, (larger, smaller) in (("before", before), ("after", after)):
        found = hashing.hash_pairs(larger.astype(np.uint64), smaller.astype(np.uint64))
        sums[f"{name}_count"] = pa.array([len(found)], pa.uint64())
        sums[f"{name}_hash"] = pa.array([found.sum(dtype=np.uint64)], pa.uint64())
    yield Message("sums", part, pa.table(sums))


def _unchanged(flow: Flow, sums: Dataset) -> bool:
    """Tell whether a round left all edges as they were: one row a part, whose sums do not hang on the parts."""
    every = pa.concat_tables(flow.gather(sums).values())
    total = {name: every[name].to_numpy().sum(dtype=np.uint64) for name in every.column_names}
    return bool(total["before_count"] == total["after_count"] and total["before_hash"] == total["after_hash"])
