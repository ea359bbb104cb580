"""The quality bench: how it reads and scores, and the whole of it on the sample articles."""

from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from invented import corpus, labelled

from benchmarks.quality import baselines, errors, report, scores, sections, sets, variants
from benchmarks.quality.__main__ import main
from dedup.errors import SettingsError
from dedup.params import Params

SEEDS = Path(__file__).parents[1] / "seeds"


class TestSets:
    def write(self, folder, name, table):
        pq.write_table(table, folder / f"{name}.parquet")

    def test_labels_say_what_a_set_measures(self, tmp_path):
        table = corpus()
        names = [f"alone-{i}" for i in range(len(table) - 2)]
        self.write(tmp_path, "events", table)
        self.write(tmp_path, "notices", variants._replaced(table, "story_id", ["twice", "twice", *names]))
        nothing = table.set_column(7, "story_id", pa.nulls(len(table), pa.string()))
        judged = nothing.set_column(0, "id", pa.array([f"j{i}" for i in range(len(table))]))
        self.write(tmp_path, "judged", judged)
        unlabelled = nothing.set_column(0, "id", pa.array([f"u{i}" for i in range(len(table))]))
        self.write(tmp_path, "unlabelled", unlabelled)
        verdicts = {"id_a": ["j0", "j0"], "id_b": ["j1", "j5"], "label": pa.array([1, 0], pa.int8())}
        self.write(tmp_path, "judged_pairs", pa.table({**verdicts, "jaccard4": pa.nulls(2, pa.float32())}))
        found = {s.name: s for s in sets.load(tmp_path)}
        assert {name: s.kind for name, s in found.items()} == {
            "events": "story",
            "judged": "pairs",
            "notices": "copies",
        }
        assert [(p.name, p.level) for p in found["judged"].pairs] == [("judged_pairs", "story")]
        self.write(tmp_path, "judged_pairs", pa.table({**verdicts, "jaccard4": pa.array([0.9, 0.1], pa.float32())}))
        assert [p.level for p in sets.load(tmp_path, ["jud"])[0].pairs] == ["duplicate"]

    def test_a_folder_of_articles_with_gold(self):
        (seeds,) = sets.load(SEEDS)
        assert (seeds.kind, len(seeds.documents), len(set(seeds.stories))) == ("story", 65, 21)
        assert seeds.documents["published_at"].null_count == 0
        assert len(seeds.duplicates) == 65

    def test_a_folder_without_labels_is_refused(self, tmp_path):
        with pytest.raises(SystemExit, match="no labelled set"):
            sets.load(tmp_path)

    def test_a_name_that_is_no_set_is_refused(self):
        with pytest.raises(SystemExit, match=r"--only storys.* are seeds"):
            main([str(SEEDS), "--only", "seeds", "storys"])


class TestBaselines:
    def test_stories_at_the_best_common_threshold(self):
        (row,) = baselines.story_rows([labelled(corpus())])
        assert (row["precision"], row["recall"], row["f1"]) == (1.0, 1.0, 1.0)
        assert row["f1_own_threshold"] == 1.0
        cuts = baselines.cuts(corpus())
        counts = [len(set(found)) for found in cuts.values()]
        assert counts == sorted(counts, reverse=True)
        assert counts[0] == 18

    def test_one_threshold_serves_all_sets(self):
        """In the second set every article is a story of its own, which asks for another threshold than the first."""
        apart = variants._replaced(corpus(), "story_id", [str(i) for i in range(18)])
        both = baselines.story_rows([labelled(corpus()), sets.LabelledSet("apart", apart, "story")])
        assert len({row["distance"] for row in both}) == 1
        assert min(row["f1"] for row in both) < 1
        assert [row["f1_own_threshold"] for row in both] == [1.0, 1.0]

    def test_jaccard_of_word_3_grams(self):
        assert baselines.jaccard("The red kite, the red kite", "the RED kite the red kite") == 1
        assert baselines.jaccard("a b c d", "b c d e") == pytest.approx(1 / 3)
        assert baselines.jaccard("", "") == 0
        assert baselines.jaccard("two words", "Two words") == 1


class TestScoring:
    def test_settings_by_either_name(self):
        params = scores.settings(["story_granularity=.5", "stories.crowding=1", "stories.crowd_neighbours=9"])
        assert (params.stories.granularity, params.stories.crowding) == (0.5, 1.0)
        assert params.stories.crowd_neighbours == 9
        assert scores.settings(["stories.granularity=0.7"]).stories.granularity == 0.7
        assert scores.settings([]) == Params()

    @pytest.mark.parametrize("wrong", ["stories.crowd=1", "nothing.at=1", "story_granularity", "granularity=1"])
    def test_wrong_settings(self, wrong):
        with pytest.raises(SettingsError):
            scores.settings([wrong])

    def test_languages_in_one_story(self):
        bench = scores.Bench(Params(), 1)
        table = corpus()
        assert scores.mixed_languages(bench.run(table)) == 0
        result = bench.run(variants._replaced(table, "lang", ["de", *["en"] * 17]))
        story = scores.predicted(result, table["id"])
        assert scores.mixed_languages(result) == np.sum(story == story[0]) == 3

    def test_errors_name_the_pairs_that_are_wrong(self):
        """Gold that joins two of the stories and parts another, so that the run misses the one and merges the other."""
        table = corpus()
        gold = [name.replace("story-1", "story-0") for name in table["story_id"].to_pylist()]
        gold[15] = "story-x"
        wrong = labelled(variants._replaced(table, "story_id", gold))
        result = scores.Bench(Params(), 1).whole(wrong)
        assert len(result.clusters) == 6
        (miss,) = errors.misses(wrong, result, 5)
        assert (miss["pairs"], miss["gold_a"], miss["found_a"], miss["found_b"]) == (9, 6, 3, 3)
        (merge,) = errors.wrong_merges(wrong, result, 5)
        assert (merge["pairs"], {merge["gold_a"], merge["gold_b"]}, merge["found_a"]) == (2, {1, 2}, 3)
        assert merge["reason"] in ("same story", "same copy")
        shown = errors.text("Wrong merges", [merge, miss])
        assert max(map(len, shown.splitlines())) <= errors.WIDTH
        assert "5-0" in shown


def test_the_unlabelled_join_no_score_but_are_counted(tmp_path):
    """An unlabelled copy of one article joins its story; the scores of the labelled ones are those of a clean run."""
    other = corpus().slice(0, 1)
    pq.write_table(other, tmp_path / "others.parquet")
    rows = sections.bulk(scores.Bench(Params(), 1), [labelled(corpus())], tmp_path)
    assert [(row["set"], row["n"]) for row in rows[:1]] == [("invented", 18)]
    assert rows[0]["bcubed_f1"] == rows[1]["bcubed_f1"] == 1
    assert rows[0]["with_others"] == pytest.approx(3 / 18)
    assert rows[-1]["with_others"] == 1
    orjson.dumps(rows)


def test_a_table_shows_what_the_rows_hold():
    section = {"title": "A title", "seconds": 1.0, "rows": [{"set": "x", "f1": 0.5}, {"set": "long", "n": 1234}]}
    assert report.terminal(section).splitlines() == [
        "A title  (1.0 s)",
        "  set      f1      n",
        "  x     0.500",
        "  long         1,234",
    ]
    assert "| x | 0.500 |  |" in report.markdown(section)


def test_the_whole_bench_on_the_sample_articles(tmp_path, capsys):
    files = [tmp_path / "q.json", tmp_path / "q.md"]
    asked = ["--only", "stories", "copies", "events", "time", "boilerplate", "bridges", "baselines"]
    main([str(SEEDS), *asked, "--explain-errors", "2", "--json", str(files[0]), "--markdown", str(files[1])])
    printed = capsys.readouterr().out
    found = orjson.loads(files[0].read_bytes())
    assert list(found["sections"]) == asked[1:]
    rows = {row["set"]: row for row in found["sections"]["stories"]["rows"]}
    assert rows["seeds"]["bcubed_f1"] >= 0.95
    assert rows["mean"]["bcubed_f1"] == rows["seeds"]["bcubed_f1"]
    for section in found["sections"].values():
        assert section["title"] in printed
        assert section["title"] in files[1].read_text("utf-8")
    assert "Wrong merges of seeds" in printed
    assert {row["met"] for row in found["targets"]} <= {"yes", "no"}


def test_a_section_alone_scores_the_same(tmp_path):
    """Each section draws from its own generator, so that leaving others out changes nothing."""
    found = []
    for only in (["bridges"], ["boilerplate", "bridges"]):
        main([str(SEEDS), "--only", *only, "--json", str(tmp_path / "q.json")])
        rows = orjson.loads((tmp_path / "q.json").read_bytes())["sections"]["bridges"]["rows"]
        found.append([{name: value for name, value in row.items() if name != "seconds"} for row in rows])
    assert found[0] == found[1]
