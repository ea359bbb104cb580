"""Other articles made from a labelled set, from a seed: unrelated batches, planted boilerplate, planted bridges.

The planted wording is our own invention. (Other dates for the same articles: `timelines`.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.quality.sets import ARTICLE, codes

_Random = np.random.Generator

SOURCES = 10  # invented where a set names none
FOOTED = 0.30  # share of the articles that get a footer
FOOTER_WORDS = 60
PLANTED = 0.30  # share of the words of an article that is boilerplate
LEAD_WORDS = 45

_SYLLABLES = ("bar", "den", "fol", "gry", "hal", "kes", "lun", "mor", "nev", "ost", "pel", "rud", "syl", "tam", "vor")
_SENTENCES = (
    "{Paper} is published by {Owner} Media from its offices at {number} Quay Street in {Town}.",
    "All rights reserved; no part of this page may be copied, stored or sent on without leave in writing from {Owner}.",
    "Have you seen something that our readers in {Town} should know about?",
    "Call the newsroom on {number} {number} at any hour or write to the desk at {Paper}.",
    "Corrections are made at the foot of the page, and the editor {Editor} answers every complaint within a week.",
    "Subscribers get the morning letter, the weekend magazine and the crossword app at no further cost.",
    "Our reporters may earn a small commission when you buy through links, which never decides what we cover.",
    "Sign up for the {Paper} letter and have the best of the day in your inbox before breakfast.",
    "Opinions on these pages belong to those who wrote them and need not be shared by {Owner} or its partners.",
    "Weather pages are made with figures from the {Town} observatory and are renewed four times a day.",
    "Share prices are delayed by at least fifteen minutes and are no advice to buy or sell.",
    "Follow {Paper} on every large network, or listen to our daily podcast with {Editor}.",
    "Comments are open for two days, are read before they appear and must follow the rules of the house.",
    "The archive reaches back to the first printed number and can be searched free of charge by schools in {Town}.",
    "To place a notice, a vacancy or an advertisement, write to the sales team of {Owner} Media.",
    "This site keeps small files on your device to remember your choices and to count its visitors.",
    "By going on you accept the cookies of {Paper} and of {number} partners that measure audiences for us.",
    "You may withdraw your consent at any time under privacy settings at the end of each page.",
    "Your data are kept for thirteen months on servers in {Town} and are never sold.",
    "Legitimate interest is the ground on which some partners of {Owner} work without asking you again.",
    "Most read today: what the changes to parking in {Town} mean for you, and ten gardens worth a trip.",
    "More from {Editor}: why the old harbour matters, and a recipe for plum cake that never fails.",
    "Read next: our guide to the summer festivals, the long walk of the month, and the quiz of the week.",
    "Photographs are by our own staff or by agencies named beside them and may not be used elsewhere.",
    "{Paper} is a member of the press council and keeps to its code; rulings are printed in full.",
    "Printed on paper from managed forests at the {Town} works, which run on water power.",
)
_HEADER = "Skip to content. {Paper} home, News, Sport, Business, Culture, Weather, Puzzles, Sign in, Subscribe."
_SHARE_BAR = "Share this article: copy link, email, print, save for later. Follow {Editor} for more like this."


def one_per_story(table: pa.Table, n: int, random: _Random) -> pa.Table:
    """Draw one random article of each of n random stories, or of all where there are fewer."""
    order = random.permutation(len(table))
    _, first = np.unique(codes(table["story_id"])[order], return_index=True)
    return table.take(pa.array(random.permutation(order[first])[:n]))


def with_sources(table: pa.Table, random: _Random) -> pa.Table:
    """Invent ten sources for a set that names none; others keep theirs."""
    if table["source"].null_count < len(table):
        return table
    names = [f"outlet-{i}" for i in random.integers(SOURCES, size=len(table))]
    return _replaced(table, "source", names)


def with_footers(table: pa.Table, random: _Random) -> pa.Table:
    """Give 30 % of the articles the footer of their source, about 60 words."""
    table = with_sources(table, random)
    pages = _pages(table)
    footed = random.random(len(table)) < FOOTED
    rows = zip(table["text"].to_pylist(), table["source"].to_pylist(), footed, strict=True)
    texts = [f"{text}\n\n{_cut(pages[source][2], FOOTER_WORDS)}" if hit else text for text, source, hit in rows]
    return _replaced(table, "text", texts)


def with_pages(table: pa.Table, random: _Random) -> pa.Table:
    """Make 30 % of the words of every article boilerplate: header and share bar before, notices and footer behind.

    A source has about 430 words of it, so a text over 1,000 words gets a smaller share; the shortest ones get the
    beginning of the header only.
    """
    table = with_sources(table, random)
    pages = _pages(table)
    texts = []
    for text, source in zip(table["text"].to_pylist(), table["source"].to_pylist(), strict=True):
        left = round(len((text or "").split()) * PLANTED / (1 - PLANTED))
        pieces = []
        for piece in pages[source]:
            pieces.append(_cut(piece, left))
            left -= len(pieces[-1].split())
        header, bar, footer = pieces
        texts.append("\n\n".join(part for part in (header, bar, text, footer) if part))
    return _replaced(table, "text", texts)


def with_bridges(table: pa.Table, random: _Random, pairs: int, bridges: int, digests: int) -> pa.Table:
    """Add articles that belong to several stories: `bridges` for each of some pairs of large stories, and digests.

    A bridge is the first half of a random article of one story and the second half of one of the other. A digest holds
    the first 45 words of articles of ten stories. Added articles have ids that begin with `planted/`, and no label.
    """
    story = codes(table["story_id"])
    texts = table["text"].to_pylist()
    sizes = np.bincount(story)
    large = np.lexsort((np.arange(len(sizes)), -sizes))[: 2 * pairs]
    large = random.permutation(large)[: len(large) // 2 * 2]
    drawn = [texts[i] for a, b in large.reshape(-1, 2) for _ in range(bridges) for i in _members(story, (a, b), random)]
    added = [_halves(left, right) for left, right in zip(drawn[::2], drawn[1::2], strict=True)]
    for _ in range(digests):
        some = random.choice(len(sizes), min(10, len(sizes)), replace=False)
        added.append("\n\n".join(_cut(texts[i], LEAD_WORDS) for i in _members(story, some, random)))
    rows = [{"id": f"planted/{i}", "text": text} for i, text in enumerate(added)]
    return pa.concat_tables([table, pa.Table.from_pylist(rows, ARTICLE)])


def _members(story: npt.NDArray[np.int64], some: Sequence[int], random: _Random) -> list[int]:
    """Draw one article of each of some stories."""
    return [int(random.choice(np.flatnonzero(story == s))) for s in some]


def _halves(left: str, right: str) -> str:
    first, second = left.split(), right.split()
    return " ".join(first[: len(first) // 2] + second[len(second) // 2 :])


def _pages(table: pa.Table) -> dict[str | None, tuple[str, str, str]]:
    """Write header, share bar and footer of every source: sentences in an order and with names of its own."""
    pages: dict[str | None, tuple[str, str, str]] = {}
    for place, source in enumerate(sorted(set(table["source"].to_pylist()), key=str)):
        random = np.random.default_rng(place)  # by place, since a footer does not depend on who else gets one
        names = {name: _name(random) for name in ("Paper", "Owner", "Town", "Editor")}
        order = random.permutation(len(_SENTENCES))
        filled = [_SENTENCES[i].format(number=random.integers(2, 999), **names) for i in order]
        pages[source] = (_HEADER.format(**names), _SHARE_BAR.format(**names), " ".join(filled))
    return pages


def _name(random: _Random) -> str:
    return "".join(random.choice(_SYLLABLES, 3)).capitalize()


def _cut(text: str, words: int) -> str:
    return " ".join(text.split()[: max(words, 0)])


def _replaced(table: pa.Table, name: str, values: list[str]) -> pa.Table:
    field = table.schema.field(name)
    return table.set_column(table.column_names.index(name), field, pa.array(values, field.type))
