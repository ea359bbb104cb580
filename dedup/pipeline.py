"""The program, top to bottom: read → copies → stories → canonical versions → tables.

Everything after reading works by position in the documents sorted by content key, so that the order of the input, of
files and
of threads changes nothing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

import dedup
from dedup import canonical, duplicates, groups, reading, schema, stories, tables, text
from dedup.engines.local import LocalEngine
from dedup.errors import SettingsError
from dedup.kernels.cosine import pair_cosines
from dedup.params import Params, from_settings
from dedup.run import Result
from dedup.tables import Grouping

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]
Progress = Callable[[str, int, int | None], None]

EXCERPT_CHARS = 200


def cluster(source: Any, params: Params | None = None, *, progress: Progress | None = None, **settings: Any) -> Result:
    """Group articles on two levels and choose a canonical version of each.

    Parameters
    ----------
    source : path or paths of files and folders, or a frame: anything with `__arrow_c_stream__`, or a list of dicts.
    params : all settings; or give single ones by name (`dedup.params.SETTINGS`): text="body", id="url",
    level="duplicate" …
    progress : called with (stage, done, total or None).

    Returns
    -------
    Result
        Tables `documents`, `groups`, `clusters`, `pairs`; `Result.write` makes a run of them.

    Raises
    ------
    SettingsError, InputError, TooManyRejectsError
    """
    if params is not None and settings:
        raise SettingsError("cluster: got both params and single settings; give one of the two")
    params = params or from_settings(settings)
    policy = canonical.parse_policy(params.canonical)
    clock = Clock(progress or (lambda *_: None))
    with LocalEngine(params.jobs) as engine:
        corpus = read(source, params, policy, engine, clock)
        copies = find_copies(corpus, params, policy, clock)
        found = find_stories(corpus, copies, params, engine, clock)
        with clock.stage("canonical"):
            chosen = choose_canonicals(corpus, copies, found, params, policy)
            result = build_result(corpus, copies, found, chosen)
    return replace(result, manifest=manifest(corpus, result, params, clock))


class Clock:
    """Reports the stages to whoever watches, and keeps their seconds."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage, and say when it begins and ends."""
        start, self._done = time.perf_counter(), 0
        self._progress(name, 0, None)
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)
        total = self._done or 1
        self._progress(name, total, total)

    def advance(self, name: str, count: int, total: int | None = None) -> None:
        """Say that `count` more of a stage is done."""
        self._done += count
        self._progress(name, self._done, total)


@dataclass(frozen=True)
class Corpus:
    """What is kept of the input, by position."""

    documents: pa.Table  # schema.DOCUMENTS without text (unless wanted), excerpt, content_key, kept columns
    sketches: pa.Table  # schema.sketches
    terms: pa.Table  # schema.TERMS
    source: reading.Source


@dataclass(frozen=True)
class Copies:
    """Pass 1: units (documents that no rule tells apart), their verified pairs, and the groups."""

    unit: _Int  # [n] index into units
    first: _Int  # [u] position of each unit's first document
    units: pa.Table  # schema.sketches, one row per unit
    verified: pa.Table  # schema.VERIFIED over units
    group: _Int  # [n] dense
    contained: npt.NDArray[np.bool_]  # [n]
    representative: _Int  # [k] position, by group
    reason: npt.NDArray[Any]  # [k]


@dataclass(frozen=True)
class Stories:
    """Pass 2, over the representatives in the order of their position."""

    positions: _Int  # [k] of the representatives
    rank: _Int  # [k] place of each group's representative among them
    vectors: stories.Vectors
    links: pa.Table  # schema.LINKS
    label: _Int  # [k] dense


def read(source: Any, params: Params, policy: tuple[canonical.Rule, ...], engine: LocalEngine, clock: Clock) -> Corpus:
    """Stream the input through the sketches of both passes, dropping each batch's text on the way."""
    asked = [name for name in canonical.columns_of(policy) if name not in schema.DOCUMENTS.names]
    kept = tuple(dict.fromkeys((*params.reading.keep_cols, *asked)))
    origin = reading.open_source(source, replace(params.reading, keep_cols=kept))

    def reduce(batch: pa.RecordBatch) -> tuple[pa.Table, pa.RecordBatch, pa.RecordBatch]:
        prepared = text.prepare(batch)
        sketch = duplicates.sketch(batch, prepared, params.duplicates)
        excerpt = pc.utf8_slice_codeunits(batch["text"], 0, EXCERPT_CHARS).cast(pa.string())
        documents = pa.table(batch).append_column("excerpt", excerpt)
        documents = documents.append_column("content_key", sketch["content_key"])
        if not params.with_text:
            documents = documents.drop_columns("text")
        return documents, sketch, stories.count_terms(batch, prepared, params.stories)

    with clock.stage("read"):
        parts = [reduce(pa.RecordBatch.from_pylist([], schema=origin.schema))]
        for part in engine.map(reduce, origin.batches()):
            parts.append(part)
            clock.advance("read", len(part[0]))
        reading.check_rejects(origin)
        documents = pa.concat_tables([part[0] for part in parts])
        sketches = pa.Table.from_batches([part[1] for part in parts])
        terms = pa.Table.from_batches([part[2] for part in parts])
        order = pc.sort_indices(documents, [("content_key", "ascending"), ("doc_id", "ascending")])
        return Corpus(documents.take(order), sketches.take(order), terms.take(order), origin)


def find_copies(corpus: Corpus, params: Params, policy: tuple[canonical.Rule, ...], clock: Clock) -> Copies:
    """Run pass 1: units, candidates, exact verification, groups, and the representative of each."""
    with clock.stage("candidates"):
        first, unit = np.unique(duplicates.units(corpus.sketches, params.duplicates), return_inverse=True)
        units = corpus.sketches.take(pa.array(first))
        if params.level == "exact":
            left = right = np.empty(0, np.int64)
        else:
            left, right = duplicates.candidates(units, params.duplicates)
    with clock.stage("verify"):
        verified = duplicates.verify(units, left, right, params.duplicates)
    with clock.stage("groups"):
        label, contained = groups.group(units, verified, params.duplicates)
        dense = np.unique(label, return_inverse=True)[1]
        accepted = verified.filter(verified["accepted"])
        central = mean_score(
            len(units), accepted["left"].to_numpy(), accepted["right"].to_numpy(), accepted["jaccard"].to_numpy()
        )
        representative, reason = canonical.choose(
            corpus.documents, dense[unit], policy, central=central[unit], contained=contained[unit]
        )
    return Copies(unit, first, units, verified, dense[unit], contained[unit], representative, reason)


def find_stories(corpus: Corpus, copies: Copies, params: Params, engine: LocalEngine, clock: Clock) -> Stories:
    """Run pass 2 over the representatives; below the story level every group is its own story."""
    k = len(copies.representative)
    order = np.argsort(copies.representative)
    rank = np.empty(k, np.int64)
    rank[order] = np.arange(k)
    positions = copies.representative[order]
    with clock.stage("vectors"):
        vectors = stories.vectors(corpus.terms.take(pa.array(positions)), stories.background())
    links = schema.LINKS.empty_table()
    label = np.arange(k)
    if params.level == "story":
        with clock.stage("similar pairs"):
            days = corpus.sketches["hours"].to_numpy()[positions] / 24
            refused = refused_pairs(copies, rank)
            links = stories.similar_pairs(vectors, days, refused, params.stories, engine.map)
        with clock.stage("linkage"):
            label = np.unique(stories.link(k, links, params.stories), return_inverse=True)[1]
    return Stories(positions, rank, vectors, links, label)


def refused_pairs(copies: Copies, rank: _Int) -> tuple[_Int, _Int]:
    """Return the representatives of pairs of like wording that pass 1 refused: no evidence for one story either."""
    parted = pc.and_(pc.invert(copies.verified["accepted"]), pc.not_equal(copies.verified["reason"], "wording differs"))
    pairs = copies.verified.filter(parted)
    left, right = (rank[copies.group[copies.first[pairs[side].to_numpy()]]] for side in ("left", "right"))
    both = np.unique(np.column_stack((np.minimum(left, right), np.maximum(left, right))), axis=0)
    both = both[both[:, 0] < both[:, 1]]
    return both[:, 0].copy(), both[:, 1].copy()


def choose_canonicals(
    corpus: Corpus, copies: Copies, found: Stories, params: Params, policy: tuple[canonical.Rule, ...]
) -> tuple[Grouping, Grouping]:
    """Choose the canonical article of each story among its representatives, and name groups and stories."""
    links = found.links
    left, right = links["left"].to_numpy(), links["right"].to_numpy()
    inside = found.label[left] == found.label[right]
    central = mean_score(len(found.label), left[inside], right[inside], links["score"].to_numpy()[inside])
    chosen, reason = canonical.choose(
        corpus.documents.take(pa.array(found.positions)),
        found.label,
        policy,
        central=central,
        contained=copies.contained[found.positions],
    )
    story = found.label[found.rank[copies.group]]
    key = corpus.documents["content_key"].to_numpy()
    published = corpus.documents["published_at"]
    group_ids = tables.cluster_ids("d", copies.group, key, published)
    story_ids = tables.cluster_ids("s", story, key, published)
    return (
        Grouping(copies.group, copies.representative, copies.reason, group_ids),
        Grouping(story, found.positions[chosen], reason, story_ids),
    )


def build_result(corpus: Corpus, copies: Copies, found: Stories, chosen: tuple[Grouping, Grouping]) -> Result:
    """Measure every document against its canonical one and fill the tables."""
    by_group, by_story = chosen
    representative = by_group.chosen[by_group.label]
    jaccard, containment = duplicates.overlap(copies.units, copies.unit, copies.unit[representative])
    same_text = corpus.sketches["digest"].take(pa.array(representative))
    exact = (schema.matrix(corpus.sketches["digest"]) == schema.matrix(same_text)).all(axis=1)
    position = np.arange(len(exact))
    alone = representative == position
    jaccard[exact], containment[exact] = 1.0, 1.0
    home = found.rank[copies.group]
    away = home[by_story.chosen][by_story.label]
    cosine = pair_cosines(*found.vectors[:3], home, away)
    cosine[home == away] = 1.0
    contained = (containment > jaccard) & (jaccard < 0.5)
    relation = np.select(
        [
            alone & (by_story.chosen[by_story.label] == position),
            alone,
            exact,
            copies.contained | contained,
        ],
        ["canonical", "same_story", "exact", "contained"],
        "near",
    ).astype(object)
    relation[np.bincount(by_story.label)[by_story.label] == 1] = "unique"
    overlap = np.where(relation == "contained", containment, jaccard)
    similarity = np.where(home == away, overlap, cosine)
    nothing = np.where(alone, np.nan, 0.0)
    similar = {
        "similarity": similarity,
        "jaccard": jaccard + nothing,
        "containment": containment + nothing,
        "cosine": np.where(home == away, np.nan, cosine),
    }
    documents = tables.documents_table(corpus.documents, by_group, by_story, similar, relation)
    group_rows = tables.groups_table(
        corpus.documents, by_group, by_story.id[by_story.label], jaccard, np.maximum(jaccard, containment)
    )
    clusters = tables.clusters_table(
        corpus.documents, by_group, by_story, similarity, cohesion(found), name_stories(corpus, found)
    )
    pairs = tables.pairs_table(
        corpus.documents,
        [duplicate_pairs(copies), tables.story_pairs(found.links, found.label, found.positions)],
    )
    rejects = [asdict(reject) for reject in corpus.source.rejects]
    return Result(documents, group_rows, clusters, pairs, rejects, {})


def duplicate_pairs(copies: Copies) -> pa.Table:
    """Return pass 1's evidence: every verified pair, and each exact copy with the first of its kind."""
    verified = copies.verified
    left, right = (copies.first[verified[side].to_numpy()] for side in ("left", "right"))
    accepted = verified["accepted"].to_numpy(zero_copy_only=False)
    together = copies.group[left] == copies.group[right]
    reason = verified["reason"].to_numpy(zero_copy_only=False)
    reason = np.where(accepted & ~together, "better held by another group", reason)
    copy = np.flatnonzero(copies.first[copies.unit] != np.arange(len(copies.unit)))
    ones = np.ones(len(copy))
    return pa.concat_tables(
        [
            tables.evidence(
                left,
                right,
                level="duplicate",
                kind=verified["kind"].to_numpy(zero_copy_only=False),
                jaccard=verified["jaccard"].to_numpy(),
                containment=verified["containment"].to_numpy(),
                accepted=accepted & together,
                reason=reason,
            ),
            tables.evidence(
                copies.first[copies.unit[copy]],
                copy,
                level="duplicate",
                kind="exact",
                jaccard=ones,
                containment=ones,
                accepted=True,
                reason="same text",
            ),
        ]
    )


def mean_score(n: int, left: _Int, right: _Int, score: _Float) -> _Float:
    """Return the mean score of each position over its pairs, 0 where it has none."""
    ends = np.concatenate((left, right))
    total = np.bincount(ends, np.tile(score, 2), minlength=n)
    return total / np.maximum(np.bincount(ends, minlength=n), 1)


def cohesion(found: Stories) -> _Float:
    """Return the mean score over all pairs of groups of each story; NaN for a single group."""
    left, right = found.links["left"].to_numpy(), found.links["right"].to_numpy()
    inside = found.label[left] == found.label[right]
    size = np.bincount(found.label)
    total = np.bincount(found.label[left[inside]], found.links["score"].to_numpy()[inside], minlength=len(size))
    return np.where(size > 1, total / np.maximum(size * (size - 1) / 2, 1), np.nan)


def name_stories(corpus: Corpus, found: Stories) -> list[str]:
    """Name each story of two or more groups by its heaviest terms, as spelt in its titles and excerpts."""
    many = np.bincount(found.label)[found.label] > 1
    shown = corpus.documents.take(pa.array(found.positions[many]))
    words = text.spellings(pa.chunked_array([*shown["title"].chunks, *shown["excerpt"].chunks], pa.string()))
    dense = np.where(many, found.label, -1)
    named = stories.top_terms(found.vectors, dense, words)
    return named + [""] * (int(found.label.max(initial=-1)) + 1 - len(named))


def manifest(corpus: Corpus, result: Result, params: Params, clock: Clock) -> dict[str, Any]:
    """Describe the run: inputs, settings, counts and seconds. The run id hangs on inputs, settings and version only."""
    inputs = [asdict(file) for file in corpus.source.files]
    paths = [Path(file["path"]) for file in inputs if file["path"]]
    settings = params.results()
    identity = [
        dedup.__version__,
        settings,
        [[file["source_file"], file["sha256"], file["records"]] for file in inputs],
    ]
    documents = result.documents
    group_size, story_size = result.groups["duplicate_size"].to_numpy(), result.clusters["story_size"].to_numpy()
    n_groups = result.clusters["n_groups"].to_numpy()
    return {
        "format": 1,
        "version": dedup.__version__,
        "run_id": hashlib.sha256(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16],
        "root": str(_root(paths)),
        "inputs": inputs,
        "settings": settings,
        "counts": {
            "documents": len(documents),
            "rejected": len(result.rejects),
            "duplicate_groups": int((group_size > 1).sum()),
            "duplicates": len(documents) - len(result.groups),
            "stories": int((n_groups > 1).sum()),
            "in_stories": int(story_size[n_groups > 1].sum()),
            "singles": int((story_size == 1).sum()),
            **corpus.source.counts,
        },
        "seconds": clock.seconds,
    }


def _root(paths: list[Path]) -> str | Path:
    return Path(*_common([path.parent.parts for path in paths])) if paths else ""


def _common(parts: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the leading parts that all have."""
    shared = 0
    while all(len(part) > shared for part in parts) and len({part[shared] for part in parts}) == 1:
        shared += 1
    return parts[0][:shared]
