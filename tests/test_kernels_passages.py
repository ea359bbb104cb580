"""Where shingles stand, and what runs of them cover, against the twins in obvious Python."""

import naive
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup import text
from dedup.kernels import hashing, passages, tfidf

quick = settings(max_examples=150, deadline=None)
# Few words, so that texts repeat themselves; figures of one token and of two; a script without spaces.
bodies = st.lists(
    st.lists(st.sampled_from(["ferry", "rock", "the", "7", "7.5", "1974", "x", "東京都", "港"]), max_size=14).map(
        " ".join
    ),
    max_size=4,
)
hashes = st.integers(0, 2**64 - 1)


@quick
@given(bodies, st.integers(1, 4), st.integers(1, 5))
def test_trace(strings, words, characters):
    folded = text.comparable(pa.array(strings, pa.string()))
    tokens = text.tokenise(folded)
    shingles = hashing.distinct(*hashing.shingle(*tokens[:3], words, characters))
    empty = np.empty(0, np.uint64), np.empty(0, np.uint8), np.zeros(len(strings) + 1, np.int64)
    none = np.empty(0, np.uint64), np.empty(0, np.uint64), np.zeros(len(strings), np.uint64)
    terms, _, term_offsets = tfidf.count_terms(*tokens[:3], *empty, 1, *none)
    figures = hashing.numbers(*text.schema.utf8(folded))
    ranks, places = passages.trace(*tokens[:3], words, characters, *shingles, terms, term_offsets, *figures)
    both = zip(naive.unragged(ranks, tokens.offsets), naive.unragged(places, tokens.offsets), strict=True)
    rows = zip(naive.unragged(tokens.hashes, tokens.offsets), naive.unragged(tokens.kinds, tokens.offsets), strict=True)
    lists = (naive.unragged(*shingles), naive.unragged(terms, term_offsets), naive.unragged(*figures))
    wanted = naive.trace([list(zip(*row, strict=True)) for row in rows], words, characters, *lists)
    assert [list(zip(*row, strict=True)) for row in both] == wanted


def test_trace_beyond_sixteen_bits():
    """What cannot be named is nowhere: it stays in the text."""
    n = 70_000
    tokens = np.random.default_rng(3).permutation(n).astype(np.uint64) + np.uint64(1)
    ends, none = np.array([0, n]), (np.empty(0, np.uint64), np.zeros(2, np.int64))
    known = np.sort(tokens)
    ranks, places = passages.trace(
        tokens, np.full(n, hashing.HAS_TWO, np.uint8), ends, 1, 1, known, ends, known, ends, *none
    )
    assert ranks.tolist() == places.tolist() == np.minimum(tokens - np.uint64(1), passages.NOWHERE).tolist()


counted = st.lists(st.tuples(hashes | st.integers(0, 7).map(lambda i: i << 40), st.integers(0, 255)), max_size=9)


@quick
@given(st.lists(st.tuples(counted, st.integers(0, 256)), max_size=4), st.integers(0, 3), st.integers(0, 7))
def test_common(documents, k, part):
    rows, seen = ([[both[side] for both in row] for row, _ in documents] for side in (0, 1))
    bounds, part = [bound for _, bound in documents], part % 2**k
    values, offsets = naive.ragged(rows)
    found = passages.common(values, offsets, naive.ragged(seen, np.uint8)[0], np.array(bounds, np.uint16), part, 1 << k)
    pairs = zip(*(column.tolist() for column in found), strict=True)
    assert list(pairs) == naive.common(rows, seen, bounds, part, 1 << k)


@st.composite
def traced(draw):
    """Ranks, flags, places, counts and sorted figures of some documents."""
    documents = []
    for _ in range(draw(st.integers(0, 4))):
        flags = draw(st.lists(st.booleans(), min_size=1, max_size=6))
        counts = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
        figures = sorted(draw(st.lists(st.integers(1, 3), max_size=5)))
        firsts = [len(counts) + figures.index(figure) for figure in set(figures)]
        rank = st.sampled_from([*range(len(flags)), passages.NOWHERE])
        place = st.sampled_from([*range(len(counts)), *firsts, passages.NOWHERE])
        row = draw(st.lists(st.tuples(rank, place), max_size=12))
        documents.append(([r for r, _ in row], [p for _, p in row], flags, counts, figures))
    return [list(column) for column in zip(*documents, strict=True)] or [[]] * 5


@quick
@given(traced(), st.integers(1, 4), st.integers(1, 4))
def test_cover_and_discount(documents, least, words):
    ranks, places, flags, counts, figures = documents
    wanted, wanted_inside = naive.cover(ranks, flags, least, words)
    values, offsets = naive.ragged(ranks, np.uint16)
    flagged, flag_offsets = naive.ragged(flags, np.bool_)
    covered, inside = passages.cover(values, offsets, flagged, flag_offsets, least, words)
    assert [set(np.flatnonzero(row)) for row in naive.unragged(covered, offsets)] == wanted
    assert [set(np.flatnonzero(row)) for row in naive.unragged(inside, flag_offsets)] == wanted_inside

    count_values, count_offsets = naive.ragged(counts, np.int32)
    numbers, figure_offsets = naive.ragged(figures)
    left, kept = passages.discount(
        covered, naive.ragged(places, np.uint16)[0], offsets, count_values, count_offsets, numbers, figure_offsets
    )
    wanted_left, wanted_kept = naive.discount(wanted, places, counts, figures)
    assert naive.unragged(left, count_offsets) == wanted_left
    of_row = zip(figures, naive.unragged(kept, figure_offsets), strict=True)
    assert [[n for n, stays in zip(*row, strict=True) if stays] for row in of_row] == wanted_kept


@quick
@given(st.lists(st.dictionaries(st.integers(0, 5), st.sampled_from([0.25, 0.5, 1.0])), max_size=5), st.data())
def test_mean_cosines(rows, data):
    sets = (
        data.draw(st.lists(st.lists(st.integers(0, len(rows) - 1), min_size=1, unique=True), max_size=3))
        if rows
        else []
    )
    indices, indptr = naive.ragged([sorted(row) for row in rows], np.int32)
    weights = naive.ragged([[row[column] for column in sorted(row)] for row in rows], np.float32)[0]
    members, offsets = naive.ragged(sets, np.int64)
    found = passages.mean_cosines(indptr, indices, weights, 6, members, offsets)
    assert found == pytest.approx(naive.mean_cosines(rows, sets))


@quick
@given(st.lists(st.tuples(hashes, hashes)))
def test_hash_pairs(pairs):
    firsts, seconds = ([pair[side] for pair in pairs] for side in (0, 1))
    found = hashing.hash_pairs(np.array(firsts, np.uint64), np.array(seconds, np.uint64))
    assert found.tolist() == naive.hash_pairs(firsts, seconds)
