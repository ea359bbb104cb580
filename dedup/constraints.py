"""Overrides over the articles of a run: what they mean by position, and how pass 1 keeps to them.

Pairs that must be together are joined before all others, and no join is made that would put two together which must
stay apart (Davidson, Ravi 2005, "Agglomerative hierarchical clustering with constraints"). So both hold for whole
groups and stories, whatever else links their articles.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import overrides
from dedup.kernels import constrained
from dedup.overrides import Article, Overrides, Rule

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]
Pairs = tuple[_Int, _Int]

LOG = logging.getLogger("dedup")
SAME, DIFFERENT, IGNORED = "override same", "override different", "override ignore"


@dataclass(frozen=True)
class Constraints:
    """Rules by position of the documents; pairs as left < right, distinct."""

    together: dict[str, Pairs]  # by level of the rule
    apart: dict[str, Pairs]
    alone: _Bool  # [n]
    stands: tuple[tuple[_Int, Rule], ...]  # positions of which one is canonical
    unknown: tuple[str, ...]  # names that no article has
    path: str  # of the rules
    sha256: str

    def named(self) -> _Int:
        """Return the documents that a rule puts together, apart or aside, int64."""
        every = (*self.together.values(), *self.apart.values())
        return np.unique(np.concatenate([*(side for pair in every for side in pair), np.flatnonzero(self.alone)]))

    def near(self) -> Pairs:
        """Return the pairs that must be in one story."""
        return joined(*self.together.values())

    def described(self) -> dict[str, Any]:
        """Return what a manifest says: the file, the pairs and articles of each kind of rule, and unknown names."""
        return {
            "path": os.path.abspath(self.path),  # noqa: PTH100 - links are not followed
            "sha256": self.sha256,
            "same": sum(len(left) for left, _ in self.together.values()),
            "different": sum(len(left) for left, _ in self.apart.values()),
            "canonical": sum(len(positions) > 0 for positions, _ in self.stands),
            "ignore": int(self.alone.sum()),
            "unknown": list(self.unknown),
        }


def resolve(rules: Overrides | None, documents: pa.Table) -> Constraints | None:
    """Find the articles that rules name; None where there are no rules.

    Parameters
    ----------
    documents : doc_id, url, text_sha256, by position

    Raises
    ------
    SettingsError
        Two rules contradict each other, now that it is known which names stand for one article.
    """
    if rules is None:
        return None
    meant = places({article for rule in rules.rules for article in rule.articles}, documents)
    overrides.check(rules.rules, lambda article: meant[article].tolist())
    unknown = tuple(sorted({article.value for article, found in meant.items() if not len(found)}))
    if unknown:
        few = ", ".join(map(repr, unknown[:3]))
        LOG.warning("%s: no article here has %d of the names in it, such as %s", rules.path, len(unknown), few)
    pairs: dict[tuple[str, str], list[tuple[int, int]]] = {}
    alone = np.zeros(len(documents), np.bool_)
    stands = []
    for rule in rules.rules:
        sides = [meant[article].tolist() for article in rule.articles]
        if rule.kind == "canonical":
            stands.append((meant[rule.articles[0]], rule))
        elif rule.kind == "ignore":
            alone[[one for side in sides for one in side]] = True
        else:
            known = [side for side in sides if side]
            if known:
                pairs.setdefault((rule.kind, rule.level), []).extend(overrides.pairs(known, rule.kind))
    levels = ("story", "duplicate")
    return Constraints(
        {level: _listed(pairs.get(("same", level), [])) for level in levels},
        {level: _listed(pairs.get(("different", level), [])) for level in levels},
        alone,
        tuple(stands),
        unknown,
        rules.path,
        rules.sha256,
    )


def places(articles: Iterable[Article], documents: pa.Table) -> dict[Article, _Int]:
    """Return the positions of the documents that each name stands for, int64, rising."""
    found = {article: np.empty(0, np.int64) for article in articles}
    for column in {article.column for article in found}:
        names = [article.value for article in found if article.column == column]
        place = pc.index_in(documents[column], pa.array(names, pa.string()), skip_nulls=True)
        place = place.fill_null(-1).to_numpy().astype(np.int64)
        for position in np.flatnonzero(place >= 0):
            article = Article(column, names[place[position]])
            found[article] = np.append(found[article], position)
    return found


def distinct(left: _Int, right: _Int) -> Pairs:
    """Return pairs as left < right, sorted, each once and none of one with itself; int64[p] each."""
    keys = pair_keys(left, right)
    keys.sort()  # NumPy's unique of rows takes ten times as much memory
    keys = keys[np.diff(keys, prepend=-1) > 0]
    left, right = keys >> 32, keys & 0xFFFFFFFF
    return left[left < right], right[left < right]


def joined(*pairs: Pairs) -> Pairs:
    """Return the pairs of several sets as `distinct` does."""
    left, right = zip(*pairs, strict=True)
    return distinct(np.concatenate(left), np.concatenate(right))


def pair_keys(left: _Int, right: _Int) -> _Int:
    """Return a number for each pair, the same in either direction: smaller position << 32 | larger."""
    return np.minimum(left, right) << 32 | np.maximum(left, right)


def _listed(pairs: list[tuple[int, int]]) -> Pairs:
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    return distinct(left, right)


def part_units(bound: Constraints, unit: _Int) -> _Int:
    """Make each named document a unit of its own; int64[n], the first position of each one's unit."""
    named = np.zeros(len(unit), np.bool_)
    named[bound.named()] = True
    first = np.arange(len(unit))
    free = np.flatnonzero(~named)
    # Of each unit the first that is not named, where there is one.
    start = np.full(len(unit), len(unit))
    np.minimum.at(start, unit[free], free)
    first[free] = start[unit[free]]
    return first


def add_candidates(bound: Constraints, whole: _Int, unit: _Int, left: _Int, right: _Int) -> Pairs:
    """Return the candidates with the pairs of rules, and those of what was one unit.

    Parameters
    ----------
    whole, unit : int64[n], units before and after `part_units`
    left, right : int64[p], candidates over the first positions of the latter
    """
    first = np.unique(unit)
    first = first[np.isin(whole[first], whole[bound.named()])]
    first = first[np.argsort(whole[first], kind="stable")]
    copies = [
        (a, b)
        for part in np.split(first, np.flatnonzero(np.diff(whole[first])) + 1)
        for a, b in combinations(part.tolist(), 2)
    ]
    of_rules = *bound.together.values(), *bound.apart.values()
    return joined((left, right), _listed(copies), *((unit[a], unit[b]) for a, b in of_rules))


def judge(bound: Constraints, verified: pa.Table) -> pa.Table:
    """Refuse the pairs that rules forbid; what they ask for is for `regroup` to join.

    Parameters
    ----------
    verified : schema.VERIFIED over the first positions of parted units
    """
    left, right = verified["left"].to_numpy(), verified["right"].to_numpy()
    apart = isin(left, right, joined(*bound.apart.values()))
    alone = bound.alone[left] | bound.alone[right]
    return _told(verified, {DIFFERENT: (apart, False), IGNORED: (alone, False)})


def regroup(bound: Constraints, verified: pa.Table, label: _Int, contained: _Bool) -> tuple[pa.Table, _Int, _Bool]:
    """Make the groups that hold named documents anew, so that all rules are kept.

    What must be in one group is joined first. Then the accepted pairs inside the groups found without rules are joined
    by falling similarity, containment last, and then what no pair holds to the first of its group: each time unless it
    would put two documents together that must stay apart, in the group or in the story around it.

    Parameters
    ----------
    verified : of `judge`
    label, contained : as of `groups.group`

    Returns
    -------
    verified, label, contained : likewise; pairs that must be in one group are accepted
    """
    left, right = verified["left"].to_numpy(), verified["right"].to_numpy()
    must, apart, far = bound.together["duplicate"], bound.apart["duplicate"], bound.apart["story"]
    named = bound.named()
    touched = np.zeros(len(label), np.bool_)
    touched[label[named]] = True
    touched = touched[label]
    inside = verified["accepted"].to_numpy(zero_copy_only=False) & touched[left] & (label[left] == label[right])
    within = pc.equal(verified["kind"], "contained").to_numpy()
    score = np.where(within, verified["containment"].to_numpy(), verified["jaccard"].to_numpy())
    pairs = np.flatnonzero(inside)
    pairs = pairs[np.lexsort((right[pairs], left[pairs], -score[pairs], within[pairs]))]
    rest = np.flatnonzero(touched)
    first = np.concatenate((must[0], left[pairs], label[rest]))
    second = np.concatenate((must[1], right[pairs], rest))
    made = constrained.constrained_components(len(label), first, second, *apart, *bound.near(), *far)
    kept = np.where(touched, made, label)
    container = np.zeros(len(label), np.bool_)
    container[kept[~contained]] = True
    contained = contained & (~touched | container[kept])
    held = isin(left, right, must)
    return _told(verified, {SAME: (held, True)}), kept, contained


def _told(verified: pa.Table, verdicts: dict[str, tuple[_Bool, bool]]) -> pa.Table:
    """Put reasons and verdicts in place of others."""
    accepted, reason = verified["accepted"], verified["reason"]
    for why, (which, verdict) in verdicts.items():
        accepted = pc.if_else(pa.array(which), verdict, accepted)
        reason = pc.if_else(pa.array(which), why, reason)
    place = verified.schema.get_field_index
    return verified.set_column(place("accepted"), "accepted", accepted).set_column(place("reason"), "reason", reason)


def isin(left: _Int, right: _Int, pairs: Pairs) -> _Bool:
    """Tell which pairs, in either direction, are among others, which go upwards."""
    found: _Bool = np.isin(pair_keys(left, right), pair_keys(*pairs))
    return found
