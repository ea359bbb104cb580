"""The worst errors of a run, with the evidence that the run itself gives: what to read before the next idea.

A clash is two gold stories in one predicted story; a miss is one gold story in two predicted ones. Both weigh as many
pairs of articles as they get wrong, and each is shown by one pair: the one with the highest score.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from benchmarks.quality.scores import predicted
from benchmarks.quality.sets import LabelledSet, Pairs
from dedup.run import Result

_Int = npt.NDArray[np.int64]
Row = dict[str, Any]

WIDTH = 100  # columns of a terminal
_TITLE_CHARS = 100
_MOST_ARTICLES = 400  # of each side, compared for the pair that is shown


def wrong_merges(labelled: LabelledSet, result: Result, count: int) -> list[Row]:
    """Return the pairs of gold stories that share most wrong pairs in one predicted story."""
    return _worst(labelled, result, count, predicted(result, labelled.ids), labelled.stories)


def misses(labelled: LabelledSet, result: Result, count: int) -> list[Row]:
    """Return the parts of gold stories that lost most pairs to each other."""
    return _worst(labelled, result, count, labelled.stories, predicted(result, labelled.ids))


def merged_templates(labelled: LabelledSet, pairs: Pairs, result: Result, count: int) -> list[Row]:
    """Return pairs labelled different that end in one story, the likest first."""
    zero = pairs.table.filter(pc.equal(pairs.table["label"], 0))
    place = {name: pc.index_in(zero[name], value_set=labelled.ids).to_numpy() for name in ("doc_id_a", "doc_id_b")}
    story = predicted(result, labelled.ids)
    both = np.column_stack((place["doc_id_a"], place["doc_id_b"]))
    both = both[story[both[:, 0]] == story[both[:, 1]]]
    evidence = _Evidence(labelled, result)
    rows = [evidence.row(int(a), int(b), 1) for a, b in both]
    rows.sort(key=lambda row: (-(row["score"] or 0.0), row["ids"]))
    return rows[:count]


def text(title: str, rows: Iterable[Row]) -> str:
    """Lay the errors out in 100 columns."""
    lines = [title]
    for number, row in enumerate(rows, 1):
        scores = "  ".join(f"{name} {row[name]:.3f}" for name in ("cosine", "score") if row[name] is not None)
        weight = f"{row['pairs']:,} pairs  " if row["pairs"] > 1 else ""
        lines.append(f"{number:3}. {weight}{row['reason']}  {scores}".rstrip())
        for side in ("a", "b"):
            at = row[f"date_{side}"] or "no date"
            sizes = f"gold {row[f'gold_{side}']}, found {row[f'found_{side}']}"
            head = f"     {at:<10}  {sizes:<20}  "
            body = textwrap.wrap(row[f"title_{side}"], WIDTH - len(head)) or [""]
            lines += [f"{head}{body[0]}", *(" " * len(head) + line for line in body[1:])]
        lines.append(f"     {row['ids']}"[:WIDTH])
    return "\n".join(lines)


def _worst(labelled: LabelledSet, result: Result, count: int, joined: _Int, parted: _Int) -> list[Row]:
    """Find what `joined` puts together and `parted` keeps apart, the heaviest first and equals in a fixed shuffle."""
    ids = labelled.ids.to_pylist()
    cells: dict[int, dict[int, list[int]]] = {}
    for i, (whole, part) in enumerate(zip(joined.tolist(), parted.tolist(), strict=True)):
        cells.setdefault(whole, {}).setdefault(part, []).append(i)
    clashes = [
        (-len(a) * len(b), crc32(f"{ids[a[0]]} {ids[b[0]]}".encode()), a, b)
        for parts in cells.values()
        for a, b in itertools.combinations(parts.values(), 2)
    ]
    evidence = _Evidence(labelled, result)
    return [evidence.best(a, b, -weight) for weight, _, a, b in sorted(clashes)[:count]]


class _Evidence:
    """What a run says about pairs of articles; in pass 2 it speaks of their representatives."""

    def __init__(self, labelled: LabelledSet, result: Result) -> None:
        documents = result.documents
        place = pc.index_in(labelled.ids, value_set=documents["doc_id"])
        self._documents = documents.take(place).select(["doc_id", "title", "excerpt", "published_at"]).to_pylist()
        self._representative = documents["representative_doc_id"].take(place).to_pylist()
        pairs = result.pairs.select(["doc_id_a", "doc_id_b", "level", "cosine", "score", "reason"]).to_pylist()
        self._links = {(p["doc_id_a"], p["doc_id_b"]): p for p in pairs if p["level"] == "story"}
        self._refused = {(p["doc_id_a"], p["doc_id_b"]): p for p in pairs if p["level"] == "duplicate"}
        self._gold = np.bincount(labelled.stories)[labelled.stories] if labelled.kind != "pairs" else None
        found = predicted(result, labelled.ids)
        self._found = np.bincount(found)[found]

    def best(self, a: list[int], b: list[int], pairs: int) -> Row:
        """Show the pair of two sides with the highest score, else the first."""
        sides = itertools.product(a[:_MOST_ARTICLES], b[:_MOST_ARTICLES])
        i, j = max(sides, key=lambda pair: (self._link(*pair)["score"] or 0.0, -pair[0], -pair[1]))
        return self.row(i, j, pairs)

    def row(self, i: int, j: int, pairs: int) -> Row:
        """Describe two articles and what links or parts them."""
        link = self._link(i, j)
        row: Row = {"pairs": pairs, **link, "ids": f"{self._documents[i]['doc_id']}  {self._documents[j]['doc_id']}"}
        for side, k in (("a", i), ("b", j)):
            document = self._documents[k]
            row[f"title_{side}"] = " ".join((document["title"] or document["excerpt"] or "").split())[:_TITLE_CHARS]
            row[f"date_{side}"] = document["published_at"] and document["published_at"].strftime("%Y-%m-%d")
            row[f"gold_{side}"] = int(self._gold[k]) if self._gold is not None else 1
            row[f"found_{side}"] = int(self._found[k])
        return row

    def _link(self, i: int, j: int) -> Row:
        first, second = sorted((self._representative[i], self._representative[j]))
        if first == second:
            return {"reason": "same copy", "cosine": None, "score": None}
        known = self._links.get((first, second)) or self._refused.get((first, second))
        if known is None:
            return {"reason": "no link", "cosine": None, "score": None}
        return {name: known[name] for name in ("reason", "cosine", "score")}
