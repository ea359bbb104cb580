"""Comparable text, tokens, and the way back from the hash of a term to its letters."""

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import dedup
from dedup import counting, schema, text
from dedup.params import StoryParams

MIXED = ["水道管が破裂", "Strasse 7b: Fog, fog and rain", "", "ĲSSEL straße", "ฝนตก", "x", "管"]
HEADLINES = (
    "Ferry Kestrel Bay runs aground in fog off Port Ellery",
    "Fog blamed as ferry Kestrel Bay runs aground near Port Ellery",
    "Baker wins prize for rye loaf",
)


def comparable(value):
    return text.comparable(pa.array([value], pa.large_string()))[0].as_py()


def tokens(value):
    """The tokens of one text as strings."""
    folded = text.comparable(pa.array([value], pa.large_string()))
    data, found = schema.utf8(folded)[0].tobytes(), text.tokenise(folded)
    return [data[a:b].decode() for a, b in zip(found.starts.tolist(), found.ends.tolist(), strict=True)]


def documents(titles, bodies):
    """DOCUMENTS with nothing but a title and a text."""
    rows = [{"row": row, "title": t, "text": b} for row, (t, b) in enumerate(zip(titles, bodies, strict=True))]
    return pa.RecordBatch.from_pylist(rows, schema.DOCUMENTS)


def term_hashes(values):
    batch = documents([None] * len(values), values)
    counted = counting.count_terms(batch, text.prepare(batch), StoryParams())
    return set(schema.ragged(counted["terms"])[0].tolist())


@pytest.mark.parametrize(
    ("given_text", "wanted"),
    [
        ("ＦＥＲＲＹ ①", "ferry 1"),  # NFKC
        ("ﬁre", "fire"),
        ("cafe\u0301", "caf\u00e9"),
        ("STRASSE straße", "strasse strasse"),  # full case folding, not lower case
        ("ΟΔΟΣ", "οδοσ"),  # a final sigma too
        ("so\u00adft zero\u200bwidth \u202emark\ufeff", "soft zerowidth mark"),  # Cf
        ("٣ घटना ५ ፫ ７", "3 घटना 5 ፫ 7"),  # decimal digits only: Ethiopic ones are none
        (" a\t\tb \u00a0\u2003c\r\nd\u3000 ", "a b c d"),
        (" \u200b\n", ""),
        (None, ""),
    ],
)
def test_comparable(given_text, wanted):
    assert comparable(given_text) == wanted


def test_punctuation_and_accents_are_kept():
    assert comparable("a, b") != comparable("a b")
    assert comparable("resume") != comparable("résumé")


@pytest.mark.parametrize(
    ("given_text", "wanted"),
    [
        ("It's 3.5% up_now!", ["it", "s", "3", "5", "up", "now"]),
        ("水道管 burst水", ["水", "道", "管", "burst", "水"]),
        ("ラーメン々", ["ラ", "ー", "メ", "ン", "々"]),
        ("ฝนตก", ["ฝ", "น", "ต", "ก"]),
        ("ປະເທດ", ["ປ", "ະ", "ເ", "ທ", "ດ"]),
        ("ភ្នំ", ["ភ", "្", "ន", "ំ"]),
        ("မြို့", ["မ", "ြ", "ိ", "ု", "့"]),
        ("서울 시청", ["서울", "시청"]),  # Korean has spaces
        ("انقطع الماء", ["انقطع", "الماء"]),
        ("ውሃ ተቋረጠ።", ["ውሃ", "ተቋረጠ"]),
        ("…—!", []),
    ],
)
def test_tokens(given_text, wanted):
    assert tokens(given_text) == wanted


def test_five_unspaced_characters_weigh_as_much_as_three_words():
    column = text.comparable(pa.array(["水" * 10, "rain fell today", "", "水" * 5 + " rain fell"]))
    assert text.tokenise(column).words().tolist() == [6, 3, 0, 5]


def test_a_title_stands_in_for_a_missing_text():
    prepared = text.prepare(documents(["Fog", "Fog", None, None], [" \n", "Rain", "Rain", ""]))
    assert prepared.body.to_pylist() == ["fog", "rain", "rain", ""]
    assert prepared.title.to_pylist() == ["fog", "fog", "", ""]


def test_stop_words_are_no_terms():
    assert term_hashes(["The ferry was in the FOG"]) == term_hashes(["ferry fog"])


class TestSpellings:
    def test_words_and_pairs_of_characters(self):
        found = text.spellings(pa.array(MIXED))
        pairs = {"水道", "道管", "管が", "が破", "破裂", "ฝน", "นต", "ตก"}
        # Stop words and figures are no terms; that they can be spelt too does no harm.
        assert set(found.values()) == pairs | {"strasse", "fog", "rain", "ijssel"} | {"and", "7b"}

    @pytest.mark.parametrize(
        "values",
        [["水道管", ""], ["水道", "", ""], ["", "水道管"], ["", "", "水道管"], ["水道管", "", "管"], ["ferry fog", ""]],
    )
    def test_beside_empty_texts(self, values):
        assert text.spellings(pa.array(values)).keys() == term_hashes(values)

    @pytest.mark.parametrize("values", [["水", "道"], ["", "水", "道", ""], ["水", "道", "管"]])
    def test_no_pair_reaches_across_texts(self, values):
        assert text.spellings(pa.array(values)) == {}

    @example([])
    @example(["水道管", ""])
    @example(["", "水道管"])
    @example(MIXED)
    @given(st.lists(st.text("水道管ฝน aßX7\u0301.", max_size=6), max_size=6))
    def test_every_counted_term_has_its_letters(self, values):
        found = text.spellings(pa.array(values, pa.string()))
        terms = term_hashes(values)
        assert terms <= found.keys()
        others = [word for term, word in found.items() if term not in terms]
        assert all(word == "and" or "7" in word for word in others)  # a stop word, figures

    @pytest.mark.parametrize("body", [None, ""])
    def test_headlines_of_one_story_have_top_terms(self, body):
        rows = [{"id": str(row), "title": title, "text": body} for row, title in enumerate(HEADLINES)]
        stories_found = dedup.cluster(rows).clusters
        assert stories_found["story_size"].to_pylist() == [2, 1]
        assert {"ferry", "aground"} & set(stories_found["top_terms"][0].as_py().split(", "))
