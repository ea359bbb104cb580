"""Signatures, candidate pairs and overlaps against their twins, and against datasketch."""

import datasketch
import naive
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dedup import duplicates
from dedup.kernels import frequencies, jaccard, lsh, minhash, prefix
from dedup.recall import band_shape

quick = settings(max_examples=120, deadline=None)
hashes = st.integers(0, 9) | st.integers(0, 2**64 - 1)
rows_of_hashes = st.lists(st.lists(hashes, max_size=12), max_size=6)
A, B = duplicates.permutations(128)


def unpacked(pairs):
    """Return (smaller, larger) of each packed pair."""
    return [(int(pair) >> 32, int(pair) & 0xFFFFFFFF) for pair in pairs]


def signatures(rows):
    return minhash.minhash(*naive.ragged(rows), A, B)


# MinHash


@quick
@example([])
@example([[], [0], [2**64 - 1], [0, 2**32, 2**63]])  # no shingle; equal low halves
@given(rows_of_hashes)
def test_minhash(rows):
    assert signatures(rows).tolist() == naive.minhash(rows, A.tolist(), B.tolist())


@quick
@example([[], [1, 2**32 + 1]])
@given(rows_of_hashes)
def test_minhash_is_datasketch_bit_by_bit(rows):
    for row, mine in zip(rows, signatures(rows), strict=True):
        theirs = datasketch.MinHash(num_perm=128, scheme="affine32", hashfunc=lambda h: h & 0xFFFFFFFF)
        theirs.update_batch(row)
        assert mine.dtype == theirs.hashvalues.dtype
        assert mine.tolist() == theirs.hashvalues.tolist()
        assert theirs.is_empty() == (not row)


@pytest.mark.parametrize("num_perm", [16, 64, 100, 128])
def test_permutations_are_those_of_datasketch(num_perm):
    theirs = datasketch.MinHash(num_perm=num_perm, scheme="affine32").permutations
    assert np.array_equal(np.stack(duplicates.permutations(num_perm)), theirs)


def test_a_signature_can_be_handed_to_datasketch():
    one, two = signatures([range(100), range(30, 130)])
    theirs = [datasketch.MinHash(hashvalues=signature, scheme="affine32") for signature in (one, two)]
    assert theirs[0].jaccard(theirs[1]) == np.mean(one == two) == pytest.approx(70 / 130, abs=0.15)


# bands


@quick
@example([], 3, 2)
@given(rows_of_hashes, st.integers(1, 8), st.integers(1, 16))
def test_band_keys(rows, bands, width):
    found = signatures(rows)
    assert lsh.band_keys(found, bands, width).tolist() == naive.band_keys(found.tolist(), bands, width)


@pytest.mark.parametrize(
    ("threshold", "bands", "rows", "size", "shared"),
    [(0.5, 23, 3, 60, 40), (0.6, 22, 4, 60, 45), (0.7, 17, 5, 68, 56), (0.8, 13, 7, 63, 56)],
)
def test_bands_find_95_percent_at_the_threshold(threshold, bands, rows, size, shared):
    assert band_shape(128, threshold, 0.95) == (bands, rows)
    assert shared / (2 * size - shared) == threshold
    trials = 20_000
    pool = np.random.default_rng(20).integers(0, 2**64, (trials, 2 * size - shared), np.uint64)
    pairs = np.stack((pool[:, :size], pool[:, size - shared :]), axis=1).reshape(-1)
    signature = minhash.minhash(pairs, np.arange(2 * trials + 1) * size, A, B)
    keys = lsh.band_keys(signature, bands, rows)
    recall = (keys[:, 0::2] == keys[:, 1::2]).any(axis=0).mean()
    error = (0.95 * 0.05 / trials) ** 0.5
    assert recall >= 0.95 - 3 * error  # at 0.8 the formula itself gives 0.9503
    assert recall == pytest.approx(1 - (1 - threshold**rows) ** bands, abs=4 * error)


runs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), max_size=40).map(sorted)


@quick
@example([], 2, 1)
@example([(7, i) for i in range(5)], 5, 2)  # as many as may be
@example([(7, i) for i in range(6)], 5, 2)  # one more
@example([(7, 9 - i) for i in range(6)] + [(8, 0)], 2, 9)  # more predecessors than there are
@given(runs, st.integers(1, 6), st.integers(0, 4))
def test_run_pairs(run, hot, predecessors):
    keys, members = [key for key, _ in run], [member for _, member in run]
    found = lsh.run_pairs(np.array(keys, np.uint64), np.array(members, np.int64), hot, predecessors)
    assert sorted(unpacked(found)) == sorted(naive.run_pairs(keys, members, hot, predecessors))


def test_more_than_200_equal_keys():
    same = np.full(10_000, 3, np.uint64)
    pairs = unpacked(lsh.run_pairs(same, np.arange(10_000), 200, 4))
    assert set(pairs) == {(i, j) for j in range(10_000) for i in range(max(0, j - 4), j)}
    assert len(lsh.run_pairs(same[:200], np.arange(200), 200, 4)) == 200 * 199 // 2


# prefix join


sorted_rows = rows_of_hashes.map(lambda rows: [sorted(row) for row in rows])
whole = [True] * 6


@quick
@example([[]], whole)
@example([[0] * 300, [1 << 60, 1 << 63]], whole)  # a slot stops at 255
@example([[0], [0], [1 << 63]], [True, False] * 3)
@given(sorted_rows, st.lists(st.booleans(), min_size=6, max_size=6))
def test_count_slots(rows, alive):
    values, offsets = naive.ragged(rows)
    alive = alive[: len(rows)]
    flags = np.array(alive, np.bool_)
    for first, bits in ((0, 4), (16, 5), (32, 6)):  # a whole table, and parts of larger ones
        for dtype in (np.uint8, np.uint16):
            most = np.iinfo(dtype).max
            before = [i * most // 15 for i in range(16)]
            counts = np.array(before, dtype)
            frequencies.count_slots(values, offsets, flags, counts, first, 64 - bits)
            assert counts.tolist() == naive.count_slots(rows, alive, before, first, bits, most)
            seen = np.full(len(values), 7, dtype)
            frequencies.look_up(values, offsets, flags, counts, first, 64 - bits, seen)
            wanted = naive.look_up(rows, alive, counts.tolist(), first, bits, [[7] * len(row) for row in rows])
            assert naive.unragged(seen, offsets) == wanted


some_counts = st.lists(st.integers(0, 3) | st.integers(250, 255), min_size=16, max_size=16)
distinct_rows = rows_of_hashes.map(naive.distinct)


@quick
@example([[], [1], [1, 2], [1, 2, 3, 4]], whole, [2] * 16, 0.25)
@example([list(range(16))], whole, [255] * 16, 0.5)
@example([[1, 2, 3], [2, 9]], whole, [1, 2] * 8, 0.5)  # some are seen once
@example([[1, 2, 3], [1, 2, 3]], [True, False] * 3, [2] * 16, 0.5)  # not all count
@given(
    distinct_rows,
    st.lists(st.booleans(), min_size=6, max_size=6),
    some_counts,
    st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75]),
)
def test_prefix_keys_and_postings(rows, alive, counts, missing):
    values, offsets = naive.ragged(rows)
    alive = alive[: len(rows)]
    flags = np.array(alive, np.bool_)
    seen = [[counts[value % 16] for value in row] for row in rows]
    chosen = np.ones(len(values), np.bool_)
    prefix.prefix_keys(values, offsets, flags, naive.ragged(seen, np.uint8)[0], missing, chosen)
    wanted = naive.prefix_keys(rows, alive, seen, missing)
    assert naive.unragged(chosen, offsets) == wanted
    marks = np.zeros(2, np.uint8)
    prefix.mark(values, chosen, marks)
    marked = naive.mark(rows, wanted, 16)
    assert set(np.flatnonzero(np.unpackbits(marks, bitorder="little")).tolist()) == marked
    found = list(
        zip(*(column.tolist() for column in prefix.key_postings(values, offsets, flags, chosen, marks)), strict=True)
    )
    assert found == naive.key_postings(rows, alive, wanted, marked, 16)


@quick
@example([], 2, 1, 9)
@example([{1, 2, 3, 4}] * 2 + [{1}, {1, 2}, {3, 4, 9}, set()], 9, 1, 9)
@example([{1, 2, 3, 4}] * 6 + [{4, 5}], 5, 2, 9)  # a hot key
@example([{1, 2, 3, 4}] * 3 + [{1, 2, 3, 4, 5}] * 3, 9, 1, 2)  # more than there is room for
@given(
    st.lists(st.sets(st.integers(0, 12), max_size=9), max_size=9),
    st.integers(1, 9),
    st.integers(0, 3),
    st.integers(1, 9),
)
def test_prefix_join(sets, hot, predecessors, most):
    rows = [sorted(s) for s in sets]
    postings = sorted((key, d, (key + d) % 3 > 0) for d, row in enumerate(rows) for key in row)
    keys, members, is_key = ([posting[i] for posting in postings] for i in range(3))
    sizes = [len(row) for row in rows]
    starts = [i for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
    bounds, holders = np.array([*starts, len(keys)], np.int64), np.array(members, np.uint32)
    places, runs, first = prefix.keys_of_members(bounds, holders, np.array(is_key, np.bool_), len(rows))
    own = naive.unragged(np.column_stack((places, runs)), first)
    assert own == [list(map(list, row)) for row in naive.keys_of_members(keys, members, is_key, len(rows))]
    lists = bounds, holders, places, runs, first, np.array(sizes, np.int32)
    half = len(rows) // 2
    limits = hot, predecessors, most
    found, left_out = zip(
        *(prefix.prefix_join(*lists, *r, *limits) for r in ((0, half), (half, len(rows)))), strict=True
    )
    wanted = naive.prefix_join(keys, members, is_key, sizes, *limits)
    assert set(unpacked(np.concatenate(found))) == wanted
    whole = [prefix.prefix_join(*lists, *r, hot, predecessors, 99)[0] for r in ((0, half), (half, len(rows)))]
    assert sum(map(len, whole)) == sum(map(len, found)) + sum(left_out)


# Jaccard


@st.composite
def rows_and_pairs(draw):
    rows = draw(st.lists(st.lists(hashes, max_size=12).map(sorted), min_size=1, max_size=5))
    place = st.integers(0, len(rows) - 1)
    return rows, draw(st.lists(st.tuples(place, place), max_size=8))


@quick
@example(([[], [3, 3, 3], [3, 3, 2**64 - 1]], [(0, 1), (1, 2), (2, 2)]))
@given(rows_and_pairs())
def test_overlap(case):
    rows, pairs = case
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    found = jaccard.overlap(*naive.ragged(rows), left.copy(), right.copy())
    assert found.tolist() == naive.overlap(rows, left.tolist(), right.tolist())


@quick
@example(0, [])
@example(6, [(5, 4), (4, 3), (3, 5), (0, 0)])
@given(st.integers(1, 30), st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=30))
def test_components(n, pairs):
    left, right = [i % n for i, _ in pairs], [j % n for _, j in pairs]
    found = jaccard.components(n, np.array(left, np.int64), np.array(right, np.int64))
    assert found.tolist() == naive.components(n, left, right)
