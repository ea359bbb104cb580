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

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_LONGEST = 100  # characters; longer strings are no dates, and parsers are slow on them
_MILLISECONDS_FROM = 100_000_000_000  # as seconds this is the year 5138, as milliseconds 1973
_UNREADABLE_FROM = 9_000_000_000_000_000  # milliseconds that no longer fit into 64 bits of microseconds
_PER_UNIT = {"s": 1_000_000, "ms": 1_000, "us": 1}


def believable(earliest: str, today: date) -> tuple[int, int]:
    """Return the microseconds since 1970 UTC at which believable dates begin and end.

    Parameters
    ----------
    earliest : the first believable day, in ISO 8601.
    today : two days later is the last one: clocks and zones differ.
    """
    first, last = (datetime(day.year, day.month, day.day) for day in (date.fromisoformat(earliest), today))
    return _from_datetime(first), _from_datetime(last + timedelta(days=3))


def micros(value: Any) -> int | None:
    """Return a date as microseconds since 1970 UTC, or None where it cannot be read.

    Read are ISO 8601, RFC 2822, seconds and milliseconds since 1970, `YYYYMMDD`, `YYYYMMDDhhmm`, `YYYYMMDDhhmmss`, and
    Python's dates. A date without a zone is taken as UTC.
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
    whole = value.is_integer() and abs(value) < 10**15  # a float only because other cells of its column are empty
    return _from_text(str(int(value))) if whole else _from_number(value)


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
    if _NUMBER.fullmatch(text):
        return _from_digits(text.removesuffix(".0"))
    try:
        return _from_datetime(datetime.fromisoformat(text.removesuffix(" UTC").removesuffix(" GMT")))
    except (ValueError, OverflowError):
        pass
    try:
        return _from_datetime(email.utils.parsedate_to_datetime(text))
    except (ValueError, OverflowError, TypeError, IndexError):  # it raises all of these on one bad string or another
        return None


def _from_digits(text: str) -> int | None:
    # As milliseconds, 14 digits lie after the year 2286, and 12 that start like a year of now in 1976.
    if text.isdigit() and (len(text) in (8, 14) or (len(text) == 12 and text.startswith(("19", "20")))):
        try:
            return _from_datetime(datetime.fromisoformat(f"{text[:8]}T{text[8:]}" if text[8:] else text))
        except ValueError:
            if len(text) == 8:  # a sentinel such as 99999999; as seconds it would be a believable day of 1973
                return None
    return _from_number(float(text) if "." in text else int(text))


def from_values(values: Sequence[Any]) -> tuple[pa.Array, pa.Array]:
    """Read a list of Python values; None and blank strings are missing.

    Parameters
    ----------
    values : n values.

    Returns
    -------
    micros : int64[n], null where missing or unreadable.
    unreadable : bool[n], something was given and could not be read.
    """
    found: list[int | None] = []
    unreadable: list[bool] = []
    for value in values:
        blank = value is None or (isinstance(value, str) and not value.strip())
        moment = None if blank else micros(value)
        found.append(moment)
        unreadable.append(moment is None and not blank)
    return pa.array(found, pa.int64()), pa.array(unreadable, pa.bool_())


def from_timestamps(array: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Read n timestamps of any unit and zone, or of date32 or date64, as `from_values` does.

    A moment that does not fit into 64 bits of microseconds is unreadable.
    """
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("s" if pa.types.is_date32(array.type) else "ms"))
    unit = array.type.unit
    given = np.asarray(pc.is_valid(array))
    ticks = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    if unit == "ns":
        return pa.array(ticks // 1_000, mask=~given), pa.array(np.zeros(len(array), np.bool_))
    factor = _PER_UNIT[unit]
    fits = np.abs(ticks // 2) <= (2**62 - 1) // factor
    return pa.array(np.where(fits, ticks, 0) * factor, mask=~(given & fits)), pa.array(given & ~fits)
