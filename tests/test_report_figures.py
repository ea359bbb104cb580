"""What the report counts, and what it says that copies changed."""

import json
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from conftest import ARTICLES, make_result
from hypothesis import given, settings
from hypothesis import strategies as st

import dedup
from dedup import schema
from dedup.params import Params
from dedup.report import charts, differences, figures, page, sources, stories, texts
from dedup.run import Result

DAY = datetime(2025, 1, 1, tzinfo=UTC)
WORDS = "the old mill by the river was sold to a baker from the next valley who will grind there again in spring"


def table_of(rows):
    return pa.Table.from_pylist(rows, schema.RUN_DOCUMENTS)


def test_what_the_seeds_hold():
    result = dedup.cluster(ARTICLES)
    found = page.facts(result)
    counts = result.manifest["counts"]
    totals = found["totals"]
    assert totals["articles"] == counts["documents"] == sum(row["articles"] for row in found["relations"])
    assert totals["texts"] == result.groups.num_rows and totals["copies"] == counts["duplicates"]
    assert totals["told_often"] == counts["stories"] == sum(bar["stories"] for bar in found["datasets"]["sizes"])
    assert totals["stories"] == counts["stories"] + counts["singles"]
    assert sum(bar["articles"] for bar in found["datasets"]["timeline"]) == totals["dated"] == 65
    firsts = sum(bar["articles"] for bar in found["datasets"]["timeline"] if bar["kind"] == "first report")
    assert firsts == totals["stories"]
    rows = found["stories"]["rows"]
    assert {row["id"] for row in rows} == set(found["stories"]["opened"])
    for row in rows:
        story = found["stories"]["opened"][row["id"]]
        assert len(story["members"]) == row["size"] and story["hidden"] == 0
        assert len({member["group"] for member in story["members"]}) == row["texts"]
        assert all(max(link[:2]) < row["size"] and link[3] > 0 for link in story["links"])


scores_of = st.lists(
    st.tuples(st.sampled_from([0.0, 0.024999, 0.025, 0.6, 0.599999, 0.85, 1.0, None]) | st.floats(0, 1), st.booleans()),
    max_size=30,
)


@given(scores_of)
@settings(max_examples=60, deadline=None)
def test_histograms_count_every_pair_once(pairs):
    rows = [
        {
            "doc_id_a": "a",
            "doc_id_b": "b",
            "level": "story",
            "score": None if score is None else round(score, 6),
            "accepted": accepted,
        }
        for score, accepted in pairs
    ]
    result = make_result()
    changed = Result(
        result.documents, result.groups, result.clusters, pa.Table.from_pylist(rows, schema.RUN_PAIRS), [], {}
    )
    bars = figures.scores(changed)["story"]
    for row in rows:
        if row["score"] is not None:
            verdict = "same story" if row["accepted"] else "apart"
            holds = [
                bar
                for bar in bars
                if bar["verdict"] == verdict
                and bar["from"] <= row["score"]
                and (row["score"] < bar["to"] or bar["to"] == 1)
            ]
            assert len(holds) == 1, row
    assert sum(bar["pairs"] for bar in bars) == sum(row["score"] is not None for row in rows)


articles_of = st.lists(
    st.tuples(st.sampled_from(["x", "y", "z", None]), st.integers(0, 3), st.sampled_from([1, 2, 3, None])), max_size=14
)


@given(articles_of)
@settings(max_examples=100, deadline=None)
def test_who_reprints_whom(articles):
    day = datetime(2025, 1, 1, tzinfo=UTC)
    rows = [
        {"doc_id": str(row), "source": source, "duplicate_id": f"d{group}", "story_id": f"d{group}",
         "published_at": None if hour is None else day + timedelta(hours=hour), "relation": "near"}
        for row, (source, group, hour) in enumerate(articles)
    ]  # fmt: skip
    found = sources.copying(Result(table_of(rows), None, None, None, [], {"settings": {"level": "duplicate"}}))
    reprints, unknown, several = {}, 0, 0
    for group in {row["duplicate_id"] for row in rows}:
        members = [row for row in rows if row["duplicate_id"] == group and row["source"]]
        if len({row["source"] for row in members}) < 2:
            continue
        several += 1
        dated = [row["published_at"] for row in members if row["published_at"]]
        first = {row["source"] for row in members if dated and row["published_at"] == min(dated)}
        if len(first) != 1:
            unknown += 1
            continue
        for row in members:
            if row["source"] not in first:
                key = row["source"], min(first)
                reprints[key] = reprints.get(key, 0) + 1
    assert (found["groups"], found["unknown"], found["reprints"]) == (several, unknown, sum(reprints.values()))
    if found["matrix"]:
        names = found["matrix"]["names"]
        cells = {
            (names[row], names[column]): count
            for row, counts in enumerate(found["matrix"]["counts"])
            for column, count in enumerate(counts)
            if count
        }
        assert cells == reprints
    for row in found["outlets"]:
        assert row["reprints"] == sum(count for (by, _), count in reprints.items() if by == row["source"])
        assert row["reprinted"] == sum(count for (_, of), count in reprints.items() if of == row["source"])


@pytest.mark.parametrize(
    ("days", "unit", "gaps", "bars"),
    [
        ([0, 0.1, 0.9], "hour", True, 3),
        ([hour / 24 for hour in range(40)], "hour", False, 40),
        (list(range(60)), "day", False, 60),
        ([0, 1, 2, 11_000, 11_001], "hour", True, 5),
        (list(range(0, 700, 7)), "month", False, 23),
        (list(range(0, 30_000, 100)), "year", False, 83),
        ([], None, False, 0),
    ],
)
def test_bars_of_time_are_few_and_have_a_length(days, unit, gaps, bars):
    start = datetime(1937, 3, 1, tzinfo=UTC)
    rows = [
        {"doc_id": str(place), "story_id": str(place), "published_at": start + timedelta(days=day)}
        for place, day in enumerate(days)
    ]
    found = figures.timeline(Result(table_of(rows), None, None, None, [], {"settings": {"level": "story"}}))
    assert (found["unit"], found["gaps"], len(found["bars"])) == (unit, gaps, bars)
    for bar in found["bars"]:
        assert bar["start"] < bar["end"] and bar["label"]
    assert sum(bar["articles"] for bar in found["bars"]) == len(days)


def test_stories_that_last_have_no_more_dots_than_can_be_seen():
    start = datetime(2025, 1, 1, tzinfo=UTC)
    days = [*range(0, 2000, 3), 0, 0]
    rows = [
        {"doc_id": str(n), "story_id": "s", "published_at": start + timedelta(days=day)} for n, day in enumerate(days)
    ]
    story = {"story_id": "s", "story_size": len(days), "title": "t"}
    story |= {"first_published_at": start, "last_published_at": start + timedelta(days=1998)}
    clusters = pa.Table.from_pylist([story], schema.RUN_CLUSTERS)
    found = figures.moments(Result(table_of(rows), None, clusters, None, [], {"settings": {"level": "story"}}))
    assert found["spans"] == [{"story": 0, "name": "t", "days": 1998}]
    assert 60 < len(found["moments"]) <= figures.DOTS + 1
    assert sum(moment["articles"] for moment in found["moments"]) == len(days)
    assert found["moments"][0]["day"] == 0 and all(moment["day"] % 17 == 0 for moment in found["moments"])


def test_an_outlet_for_each_article_takes_no_time():
    rows = [
        {"doc_id": str(n), "source": f"o{n}", "duplicate_id": f"d{n // 2}", "published_at": DAY + timedelta(hours=n)}
        for n in range(60_000)
    ]
    started = time.process_time()
    found = sources.copying(Result(table_of(rows), None, None, None, [], {"settings": {"level": "duplicate"}}))
    assert time.process_time() - started < 10
    assert found["total"] == 60_000 and found["reprints"] == 30_000 and len(found["outlets"]) == sources.IN_TABLE
    counts = np.array(found["matrix"]["counts"])
    assert counts.sum() == 30_000 and len(found["matrix"]["names"]) == sources.IN_MATRIX + 1


def test_a_story_shows_a_few_of_each_text_first():
    groups = ["a"] * 40 + ["b"] * 2 + ["c"] * 30
    table = pa.table({"story_id": ["s"] * len(groups), "duplicate_id": groups})
    places = stories._shown(table, "story_id")["s"]
    assert len(places) == stories.MEMBERS and sorted(places) == places.tolist()
    shown = [groups[place] for place in places]
    assert (shown.count("a"), shown.count("b"), shown.count("c")) == (12, 2, 10)


def test_two_alone_are_one_story_from_where_the_page_says():
    from dedup.kernels.cutting import tree_cut

    params = Params()
    least = charts.two_alone(params)
    of = params.stories
    for height, together in ((least + 0.001, True), (least - 0.001, False)):
        label = tree_cut(
            2, np.array([[0, 1]]), np.array([height]), of.granularity, of.cut_power, of.pair_height, of.pair_fade
        )[0]
        assert (label[0] == label[1]) == together


# ---- What copies changed


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("the same", "the same", [["=", "the same"]]),
        ("one two three", "one four three", [["=", "one "], ["-", "two "], ["+", "four "], ["=", "three"]]),
    ],
)
def test_differences(old, new, wanted):
    assert differences.pieces(old, new) == (wanted, True)


@given(st.text("ab .", max_size=60), st.text("ab .", max_size=60))
@settings(max_examples=60, deadline=None)
def test_differences_hold_both_texts(old, new):
    parts, whole = differences.pieces(old, new)
    assert whole
    assert "".join(text for sign, text in parts if sign in "=+") == new


def test_long_differences_are_cut():
    old = " ".join(f"a{place}" for place in range(3000))
    new = " ".join(f"b{place}" for place in range(3000))
    parts, whole = differences.pieces(old, new)
    assert sum(len(text) for _, text in parts) <= 2 * differences.LONGEST + 10
    assert not whole
    parts, whole = differences.pieces(old[:9000], old[:4000] + "NEW " + old[4000:9000])
    assert [sign for sign, _ in parts].count("…") == 2 and whole


def test_texts_come_from_the_run_or_from_its_input(tmp_path):
    words = WORDS.split()
    rows = [
        {"id": f"i{place}", "title": "Mill sold", "text": " ".join([*words, *words[: 4 + place]])} for place in range(2)
    ]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = dedup.cluster([str(source)])
    made.write(tmp_path / "OUT")
    wanted = {row["id"]: row["text"] for row in rows}
    opened = dedup.open_run(tmp_path / "OUT")
    assert texts.texts_of(opened, ["i0", "i1"]) == (wanted, None)
    source.write_text(source.read_text().replace("baker", "miller"))
    found, missing = texts.texts_of(opened, ["i0", "i1"])
    assert found == {} and "has changed since the run" in missing
    source.unlink()
    found, missing = texts.texts_of(opened, ["i0", "i1"])
    assert found == {} and "is not there" in missing
    facts = page.facts(opened)
    assert facts["differences"] == {"shown": 0, "wanted": 1, "missing": missing}
    kept = dedup.cluster(rows, with_text=True)
    assert texts.texts_of(kept, ["i0", "i1"]) == (wanted, None)
    assert page.facts(kept)["differences"]["shown"] == 1
    found, missing = texts.texts_of(dedup.cluster(rows), ["i0"])
    assert found == {} and "data in memory" in missing
