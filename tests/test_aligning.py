"""Two texts side by side: spans that make up both, exact where texts are short, bounded where they are hostile."""

import random
import time
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_text import tokens as comparable_tokens

from dedup import aligning
from dedup.aligning import Span, align

WORDS = st.lists(st.sampled_from(["fog", "ferry", "rock", "crew", "port", "bank", "x"]), max_size=14)
TEXTS = st.text(st.sampled_from("aB é水道管 .,-\u00ad\u200d\n7½ﬁ"), max_size=30)


def shown(spans, a, b):
    """Spans as strings: a shared stretch once, a differing one as both sides."""
    return [a[s.a_start : s.a_end] if s.same else (a[s.a_start : s.a_end], b[s.b_start : s.b_end]) for s in spans]


def longest(a, b):
    """Length of the longest common subsequence, by its recurrence."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


def test_a_changed_word_between_what_is_shared():
    a = "The ferry Kestrel Bay ran aground in fog on Monday, with 212 people aboard."
    b = "The ferry KESTREL Bay ran aground in fog on Tuesday, with 212 people aboard."
    assert shown(align(a, b), a, b) == [
        "The ferry Kestrel Bay ran aground in fog on ",
        ("Monday, ", "Tuesday, "),
        "with 212 people aboard.",
    ]


def test_what_only_one_has_is_empty_in_the_other():
    a, b = "The crew is safe.", "The crew is safe. Nobody was hurt."
    assert shown(align(a, b), a, b) == ["The crew is safe.", ("", "Nobody was hurt.")]
    assert align(a, a) == [Span(True, 0, len(a), 0, len(a), 4)]
    assert align("", "") == []
    assert shown(align("", "fog"), "", "fog") == [("", "fog")]
    assert shown(align("!", "?"), "!", "?") == [("!", "?")]


def test_common_words_between_long_changes_are_no_agreement():
    a = "Bakers of the old town sold rye loaves at dawn and the queue was long"
    b = "Customs men at the airport seized ivory and gold in the night hall"
    assert shown(align(a, b), a, b) == [(a, b)]


def test_unspaced_scripts_align_character_by_character():
    a, b = "水道管が破裂し断水", "水道管が破損し断水"
    assert shown(align(a, b), a, b) == ["水道管が破", ("裂", "損"), "し断水"]


@settings(deadline=None)
@given(TEXTS, TEXTS)
@example("½ a", "1 2 a")
def test_spans_make_up_both_texts_and_alternate(a, b):
    spans = align(a, b)
    assert "".join(a[s.a_start : s.a_end] for s in spans) == a
    assert "".join(b[s.b_start : s.b_end] for s in spans) == b
    assert all(x.same != y.same for x, y in pairwise(spans))
    for span in spans:
        if span.same:
            left, right = a[span.a_start : span.a_end], b[span.b_start : span.b_end]
            assert a == b or aligning.tokens(left).keys == aligning.tokens(right).keys
    assert align(a, b) == spans


@settings(deadline=None)
@given(WORDS, WORDS)
def test_what_is_found_is_a_longest_common_subsequence(a, b):
    pairs = aligning._common(a, b)
    assert len(pairs) == longest(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(x[0] < y[0] and x[1] < y[1] for x, y in pairwise(pairs))


@settings(deadline=None)
@given(WORDS, WORDS)
def test_between_anchors_pairs_are_equal_and_rise(a, b):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aligning, "_MOST_BITS", 6)
        pairs = aligning._common(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(x[0] < y[0] and x[1] < y[1] for x, y in pairwise(pairs))


@pytest.mark.parametrize(
    "value", ["Strasse 7b: Fog, fog and rain", "水道管が破裂", "co\u00adope\u200drate ĲSSEL ฝนตก ７８"]
)
def test_tokens_are_those_of_both_passes(value):
    assert aligning.tokens(value).keys == comparable_tokens(value)


def test_long_and_hostile_texts_take_seconds():
    words = [f"w{i}" for i in range(150_000)]
    changed = words.copy()
    rng = random.Random(4)
    for place in rng.sample(range(len(words)), 1500):
        changed[place] = "changed"
    cases = [
        (" ".join(words), " ".join(changed)),
        ("a " * 200_000, "a b " * 100_000),
        ("a " * 200_000, "b " * 200_000),
        (" ".join(rng.choices(words[:500], k=100_000)), " ".join(rng.choices(words[:500], k=100_000))),
    ]
    for a, b in cases:
        start = time.process_time()
        spans = align(a, b)
        assert time.process_time() - start < 20
        assert "".join(a[s.a_start : s.a_end] for s in spans) == a
    near = align(*cases[0])
    assert sum(s.tokens for s in near if s.same) > 0.98 * len(words)
