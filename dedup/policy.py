r"""The policy language, which says which article stands for its group and its story.

A policy is an ordered list of words, separated by commas; the next word is asked only where the ones before it tie.

=======================  =========================================================================================
container                a text that no other text contains, before one that is contained
earliest, latest         by `published_at`; a missing or suspect date comes last in both, since feeds forge dates
complete                 most known of title, date, source and url
longest                  most characters
central                  highest mean similarity to the other members
prefer:COLUMN=A|B        rows whose column equals A, then B, then the rest; upper and lower case are the same
match:COLUMN~REGEX       rows in which the regex is found, before the rest
min:COLUMN, max:COLUMN   lowest or highest value first, missing values last; text that is a number counts as one
                         (CSV has no other type) and comes before other text
=======================  =========================================================================================

A separator that is meant as a character is written with a backslash: `\,` everywhere, `\|` in the values of `prefer`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from dedup import schema
from dedup.errors import SettingsError
from dedup.params import DEFAULT_POLICY, ReadingParams

_WORDS = """container earliest latest complete longest central
prefer:COLUMN=VALUE|VALUE match:COLUMN~REGEX min:COLUMN max:COLUMN"""
_FORMS = {form.partition(":")[0]: form for form in _WORDS.split()}


@dataclass(frozen=True)
class Rule:
    """One word of a policy."""

    word: str
    column: str = ""  # of prefer, match, min and max
    values: tuple[str, ...] = ()  # of prefer
    pattern: str = ""  # of match

    @property
    def name(self) -> str:
        """The word as `canonical_reason` gives it, such as `earliest` or `prefer:source`."""
        return f"{self.word}:{self.column}" if self.column else self.word


def parse_policy(text: str) -> tuple[Rule, ...]:
    r"""Read a policy such as `prefer:source=reuters|ap,earliest`.

    Regexes are RE2's (no look-around, no back references): they run in linear time on every text, and in Arrow.

    Parameters
    ----------
    text : words separated by commas; `\,` is a comma inside a word.

    Raises
    ------
    SettingsError
        An unknown, empty or unfinished word, or a regex that does not compile.
    """
    if not text.strip():
        raise SettingsError(f"canonical policy: got nothing, wanted words such as '{DEFAULT_POLICY}'")
    return tuple(
        _rule(word.strip(), f"canonical policy word {place}") for place, word in enumerate(_split(text, ","), 1)
    )


def columns_of(policy: Sequence[Rule]) -> tuple[str, ...]:
    """Name the input columns that a policy needs beyond `schema.DOCUMENTS`, each once, in the order of the policy."""
    return tuple(dict.fromkeys(r.column for r in policy if r.column and r.column not in schema.DOCUMENTS.names))


def reading_params(params: ReadingParams, policy: Sequence[Rule]) -> ReadingParams:
    """Return the settings of reading with the columns that a policy needs among those to keep."""
    return replace(params, keep_cols=tuple(dict.fromkeys((*params.keep_cols, *columns_of(policy)))))


def _rule(word: str, place: str) -> Rule:
    """Read one word; `place` opens the error message."""
    head, colon, rest = word.partition(":")
    form = _FORMS.get(head)
    if form is None:
        raise SettingsError(f"{place}: {_unknown(word, head)}")
    sign = {"prefer": "=", "match": "~"}.get(head, "")
    column, found, tail = rest.partition(sign) if sign else (rest, "", "")
    if (":" in form) != bool(colon) or (":" in form and not column.strip()) or (sign and not (found and tail.strip())):
        raise SettingsError(f"{place}: got {word!r}, wanted the form {form}")
    rule = Rule(head, column.strip())
    if head == "prefer":
        rule = Rule(head, rule.column, values=tuple(value.strip() for value in _split(tail, "|")))
    elif head == "match":
        rule = Rule(head, rule.column, pattern=tail)
    try:
        word.encode()  # surrogates, from bytes on the command line that are not UTF-8, cannot go to Arrow
        pc.match_substring_regex(pa.array([""]), rule.pattern)
    except (UnicodeEncodeError, pa.ArrowInvalid) as error:
        raise SettingsError(f"{place}: got {word!r}, wanted a regex in RE2's syntax; {error}") from error
    if "" in rule.values:
        raise SettingsError(f"{place}: got an empty value in {word!r}, wanted the form {form}")
    return rule


def _unknown(word: str, head: str) -> str:
    close = difflib.get_close_matches(head.strip().lower(), _FORMS, n=1, cutoff=0.5)
    remedy = f"; did you mean '{_FORMS[close[0]]}'?" if close else ""
    forms = ", ".join(_FORMS.values())
    return f"got {word!r}{remedy}; wanted one of {forms}; a comma inside a value or a regex is written \\,"


def _split(text: str, separator: str) -> list[str]:
    """Split at a separator, unless it stands behind a backslash; other pairs of backslash and character stay."""
    pieces = [""]
    for token in re.findall(r"\\.|.", text, re.DOTALL):
        if token == separator:
            pieces.append("")
        else:
            pieces[-1] += separator if token == "\\" + separator else token
    return pieces
