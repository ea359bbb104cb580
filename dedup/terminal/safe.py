"""Text of strangers made safe for a terminal, and spelled with the letters that its encoding has."""

from __future__ import annotations

import codecs
import re
import unicodedata

_SPACE = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_COLOUR = re.compile(r"(\x1b\[|\x9b)[0-?]*[ -/]*[@-~]")  # and moves of the cursor
# C0, DEL, C1; marks that turn the direction of writing, so that one text looks like another; lone surrogates.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# One sign for one, so that columns stay where they are.
_LIKE = str.maketrans("‘’‚“”„«»‐‑‒–—−…•·×", '\'\',"""""------.**x')


def clean(text: str) -> str:
    """Return a text as one line without characters that could steer the terminal."""
    return _UNSAFE.sub("", _SPACE.sub(" ", _COLOUR.sub("", text)))


def clean_json(text: str) -> str:
    """Return JSON that means the same, with characters that could steer the terminal as escapes."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for characters that an encoding lacks: the plain letter or sign, else a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    parts = []
    for sign in error.object[error.start : error.end].translate(_LIKE):
        plain = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
        parts.append(plain or ("" if unicodedata.combining(sign) else "?"))
    return "".join(parts), error.end


SPELLED = "dedup.spelled"  # as `errors` of a stream
codecs.register_error(SPELLED, _spelled)
