"""Texts of others as the page may show them."""

from __future__ import annotations

import re
from typing import Any

import orjson

# C0 but tab and newline, DEL, C1; marks that turn the direction of writing, so that one text looks like another; lone
# surrogates, which have no bytes.
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shortened(text: str | None, most: int) -> str | None:
    """Return a text of at most so many characters."""
    return text if text is None or len(text) <= most else text[: most - 1] + "…"


def weight(value: Any) -> int:
    """Return how many bytes plain data takes in the page, where jinja2 writes `<`, `>`, `&` and `'` with six each."""
    dumped = orjson.dumps(value)
    return len(dumped) + 5 * sum(dumped.count(sign) for sign in (b"<", b">", b"&", b"'"))


def harmless(value: Any) -> Any:
    """Return plain data whose texts, keys too, hold no characters that could steer how they are shown."""
    if isinstance(value, str):
        return _UNSAFE.sub("", value)
    if isinstance(value, dict):
        return {harmless(key): harmless(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [harmless(item) for item in value]
    return value
