"""One story of a run, found by the id of the story, of a group or of an article in it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dedup.errors import InputError

if TYPE_CHECKING:
    from dedup.run import Result

# Columns of ids, and the article that stands for each.
_STANDS_FOR = {"story_id": "canonical_doc_id", "duplicate_id": "representative_doc_id", "doc_id": "doc_id"}
_MOST_COMPARED = 10_000  # ids that are compared letter by letter to guess which one was meant


def article(run: Result, any_id: str) -> str:
    """Return the id of an article: of the one that stands for it, where the id is that of a story or a group.

    Raises
    ------
    InputError
        There is no such id; the message names similar ones.
    """
    documents = run.documents
    column = _column(run, any_id)
    found = documents.filter(pc.equal(documents[column], any_id)).slice(0, 1)
    return str(found[_STANDS_FOR[column]][0].as_py())


def story(run: Result, any_id: str) -> dict[str, Any]:
    """Return one story as plain data, as `Result.story` says."""
    documents = run.documents
    column = _column(run, any_id)
    found = documents.filter(pc.equal(documents[column], any_id)).slice(0, 1)
    of = "story_id" if found["story_id"][0].is_valid else "duplicate_id"
    members, groups = (_where(table, of, found[of]) for table in (documents, run.groups))
    clusters = _where(run.clusters, "story_id", found["story_id"]).to_pylist()
    return {
        "story": clusters[0] if clusters else None,
        "groups": groups.to_pylist(),
        "documents": members.drop_columns({"text"} & set(members.column_names)).to_pylist(),
        "links": _links(run.pairs, members["doc_id"]),
    }


def _column(run: Result, any_id: str) -> str:
    """Return which kind of id it is, or raise."""
    for name in _STANDS_FOR:
        if pc.any(pc.equal(run.documents[name], any_id)).as_py():
            return name
    raise InputError(f"{run.path or 'run'}: no story, group or article {any_id!r}; {_similar(run, any_id)}")


def _where(table: pa.Table, column: str, values: pa.ChunkedArray) -> pa.Table:
    return table.filter(pc.is_in(table[column], values.combine_chunks().drop_null()))


def _links(pairs: pa.Table, members: pa.ChunkedArray) -> dict[str, Any]:
    inside = _where(_where(pairs, "doc_id_a", members), "doc_id_b", members)
    accepted = inside.filter(inside["accepted"])
    story = accepted.filter(pc.equal(accepted["level"], "story"))
    return {
        "duplicate": accepted.num_rows - story.num_rows,
        "story": story.num_rows,
        "refused": inside.num_rows - accepted.num_rows,
        "min_cosine": pc.min(story["cosine"]).as_py(),
        "mean_cosine": pc.mean(story["cosine"]).as_py(),
    }


def _similar(run: Result, any_id: str) -> str:
    """Say which ids may have been meant: those that contain this one, else those spelled like it."""
    near: list[str] = []
    for name in _STANDS_FOR:
        ids = run.documents[name].drop_null().unique()
        near += ids.filter(pc.match_substring(ids, any_id, ignore_case=True)).slice(0, 3).to_pylist()
        near += difflib.get_close_matches(any_id, ids.slice(0, _MOST_COMPARED).to_pylist(), 3, 0.6)
    names = ", ".join(repr(name) for name in dict.fromkeys(near[:5]))
    return f"similar are {names}" if names else "`dedup show RUN` lists the largest stories with their ids"
