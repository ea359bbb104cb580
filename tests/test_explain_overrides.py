"""`explain` of a run with rules: the rules that decide are named, and nothing is proposed that they undo."""

import itertools
import json
from pathlib import Path

import pytest
from conftest import ARTICLES, load, run

import dedup

# One of every kind, and each level.
RULES = """\
[[same]]
articles = ["harbour-05", "lagoon-04"]
[[same]]
level = "duplicate"
articles = ["tamsara-01", "tamsara-04"]
[[different]]
articles = ["lagoon-05", "lagoon-01"]
[[different]]
level = "duplicate"
articles = ["harbour-02", "harbour-03"]
[[canonical]]
article = "tamsara-03"
[[ignore]]
articles = ["halvland-04"]
"""
LINES = {"story": 1, "copies": 3, "apart": 6, "no copies": 8, "canonical": 11, "ignore": 13}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("rules") / "overrides.toml"
    file.write_text(RULES, "utf-8")
    return file


@pytest.fixture(scope="module")
def result(path):
    return dedup.cluster(ARTICLES, overrides=str(path))


@pytest.fixture(scope="module")
def out(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained") / "OUT"
    result.write(folder)
    return folder


def named(told, rule):
    return f"overrides.toml line {LINES[rule]} (" in told["verdict"]["sentence"]


def test_all_pairs_can_be_explained(result, monkeypatch):
    monkeypatch.setattr("dedup.explaining.joining.settings", lambda *_: [])
    first = [row["id"] for row in load(Path(ARTICLES))[:20]]
    rows = {row["doc_id"]: row for row in result.documents.to_pylist()}
    for a, b in itertools.combinations(first, 2):
        told = result.explain(a, b)
        assert told["verdict"]["together"] == (rows[a]["story_id"] == rows[b]["story_id"])
        assert (told["chain"] is None) == (not told["verdict"]["together"]), (a, b)
        if told["chain"]:
            hops = told["chain"]["hops"]
            assert [hops[0]["a"], hops[-1]["b"]] == [a, b]
            assert all(x["b"] == y["a"] for x, y in itertools.pairwise(hops))
            ruled = [hop for hop in hops if hop["kind"] == "override"]
            assert len(ruled) <= len(told["rules"]["together"])
            assert hops[told["chain"]["weakest"]]["kind"] != "override" or len(ruled) == len(hops)
        if "halvland-04" in (a, b):
            assert named(told, "ignore")


class TestSame:
    def test_one_story(self, result):
        told = result.explain("harbour-05", "lagoon-04")
        assert told["verdict"]["code"] == "same story" and named(told, "story")
        assert told["verdict"]["sentence"].endswith("(same 'harbour-05', 'lagoon-04') they are one story.")
        assert [hop["kind"] for hop in told["chain"]["hops"]] == ["override"]
        assert told["tree"] is None and told["settings"] == []

    def test_others_of_these_stories(self, result):
        """They are together only because of the rule, which is a hop of their chain."""
        told = result.explain("harbour-06", "lagoon-05")
        kinds = [hop["kind"] for hop in told["chain"]["hops"]] if told["chain"] else []
        assert told["verdict"]["together"] == ("override" in kinds)
        assert not told["verdict"]["together"] or named(told, "story")

    def test_one_group(self, result):
        told = result.explain("tamsara-01", "tamsara-04")
        assert told["verdict"]["together"] and named(told, "copies") and "copies of one text" in str(told["verdict"])
        assert [hop["kind"] for hop in told["chain"]["hops"]] == ["override"]
        told = result.explain("tamsara-02", "tamsara-04")
        assert named(told, "copies")
        assert [hop["kind"] for hop in told["chain"]["hops"]][-1] == "override"

    def test_what_is_measured_stays_so(self, result):
        told = result.explain("tamsara-01", "tamsara-02")
        assert told["rules"]["together"] == [] and "rule" not in told["verdict"]["sentence"]


class TestApart:
    @pytest.mark.parametrize(
        ("a", "b", "rule"),
        [("lagoon-05", "lagoon-01", "apart"), ("halvland-04", "halvland-01", "ignore")],
    )
    def test_no_setting_joins_them(self, result, path, a, b, rule):
        told = result.explain(a, b)
        assert not told["verdict"]["together"] and named(told, rule)
        [entry] = told["settings"]
        assert entry["setting"] == "overrides" and entry["value"] is None and entry["in_force"] == str(path)
        assert f"first take out {path} line {LINES[rule]} (" in entry["reason"]
        assert all("would have to go" in line for line in told["missing"])

    def test_no_copies_but_one_story(self, result):
        told = result.explain("harbour-02", "harbour-03")
        assert told["verdict"]["code"] == "same story"
        assert len(told["rules"]["no_copies"]) == 1 and told["rules"]["apart"] == []

    def test_no_copies_without_stories(self, path):
        alone = dedup.cluster(ARTICLES, overrides=str(path), level="duplicate")
        told = alone.explain("harbour-02", "harbour-03")
        assert told["verdict"]["code"] == "different texts" and named(told, "no copies")
        assert [entry["setting"] for entry in told["settings"]] == ["overrides"]

    def test_what_is_proposed_works_with_the_rules(self, result, path):
        told = result.explain("harbour-01", "tamsara-02")
        for entry in told["settings"]:
            if entry["value"] is not None:
                again = dedup.cluster(ARTICLES, overrides=str(path), **{entry["setting"]: entry["value"]})
                label = {row["doc_id"]: row[f"{entry['joins']}_id"] for row in again.documents.to_pylist()}
                assert label["harbour-01"] == label["tamsara-02"], entry


def test_who_stands_for_them_by_rule(result):
    told = result.explain("tamsara-01", "tamsara-02")
    by_rule = [choice for choice in told["chosen"] if choice["rule"] == "override"]
    assert {choice["level"] for choice in by_rule} == {"story", "duplicate"}
    assert all(choice["chosen"] == "tamsara-03" and "line 11 (canonical" in choice["means"] for choice in by_rule)


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        (("harbour-05", "lagoon-04"), ["Together: by the rule ", "harbour-05 - lagoon-04: the rule "]),
        (("tamsara-01", "tamsara-04"), ["Together: by the rule ", "named by the rule"]),
        (("lagoon-05", "lagoon-01"), ["Apart: two different stories: the rule ", "first take out"]),
        (("halvland-04", "halvland-01"), ["Apart: two different stories: the rule ", "first take out"]),
    ],
)
def test_in_a_terminal_and_as_json(out, pair, says):
    said = run("explain", out, *pair)
    assert said.exit_code == 0, said.stderr
    assert max(map(len, said.stdout.splitlines())) <= 80
    words = " ".join(said.stdout.split())
    assert all(part in words for part in says), said.stdout
    assert json.loads(run("explain", out, *pair, "--json").stdout)["verdict"]["sentence"].startswith(says[0][:5])


def test_rules_that_are_gone_or_changed(result, out, path):
    moved = path.with_name("moved.toml")
    path.rename(moved)
    try:
        said = run("explain", out, "harbour-05", "lagoon-04")
        assert said.exit_code == 2 and f"{path}: not a file" in said.stderr
        path.write_text(RULES.replace("lagoon-04", "lagoon-03"), "utf-8")
        said = run("explain", out, "harbour-05", "lagoon-04")
        assert said.exit_code == 2 and "has changed since the run; run dedup cluster again" in said.stderr
    finally:
        moved.replace(path)
