"""Which article of a distributed job stands for its group and its story, by the rules of `dedup.canonical`.

What the policy reads of the articles of a group or story comes to one part; an article alone stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import canonical, schema
from dedup.distributed.attaching import GROUPED
from dedup.distributed.components import bucket_of
from dedup.distributed.corpus import Corpus
from dedup.distributed.flow import Dataset, Flow, Message, Tables, deal, part_of_place, rows
from dedup.findings import mean_at, mean_score
from dedup.policy import Rule

_Int = npt.NDArray[np.int64]

COPIES = pa.schema([*GROUPED, ("representative", pa.int64()), ("reason", pa.string())])
STORIES = pa.schema(
    [("position", pa.int64()), ("story", pa.int64()), ("canonical", pa.int64()), ("reason", pa.string())]
)
_CLUSTERS = pa.schema([("cluster", pa.int64())])
_ENDS = pa.schema([("position", pa.int64()), ("score", pa.float64())])
_LINKS = pa.schema([("story", pa.int64()), ("left", pa.int64()), ("right", pa.int64()), ("score", pa.float64())])
_CHOSEN = pa.schema([("cluster", pa.int64()), ("chosen", pa.int64()), ("reason", pa.string())])


def representatives(flow: Flow, corpus: Corpus, grouped: Dataset, verified: Dataset, policy: Sequence[Rule]) -> Dataset:
    """Choose the representative of each group, as `pipeline.find_copies` does.

    Parameters
    ----------
    grouped : of `groups.group`
    verified : schema.VERIFIED, at the part of `left`, sorted by left and right
    policy : how one is chosen, of `policy.parse_policy`

    Returns
    -------
    By part, sorted: `COPIES`, a row for each document.
    """
    starts = corpus.starts
    known = flow.step("central", partial(_ends, starts=starts), grouped=grouped, verified=verified)
    dealt = flow.step(
        "group-rows", partial(_group_rows, starts=starts, policy=policy),
        grouped=grouped, documents=corpus.documents, verified=verified, ends=known["ends"], several=known["several"],
    )  # fmt: skip
    choose = partial(_choose_representatives, starts=starts, policy=policy)
    chosen = flow.step("representatives", choose, places=dealt["places"], rows=dealt["rows"])["chosen"]
    return flow.step("copies", _copies, grouped=grouped, chosen=chosen)["copies"]


def chosen_of_stories(
    flow: Flow,
    corpus: Corpus,
    copies: Dataset,
    stories: Dataset,
    links: Dataset,
    policy: Sequence[Rule],
) -> Dataset:
    """Choose the canonical article of each story among its representatives, as `pipeline.choose_canonicals` does.

    Parameters
    ----------
    copies : of `representatives`
    stories : position of every representative, story (smallest position of its representatives); by part
    links : schema.LINKS with positions, at the part of `left`, sorted by left and right
    policy : how one is chosen, of `policy.parse_policy`

    Returns
    -------
    By part, sorted: `STORIES`, a row for each representative.
    """
    starts = corpus.starts
    known = flow.step("story-links", partial(_story_links, starts=starts), stories=stories, links=links)
    dealt = flow.step(
        "story-rows", partial(_story_rows, starts=starts, policy=policy),
        stories=stories, copies=copies, documents=corpus.documents, several=known["several"],
    )  # fmt: skip
    choose = partial(_choose_canonicals, starts=starts, policy=policy)
    chosen = flow.step(
        "canonicals", choose, places=dealt["places"], rows=dealt["rows"], links=known["links"]
    )["chosen"]  # fmt: skip
    return flow.step("stories", _stories, stories=stories, copies=copies, chosen=chosen)["stories"]


def _ends(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Tell the right documents of accepted pairs their scores, and groups that they have several documents."""
    yield from _several(tables["grouped"]["position"], tables["grouped"]["group"], starts)
    accepted = _accepted(tables)
    right = accepted["right"].to_numpy()
    ends = pa.Table.from_arrays([accepted["right"], accepted["jaccard"]], schema=_ENDS)
    yield from deal("ends", ends, part_of_place(right, starts))


def _accepted(tables: Tables) -> pa.Table:
    verified = rows(tables, "verified", schema.VERIFIED)
    return verified.filter(verified["accepted"])


def _several(position: pa.ChunkedArray, cluster: pa.ChunkedArray, starts: _Int) -> Iterator[Message]:
    """Name the clusters that have more members than the one that names them to the part of that one."""
    named = cluster.to_numpy()
    others = np.unique(named[named != position.to_numpy()])
    yield from deal(
        "several", pa.Table.from_arrays([pa.array(others)], schema=_CLUSTERS), part_of_place(others, starts)
    )


def _of_several(tables: Tables, position: _Int, cluster: _Int) -> _Int:
    """Return the rows, int64[m], whose clusters have other members too."""
    several = rows(tables, "several", _CLUSTERS)["cluster"].to_numpy()
    return np.flatnonzero((cluster != position) | np.isin(position, several))


def _group_rows(part: int, tables: Tables, *, starts: _Int, policy: Sequence[Rule]) -> Iterator[Message]:
    """Send documents of groups of several to the part that chooses among them."""
    grouped, first = tables["grouped"], starts[part]
    accepted, ends = _accepted(tables), rows(tables, "ends", _ENDS)
    # Left ends before right ones, each in the order of the pairs, as one machine sums them.
    places = np.concatenate((accepted["left"].to_numpy(), ends["position"].to_numpy()))
    scores = np.concatenate((accepted["jaccard"].to_numpy(), ends["score"].to_numpy()))
    central = mean_at(len(grouped), places - first, scores)
    group = grouped["group"].to_numpy()
    some = _of_several(tables, grouped["position"].to_numpy(), group)
    some = _deciding(tables["documents"], grouped, some, policy)
    sent = grouped.append_column("central", pa.array(central)).take(pa.array(some))
    yield from _deal_rows(sent, tables["documents"], some, group[some], len(starts) - 1, policy)


def _deciding(documents: pa.Table, grouped: pa.Table, some: _Int, policy: Sequence[Rule]) -> _Int:
    """Leave out those that cannot decide: of a flood of equal texts, all but two of this part and the very first."""
    read = documents.select(canonical.columns(documents, policy)).take(pa.array(some))
    unit, position = (grouped[name].to_numpy()[some] for name in ("unit", "position"))
    kept = unit == position  # which alone knows how central they are
    kept[canonical.leading(read, unit, policy)] = True
    deciding: _Int = some[kept]
    return deciding


def _deal_rows(
    places: pa.Table, documents: pa.Table, some: _Int, cluster: _Int, parts: int, policy: Sequence[Rule]
) -> Iterator[Message]:
    """Send what is known of some documents and, apart since columns may be named alike, what the policy reads."""
    bucket = bucket_of(cluster, parts)
    yield from deal("places", places, bucket)
    yield from deal("rows", documents.select(canonical.columns(documents, policy)).take(pa.array(some)), bucket)


def _choose_representatives(_: int, tables: Tables, *, starts: _Int, policy: Sequence[Rule]) -> Iterator[Message]:
    """Choose among the documents of each group that is here; a copy is as central as its unit."""
    places = tables["places"]  # in the order of positions, since parts are
    position, unit, group = (places[name].to_numpy() for name in ("position", "unit", "group"))
    central = places["central"].to_numpy()[np.searchsorted(position, unit)]
    yield from _chosen(places, group, tables["rows"], central, starts, policy)


def _chosen(
    places: pa.Table,
    cluster: _Int,
    documents: pa.Table,
    central: npt.NDArray[np.float64],
    starts: _Int,
    policy: Sequence[Rule],
) -> Iterator[Message]:
    """Choose one article of each cluster and tell the parts that have some of its articles."""
    position = places["position"].to_numpy()
    label = np.unique(cluster, return_inverse=True)[1]
    contained = places["contained"].to_numpy(zero_copy_only=False)
    chosen, reason = canonical.choose(documents, label, policy, central=central, contained=contained)
    home = part_of_place(position, starts)
    order = np.lexsort((cluster, home))
    once = order[np.flatnonzero(np.diff(home[order], prepend=-1) | np.diff(cluster[order], prepend=-1))]
    columns = [cluster[once], position[chosen][label[once]], pa.array(reason[label[once]], pa.string())]
    yield from deal("chosen", pa.Table.from_arrays([*map(pa.array, columns)], schema=_CHOSEN), home[once])


def _copies(part: int, tables: Tables) -> Iterator[Message]:
    """Give each document the representative of its group, and why it is that one."""
    grouped = tables["grouped"]
    position = grouped["position"].to_numpy()
    only = np.full(len(position), "only", np.object_)
    chosen, reason = _with_chosen(tables, position, grouped["group"].to_numpy(), only)
    columns = [*grouped.columns, pa.array(chosen), pa.array(reason, pa.string())]
    yield Message("copies", part, pa.Table.from_arrays(columns, schema=COPIES))


def _with_chosen(
    tables: Tables, position: _Int, cluster: _Int, reason: npt.NDArray[np.object_]
) -> tuple[_Int, npt.NDArray[np.object_]]:
    """Return what was chosen for each article and why; itself, and the reason given, for those that are alone."""
    if "chosen" not in tables:
        return position, reason
    found = tables["chosen"].sort_by("cluster")
    known = found["cluster"].to_numpy()
    row = np.minimum(np.searchsorted(known, cluster), len(known) - 1)
    told = known[row] == cluster
    chosen = np.where(told, found["chosen"].to_numpy()[row], position)
    return chosen, np.where(told, found["reason"].to_numpy(zero_copy_only=False)[row], reason)


def _story_links(_: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Send the links that may lie inside a story to the part that chooses for it, and name stories of several."""
    if "stories" not in tables:
        return
    stories = tables["stories"].sort_by("position")
    position, story = stories["position"].to_numpy(), stories["story"].to_numpy()
    yield from _several(stories["position"], stories["story"], starts)
    links = rows(tables, "links", schema.LINKS)
    own = story[np.searchsorted(position, links["left"].to_numpy())]
    inside = own <= links["right"].to_numpy()  # a story is named by its smallest position
    columns = [pa.array(own), *(links[name] for name in ("left", "right", "score"))]
    sent = pa.Table.from_arrays(columns, schema=_LINKS).filter(pa.array(inside))
    yield from deal("links", sent, bucket_of(own[inside], len(starts) - 1))


def _story_rows(part: int, tables: Tables, *, starts: _Int, policy: Sequence[Rule]) -> Iterator[Message]:
    """Send representatives of stories of several groups to the part that chooses among them."""
    if "stories" not in tables:
        return
    stories, first = tables["stories"].sort_by("position"), starts[part]
    position, story = stories["position"].to_numpy(), stories["story"].to_numpy()
    some = _of_several(tables, position, story)
    rank = position[some] - first
    contained = tables["copies"]["contained"].take(pa.array(rank))
    sent = stories.take(pa.array(some)).append_column("contained", contained)
    yield from _deal_rows(sent, tables["documents"], rank, story[some], len(starts) - 1, policy)


def _choose_canonicals(_: int, tables: Tables, *, starts: _Int, policy: Sequence[Rule]) -> Iterator[Message]:
    """Choose among the representatives of each story that is here; links tell how central each is."""
    if "places" not in tables:
        return
    places, links = tables["places"], rows(tables, "links", _LINKS)
    position, story = places["position"].to_numpy(), places["story"].to_numpy()
    left, right = (np.searchsorted(position, links[side].to_numpy()) for side in ("left", "right"))
    here = np.minimum(right, len(position) - 1)
    inside = (position[here] == links["right"].to_numpy()) & (story[here] == links["story"].to_numpy())
    central = mean_score(len(position), left[inside], right[inside], links["score"].to_numpy()[inside])
    yield from _chosen(places, story, tables["rows"], central, starts, policy)


def _stories(part: int, tables: Tables) -> Iterator[Message]:
    """Give each representative the canonical article of its story: itself, for the reason of its group, if alone."""
    if "stories" not in tables:
        return
    stories, copies = tables["stories"].sort_by("position"), tables["copies"]
    position = stories["position"].to_numpy()
    own = copies["reason"].to_numpy()[position - int(copies["position"][0].as_py())]
    story = stories["story"].to_numpy()
    chosen, reason = _with_chosen(tables, position, story, own)
    columns = [pa.array(position), pa.array(story), pa.array(chosen), pa.array(reason, pa.string())]
    yield Message("stories", part, pa.Table.from_arrays(columns, schema=STORIES))
