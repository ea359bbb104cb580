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
    pairs, _ = _sift(rows, rows.slice(0, 0), state, tables.get("partners"), given, counts)
    yield Message("ready", part, rows)
    yield Message("pairs", part, pairs)
    yield from _pass_on(part, rows, state, counts, given, 0)


def _go_on(part: int, tables: Tables, *, number: int, given: Given) -> Iterator[Message]:
    """Let a slot hear what others have found, and meet the next ones."""
    rows = tables["rows"]
    state = heard(rows, tables, given.params)
    counts = Counter(dict(zip(*(tables["counts"][name].to_pylist() for name in ("name", "count")), strict=True)))
    if "others" in tables:
        pairs, told = _sift(rows, tables["others"], state, tables.get("partners"), given, counts)
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
    """Number the columns of some rows anew, in their order, the commonest as they are: there sums are checked.

    Returns
    -------
    columns : uint32[v], the old numbers; and the rows in new ones
    """
    parts = [np.arange(postings.CHECKPOINTS[-1], dtype=np.uint32), *map(np.unique, indices)]
    columns = np.unique(np.concatenate(parts))
    keys = columns.astype(np.uint64)
    return columns, [tfidf.lookup(keys, some.astype(np.uint64)).astype(np.uint32) for some in indices]


def _sift(
    rows: pa.Table, others: pa.Table, state: State, partners: pa.Table | None, given: Given, counts: Counter[str]
) -> tuple[pa.Table, pa.Table]:
    """Let rows meet others that come before them, or without others each other; their state is changed in place.

    Returns
    -------
    pairs : [later, earlier, plain], places
    told : the same of what the others should hear of, with [day] of the later
    """
    m, n = len(others), len(others) + len(rows)
    parts = [others, rows] if m else [rows]
    lists = [schema.ragged(table["indices"]) for table in parts]
    columns, indices = _dense([values for values, _ in lists])
    indptr = np.concatenate(([0], np.cumsum(np.concatenate([np.diff(offsets) for _, offsets in lists]))))
    data = np.concatenate([schema.ragged(table["data"])[0] for table in parts])
    position, place, days, shares = (
        np.concatenate([table[name].to_numpy() for table in parts]) for name in ("position", "place", "day", "share")
    )
    begin = indptr[:-1].copy()
    begin[m:] += rows["begin"].to_numpy()
    low = np.zeros(n, np.int64)
    low[m:] = np.searchsorted(place, rows["low"].to_numpy())
    shared = int(np.searchsorted(columns, given.frequencies.shared))
    places = sifting.Places(
        indptr, np.concatenate(indices), data, shared, np.arange(n), begin, days, shares, int(np.isnan(days).sum()),
        low, _refused(position, partners),
    )  # fmt: skip
    known = _joined(state_of(others, given.params), state, shares, days, given.params) if m else state
    existing = known.neighbours[known.neighbours >= 0]
    others_known, ids = _numbered(known.neighbours, existing, n)
    known.neighbours[:] = ids
    told: list[Any] = []
    later, earlier, plain = sifting.sift(
        places, known, given.params, first=m, held=counts["held"], skipped=counts, told=told if m else None
    )
    counts["held"] += len(later)
    names = np.concatenate((place, others_known))
    near = known.neighbours[m:]
    for mine, found in zip(state, known, strict=True):
        mine[:] = found[m:]
    state.neighbours[:] = np.where(near >= 0, names[near], -1)
    pairs = pa.table({"later": place[later], "earlier": place[earlier], "plain": plain})
    if not m:
        return pairs, pairs.slice(0, 0)
    later, earlier, plain = (np.concatenate(column) for column in zip(*told, strict=True))
    matters = plain >= known.least[earlier]
    later, earlier, plain = later[matters], earlier[matters], plain[matters]
    return pairs, pa.table({"later": place[later], "earlier": place[earlier], "plain": plain, "day": days[later]})


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
    """Number places from n on, in their order: the places that are known, and the neighbours with these numbers."""
    known = np.unique(more)
    return known, np.where(neighbours >= 0, n + np.searchsorted(known, neighbours), -1)


def state_of(table: pa.Table, params: StoryParams) -> State:
    """Return what rows know; thresholds are to be settled."""
    state = sifting.unmet(len(table), params)
    for array, name in zip(state, _KNOWN, strict=False):
        array[:] = schema.matrix(table[name])
    return state


def _joined(first: State, second: State, shares: _Float, days: _Float, params: StoryParams) -> State:
    joined = State(*(np.concatenate(arrays) for arrays in zip(first, second, strict=True)))
    _settle(joined, days, shares, params)
    return joined


def _settle(state: State, days: _Float, shares: _Float, params: StoryParams, *pairs: Any) -> None:
    left, right, plain = pairs or (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    nearest.settle(
        0, len(shares), left, right, plain, days, shares, *state, params.decay_floor, params.time_scale
    )  # fmt: skip


def heard(rows: pa.Table, tables: Tables, params: StoryParams) -> State:
    """Return what the rows of a slot know, with what they were told."""
    state = state_of(tables["state"], params)
    days, shares = rows["day"].to_numpy(), rows["share"].to_numpy()
    if "told" not in tables:
        _settle(state, days, shares, params)
        return state
    later, earlier, plain, day = (tables["told"][name].to_numpy() for name in ("later", "earlier", "plain", "day"))
    n = len(rows)
    known, ids = _numbered(state.neighbours, np.concatenate((state.neighbours[state.neighbours >= 0], later)), n)
    state.neighbours[:] = ids
    left = np.searchsorted(known, later)
    those = np.full(len(known), np.nan)
    those[left] = day
    _settle(state, np.concatenate((days, those)), shares, params, n + left, earlier - rows["place"][0].as_py(), plain)
    state.neighbours[:] = np.where(state.neighbours >= 0, known[state.neighbours - n], -1)
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
