"""Pass 1 in supersteps against pass 1 on one machine: the same units, pairs and figures for any number of parts."""

import random
import tracemalloc
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from distributing import spread

from dedup import candidates, duplicates, pipeline, resemblance
from dedup.clock import Clock
from dedup.distributed import candidates as spread_candidates
from dedup.distributed import copies, flow, sketched
from dedup.engines.local import LocalEngine
from dedup.params import Params

SEEDS = Path(__file__).parents[1] / "seeds"
REAL = Path(__file__).parents[2] / "shared" / "data" / "open" / "g5w_news_cluster.parquet"


def whole(dataset):
    """Return the tables of all parts as one."""
    return pa.concat_tables([dataset[part] for part in sorted(dataset)]).combine_chunks()


def _ask(part, tables, *, starts):
    """Pair every fourth of all documents with those of this part."""
    left = np.repeat(np.arange(starts[part], starts[part + 1]), len(range(0, starts[-1], 4)))
    right = np.tile(np.arange(0, starts[-1], 4), starts[part + 1] - starts[part])
    yield flow.Message("pairs", part, pa.table({"left": left, "right": right}))
    yield from sketched.ask_pairs("asked", part, left, right, starts)


def _verify(part, tables, *, params):
    pairs = tables["pairs"]["left"].to_numpy(), tables["pairs"]["right"].to_numpy()
    yield flow.Message("verified", part, sketched.verify(tables["answers"], *pairs, params))


@pytest.mark.parametrize(("parts", "backwards"), [(1, False), (3, True), (8, False)])
def test_pairs_are_measured_where_their_texts_are_not(parts, backwards):
    params = Params().duplicates
    engine, corpus = spread(SEEDS, Params(), parts, backwards)
    asked = engine.step("ask", partial(_ask, starts=corpus.starts), sketches=corpus.sketches)
    answers = sketched.fetch(engine, "rows", asked["asked"], corpus.sketches, corpus.starts)
    found = whole(
        engine.step("verify", partial(_verify, params=params), pairs=asked["pairs"], answers=answers)["verified"]
    )
    every = np.arange(len(corpus))
    left, right = np.repeat(every, len(every[::4])), np.tile(every[::4], len(every))
    assert found.equals(resemblance.verify(whole(corpus.sketches), left, right, params))
    assert found["accepted"].to_pylist().count(True) > len(every[::4])  # not only of itself


def local(sketches, params):
    """Run pass 1 up to its verified pairs on one machine."""
    unit, skipped = duplicates.units(sketches, params.duplicates), Counter()
    find = candidates.equal_pairs if params.level == "exact" else partial(candidates.candidates, skipped=skipped)
    left, right = find(sketches, params.duplicates, unit)
    return unit, resemblance.verify(sketches, left, right, params.duplicates), dict(skipped)


def compared(articles, params, parts, backwards=False):
    """Run it in supersteps, hold it against one machine, and return that machine's tables and the engine."""
    engine, corpus = spread(articles, params, parts, backwards)
    units = copies.units(engine, corpus, params)
    found = copies.verified(engine, corpus, units, params)
    unit, pairs, skipped = local(whole(corpus.sketches), params)
    together = whole(units)
    assert together["position"].to_pylist() == list(range(len(corpus)))
    assert together["unit"].to_numpy().tolist() == unit.tolist()
    assert {part: len(table) for part, table in units.items()} == {
        part: size for part, size in enumerate(np.diff(corpus.starts).tolist()) if size
    }
    for part, table in found.pairs.items():
        assert set(flow.part_of_place(table["left"].to_numpy(), corpus.starts)) == {part}
    assert (whole(found.pairs) if found.pairs else pairs.slice(0, 0)).equals(pairs)
    assert {name: n for name, n in found.skipped.items() if n} == {name: n for name, n in skipped.items() if n}
    return unit, pairs, skipped, engine


SYLLABLES = ("bra", "cul", "dem", "fon", "gri", "hap", "jor", "kel", "lum", "mip", "nov", "pel", "ras", "sto", "tun")


def words(chance, n):
    return ["".join(chance.choices(SYLLABLES, k=3)) for _ in range(n)]


def invented(seed, families=60, most=12):
    """Articles in families: edited takes, extracts, notices under other headlines and on other days, equal texts."""
    chance = random.Random(seed)
    phrases = [words(chance, 5) for _ in range(20)]  # which articles that have nothing to do with each other share
    rows = []
    for family in range(families):
        take = words(chance, chance.choice((8, 30, 55, 70, 200)))
        for _ in range(chance.randint(1, most)):
            text = [w if chance.random() > 0.02 else words(chance, 1)[0] for w in take]
            at = chance.randint(0, len(text) // 2)
            text = chance.choice((take, text, text[at : at + 60], text + words(chance, 40)))
            text = [*text, *(chance.choice(phrases) if chance.random() < 0.3 else [])]
            title = chance.choice((f"Item {family}", "Another headline", None))
            day = f"2024-03-{chance.randint(1, 9):02d}"
            figures = [str(chance.choice((7, 11, 12))), "19"]
            rows.append({"title": title, "text": " ".join(text + figures), "published_at": day})
    rows += [{"title": None, "text": "", "published_at": None}] * 4
    chance.shuffle(rows)
    return [{"id": str(number)} | row for number, row in enumerate(rows)]


def copies_of(seed, n, length=120, changed=2):
    """Copies of one article with small edits."""
    chance = random.Random(seed)
    take = words(chance, length)
    rows = []
    for number in range(n):
        text = list(take)
        for at in chance.sample(range(length), changed):
            text[at] = words(chance, 1)[0]
        rows.append({"id": f"{seed}-{number}", "title": "Flood", "text": " ".join(text), "published_at": "2024-03-01"})
    return rows


def windows():
    """Texts that overlap: each shingle is in ten of them, and each has words in common with eighteen."""
    stream = words(random.Random(5), 1500)
    return [{"id": str(at), "title": "Tide", "text": " ".join(stream[at : at + 100])} for at in range(0, 1400, 10)]


def with_duplicates(params, **changes):
    return replace(params, duplicates=replace(params.duplicates, **changes))


@pytest.mark.parametrize(("parts", "backwards"), [(1, False), (3, True), (8, False)])
class TestAsOnOneMachine:
    @pytest.mark.parametrize("level", ["exact", "story"])
    def test_seeds(self, level, parts, backwards):
        unit, pairs, _, _ = compared(SEEDS, Params(level=level), parts, backwards)
        assert (unit != np.arange(len(unit))).any()
        assert level == "exact" or len(pairs) > 10

    @pytest.mark.parametrize("level", ["exact", "story"])
    @pytest.mark.parametrize("seed", range(3))
    def test_invented_families(self, level, parts, backwards, seed):
        unit, pairs, _, _ = compared(invented(seed), Params(level=level), parts, backwards)
        assert (unit != np.arange(len(unit))).sum() > 5
        assert len(set(pairs["reason"].to_pylist())) > (1 if level == "exact" else 3)

    def test_hot_keys(self, parts, backwards):
        """Of more copies than a list may have each is paired with its neighbours, in bands and in the prefix join."""
        rows = copies_of(1, 450) + copies_of(2, 150) + invented(3, families=20)
        _, _, skipped, _ = compared(rows, Params(), parts, backwards)
        assert skipped["hot_keys"] > 22  # more than there are bands

    def test_equal_notices_behind_a_hot_key(self, parts, backwards):
        rows = [
            {"id": str(n), "title": f"Market {n}", "text": "The market was closed today.", "published_at": "2024-03-01"}
            for n in range(300)
        ]
        _, pairs, _, _ = compared(rows, Params(level="exact"), parts, backwards)
        assert 300 < len(pairs) <= 4 * 300

    def test_more_partners_than_a_text_may_have(self, parts, backwards):
        """The prefix join keeps those that share most, and of equals the first in its lists."""
        rows = copies_of(1, 40) + windows()
        _, _, skipped, _ = compared(rows, with_duplicates(Params(), hot_key=12), parts, backwards)
        assert skipped["hot_keys"]
        assert skipped["duplicate_pairs"]

    def test_pair_budget(self, parts, backwards):
        rows = [row for seed in range(8) for row in copies_of(seed, 40, changed=12)]
        params = with_duplicates(Params(), hot_key=12, pair_budget=3)
        _, pairs, skipped, engine = compared(rows + windows(), params, parts, backwards)
        assert len(pairs) <= 3 * (len(rows) + len(windows()))
        assert "copies-budget" in engine.sent
        unbound = compared(rows + windows(), with_duplicates(params, pair_budget=64), parts, backwards)[2]
        assert skipped["duplicate_pairs"] > unbound["duplicate_pairs"] > 0  # by the budget, and by the prefix join

    def test_nothing_but_empty_texts(self, parts, backwards):
        rows = [{"id": str(n), "title": None, "text": " ", "published_at": None} for n in range(9)]
        assert compared(rows, Params(), parts, backwards)[0].tolist() == list(range(9))

    @pytest.mark.skipif(not REAL.is_file(), reason=f"no {REAL}")
    def test_real_articles_without_boilerplate(self, parts, backwards):
        """Texts of which shingles were taken out."""
        with LocalEngine(1) as engine:
            clock = Clock(lambda *_: None)
            read = pipeline.read(str(REAL), Params(), (), engine, clock)
            stripped = pipeline.without_boilerplate(read, Params(), clock).sketches
        flow_, corpus = spread(str(REAL), Params(), parts, backwards)
        bounds = zip(corpus.starts[:-1].tolist(), np.diff(corpus.starts).tolist(), strict=True)
        sketches = {part: stripped.slice(start, size) for part, (start, size) in enumerate(bounds) if size}
        corpus = replace(corpus, sketches=sketches)
        units = copies.units(flow_, corpus, Params())
        found = copies.verified(flow_, corpus, units, Params())
        unit, pairs, skipped = local(stripped, Params())
        assert whole(units)["unit"].to_numpy().tolist() == unit.tolist()
        assert whole(found.pairs).equals(pairs)
        assert found.skipped == skipped


def postings(lists, length, own, seed=0):
    """Lists of so many documents each under one shingle, some of which chose it as a key; in no order."""
    chance = np.random.default_rng(seed)
    n = lists * length
    member = np.concatenate([chance.permutation(length) for _ in range(lists)])
    return pa.table(
        {
            "key": np.repeat(chance.integers(0, 1 << 63, lists, np.uint64), length),
            "member": member.astype(np.uint32),
            "smallest": chance.integers(0, 1 << 63, length, np.uint64)[member],
            "size": np.full(n, 300, np.int32),
            "own": chance.random(n) < own,
        }
    )


@pytest.mark.parametrize("own", [0.001, 1.0])
def test_a_bucket_of_100_000_is_bounded(own):
    """One band and one shingle that so many share: some pairs each, and no list that goes to other parts."""
    n, params = 100_000, Params().duplicates
    pair = partial(spread_candidates._pair, params=params, starts=np.array([0, n // 2, n]))
    band = postings(1, n, own).select(["key", "smallest", "member"])
    list(pair(0, {"keys": band.slice(0, 10), "postings": postings(3, 9, own)}))  # compiles
    tracemalloc.start()
    sent = Counter()
    for message in pair(0, {"keys": band, "postings": postings(1, n, own)}):
        sent[message.stream] += len(message.rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert set(sent) == {"pairs", "hot"}
    neighbours = 4 * n + 8 * n * own  # of a band, and of those who chose a key on both sides
    assert 4 * n - 10 <= sent["pairs"] <= neighbours
    assert peak < 400 * n


def test_lists_that_all_ask_for_are_sent_part_by_part():
    """Of lists at the limit each part gets the members once, whatever number of its texts chose the key."""
    lists, length, parts = 500, 200, 20
    starts = np.arange(parts + 1) * (length // parts)
    pair = partial(spread_candidates._pair, params=Params().duplicates, starts=starts)
    tracemalloc.start()
    sent = Counter()
    for message in pair(0, {"postings": postings(lists, length, 1.0)}):
        sent[message.stream, message.part] += len(message.rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sent == {("hot", 0): 1} | {("lists", part): lists * length for part in range(parts)}
    assert peak < 400 * lists * length
