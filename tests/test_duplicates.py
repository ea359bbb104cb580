"""Pass 1: the same-text rule clause by clause, what never pairs, and what happens to floods of copies."""

import random
from datetime import UTC, datetime, timedelta
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest

import dedup
from dedup import candidates, duplicates, resemblance, schema, text
from dedup.params import DuplicateParams

NOON = datetime(2025, 5, 6, 12, tzinfo=UTC)
SYLLABLES = ("bal", "cor", "dem", "fin", "gar", "hul", "jen", "kop", "lim", "mar", "nos", "pir", "rav", "sul", "tem")


def prose(n, seed=0):
    """Return n words made up by a generator: two seeds share next to no 3-grams."""
    chance = random.Random(seed)
    return ["".join(chance.choices(SYLLABLES, k=3)) for _ in range(n)]


def article(words, title=None, hours=None):
    body = words if isinstance(words, str) else " ".join(words)
    when = None if hours is None else NOON + timedelta(hours=hours)
    return {"title": title, "text": body, "published_at": when}


def sketches(*articles):
    rows = [{"row": row, **given} for row, given in enumerate(articles)]
    batch = pa.RecordBatch.from_pylist(rows, schema.DOCUMENTS)
    return pa.Table.from_batches([duplicates.sketch(batch, text.prepare(batch), DuplicateParams())])


def verify(table, left, right):
    return resemblance.verify(table, np.array(left, np.int64), np.array(right, np.int64), DuplicateParams())


def verdict(one, two):
    """Return kind and reason, the same in both directions."""
    table = sketches(one, two)
    there, back = (verify(table, [i], [1 - i]).to_pylist()[0] for i in (0, 1))
    assert [there[name] for name in schema.VERIFIED.names[2:]] == [back[name] for name in schema.VERIFIED.names[2:]]
    assert there["accepted"] == (there["reason"] == "same text")
    return there["kind"], there["reason"]


def sharing(shingles, size, other, seed=1):
    """Return two texts of `size` and `other` shingles that share the first ones."""
    common, tail = prose(shingles + 2, seed), size - shingles
    return common + prose(tail, seed + 1000), common + prose(other - shingles, seed + 2000)


def grouped(rows, **settings):
    """Return the duplicate groups as sets of row numbers."""
    named = [{"id": str(i), **row} for i, row in enumerate(rows)]
    groups = {}
    for found in dedup.cluster(named, level="duplicate", **settings).documents.to_pylist():
        groups.setdefault(found["duplicate_id"], set()).add(int(found["doc_id"]))
    return sorted(groups.values(), key=min)


class TestWording:
    @pytest.mark.parametrize(("shared", "reason"), [(75, "same text"), (74, "wording differs")])
    def test_jaccard_from_60_percent(self, shared, reason):
        one, two = sharing(shared, 100, 100)
        assert verdict(article(one), article(two)) == ("near", reason)

    @pytest.mark.parametrize(("shared", "reason"), [(85, "same text"), (84, "wording differs")])
    def test_containment_from_85_percent(self, shared, reason):
        one, two = sharing(shared, 100, 400)
        kind, found = verdict(article(one), article(two))
        assert found == reason
        assert kind == "contained" or reason != "same text"

    def test_equal_comparable_texts_are_exact(self):
        words = prose(80)
        assert verdict(article(words), article("  ".join(words).upper())) == ("exact", "same text")
        assert verdict(article(words), article([*words[:-1], words[-1] + "."]))[0] == "near"

    def test_the_figures_stand_in_the_table(self):
        one, two = sharing(75, 100, 100)
        row = verify(sketches(article(one), article(two)), [0], [1]).to_pylist()[0]
        assert (row["jaccard"], row["containment"]) == (0.6, 0.75)


def figures(length, *numbers):
    """Return a text of so many words, numbers among them counted by their tokens, one number every fourth word."""
    words = prose(length)
    at = 4
    for number in numbers:
        tokens = len(text.tokenise(text.comparable(pa.array([number], pa.large_string()))).hashes)
        words[at : at + tokens] = [number]
        at += 4
    return words


class TestNumbers:
    @pytest.mark.parametrize(
        ("length", "one", "two", "agree"),
        [
            (99, ["1"], ["2"], False),
            (100, ["1"], ["2"], True),  # one differing figure in a hundred words
            (199, ["1", "2"], ["3", "4"], False),
            (200, ["1", "2"], ["3", "4"], True),
            (90, ["1", "2", "3", "4"], ["1", "2", "3", "5"], True),  # three of four
            (90, ["1", "2", "3"], ["1", "2", "4"], False),  # two of three
            (90, ["1", "2"], [], True),  # none at all is agreement
            (90, ["7", "7", "7", "1"], ["7", "8", "8", "1"], False),  # a multiset: one 7 is shared, not three
            (90, ["1"], ["1", "2", "3", "4", "5"], True),  # the smaller count is what must agree
            (90, ["1,500"], ["1.500"], False),
            (90, ["10:30"], ["10:30"], True),
            (90, ["25"], ["２５"], True),
            (90, ["25"], ["٢٥"], True),
        ],
    )
    def test_three_quarters_or_one_in_a_hundred_words(self, length, one, two, agree):
        first, second = article(figures(length, *one)), article(figures(length, *two))
        assert verdict(first, second)[1] == ("same text" if agree else "numbers differ")

    def test_the_shorter_text_sets_the_slack(self):
        take = figures(98, "1") + prose(300, 7)
        assert verdict(article(take), article(figures(98, "2")))[1] == "numbers differ"


class TestNotices:
    def test_headlines_count_under_60_words_only(self):
        for length, reason in ((59, "titles differ"), (60, "same text")):
            words = prose(length)
            assert verdict(article(words, "Ferry aground"), article(words, "Bank cuts rate"))[1] == reason

    @pytest.mark.parametrize(
        ("title", "reason"),
        [
            ("ferry fog rock hull", "same text"),
            ("ferry fog bank rate", "same text"),  # half
            ("ferry loan bank rate", "titles differ"),
            ("fog and a long headline besides it with nothing else", "titles differ"),  # a quarter of the shorter one
            ("fog", "same text"),
            ("FOG, ferry, fog, ferry", "same text"),  # distinct words
        ],
    )
    def test_half_of_the_shorter_headline(self, title, reason):
        words = prose(40)
        assert verdict(article(words, "Ferry fog rock hull"), article([*words, "again"], title))[1] == reason

    def test_without_a_headline_80_percent(self):
        # 45 shingles each: 40 shared are 80 percent, and the last words are left out, not swapped
        words = prose(50)
        assert verdict(article(words), article(words[:41]))[1] == "same text"  # 39 of 48
        assert verdict(article(words), article(words[:40]))[1] == "notices differ"  # 38 of 48
        assert verdict(article(words), article(words[:40], "Fog"))[1] == "notices differ"  # one headline is missing
        assert verdict(article(words, "Fog"), article(words[:40], "Fog"))[1] == "same text"

    def test_without_a_headline_no_swapped_word(self):
        words = prose(50)
        swapped = [*words[:-1], "elsewhere"]
        assert verdict(article(words), article(swapped))[1] == "words differ"
        assert verdict(article(words), article(words[:-1]))[1] == "same text"  # dropped
        assert verdict(article(words, "Fog"), article(swapped, "Fog"))[1] == "same text"
        longer = prose(60)
        assert verdict(article(longer), article([*longer[:-1], "elsewhere"]))[1] == "same text"

    @pytest.mark.parametrize(
        ("hours", "reason"), [(47.99, "same text"), (48, "dates differ"), (-48, "dates differ"), (None, "same text")]
    )
    @pytest.mark.parametrize("title", [None, "Fog"])
    def test_less_than_48_hours(self, hours, reason, title):
        words = prose(50)
        assert verdict(article(words, title, 0), article(words, title, hours))[1] == reason
        assert verdict(article(words, title, 0), article(words[:-1], title, hours))[1] == reason

    def test_long_texts_may_be_years_apart(self):
        assert verdict(article(prose(60), "Fog", 0), article(prose(60), "Rain", 9000))[1] == "same text"

    def test_a_brief_in_a_long_take_is_a_notice(self):
        take = prose(300)
        assert verdict(article(take, "Ferry aground"), article(take[:50], "Ferry aground"))[1] == "same text"
        assert verdict(article(take, "Ferry aground"), article(take[:50], "Bank cuts rate"))[1] == "titles differ"
        assert verdict(article(take, "Ferry aground"), article(take[:50]))[1] == "notices differ"
        assert verdict(article(take, "Ferry aground"), article(take[:60], "Bank cuts rate"))[1] == "same text"

    def test_a_hundred_characters_without_spaces_are_60_words(self):
        characters = "".join(chr(0x4E00 + 7 * i) for i in range(100))
        for length, reason in ((99, "titles differ"), (100, "same text")):
            one, two = (article(characters[:length], title) for title in ("渡船", "银行"))
            assert verdict(one, two)[1] == reason


class TestUnits:
    """Exact copies share the computation only where no rule can part them."""

    @pytest.mark.parametrize(
        ("length", "others", "together"),
        [
            (80, {"title": "Bank cuts rate"}, True),
            (80, {"hours": 500}, True),
            (40, {"title": "Bank cuts rate"}, False),
            (40, {"hours": 500}, False),
            (40, {"title": "FERRY  aground"}, True),
        ],
    )
    def test_collapse(self, length, others, together):
        words = prose(length)
        table = sketches(
            article(words, "Ferry aground", 0), article(words, **{"title": "Ferry aground", "hours": 0} | others)
        )
        table = table.sort_by("content_key")
        assert (duplicates.units(table, DuplicateParams()).tolist() == [0, 0]) == together
        rows = [article(words, "Ferry aground", 0), article(words, **{"title": "Ferry aground", "hours": 0} | others)]
        assert len(grouped(rows)) == (1 if together else 2)

    def test_equal_notices_of_another_hour_are_exact_copies_still(self):
        words = prose(40)
        assert grouped([article(words, "Ferry aground", hour) for hour in (0, 5, 30)]) == [{0, 1, 2}]
        assert grouped([article(words, "Ferry aground", hour) for hour in (0, None)]) == [{0, 1}]


SMALL = {
    "arabic": ["انقطع الماء عن الحي", "فاز الفريق بالكأس", "افتتح الجسر الجديد", "هطل المطر ليلا", "توقف القطار"],
    "amharic": ["ውሃ በከተማው ተቋረጠ", "ቡድኑ ዋንጫ አሸነፈ", "አዲስ ድልድይ ተከፈተ", "ሌሊት ዝናብ ዘነበ", "ባቡሩ ቆመ"],
    "chinese": ["市区停水", "球队夺冠", "新桥通车", "夜间降雨", "列车停运", "雨"],
    "japanese": ["断水が続く", "チームが優勝", "新しい橋が開通", "夜に雨", "電車が停止", "雨"],
    "thai": ["น้ำไม่ไหล", "ทีมชนะ", "เปิดสะพาน", "ฝนตก", "รถไฟหยุด"],
    "marks": ["…", "!!!", "—", "«»", "🙂", "🙂🙂"],
}


class TestSmallTexts:
    @pytest.mark.parametrize("script", SMALL)
    def test_short_texts_of_any_script_stay_apart(self, script):
        texts = SMALL[script]
        assert grouped([article(words) for words in texts]) == [{i} for i in range(len(texts))]

    @pytest.mark.parametrize("script", [script for script in SMALL if script != "marks"])
    def test_and_their_copies_do_not(self, script):
        texts = SMALL[script]
        n = len(texts)
        assert grouped([article(words) for words in [*texts, *texts]]) == [{i, i + n} for i in range(n)]

    @pytest.mark.parametrize("words", ["", " ", "\n\t\u3000", "\u200b\u00ad", None])
    def test_empty_texts_never_pair(self, words):
        rows = [{"title": None, "text": words, "published_at": NOON}] * 40
        result = dedup.cluster(rows)
        assert result.pairs.num_rows == 0
        assert set(result.documents["relation"].to_pylist()) == {"unique"}
        assert len(set(result.documents["duplicate_id"].to_pylist())) == 40

    def test_under_three_tokens(self):
        texts = ["Fog", "FOG!", "Rain", "Fog rain", "rain, fog", "Fog rain fell", "fog rain."]
        assert grouped([article(words) for words in texts]) == [{0, 1}, {2}, {3, 6}, {4}, {5}]

    def test_titles_alone(self):
        titles = ["Ferry aground in fog", "FERRY aground in fog!", "Ferry refloated at last", None]
        rows = [{"title": title, "text": " ", "published_at": NOON} for title in titles]
        assert grouped(rows) == [{0, 1}, {2}, {3}]


def test_candidates_are_complete():
    """Every pair of texts that all-against-all finds alike in wording is a candidate."""
    chance, articles = random.Random(5), []
    for seed in range(25):
        take = prose(chance.randint(3, 250), seed)
        articles.append(article(take, "Fog"))
        for _ in range(5):
            first = chance.randint(0, max(0, len(take) - 20))
            edited = [w if chance.random() > 0.04 else chance.choice(SYLLABLES) for w in take]
            part = edited[first : first + chance.randint(1, 250)]
            articles.append(article(part + prose(chance.choice((0, 0, 5, 80)), chance.random()), "Fog"))
    table = sketches(*articles)
    every = verify(table, *np.array(list(combinations(range(len(articles)), 2))).T)
    alike = every.filter(pa.array(np.array(every["reason"]) != "wording differs"))
    left, right = candidates.candidates(table, DuplicateParams())
    found = set(zip(left.tolist(), right.tolist(), strict=True))
    wanted = set(zip(alike["left"].to_pylist(), alike["right"].to_pylist(), strict=True))
    assert len(wanted) > 100 and wanted <= found
    assert (left < right).all() and len(found) == len(left)


def test_three_thousand_near_copies_end_in_one_group():
    words, chance = prose(200), random.Random(1)
    rows = [article(words, "Fog")]
    for _ in range(3000):
        copy = list(words)
        copy[chance.randrange(200)] = "".join(chance.choices("aeiou", k=9))
        rows.append(article(copy, "Fog"))
    result = dedup.cluster(rows)
    assert result.groups["duplicate_size"].to_pylist() == [3001]
    assert result.pairs.num_rows <= 200 * len(rows)
