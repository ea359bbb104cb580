"""Languages: codes, the guess, function words, and that stories hold within a language and never across.

`world_news.jsonl` tells one event twice in each of eleven languages, in other words, with the same names and figures
all over, and has two items on something else in each. The texts are invented.
"""

import json
from math import log, sqrt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import dedup
from dedup import counting, languages, schema, text, weighing
from dedup.foreign import foreign_idf, foreign_terms, language_groups
from dedup.kernels import tfidf
from dedup.params import StoryParams

NEWS = [json.loads(line) for line in (Path(__file__).parent / "world_news.jsonl").read_text("utf-8").splitlines()]
LANGUAGES = list(dict.fromkeys(row["language"] for row in NEWS))


def items(kind, *of, **columns):
    """Articles of a kind (report, other) in some languages, without their language."""
    return [
        {"id": row["id"], "title": row["title"], "text": row["text"], **columns}
        for row in NEWS
        if f"-{kind}-" in row["id"] and row["language"] in (of or LANGUAGES)
    ]


def batch(rows):
    table = [{"row": row, **{name: r.get(name) for name in ("title", "text", "lang")}} for row, r in enumerate(rows)]
    return pa.RecordBatch.from_pylist(table, schema.DOCUMENTS)


def guesses(*texts):
    rows = [{"text": value} for value in texts]
    return languages.guess(text.prepare(batch(rows))).to_pylist()


def together(rows):
    """The stories of two or more articles, as sets of ids."""
    members = {}
    for row in dedup.cluster(rows).documents.to_pylist():
        members.setdefault(row["story_id"], set()).add(row["doc_id"])
    return sorted((story for story in members.values() if len(story) > 1), key=min)


def reports(language):
    return {f"{language}-report-0", f"{language}-report-1"}


class TestCodes:
    @pytest.mark.parametrize(
        ("written", "wanted"),
        [
            *(("en", "en"), ("EN", "en"), ("eng", "en"), ("en-US", "en"), ("en_GB", "en"), (" English ", "en")),
            *(("zh-Hant-TW", "zh"), ("cmn", "zh"), ("nob", "no"), ("iw", "he"), ("ger", "de"), ("deu", "de")),
            *(("mn", "mn"), ("quz", "quz"), ("pcm", "pcm"), ("Portuguese (Brazil)", "pt")),
            *(("", None), (None, None), ("und", None), ("unknown", None), ("N/A", None), ("12", None), ("?", None)),
        ],
    )
    def test_as_publishers_write_them(self, written, wanted):
        assert languages.codes(pa.array([written, "fr"], pa.string())).to_pylist() == [wanted, "fr"]

    def test_what_the_column_says_wins(self):
        rows = [{"text": NEWS[0]["text"], "lang": lang} for lang in ("fra", None, "und")]
        assert languages.of(batch(rows), text.prepare(batch(rows))).to_pylist() == ["fr", "en", "en"]


class TestGuess:
    def test_news_in_eleven_languages(self):
        found = languages.guess(text.prepare(batch(NEWS))).to_pylist()
        assert found == [row["language"] for row in NEWS]

    def test_too_little_to_tell(self):
        short = [
            "",
            "Kestrel Bay",
            "Ferry aground off Port Ellery",
            "Port Ellery : 214 passagers",
            "日米首脳会談",
            "1, 2, 3",
        ]
        assert guesses(*short) == [None] * len(short)

    def test_neighbours_that_share_most_words_stay_open(self):
        assert guesses("Han var i dag på vei til en by der det er en bro.")[0] in (None, "no")
        assert guesses("Para a cidade")[0] is None

    def test_initials_and_tables_are_no_function_words(self):
        lines = ["J. C. Penney, L. S. Net, C. M. Vale", "I'm not bossy, I'm here", "4th qtr net 3 vs 2, shr 1 vs 4"]
        assert set(guesses(*lines)) <= {None, "en"}

    def test_only_the_start_is_asked(self):
        english = "The town was in the fog and it had not been seen for a while. "
        assert guesses(english * 60 + "и в не на " * 9000) == ["en"]


class TestLists:
    def test_as_many_as_there_are_bits(self):
        names = languages._listed()
        assert len(names) == len(set(names)) <= 64
        assert languages.ENGLISH in names and len(languages.stop_words().names) < 128

    @pytest.mark.parametrize("name", languages._listed())
    def test_each_is_a_list_of_tokens(self, name):
        file = Path(languages.__file__).parent / "data" / "stop_words" / f"{name}.txt"
        words = file.read_text("utf-8").split()
        assert len(words) >= 50 and len(words) == len(set(words))
        known = languages.stop_words()
        tokens = text.tokenise(text.comparable(pa.array(words))).hashes
        place = tfidf.lookup(known.hashes, tfidf.index(known.hashes), tokens)
        assert (place >= 0).all()
        assert (known.languages[place] >> np.uint64(known.names.index(name)) & np.uint64(1)).all()

    def test_a_function_word_is_one_in_its_own_language_only(self):
        """German "war" and "die" are function words; in an English text they are what it is about."""

        def terms(value, lang):
            rows = batch([{"text": value, "lang": lang}])
            counted = counting.count_terms(rows, text.prepare(rows), StoryParams())
            assert counted["language"].to_pylist() == [languages.codes(rows["lang"])[0].as_py()]
            found = set(schema.ragged(counted["terms"])[0].tolist())
            return sorted(word for h, word in text.spellings(rows["text"]).items() if h in found)

        assert terms("the war and those who die", "en") == ["die", "war"]
        assert terms("die Fähre war im Nebel", "de") == ["fähre", "nebel"]
        assert terms("die Fähre war im Nebel", None) == ["die", "fähre", "im", "nebel", "war"]


def test_differ():
    number = languages.numbered(pa.array(["en", None, "fr", "en", None]))
    assert number[1] == number[4] == -1 and number[0] == number[3] != number[2]
    left, right = np.array([0, 0, 0, 1, 2]), np.array([1, 2, 3, 4, 0])
    assert languages.differ(number, left, right).tolist() == [False, True, False, False, True]


class TestStories:
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_two_reports_in_other_words(self, language):
        wanted = [reports(language)]
        assert together(items("report", language)) == wanted
        assert together(items("report", language) + items("other", language)) == wanted

    def test_all_languages_in_one_batch(self):
        """Names and figures are the same all over; no story has two languages."""
        wanted = sorted(map(reports, LANGUAGES), key=min)
        assert together(items("report")) == wanted
        assert together(items("report") + items("other")) == wanted

    @pytest.mark.parametrize("pair", [("en", "es"), ("en", "fr"), ("es", "fr"), ("ru", "en"), ("zh", "ja")])
    def test_two_languages_never_share_a_story(self, pair):
        both = items("report", *pair)
        assert together(both) == sorted(map(reports, pair), key=min)
        assert together([both[0], both[2]]) == []

    def test_inside_a_larger_batch(self):
        """Sixty notices in English around them."""
        crowd = [
            {"id": f"x{i}", "text": f"The {a} {b} near {c} was closed for a week, and {d} were told to wait."}
            for i, (a, b, c, d) in enumerate(
                (f"quarnel{i}", f"bridgeworks{i}", f"Oldenmoor{i}", f"walkers{i}") for i in range(60)
            )
        ]
        found = together(items("report") + items("other") + crowd)
        for language in LANGUAGES:
            (story,) = (story for story in found if f"{language}-report-0" in story)
            assert story == reports(language)

    def test_the_reason_is_in_the_evidence(self):
        rows = items("report", "en")[:1] + items("report", "de")[:1]
        (pair,) = dedup.cluster(rows).pairs.to_pylist()
        assert (pair["level"], pair["accepted"], pair["reason"]) == ("story", False, "other language")
        assert pair["cosine"] > 0.05

    def test_a_column_parts_what_no_guess_can(self):
        """Two headlines without function words, alike but for their column."""
        words = "Kestrel Bay Port Ellery Mara Lindqvist radar", "Port Ellery radar Kestrel Bay Lindqvist Mara"

        def rows(*lang):
            return [{"id": i, "title": w, "lang": code} for i, (w, code) in enumerate(zip(words, lang, strict=True))]

        assert together(rows(None, None)) == together(rows("es", "spa")) == together(rows(None, "es")) == [{"0", "1"}]
        assert together(rows("es", "pt")) == []


class TestForeignTerms:
    """Terms of a language that the background has not counted."""

    def test_weights(self):
        """Of three Russian texts: a word of one or two counts in full, one of all three least; English as ever."""
        rows = [{"text": word} for word in ("туман туман паром", "паром скалы паром", "паром скалы", "ferry zzfogzz")]
        counted = pa.Table.from_batches([counting.count_terms(batch(rows), text.prepare(batch(rows)), StoryParams())])
        counted = counted.set_column(1, "language", pa.array(["ru", "ru", "ru", "en"]))
        ferry, fog, unknown, rocks, steam = text.tokenise(
            text.comparable(pa.array(["ferry", "туман", "zzfogzz", "скалы", "паром"]))
        ).hashes.tolist()
        known = weighing.Background(np.array([ferry], np.uint64), np.array([9], np.int32), 99)
        found = weighing.vectors(counted, known)
        column = {term: i for i, term in enumerate(found.terms.tolist())}

        def weight(row, term):
            inside = slice(found.indptr[row], found.indptr[row + 1])
            (value,) = found.data[inside][found.indices[inside] == column[term]]
            return value

        def scale(df):
            return log(100) * (log(4 / max(df - 0.85, 1)) / log(4)) ** 1.5

        assert weight(0, fog) / weight(0, steam) == pytest.approx(sqrt(2) * scale(1) / scale(3), rel=1e-5)
        assert weight(1, rocks) / weight(1, steam) == pytest.approx(scale(2) / scale(3) / sqrt(2), rel=1e-5)
        own = log(5 / 1)
        assert weight(3, ferry) / weight(3, unknown) == pytest.approx(
            (own + log(100 / 10)) / (own + log(100)), rel=1e-5
        )

    def test_an_unknown_word_of_a_known_language_is_no_foreign_one(self):
        def found(language, *rows):
            return foreign_terms(language_groups(language, *rows), *rows)

        language = pa.chunked_array([["en", "ru", None]])
        columns = np.array([0, 1, 2, *range(2, 10), 0, 1], np.int32)
        known = np.arange(10) < 2
        ((some, foreign, peers),) = found(language, columns, np.array([0, 3, 11, 13]), known)
        assert some == slice(0, 10)
        assert foreign.tolist() == [column > 2 for column in range(10)]
        assert (peers[3:] == 1).all()
        # Four unknown words are too few to say that the language is.
        assert not list(found(language, columns[:7], np.array([0, 3, 7, 7]), known))

    def test_common_words_count_little_in_a_large_batch_of_one_language(self):
        assert (np.diff(foreign_idf(np.arange(1, 401), np.full(400, 400.0), 41_927)) <= 0).all()
        assert foreign_idf(np.array([1, 400]), np.full(2, 400.0), 41_927) == pytest.approx([log(41_928), 0], abs=0.01)
        assert foreign_idf(np.array([9]), np.array([1.0]), 41_927) == [0]  # a word of nine languages


class TestCopies:
    """Near duplicates in scripts without spaces, and in others: one level below stories."""

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_a_light_edit(self, language):
        """Two characters lost in the middle, eight at the end."""
        first, other = items("report", language)
        edited = {**first, "id": "edited", "text": first["text"][:50] + first["text"][52:-8]}
        group = {
            row["doc_id"]: row["duplicate_id"] for row in dedup.cluster([first, edited, other]).documents.to_pylist()
        }
        assert group[first["id"]] == group["edited"] != group[other["id"]]

    @pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "th"])
    def test_another_figure_makes_another_notice(self, language):
        """Not in Thai, whose characters count as more words than they make: one figure in a hundred may differ."""
        first = items("report", language)[0]
        rows = [first, {**first, "id": "edited", "text": first["text"].replace("214", "612")}]
        assert rows[0]["text"] != rows[1]["text"]
        assert [pair["reason"] for pair in dedup.cluster(rows).pairs.to_pylist()] == ["numbers differ"]

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_a_brief_inside_a_long_take(self, language):
        first, second = items("report", language)
        long = {"id": "long", "title": first["title"], "text": first["text"] + " " + second["text"]}
        found = {row["doc_id"]: row for row in dedup.cluster([first, long]).documents.to_pylist()}
        assert found[first["id"]]["duplicate_id"] == found["long"]["duplicate_id"]
        assert found["long"]["is_canonical"]
        assert found[first["id"]]["relation"] in ("contained", "near") and found[first["id"]]["containment"] > 0.95
