"""Dates as publishers write them → microseconds since 1970 UTC."""

from __future__ import annotations

import email.utils
import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.reading.records import Dates

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_LONGEST = 100  # characters; longer strings are no dates, and parsers are slow on them
_MILLISECONDS_FROM = 100_000_000_000  # as seconds this is the year 5138, as milliseconds 1973
_UNREADABLE_FROM = 9_000_000_000_000_000  # milliseconds that no longer fit into 64 bits of microseconds
_PER_UNIT = {"s": 1_000_000, "ms": 1_000, "us": 1}

EARLIEST = (datetime(1990, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND


def latest(today: date) -> int:
    """Return the first microsecond that is more than two days after a day."""
    start = datetime(today.year, today.month, today.day, tzinfo=UTC)
    return (start + timedelta(days=3) - _EPOCH) // _MICROSECOND


def micros(value: Any) -> int | None:
    """Return a date as microseconds since 1970 UTC, or None where it cannot be read.

    Read are ISO 8601, RFC 2822, seconds and milliseconds since 1970, `YYYYMMDD`, `YYYYMMDDhhmmss`, and Python's dates.
    A date without a zone is taken as UTC.
    """
    if isinstance(value, str):
        return _from_text(value.strip())
    if isinstance(value, datetime):
        return _from_datetime(value)
    if isinstance(value, date):
        return _from_datetime(datetime(value.year, value.month, value.day))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return _from_text(str(value)) if abs(value) < 10**18 else None
    return _from_number(value)


def _from_datetime(moment: datetime) -> int:
    # Not astimezone: it overflows near the years 1 and 9999, a difference does not.
    return ((moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def _from_number(value: float) -> int | None:
    if not math.isfinite(value) or abs(value) >= _UNREADABLE_FROM:
        return None
    return round(value * (1_000 if abs(value) >= _MILLISECONDS_FROM else 1_000_000))


def _from_text(text: str) -> int | None:
    if len(text) > _LONGEST:
        return None
    calendar = text
    if text.isdigit() and len(text) == 14:  # as milliseconds it would lie after the year 2286
        calendar = f"{text[:8]}T{text[8:]}"
    if calendar != text or len(text) == 8 or not _NUMBER.fullmatch(text):
        try:
            return _from_datetime(datetime.fromisoformat(calendar.removesuffix(" UTC").removesuffix(" GMT")))
        except (ValueError, OverflowError):
            pass
    if _NUMBER.fullmatch(text):
        return _from_number(float(text) if "." in text else int(text))
    try:
        return _from_datetime(email.utils.parsedate_to_datetime(text))
    except (ValueError, OverflowError, TypeError, IndexError):  # it raises all of these on one bad string or another
        return None


def from_values(values: Sequence[Any]) -> Dates:
    """Read a list of Python values; None and blank strings are missing.

    Parameters
    ----------
    values : n values.
    """
    n = len(values)
    found = np.zeros(n, np.int64)
    known = np.zeros(n, np.bool_)
    unreadable = np.zeros(n, np.bool_)
    for position, value in enumerate(values):
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        moment = micros(value)
        if moment is None:
            unreadable[position] = True
        else:
            found[position] = moment
            known[position] = True
    return Dates(found, known, unreadable)


def from_timestamps(array: pa.Array) -> Dates:
    """Read an Arrow array of timestamps of any unit and zone, or of date32 or date64.

    A moment that does not fit into 64 bits of microseconds is unreadable.
    """
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("s" if pa.types.is_date32(array.type) else "ms"))
    unit = array.type.unit
    given = np.asarray(pc.is_valid(array))
    ticks = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    if unit == "ns":
        return Dates(ticks // 1_000, given, np.zeros(len(array), np.bool_))
    factor = _PER_UNIT[unit]
    fits = np.abs(ticks // 2) <= (2**62 - 1) // factor
    return Dates(np.where(fits, ticks, 0) * factor, given & fits, given & ~fits)
