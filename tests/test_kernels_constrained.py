"""Joining under constraints against its twin, and average linkage with pairs that must be together or apart."""

import naive
import numpy as np
import pyarrow as pa
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pairs import ones, pairs_of, two

from dedup import schema, stories
from dedup.kernels import constrained, cutting, jaccard, linkage
from dedup.params import StoryParams

CUT = StoryParams().cut_power, StoryParams().pair_height, StoryParams().pair_fade


def roots(n, pairs):
    return jaccard.components(n, *two(pairs)).tolist()


def allowed(n, near, far):
    """Tell whether pairs that must be near leave those apart that must be far."""
    root = roots(n, near)
    return not any(root[i] == root[j] for i, j in far)


@st.composite
def problems(draw):
    n = draw(st.integers(0, 10))
    pairs = pairs_of(draw, n)
    apart, near, far = (pairs_of(draw, n, max_size=4) for _ in range(3))
    assume(allowed(n, near, far))
    return n, pairs, apart, near, far


@settings(max_examples=500, deadline=None)
@example((0, [], [], [], []))
@example((3, [(1, 0), (2, 1)], [(2, 0)], [], []))  # the second join would close the circle
@example((4, [(1, 0), (3, 2)], [], [(2, 0)], [(3, 1)]))  # two sets in one wider set
@given(problems())
def test_constrained_components(problem):
    n, pairs, apart, near, far = problem
    found = constrained.constrained_components(n, *two(pairs), *two(apart), *two(near), *two(far)).tolist()
    assert found == naive.constrained_components(n, *(side.tolist() for side in two(pairs)), apart, near, far)
    assert not any(found[i] == found[j] for i, j in [*apart, *far])
    wider = [*near, *((i, root) for i, root in enumerate(found) if i != root)]
    assert allowed(n, wider, far)


def test_without_constraints_they_are_the_components():
    generator = np.random.default_rng(3)
    left, right = generator.integers(0, 300, (2, 250))
    none = [np.empty(0, np.int64)] * 6
    found = constrained.constrained_components(300, left, right, *none)
    assert found.tolist() == jaccard.components(300, left, right).tolist()


@st.composite
def bound_graphs(draw):
    """Draw links, pairs that must be together, and pairs that must be apart."""
    n = draw(st.integers(2, 9))
    links = {pair: draw(st.integers(-(3 << 30), 1 << 30)) for pair in pairs_of(draw, n)}
    near, far = pairs_of(draw, n, max_size=5), pairs_of(draw, n, max_size=5)
    assume(allowed(n, near, far))
    return n, links, near, far


@settings(max_examples=500, deadline=None)
@given(bound_graphs(), st.sampled_from([0.001, 0.35, 10.0]))
def test_linkage_keeps_pairs_apart(graph, granularity):
    n, links, _, far = graph
    links = links | dict.fromkeys(far, linkage.APART)
    weight = np.array(list(links.values()), np.int64)
    children, heights = linkage.average_linkage(ones(n), *two(links), weight, 0.005)
    left, right = (side.tolist() for side in two(links))
    assert (children.tolist(), heights.tolist()) == naive.average_linkage([1] * n, left, right, weight.tolist(), 0.005)
    label = cutting.tree_cut(n, children, heights, granularity, 0.35, 0.07, 3.0)[0]
    assert not any(label[i] == label[j] for i, j in far)


@settings(max_examples=300, deadline=None)
@example((3, {(1, 0): 1 << 29}, [(2, 1)], []), 0.001)  # lower than the height that two must rise above
@given(bound_graphs(), st.sampled_from([0.001, 0.35, 10.0]))
def test_stories_keep_to_constraints(graph, granularity):
    n, links, near, far = graph
    scores = {pair: weight * linkage.UNIT for pair, weight in links.items()}
    scores |= dict.fromkeys(far, stories.APART) | dict.fromkeys(near, stories.TOGETHER)
    columns = (*two(scores), np.zeros(len(scores)), np.array(list(scores.values()), np.float64))
    table = pa.Table.from_arrays([pa.array(column) for column in columns], schema=schema.LINKS)
    label = stories.link(n, table, StoryParams(granularity=granularity)).tolist()
    assert all(label[i] == label[j] for i, j in near)
    assert not any(label[i] == label[j] for i, j in far)
    others = {pair: score for pair, score in scores.items() if score < stories.TOGETHER}
    if not near:
        assert label == plain_stories(n, others, granularity)


def plain_stories(n, scores, granularity):
    """Cut the tree of all links as they are."""
    weight = np.rint(np.array(list(scores.values()), np.float64) / linkage.UNIT).astype(np.int64)
    children, heights = linkage.average_linkage(ones(n), *two(scores), weight, StoryParams().merge_floor)
    label = cutting.tree_cut(n, children, heights, granularity, *CUT)[0].tolist()
    return [label.index(node) for node in label]


def test_what_must_be_together_keeps_its_company():
    """0 and 3 are joined by a rule; 1 and 2 stay with 0, whose average with both would be half."""
    scores = {(1, 0): 0.5, (2, 0): 0.3, (2, 1): 0.3, (3, 0): stories.TOGETHER, (4, 3): 0.4}
    columns = (*two(scores), np.zeros(5), np.array(list(scores.values())))
    table = pa.Table.from_arrays([pa.array(column) for column in columns], schema=schema.LINKS)
    assert stories.link(5, table, StoryParams()).tolist() == [0] * 5


def test_many_pairs_apart_do_not_overflow():
    n = 200  # two halves that must be apart, each full of links, and full of links between them
    left, right = np.triu_indices(n, 1)
    across = (left < n // 2) & (right >= n // 2)
    weight = np.where(across, linkage.APART, 1 << 29)
    children, heights = linkage.average_linkage(ones(n), left, right, weight, 0.0)
    label = cutting.tree_cut(n, children, heights, 0.35, 0.35, 0.07, 3.0)[0]
    assert len(children) == n - 2 and len(set(label[: n // 2])) == len(set(label[n // 2 :])) == 1
    assert label[0] != label[-1]
