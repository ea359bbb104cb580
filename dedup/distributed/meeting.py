"""Slots meet: every row hears of the rows it resembles most, and pairs above the crowd around both are kept.

First each slot meets itself, then the slots that it can reach, a few at a time and the nearest first, whose rows are
sent with all that they know. A row tells earlier ones what they should know through messages to their slot. What
outweighs the tolls that are known by then is kept with the later row: tolls only grow, so that nothing is lost, and
nothing needs to be worked out again once they are final.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema, sifting
from dedup.distributed.flow import Dataset, Flow, Message, Tables, deal, part_of_place
from dedup.distributed.meetable import Given, Task, ready, together, without_lone
from dedup.distributed.timeslots import TimeSlots
from dedup.kernels import nearest
from dedup.params import StoryParams
from dedup.sifting import State

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]

AT_ONCE = 4  # slots whose rows a slot has beside its own: bounds what a task holds
_KNOWN = "best", "neighbours", "weights"
_SENT = ["position", "place", "day", "share", "indices", "data"]


class Met(NamedTuple):
    """What came of it, by slot."""

    rows: Dataset  # in the order of places, with [place, share, usual, begin]
    state: Dataset  # [best, neighbours, weights] of the same rows
    told: Dataset | None  # what these have not heard of yet
    pairs: list[Dataset]  # [later, earlier, plain], places
    counts: Dataset  # [name, count]: pairs that are `kept`, and what was left out


def meet(flow: Flow, rows: Dataset, days: Dataset, partners: Dataset, given: Given) -> Met:
    """Let the slots meet.

    Parameters
    ----------
    rows, days : of `timeslots.order`
    partners : [later, earlier] positions, by the slot of the later; pairs that are refused
    """
    found = flow.step("meet", partial(_begin, given=given), rows=rows, days=days, partners=partners)
    rows, pairs, told = found["ready"], [found["pairs"]], None
    for number in range(rounds(given.slots)):
        inputs = {"rows": rows, "state": found["state"], "others": found["others"], "counts": found["counts"]}
        inputs |= {"partners": partners, "told": told} if told is not None else {"partners": partners}
        found = flow.step(f"meet {number + 1}", partial(_go_on, number=number, given=given), **inputs)
        pairs.append(found["pairs"])
        told = found["told"]
    return Met(rows, found["state"], told, pairs, found["counts"])


def rounds(slots: TimeSlots) -> int:
    """Return how many times slots meet others."""
    return -(-max(map(len, slots.meets), default=0) // AT_ONCE)


def _begin(part: int, tables: Tables, *, given: Given) -> Iterator[Message]:
    """Let a slot meet itself."""
    if "rows" not in tables:
        return
    rows, left_out = ready(part, tables, given)
    counts = Counter({"postings": left_out})
    state = sifting.unmet(len(rows), given.params)
    pairs, _ = _sift(together(rows, None, tables.get("partners"), given), state, given, counts)
    yield Message("ready", part, rows)
    yield Message("pairs", part, pairs)
    yield from _pass_on(part, rows, state, counts, given, 0)


def _go_on(part: int, tables: Tables, *, number: int, given: Given) -> Iterator[Message]:
    """Let a slot hear what others have found, and meet the next ones."""
    rows = tables["rows"]
    state = heard(rows, tables, given.params)
    counts = Counter(dict(zip(*(tables["counts"][name].to_pylist() for name in ("name", "count")), strict=True)))
    if "others" in tables:
        others = tables["others"]
        task = together(rows, others, tables.get("partners"), given)
        state = _joined(state_of(others, given.params), state, task.places, given.params)
        pairs, told = _sift(task, state, given, counts)
        state = _from(state, len(others))
        yield Message("pairs", part, pairs)
        yield from deal("told", told, part_of_place(told["earlier"].to_numpy(), given.slots.starts))
    yield from _pass_on(part, rows, state, counts, given, number + 1)


def _sift(task: Task, state: State, given: Given, counts: Counter[str]) -> tuple[pa.Table, pa.Table]:
    """Let rows meet others that come before them, or each other; the state of all, with places, is changed.

    Returns
    -------
    pairs : [later, earlier, plain], places
    told : the same of what the others should hear of, with [day] of the later
    """
    places, place, _, first = task
    # Who is known from before comes after those here, so that numbers are in the order of places for the rows.
    known, state.neighbours[:] = _numbered(state.neighbours, state.neighbours[state.neighbours >= 0], len(place))
    told: list[Any] = []
    later, earlier, plain = sifting.sift(
        places, state, given.params, first=first, held=counts["kept"], skipped=counts, told=told if first else None
    )
    counts["kept"] += len(later)
    _name(state, np.concatenate((place, known)))
    pairs = pa.table({"later": place[later], "earlier": place[earlier], "plain": plain})
    if not first:
        return pairs, pairs.slice(0, 0)
    later, earlier, plain = (np.concatenate(column) for column in zip(*told, strict=True))
    matters = plain >= state.least[earlier]
    later, earlier, plain = later[matters], earlier[matters], plain[matters]
    day = places.days[later]
    return pairs, pa.table({"later": place[later], "earlier": place[earlier], "plain": plain, "day": day})


def _numbered(neighbours: _Int, more: _Int, n: int) -> tuple[_Int, _Int]:
    """Give places numbers from n on, in their order; return the places so known, and neighbours by their numbers."""
    known = np.unique(more)
    return known, np.where(neighbours >= 0, n + np.searchsorted(known, neighbours), -1)


def _name(state: State, places: _Int) -> None:
    """Turn numbers of neighbours back into places."""
    state.neighbours[:] = np.where(state.neighbours >= 0, places[state.neighbours], -1)


def state_of(table: pa.Table, params: StoryParams) -> State:
    """Return what rows know; thresholds are to be settled."""
    state = sifting.unmet(len(table), params)
    best, neighbours, weights = (schema.matrix(table[name]).copy() for name in _KNOWN)
    return state._replace(best=best, neighbours=neighbours, weights=weights)


def _joined(first: State, second: State, places: sifting.Places, params: StoryParams) -> State:
    joined = State(
        np.concatenate((first.best, second.best)),
        np.concatenate((first.neighbours, second.neighbours)),
        np.concatenate((first.weights, second.weights)),
        np.concatenate((first.least, second.least)),
        np.concatenate((first.halves, second.halves)),
    )
    _settle(joined, places.days, places.shares, params)
    return joined


def _from(state: State, first: int) -> State:
    """Return the state of rows from `first` on."""
    best, neighbours, weights, least, halves = state
    return State(best[first:], neighbours[first:], weights[first:], least[first:], halves[first:])


def _settle(state: State, days: _Float, shares: _Float, params: StoryParams, *pairs: Any) -> None:
    left, right, plain = pairs or (np.empty(0), np.empty(0), np.empty(0))
    fading = params.decay_floor, params.time_scale
    left, right = left.astype(np.uint32), right.astype(np.uint32)
    nearest.settle(0, len(shares), left, right, plain, days, shares, *state, *fading)


def heard(rows: pa.Table, tables: Tables, params: StoryParams) -> State:
    """Return what the rows of a slot know, with what they were told."""
    state = state_of(tables["state"], params)
    days, shares = rows["day"].to_numpy(), rows["share"].to_numpy()
    if "told" not in tables:
        _settle(state, days, shares, params)
        return state
    later, earlier, plain, day = (tables["told"][name].to_numpy() for name in ("later", "earlier", "plain", "day"))
    n = len(rows)
    every = np.concatenate((state.neighbours[state.neighbours >= 0], later))
    known, state.neighbours[:] = _numbered(state.neighbours, every, n)
    left = np.searchsorted(known, later)
    those = np.full(len(known), np.nan)
    those[left] = day
    _settle(state, np.concatenate((days, those)), shares, params, n + left, earlier - rows["place"][0].as_py(), plain)
    _name(state, np.concatenate((rows["place"].to_numpy(), known)))
    return state


def _pass_on(
    part: int, rows: pa.Table, state: State, counts: Counter[str], given: Given, number: int
) -> Iterator[Message]:
    """Keep the state of a slot, and send its rows to those that meet it next, without terms that pair nobody."""
    known = pa.Table.from_arrays([schema.matrix_array(array) for array in state[:3]], names=list(_KNOWN))
    yield Message("state", part, known)
    names, numbers = pa.array(counts.keys(), pa.string()), pa.array(counts.values(), pa.int64())
    yield Message("counts", part, pa.table({"name": names, "count": numbers}))
    here = slice(number * AT_ONCE, (number + 1) * AT_ONCE)
    askers = [other for other, met in enumerate(given.slots.meets) if part in met[here]]
    if not askers:
        return
    sent = without_lone(rows, given.frequencies.shared).select(_SENT)
    for name in _KNOWN:
        sent = sent.append_column(name, known[name])
    for asker in askers:
        yield Message("others", asker, sent)
