"""Pass 2 over parts against pass 2 on one machine."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from distributing import spread

from dedup import pipeline, schema, weighing
from dedup.clock import Clock
from dedup.distributed import vectors
from dedup.engines.local import LocalEngine
from dedup.params import Params
from dedup.policy import parse_policy

SEEDS = Path(__file__).parents[1] / "seeds" / "articles.jsonl"
WORDS = np.array([a + b for a in "bcdfghjklmnpr" for b in ("arel", "into", "ovar", "ust", "emmy", "ailo", "ogre")])


def invented(n, dated=1.0, days=200, seed=3, hours=24, languages=(None,)):
    """Articles of stories that last a week, from words of a common stock and some of the story's own."""
    rng = np.random.default_rng(seed)
    start = datetime(2023, 1, 1, tzinfo=UTC)
    rows = []
    for i in range(n):
        story = int(rng.integers(0, max(n // 4, 1)))
        own = np.random.default_rng(story + 1000)
        names = own.choice(WORDS, 12)
        day = own.integers(0, days) + rng.integers(0, 7)
        words = [*rng.choice(names, 20), *rng.choice(WORDS, 25), *(f"{word}an" for word in rng.choice(WORDS, 4))]
        rng.shuffle(words)
        when = start + timedelta(days=int(day), hours=int(rng.integers(0, 24)) // hours * hours)
        rows.append(
            {
                "id": str(i),
                "title": " ".join(names[:4]),
                "text": " ".join(words) + ".",
                "date": when if rng.random() < dated else None,
                "lang": str(rng.choice(languages)) if languages[0] else None,
            }
        )
    return pa.Table.from_pylist(rows)


class Local:
    """What one machine finds."""

    def __init__(self, articles, params=Params(jobs=1)):
        self.params = params
        policy, clock = parse_policy(params.canonical), Clock(lambda *_: None)
        with LocalEngine(1) as engine:
            self.corpus = pipeline.read(articles, params, policy, engine, clock)
            self.copies = pipeline.find_copies(self.corpus, params, policy, clock)
            self.found = pipeline.find_stories(self.corpus, self.copies, params, engine, clock)


def by_part(table, key, starts):
    part = np.searchsorted(starts, table[key].to_numpy(), side="right") - 1
    return {int(p): table.filter(pa.array(part == p)) for p in np.unique(part)}


def copies_of(local, starts):
    copies = local.copies
    n = len(copies.group)
    first = np.unique(copies.group, return_index=True)[1]
    table = pa.table(
        {
            "position": np.arange(n),
            "unit": copies.unit,
            "group": first[copies.group],
            "contained": copies.contained,
            "representative": copies.representative[copies.group],
            "reason": pa.array(copies.reason[copies.group].astype(str)),
        }
    )
    return by_part(table, "position", starts)


def whole(dataset):
    return pa.concat_tables([dataset[part] for part in sorted(dataset)])


CORPORA = {
    "seeds": lambda: SEEDS,
    "invented": lambda: invented(300),
    "languages": lambda: invented(200, languages=("en", "xx", "sw", "yo")),
    "one": lambda: invented(1),
}
ENGINES = [(1, False), (3, False), (3, True), (8, False)]


@pytest.fixture(scope="module")
def local():
    made = {}

    def get(name):
        if name not in made:
            made[name] = Local(CORPORA[name]())
        return made[name]

    return get


@pytest.mark.parametrize("name", ["seeds", "invented", "languages", "one"])
@pytest.mark.parametrize(("parts", "backwards"), ENGINES)
def test_vectors(local, name, parts, backwards):
    expected = local(name)
    flow, corpus = spread(CORPORA[name](), expected.params, parts, backwards)
    made, frequencies, _ = vectors.weigh(flow, corpus, copies_of(expected, corpus.starts))
    table = whole(made)
    rows = weighing.vectors(expected.corpus.terms, weighing.background(), chosen=expected.found.positions)
    assert table["position"].to_pylist() == expected.found.positions.tolist()
    indices, indptr = schema.ragged(table["indices"])
    assert (indptr == rows.indptr).all()
    assert (indices == rows.indices).all()
    assert (schema.ragged(table["data"])[0] == rows.data).all()
    held = np.bincount(rows.indices, minlength=len(rows.terms))
    assert (frequencies.of(np.arange(len(held))) == held).all()
    assert min(frequencies.shared, len(held)) == (held > 1).sum()
    if name == "languages":
        assert pc.count_distinct(expected.corpus.terms["language"]).as_py() > 2
