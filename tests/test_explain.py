"""`explain`: every figure adds up, agrees with the tables of the run, and what is said to join two articles does."""

import itertools
import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from conftest import ARTICLES, ESCAPE, run
from hypothesis import given, settings
from hypothesis import strategies as st
from test_duplicates import prose

import dedup
from dedup import InputError, Params, SettingsError
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


@pytest.fixture(scope="module")
def seeds_run(seeds, tmp_path_factory):
    out = tmp_path_factory.mktemp("explain") / "OUT"
    seeds.write(out)
    return out


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

    def test_the_second_pair_is_not_replayed(self, seeds_run):
        opened = dedup.open_run(seeds_run)
        stages = []
        opened.explain("harbour-01", "harbour-05", progress=lambda stage, *_: stages.append(stage))
        assert "similar pairs" in stages
        stages.clear()
        opened.explain("harbour-01", "harbour-03", progress=lambda stage, *_: stages.append(stage))
        assert stages == []


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


class TestJoining:
    """Whatever value is named, a run with it joins the two; the figures are tried, not guessed."""

    def joined(self, rows, a, b, wanted, **settings):
        result = dedup.cluster(rows, with_text=True, **settings)
        told = result.explain(a, b)
        assert not told["verdict"]["together"]
        found = {entry["setting"]: entry for entry in told["settings"]}
        assert all((entry["value"] is None) == (entry["reason"] is not None) for entry in told["settings"])
        distances = [abs(np.log(e["value"] / e["in_force"])) for e in told["settings"] if isinstance(e["value"], float)]
        assert distances == sorted(distances)
        for entry in told["settings"]:
            if entry["value"] is not None:
                again = dedup.cluster(rows, **{**settings, entry["setting"]: entry["value"]})
                label = labels(again, f"{entry['joins']}_id")
                assert label[a] == label[b], entry
        if wanted:
            assert found[wanted]["value"] is not None, told["settings"]
        return found, told

    def test_a_lower_threshold(self):
        text, other = prose(100, 1), prose(100, 2)
        rows = [
            {"id": "a", "title": "Ferry aground", "text": " ".join(text)},
            {"id": "b", "title": "Ferry aground", "text": " ".join([*text[:70], *other[:30]])},
        ]
        found, told = self.joined(rows, "a", "b", "duplicate_threshold", level="duplicate")
        assert found["duplicate_threshold"]["value"] == pytest.approx(told["wording"]["jaccard"], abs=0.001)
        assert told["settings"][0]["flag"] == "--duplicate-threshold" or found["level"]["value"]
        assert "60 % is wanted" in told["missing"][0]

    def test_a_lower_containment(self):
        text, other = prose(400, 1), prose(100, 2)
        rows = [{"id": "a", "text": " ".join(text)}, {"id": "b", "text": " ".join([*text[:70], *other[:30]])}]
        found, _ = self.joined(rows, "a", "b", "containment_threshold", level="duplicate")
        assert 0.6 < found["containment_threshold"]["value"] < 0.71
        assert found["duplicate_threshold"]["value"] is None

    def test_figures_part_at_any_threshold(self):
        text = prose(120, 1)
        one, two = ([*text, *(f"{n}" for n in range(start, start + 8))] for start in (10, 50))
        rows = [{"id": "a", "text": " ".join(one)}, {"id": "b", "text": " ".join(two)}]
        found, told = self.joined(rows, "a", "b", None)
        assert "numbers differ" in found["duplicate_threshold"]["reason"]
        assert told["wording"]["figures"]["only_a"] == [f"{n}" for n in range(10, 18)]
        assert told["missing"][0] == "to be copies: 0 of 8 figures agree, 75 % is wanted"

    @pytest.mark.parametrize("source", [ARTICLES, WORLD], ids=["seeds", "world"])
    def test_a_smaller_granularity(self, source):
        rows = read(source)
        result = dedup.cluster(rows, with_text=True, story_granularity=5)
        tree, made = linking.Tree(replay(result, "explain")), replay(result, "explain")
        n = len(made.found.label)
        close = [pair for pair in itertools.combinations(range(n), 2) if tree.together(*pair, 0.35)]
        apart = [pair for pair in close if not tree.together(*pair, 5)]
        for i, j in apart[:: len(apart) // 3]:
            a, b = (made.doc_id(int(made.found.positions[place])) for place in (i, j))
            found, _ = self.joined(rows, a, b, "story_granularity", story_granularity=5)
            value = found["story_granularity"]["value"]
            beyond = labels(dedup.cluster(rows, story_granularity=value * 1.02))
            assert 0.35 <= value < 5 and beyond[a] != beyond[b]

    def test_a_longer_time_scale(self):
        rows = read(ARTICLES)
        late = next(row for row in rows if row["id"] == "incendio-04")
        late["published_at"] = (datetime.fromisoformat(late["published_at"]) + timedelta(days=85)).isoformat()
        found, told = self.joined(rows, "incendio-01", "incendio-04", "time_scale")
        assert found["time_scale"]["value"] > 7 and told["likeness"]["steps"][4]["days_apart"] > 80

    def test_another_level(self):
        rows = read(ARTICLES)
        found, told = self.joined(rows, "harbour-01", "harbour-05", "level", level="duplicate")
        assert found["level"]["joins"] == "story" and told["verdict"]["code"] == "different texts"
        found, _ = self.joined(rows, "harbour-01", "harbour-03", "level", level="exact")
        assert found["level"]["value"] == "duplicate"


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


class TestCommand:
    def test_it_says_all_in_80_columns(self, seeds_run):
        for pair in (("harbour-01", "harbour-05"), ("incendio-01", "suidou-01"), ("harbour-03", "harbour-01")):
            said = run("explain", seeds_run, *pair)
            assert said.exit_code == 0, said.stderr
            assert ESCAPE not in said.stdout
            assert max(map(len, said.stdout.splitlines())) <= 80
            assert said.stdout.startswith(("Together: ", "Apart: "))
        text = run("explain", seeds_run, "harbour-01", "harbour-05").stdout
        assert "The same text?" in text and "The same story?" in text and "What links them" in text
        assert "ferry" in text and "  cosine" in text and "  score" in text
        text = run("explain", seeds_run, "harbour-01", "lagoon-01").stdout
        assert "What is missing" in text and "What would join them" in text

    def test_json_is_what_python_says(self, seeds_run):
        said = run("explain", seeds_run, "harbour-01", "harbour-05", "--json")
        told = dedup.open_run(seeds_run).explain("harbour-01", "harbour-05")
        assert json.loads(said.stdout) == json.loads(json.dumps(told, default=lambda day: day.isoformat()))

    def test_ids_of_stories_and_groups_stand_for_articles(self, seeds, seeds_run):
        row = next(row for row in seeds.documents.to_pylist() if row["doc_id"] == "harbour-01")
        for any_id in (row["story_id"], row["duplicate_id"]):
            told = json.loads(run("explain", seeds_run, any_id, "lagoon-01", "--json").stdout)
            assert told["a"]["doc_id"] in (row["canonical_doc_id"], row["representative_doc_id"])

    def test_an_unknown_id_and_one_article_twice(self, seeds_run):
        said = run("explain", seeds_run, "harbour-99", "lagoon-01")
        assert said.exit_code == 4 and "no story, group or article 'harbour-99'; similar are 'harbour-0" in said.stderr
        said = run("explain", seeds_run, "lagoon-01", "lagoon-01")
        assert said.exit_code == 2 and "got 'lagoon-01' twice, wanted two articles" in said.stderr

    def test_what_it_needs(self, tmp_path):
        file, out, whole = tmp_path / "in.jsonl", tmp_path / "OUT", tmp_path / "WHOLE"
        file.write_bytes(Path(ARTICLES).read_bytes())
        run("cluster", file, "-o", out, "-q")
        run("cluster", file, "-o", whole, "-q", "--with-text")
        before = run("explain", out, "harbour-01", "harbour-05", "--json").stdout
        file.write_text(file.read_text("utf-8").replace("ferry", "barge", 1), "utf-8")
        said = run("explain", out, "harbour-01", "harbour-05")
        assert said.exit_code == 4
        assert said.stderr == (
            f"error: explain: {out} was made from {file}, which has changed since; "
            "run dedup cluster again, or with --with-text\n"
        )
        file.unlink()
        said = run("explain", out, "harbour-01", "harbour-05")
        assert said.exit_code == 4 and "put it back, or cluster again with --with-text" in said.stderr
        assert run("explain", whole, "harbour-01", "harbour-05", "--json").stdout == before

    def test_data_in_memory(self):
        result = dedup.cluster(read(ARTICLES))
        with pytest.raises(InputError, match="made from memory, not from files; cluster with with_text"):
            result.explain("harbour-01", "harbour-05")
        with pytest.raises(SettingsError, match="both the article 'harbour-01'"):
            result.explain("harbour-01", labels(result)["harbour-01"])

    def test_another_version_that_finds_other_groups(self, seeds):
        at = seeds.documents.schema.get_field_index("story_id")
        alone = pc.binary_join_element_wise("s", seeds.documents["doc_id"], "")
        documents = seeds.documents.set_column(at, "story_id", alone)
        other = Result(documents, seeds.groups, seeds.clusters, seeds.pairs, [], seeds.manifest)
        with pytest.raises(InputError, match=r"made by dedup .* and says something else than its input gives now"):
            other.explain("harbour-01", "harbour-05")

    def test_hostile_texts_do_not_steer_the_terminal(self, tmp_path):
        evil = f"{ESCAPE}[2J\u202e the ferry ran aground off the port in thick fog on monday morning"
        rows = [{"id": f"a{n}\u202e", "title": evil, "text": f"{evil} {' '.join(prose(20, n))}"} for n in range(2)]
        dedup.cluster(rows, with_text=True).write(tmp_path / "OUT")
        said = run("explain", tmp_path / "OUT", "a0\u202e", "a1\u202e")
        assert said.exit_code == 0 and ESCAPE not in said.stdout and "\u202e" not in said.stdout

    @pytest.mark.parametrize(("env", "styled"), [({}, True), ({"NO_COLOR": "1"}, False)])
    def test_colours_on_a_terminal_only_where_wanted(self, seeds_run, env, styled):
        import pty

        ours, theirs = pty.openpty()
        words = [sys.executable, "-m", "dedup", "explain", str(seeds_run), "harbour-01", "harbour-04"]
        clear = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
        subprocess.run(
            words, stdout=theirs, stderr=subprocess.DEVNULL, check=True, env={**clear, "TERM": "xterm-256color", **env}
        )
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 100_000)
            except OSError:
                break
            if not part:
                break
            said += part
        os.close(ours)
        assert b"Together: " in said and (ESCAPE.encode() in said) == styled


@pytest.mark.skipif(not (DATA / "bulk").is_dir(), reason=f"no folder {DATA / 'bulk'}; set $SHARED_DATA")
def test_pairs_of_real_articles(monkeypatch):
    monkeypatch.setattr("dedup.explaining.joining.settings", lambda *_: [])
    result = dedup.cluster(str(DATA / "bulk"), limit=3000, with_text=True)
    pairs = result.pairs.to_pylist()
    for pair in random.Random(6).sample(pairs, 200):
        check_listed(result, pair)
