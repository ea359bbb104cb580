"""Pairs of slots after feedback from the neighbours of both, corrected for the crowd that this draws, and for time.

The vectors of both ends and of their neighbours come to the slot of the later one, for a few earlier slots at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import languages, schema, sifting, stories, timing
from dedup.distributed.flow import Dataset, Flow, Message, Tables, answer, ask, at, deal, part_of_place, reply
from dedup.distributed.meetable import Given
from dedup.distributed.meeting import AT_ONCE, Met, heard, rounds
from dedup.kernels import feedback, nearest

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]

_AROUND = ["position", "day", "unit", "language", "usual"]


def mix(flow: Flow, met: Met, given: Given, starts: _Int) -> tuple[Dataset, Dataset]:
    """Score the pairs that outweigh the crowds around both.

    Parameters
    ----------
    starts : of the corpus

    Returns
    -------
    links : schema.LINKS with [left_unit, right_unit, apart], by the part of the left one, sorted by (left, right)
    unlike : schema.LINKS with [reason], likewise
    """
    places = given.slots.starts
    pairs = {f"pairs {number}": dataset for number, dataset in enumerate(met.pairs)}
    told = {} if met.told is None else {"told": met.told}
    ends = flow.step("ends", partial(_ends, given=given), rows=met.rows, state=met.state, **told, **pairs)
    inputs = {"asked": ends["asked"], "data": ends["around"]}
    around = flow.step("ends answered", partial(answer, starts=places), **inputs)["answer"]
    kept = flow.step("outweighing", partial(_outweighing, given=given), pairs=ends["pairs"], around=around)
    similar: dict[str, Dataset] = {}
    scores: dict[str, Dataset] = {}
    for number in range(max(rounds(given.slots), 1)):
        inputs = {"asked": kept[f"wanted {number}"], "data": met.rows}
        send = partial(answer, starts=places, columns=["indices", "data"])
        inputs = {"vectors": flow.step(f"neighbours {number}", send, **inputs)["answer"]}
        inputs |= {"pairs": kept["pairs"], "ends": kept["ends"]}
        found = flow.step(f"feedback {number}", partial(_mixed, number=number, given=given), **inputs)
        similar[f"similar {number}"], scores[f"scores {number}"] = found["similar"], found["scores"]
    inputs = {"asked": kept["asked"], "around": ends["around"]}
    crowds = flow.step("crowds", partial(_crowds, given=given), **inputs, **scores)["answer"]
    scored = partial(_scored, given=given, starts=starts)
    found = flow.step("scores", scored, crowds=crowds, ends=kept["ends"], **similar)
    return found["links"], found["unlike"]


def _numbered(tables: Tables, name: str) -> pa.Table | None:
    """Return what inputs of one kind hold, or None for nothing."""
    found = [tables[key] for key in sorted(tables) if key.startswith(f"{name} ")]
    return pa.concat_tables(found) if found else None


def _ends(part: int, tables: Tables, *, given: Given) -> Iterator[Message]:
    """Say what lies around each row of a slot, and ask for that of the other ends of its pairs."""
    rows = tables["rows"]
    state = heard(rows, tables, given.params)
    taken = sifting.tolls(state, rows["share"].to_numpy())
    around = rows.select(_AROUND)
    terms = np.diff(schema.ragged(rows["indices"])[1])
    for name, values in (("toll", taken), ("share", stories.shares(terms, given.params))):
        around = around.append_column(name, pa.array(values))
    for name, matrix in (("neighbours", state.neighbours), ("weights", state.weights * given.params.feedback)):
        around = around.append_column(name, schema.matrix_array(matrix))
    yield Message("around", part, around)
    pairs = _numbered(tables, "pairs")
    if pairs is None:
        return
    own = taken[pairs["later"].to_numpy() - given.slots.starts[part]]
    pairs = pairs.filter(pa.array(sifting.outweigh(pairs["plain"].to_numpy(), own, np.zeros(len(own)))))
    yield Message("pairs", part, pairs)
    ends = np.concatenate([pairs[name].to_numpy() for name in ("later", "earlier")])
    yield from ask("asked", part, ends, given.slots.starts)


def _outweighing(part: int, tables: Tables, *, given: Given) -> Iterator[Message]:
    """Keep the pairs that outweigh the tolls of both ends, and ask for vectors and crowds."""
    if "pairs" not in tables:
        return
    slots, pairs, around = given.slots, tables["pairs"], tables["around"]
    toll = around["toll"].to_numpy()
    left, right = (toll[at(around, pairs[name].to_numpy())] for name in ("later", "earlier"))
    pairs = pairs.filter(pa.array(sifting.outweigh(pairs["plain"].to_numpy(), left, right)))
    later, earlier = (pairs[name].to_numpy() for name in ("later", "earlier"))
    turn = np.zeros(len(slots.starts) - 1, np.int64)
    for number, slot in enumerate(slots.meets[part]):
        turn[slot] = number // AT_ONCE
    turns = turn[part_of_place(earlier, slots.starts)]
    yield Message("pairs", part, pairs.append_column("turn", pa.array(turns)))
    every = np.unique(np.concatenate((later, earlier)))
    yield Message("ends", part, schema.take(around, pa.array(at(around, every))))
    yield from ask("asked", part, every, slots.starts)
    neighbours = schema.matrix(around["neighbours"])
    for number in np.unique(turns).tolist():
        here = turns == number
        ends = np.unique(np.concatenate((later[here], earlier[here])))
        near = neighbours[at(around, ends)].ravel()
        yield from ask(f"wanted {number}", part, np.concatenate((ends, near[near >= 0])), slots.starts)


def _mixed(part: int, tables: Tables, *, number: int, given: Given) -> Iterator[Message]:
    """Mix the ends of some pairs with their neighbours, and tell the slots of both how similar they are."""
    if "vectors" not in tables:
        return
    ends, vectors = tables["ends"], tables["vectors"]
    pairs = tables["pairs"].filter(pa.array(tables["pairs"]["turn"].to_numpy() == number)).drop_columns("turn")
    position = ends["position"].to_numpy()
    one, other = (pairs[name].to_numpy() for name in ("later", "earlier"))
    swapped = position[at(ends, one)] < position[at(ends, other)]
    left, right = np.where(swapped, other, one), np.where(swapped, one, other)
    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    indices, indptr = schema.ragged(vectors["indices"])
    columns = np.unique(indices)
    used = np.searchsorted(columns, indices).astype(np.uint32)
    rows = indptr, used, schema.ragged(vectors["data"])[0], len(columns)
    place = vectors["place"].to_numpy()
    near = schema.matrix(ends["neighbours"])
    neighbours, weights = np.full((len(place), near.shape[1]), -1), np.zeros((len(place), near.shape[1]))
    known = np.isin(ends["place"].to_numpy(), place)  # the ends of these pairs, and some of other turns
    mine = at(vectors, ends["place"].to_numpy()[known])
    sent = np.isin(near[known], place)
    neighbours[mine] = np.where(sent, at(vectors, near[known]), -1)
    weights[mine] = schema.matrix(ends["weights"])[known]
    norms = feedback.feedback_norms(*rows, neighbours, weights)
    similarity = feedback.feedback_cosines(*rows, neighbours, weights, norms, at(vectors, left), at(vectors, right))
    plain = pairs["plain"].to_numpy()[order]
    yield Message("similar", part, pa.table({"left": left, "right": right, "plain": plain, "similarity": similarity}))
    yield from _best(at(vectors, left), at(vectors, right), similarity, place, given)


def _best(left: _Int, right: _Int, similarity: _Float, place: _Int, given: Given) -> Iterator[Message]:
    """Send to each row the best similarities of its pairs."""
    row = np.concatenate((left, right))
    value = np.concatenate((similarity, similarity))
    strong = nearest.strongest(row.astype(np.uint32), value, given.params.crowd_neighbours)
    own = place[row[strong]]
    found = pa.table({"row": own, "similarity": value[strong]})
    yield from deal("scores", found, part_of_place(own, given.slots.starts))


def _crowds(part: int, tables: Tables, *, given: Given) -> Iterator[Message]:
    """Tell how crowded it is around each row that is asked for."""
    scores, n, start = _numbered(tables, "scores"), len(tables["around"]), given.slots.starts[part]
    if scores is None or "asked" not in tables:
        return
    row = scores["row"].to_numpy() - start
    crowd = stories.crowds(n + 1, row, np.full(len(row), n), scores["similarity"].to_numpy(), given.params)
    yield from reply("answer", tables["asked"], pa.table({"crowd": crowd[:n]}), start + np.arange(n))


def _scored(part: int, tables: Tables, *, given: Given, starts: _Int) -> Iterator[Message]:
    """Score the pairs of a slot, and send what is left to the part of the larger position."""
    similar = _numbered(tables, "similar")
    if similar is None:
        return
    ends, params = tables["ends"], given.params
    left, right = (at(ends, similar[side].to_numpy()) for side in ("left", "right"))
    crowd = tables["crowds"]["crowd"].to_numpy()  # of the same places
    day, usual, share = (ends[name].to_numpy() for name in ("day", "usual", "share"))
    score = stories.stand_out(similar["similarity"].to_numpy(), crowd, share, left, right, params)
    apart = np.abs(day[left] - day[right])
    score *= timing.relative(apart, usual[left], usual[right], params)
    linked = score >= params.link_floor
    left, right, score, apart = left[linked], right[linked], np.minimum(score[linked], 1.0), apart[linked]
    position, unit = ends["position"].to_numpy(), ends["unit"].to_numpy()
    columns = position[left], position[right], similar["plain"].to_numpy()[linked], score
    links = pa.Table.from_arrays([pa.array(column) for column in columns], schema=schema.LINKS)
    stray = languages.differ(languages.numbered(ends["language"]), left, right)
    unlike = links.filter(pa.array(stray))
    unlike = unlike.append_column("reason", pa.array(["other language"] * len(unlike), pa.string()))
    yield from deal("unlike", unlike, part_of_place(unlike["left"].to_numpy(), starts))
    for name, values in (("left_unit", unit[left]), ("right_unit", unit[right]), ("apart", apart)):
        links = links.append_column(name, pa.array(values))
    links = links.filter(pa.array(~stray))
    yield from deal("links", links, part_of_place(links["left"].to_numpy(), starts))
