"""Vectors, similar pairs and feedback against their twins."""

import itertools
import math
from itertools import pairwise

import naive
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pairs import int64, pairs_of, two

from dedup.kernels import cosine, feedback, nearest, postings, tfidf

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
    indices, indptr = naive.ragged([list(row) for row in rows], np.uint32)
    return indptr, indices, naive.ragged([list(row.values()) for row in rows], np.float32)[0]


SIZES = st.sampled_from([1, 2, 3, 64])


@quick
@example([{2: 1.0, 0: 0.5}])
@given(matrices)
def test_order_rows(rows):
    rows = [dict(sorted(row.items(), key=lambda entry: (entry[0] * 5) % 8)) for row in rows]
    indptr, indices, data = csr(rows)
    postings.order_rows(indptr, indices, data)
    found = zip(naive.unragged(indices, indptr), naive.unragged(data, indptr), strict=True)
    assert [list(zip(*row, strict=True)) for row in found] == [list(row.items()) for row in naive.order_rows(rows)]


def index(arrays, order, columns, size):
    """Return the postings of all blocks, in arrays that held something else before."""
    starts = np.full((-(-len(order) // size), columns + 1), 7, np.uint32)
    places, values = np.empty(len(arrays[1]), np.uint16), np.empty(len(arrays[1]), np.float32)
    bases = postings.block_postings(*arrays, order, size, starts, places, values)
    return starts, bases, places, values


@quick
@example([], 0, 2, COLUMNS)
@example(EMPTY_ROWS, 1, 2, 1)
@given(matrices, st.integers(0, 9), SIZES, st.integers(0, COLUMNS))
def test_block_postings(rows, seed, size, columns):
    order = np.random.default_rng(seed).permutation(len(rows))
    starts, bases, places, values = index(csr(rows), order, columns, size)
    found = []
    for block, (base, end) in zip(starts.astype(np.int64), pairwise(bases), strict=True):
        both = (naive.unragged(column[base:end], block) for column in (places, values))
        found.append([list(zip(*column, strict=True)) for column in zip(*both, strict=True)])
    assert found == naive.block_postings(rows, order, columns, size)


@quick
@example([], 0)
@example(EMPTY_ROWS, 1)
@given(matrices, st.integers(0, 9))
def test_common_parts(rows, seed):
    order = np.random.default_rng(seed).permutation(len(rows))
    starts, columns, values, norms = postings.common_parts(*csr(rows), order, STEPS)
    parts, wanted = naive.common_parts(rows, order, STEPS)
    found = zip(naive.unragged(columns, starts), naive.unragged(values, starts), strict=True)
    assert [list(zip(*row, strict=True)) for row in found] == parts
    assert norms.dtype == np.float32 and norms.shape == (len(rows), len(STEPS))
    wanted = np.array(wanted).reshape(norms.shape)
    assert (norms >= wanted).all() and (norms <= wanted * (1 + 1e-5)).all()


@quick
@example([], 0, 1, 3)
@example(EMPTY_ROWS, 1, 1, 0)
@given(matrices, st.integers(0, 9), st.sampled_from([0, 0.25, 0.6, 1]), st.sampled_from([0, 1, 4, 9, 1000]))
def test_within_budget(rows, seed, share, budget):
    order = np.random.default_rng(seed).permutation(len(rows))
    frequencies = sorted((sum(c in row for row in rows) or 1 for c in range(COLUMNS)), reverse=True)
    shared = sum(count > 1 for count in frequencies)
    indptr, indices, _ = csr(rows)
    shares = [share] * len(rows)
    for known in (frequencies, frequencies[:shared]):
        given = np.int32(known), np.array(shares, float), budget
        found = postings.within_budget(indptr, indices, order, *given)
        assert (found - indptr[order]).tolist() == naive.within_budget(rows, order, frequencies, shares, budget)


@quick
@example([], 1, 2)
@example(EMPTY_ROWS, 2, 2)
@given(matrices, st.integers(1, 4), st.integers(1, 4))
def test_heaviest(rows, groups, count):
    random = np.random.default_rng(len(rows))
    group, wanted = random.integers(0, groups, len(rows)), random.random(COLUMNS) < 0.7
    members = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[members], np.arange(groups + 1))
    found = tfidf.heaviest(*csr(rows), wanted, members, bounds, count)
    parts = [members[a:b].tolist() for a, b in pairwise(bounds)]
    assert found.tolist() == naive.heaviest(rows, wanted, parts, count)


STEPS = np.array([0, 1, 2, 4, COLUMNS])
FADING = 0.5, 7.0  # decay floor, time scale


@st.composite
def neighbourhoods(draw):
    """Draw rows in the order of their places, what each meets, and what is known of the places before `first`."""
    rows = draw(matrices)
    n = len(rows)
    first = draw(st.integers(0, n))
    last = draw(st.integers(first, n))
    until = draw(st.just(n) | st.integers(0, n))
    undated = draw(st.integers(0, n))
    low = sorted(draw(st.lists(st.integers(undated, n), min_size=n, max_size=n)))
    day = st.just(math.nan) | st.sampled_from([0.0, 0.25, 7.0, 7.0, 400.0])
    days, shares = (draw(st.lists(value, min_size=n, max_size=n)) for value in (day, st.floats(0, 1)))
    known = [draw(st.lists(st.floats(0, 0.5, width=32), min_size=first, max_size=first)) for _ in range(2)]
    least, halves = ([*values, *[0.0] * (n - first)] for values in known)
    left_out = [draw(st.integers(0, len(row))) if draw(st.booleans()) else 0 for row in rows]
    meets = left_out, until, undated, low, set(pairs_of(draw, n, max_size=4))
    return rows, first, last, meets, (days, shares, least, halves)


def all_of(rows, first=0, refused=(), days=None):
    """Return rows of which each meets all before it, and nothing is known of any."""
    n = len(rows)
    return rows, first, n, ([0] * n, n, n, [n] * n, set(refused)), (days or [0.0] * n, [1.0] * n, [0.0] * n, [0.0] * n)


def similar(case, crowd=10, near=3, floor=0.05, size=64, most=0.3, budget=10**6, at_most=None):
    """Return the pairs that the kernel finds and the state it leaves, and what its twin does."""
    rows, first, last, (left_out, until, undated, low, refused), (days, shares, least, halves) = case
    n = len(rows)
    shuffled = np.random.default_rng(n).permutation(n)  # the rows lie in another order than their places
    lying = [rows[place] for place in shuffled]
    order = np.argsort(shuffled)
    arrays = csr(lying)
    state = {
        "days": days, "shares": shares, "least": [*least], "halves": [*halves],
        "best": [[0.0] * crowd for _ in rows], "nearest": [[(0.0, -1)] * near for _ in rows],
    }  # fmt: skip
    told = (
        np.array(days, np.float64), np.array(shares, np.float64), np.zeros((n, crowd)), np.full((n, near), -1),
        np.zeros((n, near)), np.array(least, np.float32), np.array(halves, np.float32),
    )  # fmt: skip
    common = postings.common_parts(*arrays, order, STEPS)
    found = cosine.similar_pairs(
        first, last, order, *arrays, arrays[0][order] + int64(left_out), size, *index(arrays, order, COLUMNS, size),
        *common, STEPS, most, until, undated, int64(low), *ragged_partners(refused, n), *told, floor, *FADING,
        budget, n if at_most is None else at_most,
    )  # fmt: skip
    met = first, last, rows, left_out, until, undated, low, refused, state, floor, FADING
    if at_most is None:
        return found, told, naive.similar_pairs(*met), state
    lengths = common[3][:, -1]

    def bound(i, j, cosine):
        return lengths[i] * lengths[j] if most > 1 else cosine

    return found, told, naive.bounded_pairs(*met, size, bound, at_most), state


def ragged_partners(refused, n):
    """Return the earlier partners of each row, and offsets."""
    return naive.ragged([sorted(j for i, j in refused if i == row) for row in range(n)], np.int64)


def same_state(told, state):
    _, _, best, neighbours, weights, least, halves = told
    assert best.tolist() == state["best"]
    assert neighbours.tolist() == [[j for _, j in row] for row in state["nearest"]]
    assert weights.ravel().tolist() == pytest.approx([w for row in state["nearest"] for w, _ in row], rel=1e-12)
    np.testing.assert_allclose(least, state["least"], rtol=1e-6)
    np.testing.assert_allclose(halves, state["halves"], rtol=1e-6)


@quick
@example(all_of([]), 1, 1, 0.05, 2, 0.3)
@example(all_of([{0: 1.0}], days=[math.nan]), 10, 3, 0.05, 2, 0.3)  # one document
@example(all_of(EMPTY_ROWS), 10, 3, 0.05, 2, 0.3)
@example(all_of([{0: 1.0}] * 6, 2, {(5, 0), (3, 2)}, [7.0] * 6), 2, 3, 0.05, 2, 0.3)  # ties
@given(
    neighbourhoods(), st.integers(1, 5), st.integers(1, 4), st.sampled_from([0.05, 0.3, 0.9]), SIZES, st.floats(0, 1)
)
def test_similar_pairs_and_settle(case, crowd, near, floor, size, most):
    (*found, left_out), told, pairs, state = similar(case, crowd, near, floor, size, most)
    assert left_out == 0
    assert sorted(zip(*(column.tolist() for column in found), strict=True)) == sorted(pairs)
    same_state(told, state)
    _, first, last, *_ = case
    nearest.settle(first, last, *found, *told, *FADING)
    naive.settle(first, last, pairs, state, FADING)
    same_state(told, state)


def test_similar_pairs_grow_beyond_their_first_room():
    rows = [unit({0: 1.0, 1 + i % 7: 0.3 + i / 100}) for i in range(70)]  # 2,415 pairs
    (*found, _), _, pairs, _ = similar(all_of(rows), size=32)
    assert len(pairs) == len(rows) * (len(rows) - 1) // 2
    assert sorted(zip(*(column.tolist() for column in found), strict=True)) == pairs


@pytest.mark.parametrize("budget", [1, 2, 3])  # of which AT_WORK times as many are less than there are
def test_similar_pairs_stay_within_their_budget(budget):
    rows = [unit({0: 1.0, 1 + i % 7: 0.3 + i / 100}) for i in range(70)]
    (*found, left_out), _, pairs, _ = similar(all_of(rows), size=32, budget=budget)
    kept = set(zip(*(column.tolist() for column in found), strict=True))
    assert kept <= set(pairs) and len(kept) + left_out == len(pairs)
    for i in range(70):
        own = sorted((cosine for left, _, cosine in pairs if left == i), reverse=True)
        held = sorted((cosine for left, _, cosine in kept if left == i), reverse=True)
        assert len(held) == min(budget, len(own))
        assert held == pytest.approx(own[: len(held)], abs=1 / 1023)


@quick
@example(all_of([{0: 1.0}] * 6, 2), 2, 3, 0.05, 1, math.inf, 1)  # ties
@example(all_of([unit({0: 1.0, 1 + i: 1.0}) for i in range(7)]), 2, 3, 0.05, 3, 0.0, 2)
@given(
    neighbourhoods(), st.integers(1, 5), st.integers(1, 4), st.sampled_from([0.05, 0.3]), st.sampled_from([1, 2, 3, 5]),
    st.sampled_from([0.0, math.inf]), st.integers(1, 4),
)  # fmt: skip
def test_similar_pairs_look_at_the_highest_bounds(case, crowd, near, floor, size, most, at_most):
    (*found, left_out), told, (pairs, passed), state = similar(case, crowd, near, floor, size, most, at_most=at_most)
    assert sorted(zip(*(column.tolist() for column in found), strict=True)) == sorted(pairs)
    assert left_out == passed
    same_state(told, state)


@st.composite
def mixtures(draw):
    """Rows of which some have columns that no other has, from COLUMNS on."""
    rows, lone = draw(matrices), itertools.count(COLUMNS)
    rows = [unit(row | {next(lone): draw(weights) for _ in range(draw(st.integers(0, 2)))}) for row in rows]
    n, k = len(rows), draw(st.integers(1, 3))
    neighbours = [[draw(st.integers(-1, n - 1)) for _ in range(k)] for _ in range(n)]
    shares = [[draw(st.floats(0, 0.25)) if j >= 0 else 0.0 for j in row] for row in neighbours]
    return rows, neighbours, shares, sorted(pairs_of(draw, n, max_size=12)), k


def close(found, wanted):
    assert found.dtype == np.float64
    assert found.tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-12, nan_ok=True)


@quick
@example(([], [], [], [], 1), COLUMNS)
@example(
    (EMPTY_ROWS, [[-1], [0], [4], [2], [1]], [[0.0], [0.1], [0.2], [0.2], [0.1]], [(3, 0), (3, 2), (4, 2)], 1), COLUMNS
)
@given(mixtures(), st.sampled_from([COLUMNS, COLUMNS + 20]))
def test_feedback(case, shared):
    rows, neighbours, shares, pairs, k = case
    arrays = *csr(rows), shared, int64(neighbours).reshape(-1, k), np.array(shares, np.float64).reshape(-1, k)
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
    best = nearest.best_scores(n, left, right, np.array(scores, np.float64), count)
    assert best.tolist() == naive.best_scores(n, left.tolist(), right.tolist(), scores, count)


@quick
@given(
    st.lists(st.tuples(st.integers(3, 6), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])), max_size=60), st.integers(1, 5)
)
def test_strongest(pairs, most):
    row, value = np.array([i for i, _ in pairs], np.int64), np.array([v for _, v in pairs], np.float64)
    assert nearest.strongest(row, value, most).tolist() == naive.strongest(row.tolist(), value.tolist(), most)


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
    (left, right, found, _), *_ = similar(all_of(rows), most=0.0)
    wanted = naive.pair_cosines(rows, left.tolist(), right.tolist())
    assert cosine.pair_cosines(*csr(rows), left, right).tolist() == wanted
    assert found.tolist() == wanted
