"""What the passes found → the tables of a run, over parts: `findings.build_tables` and the pairs in nine supersteps.

Ends of pairs, representatives and canonical articles lie anywhere, so a step asks for what others know and a later one
uses it. Steps at the same depth are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from dedup.distributed import ends, filling, founders, likeness, naming, pairing
from dedup.distributed.corpus import Corpus
from dedup.distributed.flow import Dataset, Flow, Function, Message, fused, sums_of
from dedup.distributed.similar import Stories
from dedup.manifests import TABLES
from dedup.params import Params

_SIZES = ("bytes", "rows", "several", "of_several")
_STREAMS = {  # that each step sends
    "ends": "facts wanted representatives units linked members",
    "known": "known group_founders grouped canonicals shingles_wanted",
    "compared": "texts own_texts canonical_vectors own_vectors weights duplicate_ids story_founders missed cohesions",
    "measured": "overlaps cosines story_ids least",
    "pairs": "stands",
    "told": "told standing",
    "documents": "group_rows story_rows spellings",
    "groups": "names",
    "clusters": "",
}
_INPUTS = {  # that each step has
    "ends": "documents copies links unlike verified",
    "known": "facts wanted members chosen",
    "compared": "sketches facts known shingles_wanted vectors columns chosen canonicals grouped group_founders "
    "links unlike",
    "measured": "facts known texts own_texts units own_vectors canonical_vectors story_founders missed linked",
    "pairs": "facts known least grouped story_ids chosen links unlike verified",
    "told": "stands duplicate_ids cosines facts representatives",
    "documents": "documents facts told overlaps",
    "groups": "group_rows standing weights spellings",
    "clusters": "story_rows story_ids cohesions names",
}


class Results(NamedTuple):
    """The tables of a run by part, and what its manifest counts."""

    documents: Dataset  # schema.RUN_DOCUMENTS, kept columns, and `position`; the run's order is `writing.ordered`
    groups: Dataset  # schema.RUN_GROUPS
    clusters: Dataset  # schema.RUN_CLUSTERS
    pairs: Dataset  # schema.RUN_PAIRS
    boilerplate: dict[str, int]
    counts: dict[str, int]  # documents, duplicate_groups, duplicates, stories, in_stories, singles
    bytes: int  # of all four


def results(
    flow: Flow,
    corpus: Corpus,
    copies: Dataset,
    chosen: Dataset,
    stories: Stories | None,
    verified: Dataset,
    params: Params,
) -> Results:
    """Measure every document against its canonical one and fill the tables.

    Parameters
    ----------
    copies : by part of the document, one row for each, sorted: [position, unit, group, contained, representative, …]
    chosen : likewise for each representative: [position, story, canonical (a representative), reason (of the story)]
    stories : of `similar.links`; None below the story level
    verified : schema.VERIFIED in positions, at the part of left
    """
    given: dict[str, Dataset] = {"documents": corpus.documents, "sketches": corpus.sketches}
    given |= {"copies": copies, "chosen": chosen, "verified": verified}
    if params.level == "story" and stories is not None:
        given |= {name: getattr(stories, name) for name in ("links", "unlike", "vectors", "columns")}
    steps = _Steps(flow, given)

    def placed(function: Callable[..., Iterable[Message]], **further: Any) -> Function:
        return partial(function, starts=corpus.starts, **further)

    steps.run("ends", placed(ends.send))
    steps.run("known", placed(ends.answer), placed(founders.groups))
    steps.run(
        "compared",
        placed(likeness.texts),
        likeness.vectors,
        partial(naming.weights, parts=flow.parts),
        placed(founders.ids, level="duplicate"),
        placed(founders.stories),
        placed(pairing.weigh),
    )
    steps.run(
        "measured",
        placed(likeness.overlaps),
        likeness.cosines,
        placed(founders.ids, level="story"),
        placed(pairing.least),
    )
    steps.run("pairs", pairing.pairs, placed(founders.stands))
    steps.run("told", placed(founders.told))
    steps.run("documents", placed(filling.documents, parts=flow.parts))
    steps.run("groups", filling.groups, placed(naming.choose))
    steps.run("clusters", filling.clusters)
    counts, size = steps.counted()
    return Results(
        **{name: steps.sent[name] for name in TABLES}, boilerplate=corpus.boilerplate, counts=counts, bytes=size
    )


class _Steps:
    """Steps that find their inputs by name among what the steps before sent."""

    def __init__(self, flow: Flow, given: dict[str, Dataset]) -> None:
        self.sent = given
        self._flow = flow
        self._sizes: dict[str, dict[str, int]] = {}

    def run(self, name: str, *functions: Function) -> None:
        """Run functions on the same inputs as one step; one that was not sent is empty."""
        given = {key: self.sent[key] for key in _INPUTS[name].split() if key in self.sent}
        streams = self._flow.step(f"result-{name}", fused(*functions), **given)
        self.sent |= {stream: streams[stream] for stream in _STREAMS[name].split()}
        if name in TABLES:
            self.sent[name] = streams[name]
            self._sizes[name] = sums_of(self._flow, streams["sizes"], _SIZES)

    def counted(self) -> tuple[dict[str, int], int]:
        """Return `counts` and `bytes` of the results."""
        documents, groups, clusters = (self._sizes[name] for name in ("documents", "groups", "clusters"))
        counts = {
            "documents": documents["rows"],
            "duplicate_groups": groups["several"],
            "duplicates": documents["rows"] - groups["rows"],
            "stories": clusters["several"],
            "in_stories": clusters["of_several"],
            "singles": clusters["rows"] - clusters["several"],
        }
        return counts, sum(sizes["bytes"] for sizes in self._sizes.values())
