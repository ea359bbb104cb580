"""Pass 2 over parts up to linkage: copies → vectors → pairs that resemble each other → evidence for and against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import evidence, resemblance, schema
from dedup.distributed import meetable, meeting, mixing, refusing, sketched, timeslots, vectors
from dedup.distributed.corpus import Corpus
from dedup.distributed.flow import Dataset, Flow, Message, Tables, fused
from dedup.params import Params

_Int = npt.NDArray[np.int64]

UNLIKE = schema.LINKS.append(pa.field("reason", pa.string()))
_ORDER = [("left", "ascending"), ("right", "ascending")]


class Stories(NamedTuple):
    """Pass 2 by part of the representative, and of the left one of two; positions, right < left."""

    vectors: Dataset  # vectors.VECTORS
    links: Dataset  # schema.LINKS, sorted by (left, right)
    unlike: Dataset  # UNLIKE, refused for what the two texts are
    evidence: Dataset  # the links, and pairs with scores below 0, which speak against one story
    columns: Dataset  # [column, term]: the hash of the term of each column of a part's vectors
    skipped: dict[str, int]  # how much was left undone to stay within a budget


def links(flow: Flow, corpus: Corpus, copies: Dataset, verified: Dataset, params: Params) -> Stories:
    """Run pass 2 over the representatives as `pipeline.find_stories` does, up to linkage.

    Parameters
    ----------
    copies : [position, unit, group, contained, representative, reason], one row for each document
    verified : schema.VERIFIED with positions, by the part of `left`
    """
    weighed = _weigh(flow, corpus, copies, verified, params)
    rows, days, slots = timeslots.order(flow, weighed.rows, params.stories)
    given = meetable.Given(slots, weighed.frequencies, params.stories)
    met = meeting.meet(flow, rows, days, weighed.partners, given)
    linked, stray = mixing.mix(flow, met, given, corpus.starts)
    asked = flow.step("texts of links", partial(_ask_texts, starts=corpus.starts), links=linked)["asked"]
    texts = sketched.fetch(
        flow, "texts of links answered", asked, corpus.whole, corpus.starts, resemblance.TEMPLATE_COLUMNS
    )
    found = flow.step(
        "links",
        partial(_without_templates, params=params),
        links=linked,
        texts=texts,
        stray=stray,
        opposed=weighed.opposed,
    )
    skipped: Counter[str] = Counter()
    for table in flow.gather(met.counts).values():
        skipped.update(dict(zip(*(table[name].to_pylist() for name in ("name", "count")), strict=True)))
    del skipped["kept"]
    return Stories(weighed.vectors, found["links"], found["unlike"], found["evidence"], weighed.columns, dict(skipped))


class _Weighed(NamedTuple):
    """What is known before any two documents have met."""

    vectors: Dataset
    columns: Dataset  # [column, term]
    frequencies: vectors.Frequencies
    rows: Dataset  # of `timeslots.deal_rows`
    partners: Dataset  # of `refusing.opposed`
    opposed: Dataset


def _weigh(flow: Flow, corpus: Corpus, copies: Dataset, verified: Dataset, params: Params) -> _Weighed:
    """Weigh the terms of the representatives as `weighing.vectors` does, and send them to the slots of their dates."""
    starts, given = corpus.starts, {"copies": copies, "sketches": corpus.sketches, "terms": corpus.terms}
    first = (
        vectors.languages,
        partial(timeslots.dates, parts=flow.parts),
        partial(refusing.left_representatives, starts=starts),
    )
    told = flow.step("languages", fused(*first), verified=verified, **given)
    spoken, stamps = vectors.summed(flow.gather(told["spoken"])), flow.gather(told["stamps"])
    second = (
        partial(vectors.count, spoken=spoken, parts=flow.parts),
        partial(refusing.right_representatives, starts=starts),
    )
    borne = partial(timeslots.bearing, days=timeslots.suspects(stamps))
    counted = flow.step("terms", fused(*second, borne), half=told["half"], **given)
    dates = timeslots.calendar(flow.parts, stamps, flow.gather(counted["bearing"]), flow.gather(told["sample"]))

    n = int(pc.sum(spoken["documents"]).as_py() or 0)
    third = partial(vectors.weigh, n=n), partial(refusing.dated, starts=starts)
    inputs = {"counted": counted["counted"], "both": counted["both"], "sketches": corpus.sketches}
    weighed = flow.step("frequencies", fused(*third), **inputs)
    offsets, frequencies = vectors.columns(flow.gather(weighed["levels"]))
    fourth = (
        partial(vectors.number, offsets=offsets),
        partial(refusing.opposed, starts=starts, dates=dates, params=params),
    )
    inputs = {"weighed": weighed["weighed"], "dated": weighed["dated"], "sketches": corpus.sketches}
    known = flow.step("columns", fused(*fourth), counted=counted["counted"], **inputs)
    made = flow.step("vectors", partial(_vectors, dates=dates), known=known["known"], **given)
    return _Weighed(made["vectors"], made["columns"], frequencies, made["rows"], known["partners"], known["opposed"])


def _vectors(part: int, tables: Tables, *, dates: timeslots.Calendar) -> Iterator[Message]:
    made, columns = vectors.vectors(tables)
    yield Message("vectors", part, made)
    yield Message("columns", part, columns)
    yield from timeslots.deal_rows(tables, made, dates)


def _ask_texts(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Ask for the texts of both ends of each link, as they were read."""
    left, right = (tables["links"][f"{side}_unit"].to_numpy() for side in ("left", "right"))
    yield from sketched.ask_pairs("asked", part, left, right, starts)


def _without_templates(part: int, tables: Tables, *, params: Params) -> Iterator[Message]:
    """Part the links that hold from those between two fillings of one template, as `evidence.part_templates` does."""
    empty = schema.LINKS.empty_table()
    kept, unlike, against = empty, [tables["stray"]] if "stray" in tables else [], [tables.get("opposed", empty)]
    if "links" in tables:
        links = tables["links"].sort_by(_ORDER)
        ends = (links[f"{side}_unit"].to_numpy() for side in ("left", "right"))
        template = resemblance.templates(*sketched.paired(tables["texts"], *ends), params.duplicates)
        kept = links.filter(pa.array(~template)).select(schema.LINKS.names)
        links = links.filter(pa.array(template))
        apart = links["apart"].to_numpy()
        against.append(evidence.opposed(links["left"].to_numpy(), links["right"].to_numpy(), apart, params))
        reason = pa.array(["template"] * len(links), pa.string())
        unlike.append(links.select(schema.LINKS.names).append_column(UNLIKE.field("reason"), reason))
    yield Message("links", part, kept)
    yield Message("evidence", part, pa.concat_tables([kept, *against]))
    if unlike:
        yield Message("unlike", part, pa.concat_tables(unlike).sort_by([("reason", "ascending"), *_ORDER]))
