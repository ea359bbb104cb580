"""Stories of a distributed job: average linkage over the evidence, and the cut of its tree, as `stories.link` does it.

Evidence that one task can hold is linked by that task. More of it is merged in rounds of reciprocal best pairs
(`distributed.merging`) until one task can hold the pairs between the clusters that are left.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import stories as local
from dedup.distributed import cutting, merging
from dedup.distributed.flow import Dataset, Flow, Message, Tables, counted, total_of
from dedup.errors import DedupError
from dedup.params import StoryParams

_Int = npt.NDArray[np.int64]

# Pairs that one task may link: 24 bytes each as they come and 45 more, 1.4 GB; at the end of rounds 40 and 60, 2 GB.
LIMIT = 20_000_000
# The pairs of 40,000 articles fell to a tenth in 9 rounds and to a thousandth in 55; a chain of rising weights loses
# one pair a round.
ROUNDS = 100


def stories(
    flow: Flow,
    evidence: Dataset,
    nodes: Dataset,
    starts: _Int,
    params: StoryParams,
    *,
    in_one_part: int = LIMIT,
) -> Dataset:
    """Group representatives into the stories of `stories.link`.

    Parameters
    ----------
    evidence : schema.LINKS by the part of `left`, each pair once in either direction, left and right positions of
        nodes. Scores that rules give are no evidence here.
    nodes : by part, `position` of each representative, in any order
    starts : int64[parts + 1], first position of each part
    in_one_part : most pairs that one task links

    Returns
    -------
    Dataset by part: [position, story], a row for each of the nodes, in their order; story is the smallest position of
    a representative in it.

    Raises
    ------
    DedupError
        After `ROUNDS` rounds there are still more than `in_one_part` pairs, or the evidence is about others than the
        nodes.

    Notes
    -----
    The tree is that of one machine, ties included, if averages that differ do so within 53 bits: see `merging`.
    """
    counts = flow.step("linkage count", _count, evidence=evidence)["counts"]
    if total_of(flow, counts) <= in_one_part:
        collected = flow.step("linkage collect", _collect, evidence=evidence)
        link = partial(_link, params=params, starts=starts)
        found = [flow.step("linkage", link, evidence=collected["evidence"])["stories"]]
    else:
        found = _in_rounds(flow, evidence, starts, params, in_one_part)
    named = {f"stories {number}": dataset for number, dataset in enumerate(found)}
    return flow.step("linkage stories", _place, nodes=nodes, **named)["stories"]


def _in_rounds(flow: Flow, evidence: Dataset, starts: _Int, params: StoryParams, in_one_part: int) -> list[Dataset]:
    """Return [position, story] by part, of all but those alone, in several datasets."""
    parts, floor = flow.parts, params.merge_floor
    opened = flow.step("linkage open", partial(merging.opened, parts=parts), evidence=evidence)
    pairs, known, found = opened["pairs"], opened["history"], []
    for number in range(ROUNDS + 1):
        propose = partial(merging.propose, floor=floor, parts=parts)
        proposed = flow.step(f"linkage propose {number}", propose, pairs=pairs)
        left = total_of(flow, proposed["counts"])
        if left <= in_one_part:
            break
        if number == ROUNDS:
            raise DedupError(
                f"linkage: got {left:,} pairs of clusters after {ROUNDS} rounds, wanted at most {in_one_part:,}: "
                "what is left merges one by one; run it on one machine (--engine local)"
            )
        match = partial(merging.match, floor=floor, parts=parts, number=number)
        matched = flow.step(f"linkage match {number}", match, pairs=proposed["pairs"], proposals=proposed["proposals"])
        rename = partial(merging.rename, params=params, parts=parts, starts=starts)
        renamed = flow.step(
            f"linkage rename {number}",
            rename,
            pairs=proposed["pairs"],
            names=matched["names"],
            merged=matched["merged"],
            history=known,
        )
        pairs, known = renamed["pairs"], renamed["history"]
        found.append(renamed["stories"])
    if left:
        collected = flow.step("linkage collect", merging.collect, pairs=proposed["pairs"])
        finish = partial(merging.finish, floor=floor, parts=parts, number=ROUNDS)
        last = flow.step("linkage", finish, pairs=collected["pairs"])
        rejoined = flow.step("linkage rejoin", partial(merging.rejoin, parts=parts), history=known, names=last["names"])
        whole = {"history": rejoined["history"], "merged": last["merged"]}
    else:
        whole = {"history": known}
    cut = partial(cutting.cut_all, params=params, starts=starts)
    return [*found, flow.step("linkage cut", cut, **whole)["stories"]]


def _count(part: int, tables: Tables) -> Iterator[Message]:
    yield counted("counts", part, len(tables["evidence"]))


def _collect(part: int, tables: Tables) -> Iterator[Message]:
    yield Message("evidence", 0, tables["evidence"].select(["left", "right", "score"]))


def _link(part: int, tables: Tables, *, params: StoryParams, starts: _Int) -> Iterator[Message]:
    """Link all there is, with the nodes that have evidence numbered in the order of their positions."""
    evidence = tables["evidence"]
    position, left, right = cutting.numbered(evidence)
    links = pa.table([pa.array(left), pa.array(right), evidence["score"]], ["left", "right", "score"])
    label = local.link(len(position), links, params)
    yield from cutting.told(position, position[label], starts)


def _place(part: int, tables: Tables) -> Iterator[Message]:
    """Give each node its story: that of itself where no evidence put it with others."""
    if "nodes" not in tables:
        raise DedupError(f"linkage: got evidence for part {part}, wanted nodes there too; please report")
    position = tables["nodes"]["position"].to_numpy()
    order = np.argsort(position, kind="stable")
    story = position.copy()
    for name, table in tables.items():
        if name != "nodes":
            asked = table["position"].to_numpy()
            at = order[np.minimum(np.searchsorted(position, asked, sorter=order), len(order) - 1)]
            if (position[at] != asked).any():
                raise DedupError(f"linkage: part {part} got evidence for others than its nodes; please report")
            story[at] = table["story"].to_numpy()
    yield Message("stories", part, pa.table({"position": position, "story": story}))
