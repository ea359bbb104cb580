"""Rules that a person gave: read, checked against each other, and kept by the groups and stories of a run."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from conftest import ARTICLES, SEEDS, digests, load, run
from soak import overrides as soak
from soak.overrides import by_id, kept

import dedup
from dedup.errors import SettingsError
from dedup.evaluate import evaluate
from dedup.gold import read_gold
from dedup.overrides import Article
from dedup.overrides import load as read_rules
from dedup.params import Params, from_results, from_settings
from dedup.sweep import CURVES, sweep

ROWS = load(Path(ARTICLES))
IDS = [row["id"] for row in ROWS]


@pytest.fixture
def rules(tmp_path):
    """Write a file of rules and return its path."""

    def write(text, name="overrides.toml"):
        (tmp_path / name).write_text(text, "utf-8")
        return str(tmp_path / name)

    return write


def refusal(path):
    with pytest.raises(SettingsError) as caught:
        read_rules(path)
    return str(caught.value).replace(str(Path(path).parent) + "/", "")


class TestReading:
    def test_every_form(self, rules):
        path = rules(
            '# mine\n[[same]]\narticles = ["a", "b", {url = "https://x.example/1"}]\nlevel = "duplicate"\n'
            'note = """\nseen twice\n"""\n\n[[different]]\narticles = ["c", "d"]\n\n'
            '  [[ "canonical" ]]\narticle = "e"\n'
            "[[ignore]]\narticles = ['f', {text_sha256 = \"00\"}]\n[[same]]\narticles = ['g', 'h']\n"
        )
        found = read_rules(path)
        assert [(rule.kind, rule.level, rule.place.rsplit(" ", 1)[1]) for rule in found.rules] == [
            ("same", "duplicate", "2"),
            ("same", "story", "16"),
            ("different", "story", "9"),
            ("canonical", "story", "12"),
            ("ignore", "story", "14"),
        ]
        assert found.rules[0].articles[2] == Article("url", "https://x.example/1")
        assert len(found.sha256) == 64

    def test_no_rules_at_all(self, rules):
        assert read_rules(rules("# none yet\n")).rules == ()

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("[[sam]]\narticles = ['a', 'b']", "overrides.toml: no rule 'sam'; did you mean 'same'?"),
            ("same = ['a', 'b']", "overrides.toml: same: wanted tables under the header [[same]]"),
            ("[[same]]\narticle = ['a', 'b']", "line 1: [[same]] has no key 'article'; did you mean 'articles'?"),
            ("\n[[same]]\nnote = 'x'", 'line 2: [[same]] names no article; wanted articles = ["ID", …]'),
            ("[[same]]\narticles = ['a']", "line 1: [[same]] names 1 article; wanted two or more"),
            ("[[ignore]]\narticles = []", "line 1: [[ignore]] names no article"),
            ("[[canonical]]\narticle = 7", "line 1: [[canonical]] article: got '7', wanted a doc_id in quotes"),
            ("[[ignore]]\narticles = [{link = 'x'}]", "got \"{'link': 'x'}\", wanted a doc_id in quotes, { url"),
            ("[[same]]\narticles = ['a', 'b']\nlevel = 'text'", "level: got 'text', wanted 'story' or 'duplicate'"),
            ("same = [{articles = ['a']}]", "overrides.toml [[same]] number 1: [[same]] names 1 article"),
            ("[[same", "overrides.toml: not TOML ("),
        ],
    )
    def test_refusals(self, rules, text, says):
        assert says in refusal(rules(text))

    def test_headers_inside_of_strings_do_not_shift_lines(self, rules):
        text = "[[same]]\nnote = '''\n[[same]]\n'''\narticles = ['a']\n"
        assert "[[same]] number 1" in refusal(rules(text))

    def test_no_file(self, tmp_path):
        assert "gone.toml: not a file" in refusal(str(tmp_path / "gone.toml"))


class TestContradictions:
    """Both rules are named, with their lines."""

    def test_through_a_third_article(self, rules):
        text = "[[same]]\narticles=['A','B']\n[[same]]\narticles=['B','C']\n[[different]]\narticles=['A','C']\n"
        assert refusal(rules(text)) == (
            "overrides: overrides.toml line 5 (different 'A', 'C') contradicts overrides.toml line 1 (same 'A', 'B') "
            "and overrides.toml line 3 (same 'B', 'C'): together they put two articles into one story; "
            "remove or change one of these rules"
        )

    @pytest.mark.parametrize(
        ("same", "different", "fine"),
        [
            ("story", "story", False),
            ("duplicate", "story", False),
            ("story", "duplicate", True),
            ("duplicate", "duplicate", False),
        ],
    )
    def test_levels(self, rules, same, different, fine):
        path = rules(
            f"[[same]]\narticles=['A','B']\nlevel='{same}'\n[[different]]\narticles=['B','A']\nlevel='{different}'\n"
        )
        if fine:
            assert len(read_rules(path).rules) == 2
        else:
            assert "line 4 (different 'B', 'A') contradicts overrides.toml line 1 (same" in refusal(path)

    def test_ignored_and_the_same(self, rules):
        said = refusal(rules("[[ignore]]\narticles=['A']\n[[same]]\narticles=['A','B']\n"))
        assert "line 3 (same 'A', 'B') contradicts overrides.toml line 1 (ignore 'A'): an ignored" in said

    def test_two_that_stand_for_one_story(self, rules):
        text = "[[canonical]]\narticle='A'\n[[canonical]]\narticle='B'\n[[same]]\narticles=['A','B']\n"
        said = refusal(rules(text))
        assert "line 3 (canonical 'B') contradicts overrides.toml line 1 (canonical 'A') and overrides.toml l" in said
        assert "line 5 (same 'A', 'B'): one article stands for a story" in said

    def test_an_article_and_itself(self, rules):
        assert "contradicts itself" in refusal(rules("[[different]]\narticles=['A','A']\n"))

    def test_two_names_of_one_article(self, rules):
        path = rules(f"[[different]]\narticles=['{IDS[0]}', {{url='{ROWS[0]['url']}'}}]\n")
        with pytest.raises(SettingsError, match="contradicts itself, since two of its names stand for one article"):
            dedup.cluster(SEEDS, overrides=path)

    def test_two_that_stand_for_one_story_of_a_run(self, rules):
        path = rules("[[canonical]]\narticle='harbour-01'\n\n[[canonical]]\narticle='harbour-06'\n")
        with pytest.raises(SettingsError, match=r"line 1 \(canonical 'harbour-01'\) contradicts .* line 4 \(canonical"):
            dedup.cluster(SEEDS, overrides=path)


@pytest.fixture(scope="module")
def plain_run():
    return dedup.cluster(SEEDS)


class TestRuns:
    def test_nothing_is_changed_by_rules_without_effect(self, plain_run, rules):
        result = dedup.cluster(SEEDS, overrides=rules("[[canonical]]\narticle = 'nowhere'\n"))
        for name in ("documents", "groups", "clusters", "pairs"):
            assert getattr(result, name).equals(getattr(plain_run, name))

    def test_settings_are_those_of_before_without_rules(self, plain_run):
        assert "overrides" not in plain_run.manifest and "overrides" not in plain_run.manifest["settings"]

    def test_same_story(self, rules, tmp_path):
        path = rules("[[same]]\narticles = ['harbour-01', 'suidou-01']\n")
        result = dedup.cluster(SEEDS, overrides=path)
        kept(result, read_rules(path))
        story = by_id(result, "story_id")
        assert story["harbour-06"] == story["suidou-03"] == story["harbour-01"]  # what stood with either stays
        row = result.pairs.filter(pairs_with(result, "override same")).to_pylist()
        assert [(r["doc_id_a"], r["doc_id_b"], r["level"], r["accepted"]) for r in row] == [
            ("harbour-01", "suidou-01", "story", True)
        ]
        result.write(tmp_path / "OUT")
        assert dedup.open_run(tmp_path / "OUT").verify() == []

    def test_same_text(self, rules):
        path = rules("[[same]]\narticles = ['harbour-01', 'suidou-01']\nlevel = 'duplicate'\n")
        result = dedup.cluster(SEEDS, overrides=path)
        group = by_id(result, "duplicate_id")
        assert len({group[name] for name in ("harbour-01", "harbour-02", "suidou-01", "suidou-02")}) == 1
        (row,) = result.pairs.filter(pairs_with(result, "override same")).to_pylist()
        assert row["level"] == "duplicate" and row["accepted"] and row["jaccard"] == 0.0

    def test_exact_copies_are_parted_and_their_followers_shared_out(self, plain_run, rules):
        path = rules("[[different]]\narticles = ['harbour-01', 'harbour-02']\n")
        group = by_id(plain_run, "duplicate_id")
        assert group["harbour-01"] == group["harbour-02"]
        result = dedup.cluster(SEEDS, overrides=path)
        kept(result, read_rules(path))
        refused = result.pairs.filter(pairs_with(result, "override different")).to_pylist()
        said = {(r["doc_id_a"], r["doc_id_b"], r["level"]) for r in refused}
        assert {("harbour-01", "harbour-02", level) for level in ("story", "duplicate")} <= said
        assert not any(r["accepted"] for r in refused)
        assert len({(r["doc_id_a"], r["doc_id_b"], r["level"]) for r in result.pairs.to_pylist()}) == len(result.pairs)

    def test_different_texts_of_one_story(self, rules):
        path = rules("[[different]]\narticles = ['harbour-01', 'harbour-02']\nlevel = 'duplicate'\n")
        result = dedup.cluster(SEEDS, overrides=path)
        kept(result, read_rules(path))
        story = by_id(result, "story_id")
        assert story["harbour-01"] == story["harbour-02"]

    def test_canonical(self, plain_run, rules):
        assert not by_id(plain_run, "is_canonical")["harbour-06"]
        path = rules("[[canonical]]\narticle = 'harbour-06'\n")
        result = dedup.cluster(SEEDS, overrides=path)
        kept(result, read_rules(path))
        of = by_id(result, "story_id")["harbour-06"]
        rows = [row for row in result.documents.to_pylist() if row["story_id"] == of]
        assert len(rows) == 6 and {row["canonical_reason"] for row in rows} == {"override"}
        assert {row["canonical_doc_id"] for row in rows} == {"harbour-06"}

    def test_ignore(self, rules):
        path = rules("[[ignore]]\narticles = ['harbour-01', 'harbour-06']\n")
        result = dedup.cluster(SEEDS, overrides=path)
        kept(result, read_rules(path))
        mine = [r for r in result.pairs.to_pylist() if {r["doc_id_a"], r["doc_id_b"]} & {"harbour-01", "harbour-06"}]
        assert mine and {(r["accepted"], r["reason"]) for r in mine} == {(False, "override ignore")}

    def test_a_rule_that_rules_alone_do_not_show_to_be_strict(self, rules):
        """A and B are one story and B and C are not; A's copy must not bring C along."""
        path = rules(
            "[[same]]\narticles = ['harbour-01', 'suidou-01']\n[[different]]\narticles = ['suidou-01', 'harbour-02']\n"
        )
        kept(dedup.cluster(SEEDS, overrides=path), read_rules(path))

    def test_by_url_and_by_content(self, rules):
        one, two = (row for row in ROWS if row["id"] in ("harbour-06", "suidou-01"))
        plain = dedup.cluster(SEEDS)
        digest = by_id(plain, "text_sha256")[two["id"]]
        path = rules(f"[[same]]\narticles = [{{url = '{one['url']}'}}, {{text_sha256 = '{digest}'}}]\n")
        story = by_id(dedup.cluster(SEEDS, overrides=path), "story_id")
        assert story[one["id"]] == story[two["id"]]

    @pytest.mark.parametrize("level", ["exact", "duplicate"])
    def test_lower_levels(self, rules, level):
        path = rules(
            "[[different]]\narticles = ['harbour-01', 'harbour-02']\n"
            "[[same]]\nlevel = 'duplicate'\narticles = ['harbour-01', 'suidou-01']\n"
        )
        kept(dedup.cluster(SEEDS, overrides=path, level=level), read_rules(path))

    def test_unknown_articles_are_told_and_passed_by(self, rules, caplog):
        path = rules("[[same]]\narticles = ['harbour-01', 'gone-1', 'suidou-01']\n[[ignore]]\narticles = ['gone-2']\n")
        with caplog.at_level(logging.WARNING, "dedup"):
            result = dedup.cluster(SEEDS, overrides=path)
        assert "no article here has 2 of the names in it, such as 'gone-1', 'gone-2'" in caplog.text
        assert result.manifest["overrides"]["unknown"] == ["gone-1", "gone-2"]
        kept(result, read_rules(path))

    def test_order_and_threads_change_nothing(self, rules):
        path = rules(
            "[[different]]\narticles = ['harbour-01', 'harbour-04', 'suidou-02']\n"
            "[[same]]\narticles = ['harbour-01', 'suidou-01']\n"
        )
        one = dedup.cluster(ROWS, overrides=path, jobs=1)
        two = dedup.cluster(ROWS[::-1], overrides=path, jobs=2)
        assert one.pairs.equals(two.pairs)
        assert by_id(one, "story_id") == by_id(two, "story_id")


def pairs_with(result, reason):
    return np.array([told == reason for told in result.pairs["reason"].to_pylist()])


def test_any_rules_are_kept_or_refused():
    assert soak.run(20, 0).startswith("20 ")


@pytest.mark.exhaustive
def test_any_rules_at_length():
    assert soak.run(300, 1).startswith("300 ")


class TestJobs:
    def test_skip_notices_a_change_of_the_rules(self, rules, tmp_path):
        path, out = rules("[[ignore]]\narticles = ['harbour-01']\n"), tmp_path / "OUT"
        args = ("cluster", ARTICLES, "-o", out, "--overrides", path, "--if-exists", "skip", "--json", "-q")
        assert json.loads(run(*args).stdout.splitlines()[-1])["status"] == "done"
        before = digests(out)
        assert json.loads(run(*args).stdout.splitlines()[-1])["status"] == "skipped"
        rules("[[ignore]]\narticles = ['harbour-02']\n")
        said = json.loads(run(*args).stdout.splitlines()[-1])
        assert said["status"] == "done" and said["overrides"]["ignore"] == 1
        assert digests(out) != before

    def test_summary_counts_them(self, rules, tmp_path):
        path = rules("[[different]]\narticles = ['harbour-01', 'harbour-02', 'harbour-03']\n")
        said = run("cluster", ARTICLES, "-o", tmp_path / "OUT", "--overrides", path)
        assert "overrides                 0   pairs kept together, 3 apart, 0 canonical, 0 ignored" in said.stdout

    def test_contradictions_stop_before_the_work(self, rules, tmp_path):
        path = rules("[[same]]\narticles = ['a', 'b']\n[[different]]\narticles = ['a', 'b']\n")
        said = run("cluster", ARTICLES, "-o", tmp_path / "OUT", "--overrides", path)
        assert said.exit_code == 2 and "line 3 (different 'a', 'b') contradicts" in said.stderr
        assert not (tmp_path / "OUT").exists()

    def test_a_sweep_keeps_to_them(self, rules, tmp_path):
        path = rules("[[different]]\narticles = ['harbour-01', 'harbour-02']\n[[ignore]]\narticles = ['harbour-06']\n")
        gold = read_gold(SEEDS / "_gold.csv")
        result = dedup.open_run(dedup.cluster(SEEDS, overrides=path).write(tmp_path / "OUT"))
        found = sweep(result, gold)
        for name, curve in CURVES.items():
            (point,) = (point for point in found[name] if point["value"] == found["in_force"][name])
            assert point["f1"] == evaluate(result.documents, gold)[curve.level]["bcubed"]["f1"]
        rules("[[ignore]]\narticles = ['harbour-06']\n")
        with pytest.raises(SettingsError, match=r"overrides\.toml: has changed since the run"):
            sweep(result, gold)

    def test_a_manifest_can_be_read_without_them(self, rules):
        params = from_settings({"overrides": rules("[[ignore]]\narticles = ['a']\n")})
        assert from_results(params.results()) == Params()
        assert from_results(params.results(), params.overrides.path) == params
