"""What the rules of a person say of two articles, and where these rules stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from dedup import constraints, overrides
from dedup.kernels import jaccard
from dedup.overrides import Rule
from dedup.replay import Replay

_Int = npt.NDArray[np.int64]


class Ruling:
    """The rules of a run, by the positions of the articles that they name."""

    def __init__(self, made: Replay) -> None:
        rules = made.params.overrides.rules if made.params.overrides else ()
        self._made = made
        self.meant = constraints.places({name for rule in rules for name in rule.articles}, made.corpus.documents)
        self.same = [(*pair, rule) for rule in rules if rule.kind == "same" for pair in self._pairs(rule)]
        self._different = [(*pair, rule) for rule in rules if rule.kind == "different" for pair in self._pairs(rule)]
        self._ignored = {at: rule for rule in rules if rule.kind == "ignore" for at in self._named(rule)}
        self._standing = {at: rule for rule in rules if rule.kind == "canonical" for at in self._named(rule)}
        self._group = made.copies.group
        self._node = made.found.rank[self._group]

    def _named(self, rule: Rule) -> list[int]:
        return [int(at) for name in rule.articles for at in self.meant[name]]

    def _pairs(self, rule: Rule) -> Iterator[tuple[int, int]]:
        sides = [side for name in rule.articles if (side := self.meant[name].tolist())]
        return iter(overrides.pairs(sides, rule.kind) if sides else ())

    def of(self, a: int, b: int, chain: dict[str, Any] | None) -> dict[str, list[str]]:
        """Name the rules that decide about two articles.

        Parameters
        ----------
        a, b : positions
        chain : of `linking.chain`, as Ruling is given to it

        Returns
        -------
        `together` (rules without which they might be apart), `apart` (which forbid one story), `no_copies` (which
        forbid one group), `around` (which keep other articles of their stories apart), `around_copies` (likewise of
        their groups).
        """
        every = np.arange(len(self._node))
        must = [(x, y, rule) for x, y, rule in self.same if rule.level == "duplicate"]
        one = self._labels(every, must)
        leaf = self._labels(self._node, self.same) if self._made.params.level == "story" else one
        together: list[Rule] = []
        if self._group[a] == self._group[b]:
            together = self._way(every, must, a, b)
        elif chain:
            together = self._way(self._node, self.same, a, b)
        ignored = [self._ignored[at] for at in (a, b) if at in self._ignored]
        far = [entry for entry in self._different if entry[2].level == "story"]
        story, group = self._made.story, self._group
        hops = [hop["rule"] for hop in chain["hops"] if hop["kind"] == "override"] if chain else []
        return {
            "together": list(dict.fromkeys([*map(str, together), *([] if together else hops)])),
            "apart": _texts(ignored or self._between(far, leaf, a, b)),
            "no_copies": _texts(ignored or self._between(self._different, one, a, b)),
            "around": _texts(self._between(far, story, a, b)),
            "around_copies": _texts(self._between(self._different, group, a, b)),
        }

    def standing(self, doc_id: str) -> str:
        """Name the rule by which an article stands for others."""
        return str(self._standing[self._made.position(doc_id)])

    @staticmethod
    def _labels(node: _Int, pairs: list[tuple[int, int, Rule]]) -> _Int:
        """Return for each document what its node is joined to by rules, itself where it is to none; int64[n]."""
        left, right = (node[np.array(side, np.int64)] for side in ([x for x, _, _ in pairs], [y for _, y, _ in pairs]))
        joined: _Int = jaccard.components(int(node.max()) + 1, left, right)[node]
        return joined

    @staticmethod
    def _way(node: _Int, pairs: list[tuple[int, int, Rule]], a: int, b: int) -> list[Rule]:
        """Return the rules that lead from the node of one document to that of another."""
        links: dict[Hashable, list[tuple[Hashable, Rule]]] = defaultdict(list)
        for x, y, rule in pairs:
            links[int(node[x])].append((int(node[y]), rule))
            links[int(node[y])].append((int(node[x]), rule))
        return overrides.path(links, int(node[a]), int(node[b]))

    @staticmethod
    def _between(pairs: list[tuple[int, int, Rule]], label: _Int, a: int, b: int) -> list[Rule]:
        """Return the rules that keep what is labelled as one apart from what is labelled as the other."""
        if label[a] == label[b]:
            return []
        direct = [rule for x, y, rule in pairs if {x, y} == {a, b}]
        return direct or [rule for x, y, rule in pairs if {label[x], label[y]} == {label[a], label[b]}]


def _texts(rules: list[Rule]) -> list[str]:
    return list(dict.fromkeys(map(str, rules)))
