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

from dedup import schema, sifting, stories, timing
from dedup.distributed.flow import Dataset, Flow, Message, Tables, deal, part_of_place
from dedup.distributed.timeslots import Slots
from dedup.distributed.vectors import Frequencies
from dedup.kernels import nearest, postings, tfidf
from dedup.kernels.decay import mean_nearness
from dedup.params import StoryParams
from dedup.sifting import State

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]

AT_ONCE = 4  # slots whose rows a slot has beside its own: bounds what a task holds
_KNOWN = "best", "neighbours", "weights"
_SENT = ["position", "place", "day", "share", "indices", "data"]


class Given(NamedTuple):
    """What every task of this stage knows."""

    slots: Slots
    frequencies: Frequencies
    params: StoryParams


class Met(NamedTuple):
    """What came of it, by slot."""

    rows: Dataset  # in the order of places, with [place, share, usual, begin]
    state: Dataset  # [best, neighbours, weights] of the same rows
    told: Dataset | None  # what these have not heard of yet
    pairs: list[Dataset]  # [later, earlier, plain], places
    counts: Dataset  # [name, count]: pairs that are `held`, and what was left out


def meet(flow: Flow, rows: Dataset, days: Dataset, partners: Dataset, given: Given) -> Met:
    """Let the slots meet.

    Parameters
    ----------
    rows, days : of `timeslots.place`
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


def rounds(slots: Slots) -> int:
    """Return how many times slots meet others."""
    return -(-max(map(len, slots.meets), default=0) // AT_ONCE)


def _begin(part: int, tables: Tables, *, given: Given) -> Iterator[Message]:
    """Let a slot meet itself."""
    if "rows" not in tables:
        return
    rows, left_out = _ready(part, tables, given)
    counts = Counter({"postings": left_out})
    state = sifting.unmet(len(rows), given.params)
    pairs, _ = _sift(_together(rows, None, tables.get("partners"), given), state, given, counts)
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
        task = _together(rows, others, tables.get("partners"), given)
        state = _joined(state_of(others, given.params), state, task.places, given.params)
        pairs, told = _sift(task, state, given, counts)
        state = _from(state, len(others))
        yield Message("pairs", part, pairs)
        yield from deal("told", told, part_of_place(told["earlier"].to_numpy(), given.slots.starts))
    yield from _pass_on(part, rows, state, counts, given, number + 1)


def _ready(part: int, tables: Tables, given: Given) -> tuple[pa.Table, int]:
    """Add what each row needs to meet others, and count the terms that are too common to be used."""
    slots, frequencies, params = given
    rows, n = tables["rows"], int(slots.starts[-1])
    indices, indptr = schema.ragged(rows["indices"])
    days = rows["day"].to_numpy()
    place = np.arange(slots.starts[part], slots.starts[part + 1])
    lacking = int(np.isnan(days).sum())
    low, met, usual = np.full(len(rows), slots.undated), np.full(len(rows), n), np.ones(len(rows))
    if lacking < len(rows):
        before = slots.first_dated(int(slots.reach[part]))
        _, lows, highs = sifting.within(tables["days"]["day"].to_numpy(), params.window, params.window_nearest)
        own = slice(slots.first_dated(part) - before, int(slots.starts[part + 1]) - before)
        low[lacking:] = lows[own] + before
        met[lacking:] = slots.undated + highs[own] - lows[own]
        usual[lacking:] = timing.usual_decay(_nearness(part, days[lacking:], slots, params), params)
    columns, used = _dense([indices])
    begin = postings.within_budget(
        indptr, used[0], np.arange(len(rows)), frequencies.of(columns), met / max(n, 1), params.postings
    )
    added = {"place": place, "low": low, "usual": usual, "begin": begin - indptr[:-1]}
    added["share"] = params.sifting * stories.shares(np.diff(indptr), params)
    for name, values in added.items():
        rows = rows.append_column(name, pa.array(values))
    return rows, int((begin - indptr[:-1]).sum())


def _nearness(part: int, days: _Float, slots: Slots, params: StoryParams) -> _Float:
    """Return the mean nearness of a slot's dates to all others, as `mean_nearness` does."""
    if slots.dated == 1:
        return np.ones(1)
    near: _Float = mean_nearness(days, params.time_scale) * (len(days) - 1)
    near += slots.before[part] * np.exp(-(days - slots.first[part]) / params.time_scale)
    near += slots.after[part] * np.exp(-(slots.last[part] - days) / params.time_scale)
    return near / (slots.dated - 1)


def _dense(indices: list[npt.NDArray[np.uint32]]) -> tuple[npt.NDArray[np.uint32], list[npt.NDArray[np.uint32]]]:
    """Give the columns of some rows new numbers in their order; the commonest keep theirs, which are checkpoints.

    Returns
    -------
    columns : uint32[v], the old numbers; and the rows in new ones
    """
    parts = [np.arange(postings.CHECKPOINTS[-1], dtype=np.uint32), *map(np.unique, indices)]
    columns = np.unique(np.concatenate(parts))
    keys = columns.astype(np.uint64)
    return columns, [tfidf.lookup(keys, some.astype(np.uint64)).astype(np.uint32) for some in indices]


class _Task(NamedTuple):
    """Rows that meet, after those that they meet."""

    places: sifting.Places
    place: _Int  # [n] of each
    position: _Int
    first: int  # of the rows; 0 where they meet each other


def _together(rows: pa.Table, others: pa.Table | None, partners: pa.Table | None, given: Given) -> _Task:
    parts = [rows] if others is None else [others, rows]
    m = len(others) if others is not None else 0
    lists = [schema.ragged(table["indices"]) for table in parts]
    columns, indices = _dense([values for values, _ in lists])
    indptr = np.concatenate(([0], np.cumsum(np.concatenate([np.diff(offsets) for _, offsets in lists]))))
    data = np.concatenate([schema.ragged(table["data"])[0] for table in parts])
    position, place, days, shares = (
        np.concatenate([table[name].to_numpy() for table in parts]) for name in ("position", "place", "day", "share")
    )
    begin = indptr[:-1].copy()
    begin[m:] += rows["begin"].to_numpy()
    low = np.zeros(len(place), np.int64)
    low[m:] = np.searchsorted(place, rows["low"].to_numpy())
    shared = int(np.searchsorted(columns, given.frequencies.shared))
    places = sifting.Places(
        indptr, np.concatenate(indices), data, shared, np.arange(len(place)), begin, days, shares,
        int(np.isnan(days).sum()), low, _refused(position, partners),
    )  # fmt: skip
    return _Task(places, place, position, m)


def _sift(task: _Task, state: State, given: Given, counts: Counter[str]) -> tuple[pa.Table, pa.Table]:
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
        places, state, given.params, first=first, held=counts["held"], skipped=counts, told=told if first else None
    )
    counts["held"] += len(later)
    _name(state, np.concatenate((place, known)))
    pairs = pa.table({"later": place[later], "earlier": place[earlier], "plain": plain})
    if not first:
        return pairs, pairs.slice(0, 0)
    later, earlier, plain = (np.concatenate(column) for column in zip(*told, strict=True))
    matters = plain >= state.least[earlier]
    later, earlier, plain = later[matters], earlier[matters], plain[matters]
    day = places.days[later]
    return pairs, pa.table({"later": place[later], "earlier": place[earlier], "plain": plain, "day": day})


def _refused(position: _Int, partners: pa.Table | None) -> tuple[_Int, _Int]:
    """Return those partners of rows that are here too, as `similar_pairs` wants them."""
    if partners is None:
        return np.empty(0, np.int64), np.zeros(len(position) + 1, np.int64)
    order = np.argsort(position)
    ends = [partners[name].to_numpy() for name in ("later", "earlier")]
    at = [np.minimum(np.searchsorted(position, end, sorter=order), len(order) - 1) for end in ends]
    rows = [order[place] for place in at]
    here = (position[rows[0]] == ends[0]) & (position[rows[1]] == ends[1])
    return stories.by_row(len(position), rows[0][here], rows[1][here])


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
    left, right, plain = pairs or (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    fading = params.decay_floor, params.time_scale
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
    sent = _without_lone(rows, given.frequencies.shared).select(_SENT)
    for name in _KNOWN:
        sent = sent.append_column(name, known[name])
    for asker in askers:
        yield Message("others", asker, sent)


def _without_lone(rows: pa.Table, shared: int) -> pa.Table:
    """Drop the terms of each row that no other row has."""
    indices, indptr = schema.ragged(rows["indices"])
    kept = indices < shared
    ends = np.concatenate(([0], np.cumsum(kept)))[indptr]
    for name in ("indices", "data"):
        values = schema.ragged_array(schema.ragged(rows[name])[0][kept], ends)
        rows = rows.set_column(rows.schema.get_field_index(name), name, values)
    return rows
