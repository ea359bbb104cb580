"""`explain`: every figure adds up and agrees with the tables of the run, and what parts two articles is named."""

import itertools
import json
import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from conftest import ARTICLES
from hypothesis import given, settings
from hypothesis import strategies as st
from test_duplicates import prose

import dedup
from dedup import Params
from dedup.explaining import linking
from dedup.params import StoryParams
from dedup.replay import replay
from dedup.run import Result

WORLD = Path(__file__).parent / "world_news.jsonl"
DATA = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
NOON = datetime(2020, 3, 3, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def seeds():
    return dedup.cluster(ARTICLES)


def read(*names):
    return [json.loads(line) for name in names for line in Path(name).read_text("utf-8").splitlines()]


def labels(result: Result, column="story_id"):
    rows = result.documents.select(["doc_id", column]).to_pylist()
    return {row["doc_id"]: row[column] for row in rows}


def check_sums(told):
    """The terms add up to the cosine, and the steps to the score."""
    likeness = told["likeness"]
    shares = [term["share"] for term in likeness["terms"]]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) + likeness["other_terms"]["share"] == pytest.approx(likeness["cosine"], abs=1e-6)
    assert all(
        term["weight_a"] * term["weight_b"] == pytest.approx(term["share"], abs=1e-12) for term in likeness["terms"]
    )
    assert sum(step["change"] for step in likeness["steps"]) == pytest.approx(likeness["score"], abs=1e-6)
    assert likeness["steps"][0] == {"step": "cosine", "change": likeness["cosine"], "after": likeness["cosine"]}
    assert likeness["steps"][-1]["after"] == pytest.approx(likeness["score"], abs=1e-12)
    assert "?" not in [term["term"] for term in likeness["terms"]]


def check_listed(result: Result, pair):
    """What is said of a listed pair is what the tables say."""
    told = result.explain(pair["doc_id_a"], pair["doc_id_b"])
    wording, likeness = told["wording"], told["likeness"]
    if pair["level"] == "duplicate":
        assert wording["jaccard"] == pytest.approx(pair["jaccard"], abs=1e-6)
        assert wording["containment"] == pytest.approx(pair["containment"], abs=1e-6)
        assert wording["reason"] == pair["reason"] or pair["reason"] == "better held by another group"
    else:
        assert likeness["cosine"] == pytest.approx(pair["cosine"], abs=1e-6)
        assert likeness["score"] == pytest.approx(pair["score"], abs=1e-6)
        wanted = None if pair["reason"] in ("same story", "tree cut") else pair["reason"]
        assert likeness["gate"] == wanted
    if likeness:
        check_sums(told)
    if pair["accepted"]:
        assert told["verdict"]["together"]
    check_chain(told, pair)


def check_chain(told, pair):
    """The way leads from one to the other, and its weakest link is no weaker than the link between the two."""
    assert (told["chain"] is None) == (not told["verdict"]["together"])
    if told["chain"] is None:
        return
    hops = told["chain"]["hops"]
    assert [hops[0]["a"], hops[-1]["b"]] == [told["a"]["doc_id"], told["b"]["doc_id"]]
    assert all(x["b"] == y["a"] for x, y in itertools.pairwise(hops))
    strengths = [hop["strength"] for hop in hops if hop["level"] == hops[told["chain"]["weakest"]]["level"]]
    assert hops[told["chain"]["weakest"]]["strength"] == min(strengths)
    if pair["accepted"]:
        direct = pair["score"] if pair["level"] == "story" else max(pair["jaccard"], pair["containment"])
        assert hops[told["chain"]["weakest"]]["strength"] >= (direct if pair["level"] == "story" else 0) - 1e-6


class TestFigures:
    @pytest.mark.parametrize("source", [ARTICLES, WORLD], ids=["seeds", "world"])
    def test_they_are_those_of_the_tables(self, source, monkeypatch):
        monkeypatch.setattr("dedup.explaining.joining.settings", lambda *_: [])  # tried below
        result = dedup.cluster(str(source))
        pairs = result.pairs.to_pylist()
        assert {"same story", "tree cut"} <= {pair["reason"] for pair in pairs}
        for pair in pairs:
            check_listed(result, pair)

    def test_any_two_articles_can_be_explained(self, seeds, monkeypatch):
        monkeypatch.setattr("dedup.explaining.joining.settings", lambda *_: [])
        story, group = labels(seeds), labels(seeds, "duplicate_id")
        for a, b in random.Random(3).sample(list(itertools.permutations(sorted(story), 2)), 250):
            told = seeds.explain(a, b)
            assert told["verdict"]["together"] == (story[a] == story[b])
            assert (told["likeness"] is None) == (group[a] == group[b])
            assert bool(told["missing"]) == (story[a] != story[b])
            assert "".join(part.get("both", part.get("a", "")) for part in told["passages"])
            if told["likeness"]:
                check_sums(told)
                meet, together = told["tree"]["meet"], told["tree"]["together"]
                assert together == (story[a] == story[b])
                assert meet is None or together == (meet["texts"] <= told["tree"]["story_a"]["texts"])
                if meet and not together:
                    assert meet["value"] < meet["value_of_parts"]

    def test_the_same_either_way_round(self, seeds):
        there, back = seeds.explain("harbour-01", "harbour-05"), seeds.explain("harbour-05", "harbour-01")
        assert there["likeness"]["score"] == back["likeness"]["score"]
        assert there["wording"]["figures"]["only_a"] == back["wording"]["figures"]["only_b"]
        assert there["tree"]["meet"] == back["tree"]["meet"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 5)), max_size=14))
def test_the_widest_path(links):
    links = [link for link in links if link[0] != link[1]]
    left, right, weight = (np.array([link[at] for link in links], np.int64) for at in range(3))
    best = np.zeros((7, 7))
    for a, b, w in links:
        best[a, b] = best[b, a] = max(best[a, b], w)
    width = best.copy()
    for k, i, j in itertools.product(range(7), repeat=3):
        width[i, j] = max(width[i, j], min(width[i, k], width[k, j]))
    found = linking.widest_path(left, right, weight.astype(float), 0, 6)
    if not width[0, 6]:
        assert found is None
        return
    assert found[0] == 0 and found[-1] == 6 and len(set(found)) == len(found)
    assert min(best[x, y] for x, y in itertools.pairwise(found)) == width[0, 6]
    wide = [{0}]
    while 6 not in wide[-1]:
        wide.append({j for i in wide[-1] for j in range(7) if best[i, j] >= width[0, 6]})
    assert len(found) == len(wide)


def test_the_tree_is_cut_as_in_the_run(seeds):
    made = replay(seeds, "explain")
    tree, label = linking.Tree(made), made.found.label
    for i, j in itertools.combinations(range(len(label)), 2):
        assert tree.together(i, j, made.params.stories.granularity) == (label[i] == label[j])


class TestGates:
    """Why two articles are not linked."""

    def gate(self, rows, params=None):
        told = dedup.cluster(rows, params or Params(with_text=True)).explain(rows[0]["id"], rows[1]["id"])
        assert not told["verdict"]["together"]
        return told["likeness"]["gate"]

    def test_next_to_nothing_in_common(self):
        rows = [{"id": "a", "text": " ".join(prose(60, 1))}, {"id": "b", "text": " ".join(prose(60, 2))}]
        assert self.gate(rows) == "below the floor"

    def test_too_far_apart(self):
        rows = [
            {"id": "a", "text": " ".join(prose(60, 1)), "date": NOON.isoformat()},
            {"id": "b", "text": " ".join(prose(60, 2)), "date": (NOON + timedelta(days=900)).isoformat()},
            {"id": "c", "text": " ".join(prose(60, 3)), "date": (NOON + timedelta(days=400)).isoformat()},
        ]
        params = Params(with_text=True, stories=StoryParams(window_nearest=1))
        assert self.gate(rows, params) == "too far apart in time"

    def test_two_languages(self):
        names = "Kestrel Bay Port Ellery Lindqvist Skerries Haldane Northern Sound"
        rows = [
            {"id": "a", "text": f"the ferry {names} and the rocks", "lang": "en"},
            {"id": "b", "text": f"la nave {names} y las rocas", "lang": "es"},
            *({"id": f"x{n}", "text": " ".join(prose(40, n)), "lang": "en"} for n in range(9)),
        ]
        assert self.gate(rows) == "other language"

    def test_one_template(self, seeds):
        pair = next(pair for pair in seeds.pairs.to_pylist() if pair["reason"] == "template")
        told = seeds.explain(pair["doc_id_a"], pair["doc_id_b"])
        assert told["likeness"]["gate"] == "template"
        assert told["verdict"]["sentence"].endswith("they are one template filled in twice.")


def test_copies_by_way_of_others():
    text = prose(245, 1)
    steps = [text[15 * n : 200 + 15 * n] for n in range(4)]
    rows = [{"id": f"a{n}", "text": " ".join(words)} for n, words in enumerate(steps)]
    result = dedup.cluster(rows, with_text=True, duplicate_threshold=0.75)
    told = result.explain("a0", "a3")
    assert told["verdict"]["sentence"].startswith(
        "Together: copies of one text by way of others; the two alone share 6"
    )
    assert len(told["chain"]["hops"]) > 1


def test_boilerplate_is_told():
    footer = [*prose(12, 99), "tidewater", "gazette"]
    rows = [
        {"id": f"a{n}", "source": "Gazette", "title": f"Report {n} of {' '.join(prose(3, n))}",
         "text": " ".join([*prose(60, n), *footer])}
        for n in range(30)
    ]  # fmt: skip
    told = dedup.cluster(rows, with_text=True).explain("a0", "a1")
    assert told["wording"]["jaccard"] == 0
    assert 0.1 < told["wording"]["boilerplate"]["a"] < 0.3
    assert any("tidewater gazette" in part.get("both", "") for part in told["passages"])


@pytest.mark.skipif(not (DATA / "bulk").is_dir(), reason=f"no folder {DATA / 'bulk'}; set $SHARED_DATA")
def test_pairs_of_real_articles(monkeypatch):
    monkeypatch.setattr("dedup.explaining.joining.settings", lambda *_: [])
    result = dedup.cluster(str(DATA / "bulk"), limit=3000, with_text=True)
    pairs = result.pairs.to_pylist()
    for pair in random.Random(6).sample(pairs, 200):
        check_listed(result, pair)
