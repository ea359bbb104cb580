"""How pass 2 keeps to overrides, and how the tables of a run tell of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import schema
from dedup.constraints import DIFFERENT, IGNORED, SAME, Constraints, distinct, isin, joined, pair_keys
from dedup.errors import SettingsError
from dedup.kernels.cosine import pair_cosines
from dedup.overrides import Rule

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]

CHOSEN = "override"  # canonical_reason


def bind(
    bound: Constraints, home: _Int, links: pa.Table, opposed: pa.Table, together: float, apart: float
) -> tuple[pa.Table, dict[str, pa.Table], pa.Table]:
    """Part the links that rules forbid from the others, and add to the evidence for stories what rules say.

    Parameters
    ----------
    home : int64[n], node of each document's group
    links, opposed : schema.LINKS over nodes: what speaks for one story, and against
    together, apart : scores of a pair that must be in one story, and of one that must not

    Returns
    -------
    links : those that hold
    refused : the others, by reason
    evidence : links, opposed pairs and constraints, each pair once
    """
    near, far = (distinct(home[left], home[right]) for left, right in (bound.near(), bound.apart["story"]))
    left, right = links["left"].to_numpy(), links["right"].to_numpy()
    alone = np.zeros(int(home.max(initial=-1)) + 1, np.bool_)
    alone[home[bound.alone]] = True
    ignored = alone[left] | alone[right]
    forbidden = isin(left, right, far) & ~ignored
    refused = {reason: links.filter(pa.array(which)) for reason, which in ((IGNORED, ignored), (DIFFERENT, forbidden))}
    links = links.filter(pa.array(~(ignored | forbidden)))
    said = [_constraint(*near, together), _constraint(*far, apart)]
    others = pa.concat_tables([links, opposed])
    mute = isin(others["left"].to_numpy(), others["right"].to_numpy(), joined(near, far))
    return links, refused, pa.concat_tables([others.filter(pa.array(~mute)), *said])


def _constraint(left: _Int, right: _Int, score: float) -> pa.Table:
    columns = (left, right, np.zeros(len(left)), np.full(len(left), score))
    return pa.Table.from_arrays([pa.array(column) for column in columns], schema=schema.LINKS)


def choose(
    bound: Constraints, position: _Int, cluster: _Int, chosen: _Int, reason: npt.NDArray[Any]
) -> tuple[_Int, npt.NDArray[Any]]:
    """Let the articles that rules name stand for their clusters.

    Parameters
    ----------
    position : int64[m], documents that are labelled
    cluster : int64[m], their clusters, dense
    chosen, reason : [k], places among the labelled and rules, as of `canonical.choose`

    Raises
    ------
    SettingsError
        Two rules name articles of one cluster; the message names both.
    """
    chosen, reason = chosen.copy(), reason.copy()
    size = np.bincount(cluster)
    by: dict[int, Rule] = {}
    for named, rule in bound.stands:
        places = np.flatnonzero(np.isin(position, named))
        for label in np.unique(cluster[places]).tolist():
            able = places[cluster[places] == label]
            if label in by and not np.isin(chosen[label], able):
                raise SettingsError(
                    f"overrides: {by[label]} contradicts {rule}: both articles are in one story or group; "
                    "remove one of these rules, or part the articles with [[different]]"
                )
            by[label] = rule
            if not np.isin(chosen[label], able):
                chosen[label] = able[0]
            if size[label] > 1:
                reason[label] = CHOSEN
    return chosen, reason


def tell_copies(bound: Constraints, group: _Int, copies: pa.Table) -> pa.Table:
    """Give the pairs that are not in one group because rules keep these apart their reason.

    Parameters
    ----------
    group : int64[n], dense
    copies : evidence, as of `pairing.evidence`
    """
    parted = _parted(group, joined(bound.apart["duplicate"], bound.apart["story"]))
    return _because(copies, "better held by another group", group, parted)


def tell_links(bound: Constraints, story: _Int, links: pa.Table) -> pa.Table:
    """Do so for those that are not in one story; see `tell_copies`."""
    return _because(links, "tree cut", story, _parted(story, bound.apart["story"]))


def _parted(cluster: _Int, pairs: tuple[_Int, _Int]) -> tuple[_Int, _Int]:
    return distinct(*(cluster[side] for side in pairs))


def _because(pairs: pa.Table, why: str, cluster: _Int, parted: tuple[_Int, _Int]) -> pa.Table:
    left, right = (cluster[pairs[side].to_numpy()] for side in ("left", "right"))
    which = pc.and_(pc.equal(pairs["reason"], why), pa.array(isin(left, right, parted)))
    place = pairs.schema.get_field_index("reason")
    return pairs.set_column(place, "reason", pc.if_else(which, DIFFERENT, pairs["reason"]))


def story_rules(bound: Constraints, home: _Int, vectors: Any, every: pa.Table) -> dict[str, Any]:
    """Measure the pairs that rules put into one story, or keep out of one.

    Parameters
    ----------
    home : int64[n], node of each document's group
    vectors : of the nodes
    every : schema.LINKS, all that were measured

    Returns
    -------
    What `pairing.evidence` takes of each pair.
    """
    pairs = [bound.together["story"], bound.apart["story"]]
    left, right = (np.concatenate(side) for side in zip(*pairs, strict=True))
    same = np.repeat([True, False], [len(pair[0]) for pair in pairs])
    a, b = home[left], home[right]
    known = pair_keys(every["left"].to_numpy(), every["right"].to_numpy())
    order = np.argsort(known, kind="stable")
    wanted = pair_keys(a, b)
    score = np.full(len(left), np.nan)
    if len(known):
        place = order[np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)]
        score = np.where(known[place] == wanted, every["score"].to_numpy()[place], np.nan)
    return {
        "left": left,
        "right": right,
        "level": "story",
        "kind": "same_story",
        "cosine": np.where(a == b, np.nan, pair_cosines(vectors.indptr, vectors.indices, vectors.data, a, b)),
        "score": score,
        "accepted": same,
        "reason": np.where(same, SAME, DIFFERENT),
    }
