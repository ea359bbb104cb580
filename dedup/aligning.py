"""Two texts side by side: what they share word by word, and what only one of them has.

A token is what both passes take for one (`dedup/text.py`), compared without case and forms of letters. The longest
common subsequence is found exactly, by bits of one long integer (Crochemore et al. 2001; Hyyrö 2004), as far as its
rows take `_MOST_BITS`; longer texts are first cut where a run of tokens stands once in each (Cohen's patience diff),
and what lies between two cuts and is still too long counts as different.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dedup import text
from dedup.kernels import folding

_MOST_BITS = 1 << 28  # of all rows of a table: 32 MB, a quarter of a second
_ANCHOR = 4  # tokens of a run by which long texts are cut: names and numbers stand once by chance, such runs do not
PASSAGE = 3  # tokens, those of a shingle, from which a run is a passage whatever is around it
_Pairs = list[tuple[int, int]]


class Span(NamedTuple):
    """A stretch of both texts; `same` or not. Where it is empty in one text, only the other has it.

    Characters a[a_start:a_end] and b[b_start:b_end], white space and punctuation after the last token included. Spans
    follow each other without a gap and alternate, so that those of `a` make all of a, and those of `b` all of b.
    """

    same: bool
    a_start: int
    a_end: int
    b_start: int
    b_end: int
    tokens: int  # of the longer side


class Tokens(NamedTuple):
    """The tokens of a text: what they are compared by, and where each starts and ends, by character."""

    keys: list[str]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]


def align(a: str, b: str) -> list[Span]:
    """Align two texts token by token.

    A common word between two long changes is no agreement: a run of fewer than `PASSAGE` equal tokens that is shorter
    than what differs before or after it counts as different.

    Parameters
    ----------
    a, b : texts of any length and script

    Returns
    -------
    list of Span, in the order of the texts. Exact up to 16,000 tokens a side; deterministic; O(tokens) memory beyond
    the 32 MB of the table.
    """
    left, right = tokens(a), tokens(b)
    if a == b:
        return [Span(True, 0, len(a), 0, len(b), len(left.keys))] if a else []
    pairs = _common(left.keys, right.keys)
    runs = _kept(_runs(pairs), len(left.keys), len(right.keys))
    return list(_spans(runs, left, right, len(a), len(b)))


def tokens(string: str) -> Tokens:
    """Split a text as it stands into tokens; `text.tokenise` does so after folding, which moves characters.

    Parameters
    ----------
    string : any text
    """
    codes = np.frombuffer(string.encode("utf-32-le", "surrogatepass"), np.uint32)
    classes = text.unicode_tables().classes[codes]
    dropped = classes == folding.DROPPED  # part of the word around it
    unspaced = classes == folding.UNSPACED
    inside = (classes == folding.LETTER) | (classes == folding.DIGIT) | dropped | unspaced
    alone = np.append(unspaced, True)  # a token of its own; the last one stands for the end of the text
    before = np.concatenate(([False], inside[:-1]))
    begins = np.flatnonzero(inside & (~before | alone[:-1] | np.concatenate(([True], unspaced[:-1]))))
    ends = np.flatnonzero(inside & (~np.append(inside[1:], False) | alone[:-1] | alone[1:])) + 1
    known: dict[str, str] = {}
    keys = [
        known[word] if word in known else known.setdefault(word, _key(word))
        for word in (string[start:end] for start, end in zip(begins.tolist(), ends.tolist(), strict=True))
    ]
    filled = np.array([bool(key) for key in keys], np.bool_)  # nothing is left of a lone format character
    return Tokens([key for key in keys if key], begins[filled], ends[filled])


def _key(word: str) -> str:
    if word.isascii():
        return word.lower()
    folded = unicodedata.normalize("NFKC", word).casefold()
    return "".join(char for char in folded if unicodedata.category(char) != "Cf")


def _common(a: list[str], b: list[str]) -> _Pairs:
    """Return the places of equal tokens, rising in both."""
    first = 0
    shorter = min(len(a), len(b))
    while first < shorter and a[first] == b[first]:
        first += 1
    last = 0
    while last < shorter - first and a[-1 - last] == b[-1 - last]:
        last += 1
    head = [(i, i) for i in range(first)]
    tail = [(len(a) - last + i, len(b) - last + i) for i in range(last)]
    inner = _between(a[first : len(a) - last], b[first : len(b) - last])
    return [*head, *((i + first, j + first) for i, j in inner), *tail]


def _between(a: list[str], b: list[str]) -> _Pairs:
    """Return the longest common subsequence of two lists, exactly where they are short, else between anchors."""
    if len(a) * len(b) <= _MOST_BITS:
        return _subsequence(a, b)
    found: _Pairs = []
    budget = _MOST_BITS
    i, j = 0, 0
    for x, y in [*_anchors(a, b), (len(a), len(b))]:
        if x < i or y < j:
            continue  # covered by the run of the anchor before
        size = (x - i) * (y - j)
        if size <= budget:
            found += [(i + p, j + q) for p, q in _subsequence(a[i:x], b[j:y])]
            budget -= size
        i, j = x, y
        while i < len(a) and j < len(b) and a[i] == b[j]:
            found.append((i, j))
            i, j = i + 1, j + 1
    return found


def _anchors(a: list[str], b: list[str]) -> _Pairs:
    """Return where runs that stand once in each text begin, the most of them that rise in both (Fredman 1975)."""
    once_a, once_b = _single_runs(a), _single_runs(b)
    pairs = sorted((once_a[run], once_b[run]) for run in once_a.keys() & once_b.keys())
    tops: list[int] = []  # least end in b of a rising list of each length
    places: list[int] = []
    before = [-1] * len(pairs)
    for place, (_, y) in enumerate(pairs):
        length = bisect_left(tops, y)
        tops[length : length + 1] = [y]
        places[length : length + 1] = [place]
        before[place] = places[length - 1] if length else -1
    chosen = []
    place = places[-1] if places else -1
    while place >= 0:
        chosen.append(pairs[place])
        place = before[place]
    return chosen[::-1]


def _single_runs(words: list[str]) -> dict[tuple[str, ...], int]:
    """Return the runs of `_ANCHOR` tokens that stand once, and where."""
    found: dict[tuple[str, ...], int] = {}
    for place in range(len(words) - _ANCHOR + 1):
        run = tuple(words[place : place + _ANCHOR])
        found[run] = -1 if run in found else place
    return {run: place for run, place in found.items() if place >= 0}


def _subsequence(a: list[str], b: list[str]) -> _Pairs:
    """Return a longest common subsequence of two lists.

    Bit i of row j is 0 where the longest one of a[: i + 1] and b[: j + 1] is longer than that of a[:i] and b[: j + 1].
    The shorter list is the one in bits: O(len(a) · len(b) / 64) time and bits.
    """
    if len(a) > len(b):
        return [(i, j) for j, i in _subsequence(b, a)]
    held: dict[str, int] = {}
    for place, word in enumerate(a):
        held[word] = held.get(word, 0) | 1 << place
    full = (1 << len(a)) - 1
    row = full
    rows = []
    for word in b:
        match = row & held.get(word, 0)
        row = ((row + match) | (row - match)) & full
        rows.append(row)
    pairs = []
    i, j = len(a) - 1, len(b) - 1
    while i >= 0 and j >= 0:
        if rows[j] >> i & 1:
            i -= 1  # a[i] adds nothing
        elif j and not rows[j - 1] >> i & 1:
            j -= 1  # nor does b[j]
        else:
            pairs.append((i, j))
            i, j = i - 1, j - 1
    return pairs[::-1]


def _runs(pairs: _Pairs) -> list[tuple[int, int, int]]:
    """Join neighbours: place in a, place in b, length."""
    runs: list[tuple[int, int, int]] = []
    for i, j in pairs:
        if runs and (i, j) == (runs[-1][0] + runs[-1][2], runs[-1][1] + runs[-1][2]):
            runs[-1] = (*runs[-1][:2], runs[-1][2] + 1)
        else:
            runs.append((i, j, 1))
    return runs


def _kept(runs: list[tuple[int, int, int]], n_a: int, n_b: int) -> list[tuple[int, int, int]]:
    """Drop the runs that are shorter than a passage and than what differs before or after them."""
    kept: list[tuple[int, int, int]] = []
    for place, (i, j, length) in enumerate(runs):
        end_a, end_b = (kept[-1][0] + kept[-1][2], kept[-1][1] + kept[-1][2]) if kept else (0, 0)
        next_a, next_b = runs[place + 1][:2] if place + 1 < len(runs) else (n_a, n_b)
        differs = max(i - end_a, j - end_b, next_a - i - length, next_b - j - length)
        if length >= min(PASSAGE, differs):
            kept.append((i, j, length))
    return kept


def _spans(runs: list[tuple[int, int, int]], left: Tokens, right: Tokens, size_a: int, size_b: int) -> Iterator[Span]:
    """Turn runs of tokens into spans of characters; a stretch ends where the first token of the next one begins."""

    def begin(of: Tokens, place: int, size: int) -> int:
        return int(of.starts[place]) if place < len(of.keys) else size

    i = j = at_a = at_b = 0
    for x, y, length in [*runs, (len(left.keys), len(right.keys), 0)]:
        to_a = at_a if length and x == i else begin(left, x, size_a)
        to_b = at_b if length and y == j else begin(right, y, size_b)
        if to_a > at_a or to_b > at_b:
            yield Span(False, at_a, to_a, at_b, to_b, max(x - i, y - j))
        i, j, at_a, at_b = x + length, y + length, begin(left, x + length, size_a), begin(right, y + length, size_b)
        if length:
            yield Span(True, to_a, at_a, to_b, at_b, length)
