"""Other dates for the same articles, from a seed. Dates are int64 microseconds since 1970, with a mask.

A1    A roundup's date is not its articles': one random article of each story keeps it, the others lag by an
      exponential time with a mean of 1.5 days.
A2    The same, with lags drawn (with replacement) from the gaps between a later article and the first of its story in
      a set of real dates.
MIX   A1, the set of real dates as it is, and the dated articles of a third set, in one stream. Stories of the first
      and third are moved by whole years of 365.25 days, so that each begins in the year in which most articles of the
      real set lie: seasons, the gaps inside stories and the gaps between stories of one year stay what they were.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.quality.sets import codes

_Int = npt.NDArray[np.int64]

DAY = 86_400_000_000  # microseconds
YEAR = int(365.25 * DAY)
LAG_DAYS = 1.5
SHARE = 0.10


def dates(table: pa.Table) -> tuple[_Int, npt.NDArray[np.bool_]]:
    """Return the dates and which of them are known."""
    column = table["published_at"].combine_chunks()
    return column.cast(pa.int64()).fill_null(0).to_numpy().copy(), column.is_valid().to_numpy(zero_copy_only=False)


def dated(table: pa.Table, values: _Int, known: npt.NDArray[np.bool_]) -> pa.Table:
    """Replace the dates."""
    column = pa.array(values, mask=~known).cast(table.schema.field("published_at").type)
    return table.set_column(table.column_names.index("published_at"), "published_at", column)


def has_dates(table: pa.Table) -> bool:
    return table["published_at"].null_count < len(table)


def simulated_lags(table: pa.Table, random: np.random.Generator) -> pa.Table:
    """Make A1."""
    return _lagged(table, (random.exponential(LAG_DAYS, len(table)) * DAY).astype(np.int64), random)


def drawn_lags(table: pa.Table, real: pa.Table, random: np.random.Generator) -> pa.Table:
    """Make A2; `real` has the dates from which the lags come."""
    return _lagged(table, random.choice(gaps(real), len(table)), random)


def gaps(table: pa.Table) -> _Int:
    """Return the time from the first article of each story to each later one of it."""
    values, known = dates(table)
    story = codes(table["story_id"])[known]
    values = values[known]
    order = np.lexsort((values, story))
    first = np.flatnonzero(np.diff(story[order], prepend=-1))
    lag = values[order] - np.repeat(values[order][first], np.diff(first, append=len(order)))
    return np.delete(lag, first)


def one_stream(simulated: pa.Table, real: pa.Table, third: pa.Table) -> pa.Table:
    """Make MIX."""
    values, known = dates(real)
    start = int(np.median(values[known])) // YEAR * YEAR
    third = third.filter(third["published_at"].is_valid())
    return pa.concat_tables([real, *(_moved(part, start) for part in (simulated, third))])


def robustness(table: pa.Table, random: np.random.Generator) -> dict[str, pa.Table]:
    """Spoil the dates in four ways; `undated` is what none of the others may fall below."""
    values, known = dates(table)
    hit = random.random(len(table)) < SHARE
    low, high = int(values[known].min()), int(values[known].max())
    wrong = random.integers(low, high + 1, len(table))
    every = np.ones(len(table), np.bool_)
    crawl = np.full(len(table), high // DAY * DAY)
    return {
        "undated": dated(table, values, ~every),
        "tenth_random": dated(table, np.where(hit, wrong, values), known | hit),
        "tenth_1970": dated(table, np.where(hit, 0, values), known | hit),
        "one_crawl_day": dated(table, crawl, every),
    }


def _lagged(table: pa.Table, lag: _Int, random: np.random.Generator) -> pa.Table:
    """Add a lag to every article but a random one of each story."""
    values, known = dates(table)
    order = random.permutation(len(table))
    _, first = np.unique(codes(table["story_id"])[order], return_index=True)
    lag = lag.copy()
    lag[order[first]] = 0
    return dated(table, values + lag, known)


def _moved(table: pa.Table, start: int) -> pa.Table:
    """Move each story by whole years to begin in the year after `start`."""
    values, known = dates(table)
    story = codes(table["story_id"])
    first = np.full(story.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, story, values)
    return dated(table, values - (first[story] - start) // YEAR * YEAR, known)
