"""The rows of slots as the stage of pass 2 on one machine takes them: by place, with what each may meet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema, sifting, stories, timing
from dedup.distributed.flow import Tables
from dedup.distributed.timeslots import TimeSlots
from dedup.distributed.vectors import Frequencies
from dedup.kernels import postings
from dedup.kernels.decay import mean_nearness
from dedup.params import StoryParams

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]


class Given(NamedTuple):
    """What every task of this stage knows."""

    slots: TimeSlots
    frequencies: Frequencies
    params: StoryParams


def ready(part: int, tables: Tables, given: Given) -> tuple[pa.Table, int]:
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
    held = frequencies.of(columns).astype(np.int32)
    begin = postings.within_budget(indptr, used[0], np.arange(len(rows)), held, met / max(n, 1), params.postings)
    added = {"place": place, "low": low, "usual": usual, "begin": begin - indptr[:-1]}
    added["share"] = params.sifting * stories.shares(np.diff(indptr), params)
    for name, values in added.items():
        rows = rows.append_column(name, pa.array(values))
    return rows, int((begin - indptr[:-1]).sum())


def _nearness(part: int, days: _Float, slots: TimeSlots, params: StoryParams) -> _Float:
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
    return columns, [np.searchsorted(columns, some).astype(np.uint32) for some in indices]


class Task(NamedTuple):
    """Rows that meet, after those that they meet."""

    places: sifting.Places
    place: _Int  # [n] of each
    position: _Int
    first: int  # of the rows; 0 where they meet each other


def together(rows: pa.Table, others: pa.Table | None, partners: pa.Table | None, given: Given) -> Task:
    """Put rows behind the others that they are to meet, if any."""
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
    return Task(places, place, position, m)


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


def without_lone(rows: pa.Table, shared: int) -> pa.Table:
    """Drop the terms of each row that no other row has."""
    indices, indptr = schema.ragged(rows["indices"])
    kept = indices < shared
    ends = np.concatenate(([0], np.cumsum(kept)))[indptr]
    for name in ("indices", "data"):
        values = schema.ragged_array(schema.ragged(rows[name])[0][kept], ends)
        rows = rows.set_column(rows.schema.get_field_index(name), name, values)
    return rows
