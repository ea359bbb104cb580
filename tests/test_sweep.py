"""Scores along the thresholds: the point in force is the run itself, and the curves go where they must."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from conftest import SEEDS, load, run

import dedup
from dedup import candidates, duplicates, resemblance
from dedup.clock import Clock
from dedup.engines.local import LocalEngine
from dedup.errors import InputError, SettingsError
from dedup.evaluate import evaluate
from dedup.gold import read_gold
from dedup.params import DuplicateParams, Params, from_results, from_settings
from dedup.pipeline import read
from dedup.sweep import CURVES, sweep

GOLD = SEEDS / "_gold.csv"
COUNTED = {"precision", "recall", "f1"}


def in_force(found, name):
    (point,) = (point for point in found[name] if point["value"] == found["in_force"][name])
    return {key: point[key] for key in COUNTED}


def score(result, gold, level):
    found = evaluate(result.documents, gold)[level]
    found = found.get("bcubed", found)
    return {key: found[key] for key in COUNTED}


@pytest.fixture(scope="module")
def gold():
    return read_gold(GOLD)


@pytest.fixture(scope="module")
def seeds_run(tmp_path_factory):
    return dedup.cluster(SEEDS).write(tmp_path_factory.mktemp("run") / "OUT")


@pytest.fixture(scope="module")
def drawn(seeds_run, gold):
    return sweep(dedup.open_run(seeds_run), gold)


class TestCurves:
    @pytest.mark.parametrize("name", CURVES)
    def test_the_point_in_force_is_the_run(self, seeds_run, gold, drawn, name):
        assert in_force(drawn, name) == score(dedup.open_run(seeds_run), gold, CURVES[name].level)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("duplicate_threshold", 0.3),
            ("duplicate_threshold", 0.95),
            ("containment_threshold", 1.0),
            ("story_granularity", 0.1),
            ("story_granularity", 1.4),
        ],
    )
    def test_every_other_point_is_the_run_of_that_setting(self, gold, drawn, name, value):
        (point,) = (point for point in drawn[name] if point["value"] == value)
        result = dedup.cluster(SEEDS, **{name: value})
        assert {key: point[key] for key in COUNTED} == score(result, gold, CURVES[name].level)

    def test_other_settings_in_force(self, tmp_path, gold):
        """A value between those of the grid has a point of its own, and all other curves stand on it."""
        settings = {"duplicate_threshold": 0.97, "containment_threshold": 1.0, "story_granularity": 3.5}
        result = dedup.cluster(SEEDS, canonical="latest", **settings)
        found = sweep(dedup.open_run(result.write(tmp_path / "OUT")), gold)
        assert found["in_force"] == settings
        for name in CURVES:
            values = [point["value"] for point in found[name]]
            assert values == sorted({*CURVES[name].values, settings[name]})
            assert in_force(found, name) == score(result, gold, CURVES[name].level)
        assert in_force(found, "story_granularity")["recall"] < 1

    def test_strict_thresholds_join_less(self, drawn):
        for name in CURVES:
            recall = [point["recall"] for point in drawn[name]]
            assert recall == sorted(recall, reverse=True)
        assert drawn["story_granularity"][-1]["recall"] < drawn["story_granularity"][0]["recall"]

    def test_a_huge_granularity_leaves_every_text_alone(self, gold):
        """Each group is then a story: nothing wrong is joined, and the stories fall apart into their texts."""
        found = sweep(SEEDS, gold, from_settings({"story_granularity": 10}))
        groups = evaluate(dedup.cluster(SEEDS, level="duplicate").documents, gold)["story"]["bcubed"]
        assert in_force(found, "story_granularity") == {key: groups[key] for key in COUNTED}
        assert groups["precision"] == 1 and groups["recall"] < 0.8

    def test_best_is_the_highest_and_of_equals_the_nearest_to_the_setting(self, drawn):
        for name, best in drawn["best"].items():
            top = max(point["f1"] for point in drawn[name])
            tied = [point["value"] for point in drawn[name] if point["f1"] == top]
            assert best in tied
            setting = drawn["in_force"][name]
            assert abs(best - setting) == min(abs(value - setting) for value in tied)

    def test_files_do_not_have_to_be_written(self, gold, drawn):
        assert sweep(SEEDS, gold) == drawn
        assert sweep(load(SEEDS / "articles.jsonl"), gold) == drawn

    def test_progress_counts_the_points(self, gold):
        calls = []
        sweep(SEEDS, gold, progress=lambda *call: calls.append(call))
        assert list(dict.fromkeys(stage for stage, _, _ in calls)) == [
            "read",
            "boilerplate",
            "duplicate threshold",
            "containment threshold",
            "story granularity",
        ]
        points = len(CURVES["story_granularity"].values)
        assert calls[-1] == ("story granularity", points, points)


@pytest.mark.parametrize(
    ("name", "values"), [("jaccard", (0.05, 0.3, 0.45, 0.6, 0.95)), ("containment", (0.05, 0.5, 0.7, 1.0))]
)
def test_candidates_are_complete_at_every_threshold(name, values):
    """Against all pairs: bands and prefixes follow from the thresholds, so that a lower one finds more."""
    with LocalEngine(1) as engine:
        sketches = read(SEEDS, Params(), (), engine, Clock(lambda *_: None)).sketches
    units = sketches.take(pa.array(np.unique(duplicates.units(sketches, DuplicateParams()))))
    left, right = np.triu_indices(len(units), 1)
    jaccard, containment = resemblance.overlap(units, left, right)
    counts = []
    for value in values:
        params = replace(DuplicateParams(), **{name: value})
        wanted = (jaccard >= params.jaccard) | (containment >= params.containment)
        found = set(zip(*(side.tolist() for side in candidates.candidates(units, params)), strict=True))
        assert found >= set(zip(left[wanted].tolist(), right[wanted].tolist(), strict=True))
        counts.append(len(found))
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]


class TestGold:
    def test_pairs(self, seeds_run):
        rows = load(GOLD)[:40]
        pairs = [(a["id"], b["id"], float(a["story"] == b["story"])) for i, a in enumerate(rows) for b in rows[:i]]
        gold = pa.table(dict(zip(("doc_id_a", "doc_id_b", "label"), zip(*pairs, strict=True), strict=True)))
        found = sweep(dedup.open_run(seeds_run), gold)
        assert found["measure"] == "pairs"
        for name in CURVES:
            assert in_force(found, name) == score(dedup.open_run(seeds_run), gold, CURVES[name].level)
        assert in_force(found, "duplicate_threshold")["recall"] < in_force(found, "story_granularity")["recall"]

    def test_one_level_only(self, seeds_run, gold):
        found = sweep(dedup.open_run(seeds_run), gold.set_column(1, "story", pa.nulls(len(gold), pa.string())))
        assert found.keys() & CURVES.keys() == {"duplicate_threshold", "containment_threshold"}
        assert found["skipped"] == {"story_granularity": "gold has no labels of level story"}

    def test_a_run_without_stories(self, gold):
        found = sweep(SEEDS, gold, Params(level="duplicate"))
        assert found["skipped"] == {"story_granularity": "the level clustered is duplicate"}

    def test_nothing_to_draw(self, gold):
        with pytest.raises(
            InputError, match="nothing to draw: no duplicate threshold, since the level clustered is ex"
        ):
            sweep(SEEDS, gold, Params(level="exact"))

    def test_labels_of_other_articles(self, seeds_run):
        strangers = pa.table({"doc_id": ["x"], "story": ["a"], "duplicate": ["b"]})
        with pytest.raises(InputError, match="none of its labels belongs to an article of the run"):
            sweep(dedup.open_run(seeds_run), strangers)


def lines():
    return "".join(json.dumps(row) + "\n" for row in load(SEEDS / "articles.jsonl"))


class TestInput:
    def test_it_has_changed(self, tmp_path):
        file, out = tmp_path / "in.jsonl", tmp_path / "OUT"
        file.write_text(lines())
        assert run("cluster", file, "-o", out, "-q").exit_code == 0
        file.write_text(lines().replace("ferry", "barge", 1))
        said = run("evaluate", out, "--gold", GOLD, "--sweep")
        assert said.exit_code == 4 and said.stdout == ""
        remedy = "which has changed since; run dedup cluster again, or with --with-text"
        assert said.stderr == f"error: evaluate --sweep: {out} was made from {file}, {remedy}\n"

    def test_it_is_gone(self, tmp_path):
        file, out = tmp_path / "in.jsonl", tmp_path / "OUT"
        file.write_text(lines())
        assert run("cluster", file, "-o", out, "-q").exit_code == 0
        file.unlink()
        said = run("evaluate", out, "--gold", GOLD, "--sweep")
        assert said.exit_code == 4 and "cannot be read (No such file or directory); put it back, or" in said.stderr
        assert run("evaluate", out, "--gold", GOLD).exit_code == 0

    def test_it_was_in_memory(self, gold):
        result = dedup.cluster(load(SEEDS / "articles.jsonl"))
        with pytest.raises(InputError, match="the run was made from memory, not from files; cluster with with_text"):
            sweep(result, gold)

    def test_a_run_with_its_text_needs_no_input(self, tmp_path, gold, drawn):
        file, out = tmp_path / "in.jsonl", tmp_path / "OUT"
        file.write_text(lines())
        assert run("cluster", file, "-o", out, "-q", "--with-text").exit_code == 0
        file.unlink()
        assert sweep(dedup.open_run(out), gold) == drawn

    def test_a_run_with_its_text_knows_what_was_cut_off_and_kept(self, gold):
        """Lengths and kept columns choose representatives: they are those of the run, not of its texts."""
        rows = [row | {"rank": len(row["text"]) % 7} for row in load(SEEDS / "articles.jsonl")]
        for policy in ("longest", "max:rank"):
            settings = {"with_text": True, "max_doc_chars": 300, "keep_cols": ["rank"], "canonical": policy}
            result = dedup.cluster(rows, **settings)
            found = sweep(result, gold)
            for name in CURVES:
                assert in_force(found, name) == score(result, gold, CURVES[name].level)
            assert found == sweep(rows, gold, from_settings(settings))

    def test_files_keep_their_names(self, tmp_path):
        """Without an id column an article is named by its file, inside the folder that was clustered."""
        folder = tmp_path / "in"
        (folder / "deep").mkdir(parents=True)
        rows = load(SEEDS / "articles.jsonl")
        for place, row in enumerate(rows):
            (folder / "deep" / f"{place:02}.txt").write_text(f"{row['title']}\n\n{row['text']}")
        result = dedup.cluster(folder)
        (folder / "deep" / "zz.txt").write_text("A file that came later is none of the run.")
        labels = {row["id"]: row["story"] for row in load(GOLD)}
        ids = sorted(result.documents["doc_id"].to_pylist())
        gold = pa.table({"doc_id": ids, "story": [labels[row["id"]] for row in rows]})
        assert ids[0].startswith("deep/00.txt")
        found = sweep(dedup.open_run(result.write(tmp_path / "OUT")), gold)
        assert in_force(found, "story_granularity") == score(result, gold, "story")

    def test_a_limit(self, tmp_path, gold):
        result = dedup.cluster(SEEDS, limit=30)
        found = sweep(dedup.open_run(result.write(tmp_path / "OUT")), gold)
        assert in_force(found, "story_granularity") == score(result, gold, "story")

    def test_settings_of_another_version(self, seeds_run, gold):
        result = dedup.open_run(seeds_run)
        del result.manifest["settings"]["stories"]["granularity"]
        with pytest.raises(SettingsError, match=r"'stories\.granularity' is of another version"):
            sweep(result, gold)


@pytest.mark.parametrize("settings", [{}, {"keep_cols": ["a", "b"], "limit": 3, "level": "exact", "with_text": True}])
def test_settings_from_a_manifest(settings):
    params = from_settings(settings)
    assert from_results(json.loads(json.dumps(params.results()))) == params
