"""Average linkage and the tree cut against their twins, and linkage against SciPy."""

import naive
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pairs import int64, ones, pairs_of, two

from dedup.kernels import cutting, linkage


@st.composite
def graphs(draw):
    """Draw pairs in any direction with weights that often tie, or sum up to nothing."""
    n = draw(st.integers(0, 9))
    pairs = [pair[:: draw(st.sampled_from([1, -1]))] for pair in pairs_of(draw, n)]
    weight = st.sampled_from([-2, -1, 1, 2, 3, 4]).map(lambda w: w << 28) | st.integers(1, 1 << 30)
    return n, pairs, [draw(weight) for _ in pairs]


def linked(n, pairs, weight, floor, sizes=None):
    children, heights = linkage.average_linkage(int64(sizes or [1] * n), *two(pairs), int64(weight), floor)
    return children.tolist(), heights.tolist()


def brute(n, pairs, weight, floor, sizes=None):
    left, right = two(pairs)
    return naive.average_linkage(sizes or [1] * n, left.tolist(), right.tolist(), weight, floor)


HALF = 1 << 29
RING = [(i, (i + 1) % 6) for i in range(6)]
CLIQUE = [(i, j) for i in range(6) for j in range(i)]


@settings(max_examples=400, deadline=None)
@example((0, [], []), 0.0)
@example((1, [], []), 0.0)
@example((6, RING, [HALF] * 6), 0.0)  # everything ties
@example((6, CLIQUE, [HALF] * 15), 0.0)
@example((6, [*RING, (0, 3)], [HALF] * 6 + [HALF + 1]), 0.125)
@example((4, [(3, 2), (1, 0), (2, 0)], [HALF, HALF, HALF // 2]), 0.125)  # the last merge is exactly 1/16
@given(graphs(), st.sampled_from([0.0, 2.0**-8, 0.125, 0.5]))
def test_average_linkage(graph, floor):
    assert linked(*graph, floor) == brute(*graph, floor)


@settings(max_examples=400, deadline=None)
@given(graphs(), st.sampled_from([2.0**-8, 0.125]), st.lists(st.integers(1, 6), min_size=9, max_size=9))
def test_average_linkage_of_clusters(graph, floor, sizes):
    """Positions that hold several from the start."""
    sizes = sizes[: graph[0]]
    assert linked(*graph, floor, sizes) == brute(*graph, floor, sizes)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("n", "degree", "levels"), [(40, 2, 3), (40, 12, 3), (60, 4, 1 << 30), (40, 39, 2)])
def test_average_linkage_of_larger_graphs(n, degree, levels, seed):
    generator = np.random.default_rng(seed)
    every = [(i, j) for i in range(n) for j in range(i)]
    pairs = [every[i] for i in generator.permutation(len(every))[: n * degree // 2]]
    weight = (generator.integers(1, levels + 1, len(pairs)) * ((1 << 30) // levels)).tolist()
    assert linked(n, pairs, weight, 0.005) == brute(n, pairs, weight, 0.005)


def test_average_linkage_of_a_star_and_a_chain():
    star = [(0, i) for i in range(1, 60)]
    chain = [(i, i + 1) for i in range(59)]
    for pairs in (star, chain, star[::-1], chain[::-1]):
        for weight in ([HALF] * 59, [HALF + i for i in range(59)]):
            assert linked(60, pairs, weight, 0.0) == brute(60, pairs, weight, 0.0)


def test_average_linkage_agrees_with_scipy():
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    n = 400  # all pairs, hence many compactions of the lists
    generator = np.random.default_rng(7)
    weight = generator.permutation(n * (n - 1) // 2) + (1 << 27)
    left, right = np.triu_indices(n, 1)
    _, heights = linkage.average_linkage(ones(n), left, right, weight, 0.0)
    theirs = hierarchy.linkage((1 << 30) - weight, "average")[:, 2]
    assert heights / linkage.UNIT == pytest.approx((1 << 30) - theirs, rel=1e-9)


def test_order_of_pairs_does_not_matter():
    weight = [HALF, HALF, HALF // 2, HALF, HALF, HALF // 2]
    pairs = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)]
    swapped = [(j, i) for i, j in pairs[::-1]]
    assert linked(6, pairs, weight, 0.0) == linked(6, swapped, weight[::-1], 0.0)


powers = st.sampled_from([0.0, 0.25, 0.4, 0.5, 1.0])
pair_heights = st.sampled_from([0.0, 0.1, 0.5, 2.0])


def check_cut(found, wanted):
    label, *told = found
    assert label.tolist() == wanted[0]
    for got, by_hand in zip(told, wanted[1:], strict=True):
        np.testing.assert_allclose(got, by_hand, atol=1e-12)


@settings(max_examples=300, deadline=None)
@example((0, [], []), 0.35, 0.5, 0.1)
@example((3, [], []), 0.35, 0.5, 0.1)  # no merges
@example((6, RING, [HALF] * 6), 0.5, 0.4, 0.0)
@example((6, CLIQUE, [HALF] * 15), 0.5, 0.5, 0.0)  # merges as high as a leaf: the values of a node and its parts tie
@given(graphs(), st.sampled_from([0.0, 0.01, 0.35, 0.5, 1.0]), powers, pair_heights)
def test_tree_cut(graph, single, power, pair):
    n, pairs, weight = graph
    children, heights = linkage.average_linkage(ones(n), *two(pairs), int64(weight), 2.0**-8)
    found = cutting.tree_cut(n, children, heights, single, power, pair, 3.0)
    check_cut(found, naive.tree_cut(n, children.tolist(), heights.tolist(), single, power, pair, 3.0))


@st.composite
def trees(draw):
    """Draw a forest with heights in any order, so that some merges are higher than those inside them."""
    n = draw(st.integers(1, 12))
    roots, children = list(range(n)), []
    for _ in range(draw(st.integers(0, n - 1))):
        children.append([roots.pop(draw(st.integers(0, len(roots) - 1))) for _ in range(2)])
        roots.append(n + len(children) - 1)
    return n, children, [draw(st.sampled_from([0.01, 0.25, 0.25, 0.49]) | st.floats(0, 1)) for _ in children]


@settings(max_examples=300, deadline=None)
@given(trees(), st.sampled_from([0.01, 0.25, 0.35, 1.0]), powers, pair_heights)
def test_tree_cut_of_any_forest(tree, single, power, pair):
    n, children, heights = tree
    found = cutting.tree_cut(n, int64(children).reshape(-1, 2), np.array(heights, np.float64), single, power, pair, 1.0)
    check_cut(found, naive.tree_cut(n, children, heights, single, power, pair, 1.0))
