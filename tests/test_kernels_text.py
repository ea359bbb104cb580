"""Folding, tokens and hashes of texts against their twins in obvious Python."""

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
