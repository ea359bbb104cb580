"""The ids and sizes of groups and stories. A group lives with its representative, a story with its canonical article.

An id is made where the founding article lies: equal content keys lie in one part.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import tables as run_tables
from dedup.distributed.canonicals import STORIES
from dedup.distributed.flow import Message, Tables, ask, ask_for, deal, part_of_place, reply, rows

_Int = npt.NDArray[np.int64]

_FOUNDERS = {"duplicate": ("group_founders", "representative"), "story": ("story_founders", "canonical")}


def groups(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Count the members of each group and find its founder; tell its story; ask for what it is compared with.

    Inputs: members, chosen, facts. Streams: group_founders, grouped, canonicals, shingles_wanted.
    """
    if "members" not in tables:
        return
    members, chosen = tables["members"], tables["chosen"]
    representative, label = np.unique(members["representative"].to_numpy(), return_inverse=True)
    founder = members.take(pa.array(run_tables.founders(label, members["stamp"].to_numpy())))
    place = founder["position"].to_numpy()
    canonical = chosen["canonical"].to_numpy()[np.searchsorted(chosen["position"].to_numpy(), representative)]
    found = pa.table(
        {
            "representative": representative,
            "canonical": canonical,
            "duplicate_size": np.bincount(label),
            "founder": place,
            "key": founder["content_key"],
            "stamp": founder["stamp"],
        }
    )
    sent = found.select(["founder", "key", "representative"])
    yield from deal("group_founders", sent, part_of_place(place, starts))
    yield from deal("grouped", found, part_of_place(canonical, starts))
    yield from ask("canonicals", part, canonical[canonical != representative], starts)
    yield from _ask_shingles(members, tables["facts"], starts, part)


def _ask_shingles(members: pa.Table, facts: pa.Table, starts: _Int, part: int) -> Iterator[Message]:
    """Ask for the representative's text on behalf of the parts that have other units of its group."""
    position, unit = members["position"].to_numpy(), members["unit"].to_numpy()
    own = facts["unit"].to_numpy()[members["representative"].to_numpy() - starts[part]]
    measured = (position == unit) & (unit != own)
    yield from ask_for("shingles_wanted", own[measured], part_of_place(position[measured], starts), starts)


def ids(part: int, tables: Tables, *, starts: _Int, level: str) -> Iterator[Message]:
    """Make the ids of the clusters that the articles of this part founded, and send each to where the cluster lives.

    Inputs: group_founders or story_founders. Stream: duplicate_ids or story_ids.

    Parameters
    ----------
    level : duplicate or story
    """
    name, home = _FOUNDERS[level]
    if name not in tables:
        return
    founders = tables[name]
    made = run_tables.founder_ids(level[0], founders["key"].to_numpy(), founders["founder"].to_numpy())
    label = founders[home].to_numpy()
    table = pa.table({home: label, f"{level}_id": pa.array(made, pa.string())})
    yield from deal(f"{level}_ids", table, part_of_place(label, starts))


def stories(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Find the founder of each story.

    Inputs: grouped. Stream: story_founders.
    """
    if "grouped" not in tables:
        return
    found = tables["grouped"].sort_by("founder")
    canonical, label = np.unique(found["canonical"].to_numpy(), return_inverse=True)
    first = found.take(pa.array(run_tables.founders(label, found["stamp"].to_numpy())))
    table = first.select(["founder", "key"]).append_column("canonical", pa.array(canonical))
    yield from deal("story_founders", table, part_of_place(first["founder"].to_numpy(), starts))


def stands(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Tell each representative what its story is.

    Inputs: grouped, story_ids, facts, chosen. Stream: stands.
    """
    if "grouped" not in tables:
        return
    found, ids = tables["grouped"], tables["story_ids"].sort_by("canonical")
    canonical, label = np.unique(found["canonical"].to_numpy(), return_inverse=True)
    chosen = rows(tables, "chosen", STORIES)
    reason = chosen["reason"].take(pa.array(np.searchsorted(chosen["position"].to_numpy(), canonical)))
    size = np.bincount(label, found["duplicate_size"].to_numpy()).astype(np.int64)
    story = pa.table(
        {
            "story_id": ids["story_id"],
            "story_size": size,
            "n_groups": np.bincount(label),
            "canonical_doc_id": tables["facts"]["doc_id"].take(pa.array(canonical - starts[part])),
            "canonical_reason": reason,
        }
    )
    told = found.select(["representative", "canonical", "duplicate_size"])
    of_story = story.take(pa.array(label))
    for name in story.column_names:
        told = told.append_column(name, of_story[name])
    yield from deal("stands", told, part_of_place(found["representative"].to_numpy(), starts))


def told(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Tell each document what its group and story are, and how like their two articles.

    Inputs: stands, duplicate_ids, cosines, facts, representatives (who asked). Streams: told, standing.
    """
    if "stands" not in tables:
        return
    found, ids = tables["stands"].sort_by("representative"), tables["duplicate_ids"].sort_by("representative")
    representative = found["representative"].to_numpy()
    cosine = np.full(len(found), np.nan)
    if "cosines" in tables:
        cosines = tables["cosines"]
        cosine[np.searchsorted(representative, cosines["position"].to_numpy())] = cosines["cosine"].to_numpy()
    doc_id = tables["facts"]["doc_id"].take(pa.array(representative - starts[part]))
    found = found.append_column("duplicate_id", ids["duplicate_id"])
    found = found.append_column("cosine", pa.array(cosine)).append_column("representative_doc_id", doc_id)
    yield Message("standing", part, found.select(["representative", "duplicate_id", "story_id"]))
    yield from reply("told", tables["representatives"], found, representative)
