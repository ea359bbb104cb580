"""Folding, tokens, hashes and term vectors against their twins in obvious Python."""

import unicodedata
from itertools import pairwise

import naive
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dedup import schema, text
from dedup.kernels import composing, folding, hashing, tfidf, tokens
from dedup.kernels import words as function_words

quick = settings(max_examples=150, deadline=None)
tables = text.unicode_tables()
classes, folds, expansions = tables[:3]

SAMPLES = [
    "",
    " \t\u00a0\u3000\u2028 ",
    "\u0301\u0308\u20dd",  # marks alone
    "…—!?",
    "İstanbul IĞDIR ısı i̇",  # dotted and dotless I
    "Straße STRASSE ẞ ŉ ΐ ǰ ﬆ",  # folds of two and three characters
    "ﬁnal ﬃ ① ½ ㎏ Ⅻ ℡",  # compatibility forms
    "e\u0301 é a\u0308\u0323 각 각",  # combining marks, Hangul jamo
    "می\u200cخواهم क्\u200dष co\u00adop a\u200bb \ufeffx",  # zero-width and soft characters
    "ภาษาไทย ๒๕๖๗ กำ",
    "ភាសាខ្មែរ១២ ລາວ မြန်မာ၁",
    "東京タワー、カタカナ と ﾊﾝｶｸ 々〇〆",
    "中文新闻2024年3月,第1.5章 abc中def",
    "አማርኛ ዜና። ፩፪",
    "العربية ١٢٬٣٤٥ ـــ خبر",
    "१२३ ৪৫ ९.५ 𝟘𝟙 １２３",
    "😀😀 👩\u200d👩\u200d👧 🇩🇪 a😀b",
    "𠀀𠮷𪜀 鿿 \ufa0e",  # Han extension B
    "𐐀𐐨 𞤀 Ꭰ ꭰ ᲀ Ა",  # case above 0xFFFF, Cherokee, Georgian
    "3.5 1,234.5 12:30 1/2/2024 5. .5 1..2 7,, a1b2",
    "\x00a\x1fb\x85c",
]
# Code points without a name in this Python may mean something to the Unicode version of Arrow's NFKC.
characters = st.characters(codec="utf-8", exclude_categories=("Cs", "Cn"))
texts = st.lists(
    st.text(characters, max_size=12) | st.lists(st.sampled_from(SAMPLES), max_size=3).map("".join), max_size=4
)
words = st.lists(st.text("ab ก中1.,:/", max_size=14), max_size=4)  # dense in borders between kinds

MARKS = ("", "\u0301", "\u0323", "\u0301\u0323", "\u0345\u0308\u0300", "\u0316\u031b", "\u0338\u3099")
marked = st.lists(st.text("aeoAιωé\u1e69ậÅ한か ﬁ\u200d" + "".join(MARKS), max_size=10), max_size=4)


def every_sample(test):
    for sample in SAMPLES:
        test = example([sample])(test)
    return example([])(example(["", "a", ""])(example(SAMPLES)(test)))


def nfkc(strings):
    return naive.utf8([unicodedata.normalize("NFKC", string) for string in strings])


@quick
@every_sample
@example(["e" + "\u0316" * n for n in (1, 30, 31)] + ["a\u0301" + "\u0323" * 29])
@given(texts | marked)
def test_unsettled(strings):
    """What is settled may be normalised one character at a time, and what is composable after composition."""
    found = composing.unsettled(*naive.utf8(strings), tables.joins).tolist()
    assert found == naive.unsettled(strings)
    composed = zip(strings, naive.compose(strings), found, strict=True)
    settled = {string: (string, one)[flag] for string, one, flag in composed if flag != composing.UNSETTLED}
    one_by_one = ["".join(unicodedata.normalize("NFKC", char) for char in string) for string in settled.values()]
    assert one_by_one == [unicodedata.normalize("NFKC", string) for string in settled]


@quick
@every_sample
@given(texts | marked)
def test_compose(strings):
    strings = [string for string, need in zip(strings, naive.unsettled(strings), strict=True) if need == 1]
    out = composing.compose(*naive.utf8(strings), tables.ranks, tables.pairs, tables.splits)
    assert schema.utf8_array(*out).to_pylist() == naive.compose(strings)


def test_every_composite_and_what_more_marks_make_of_it():
    composites = [chr(c) for c in range(0x20000) if unicodedata.decomposition(chr(c))[:1] not in ("", "<")]
    apart = [
        form + marks for char in composites for form in (char, unicodedata.normalize("NFD", char)) for marks in MARKS
    ]
    assert text.comparable(pa.array(apart)).to_pylist() == naive.fold(apart)


@quick
@every_sample
@given(texts)
def test_fold(strings):
    out = folding.fold(*nfkc(strings), classes, folds, expansions)
    assert schema.utf8_array(*out).to_pylist() == naive.fold(strings)


@quick
@every_sample
@given(texts)
def test_comparable_text(strings):
    assert text.comparable(pa.array(strings, pa.string())).to_pylist() == naive.fold(strings)


def test_every_character_folds_and_splits_as_unicodedata_says():
    every = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cs", "Cn", "Co")]
    between = [f"a{char}b" for char in [*every, "\ue000"]]
    folded = text.comparable(pa.array(between, pa.string()))
    assert folded.to_pylist() == naive.fold(between)
    found = text.tokenise(folded)
    spans = [list(row) for row in rows_of(found.offsets, found.starts, found.ends)]
    assert spans == [[span[2:] for span in row] for row in naive.tokenise(folded.to_pylist())]


@pytest.mark.parametrize(
    ("same", "as_this"),
    [
        ("Straße", "STRASSE"),
        ("ﬁn", "FIN"),
        ("e\u0301", "É"),
        ("١٢٣", "123"),
        ("a\u00adb\u200dc", "abc"),
        ("ﾊﾝ", "ハン"),
        ("  a \u3000\n b ", "a b"),
        ("İ", "i\u0307"),
    ],
)
def test_equal_comparable_texts(same, as_this):
    assert text.comparable(pa.array([same])) == text.comparable(pa.array([as_this]))


def rows_of(offsets, *columns):
    """Return a list of tuples for each document."""
    entries = list(zip(*(column.tolist() for column in columns), strict=True))
    return [entries[a:b] for a, b in pairwise(offsets.tolist())]


@quick
@every_sample
@given(texts | words)
def test_tokenise(strings):
    strings = naive.fold(strings)
    hashes, kinds, offsets, starts, ends = tokens.tokenise(*naive.utf8(strings), classes)
    assert rows_of(offsets, hashes, kinds, starts, ends) == naive.tokenise(strings)
    assert (hashing.IS_CHARACTER, hashing.HAS_DIGIT, hashing.HAS_TWO) == (1, 2, 4)


def test_tokens_beyond_65537():
    strings = ["a b 中" * 40_000, "x"]  # 80,001 + 40,000 tokens, and one after them
    hashes, kinds, offsets, starts, ends = tokens.tokenise(*naive.utf8(strings), classes)
    assert offsets.tolist() == [0, 120_000, 120_001]
    assert rows_of(offsets, hashes, kinds, starts, ends) == naive.tokenise(strings)
    shingles = hashing.shingle(hashes, kinds, offsets, 3, 5)
    assert naive.unragged(*shingles) == naive.shingle(rows_of(offsets, hashes, kinds), 3, 5)
    none = np.zeros(1, np.uint64)
    found = tfidf.count_terms(hashes, kinds, offsets[:2], *EMPTY, 2, hashes[:0], hashes[:0], none)
    (counted,) = rows_of(*(found[i] for i in (2, 0, 1)))
    assert counted == naive.count_terms([rows_of(offsets, hashes, kinds)[0]], [[]], 2, {}, [set()])[0]


@pytest.mark.parametrize(
    "strings",
    [
        SAMPLES[4:],
        ["中文", "", "字", "Ab cd e"],
        [],
        ["", "中文字"],
        ["abc def", ""],
    ],
)
def test_spellings_of_all_terms(strings):
    folded = naive.fold(strings)
    data, rows = "".join(folded).encode(), naive.tokenise(folded)
    counted = naive.count_terms(
        [[token[:2] for token in row] for row in rows], [[]] * len(rows), 0, {}, [set()] * len(rows)
    )
    spelt = text.spellings(pa.array(strings, pa.string()))
    assert set(spelt) >= {term for row in counted for term, _ in row}
    assert all(spelling.encode() in data for spelling in spelt.values())


EMPTY = np.empty(0, np.uint64), np.empty(0, np.uint8), np.zeros(2, np.int64)


@quick
@every_sample
@given(texts)
def test_digest(strings):
    assert hashing.digest(*naive.utf8(strings)).tolist() == naive.digest(strings)


figures = st.lists(st.text("123.,:/ a", max_size=8), max_size=4)


@quick
@example(["1.5", "1.", ".1", "1:2/3", "1", "2.,5", ",7"])  # a mark before the end of a text, and at it
@every_sample
@given(figures | texts)
def test_numbers(strings):
    strings = naive.fold(strings)
    assert naive.unragged(*hashing.numbers(*naive.utf8(strings))) == naive.numbers(strings)


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
@given(st.lists(st.integers(0, 5)))
def test_falling_ranks(counts):
    ranks = tfidf.falling_ranks(np.array(counts, np.int32))
    assert ranks.dtype == np.uint32
    assert ranks.tolist() == naive.falling_ranks(counts)


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
