"""Boilerplate over parts is that of one machine, to the last bit."""

import random
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ARTICLES
from distributing import spread
from test_boilerplate import FOOTERS, articles, prose, without
from test_shared_data import DATA, needs_open

from dedup import boilerplate as local
from dedup import pipeline, schema, weighing
from dedup.distributed import boilerplate
from dedup.engines.local import LocalEngine
from dedup.params import BoilerplateParams, Params
from dedup.policy import parse_policy
from tests.in_process import InProcess

PARTS = [(1, False), (3, False), (8, True)]


def on_one_machine(rows, params):
    with LocalEngine(1) as engine:
        clock = pipeline.Clock(lambda *_: None)
        corpus = pipeline.read(rows, params, parse_policy(params.canonical), engine, clock)
        return pipeline.without_boilerplate(corpus, params, clock)


def whole(dataset, fields):
    return pa.concat_tables([fields.empty_table(), *(dataset[part] for part in sorted(dataset))])


def same(table, other):
    """Compare tables to the last bit; hours that are not known are equal, too."""
    if "hours" in table.column_names:
        hours, others = (each["hours"].to_numpy().view(np.uint64) for each in (table, other))
        return np.array_equal(hours, others) and same(table.drop_columns("hours"), other.drop_columns("hours"))
    return table.combine_chunks().equals(other.combine_chunks())


def check(rows, parts, backwards, params=None):
    """Compare every column of what is left, and the counts, which are returned."""
    params = params or Params()
    wanted = on_one_machine(rows, params)
    flow, corpus = spread(rows, params, parts, backwards)
    found = boilerplate.strip(flow, corpus, params)
    assert same(whole(found.sketches, wanted.sketches.schema), wanted.sketches)
    assert same(whole(found.terms, wanted.terms.schema), wanted.terms)
    assert found.boilerplate == wanted.boilerplate
    assert not whole(found.traces, schema.TRACES).num_rows
    for name in ("sketches", "terms"):  # one table a part, whatever happened: the documents stay where they are
        sizes = {part: len(table) for part, table in getattr(found, name).items()}
        assert sizes == {part: len(table) for part, table in corpus.documents.items()}
    return found.boilerplate["boilerplate_documents"], found.boilerplate["boilerplate_shingles"], flow


def newsroom():
    """Footers of two sources and of an unknown one, texts in two sources, templates, copies and quotations."""
    rows = [*articles(40), *articles(30, "Delta Radio"), *articles(25, footer=False)[:0]]
    rows += without(articles(12, "Fjord Post", first=100), "source")
    rows += [{**row, "id": f"twin-{row['id']}", "source": "Delta Radio"} for row in rows[:6]]
    rows += [{**row, "id": f"again-{row['id']}"} for row in rows[3:9] for _ in range(1)]
    rows += [{**row, "id": f"unknown-{row['id']}", "source": None} for row in rows[40:44]]
    rows += articles(9, words=9, first=200)
    chance = random.Random(3)
    form = prose(60, "form").split()
    for i in range(20):
        values = {chance.randrange(60): f"value{i}{k}" for k in range(6)}
        text = " ".join(values.get(place, word) for place, word in enumerate(form))
        rows.append({"id": f"form{i}", "title": prose(4, f"f{i}"), "text": text, "source": f"Gazette {i % 2}"})
    quote, topic = prose(25, "quote"), prose(30, "topic").split()
    for i in range(8):
        told = " ".join(random.Random(i).sample(topic, len(topic)) * 2)
        rows.append({"id": f"report{i}", "text": f"{told}. {quote}", "source": "Fjord Post"})
    rows.append({"id": "notice", "text": FOOTERS["Fjord Post"], "source": "Fjord Post"})
    rows.append({"id": "empty", "title": "Nothing", "text": "", "source": ""})
    rows += [
        {"id": f"blank{i}", "text": prose(50, f"blank{i}") + FOOTERS["Delta Radio"], "source": ""} for i in range(8)
    ]
    return random.Random(11).sample(rows, len(rows))


@pytest.mark.parametrize(("parts", "backwards"), PARTS)
class TestLikeOneMachine:
    def test_footers_of_many_kinds(self, parts, backwards):
        documents, shingles, _ = check(newsroom(), parts, backwards)
        assert documents > 80 and shingles > 2000

    def test_seeds(self, parts, backwards):
        check(ARTICLES, parts, backwards)

    def test_sources_unknown(self, parts, backwards):
        rows = without(newsroom(), "source")
        assert check(rows, parts, backwards)[0] > 50

    def test_frequencies(self, parts, backwards, monkeypatch):
        """They are learnt from the first documents, and the first that are sampled, wherever parts begin."""
        for module in (local, boilerplate.unrelated):
            monkeypatch.setattr(module, "FREQUENCY_SAMPLE", 20)
            monkeypatch.setattr(module, "MOST_LEARNT", 28)
        learnt = set()
        by_frequencies = weighing.by_frequencies

        def seen(own, *spill):
            learnt.add((own.documents, own.terms.tobytes(), own.counts.tobytes()))
            return by_frequencies(own, *spill)

        monkeypatch.setattr(weighing, "by_frequencies", seen)
        params = Params(boilerplate=BoilerplateParams(sample=4, alike=0.01, above_chance=1.1))
        check(newsroom(), parts, backwards, params)
        assert [documents for documents, *_ in learnt] == [28, 28]  # of sources and of the corpus, not twice as many

    def test_one_source_knows_better(self, parts, backwards):
        """What is boilerplate of one source goes from the same text in another."""
        params = Params(boilerplate=BoilerplateParams(corpus_share=1))
        rows = [*articles(20), *articles(20, "Delta Radio", footer=False)]
        rows += [{**row, "id": f"twin-{row['id']}", "title": "Twin", "source": "Delta Radio"} for row in rows[:3]]
        rows += [{**row, "id": f"unknown-{row['id']}", "title": "Other", "source": None} for row in rows[:2]]
        assert check(rows, parts, backwards, params)[0] == 25

    @pytest.mark.parametrize("known", [True, False])
    def test_equal_texts_count_once(self, parts, backwards, known):
        """Wherever they lie: under other titles they are in other parts."""
        rows = [{**row, "id": f"{row['id']}-{k}", "title": prose(5, f"{k}")} for row in articles(4) for k in range(9)]
        rows = rows if known else [{**row, "source": None if place % 2 else "A"} for place, row in enumerate(rows)]
        assert check(rows, parts, backwards)[0] == 0

    def test_the_least_count(self, parts, backwards):
        params = Params(boilerplate=BoilerplateParams(least=2, source_share=0, corpus_share=0, titled=10))
        assert check(newsroom(), parts, backwards, params)[0] > 80

    def test_scripts_without_spaces(self, parts, backwards):
        chance = random.Random(7)
        footer = "本报讯记者电话五五五转载须经书面许可并注明出处违者追究法律责任欢迎订阅海港日报"
        rows = [
            {"id": str(i), "text": "".join(chr(chance.randrange(0x4E00, 0x9000)) for _ in range(n)) + "。" + footer}
            for i, n in enumerate([60] * 10 + [9] * 3)
        ]
        assert check(rows, parts, backwards)[0] == 13


@pytest.mark.parametrize("rows", [[], articles(1), articles(4), articles(30, footer=False)], ids=len)
def test_nothing_to_find(rows):
    documents, shingles, flow = check(rows, 3, False)
    assert (documents, shingles) == (0, 0)
    assert "boilerplate-strip" not in flow.sent


def test_quotations_alone():
    """What recurs is looked at, and stays."""
    quote, topic = prose(25, "quote"), prose(30, "topic").split()
    rows = articles(40, footer=False)
    for i in range(8):
        told = " ".join(random.Random(i).sample(topic, len(topic)) * 2)
        rows.append({"id": f"report{i}", "text": f"{told}. {quote}", "source": "Fjord Post"})
    documents, _, flow = check(rows, 3, False)
    assert documents == 0
    assert "boilerplate-measure" in flow.sent and "boilerplate-strip" not in flow.sent


def test_a_footer_in_every_document_is_sent_by_its_first_members():
    """What the members of sets take does not grow with the documents of a part."""
    rows = articles(150)
    flow = check(rows, 2, False, Params(boilerplate=BoilerplateParams(sample=4)))[2]
    few = check(rows[:75], 2, False, Params(boilerplate=BoilerplateParams(sample=4)))[2]
    assert flow.sent["boilerplate-sets"] < 1.2 * few.sent["boilerplate-sets"]


@pytest.mark.parametrize("copies", [0, 2])
def test_parts_name_what_may_be_frequent_in_the_corpus(copies, monkeypatch):
    """The rest is not sent; where most are copies in other parts, as much may be frequent as parts cannot tell."""
    rows = without([*articles(26), *articles(94, "Delta Radio", footer=False)], "source")
    again = [{**row, "id": f"{row['id']}-{k}", "title": f"Copy {k}"} for k in range(copies) for row in rows]
    params = Params(boilerplate=BoilerplateParams(corpus_share=0.2))
    documents, _, flow = check([*rows, *again], 2, False, params)
    assert documents == 26 * (1 + copies)
    monkeypatch.setattr(boilerplate.recurrent, "_TELLING", 10**9)
    all_sent = check([*rows, *again], 2, False, params)[2]
    assert (flow.sent["boilerplate-keys"] < 0.7 * all_sent.sent["boilerplate-keys"]) == (copies == 0)


def test_copies_of_one_text_are_sent_once_by_each_part():
    rows = [*articles(40), *({**articles(1)[0], "id": f"copy{i}"} for i in range(400))]
    few, many = (check(some, 2, True) for some in (rows[:80], rows))
    assert many[0] - few[0] == len(rows) - 80
    steps = [f"boilerplate-{name}" for name in ("evidence", "keys", "bare", "equal-texts")]
    assert sum(many[2].sent[name] for name in steps) < 1.1 * sum(few[2].sent[name] for name in steps)


def test_equality_alone_needs_no_care():
    params = replace(Params(), level="exact")
    _, corpus = spread(articles(12), params, 3)
    assert boilerplate.strip(InProcess(3), corpus, params) is corpus


@needs_open
@pytest.mark.parametrize(("parts", "backwards"), PARTS)
def test_real_articles(parts, backwards):
    path = DATA / "open" / "g5w_news_cluster.parquet"
    print(pq.read_metadata(path).num_rows, check(str(path), parts, backwards)[:2])
