"""The chain of links between two articles, and where the tree of stories was cut between or above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import resemblance, stories
from dedup.constraints import SAME
from dedup.kernels import jaccard
from dedup.overrides import Rule
from dedup.replay import Replay

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]
_Float = npt.NDArray[np.float64]
Rules = Sequence[tuple[int, int, Rule]]

_BY_RULE = -1.0  # under all that is measured: a way over rules is the last resort


def widest_path(left: _Int, right: _Int, weight: _Float, a: int, b: int) -> list[int] | None:
    """Return the places from `a` to `b` over links of which the weakest is as strong as can be; of these the fewest.

    Parameters
    ----------
    left, right : int64[p], the links; weight : float64[p]

    Returns
    -------
    Places, first `a`, last `b`; None where nothing connects them.
    """
    if a == b:
        return [a]
    names, codes = np.unique(np.concatenate((left, right, [a, b])), return_inverse=True)
    order = np.argsort(-weight, kind="stable")
    left, right, weight = codes[: len(left)][order], codes[len(left) : 2 * len(left)][order], weight[order]
    start, goal = int(codes[-2]), int(codes[-1])

    def connected(count: int) -> bool:
        label = jaccard.components(len(names), left[:count], right[:count])
        return bool(label[start] == label[goal])

    if not connected(len(left)):
        return None
    low, high = 0, len(left)  # connected by `high` of the strongest links, not by `low`
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if connected(middle) else (middle, high)
    strong = int(np.searchsorted(-weight, -weight[high - 1], side="right"))
    return [int(names[at]) for at in _fewest(len(names), left[:strong], right[:strong], start, goal)]


def _fewest(n: int, left: _Int, right: _Int, start: int, goal: int) -> list[int]:
    """Return the way with the fewest links, breadth first; of equal ones by the smallest places."""
    ends, others = np.concatenate((left, right)), np.concatenate((right, left))
    by = np.lexsort((others, ends))
    others, begin = others[by], np.searchsorted(ends[by], np.arange(n + 1))
    before = np.full(n, -1)
    before[start], front = start, [start]
    while before[goal] < 0:
        following = []
        for at in front:
            for other in others[begin[at] : begin[at + 1]].tolist():
                if before[other] < 0:
                    before[other] = at
                    following.append(other)
        front = following
    way = [goal]
    while way[-1] != start:
        way.append(int(before[way[-1]]))
    return way[::-1]


def chain(made: Replay, a: int, b: int, said: Rules = ()) -> dict[str, Any] | None:
    """Return the links that lead from one document to another of its story, and which is the weakest.

    Inside a group they are accepted pairs of pass 1, between groups accepted links of pass 2; what a rule joins
    counts only where nothing else does.

    Parameters
    ----------
    a, b : positions of two documents of one story
    said : pairs of documents that a rule puts together, with the rule

    Returns
    -------
    `hops`, each with `a`, `b`, `level`, `kind` and its scores, and `weakest`, an index of `hops`: the link with the
    lowest score between groups, else the copy with the least in common, a rule only where there is nothing else. None
    where the two are apart.
    """
    copies, found = made.copies, made.found
    if made.story[a] != made.story[b]:
        return None
    if copies.group[a] == copies.group[b]:
        hops = _copies(made, a, b, said)
    else:
        i, j = (int(found.rank[copies.group[at]]) for at in (a, b))
        hops = [
            *_copies(made, a, int(found.positions[i]), said),
            *_links(made, i, j, said),
            *_copies(made, int(found.positions[j]), b, said),
        ]
    if not hops:
        return None
    stories_first = [
        (hop["kind"] == "override", hop["level"] != "story", hop.get("score", hop["strength"]), at)
        for at, hop in enumerate(hops)
    ]
    return {"hops": hops, "weakest": min(stories_first)[-1]}


def _copies(made: Replay, a: int, b: int, said: Rules) -> list[dict[str, Any]]:
    """Return the hops between two documents of one group."""
    unit, group, verified = made.copies.unit, made.copies.group, made.copies.verified
    if unit[a] == unit[b]:
        return [_equal(made, a, b)] if a != b else []
    left, right = verified["left"].to_numpy(), verified["right"].to_numpy()
    held = verified["accepted"].to_numpy(zero_copy_only=False) & (group[left] == group[a]) & (group[right] == group[a])
    inside = verified.filter(held)
    left, right = inside["left"].to_numpy(), inside["right"].to_numpy()
    weight = inside["jaccard"].to_numpy()  # a brief that both contain is no good link between them
    ruled = _only_ruled(made, inside)
    way = widest_path(left, right, np.where(ruled, _BY_RULE, weight), int(unit[a]), int(unit[b])) or []
    hops = [_equal(made, a, int(unit[a]))] if a != unit[a] else []
    for x, y in pairwise(way):
        row = np.flatnonzero((left == min(x, y)) & (right == max(x, y)))[0]
        if ruled[row]:
            hops.append(_ruled(made, x, y, "duplicate", said))
            continue
        pair = inside.slice(row, 1).to_pylist()[0]
        scores = {name: pair[name] for name in ("kind", "jaccard", "containment")}
        hops.append({**_ends(made, x, y), "level": "duplicate", **scores, "strength": float(weight[row])})
    if b != unit[b]:
        hops.append(_equal(made, int(unit[b]), b))
    return hops


def _only_ruled(made: Replay, pairs: pa.Table) -> _Bool:
    """Tell which accepted pairs are copies because a rule says so, and are none as measured."""
    ruled: _Bool = pc.equal(pairs["reason"], SAME).to_numpy()
    left, right = (pairs[side].to_numpy()[ruled] for side in ("left", "right"))
    measured = resemblance.verify(made.corpus.sketches, left, right, made.params.duplicates)
    ruled = ruled.copy()
    ruled[ruled] = ~measured["accepted"].to_numpy(zero_copy_only=False)
    return ruled


def _ruled(made: Replay, x: int, y: int, level: str, said: Rules) -> dict[str, Any]:
    rule = next(str(rule) for a, b, rule in said if {a, b} == {x, y})
    return {**_ends(made, x, y), "level": level, "kind": "override", "rule": rule, "strength": 1.0}


def _equal(made: Replay, x: int, y: int) -> dict[str, Any]:
    scores = {"kind": "exact", "jaccard": 1.0, "containment": 1.0, "strength": 1.0}
    return {**_ends(made, x, y), "level": "duplicate", **scores}


def _ends(made: Replay, x: int, y: int) -> dict[str, Any]:
    return {"a": made.doc_id(x), "b": made.doc_id(y)}


def _links(made: Replay, i: int, j: int, said: Rules) -> list[dict[str, Any]]:
    """Return the hops between two representatives of one story."""
    links, label, positions = made.found.links, made.found.label, made.found.positions
    left, right = links["left"].to_numpy(), links["right"].to_numpy()
    inside = links.filter((label[left] == label[i]) & (label[right] == label[i]))
    left, right, score = (inside[name].to_numpy() for name in ("left", "right", "score"))
    node = made.found.rank[made.copies.group]
    here = [(x, y) for x, y, _ in said if node[x] != node[y] and label[node[x]] == label[i]]
    ends = np.array(here, np.int64).reshape(-1, 2)
    every = [np.concatenate((side, node[ends[:, at]])) for at, side in enumerate((left, right))]
    weight = np.concatenate((score, np.full(len(ends), _BY_RULE)))
    way = widest_path(every[0], every[1], weight, i, j) or []
    hops: list[dict[str, Any]] = []
    for x, y in pairwise(way):
        rows = np.flatnonzero((left == max(x, y)) & (right == min(x, y)))
        if len(rows) == 0:
            one, other = next((p, q) for pair in here for p, q in (pair, pair[::-1]) if (node[p], node[q]) == (x, y))
            hops += _copies(made, int(positions[x]), one, said)
            hops.append(_ruled(made, one, other, "story", said))
            hops += _copies(made, other, int(positions[y]), said)
            continue
        scores = {"kind": "same_story", "cosine": inside["cosine"][rows[0]].as_py(), "score": float(score[rows[0]])}
        named = _ends(made, int(positions[x]), int(positions[y]))
        hops.append({**named, "level": "story", **scores, "strength": float(score[rows[0]])})
    return hops


class Tree:
    """The tree of stories of a run, which takes a second at 40,000 texts, and its cut."""

    def __init__(self, made: Replay) -> None:
        self._params = made.params.stories
        self._n = len(made.found.label)
        self._leaf, self.children, self._heights = stories.tree(self._n, made.found.evidence, self._params)
        self._label, self._height, self._value, self._best = stories.cut(
            self._n, self.children, self._heights, self._params
        )
        nodes = self._n + len(self._heights)
        self._parent = np.full(nodes, -1)
        self._size = np.zeros(nodes, np.int64)
        self._size[: self._n] = np.bincount(self._leaf, minlength=self._n)
        for k, (x, y) in enumerate(self.children.tolist()):
            self._parent[[x, y]] = self._n + k
            self._size[self._n + k] = self._size[x] + self._size[y]

    def together(self, i: int, j: int, granularity: float) -> bool:
        """Tell whether a cut at another granularity leaves two texts in one story."""
        label = stories.cut(self._n, self.children, self._heights, replace(self._params, granularity=granularity))[0]
        return bool(label[self._leaf[i]] == label[self._leaf[j]])

    def between(self, i: int, j: int) -> dict[str, Any] | None:
        """Say where two texts meet in the tree, and how the cut fell.

        Returns
        -------
        Plain data, as docs/explain.md lists it under `tree`; None where rules make one leaf of the two.
        """
        i, j = int(self._leaf[i]), int(self._leaf[j])
        if i == j:
            return None
        above = set(self._ancestors(i))
        meet = next((node for node in self._ancestors(j) if node in above), -1)
        kept_i, kept_j = int(self._label[i]), int(self._label[j])
        told: dict[str, Any] = {
            "together": kept_i == kept_j,
            "least_height": self._params.merge_floor,
            "granularity": self._params.granularity,
            "story_a": self._node(kept_i),
            "story_b": self._node(kept_j),
            "meet": None if meet < 0 else self._node(meet),
        }
        if kept_i == kept_j:
            parent = int(self._parent[kept_i])
            told["above"] = None if parent < 0 else self._node(parent)
        return told

    def _ancestors(self, node: int) -> list[int]:
        found = [node]
        while self._parent[found[-1]] >= 0:
            found.append(int(self._parent[found[-1]]))
        return found

    def _node(self, node: int) -> dict[str, Any]:
        """Describe a node: its texts, the mean link at which its parts merged, its value and that of its parts."""
        single = node < self._n
        inner = 0.0 if single else float(self._best[self.children[node - self._n]].sum())
        return {
            "texts": int(self._size[node]),
            "mean_link": None if single else float(self._heights[node - self._n]),
            "value": float(self._value[node]),
            "value_of_parts": inner,
        }
