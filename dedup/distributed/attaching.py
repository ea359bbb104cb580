"""Groups of near copies of a distributed job → groups with the texts that they contain.

A pair lies with its containing text, where a digest shows itself; the best container of a group is chosen with the
group. Groups that are attached to each other are the components of these choices.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import groups, schema
from dedup.distributed import components, sketched
from dedup.distributed.flow import Dataset, Flow, Message, Tables, ask, at, deal, part_of_place, reply, rows
from dedup.params import DuplicateParams

_Int = npt.NDArray[np.int64]

GROUPED = pa.schema([("position", pa.int64()), ("unit", pa.int64()), ("group", pa.int64()), ("contained", pa.bool_())])
_ENDS = pa.schema(
    [
        *((name, pa.int64()) for name in ("left", "right", "size", "label", "height")),  # of the left one
        ("containment", pa.float64()),
        ("jaccard", pa.float64()),
    ]
)
_HOLDS = pa.schema(
    [
        *((name, pa.int64()) for name in ("inner", "outer", "a", "b")),  # texts and their groups
        ("up", pa.bool_()),  # whether a may be attached to b
        ("containment", pa.float64()),
        ("jaccard", pa.float64()),
    ]
)
_NAMES = pa.schema([("label", pa.int64()), ("attached", pa.bool_()), ("place", pa.int64())])


def attach(
    flow: Flow,
    sketches: Dataset,
    units: Dataset,
    verified: Dataset,
    near: Dataset,
    starts: _Int,
    params: DuplicateParams,
    whole: int,
) -> Dataset:
    """Attach each group to that of its best container, as `groups.group` does.

    Parameters
    ----------
    units : position, unit, shingles (their number); by part, sorted
    verified : schema.VERIFIED, at the part of `left`
    near : groups of near copies, of `holding.hold_together`
    whole : edges, see `components.components`

    Returns
    -------
    By part, sorted: `GROUPED`
    """
    facts = partial(_facts, starts=starts)
    here = flow.step("facts", facts, units=units, verified=verified, labels=near)
    holds = flow.step("containers", partial(_holds, starts=starts), facts=here["facts"], ends=here["ends"])["holds"]
    asked = flow.step("contained", partial(_ask_related, starts=starts), holds=holds)
    answers = sketched.fetch(flow, "fetch-contained", asked["asked"], sketches, starts, ["shingles", "title_words"])
    unrelated = partial(_unrelated, starts=starts, params=params)
    digests = flow.step("digests", unrelated, answers=answers, chain=asked["chain"])["digests"]
    links = flow.step("attach", partial(_links, starts=starts), holds=holds, digests=digests)["links"]
    names = components.components(flow, "attached", links, starts, pick=_best, whole=whole)
    named = flow.step("names", _names, names=names, links=links, members=here["labels"], pairs=asked["labels"])["names"]
    inside = flow.step("inside", partial(_inside, starts=starts), holds=holds, names=named)["inside"]
    told = flow.step(
        "first-documents", _first_documents, facts=here["facts"], names=named, inside=inside, asked=here["units"]
    )
    return flow.step("groups", _grouped, firsts=told["firsts"], others=told["others"], facts=here["facts"])["groups"]


def _facts(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Put together what is known of each document; send pairs to the right one, and ask for what will be known."""
    first = int(starts[part])
    position, unit, size = (tables["units"][name].to_numpy() for name in ("position", "unit", "shingles"))
    label, height = position.copy(), size.copy()
    if "labels" in tables:
        found = tables["labels"]
        place = found["position"].to_numpy() - first
        label[place], height[place] = found["label"].to_numpy(), found["height"].to_numpy()
    facts = {"position": position, "unit": unit, "label": label, "size": size, "height": height}
    yield Message("facts", part, pa.table(facts))
    yield from ask("units", part, unit[unit != position], starts)
    yield from ask("labels", part, label[unit == position], starts)
    pairs = groups.near_and_contained(rows(tables, "verified", schema.VERIFIED))[1]
    left, right = pairs["left"].to_numpy(), pairs["right"].to_numpy()
    place = left - first
    numbers = [pa.array(column) for column in (left, right, size[place], label[place], height[place])]
    ends = pa.Table.from_arrays([*numbers, pairs["containment"], pairs["jaccard"]], schema=_ENDS)
    yield from deal("ends", ends, part_of_place(right, starts))


def _holds(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Complete pairs by what is known of the right one, and send each to the part of the containing text."""
    if "ends" not in tables:
        return
    ends, facts = tables["ends"], tables["facts"]
    left, right = ends["left"].to_numpy(), ends["right"].to_numpy()
    place = right - starts[part]
    one, two = ({name: table[name].to_numpy()[rows] for name in ("size", "label", "height")}
                for table, rows in ((ends, slice(None)), (facts, place)))  # fmt: skip
    swap = groups.is_longer(one["size"], two["size"], left, right)

    def sides(x: _Int, y: _Int) -> tuple[_Int, _Int]:
        return np.where(swap, y, x), np.where(swap, x, y)

    inner, outer = sides(left, right)
    a, b = sides(one["label"], two["label"])
    up = groups.upwards(a, b, *sides(one["height"], two["height"]))
    columns = [pa.array(column) for column in (inner, outer, a, b, up)]
    holds = pa.Table.from_arrays([*columns, ends["containment"], ends["jaccard"]], schema=_HOLDS)
    yield from deal("holds", holds, part_of_place(outer, starts))


def _ask_related(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Ask whether neighbours among contained texts are related, in the part of the second; and for names of groups."""
    holds = tables["holds"]
    inner, outer, a, b = (holds[name].to_numpy() for name in ("inner", "outer", "a", "b"))
    yield from ask("labels", part, np.concatenate((a, b)), starts)
    x, y, holder = groups.neighbours(a, inner, outer)
    home = part_of_place(y, starts)
    yield from deal("chain", pa.table({"x": x, "y": y, "outer": holder}), home)
    yield from sketched.ask_pairs_for("asked", x, y, home, starts)


def _unrelated(_: int, tables: Tables, *, starts: _Int, params: DuplicateParams) -> Iterator[Message]:
    """Name the digests among the containing texts to their parts."""
    chain = tables["chain"]
    pairs = sketched.paired(tables["answers"], chain["x"].to_numpy(), chain["y"].to_numpy())
    apart = ~groups.related(pairs.sketches, pairs.left, pairs.right, params)
    digests = np.unique(chain["outer"].to_numpy()[apart])
    yield from deal("digests", pa.table({"outer": digests}), part_of_place(digests, starts))


def _links(_: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Send the best container known here of each group to the part that has the group's name."""
    if "holds" not in tables:
        return
    holds = tables["holds"].filter(tables["holds"]["up"])
    if "digests" in tables:
        holds = holds.filter(~np.isin(holds["outer"].to_numpy(), tables["digests"]["outer"].to_numpy()))
    links = _chosen(holds)
    yield from deal("links", links, part_of_place(links["a"].to_numpy(), starts))


def _chosen(holds: pa.Table) -> pa.Table:
    return holds.take(groups.best(*(holds[name].to_numpy() for name in ("a", "outer", "containment", "jaccard"))))


def _best(links: pa.Table) -> pa.Table:
    """Return the edges from groups to those that they are attached to."""
    return _chosen(links).select(["a", "b"]).rename_columns(["left", "right"])


def _names(_: int, tables: Tables) -> Iterator[Message]:
    """Tell those who ask what a group is called now, and whether it is attached to another."""
    asked = [tables[name] for name in ("members", "pairs") if name in tables]
    if not asked:
        return
    wanted = pa.concat_tables(asked)
    place = np.unique(wanted["place"].to_numpy())
    label = place.copy()
    if "names" in tables:
        names = tables["names"]
        position = names["position"].to_numpy()
        row = np.minimum(np.searchsorted(position, place), len(names) - 1)
        renamed = position[row] == place
        label[renamed] = names["label"].to_numpy()[row[renamed]]
    attached = np.isin(place, rows(tables, "links", _HOLDS)["a"].to_numpy())
    yield from reply("names", wanted, pa.table({"label": label, "attached": attached}), place)


def _inside(_: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Tell texts that another one of their group contains them."""
    if "holds" not in tables:
        return
    holds, names = tables["holds"], tables["names"]
    label = names["label"].to_numpy()
    a, b = (label[at(names, holds[name].to_numpy())] for name in ("a", "b"))
    inner = np.unique(holds["inner"].to_numpy()[a == b])
    yield from deal("inside", pa.table({"inner": inner}), part_of_place(inner, starts))


def _first_documents(part: int, tables: Tables) -> Iterator[Message]:
    """Tell the other documents of each unit the group of the first."""
    facts, names = tables["facts"], rows(tables, "names", _NAMES)
    first = facts.filter(np.equal(facts["unit"].to_numpy(), facts["position"].to_numpy()))
    position = first["position"].to_numpy()
    found = at(names, first["label"].to_numpy())
    contained = names["attached"].to_numpy(zero_copy_only=False)[found]
    if "inside" in tables:
        contained[np.searchsorted(position, tables["inside"]["inner"].to_numpy())] = True
    firsts = pa.table({"unit": position, "group": names["label"].to_numpy()[found], "contained": contained})
    yield Message("firsts", part, firsts)
    yield from reply("others", tables.get("asked"), firsts, position)


def _grouped(part: int, tables: Tables) -> Iterator[Message]:
    facts = tables["facts"]
    told = [tables[name].select(["unit", "group", "contained"]) for name in ("firsts", "others") if name in tables]
    known = pa.concat_tables(told).sort_by("unit")
    row = pa.array(np.searchsorted(known["unit"].to_numpy(), facts["unit"].to_numpy()))
    columns = [facts["position"], facts["unit"], *(known[name].take(row) for name in ("group", "contained"))]
    yield Message("groups", part, pa.Table.from_arrays(columns, schema=GROUPED))
