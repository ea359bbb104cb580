"""The stories that the page shows: which ones, and what of each, within a budget of bytes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup.report.wording import shortened, weight
from dedup.run import Result
from dedup.summaries import has_stories, of_documents

LISTED = 1500  # stories in the list
LISTED_BYTES = 450_000
OPENED = 300  # stories with their articles
OPENED_BYTES = 900_000
MEMBERS = 24  # articles of a story; more make its graph unreadable
COPIES = 3  # articles of one group that come before those of the next
LINKS = 80  # of a graph
TITLE = 200  # characters
UNTITLED = 110  # characters of a text in place of a title
EXCERPT = 200  # characters that a run keeps of a text
LONGEST_ID = 200
LONGEST_URL = 1000

_Row = dict[str, Any]


def listed(result: Result) -> tuple[list[_Row], int]:
    """Return the stories of two or more articles to list, and how many there are.

    Largest, newest, least cohesive, and those of most outlets take turns, so that each order begins with its own.
    Without stories, groups of copies stand in their place.

    Returns
    -------
    Rows with `id`, `title` (`untitled`: the beginning of the chosen article), `size`, `texts`, `outlets`, `first`,
    `last`, `cohesion`, `terms`, without what is unknown.
    """
    table = _units(result)
    turns = _in_turns(
        [
            _order(table, "size", "descending"),
            _order(table, "last", "descending"),
            _order(table.filter(pc.greater(table["texts"], 1)), "cohesion", "ascending"),
            _order(table, "outlets", "descending"),
        ]
    )
    wanted = [story for _, story in zip(range(LISTED), turns, strict=False)]
    by_id = {row["id"]: row for row in _take(table, wanted).to_pylist()}
    untitled = [row for row in by_id.values() if not row["title"]]
    beginnings = of_documents(result, "excerpt", [row["chosen"] for row in untitled])
    for row, beginning in zip(untitled, beginnings, strict=True):
        row |= {"title": shortened(beginning, UNTITLED), "untitled": True}
    rows: list[_Row] = []
    spent = 0
    for story in wanted:
        row = _row(by_id[story])
        spent += weight(row)
        if spent > LISTED_BYTES:
            break
        rows.append(row)
    return rows, table.num_rows


def _units(result: Result) -> pa.Table:
    if has_stories(result):
        table = result.clusters.filter(pc.greater(result.clusters["story_size"], 1))
        names = {"story_id": "id", "story_size": "size", "n_groups": "texts", "canonical_doc_id": "chosen"}
        table = table.select(
            [*names, "title", "n_sources", "first_published_at", "last_published_at", "cohesion", "top_terms"]
        )
    else:
        table = result.groups.filter(pc.greater(result.groups["duplicate_size"], 1))
        names = {"duplicate_id": "id", "duplicate_size": "size", "representative_doc_id": "chosen"}
        title = of_documents(result, "title", table["representative_doc_id"].to_pylist())
        table = table.select([*names, "n_sources", "first_published_at", "last_published_at", "cohesion"])
        table = table.append_column("title", pa.array(title, pa.string()))
        table = table.append_column("texts", pa.array(np.ones(len(title), np.int32)))
    names |= {"n_sources": "outlets", "first_published_at": "first", "last_published_at": "last", "top_terms": "terms"}
    return table.rename_columns([names.get(name, name) for name in table.column_names])


def _order(table: pa.Table, column: str, direction: str) -> list[str]:
    known = table.filter(pc.is_valid(table[column]))
    top = known.select(["id", column]).sort_by([(column, direction), ("id", "ascending")]).slice(0, LISTED)
    ids: list[str] = top["id"].to_pylist()
    return ids


def _in_turns(orders: list[list[str]]) -> Iterator[str]:
    """Yield what comes next in each order, each once."""
    turns = chain.from_iterable(zip_longest(*orders))
    return iter(dict.fromkeys(story for story in turns if story is not None))


def _take(table: pa.Table, ids: list[str]) -> pa.Table:
    return table.filter(pc.is_in(table["id"], pa.array(ids, pa.string())))


def _row(found: _Row) -> _Row:
    row = {**found, "title": shortened(found["title"], TITLE), "chosen": None}
    for end in ("first", "last"):
        row[end] = _when(found[end])
    if found["cohesion"] is not None:
        row["cohesion"] = round(found["cohesion"], 3)
    return {name: value for name, value in row.items() if value is not None and value != ""}


def opened(result: Result, rows: list[_Row]) -> dict[str, _Row]:
    """Return the articles and links of the first stories of a list, by id, as many as the budget bears.

    Returns
    -------
    By id of the story: `members` (rows of `doc`), `hidden` (how many more there are), and `links` (`a`, `b`: places
    among the members; `copy`: whether they are copies; `score`: the larger of Jaccard and containment, or that between
    stories), the strongest ones.
    """
    wanted = [row["id"] for row in rows[:OPENED]]
    column = "story_id" if has_stories(result) else "duplicate_id"
    documents = result.documents.filter(pc.is_in(result.documents[column], pa.array(wanted, pa.string())))
    places = _shown(documents, column)
    shown = documents.take(pa.array(np.concatenate([*places.values(), np.empty(0, np.int64)])))
    links = _links(result.pairs, shown["doc_id"])
    found: dict[str, _Row] = {}
    spent = 0
    for row in rows[:OPENED]:
        members = documents.take(pa.array(places[row["id"]])).to_pylist()
        at = {member["doc_id"]: place for place, member in enumerate(members)}
        inside = [link for doc_id in at for link in links.get(doc_id, ()) if link[1] in at]
        inside.sort(key=lambda link: (not link[2], -link[3], at[link[0]], at[link[1]]))
        story = {
            "members": _members(members),
            "hidden": row["size"] - len(members),
            "links": [[at[a], at[b], int(copy), score] for a, b, copy, score in inside[:LINKS]],
        }
        spent += weight(story)
        if spent > OPENED_BYTES:
            break
        found[row["id"]] = story
    return found


def _shown(documents: pa.Table, column: str) -> dict[str, npt.NDArray[np.int64]]:
    """Choose the articles of each story to show: a few of each group, group by group, then more of each.

    Returns
    -------
    By story: int64[m] positions in `documents`, in its order.
    """
    stories: dict[str, list[int]] = {}
    for place, story in enumerate(documents[column].to_pylist()):
        stories.setdefault(story, []).append(place)
    group = documents["duplicate_id"].to_pylist()
    found = {}
    for story, places in stories.items():
        seen: dict[str, int] = {}
        turn = []
        for place in places:
            turn.append(seen.get(group[place], 0) // COPIES)
            seen[group[place]] = seen.get(group[place], 0) + 1
        first = np.argsort(turn, kind="stable")[:MEMBERS]
        found[story] = np.array(places, np.int64)[np.sort(first)]
    return found


def _links(pairs: pa.Table, shown: pa.ChunkedArray) -> dict[str, list[tuple[str, str, bool, float]]]:
    """Return the accepted pairs among the articles shown, by the first of the two."""
    pairs = pairs.select(["doc_id_a", "doc_id_b", "level", "jaccard", "containment", "score", "accepted"])
    pairs = pairs.filter(pairs["accepted"])
    for side in ("doc_id_a", "doc_id_b"):
        pairs = pairs.filter(pc.is_in(pairs[side], shown.combine_chunks()))
    found: dict[str, list[tuple[str, str, bool, float]]] = {}
    for pair in pairs.to_pylist():
        copy = pair["level"] == "duplicate"
        score = max(pair["jaccard"] or 0.0, pair["containment"] or 0.0) if copy else pair["score"] or 0.0
        found.setdefault(pair["doc_id_a"], []).append((pair["doc_id_a"], pair["doc_id_b"], copy, round(score, 3)))
    return found


def _members(documents: list[_Row]) -> list[_Row]:
    groups: dict[str, int] = {}
    found = []
    for document in documents:
        url = document["url"] or ""
        is_link = url.lower().startswith(("http://", "https://")) and len(url) <= LONGEST_URL
        member = {
            "id": shortened(document["doc_id"], LONGEST_ID),
            "group": groups.setdefault(document["duplicate_id"], len(groups)),
            "relation": document["relation"],
            "stands": True if document["is_representative"] else None,
            "chars": document["text_chars"],
            "likeness": _likeness(document),
            "title": shortened(document["title"], TITLE),
            "source": shortened(document["source"], TITLE),
            "url": url if is_link else None,
            "date": _when(document["published_at"]),
            # An exact copy begins as the text that it copies does.
            "excerpt": None if document["relation"] == "exact" else _excerpt(document["excerpt"]),
            "why": document["canonical_reason"] if document["relation"] == "canonical" else None,
        }
        found.append({name: value for name, value in member.items() if value is not None and value != ""})
    return found


def _likeness(document: _Row) -> float | None:
    """Return how alike an article is to the one that its relation names."""
    column = {"near": "jaccard", "contained": "containment", "same_story": "cosine"}.get(document["relation"])
    value = document[column] if column else None
    return None if value is None else round(value, 3)


def _excerpt(text: str | None) -> str | None:
    """Return an excerpt that does not end inside a word, where words are spaced."""
    if text is None or len(text) < EXCERPT:
        return text
    whole, _, part = text.rpartition(" ")
    return (whole if whole and len(part) < EXCERPT // 4 else text).rstrip(" ,;:-–—") + " …"


def _when(date: Any) -> str | None:
    return None if date is None else f"{date:%Y-%m-%dT%H:%M}"
