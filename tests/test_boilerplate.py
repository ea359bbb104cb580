"""Footers, share bars and cookie notices get no say; copies, quotes and small corpora stay as they are."""

import random
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import dedup
from dedup import boilerplate, duplicates, pipeline, schema, weighing
from dedup.engines.local import LocalEngine
from dedup.kernels.minhash import minhash
from dedup.params import BoilerplateParams, Params
from dedup.policy import parse_policy

FOOTERS = {
    "Fjord Post": "You are reading the Fjord Post. Support our reporters from 3 crowns a week, cancel on any day. Tips "
    "to the night desk, phone 5550 1974. Reproduction in whole or in part only with our written consent. Letters reach "
    "the editor at Quay House until noon; the paper is delivered by boat to every island that has a pier of its own.",
    "Delta Radio": "Delta Radio uses cookies so that its pages load faster and its sponsors know what you like. Press "
    "accept to agree or settings to choose. More about this in our privacy charter, last changed in 2019.",
}
ENDS = ("ran", "lem", "tok", "vis", "bur", "dan")
WORDS = [a + b + c + d for a in "bdfgklmnprst" for b in "aeiou" for c in ENDS for d in ("", *ENDS)]
TABLES = ("documents", "groups", "clusters", "pairs")


def prose(words, seed):
    """Text like no other: invented words, so that only what is planted is shared."""
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def articles(n, source="Fjord Post", words=80, first=0, footer=True):
    return [
        {
            "id": f"{source}-{i}",
            "title": prose(6, f"title{source}{i}"),
            "text": prose(words, f"{source}{i}") + (". " + FOOTERS[source] if footer else ""),
            "source": source,
        }
        for i in range(first, first + n)
    ]


def without(rows, *names):
    return [{key: value for key, value in row.items() if key not in names} for row in rows]


def untouched(rows):
    """Check that a run is the one in which nothing is ever frequent enough."""
    never = Params(boilerplate=BoilerplateParams(least=10**6))
    found, wanted = dedup.cluster(rows), dedup.cluster(rows, never)
    assert found.manifest["counts"]["boilerplate_shingles"] == 0
    return all(getattr(found, name).equals(getattr(wanted, name)) for name in TABLES)


def facts(result, *columns):
    rows = sorted(result.documents.to_pylist(), key=lambda row: row["doc_id"])
    return [tuple(row[column] for column in ("doc_id", *columns)) for row in rows]


def counts(result):
    return tuple(result.manifest["counts"][f"boilerplate_{name}"] for name in ("documents", "shingles"))


class TestFooters:
    @pytest.mark.parametrize("known", [True, False])
    def test_stubs_under_one_footer_are_not_copies(self, known):
        """Where most of a stub is footer, wording alone would make copies of all; articles give the footer away."""
        rows = [*articles(12), *articles(4, words=9, first=12)]
        rows = rows if known else without(rows, "source")
        never = Params(boilerplate=BoilerplateParams(least=10**6))
        assert dedup.cluster(without(rows, "title"), never).groups.num_rows < 16
        result = dedup.cluster(without(rows, "title"))
        assert result.groups["duplicate_size"].to_pylist() == [1] * 16
        assert counts(result)[0] == 16
        plain = [{**row, "text": row["text"].removesuffix(FOOTERS["Fjord Post"])} for row in without(rows, "title")]
        assert facts(result, "canonical_doc_id") == facts(dedup.cluster(plain), "canonical_doc_id")

    def test_headlines_tell_stubs_from_copies(self):
        """Nothing but stubs: each mostly footer, as copies with small edits would be, but under its own headline."""
        rows = articles(12, words=9)
        never = Params(boilerplate=BoilerplateParams(least=10**6))
        assert dedup.cluster(rows, never).groups.num_rows < 12
        result = dedup.cluster(rows)
        assert result.groups.num_rows == 12
        assert counts(result)[0] == 12

    def test_scripts_without_spaces(self):
        chance = random.Random(7)
        footer = "本报讯记者电话五五五转载须经书面许可并注明出处违者追究法律责任欢迎订阅海港日报"
        rows = [
            {"id": str(i), "text": "".join(chr(chance.randrange(0x4E00, 0x9000)) for _ in range(n)) + "。" + footer}
            for i, n in enumerate([60] * 10 + [9] * 3)
        ]
        never = dedup.cluster(rows, Params(boilerplate=BoilerplateParams(least=10**6)))
        assert pc.max(never.pairs["jaccard"]).as_py() > 0.3
        result = dedup.cluster(rows)
        assert result.groups.num_rows == result.clusters.num_rows == 13
        assert counts(result)[0] == 13
        assert not result.pairs.num_rows

    def test_a_copy_under_another_footer_is_a_copy(self):
        rows = [*articles(10), *articles(10, "Delta Radio")]
        wire = prose(25, "wire") + ". "
        rows += [{"id": name, "text": wire + footer, "source": name} for name, footer in FOOTERS.items()]
        by_id = {row["doc_id"]: row for row in dedup.cluster(rows).documents.to_pylist()}
        first, second = (by_id[name] for name in FOOTERS)
        assert first["duplicate_id"] == second["duplicate_id"]
        assert {first["jaccard"], second["jaccard"]} - {None} != {1.0}  # the footer's seams stay
        never = Params(boilerplate=BoilerplateParams(least=10**6))
        assert len(set(dedup.cluster(rows, never).documents["duplicate_id"].to_pylist())) == 22

    def test_everything_reported_is_that_of_the_texts_without(self):
        """Terms, figures and words of the passage are gone, and a word that the article uses too still counts once."""
        rows = articles(12)
        rows[0]["text"] = "Her desk counted 1974 boats, " + rows[0]["text"]
        corpus = read(rows)
        left = strip(corpus)
        plain = read([{**row, "text": row["text"].removesuffix(FOOTERS["Fjord Post"])} for row in rows])
        assert left.documents == 12
        for name in ("terms", "counts"):
            ours, theirs = (by_row(table, name) for table in (left.terms, plain.terms))
            assert ours == theirs
        assert by_row(left.sketches, "numbers") == by_row(plain.sketches, "numbers")
        assert by_row(left.sketches, "words") == by_row(plain.sketches, "words")
        own = by_row(plain.sketches, "shingles")
        for row, shingles in by_row(left.sketches, "shingles").items():
            assert set(own[row]) <= set(shingles)
            assert len(set(shingles) - set(own[row])) == 2  # where article and footer meet

    @pytest.mark.parametrize("others", [3, 30])
    def test_texts_as_they_were_read_are_there_too(self, others):
        """Where few changed, these alone are there twice; all that did not is as it was."""
        corpus = read([*articles(12), *articles(others, "Delta Radio", footer=False)])
        left = strip(corpus)
        assert left.documents == 12
        assert len(left.whole) == (12 + others if others < 12 else 2 * 12 + others)
        read_again = schema.take(left.whole, pa.array(left.as_read))
        # No date is NaN, which equals nothing.
        found = [table.drop_columns("hours") for table in (read_again, corpus.sketches, left.sketches)]
        assert found[0].equals(found[1])
        rows = zip(found[1].to_pylist(), found[2].to_pylist(), strict=True)
        same = np.flatnonzero([before == after for before, after in rows])
        assert len(left.sketches) == 12 + others and len(same) == others
        plain = corpus.documents["source"].take(pa.array(same)).to_pylist()
        assert plain == ["Delta Radio"] * others

    def test_signatures_are_those_of_what_is_left(self):
        left = strip(read([*articles(12), *articles(3, "Delta Radio", footer=False)]))

        values, offsets = schema.ragged(left.sketches["shingles"])
        assert all(np.all(values[a + 1 : b] > values[a : b - 1]) for a, b in pairwise(offsets))
        wanted = minhash(values, offsets, *duplicates.permutations(128))
        assert (schema.matrix(left.sketches["signature"]) == wanted).all()

    def test_pages_of_nothing_but_a_notice(self):
        """They are copies where their whole texts are equal, of each other and never of an article."""
        notice = FOOTERS["Fjord Post"]
        pages = [
            {"id": "one", "text": notice, "source": "Fjord Post"},
            {"id": "two", "text": notice, "source": "Fjord Post"},
            {"id": "other", "text": "Not found. " + notice, "source": "Fjord Post"},
        ]
        found = dict(facts(dedup.cluster([*articles(12), *pages]), "duplicate_id"))
        assert found["one"] == found["two"]
        assert len(set(found.values())) == 14

    def test_equal_texts_of_two_sources_stay_copies(self):
        """What is boilerplate of one source goes from the same text in the other, too."""
        rows = [*articles(12), *articles(12, "Delta Radio", footer=False)]
        rows.append({**rows[0], "id": "twin", "source": "Delta Radio"})
        result = dedup.cluster(rows)
        assert result.groups["duplicate_size"].to_pylist()[0] == 2
        twins = [row for row in result.documents.to_pylist() if row["duplicate_size"] == 2]
        assert {row["relation"] for row in twins} >= {"exact"} and {row["similarity"] for row in twins} == {1.0}
        assert counts(result)[0] == 13

    def test_one_text_many_times_in_a_source_loses_it_everywhere(self):
        """What recurs is sought in the first of them; the others are told."""
        rows = articles(12)
        again = [{**row, "id": f"{row['id']}-{k}"} for row in rows[:4] for k in range(3)]
        left, plain = strip(read([*rows, *again])), strip(read(rows))
        assert left.documents == 12 + len(again)
        once = by_row(plain.sketches, "shingles")
        many = by_row(left.sketches, "shingles")
        assert [many[row] for row in range(12)] == [once[row] for row in range(12)]
        assert [many[12 + place] for place in range(len(again))] == [once[place // 3] for place in range(len(again))]


class TestWhatStays:
    def test_copies_are_no_boilerplate(self):
        """A wire text sent thirty times by one source, each time with other words changed."""
        rows = articles(20, footer=False)
        wire = prose(120, "wire").split()
        for i in range(30):
            rows.append(
                {
                    "id": f"copy{i}",
                    "text": " ".join([*wire[: 3 * i], "changed", *wire[3 * i + 1 :]]),
                    "source": "Fjord Post",
                }
            )
        assert untouched(rows)
        assert max(dedup.cluster(rows).groups["duplicate_size"].to_pylist()) == 30

    @pytest.mark.parametrize("reworded", [0, 2])
    def test_nor_are_copies_under_their_headlines(self, reworded):
        rows = articles(20, footer=False)
        wire, head = prose(120, "wire").split(), prose(6, "head").split()
        for i in range(30):
            text = " ".join([*wire[: 3 * i], "changed", *wire[3 * i + 1 :]])
            title = " ".join([*head[reworded:], *prose(reworded, f"head{i}").split()])
            rows.append({"id": f"copy{i}", "title": title, "text": text, "source": "Fjord Post"})
        assert untouched(rows)

    def test_equal_texts_count_once(self):
        rows = [{**row, "id": f"{row['id']}-{k}"} for row in articles(2) for k in range(9)]
        assert untouched(rows)

    def test_what_reports_of_one_event_quote(self):
        """The quotation stands in many documents, which speak of the same things without it."""
        quote = prose(25, "quote")
        topic = prose(30, "topic").split()
        rows = articles(40, footer=False)
        for i in range(8):
            told = random.Random(i).sample(topic, len(topic)) * 2
            rows.append({"id": f"report{i}", "text": " ".join(told) + ". " + quote, "source": "Fjord Post"})
        assert untouched(rows)

    @pytest.mark.parametrize("n", [0, 1, 4])
    def test_under_the_least_count(self, n):
        assert untouched(articles(n))

    def test_a_share_of_a_large_source(self):
        """Five of two hundred are a habit of few, not what a source puts under its articles."""
        rows = [*articles(5), *articles(195, first=5, footer=False), *articles(400, "Delta Radio", footer=False)]
        assert untouched(rows)

    def test_phrases_are_short(self):
        rows = articles(30, footer=False)
        for row in rows:
            row["text"] += " as the spokesman said on Friday"
        assert counts(dedup.cluster(rows))[1] > 0  # six words in a row are a passage
        for row in rows:
            row["text"] = row["text"].removesuffix(" on Friday") + " " + prose(3, row["id"])
        assert untouched(rows)

    def test_equality_alone_needs_no_care(self):
        result = dedup.cluster(articles(12), level="exact")
        assert "boilerplate_shingles" not in result.manifest["counts"]


def test_the_order_of_the_input():
    rows = [*articles(30), *articles(9, "Delta Radio"), *without(articles(9, "Delta Radio", first=9), "source")]
    one, two = dedup.cluster(rows), dedup.cluster(random.Random(5).sample(rows, len(rows)))
    columns = ("duplicate_id", "story_id", "similarity", "canonical_doc_id")
    assert facts(one, *columns) == facts(two, *columns)
    assert counts(one) == counts(two) and counts(one)[0] == 48


def read(rows):

    params = Params()
    with LocalEngine(1) as engine:
        return pipeline.read(rows, params, parse_policy(params.canonical), engine, pipeline.Clock(print))


def strip(corpus):
    return boilerplate.strip(
        corpus.sketches, corpus.terms, corpus.traces, corpus.documents["source"], BoilerplateParams(),
        duplicates.permutations(128), weighing.learnt,
    )  # fmt: skip


def by_row(table: pa.Table, name):
    return dict(zip(table["row"].to_pylist(), table[name].to_pylist(), strict=True))
