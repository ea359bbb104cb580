"""Pass 2 over parts against pass 2 on one machine."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from distributing import spread

from benchmarks import corpus
from dedup import pipeline, schema
from dedup.clock import Clock
from dedup.distributed import similar, vectors
from dedup.engines.local import LocalEngine
from dedup.evidence import chains
from dedup.params import Params, StoryParams
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

    def __init__(self, articles, stories=None):
        params = self.params = Params(jobs=1, stories=stories or StoryParams())
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


def whole(dataset, fields=None):
    empty = [fields.empty_table()] if fields else []
    return pa.concat_tables([*empty, *(dataset[part] for part in sorted(dataset))])


def at_positions(table, positions):
    """Give positions for ranks, the larger one as the left of two."""
    ends = np.sort([positions[table[name].to_numpy()] for name in ("left", "right")], axis=0)
    for name, column in (("left", ends[1]), ("right", ends[0])):
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(column))
    return table


def same(found, expected):
    order = [("left", "ascending"), ("right", "ascending")]
    found, expected = found.sort_by(order), expected.sort_by(order)
    for name in ("left", "right"):
        assert found[name].to_pylist() == expected[name].to_pylist()
    for name in ("cosine", "score"):
        np.testing.assert_allclose(found[name].to_numpy(), expected[name].to_numpy(), rtol=0, atol=1e-12)


def check(articles, expected, parts, backwards=False):
    flow, placed = spread(articles, expected.params, parts, backwards)
    positions = expected.found.positions
    own = {name: by_part_of_rows(getattr(expected.corpus, name), placed.starts) for name in ("whole", "terms")}
    placed = replace(placed, **own)
    verified = by_part(expected.copies.verified, "left", placed.starts)
    found = similar.links(flow, placed, copies_of(expected, placed.starts), verified, expected.params)
    same_vectors(whole(found.vectors, vectors.VECTORS), expected)
    same(whole(found.links, schema.LINKS), at_positions(expected.found.links, positions))
    same(among_links(whole(found.evidence, schema.LINKS), expected), at_positions(expected.found.evidence, positions))
    unlike = whole(found.unlike, similar.UNLIKE)
    for reason, table in expected.found.unlike.items():
        same(unlike.filter(pc.equal(unlike["reason"], reason)), at_positions(table, positions))
    for dataset in (found.links, found.unlike, found.evidence):
        for part, table in dataset.items():
            left = table["left"].to_numpy()
            assert ((placed.starts[part] <= left) & (left < placed.starts[part + 1])).all()
            assert (table["right"].to_numpy() < left).all()
    for name, count in found.skipped.items():
        assert count == expected.corpus.skipped[name]
    return flow, found


def among_links(told, expected):
    """Leave out what speaks against one story where nothing speaks for it, which one machine does not list."""
    positions, links = expected.found.positions, expected.found.links
    chain = chains(len(positions), links, np.arange(0), None)
    left, right = (np.searchsorted(positions, told[name].to_numpy()) for name in ("left", "right"))
    among = chain[left] == chain[right]
    assert (told["score"].to_numpy()[~among] < 0).all()
    return told.filter(pa.array(among))


def by_part_of_rows(table, starts):
    pieces = {part: table.slice(start, stop - start) for part, (start, stop) in enumerate(pairwise(starts.tolist()))}
    return {part: piece for part, piece in pieces.items() if len(piece)}


CORPORA = {
    "seeds": lambda: SEEDS,
    "invented": lambda: invented(300),
    "undated": lambda: invented(150, dated=0),
    "mixed": lambda: invented(400, dated=0.6, days=500),
    "crawl": lambda: invented(200, dated=0.4, days=1, hours=1000),
    "days": lambda: invented(400, days=6, hours=24),
    "languages": lambda: invented(200, languages=("en", "xx", "sw", "yo")),
    "one": lambda: invented(1),
}
SETTINGS = {
    "days": {"window": 1.0, "window_nearest": 0},
    "invented": {"window": 20.0, "window_nearest": 0},
    "mixed": {"window": 40.0, "window_nearest": 7, "feedback_neighbours": 1, "crowd_neighbours": 3},
    "undated": {"postings": 1000, "pair_floor": 0.01, "link_floor": 0.001},
    "seeds": {"postings": 60, "window": 2.0, "window_nearest": 3, "sifting": 0.5},
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


def same_vectors(table, expected):
    rows = expected.found.vectors
    assert table["position"].to_pylist() == expected.found.positions.tolist()
    indices, indptr = schema.ragged(table["indices"])
    assert (indptr == rows.indptr).all()
    assert (indices == rows.indices).all()
    assert (schema.ragged(table["data"])[0] == rows.data).all()


@pytest.mark.parametrize("name", CORPORA)
@pytest.mark.parametrize(("parts", "backwards"), ENGINES)
def test_links(local, name, parts, backwards):
    _, found = check(CORPORA[name](), local(name), parts, backwards)
    assert name == "one" or len(whole(found.links, schema.LINKS)) > 20


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("parts", [3, 12])
def test_windows_and_budgets_of_postings(name, parts):
    settings = StoryParams(**SETTINGS[name])
    expected = Local(CORPORA[name](), settings)
    assert ("postings" in SETTINGS[name]) == (expected.corpus.skipped["postings"] > 0)
    check(CORPORA[name](), expected, parts)


def notices():
    """Copies, one template filled in by many, and reports of one event that quote it."""
    rng = np.random.default_rng(11)
    body = (
        "The company said after a meeting of its board that it will pay a quarterly dividend of {} cents a share to "
        "all holders of its common stock, as it has done without a break since it was listed, and that {} thousand of "
        "its shares will be bought back before the end of the year by {}."
    )
    rows = invented(120, days=30).to_pylist()
    for i in range(40):
        text = body.format(rng.integers(3, 99), rng.integers(10, 9999), " ".join(rng.choice(WORDS, 2)))
        when = datetime(2023, 1, 1 + i % 20, tzinfo=UTC) if i % 5 else None
        rows.append({"id": f"n{i}", "title": "Quarterly dividend", "text": text, "date": when, "lang": None})
        if i % 4 == 0:
            rows.append({**rows[-1], "id": f"c{i}"})
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize(("parts", "backwards"), ENGINES)
def test_refused_pairs_and_templates(parts, backwards):
    articles = notices()
    expected = Local(articles)
    assert len(expected.found.unlike["template"]) or len(expected.found.evidence) > len(expected.found.links)
    check(articles, expected, parts, backwards)


@pytest.mark.parametrize("held", [[5, 3, 3, 1, 1], [2, 2], [1]])
def test_frequencies(held):
    found = vectors.columns(
        {7: pa.table({"frequency": np.unique(held), "terms": np.unique(held, return_counts=True)[1]})}
    )[1]
    assert found.of(np.arange(len(held))).tolist() == held
    assert min(found.shared, len(held)) == sum(one > 1 for one in held)


def test_nothing():
    articles = pa.table({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())})
    _, found = check(articles, Local(articles), 3)
    assert whole(found.links, schema.LINKS).num_rows == 0


REAL = Path(__file__).parents[2] / "shared" / "data" / "open" / "g5w_news_cluster.parquet"


def resampled(count):
    return pa.concat_tables(corpus.tables(corpus.read(corpus.SEEDS), count, seed=5, days=365))


@pytest.mark.parametrize(("parts", "settings"), [(3, {}), (8, {"window": 30.0, "window_nearest": 20})])
def test_resampled_articles(parts, settings):
    articles = resampled(3000)
    check(articles, Local(articles, StoryParams(**settings)), parts)


@pytest.mark.skipif(not REAL.exists(), reason="the labelled articles are not here")
def test_real_articles():
    check(REAL, Local(REAL), 5)


def test_vectors_go_to_slots_within_the_window_and_nowhere_else():
    """Ten times the days, in ten times the slots: what is sent grows by ten, not by a hundred."""
    sent = []
    for times in (1, 10):
        articles = invented(100 * times, days=100 * times)
        expected = Local(articles, StoryParams(window=10.0, window_nearest=0))
        flow, _ = check(articles, expected, 4 * times)
        sent.append({name: size for name, size in flow.sent.items() if name.startswith(("meet", "neighbours"))})
    assert sum(sent[1].values()) < 16 * sum(sent[0].values())


def test_a_budget_of_pairs_is_kept_and_what_it_leaves_out_is_told():
    """Where it bites, each slot has its own share of it: links are some of those without."""
    articles = invented(1500, dated=0.5, days=3)
    every = {(link["left"], link["right"]) for link in linked(articles, StoryParams(), 3)[0].to_pylist()}
    links, skipped = linked(articles, StoryParams(pair_budget=1), 3)
    assert skipped["story_pairs"] > 0
    assert 0 < len(links) <= 2 * 3 * 1024  # of each slot, and of the wave after which it is used up
    assert len({(link["left"], link["right"]) for link in links.to_pylist()} & every) > len(links) / 2


def linked(articles, settings, parts):
    expected = Local(articles, settings)
    flow, placed = spread(articles, expected.params, parts)
    verified = by_part(expected.copies.verified, "left", placed.starts)
    found = similar.links(flow, placed, copies_of(expected, placed.starts), verified, expected.params)
    return whole(found.links, schema.LINKS), found.skipped
