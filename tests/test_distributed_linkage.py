"""Stories in rounds and in one part against those of one machine, ties included."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from in_process import InProcess
from pairs import pairs_of
from test_seeds import ARTICLES
from test_shared_data import DATA, needs_open

from dedup import schema, stories
from dedup.clock import Clock
from dedup.distributed import linkage
from dedup.distributed.flow import deal, part_of_place
from dedup.engines.local import LocalEngine
from dedup.errors import DedupError
from dedup.params import Params, StoryParams
from dedup.pipeline import find_copies, find_stories, read, without_boilerplate
from dedup.policy import parse_policy

PARAMS = StoryParams()
FLOWS = ((1, False), (3, False), (8, False), (3, True))


def links(left, right, score):
    columns = (np.asarray(left, np.int64), np.asarray(right, np.int64), np.zeros(len(left)), np.asarray(score, float))
    return pa.Table.from_arrays([pa.array(column) for column in columns], schema=schema.LINKS)


def datasets(n, evidence, parts):
    """Spread nodes, at every third position from 2, and evidence about them."""
    position = 3 * np.arange(n) + 2
    starts = np.linspace(0, 3 * n + 5, parts + 1).astype(np.int64)
    nodes = pa.table({"position": position})
    for side in (0, 1):
        ends = pa.array(position[evidence.column(side).to_numpy()])
        evidence = evidence.set_column(side, schema.LINKS.field(side), ends)
    return tuple(
        {message.part: message.rows for message in deal("", table, part_of_place(table.column(0).to_numpy(), starts))}
        for table in (evidence, nodes)
    ), starts  # fmt: skip


class Recording(InProcess):
    """Keeps what was merged: smaller and larger position of both clusters, and how alike they were."""

    def __init__(self, parts, backwards):
        super().__init__(parts, backwards)
        self.merged = set()
        self.most = 0  # bytes that a part gets in a step

    def step(self, name, function, /, **inputs):
        for part in {part for tables in inputs.values() for part in tables}:
            got = sum(tables[part].nbytes for tables in inputs.values() if part in tables)
            self.most = max(self.most, got)
        made = super().step(name, function, **inputs)
        for table in made["merged"].values():
            merges = zip(*(table[column].to_pylist() for column in ("left", "right", "height")), strict=True)
            self.merged |= {((a - 2) // 3, (b - 2) // 3, height) for a, b, height in merges}
        return made


def merges(n, evidence, params):
    """Return the same of one machine."""
    _, children, heights = stories.tree(n, evidence, params)
    smallest, found = list(range(n)), set()
    for (one, other), height in zip(children.tolist(), heights.tolist(), strict=True):
        a, b = sorted((smallest[one], smallest[other]))
        smallest.append(a)
        found.add((a, b, height))
    return found


def distributed(n, evidence, params, flow, in_one_part):
    """Return the story of each node, as a node."""
    (evidence, nodes), starts = datasets(n, evidence, flow.parts)
    found = linkage.stories(flow, evidence, nodes, starts, params, in_one_part=in_one_part)
    assert set(found) == set(nodes)
    found = pa.concat_tables([found[part] for part in sorted(found)])
    assert found["position"].to_pylist() == (3 * np.arange(n) + 2).tolist()
    return (found["story"].to_numpy() - 2) // 3


def check(n, evidence, params=PARAMS, limits=(0, 1 << 30), flows=FLOWS):
    """Compare with one machine; limits are the pairs that one part may link. Returns the flow that ran last."""
    wanted = stories.link(n, evidence, params)
    for (parts, backwards), limit in itertools.product(flows, limits):
        flow = Recording(parts, backwards)
        got = distributed(n, evidence, params, flow, limit)
        assert got.tolist() == wanted.tolist(), (parts, backwards, limit)
        in_rounds = "linkage open" in flow.sent
        assert in_rounds == (len(evidence) > limit)
        assert not in_rounds or flow.merged == merges(n, evidence, params)
    return flow


@st.composite
def graphs(draw, most=12):
    """Draw evidence in any direction with scores that often tie, or speak against one story."""
    n = draw(st.integers(1, most))
    pairs = [pair[:: draw(st.sampled_from([1, -1]))] for pair in pairs_of(draw, n)]
    score = st.sampled_from([-3.0, -0.25, 0.25, 0.5, 0.5, 1.0]) | st.integers(1, 4).map(lambda w: w / 8)
    return n, links([i for i, _ in pairs], [j for _, j in pairs], [draw(score) for _ in pairs])


RING = links(range(12), [(i + 1) % 12 for i in range(12)], [0.5] * 12)


@settings(max_examples=150, deadline=None)
@example((12, RING), 0.35, 0.005, 0)
@example((1, RING.slice(0, 0)), 0.35, 0.005, 0)
@given(
    graphs(), st.sampled_from([0.05, 0.35, 1.0]), st.sampled_from([0.005, 0.125, 0.5]), st.sampled_from([0, 2, 5, 99])
)
def test_stories_are_those_of_one_machine(graph, granularity, floor, limit):
    params = StoryParams(granularity=granularity, merge_floor=floor)
    check(*graph, params, (limit,), FLOWS[1:])


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("n", "degree", "levels"), [(60, 3, 2), (60, 20, 2), (200, 8, 3), (300, 6, 1 << 20)])
def test_larger_graphs(n, degree, levels, seed):
    """Full of ties but for the last; a tenth of the pairs speak against one story."""
    generator = np.random.default_rng(seed)
    ends = np.unique(np.sort(generator.integers(0, n, (n * degree // 2, 2)), axis=1), axis=0)
    left, right = ends[ends[:, 0] < ends[:, 1]].T
    score = generator.integers(1, levels + 1, len(left)) / levels
    score[generator.random(len(score)) < 0.1] = -0.1
    check(n, links(left, right, score), limits=(0, 40, 1 << 30), flows=FLOWS[1:3])


@pytest.mark.parametrize("score", [np.full(9_999, 0.5), np.linspace(0.1, 0.9, 9_999)], ids=["equal", "rising"])
class TestChain:
    def test_in_one_part(self, score):
        check(10_000, links(np.arange(9_999), np.arange(1, 10_000), score), limits=(9_999,), flows=FLOWS[:2])

    def test_what_is_left_after_some_rounds(self, score):
        evidence = links(np.arange(9_999), np.arange(1, 10_000), score)
        flow = check(10_000, evidence, limits=(9_990,), flows=FLOWS[1:2])
        assert "linkage rename 3" in flow.sent

    def test_any_order_of_positions(self, score):
        """Ties and weights then end the runs in which one merge waits for the next."""
        place = np.random.default_rng(1).permutation(10_000)
        if score[0] < score[-1]:
            score = np.random.default_rng(2).permutation(score)
        flow = check(10_000, links(place[:-1], place[1:], score), limits=(0,), flows=FLOWS[1:2])
        assert sum(name.startswith("linkage propose") for name in flow.sent) < 25

    def test_too_many_rounds(self, score, monkeypatch):
        monkeypatch.setattr(linkage, "ROUNDS", 7)
        evidence = links(np.arange(9_999), np.arange(1, 10_000), score)
        with pytest.raises(DedupError, match=r"got 9,9\d\d pairs of clusters after 7 rounds, wanted at most 10"):
            distributed(10_000, evidence, PARAMS, InProcess(3), 10)

    def test_one_by_one(self, score, monkeypatch):
        monkeypatch.setattr(linkage, "ROUNDS", 200)
        check(120, links(np.arange(119), np.arange(1, 120), score[:119]), limits=(0,), flows=FLOWS[1:2])


def test_a_hub():
    """It takes its neighbours one by one; a part holds its pairs, and what all of them have become."""
    n = 100_001
    evidence = links(np.full(n - 1, 7), np.delete(np.arange(n), 7), np.full(n - 1, 0.04))
    flow = check(n, evidence, limits=(0,), flows=[(8, False)])
    print(f"{flow.most / n:.1f} bytes a neighbour in one part")
    assert flow.most < 80 * n


def test_pairs_that_must_be_apart_do_not_overflow():
    """Two halves full of links, and of pairs between them that forbid one story."""
    left, right = np.triu_indices(40, 1)
    across = (left < 20) & (right >= 20)
    score = np.where(across, stories.APART, 0.5)
    assert set(stories.link(40, links(left, right, score), PARAMS)) == {0, 20}
    check(40, links(left, right, score))


def test_nothing():
    flow = InProcess(3)
    assert not linkage.stories(flow, {}, {}, np.zeros(4, np.int64), PARAMS)
    check(5, links([], [], []))


def test_evidence_about_others_than_the_nodes():
    (evidence, nodes), starts = datasets(12, RING, 3)
    del nodes[1]
    with pytest.raises(DedupError, match="part 1"):
        linkage.stories(InProcess(3), evidence, nodes, starts, PARAMS)
    fewer = {part: table.slice(0, 2) for part, table in datasets(12, RING, 3)[0][1].items()}
    with pytest.raises(DedupError, match="others than its nodes"):
        linkage.stories(InProcess(3), evidence, fewer, starts, PARAMS)


def evidence_of(source):
    """Run both passes on one machine and return how many representatives there are, and what links them."""
    params, clock = Params(), Clock(lambda *_: None)
    policy = parse_policy(params.canonical)
    with LocalEngine(1) as engine:
        corpus = read(source, params, policy, engine, clock)
        corpus = without_boilerplate(corpus, params, clock)
        copies = find_copies(corpus, params, policy, clock)
        found = find_stories(corpus, copies, params, engine, clock)
    return len(found.positions), found.evidence


@pytest.mark.parametrize(
    "source",
    [ARTICLES, pytest.param(DATA / "open" / "g5w_news_cluster.parquet", marks=needs_open)],
    ids=["seeds", "g5w"],
)
def test_articles(source):
    n, evidence = evidence_of(source)
    check(n, evidence, limits=(0, len(evidence) // 3, len(evidence)))
