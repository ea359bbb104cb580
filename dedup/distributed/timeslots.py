"""Representatives in the order of time, in slots of about equal size: ranges of (day, position), undated ones first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema, timing
from dedup.distributed.flow import Dataset, Flow, Message, Tables, deal
from dedup.distributed.vectors import representatives
from dedup.params import StoryParams

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]

_SAMPLE = 4096, 1 << 20  # dates that a part, and all parts, tell of at most: slots are of equal size to about a percent
_SAMPLED = pa.schema([("day", pa.float64()), ("position", pa.int64()), ("weight", pa.int64())])
_FACTS = pa.schema(
    [
        ("count", pa.int64()),
        ("undated", pa.int64()),
        ("first", pa.float64()),
        ("last", pa.float64()),
        ("to_first", pa.float64()),
        ("to_last", pa.float64()),
    ]
)


class Calendar(NamedTuple):
    """What tells the slot of a date."""

    crawl: _Float  # days that say nothing
    days: _Float  # [slots - 1] day of the first row of each slot but the first; -inf for unknown ones
    positions: _Int  # [slots - 1] and its position

    def telling(self, days: _Float) -> _Float:
        """Return days with NaN for those that say nothing."""
        return timing.without(days, self.crawl)

    def slots(self, days: _Float, positions: _Int) -> _Int:
        """Return the slot of each row, by its telling day and its position."""
        n = len(self.days)
        day, position = np.concatenate((self.days, _key(days))), np.concatenate((self.positions, positions))
        order = np.lexsort((np.arange(len(day)) >= n, position, day))
        slot = np.empty(len(day), np.int64)
        slot[order] = np.cumsum(order < n)
        return slot[n:]


class TimeSlots(NamedTuple):
    """Where slots begin, and which of them meet."""

    starts: _Int  # [slots + 1] first place of each
    undated: int  # places without a day
    dated: int  # and with one
    reach: _Int  # [slots] the first slot of dated rows that rows of each may meet
    meets: list[list[int]]  # the slots before each that it meets, from the nearest
    before: _Float  # [slots] how near earlier slots are to its first day, summed as by `mean_nearness`
    after: _Float  # [slots] how near later slots are to its last day
    first: _Float  # [slots] first day; NaN where there is none
    last: _Float

    def first_dated(self, slot: int) -> int:
        """Return the first dated place of a slot."""
        return max(int(self.starts[slot]), self.undated)


def suspects(stamps: Mapping[int, pa.Table]) -> _Float:
    """Return the days that most representatives of some part bear: without these, none is that of most of all."""
    return np.unique([day for table in stamps.values() for day in table["day"].to_pylist() if day is not None])


def calendar(
    parts: int, stamps: Mapping[int, pa.Table], bearing: Mapping[int, pa.Table], sample: Mapping[int, pa.Table]
) -> Calendar:
    """Find the days that say nothing, as `timing.telling_days` does, and part the others into slots of equal size.

    Parameters
    ----------
    stamps, sample : what parts told in `dates`; bearing : in `bearing`
    """
    n = sum(table["n"][0].as_py() for table in stamps.values())
    counts = sum(table["count"].to_numpy() for table in bearing.values())
    crawl = suspects(stamps)[counts > n / 2] if bearing else np.empty(0)
    told = pa.concat_tables([_SAMPLED.empty_table(), *sample.values()])
    day = _key(timing.without(told["day"].to_numpy(), crawl))
    position, weight = told["position"].to_numpy(), told["weight"].to_numpy()
    order = np.lexsort((position, day))
    passed = np.cumsum(weight[order])
    wanted = weight.sum() * np.arange(1, parts) / parts
    split = order[np.minimum(np.searchsorted(passed, wanted), len(order) - 1)] if len(order) else order
    return Calendar(crawl, day[split], position[split])


def _key(days: _Float) -> _Float:
    return np.where(np.isnan(days), -np.inf, days)


def days_of(tables: Tables) -> tuple[_Float, _Int]:
    """Return day and position of the representatives of a part."""
    chosen = representatives(tables["copies"])
    return tables["sketches"]["hours"].to_numpy()[chosen] / 24, tables["copies"]["position"].to_numpy()[chosen]


def dates(part: int, tables: Tables, *, parts: int) -> Iterator[Message]:
    """Tell of the stamp that most of a part's articles bear, as in some part that of most of all is; and a sample."""
    most = max(min(_SAMPLE[0], _SAMPLE[1] // parts), 2)
    days, positions = days_of(tables)
    stamps, counts = timing.stamps_of(days)
    common = stamps[counts > len(days) / 2]
    day = pa.array(common if len(common) else [None], pa.float64())
    yield Message("stamps", part, pa.table({"day": day, "n": [len(days)]}))
    order = np.lexsort((positions, _key(days)))
    bounds = np.unique(np.linspace(0, len(order), most + 1).astype(np.int64))
    chosen = order[bounds[:-1]]
    sample = [pa.array(column) for column in (days[chosen], positions[chosen], np.diff(bounds))]
    yield Message("sample", part, pa.Table.from_arrays(sample, schema=_SAMPLED))


def bearing(part: int, tables: Tables, *, days: _Float) -> Iterator[Message]:
    """Count the representatives that bear each of some days."""
    borne = days_of(tables)[0]
    yield Message("bearing", part, pa.table({"count": [int((borne == day).sum()) for day in days]}))


def order(flow: Flow, dealt: Dataset, params: StoryParams) -> tuple[Dataset, Dataset, TimeSlots]:
    """Bring rows into the order of time.

    Parameters
    ----------
    dealt : of `deal_rows`

    Returns
    -------
    rows : the same, in the order of places
    days : those of the slots whose dates tell which places a row meets, float64 ascending
    TimeSlots
    """
    ordered = flow.step("order", partial(_order, scale=params.time_scale), rows=dealt)
    slots = lay_out(flow.parts, flow.gather(ordered["facts"]), params)
    days = flow.step("days", partial(_tell_days, slots=slots), rows=ordered["rows"])["days"]
    return ordered["rows"], days, slots


def deal_rows(tables: Tables, vectors: pa.Table, calendar: Calendar) -> Iterator[Message]:
    """Send the vectors of a part to their slots, `rows`: [position, day, unit, language, indices, data]."""
    days, positions = days_of(tables)
    days = calendar.telling(days)
    chosen = pa.array(representatives(tables["copies"]))
    columns = {"position": positions, "day": days, "unit": tables["copies"]["unit"].filter(chosen)}
    columns |= {"language": tables["terms"]["language"].filter(chosen)}
    columns |= {name: vectors[name] for name in ("indices", "data")}
    yield from deal("rows", pa.table(columns), calendar.slots(days, positions))


def _order(part: int, tables: Tables, *, scale: float) -> Iterator[Message]:
    """Sort the rows of a slot by day and position, undated ones first, and tell of its dates: `_FACTS`."""
    rows = tables["rows"]
    rows = schema.take(rows, pa.array(np.lexsort((rows["position"].to_numpy(), _key(rows["day"].to_numpy())))))
    yield Message("rows", part, rows)
    days = rows["day"].to_numpy()
    dated = days[~np.isnan(days)]
    first, last = (dated[0], dated[-1]) if len(dated) else (np.nan, np.nan)
    near = np.exp(-(dated - first) / scale).sum(), np.exp(-(last - dated) / scale).sum()
    facts = len(days), len(days) - len(dated), first, last, *near
    yield Message("facts", part, pa.Table.from_arrays([pa.array([fact]) for fact in facts], schema=_FACTS))


def lay_out(parts: int, told: Mapping[int, pa.Table], params: StoryParams) -> TimeSlots:
    """Tell which slots meet, from what each knows of its dates."""
    facts = np.zeros((len(_FACTS), parts))
    facts[2:4] = np.nan
    for part, table in told.items():
        facts[:, part] = [column[0].as_py() for column in table.columns]
    count, lacking = facts[:2].astype(np.int64)
    first, last, to_first, to_last = facts[2:]
    starts, undated = np.concatenate(([0], np.cumsum(count))), int(lacking.sum())
    dated = count > lacking
    met = np.maximum(starts[:-1], undated) - params.window_nearest
    slot = np.arange(parts)
    fades = first[:, None] - last[None, :]  # of a later slot to an earlier one
    with np.errstate(invalid="ignore"):
        near = (last[None, :] >= first[:, None] - params.window) | (starts[None, 1:] > met[:, None])
    near &= dated[:, None] & dated[None, :] & (slot[None, :] <= slot[:, None])
    earlier = (slot[None, :] < slot[:, None]) & (count > 0)[:, None] & (near | (lacking > 0)[None, :])
    fading: _Float = np.tril(np.nan_to_num(np.exp(-np.abs(fades) / params.time_scale)), -1)
    return TimeSlots(
        starts, undated, int(starts[-1]) - undated, np.where(near.any(axis=1), near.argmax(axis=1), slot),
        [np.flatnonzero(row)[::-1].tolist() for row in earlier],
        fading @ to_last, to_first @ fading, first, last,
    )  # fmt: skip


def _tell_days(part: int, tables: Tables, *, slots: TimeSlots) -> Iterator[Message]:
    """Send the dates to the slots whose rows may meet these or be met by them."""
    days = tables["rows"]["day"].to_numpy()
    told = pa.table({"day": days[~np.isnan(days)]})
    own = slots.reach[part]
    for other in np.flatnonzero((slots.reach <= part) & (np.arange(len(slots.reach)) >= own)).tolist():
        yield Message("days", other, told)
