"""One cell of any type → text, the same for every format."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import orjson
import pyarrow as pa

_SURROGATE = re.compile("[\ud800-\udfff]")
CANNOT = (TypeError, ValueError, OverflowError, pa.ArrowException)


def is_missing(value: Any) -> bool:
    """Say whether a Python value stands for nothing: None, NaN, pandas' NaT and NA."""
    if value is None:
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 - only NaN and NaT differ from themselves
    except TypeError:  # NA cannot say
        return True
    except ValueError:  # an array says it per element
        return False


def as_text(value: Any) -> str | None:
    """Return a string as it is, None for a missing value, a date in ISO 8601, and JSON text for all else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return _json(value)
    if is_missing(value):
        return None
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return _json(value)


def _json(value: Any) -> str | None:
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY).decode()
    except TypeError:  # more than 64 bits, lone surrogates, deeper than it goes
        pass
    try:
        return json.dumps(value, default=str)
    except (TypeError, ValueError):
        return str(value)
    except RecursionError:
        return None


def texts(values: Sequence[Any]) -> list[str | None]:
    """Return `as_text` of every value."""
    return [value if type(value) is str or value is None else as_text(value) for value in values]


def string_array(values: list[str | None], type: pa.DataType) -> tuple[pa.Array, int]:
    """Return strings as an Arrow array and the number of cells in which lone surrogates became U+FFFD."""
    try:
        return pa.array(values, type), 0
    except UnicodeEncodeError:
        mended = [value if value is None else _SURROGATE.sub("\ufffd", value) for value in values]
        changed = sum(a is not b and a != b for a, b in zip(values, mended, strict=True))
        return pa.array(mended, type), changed


def inferred_array(values: Sequence[Any]) -> pa.Array:
    """Return values of one type as an array of that type, mixed ones as text.

    An object without keys has no Parquet type and a deep one overflows the readers of others: both become text.
    """
    if all(_is_shallow(value, 8) for value in values):
        try:
            return pa.array(values)
        except CANNOT:
            pass
    return string_array(texts(values), pa.string())[0]


def _is_shallow(value: Any, depth: int) -> bool:
    if isinstance(value, dict):
        return bool(value) and depth > 0 and all(_is_shallow(part, depth - 1) for part in value.values())
    if isinstance(value, list):
        return depth > 0 and all(_is_shallow(part, depth - 1) for part in value)
    return True


def kept_array(values: Sequence[Any], type: pa.DataType) -> tuple[pa.Array, int]:
    """Return Python values as a kept column of the run's type, and the cells with lone surrogates."""
    if not pa.types.is_string(type):
        return pa.array([None if is_missing(value) else value for value in values], type), 0
    return string_array(texts(values), type)
