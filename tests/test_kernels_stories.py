"""Similar pairs, feedback, linkage and the tree cut against their twins, and linkage against SciPy."""

import math

import naive
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dedup.kernels import cosine, feedback, linkage

quick = settings(max_examples=150, deadline=None)
COLUMNS = 8


def unit(row, kind=np.float16):
    """Scale a row to about length 1. With 11 bits a weight, products are exact in float32 too: see `test_products…`."""
    length = math.sqrt(sum(weight * weight for weight in row.values()))
    return {column: float(kind(weight / length)) if length else 0.0 for column, weight in sorted(row.items())}


# Few columns and few weights, so that rows meet and tie; weights of 0 make rows without length.
weights = st.sampled_from([0.0, 1.0, 1.0, 2.0]) | st.floats(0.01, 5)
matrices = st.lists(st.dictionaries(st.integers(0, COLUMNS - 1), weights, max_size=5).map(unit), max_size=10)
EMPTY_ROWS = [{}, {0: 0.0, 1: 0.0}, {0: 1.0}, {}, {0: 1.0}]


def csr(rows):
    indices, indptr = naive.ragged([list(row) for row in rows], np.int32)
    return indptr, indices, naive.ragged([list(row.values()) for row in rows], np.float32)[0]


def pairs_of(draw, n, **limits):
    place = st.integers(0, n - 1)
    return (
        draw(st.lists(st.tuples(place, place).filter(lambda pair: pair[0] > pair[1]), unique=True, **limits))
        if n > 1
        else []
    )


def int64(values):
    return np.array(values, np.int64)


def two(pairs):
    """Return left and right."""
    return int64([i for i, _ in pairs]), int64([j for _, j in pairs])


@quick
@example([], 0)
@example(EMPTY_ROWS, 1)
@given(matrices, st.integers(0, 9))
def test_transpose(rows, seed):
    order = np.random.default_rng(seed).permutation(len(rows))
    starts, places, values = cosine.transpose(*csr(rows), COLUMNS, order)
    found = zip(naive.unragged(places, starts), naive.unragged(values, starts), strict=True)
    assert [list(zip(*column, strict=True)) for column in found] == naive.transpose(rows, COLUMNS, order)


@st.composite
def neighbourhoods(draw):
    rows = draw(matrices)
    n = len(rows)
    first = draw(st.integers(0, n))
    last = draw(st.integers(first, n))
    day = st.just(math.nan) | st.sampled_from([0.0, 0.25, 7.0, 7.0, 400.0])
    known = draw(st.integers(0, first))
    undated = draw(st.integers(0, n))
    ends = [sorted(draw(st.lists(st.integers(undated, n), min_size=2, max_size=2))) for _ in range(n)]
    budget = draw(st.sampled_from([0, 1, 4, 9, 1000]))
    order = draw(st.permutations(range(n)))
    columns = [draw(st.lists(value, min_size=n, max_size=n)) for value in (day, st.floats(0, 0.5), st.floats(0, 1))]
    meets = undated, [low for low, _ in ends], [high for _, high in ends], budget
    return rows, order, meets, first, last, known, set(pairs_of(draw, n, max_size=4)), columns


def all_of(rows):
    """Return the rows in the given order, and that each meets all without a bound."""
    n = len(rows)
    return rows, range(n), (n, [n] * n, [n] * n, 1000)


def similar(rows, order, meets, *ends_and_known, refused, columns, crowd=10, near=3, floor=0.05):
    """Return what the kernel finds, and what its twin does."""
    undated, low, high, budget = meets
    places = int64(list(order))
    found = cosine.similar_pairs(
        *ends_and_known, places, *csr(rows), *cosine.transpose(*csr(rows), COLUMNS, places),
        undated, int64(low), int64(high), budget, *ragged_partners(refused, len(rows)),
        *(np.array(column, np.float64) for column in columns), crowd, near, floor, 0.5, 7.0,
    )  # fmt: skip
    wanted = naive.similar_pairs(
        *ends_and_known, order, rows, undated, low, high, budget, refused, *columns, crowd, near, floor, 0.5, 7.0
    )
    return found, wanted


def ragged_partners(refused, n):
    """Return the partners of each row in both directions, and offsets."""
    rows = [sorted({j for pair in refused if i in pair for j in pair if j != i}) for i in range(n)]
    return naive.ragged(rows, np.int64)


@quick
@example((*all_of([]), 0, 0, 0, set(), [[], [], []]), 1, 1, 0.05)
@example((*all_of([{0: 1.0}]), 0, 1, 0, set(), [[math.nan], [0.0], [1.0]]), 10, 3, 0.05)  # one document
@example((*all_of(EMPTY_ROWS), 0, 5, 0, set(), [[0.0] * 5, [0.0] * 5, [0.5] * 5]), 10, 3, 0.05)
@example((*all_of([{0: 1.0}] * 6), 2, 6, 2, {(5, 0), (3, 2)}, [[7.0] * 6, [0.2] * 6, [1.0] * 6]), 2, 3, 0.05)  # ties
@given(neighbourhoods(), st.integers(1, 5), st.integers(1, 4), st.sampled_from([0.05, 0.3, 0.9]))
def test_similar_pairs(case, crowd, near, floor):
    *case, refused, columns = case
    found, (own, neighbours, pairs) = similar(
        *case, refused=refused, columns=columns, crowd=crowd, near=near, floor=floor
    )
    assert found[0].tolist() == own
    assert found[1].tolist() == [[j for j, _ in row] for row in neighbours]
    assert found[2].ravel().tolist() == pytest.approx([weight for row in neighbours for _, weight in row], rel=1e-12)
    assert list(zip(*(column.tolist() for column in found[3:]), strict=True)) == pairs


def test_similar_pairs_grow_beyond_their_first_room():
    rows = [unit({0: 1.0, 1 + i % 7: 0.3 + i / 100}) for i in range(70)]  # 2,415 pairs
    n = len(rows)
    found, (_, _, pairs) = similar(*all_of(rows), 0, n, 0, refused=set(), columns=[[0.0] * n] * 3)
    assert len(pairs) == n * (n - 1) // 2
    assert list(zip(*(column.tolist() for column in found[3:]), strict=True)) == pairs


@st.composite
def mixtures(draw):
    rows = draw(matrices)
    n, k = len(rows), draw(st.integers(1, 3))
    neighbours = [[draw(st.integers(-1, n - 1)) for _ in range(k)] for _ in range(n)]
    shares = [[draw(st.floats(0, 0.25)) if j >= 0 else 0.0 for j in row] for row in neighbours]
    return rows, neighbours, shares, sorted(pairs_of(draw, n, max_size=12)), k


def close(found, wanted):
    assert found.dtype == np.float64
    assert found.tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-12, nan_ok=True)


@quick
@example(([], [], [], [], 1))
@example((EMPTY_ROWS, [[-1], [0], [4], [2], [1]], [[0.0], [0.1], [0.2], [0.2], [0.1]], [(3, 0), (3, 2), (4, 2)], 1))
@given(mixtures())
def test_feedback(case):
    rows, neighbours, shares, pairs, k = case
    arrays = *csr(rows), COLUMNS, int64(neighbours).reshape(-1, k), np.array(shares, np.float64).reshape(-1, k)
    norms = feedback.feedback_norms(*arrays)
    close(norms, naive.feedback_norms(rows, neighbours, shares))
    pairs = [(i, j) for i, j in pairs if norms[i] * norms[j] > 0]  # a row without length is in no pair
    left, right = two(pairs)
    found = feedback.feedback_cosines(*arrays, norms, left, right)
    close(found, naive.feedback_cosines(rows, neighbours, shares, norms.tolist(), left.tolist(), right.tolist()))
    assert (found <= 1 + 1e-9).all()


@st.composite
def scored_pairs(draw):
    n = draw(st.integers(0, 7))
    pairs = pairs_of(draw, n)
    return n, pairs, [draw(st.sampled_from([0.5, 0.75]) | st.floats(1e-9, 1)) for _ in pairs]


@quick
@example((3, [], []), 10)
@given(scored_pairs(), st.integers(1, 10))
def test_best_scores(case, count):
    n, pairs, scores = case
    left, right = two(pairs)
    best = cosine.best_scores(n, left, right, np.array(scores, np.float64), count)
    assert best.tolist() == naive.best_scores(n, left.tolist(), right.tolist(), scores, count)


@quick
@example([])
@example(EMPTY_ROWS)
@given(matrices)
def test_pair_cosines(rows):
    left, right = two([(i, j) for i in range(len(rows)) for j in range(len(rows))])
    found = cosine.pair_cosines(*csr(rows), left, right)
    assert found.tolist() == naive.pair_cosines(rows, left.tolist(), right.tolist())


def test_products_of_float32_are_added_unrounded():
    rows = [unit({0: 1.0, 1: 1.0 + i / 7, 2: 0.3}, np.float32) for i in range(20)]
    n = len(rows)
    (*_, left, right, found), _ = similar(*all_of(rows), 0, n, 0, refused=set(), columns=[[0.0] * n] * 3)
    wanted = naive.pair_cosines(rows, left.tolist(), right.tolist())
    assert cosine.pair_cosines(*csr(rows), left, right).tolist() == wanted
    assert found.tolist() == wanted


# Linkage


@st.composite
def graphs(draw):
    """Draw pairs in any direction with weights that often tie, or sum up to nothing."""
    n = draw(st.integers(0, 9))
    pairs = [pair[:: draw(st.sampled_from([1, -1]))] for pair in pairs_of(draw, n)]
    weight = st.sampled_from([-2, -1, 1, 2, 3, 4]).map(lambda w: w << 28) | st.integers(1, 1 << 30)
    return n, pairs, [draw(weight) for _ in pairs]


def linked(n, pairs, weight, floor):
    children, heights = linkage.average_linkage(n, *two(pairs), int64(weight), floor)
    return children.tolist(), heights.tolist()


def brute(n, pairs, weight, floor):
    left, right = two(pairs)
    return naive.average_linkage(n, left.tolist(), right.tolist(), weight, floor)


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
    _, heights = linkage.average_linkage(n, left, right, weight, 0.0)
    theirs = hierarchy.linkage((1 << 30) - weight, "average")[:, 2]
    assert heights / linkage.UNIT == pytest.approx((1 << 30) - theirs, rel=1e-9)


def test_order_of_pairs_does_not_matter():
    weight = [HALF, HALF, HALF // 2, HALF, HALF, HALF // 2]
    pairs = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)]
    swapped = [(j, i) for i, j in pairs[::-1]]
    assert linked(6, pairs, weight, 0.0) == linked(6, swapped, weight[::-1], 0.0)


powers = st.sampled_from([0.0, 0.25, 0.4, 0.5, 1.0])
pair_heights = st.sampled_from([0.0, 0.1, 0.5, 2.0])


@settings(max_examples=300, deadline=None)
@example((0, [], []), 0.35, 0.5, 0.1)
@example((3, [], []), 0.35, 0.5, 0.1)  # no merges
@example((6, RING, [HALF] * 6), 0.5, 0.4, 0.0)
@example((6, CLIQUE, [HALF] * 15), 0.5, 0.5, 0.0)  # merges as high as a leaf: the values of a node and its parts tie
@given(graphs(), st.sampled_from([0.0, 0.01, 0.35, 0.5, 1.0]), powers, pair_heights)
def test_tree_cut(graph, single, power, pair):
    n, pairs, weight = graph
    children, heights = linkage.average_linkage(n, *two(pairs), int64(weight), 2.0**-8)
    found = linkage.tree_cut(n, children, heights, single, power, pair, 3.0)
    assert found.tolist() == naive.tree_cut(n, children.tolist(), heights.tolist(), single, power, pair, 3.0)


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
    found = linkage.tree_cut(n, int64(children).reshape(-1, 2), np.array(heights, np.float64), single, power, pair, 1.0)
    assert found.tolist() == naive.tree_cut(n, children, heights, single, power, pair, 1.0)
