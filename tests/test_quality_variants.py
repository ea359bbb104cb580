"""What the quality bench makes from a seed: batches, footers, bridges, dates."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from invented import START, corpus, generator, lags

from benchmarks.quality import timelines, variants


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
