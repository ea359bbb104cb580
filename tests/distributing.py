"""A corpus in parts, in this process."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dedup import pipeline, reading, schema
from dedup.clock import Clock
from dedup.distributed import corpus
from dedup.distributed.flow import deal, part_of_hash, part_of_place
from dedup.distributed.similar import Stories
from dedup.engines.local import LocalEngine
from dedup.findings import build_tables, duplicate_evidence, measure, story_evidence
from dedup.pairing import pairs_table
from dedup.params import Params
from dedup.policy import parse_policy
from dedup.provenance import manifest
from dedup.run import Result
from tests.in_process import InProcess


def spread(articles: Any, params: Params, parts: int, backwards: bool = False) -> tuple[InProcess, corpus.Corpus]:
    """Read articles as one machine does and spread what is kept of them over parts."""
    flow = InProcess(parts, backwards)
    batches = list(reading.open_source(articles, params.reading).batches())
    datasets = {number % parts: pa.Table.from_batches([batch]) for number, batch in enumerate(batches[:1])}
    for number, batch in enumerate(batches[1:], 1):  # as if parts had read them
        part = number % parts
        table = pa.Table.from_batches([batch])
        datasets[part] = pa.concat_tables([datasets[part], table]) if part in datasets else table
    read = flow.step("reduce", partial(_reduce, params=params, parts=parts), documents=datasets)
    return flow, corpus.place(flow, {name: read[name] for name in corpus.KINDS})


def _reduce(part, tables, *, params, parts):
    for batch in tables["documents"].to_batches(max_chunksize=500):
        yield from corpus.reduced(batch, params, parts)


class Spread(NamedTuple):
    """What one machine found, by part, and what it made of that."""

    flow: InProcess
    corpus: corpus.Corpus
    copies: dict[int, pa.Table]
    chosen: dict[int, pa.Table]
    stories: Stories | None
    verified: dict[int, pa.Table]
    source: reading.Source
    skipped: dict[str, int]
    expected: Result


def spread_findings(articles: Any, params: Params, parts: int, backwards: bool = False) -> Spread:
    """Run both passes as one machine does, and spread what they found over parts."""
    clock, policy = Clock(lambda *_: None), parse_policy(params.canonical)
    with LocalEngine(params.jobs) as engine:
        local = pipeline.without_boilerplate(pipeline.read(articles, params, policy, engine, clock), params, clock)
        copies = pipeline.find_copies(local, params, policy, clock)
        found = pipeline.find_stories(local, copies, params, engine, clock)
        by_group, by_story = pipeline.choose_canonicals(local, copies, found, params, policy)
        chosen = by_group, by_story
        made = build_tables(local, found, chosen, measure(local, copies, found, chosen))
        told = [story_evidence(local, copies, found, by_story.label), duplicate_evidence(local, copies)]
        pairs = pairs_table(local.documents, told)
        expected = Result(*made, pairs, [asdict(reject) for reject in local.source.rejects], {})
    part = part_of_hash(local.documents["content_key"].to_numpy(), parts)
    starts = np.searchsorted(part, np.arange(parts + 1))
    position = np.arange(len(local.documents))
    representative = copies.representative[copies.group]
    first = np.unique(copies.group, return_index=True)[1]
    by_document = {"position": position, "unit": copies.unit, "group": first[copies.group]}
    by_document |= {"contained": copies.contained, "representative": representative}
    by_document["reason"] = pa.array(copies.reason[copies.group], pa.string())
    story = np.unique(found.label, return_index=True)[1]
    by_representative = {
        "position": found.positions,
        "story": found.positions[story[found.label]],
        "canonical": by_story.chosen[found.label],
        "reason": pa.array(by_story.reason[found.label], pa.string()),
    }
    lists = {"indices": found.vectors.indices, "data": found.vectors.data}
    vectors = pa.table(
        {"position": found.positions}
        | {name: schema.ragged_array(values, found.vectors.indptr) for name, values in lists.items()}
    )
    vectors = by_part(vectors, "position", starts)
    columns = {}
    for number, table in vectors.items():
        column = np.unique(schema.ragged(table["indices"])[0])
        columns[number] = pa.table({"column": column, "term": found.vectors.terms[column]})
    unlike = [
        table.append_column("reason", pa.repeat(pa.scalar(reason), len(table)))
        for reason, table in found.unlike.items()
    ] or [schema.LINKS.append(pa.field("reason", pa.string())).empty_table()]
    linked = [placed(table, found.positions) for table in (found.links, pa.concat_tables(unlike), found.evidence)]
    stories = Stories(vectors, *(by_part(table, "left", starts) for table in linked), columns, {})
    whole = schema.take(local.whole, pa.array(local.as_read))
    datasets = [by_part(table, position, starts) for table in (local.documents, local.sketches, whole)]
    return Spread(
        InProcess(parts, backwards),
        corpus.Corpus(starts, *datasets, {}, {}, local.boilerplate),
        by_part(pa.table(by_document), "position", starts),
        by_part(pa.table(by_representative), "position", starts),
        stories if params.level == "story" else None,
        by_part(copies.verified, "left", starts),
        local.source,
        dict(local.skipped),
        replace(expected, manifest=manifest(local, expected, params, {"read": 1.0})),
    )


def placed(links: pa.Table, positions: np.ndarray) -> pa.Table:
    """Name representatives by their positions."""
    for at, name in enumerate(("left", "right")):
        links = links.set_column(at, name, pa.array(positions[links[name].to_numpy()]))
    return links


def by_part(table: pa.Table, key: Any, starts: np.ndarray) -> dict[int, pa.Table]:
    """Deal rows by position; an array, or the column of that name."""
    key = table[key].to_numpy() if isinstance(key, str) else key
    return {message.part: message.rows for message in deal("", table, part_of_place(key, starts))}
