"""What tokens become, against twins in obvious Python: shingles, term vectors, votes for languages."""

import naive
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_kernels_text import rows_of

from dedup import text
from dedup.kernels import frequencies, hashing, tfidf
from dedup.kernels import words as function_words

quick = settings(max_examples=150, deadline=None)

hashes_of_few = st.integers(1, 5) | st.integers(0, 2**64 - 1)
rows_of_hashes = st.lists(st.lists(hashes_of_few, max_size=12), max_size=5)
tokens_of_few = st.tuples(hashes_of_few, st.sampled_from([0, 1, 2, 4, 6]))
rows_of_tokens = st.lists(st.lists(tokens_of_few, max_size=10), max_size=4)


def columns(rows):
    """Return hashes, kinds and offsets."""
    hashes, offsets = naive.ragged([[h for h, _ in row] for row in rows])
    return hashes, naive.ragged([[kind for _, kind in row] for row in rows], np.uint8)[0], offsets


@quick
@example([[], [(7, 4)], [(7, 4), (7, 4)], [(1, 1)] * 4, [(1, 1)] * 5, [(1, 1), (2, 4), (3, 4), (4, 4)]], 3, 5)
@given(rows_of_tokens, st.integers(1, 4), st.integers(1, 6))
def test_shingle(rows, width, characters):
    assert naive.unragged(*hashing.shingle(*columns(rows), width, characters)) == naive.shingle(rows, width, characters)


@quick
@example([])
@example([[], [2**64 - 1, 0, 2**63, 0], []])
@example([[5, 3] * 40 + [4] * 3, [2**63 + 1, 2**63, 2**64 - 1, 7]])  # all in few buckets
@given(rows_of_hashes)
def test_distinct(rows):
    assert naive.unragged(*hashing.distinct(*naive.ragged(rows))) == naive.distinct(rows)


@quick
@example([])
@given(st.lists(hashes_of_few, max_size=6))
def test_hash_neighbours(hashes):
    assert hashing.hash_neighbours(np.array(hashes, np.uint64)).tolist() == naive.hash_neighbours(hashes)


some_languages = st.sets(st.sampled_from([0, 1, 5, 63]))
lists_of_words = st.dictionaries(st.integers(1, 2**64 - 1) | st.integers(1, 4), some_languages, max_size=20)


def as_bits(sets):
    return np.array([sum(1 << language for language in languages) for languages in sets], np.uint64)


@quick
@example([([], [], set())], 2, {})
@example([([(5, 4), (1, 1)], [(2, 1), (3, 1)], {0})], 2, {5: {0}})  # characters pair inside a text, not across
@example([([(5, 4)], [(5, 4)], {0}), ([(5, 4)], [], {1, 63})], 1, {5: {63}})  # a word of one text's language only
@given(
    st.lists(
        st.tuples(st.lists(tokens_of_few, max_size=10), st.lists(tokens_of_few, max_size=4), some_languages), max_size=4
    ),
    st.integers(0, 3),
    lists_of_words,
)
def test_count_terms(documents, title_weight, stop_words):
    bodies, titles, spoken = ([document[i] for document in documents] for i in range(3))
    stops = np.array([*stop_words], np.uint64), as_bits(stop_words.values())
    terms, counts, offsets = tfidf.count_terms(
        *columns(bodies), *columns(titles), title_weight, *stops, as_bits(spoken)
    )
    assert rows_of(offsets, terms, counts) == naive.count_terms(bodies, titles, title_weight, stop_words, spoken)


@quick
@example(["и ферри la か", "", "la"], 400, ["и", "la"])
@example(["か" * 9 + " la la"], 3, ["la"])
@given(
    st.lists(st.text("la и中かん1 .\U0001b000", max_size=20), max_size=4),
    st.integers(1, 30),
    st.sets(st.sampled_from(["la", "l", "и", "中"])),
)
def test_language_votes(strings, most, listed):
    """Languages 0, 2 and 63 have words, 1 has a script; a script wins over the words."""
    strings = naive.fold(strings)
    script = {"か": 1, "ん": 1}
    by_code_point = np.zeros(0x10000, np.uint8)
    by_code_point[[ord(character) for character in script]] = 2
    languages = {naive.tokenise([word])[0][0][0]: {len(word), 63} - {1} for word in listed}
    found = text.tokenise(pa.array(strings, pa.large_string()))
    votes = function_words.language_votes(
        *naive.utf8(strings), found.hashes, found.starts, found.offsets, most,
        np.array([*languages], np.uint64), as_bits(languages.values()), by_code_point, 64,
    )  # fmt: skip
    assert votes.tolist() == naive.language_votes(strings, most, languages, script, range(64))


@quick
@example(set(), [1, 2])
@example(set(range(0, 64 * 1024, 1024)), [0, 1, 1024])  # keys with equal low bits
@given(st.sets(hashes_of_few, max_size=40), st.lists(hashes_of_few, max_size=20))
def test_lookup(keys, values):
    keys = sorted(keys)
    values = values + keys[::3]
    starts = tfidf.index(np.array(keys, np.uint64))
    assert starts.tolist() == naive.index(keys, len(starts) - 1)
    found = tfidf.lookup(np.array(keys, np.uint64), starts, np.array(values, np.uint64))
    assert found.dtype == np.int32
    assert found.tolist() == naive.lookup(keys, values)


@quick
@given(
    st.lists(st.tuples(st.sets(st.integers(0, 4)), st.integers(0, 2)), max_size=8),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.integers(0, 4),
)
def test_count_peers(documents, lacking, first):
    rows, group = [sorted(row) for row, _ in documents], [g for _, g in documents]
    sizes = np.bincount(np.array(group, np.int64), minlength=3)
    columns, offsets = naive.ragged(rows, np.int32)
    some = range(first, min(first + 3, 5))
    counted = np.zeros(len(some), np.int32), np.zeros(len(some), np.int32), np.zeros(len(some))
    tfidf.count_peers(columns, offsets, np.array(group, np.int64), np.array(lacking), sizes, first, *counted)
    wanted = naive.count_peers(rows, group, lacking, sizes.tolist(), some)
    assert [counts.tolist() for counts in counted] == list(wanted)


@quick
@given(st.lists(st.integers(0, 4)), st.lists(st.integers(0, 9), min_size=5, max_size=5))
def test_count_columns(columns, before):
    counts = np.array(before, np.int32)
    frequencies.count_columns(np.array(columns, np.uint32), counts)
    assert counts.tolist() == naive.count_columns(columns, before)


@quick
@given(st.lists(st.integers(0, 5)))
def test_falling_ranks(counts):
    ranks, first = tfidf.falling_ranks(np.array(counts, np.int32))
    assert ranks.dtype == np.uint32
    wanted = naive.falling_ranks(counts)
    assert ranks.tolist() == wanted
    most = max(counts, default=0)
    assert first.tolist() == [sum(other > count for other in counts) for count in range(most, -1, -1)]


@quick
@example([[], [(0, 3)], [(0, 1), (1, 70_000)]], [0.0, 2.0, 1.0, 1.0])  # a row without weight
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 70_000)), max_size=6), max_size=4),
    st.lists(st.just(0.0) | st.floats(1e-3, 20), min_size=4, max_size=4),
)
def test_unit_rows(rows, idf):
    taken, offsets = naive.ragged([[column for column, _ in row] for row in rows], np.int32)
    counts, _ = naive.ragged([[count for _, count in row] for row in rows], np.int32)
    data = tfidf.unit_rows(taken, counts, offsets, np.array(idf))
    assert data.dtype == np.float32
    for mine, theirs in zip(naive.unragged(data, offsets), naive.unit_rows(rows, idf), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-6)
