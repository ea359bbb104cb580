"""What a setting of pass 2 is scored on, prepared once: sets, parts of them, other dates, and unrelated articles.

All comes from the real stages: reading, boilerplate and copies beforehand, and only pass 2 again for each setting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.quality import sections, sets, variants
from benchmarks.quality.scores import Bench
from benchmarks.quality.sets import LabelledSet, codes
from dedup import evaluate, pipeline
from dedup.engines.local import LocalEngine
from dedup.findings import Copies, Corpus
from dedup.params import Params, StoryParams
from dedup.policy import parse_policy

FEW_STORIES = 60  # below, leaving out whole stories changes the set too much: articles are left out instead
STORY_PARTS = ((0.7, 900), (0.5, 450))  # share of the stories, and at most so many
ARTICLE_PARTS = (0.8, 0.5)
MADE_FROM = {"A1": ("allsides",), "A2": ("allsides", "g5w"), "MIX": ("allsides", "g5w", "ecb")}  # see `timelines`
BATCHES = ((2, 100), (4, 60), (20, 25), (200, 3))  # unrelated articles, and how many batches of them


@dataclass(frozen=True)
class Prepared:
    """Articles up to pass 2; gold : int64[n], the story of each document of the corpus."""

    corpus: Corpus
    copies: Copies
    gold: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Item:
    """What a setting gets one score for.

    kind : "whole", "part" and "time" are scored by story B-cubed F1; "unrelated" by the share of its articles in a
        story of two and more, as a mean over batches of one article per story.
    sets : names of the sets that its articles or dates come from
    size : articles per batch of "unrelated"
    """

    name: str
    kind: str
    sets: tuple[str, ...]
    size: int = 0
    inputs: tuple[Prepared, ...] = ()


def prepare(labelled: Sequence[LabelledSet], seed: int) -> list[Item]:
    """Prepare the items of the story sets.

    Each is drawn from a generator of its own, so that one set more or less changes no other's items.
    """
    bench = Bench(Params(), seed)
    found = []
    for s in labelled:
        found.append(Item(s.name, "whole", (s.name,), inputs=(_prepared(s.documents),)))
        for place, part in enumerate(parts(s, bench.random("part", s.name))):
            found.append(Item(f"{s.name}, part {place + 1}", "part", (s.name,), inputs=(_prepared(part),)))
    for name, table in sections.other_dates(bench, labelled).items():
        if name in MADE_FROM:
            origin = tuple(s.name for s in labelled if s.name.startswith(MADE_FROM[name]))
            found.append(Item(name, "time", origin, inputs=(_prepared(table),)))
    for s in sets.pick(labelled, "g5w", "fnc"):
        for size, count in BATCHES:
            generator = bench.random("unrelated", s.name, size)
            batches = (variants.one_per_story(s.documents, size, generator) for _ in range(count))
            inputs = tuple(_prepared(batch) for batch in batches)
            found.append(Item(f"{s.name}, {size} unrelated", "unrelated", (s.name,), size, inputs))
    return found


def parts(labelled: LabelledSet, generator: np.random.Generator) -> Iterable[pa.Table]:
    """Draw two parts of a set, by whole stories where it has enough of them."""
    table, story = labelled.documents, labelled.stories
    count = int(story.max()) + 1
    if count < FEW_STORIES:
        for share in ARTICLE_PARTS:
            yield table.take(pa.array(np.sort(generator.permutation(len(table))[: int(share * len(table))])))
        return
    for share, most in STORY_PARTS:
        kept = generator.permutation(count)[: min(int(share * count), most)]
        yield table.filter(pa.array(np.isin(story, kept)))


def score(items: Sequence[Item], params: StoryParams) -> dict[str, float]:
    """Run pass 2 over all items, and score each by its name; one thread, since most inputs are too small to share."""
    with LocalEngine(1) as engine:

        def mean(item: Item) -> float:
            return float(np.mean([_score(item.kind, each, Params(stories=params), engine) for each in item.inputs]))

        return {item.name: mean(item) for item in items}


def _prepared(table: pa.Table) -> Prepared:
    """Run the stages before pass 2; the labels are not shown to them."""
    params = Params()
    policy = parse_policy(params.canonical)
    clock = pipeline.Clock(lambda *_: None)
    with LocalEngine(1) as engine:
        corpus = pipeline.read(table.drop_columns("story_id"), params, policy, engine, clock)
    corpus = pipeline.without_boilerplate(corpus, params, clock)
    place = pc.index_in(corpus.documents["doc_id"], value_set=table["id"])
    return Prepared(corpus, pipeline.find_copies(corpus, params, policy, clock), codes(table["story_id"].take(place)))


def _score(kind: str, prepared: Prepared, params: Params, engine: LocalEngine) -> float:
    clock = pipeline.Clock(lambda *_: None)
    found = pipeline.find_stories(prepared.corpus, prepared.copies, params, engine, clock)
    label = found.label[found.rank[prepared.copies.group]]
    if kind == "unrelated":
        return float((np.bincount(label)[label] > 1).mean())
    return evaluate.bcubed(prepared.gold, label).f1
