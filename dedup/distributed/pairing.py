"""The pairs table over parts: what was compared, and what came of it; each pair at the part of its left document."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import findings, schema
from dedup import pairing as run_pairs
from dedup.distributed.ends import linked
from dedup.distributed.filling import measured
from dedup.distributed.flow import Message, Tables, at, deal, ends, part_of_place, reply, rows
from dedup.kernels.nearest import best_scores
from dedup.manifests import ORDERS

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]


def _inside(links: pa.Table, known: pa.Table) -> _Bool:
    """Tell which links lie inside a story, bool[p]."""
    canonical = known["canonical"].to_numpy()
    left, right = (canonical[at(known, end)] for end in ends(links))
    inside: _Bool = (left == right) & pc.equal(links["reason"], run_pairs.TREE_CUT).to_numpy()
    return inside


def weigh(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Tell each representative its best links that do not hold, and stories how well their groups hang together.

    Inputs: links, unlike, known. Streams: missed, cohesions.
    """
    links = linked(tables)
    if not len(links):
        return
    known, inside = tables["known"], _inside(links, tables["known"])
    score = links["score"].to_numpy()
    node, place = np.unique(np.concatenate(ends(links)), return_inverse=True)
    left, right = np.split(place, 2)
    best = best_scores(len(node), left, right, run_pairs.missed(score, inside), run_pairs.NEAREST_REFUSED)
    row, rank = np.nonzero(best)
    yield from deal("missed", pa.table({"node": node[row], "score": best[row, rank]}), part_of_place(node[row], starts))
    of_left = known["canonical"].to_numpy()[at(known, links["left"].to_numpy())][inside]
    canonical, story = np.unique(of_left, return_inverse=True)
    total = pa.table({"canonical": canonical, "total": np.bincount(story, score[inside], len(canonical))})
    yield from deal("cohesions", total, part_of_place(canonical, starts))


def least(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Tell who asked what a link of a representative must reach to be among its best that do not hold.

    Inputs: missed, linked (who asked). Stream: least.
    """
    if "linked" not in tables:
        return
    missed = rows(tables, "missed", pa.schema([("node", pa.int64()), ("score", pa.float64())]))
    node = missed["node"].to_numpy() - starts[part]
    n = int(starts[part + 1] - starts[part])
    score = missed["score"].to_numpy()  # the second end is nobody
    best = best_scores(n + 1, node, np.full(len(node), n), score, run_pairs.NEAREST_REFUSED)[:n, -1]
    yield from reply("least", tables["linked"], pa.table({"least": best}), np.arange(starts[part], starts[part + 1]))


def pairs(part: int, tables: Tables) -> Iterator[Message]:
    """Fill the pairs table.

    Inputs: facts, known, least, verified, links, unlike. Streams: pairs, sorted inside the part; sizes.
    """
    if "facts" not in tables:
        return
    facts, known = tables["facts"], tables["known"]
    verified, links = rows(tables, "verified", schema.VERIFIED), linked(tables)
    group = known["representative"].to_numpy()
    left, right = (group[at(known, end)] for end in ends(verified))
    position, unit = facts["position"].to_numpy(), facts["unit"].to_numpy()
    copy = np.flatnonzero(unit != position)
    parts = [findings.told_verified(verified, left == right), findings.told_copies(unit[copy], position[copy])]
    if len(links):
        asked, (left, right) = tables["least"], ends(links)
        least = asked["least"].to_numpy()
        lower = np.minimum(least[at(asked, left)], least[at(asked, right)])
        cosine, score = links["cosine"].to_numpy(), links["score"].to_numpy()
        reason, held = links["reason"].to_numpy().astype(object), _inside(links, known)
        kept = held | run_pairs.near_misses(score, held, lower)
        ends_kept, scores = (left[kept], right[kept]), (cosine[kept], score[kept])
        parts.append(run_pairs.told_links(*ends_kept, *scores, reason[kept], held[kept]))
    made = _named(pa.concat_tables(parts), facts, known)
    yield Message("pairs", part, made)
    yield measured(part, made)


def _named(found: pa.Table, facts: pa.Table, known: pa.Table) -> pa.Table:
    """Give pairs the ids of their documents, the smaller one first, and sort them."""
    read = ["position", "doc_id", "published_at"]
    every = pa.concat_tables([known.select(read), facts.select(read)])  # of copies the part itself knows
    place, row = np.unique(every["position"].to_numpy(), return_index=True)
    doc_id, hours = every["doc_id"], run_pairs.hours_of(every["published_at"])
    left, right = (row[np.searchsorted(place, end)] for end in ends(found))
    a, b = (doc_id.take(pa.array(end)) for end in (left, right))
    swap = pc.greater(a, b)
    columns = zip(found.column_names, found.columns, strict=True)
    named = run_pairs.pair_rows(
        columns, pc.if_else(swap, b, a), pc.if_else(swap, a, b), np.abs(hours[left] - hours[right])
    )
    return named.sort_by(list(ORDERS["pairs"]))
