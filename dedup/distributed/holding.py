"""Near copies of a distributed job → groups that hold together.

A component of near copies lies in one part with its pairs and labels. Sketches do not come there: each member is
measured against its centre in the member's own part, to which the centre's sketch comes once. Components of which few
members are left to be measured are finished where they lie, which ends long chains in one round.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import groups, schema
from dedup.distributed import components, sketched
from dedup.distributed.components import bucket_of
from dedup.distributed.flow import Dataset, Flow, Message, Tables, ask, counted, deal, part_of_place, rows
from dedup.params import DuplicateParams

_Int = npt.NDArray[np.int64]

AT_ONCE = 10_000  # documents whose sketches come to one part, which finishes their groups: some 4 kB each, 40 MB

LABELS = pa.schema([("position", pa.int64()), ("label", pa.int64()), ("height", pa.int64())])
_NODES = pa.schema([("node", pa.int64()), ("label", pa.int64()), ("size", pa.int64()), ("open", pa.bool_())])
_PAIRS = pa.schema([("left", pa.int64()), ("right", pa.int64())])
_NO_PAIRS = np.empty(0, np.int64), np.empty(0, np.int64)


def hold_together(
    flow: Flow,
    sketches: Dataset,
    units: Dataset,
    verified: Dataset,
    starts: _Int,
    params: DuplicateParams,
    whole: int,
    at_once: int,
) -> Dataset:
    """Group near copies as `groups.hold_together` does.

    Parameters
    ----------
    units : position, unit, shingles (their number); by part, sorted
    verified : schema.VERIFIED, at the part of `left`
    whole : edges, see `components.components`
    at_once : documents of a part whose sketches may come to it together

    Returns
    -------
    By part, in any order: `LABELS` of the documents that have a near copy: smallest position of the group, and shingles
    of its longest text.
    """
    label = components.components(flow, "near", verified, starts, pick=_near, whole=whole)
    dealt = flow.step("chains", partial(_to_buckets, starts=starts), labels=label, verified=verified, units=units)
    nodes, pairs, measured = dealt["nodes"], dealt["pairs"], dealt["measured"]
    turn = 0
    while True:
        look = partial(_look, starts=starts, at_once=at_once)
        seen = flow.step(f"centres-{turn}", look, nodes=nodes, pairs=pairs, measured=measured)
        if not flow.gather(seen["open"]):
            return seen["labels"]
        answers = sketched.fetch(flow, f"fetch-centres-{turn}", seen["asked"], sketches, starts)
        measure = partial(_measure, starts=starts, params=groups.loosened(params), at_once=at_once)
        done = flow.step(
            f"hold-{turn}", measure, answers=answers, against=seen["against"], nodes=seen["nodes"], pairs=seen["pairs"]
        )
        if not flow.gather(seen["many"]):
            return done["labels"]
        nodes, pairs, measured = done["nodes"], done["pairs"], done["measured"]
        turn += 1


def _near(verified: pa.Table) -> pa.Table:
    return groups.near_and_contained(verified)[0]


def _to_buckets(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Send nodes and pairs to the bucket of their component."""
    if "labels" not in tables:
        return
    size = tables["units"]["shingles"].to_numpy()
    node, label = (tables["labels"][name].to_numpy() for name in ("position", "label"))
    columns = [pa.array(node), pa.array(label), pa.array(size[node - starts[part]]), pa.array(np.ones(len(node), bool))]
    bucket = bucket_of(label, len(starts) - 1)
    yield from deal("nodes", pa.Table.from_arrays(columns, schema=_NODES), bucket)
    near = _near(rows(tables, "verified", schema.VERIFIED)).select(_PAIRS.names)
    yield from deal("pairs", near, bucket[np.searchsorted(node, near["left"].to_numpy())])


def _look(part: int, tables: Tables, *, starts: _Int, at_once: int) -> Iterator[Message]:
    """Take note of which members their centres hold, and ask for the sketches with which those left are measured."""
    node, found = _chains(tables)
    if "measured" in tables:
        measured = tables["measured"].sort_by("position")
        released = measured.filter(pc.invert(measured["held"]))["position"].to_numpy()
        found = groups.release(found, np.searchsorted(node, released))
    yield from _kept(part, tables["nodes"], node, found)
    yield from _labels(node, found.label, tables["nodes"]["size"].to_numpy(), starts)
    left = node[found.open]
    if not len(left):
        return
    yield counted("open", part, len(left))
    if len(left) <= at_once:
        yield from ask("asked", part, left, starts)
        return
    yield counted("many", part, len(left))
    centre, other = (node[side] for side in groups.centres(found))
    home = part_of_place(other, starts)
    against = pa.table({"left": centre, "right": other, "bucket": np.full(len(other), part)})
    yield from deal("against", against, home)
    yield from sketched.ask_pairs_for("asked", centre, other, home, starts)


def _measure(part: int, tables: Tables, *, starts: _Int, params: DuplicateParams, at_once: int) -> Iterator[Message]:
    """Measure the members that lie here against their centres; finish the groups of this bucket where few are left."""
    answers = tables["answers"].combine_chunks() if "answers" in tables else None
    if "against" in tables:
        against = tables["against"]
        verified = sketched.verify(answers, against["left"].to_numpy(), against["right"].to_numpy(), params)
        measured = pa.table({"position": verified["right"], "held": verified["accepted"]})
        yield from deal("measured", measured, against["bucket"].to_numpy())
    if "nodes" not in tables:
        return
    node, found = _chains(tables)
    if 0 < np.count_nonzero(found.open) <= at_once:

        def verify(left: _Int, right: _Int) -> pa.Table:
            return sketched.verify(answers, node[left], node[right], params)

        label = groups.hold_together(found, verify)
        found = groups.Chains(label, np.zeros(len(node), np.bool_), *_NO_PAIRS)
    yield from _kept(part, tables["nodes"], node, found)
    yield from _labels(node, found.label, tables["nodes"]["size"].to_numpy(), starts)


def _chains(tables: Tables) -> tuple[_Int, groups.Chains]:
    """Read the state of a bucket: its nodes, by rising position, and their chains by place among them."""
    nodes, pairs = tables["nodes"], rows(tables, "pairs", _PAIRS)
    node = nodes["node"].to_numpy()
    label = np.unique(nodes["label"].to_numpy(), return_inverse=True)[1]
    several = np.bincount(label)[label] > 2  # a pair needs no second look
    left, right = (np.searchsorted(node, pairs[side].to_numpy()) for side in ("left", "right"))
    return node, groups.Chains(label, nodes["open"].to_numpy(zero_copy_only=False) & several, left, right)


def _kept(part: int, nodes: pa.Table, node: _Int, found: groups.Chains) -> Iterator[Message]:
    """Keep the state of a bucket; the pairs of finished groups are not looked at any more."""
    for name, column in (("label", found.label), ("open", found.open)):
        place = nodes.schema.get_field_index(name)
        nodes = nodes.set_column(place, nodes.schema.field(name), pa.array(column))
    yield Message("nodes", part, nodes)
    left, right = found.left[found.open[found.left]], found.right[found.open[found.left]]
    yield Message("pairs", part, pa.Table.from_arrays([pa.array(node[left]), pa.array(node[right])], schema=_PAIRS))


def _labels(node: _Int, label: _Int, size: _Int, starts: _Int) -> Iterator[Message]:
    """Send each node the smallest position of its group, and the size of its longest text."""
    first = groups.smallest(label)
    height = np.zeros(len(node), np.int64)
    np.maximum.at(height, first, size)
    columns = [pa.array(node), pa.array(node[first]), pa.array(height[first])]
    yield from deal("labels", pa.Table.from_arrays(columns, schema=LABELS), part_of_place(node, starts))
