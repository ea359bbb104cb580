"""The program, top to bottom: read → without boilerplate → copies → stories → canonical versions → tables.

Everything after reading works by position in the documents sorted by content key, so that the order of the input, of
files and of threads changes nothing.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import (
    bindings,
    boilerplate,
    candidates,
    canonical,
    constraints,
    counting,
    duplicates,
    groups,
    reading,
    resemblance,
    schema,
    sketching,
    sorting,
    stories,
    tables,
    timing,
    weighing,
)
from dedup.clock import Clock, Progress
from dedup.engines.local import LocalEngine
from dedup.errors import SettingsError
from dedup.evidence import chains, opposed_pairs, part_languages, part_templates, refused_pairs
from dedup.findings import (
    Copies,
    Corpus,
    Stories,
    build_tables,
    duplicate_evidence,
    mean_score,
    measure,
    story_evidence,
)
from dedup.pairing import pairs_table
from dedup.params import Params, from_settings
from dedup.policy import Rule, parse_policy, reading_params
from dedup.protocols import Articles, Settings
from dedup.provenance import manifest
from dedup.run import Result
from dedup.spill import Each, Spill
from dedup.stores import Columns, Rows, Shuffle
from dedup.tables import Grouping

if TYPE_CHECKING:
    from dedup.engines.spark import SparkEngine

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]


def cluster(
    articles: Articles,
    /,
    params: Params | None = None,
    *,
    progress: Progress | None = None,
    engine: SparkEngine | None = None,
    **settings: Unpack[Settings],
) -> Result:
    """Group articles on two levels and choose a canonical version of each.

    Parameters
    ----------
    articles : path or paths of files and folders, or a frame: anything with `__arrow_c_stream__` or `__arrow_c_array__`
        (pyarrow, pandas, polars, DuckDB relations …), or a list of dicts.
    params : all settings; or give single ones by name (`dedup.params.SETTINGS`): text="body", id="url",
        level="duplicate" …
    progress : called with (stage, done, total or None).
    engine : a `dedup.engines.spark.SparkEngine`; None: the threads of this process. The result is the same. Articles
        may be a DataFrame of its session, too.

    Returns
    -------
    Result
        Tables `documents`, `groups`, `clusters`, `pairs`; `Result.write` makes a run of them.

    Raises
    ------
    SettingsError
        A setting is unknown or cannot be used, or both params and single settings are given.
    InputError
        There is no input, it cannot be read, or it has neither a text nor a title.
    TooManyRejectsError
        More records were rejected than `max_rejects` allows.
    ResourceError
        Disk or memory is used up.
    """
    if params is not None and settings:
        raise SettingsError("cluster: got both params and single settings; give one of the two")
    params = params or from_settings(settings)
    clock = Clock(progress or (lambda *_: None))
    if engine is not None:
        from dedup.distributed import job  # noqa: PLC0415 - nothing of it is needed on one machine

        return job.cluster(articles, params, engine, clock)
    policy = parse_policy(params.canonical)
    with LocalEngine(params.jobs) as local:
        corpus = read(articles, params, policy, local, clock)
        corpus = without_boilerplate(corpus, params, clock, local.map)
        copies = find_copies(corpus, params, policy, clock, local.map)
        terms, corpus = [corpus.terms], without_terms(corpus)
        counted = number_terms(terms, copies, params, corpus.spill, clock, local.map)
        found = relate(corpus, copies, counted, params, local, clock)
        with clock.stage("canonical"):
            chosen = choose_canonicals(corpus, copies, found, params, policy)
            measured = measure(corpus, copies, found, chosen)
            corpus = without_sketches(corpus)
            made = build_tables(corpus, found, chosen, measured)
            evidence = [story_evidence(corpus, copies, found, chosen[1].label)]
            del found  # pairs may be most of what a run holds, and are there twice for a moment
            evidence.append(duplicate_evidence(corpus, copies))
            del copies
            pairs = pairs_table(corpus.documents, evidence)
            result = Result(*made, pairs, [asdict(reject) for reject in corpus.source.rejects], {})
    return replace(result, manifest=manifest(corpus, result, params, clock.seconds))


def read(source: Any, params: Params, policy: tuple[Rule, ...], engine: LocalEngine, clock: Clock) -> Corpus:
    """Stream the input through the sketches of both passes, dropping each batch's text on the way."""
    origin = reading.open_source(source, reading_params(params.reading, policy), params.tmp_dir)
    spill = Spill(params.tmp_dir, params.memory)

    reduce = partial(sketching.reduce, params=params)
    with clock.stage("read"):
        empty = reduce(pa.RecordBatch.from_pylist([], schema=origin.schema))
        parts = Shuffle(spill)
        for part in engine.map(reduce, sketching.pieces(origin.batches())):
            parts.add(part, part[1]["content_key"].to_numpy())
            clock.advance("read", len(part[0]))
        reading.check_rejects(origin)
        engine.trim()
        documents = Rows(spill, empty[0].schema)
        sketches, terms, traces = (Columns(spill, table.schema) for table in empty[1:])
        every: tuple[Rows | Columns, ...] = documents, sketches, terms, traces
        sorting.sort(parts, every, engine.trim)
        kept = sketches.table()
        whole = kept.select(resemblance.TEMPLATE_COLUMNS)
        table = documents.table()
        bound = constraints.resolve(params.overrides, table)
        as_read = np.arange(len(whole))
        return Corpus(table, kept, whole, as_read, terms.table(), traces.table(), origin, spill, bound)


def without_boilerplate(corpus: Corpus, params: Params, clock: Clock, each: Each = map) -> Corpus:
    """Take out what many articles share that otherwise differ; equality alone needs no such care."""
    if params.level == "exact":
        return corpus
    with clock.stage("boilerplate"):
        left = boilerplate.strip(
            corpus.sketches, corpus.terms, corpus.traces, corpus.documents["source"], params.boilerplate,
            duplicates.permutations(params.duplicates.num_perm),
            partial(weighing.learnt, spill=corpus.spill),
            corpus.spill, each,
        )  # fmt: skip
        counts = {"boilerplate_documents": left.documents, "boilerplate_shingles": left.shingles}
        corpus = replace(corpus, sketches=left.sketches, traces=schema.TRACES.empty_table(), boilerplate=counts)
        if params.level == "story":
            whole = left.whole.select(resemblance.TEMPLATE_COLUMNS)
            return replace(corpus, whole=whole, as_read=left.as_read, terms=left.terms)
        # Pass 2 alone looks at terms, and at the texts as they were: their files go.
        nothing = corpus.whole.schema.empty_table()
        return replace(corpus, whole=nothing, as_read=corpus.as_read[:0], terms=schema.TERMS.empty_table())


def find_copies(corpus: Corpus, params: Params, policy: tuple[Rule, ...], clock: Clock, each: Each = map) -> Copies:
    """Run pass 1: units, candidates, exact verification, groups, and the representative of each."""
    sketches, spill, bound = corpus.sketches, corpus.spill, corpus.bound
    with clock.stage("candidates"):
        unit = whole = duplicates.units(sketches, params.duplicates)
        if bound is not None:
            unit = constraints.part_units(bound, whole)
        find = (
            candidates.equal_pairs
            if params.level == "exact"
            else partial(candidates.candidates, each=each, skipped=corpus.skipped)
        )
        left, right = find(sketches, params.duplicates, unit, spill)
        if bound is not None:
            left, right = constraints.add_candidates(bound, whole, unit, left, right)
    with clock.stage("verify"):
        verified = resemblance.verify(sketches, left, right, params.duplicates, spill, each)
    with clock.stage("groups"):
        if bound is not None:
            verified = constraints.judge(bound, verified)
        label, contained = groups.group(sketches, verified, params.duplicates, spill)
        if bound is not None:
            verified, label, contained = constraints.regroup(bound, verified, label, contained)
        group = np.unique(label[unit], return_inverse=True)[1]
        accepted = verified.filter(verified["accepted"])
        central = mean_score(
            len(unit), accepted["left"].to_numpy(), accepted["right"].to_numpy(), accepted["jaccard"].to_numpy()
        )
        representative, reason = canonical.choose(
            corpus.documents, group, policy, central=central[unit], contained=contained[unit]
        )
        if bound is not None:
            every = np.arange(len(group))
            representative, reason = bindings.choose(bound, every, group, representative, reason)
        spill.release()
    return Copies(unit, verified, group, contained[unit], representative, reason)


def find_stories(corpus: Corpus, copies: Copies, params: Params, engine: LocalEngine, clock: Clock) -> Stories:
    """Run pass 2 over the representatives; below the story level every group is its own story."""
    counted = number_terms([corpus.terms], copies, params, corpus.spill, clock, engine.map)
    return relate(corpus, copies, counted, params, engine, clock)


def number_terms(
    terms: list[pa.Table], copies: Copies, params: Params, spill: Spill, clock: Clock, each: Each = map
) -> counting.CountMatrix | None:
    """Give the terms of the representatives columns, and give up those of all documents; None below the story level.

    Parameters
    ----------
    terms : one table, schema.TERMS, which is taken out; see `counting.count_matrix`
    """
    if params.level != "story":
        return None
    with clock.stage("terms"):
        positions = np.sort(copies.representative)
        return counting.count_matrix(terms, chosen=positions, spill=spill, each=each)


def relate(
    corpus: Corpus,
    copies: Copies,
    counted: counting.CountMatrix | None,
    params: Params,
    engine: LocalEngine,
    clock: Clock,
) -> Stories:
    """Link the representatives that report one story, and group them.

    Parameters
    ----------
    counted : their terms, which become the vectors; None: no two are alike
    """
    k = len(copies.representative)
    order = np.argsort(copies.representative)
    rank = np.empty(k, np.int64)
    rank[order] = np.arange(k)
    positions = copies.representative[order]
    vectors = weighing.NO_TERMS._replace(indptr=np.zeros(k + 1, np.int64))
    links = evidence = schema.LINKS.empty_table()
    unlike = dict[str, pa.Table]()
    around, label = stories.NOTHING_AROUND, np.arange(k)
    if counted is not None:
        with clock.stage("vectors"):
            language = corpus.terms["language"].take(pa.array(positions))
            vectors = weighing.weigh(counted, weighing.background(), language, spill=corpus.spill, each=engine.map)
        with clock.stage("similar pairs"):
            days = timing.telling_days(corpus.sketches["hours"].to_numpy()[positions])
            refused = refused_pairs(copies, rank)
            links, around = stories.similar_pairs(
                vectors, days, refused, params.stories, engine.map, corpus.spill, corpus.skipped
            )
            links, unlike["other language"] = part_languages(links, corpus.terms["language"], positions)
            links, unlike["template"] = part_templates(links, corpus, copies, positions, params)
            home, bound = rank[copies.group], corpus.bound
            chain = chains(k, links, home, bound)
            opposed = opposed_pairs(refused, unlike["template"], days, chain, params)
            # Tables that are joined are copied when they are read, and of most corpora links are all there is.
            evidence = pa.concat_tables([links, opposed]) if len(opposed) else links
            if bound is not None:
                links, forbidden, evidence = bindings.bind(bound, home, links, opposed, stories.TOGETHER, stories.APART)
                unlike |= forbidden
        with clock.stage("linkage"):
            label = np.unique(stories.link(k, evidence, params.stories), return_inverse=True)[1]
    return Stories(positions, rank, vectors, around, links, unlike, evidence, label)


def choose_canonicals(
    corpus: Corpus, copies: Copies, found: Stories, params: Params, policy: tuple[Rule, ...]
) -> tuple[Grouping, Grouping]:
    """Choose the canonical article of each story among its representatives, and name groups and stories."""
    links = found.links
    left, right = links["left"].to_numpy(), links["right"].to_numpy()
    inside = found.label[left] == found.label[right]
    central = mean_score(len(found.label), left[inside], right[inside], links["score"].to_numpy()[inside])
    chosen, reason = canonical.choose(
        corpus.documents,
        found.label,
        policy,
        rows=found.positions,
        central=central,
        contained=copies.contained[found.positions],
    )
    story = found.label[found.rank[copies.group]]
    lone = np.flatnonzero(np.bincount(found.label)[found.label] == 1)  # the choice was made inside the group
    reason[found.label[lone]] = copies.reason[np.argsort(found.rank)][lone]
    if corpus.bound is not None:
        chosen, reason = bindings.choose(corpus.bound, found.positions, found.label, chosen, reason)
    key = corpus.documents["content_key"].to_numpy()
    published = corpus.documents["published_at"]
    group_ids = tables.cluster_ids("d", copies.group, key, published)
    story_ids = tables.cluster_ids("s", story, key, published)
    return (
        Grouping(copies.group, copies.representative, copies.reason, group_ids),
        Grouping(story, found.positions[chosen], reason, story_ids),
    )


def without_terms(corpus: Corpus) -> Corpus:
    """Drop what is numbered by then."""
    return replace(corpus, terms=corpus.terms.select(["language"]))


def without_sketches(corpus: Corpus) -> Corpus:
    """Drop what only the passes look at."""
    return replace(corpus, sketches=corpus.sketches.schema.empty_table(), whole=corpus.whole.schema.empty_table())
