"""Pairs of a run before a person: what is shown of them, and the verdicts that come back, saved one by one."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup import reading
from dedup.errors import DedupError
from dedup.labels import VERDICTS, Labels, pair_of
from dedup.run import Result

KEYS = {"t": "same text", "s": "same story", "d": "different", "k": "skip"}
MORE, BACK, QUIT = "m", "b", "q"
_SHOWN = 4000  # characters of a text


class Question(NamedTuple):
    """A pair to judge."""

    number: int
    of: int
    left: dict[str, Any]  # title, source, published_at, text_chars, text
    right: dict[str, Any]
    before: str | None  # verdict to be changed, where somebody went back


def review(result: Result, labels: Labels, asked: pa.Table, ask: Callable[[Question], str]) -> dict[str, int]:
    """Ask about the pairs that have no verdict yet.

    Parameters
    ----------
    labels : takes each verdict before the next question.
    asked : of `sampling.draw`.
    ask : returns a key of `KEYS`, `BACK` or `QUIT`.

    Returns
    -------
    How many verdicts of each kind the file holds now, and `left`: pairs of `asked` without one.
    """
    run_id = str(result.manifest["run_id"])
    rows = asked.to_pylist()
    todo = [row for row in rows if pair_of(row) not in labels.verdicts]
    shown = _articles(result, sorted({row[side] for row in todo for side in ("doc_id_a", "doc_id_b")}))
    done, place = len(rows) - len(todo), 0
    while place < len(todo):
        row = todo[place]
        before = labels.verdicts.get(pair_of(row), {}).get("verdict")
        sides = shown[row["doc_id_a"]], shown[row["doc_id_b"]]
        answer = ask(Question(done + place + 1, len(rows), *sides, before))
        if answer == QUIT:
            break
        if answer == BACK:
            place = max(place - 1, 0)
            continue
        labels.add({**row, "verdict": KEYS[answer], "run_id": run_id})
        place += 1
    counts = Counter(row["verdict"] for row in labels.verdicts.values())
    left = sum(pair_of(row) not in labels.verdicts for row in rows)
    return {**{verdict: counts[verdict] for verdict in VERDICTS}, "left": left}


def _articles(result: Result, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Return what is shown of each article: its text from the run, else from the input, else its first words."""
    place = pc.index_in(pa.array(ids, pa.string()), result.documents["doc_id"])
    found = result.documents.take(place)
    texts = found["text"].to_pylist() if "text" in found.column_names else _read(result, found)
    return {
        row["doc_id"]: {**row, "text": (text or row["excerpt"] or "")[:_SHOWN]}
        for row, text in zip(found.drop_columns({"text"} & set(found.column_names)).to_pylist(), texts, strict=True)
    }


def _read(result: Result, found: pa.Table) -> list[str | None]:
    """Read texts from the inputs; None where these are gone, have changed, or are no tables of records."""
    texts: list[str | None] = [None] * len(found)
    names = found["source_file"].to_pylist()
    rows = found["source_row"].to_numpy()
    for file in result.manifest["inputs"]:
        here = [position for position, name in enumerate(names) if name == file["source_file"]]
        here.sort(key=lambda position: rows[position])
        if not here or not file["path"]:
            continue
        try:
            if not reading.is_version(reading.place_of(file["path"]), file):
                continue
            records = reading.raw_records(file["path"], file["format"], rows[here].astype(np.int64))
            column = records[file["columns"]["text"]].to_pylist()
        except (DedupError, OSError, KeyError, pa.ArrowException):
            continue
        for position, text in zip(here, column, strict=True):
            texts[position] = str(text) if text else None
    return texts


def page(question: Question, width: int, height: int) -> list[str]:
    """Lay a pair out side by side.

    Parameters
    ----------
    width, height : columns and lines there are; the texts are cut to fit, down to five lines.
    """
    column = (width - 3) // 2
    sides = question.left, question.right
    heads = [wrapped(side["title"] or "(no title)", column)[:3] for side in sides]
    facts = [wrapped(_facts(side), column)[:2] for side in sides]
    rule = "─" * column + "─┼─" + "─" * column
    lines = [*_beside(heads[0], heads[1], column), *_beside(facts[0], facts[1], column), rule]
    room = max(height - len(lines) - 4, 5)
    bodies = []
    for side in sides:
        body = wrapped(side["text"] or "(no text)", column)
        bodies.append(body if len(body) <= room else [*body[: room - 1], "…"])
    before = f" · so far: {question.before}" if question.before else ""
    return [f"pair {question.number} of {question.of}{before}", "", *lines, *_beside(bodies[0], bodies[1], column)]


def _facts(side: dict[str, Any]) -> str:
    date = side["published_at"]
    day = f"{date.day} {date:%b %Y, %H:%M}" if date else "no date"
    return " · ".join(filter(None, (side["source"], day, f"{side['text_chars']:,} characters")))


def _beside(left: list[str], right: list[str], width: int) -> list[str]:
    count = max(len(left), len(right))
    rows = zip(left + [""] * (count - len(left)), right + [""] * (count - len(right)), strict=True)
    return [f"{one}{' ' * (width - cells(one))} │ {two}".rstrip() for one, two in rows]


def cells(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(map(_cell, text))


def _cell(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def wrapped(text: str, width: int) -> list[str]:
    """Break a text into lines of at most so many columns, at spaces where there are any."""
    lines, line, used = [], "", 0
    for word in "".join(char if char.isprintable() else " " for char in text).split():
        if line and used + 1 + cells(word) <= width:
            line, used = f"{line} {word}", used + 1 + cells(word)
            continue
        if line:
            lines.append(line)
        line, used = "", 0
        for char in word:
            if used + _cell(char) > width:
                lines.append(line)
                line, used = "", 0
            line, used = line + char, used + _cell(char)
    return [*lines, line] if line else lines
