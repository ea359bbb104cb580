"""The quality bench: what it makes from a seed, how it scores, and the whole of it on the sample articles."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.quality import baselines, errors, report, scores, sections, sets, timelines, variants
from benchmarks.quality.__main__ import main
from dedup.errors import SettingsError
from dedup.params import Params

SEEDS = Path(__file__).parents[1] / "seeds"
START = datetime(2021, 5, 1, 12, tzinfo=UTC)
TOPICS = (
    "otter sanctuary flooded after the weir at Lindmoor burst and keepers carried cubs uphill through the night",
    "violin maker Teodor Ansk won the guild medal for an instrument built from a sunken oak of the Brey estuary",
    "parliament in Sarvik rejected the lighthouse levy by nine votes as coastal deputies walked out of the chamber",
    "cyclist Mirela Dunn broke the hour record on the wooden track of Hollen with a gear larger than any before",
    "bakers of Quenby ended their strike when mills agreed to publish the price of rye every second Thursday",
    "astronomers at Pell Ridge measured dust around a dim star and doubt that planets can form in its cold ring",
)
VOICES = (
    "{} officials confirmed on Monday.",
    "Witnesses told this paper that {}.",
    "What we know so far: {}, while questions remain open.",
)


def corpus(date=lambda story, voice: START + timedelta(days=20 * story), source=None):
    """Six stories of three articles each."""
    rows = [
        {
            "id": f"{story}-{voice}",
            "title": " ".join(topic.split()[:4]),
            "text": VOICES[voice].format(topic),
            "published_at": date(story, voice),
            "source": source,
            "lang": "en",
            "story_id": f"story-{story}",
        }
        for story, topic in enumerate(TOPICS)
        for voice in range(3)
    ]
    return pa.Table.from_pylist(rows, sets.ARTICLE)


def labelled(table, kind="story"):
    return sets.LabelledSet("invented", table, kind)


def generator():
    return np.random.default_rng(7)


def lags(table):
    """Days between each article and the first of its story."""
    values, known = timelines.dates(table)
    assert known.all()
    story = sets.codes(table["story_id"])
    return np.array([values[i] - values[story == story[i]].min() for i in range(len(table))]) / timelines.DAY


class TestVariants:
    MAKERS = (  # of articles, from a seed
        lambda table, random: variants.one_per_story(table, 4, random),
        variants.with_footers,
        variants.with_pages,
        lambda table, random: variants.with_bridges(table, random, 2, 2, 1),
        timelines.simulated_lags,
        lambda table, random: timelines.drawn_lags(table, table, random),
        lambda table, random: timelines.robustness(table, random)["tenth_random"],
        lambda table, random: timelines.robustness(table, random)["tenth_1970"],
    )

    @pytest.mark.parametrize("make", MAKERS)
    def test_a_seed_gives_the_same_articles_and_another_seed_others(self, make):
        table = corpus(lambda story, voice: START + timedelta(days=20 * story + voice))
        assert make(table, generator()).equals(make(table, generator()))
        others = [make(table, np.random.default_rng(seed)) for seed in range(5)]
        assert any(not other.equals(others[0]) for other in others[1:])

    @pytest.mark.parametrize("n", [1, 2, 5, 6])
    def test_batches_hold_one_article_per_story(self, n):
        table, random = corpus(), generator()
        seen = set()
        for _ in range(300):
            batch = variants.one_per_story(table, n, random)
            assert len(set(batch["story_id"].to_pylist())) == len(batch) == n
            seen |= set(batch["id"].to_pylist())
        assert len(seen) == 18  # any article may come

    def test_a_batch_is_as_large_as_there_are_stories(self):
        assert len(variants.one_per_story(corpus(), 1000, generator())) == 6

    def test_footers_go_to_some_and_stand_behind(self):
        table = pa.concat_tables([corpus()] * 20)
        planted = variants.with_footers(table, generator())
        pairs = list(zip(table["text"].to_pylist(), planted["text"].to_pylist(), strict=True))
        longer = [after for before, after in pairs if before != after]
        assert all(after.startswith(before) for before, after in pairs)
        assert {len(after.split()) - len(before.split()) for before, after in pairs} == {0, variants.FOOTER_WORDS}
        assert 0.2 < len(longer) / len(pairs) < 0.4
        assert len(set(planted["source"].to_pylist())) == variants.SOURCES

    def test_a_source_has_one_footer_and_a_named_source_stays(self):
        planted = variants.with_pages(corpus(source="Quenby Courier"), generator())
        assert set(planted["source"].to_pylist()) == {"Quenby Courier"}
        ends = {text.split("\n\n")[0] for text in planted["text"].to_pylist()}
        assert len({end.split(".")[0] for end in ends}) == 1

    def test_pages_make_up_a_share_of_the_words(self):
        table = corpus()
        planted = variants.with_pages(table, generator())
        for before, after in zip(table["text"].to_pylist(), planted["text"].to_pylist(), strict=True):
            assert 1 - len(before.split()) / len(after.split()) == pytest.approx(variants.PLANTED, abs=0.03)

    def test_bridges_are_halves_of_two_stories_and_keep_the_rest(self):
        table = corpus()
        planted = variants.with_bridges(table, generator(), 2, 3, 1)
        assert planted.slice(0, len(table)).equals(table)
        added = planted.slice(len(table)).to_pylist()
        assert len(added) == 2 * 3 + 1
        texts = dict(zip(table["text"].to_pylist(), table["story_id"].to_pylist(), strict=True))
        for row in added[:6]:
            words = row["text"].split()
            heads = {story for text, story in texts.items() if text.split()[:8] == words[:8]}
            tails = {story for text, story in texts.items() if text.split()[-9:] == words[-9:]}
            assert heads and tails and not heads & tails
        assert {row["story_id"] for row in added} == {None}


class TestTimelines:
    def test_simulated_lags_keep_stories_and_the_date_of_one_article_each(self):
        table = corpus()
        made = timelines.simulated_lags(table, generator())
        assert made.drop_columns("published_at").equals(table.drop_columns("published_at"))
        days = lags(made).reshape(6, 3)
        assert (np.sum(days == 0, axis=1) == 1).all()
        assert made["published_at"].to_pylist()[0] >= START
        many = np.concatenate([lags(timelines.simulated_lags(table, np.random.default_rng(i))) for i in range(100)])
        assert many[many > 0].mean() == pytest.approx(timelines.LAG_DAYS, rel=0.1)

    def test_drawn_lags_come_from_the_real_gaps(self):
        real = corpus(lambda story, voice: START + timedelta(days=(0, 3, 40)[voice]))
        assert set(timelines.gaps(real) // timelines.DAY) == {3, 40}
        made = lags(timelines.drawn_lags(corpus(), real, generator()))
        assert set(made.tolist()) == {0, 3, 40}

    def test_one_stream_moves_whole_stories_by_whole_years(self):
        real = corpus(lambda story, voice: datetime(2017, 3, 1, tzinfo=UTC) + timedelta(days=50 * story + voice))
        old = corpus(lambda story, voice: datetime(2004 + story, 7, 1, tzinfo=UTC) + timedelta(days=voice))
        old = variants._replaced(old, "story_id", [f"old-{s}" for s in old["story_id"].to_pylist()])
        made = timelines.one_stream(old, real, corpus(lambda *_: None))
        assert made.slice(0, 18).equals(real)
        moved = made.slice(18)
        assert len(moved) == 18  # articles without a date are no part of a stream
        assert {date.year for date in moved["published_at"].to_pylist()} == {2017}
        assert lags(moved).tolist() == lags(old).tolist()
        years = (timelines.dates(old)[0] - timelines.dates(moved)[0]) / timelines.YEAR
        assert (years == np.round(years)).all()

    def test_spoilt_dates(self):
        table = pa.concat_tables([corpus()] * 30)
        spoilt = timelines.robustness(table, generator())
        assert spoilt["undated"]["published_at"].null_count == len(table)
        assert len(set(spoilt["one_crawl_day"]["published_at"].to_pylist())) == 1
        true, _ = timelines.dates(table)
        for name in ("tenth_random", "tenth_1970"):
            values, _ = timelines.dates(spoilt[name])
            assert 0.05 < (values != true).mean() < 0.15
            assert name == "tenth_random" or set(values[values != true]) == {0}
        values, _ = timelines.dates(spoilt["tenth_random"])
        assert true.min() <= values.min() and values.max() <= true.max()


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
