"""Real articles, where they are at hand: the two of one story inside any crowd, and the labelled sets on whole files.

The data is not part of the project: it lies in `../shared`, or where $SHARED_DATA says (the folder with `bulk` and
`open`). Scores are printed; `pytest -s` shows them.
"""

import os
from functools import cache
from pathlib import Path
from statistics import mean

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import dedup
from dedup import languages, text
from dedup.evaluate import bcubed, evaluate
from dedup.gold import read_gold
from dedup.params import ReadingParams
from dedup.reading import open_frame

SHARED = Path(__file__).parents[2] / "shared"
DATA = Path(os.environ.get("SHARED_DATA", SHARED / "data"))
TWO = SHARED / "seeds"

needs_two = pytest.mark.skipif(not TWO.is_dir(), reason=f"no articles in {TWO}")
needs_bulk = pytest.mark.skipif(not (DATA / "bulk").is_dir(), reason=f"no folder {DATA / 'bulk'}; set $SHARED_DATA")
needs_open = pytest.mark.skipif(not (DATA / "open").is_dir(), reason=f"no folder {DATA / 'open'}; set $SHARED_DATA")

STORY_SETS = (
    "fnc1_train",
    "ecbplus_train_dev",
    "g5w_news_cluster",
    "allsides_2021_dated",
    "neus_allsides_train",
    "uci_headlines",
)

UNRELATED = (
    (
        "Council reopens the Mill Street swimming baths",
        "The Mill Street baths welcomed swimmers again on Saturday after two years of repairs to the roof and boilers. "
        "Councillor Odile Brandt cut a ribbon and jumped in fully dressed. Entry stays at four euros for adults, and "
        "school classes swim for nothing before noon.",
    ),
    (
        "Chip maker Talvera doubles its forecast",
        "Talvera Semiconductor expects revenue of 2.4 billion crowns this quarter, twice what it forecast in spring, "
        "since orders for memory used in data centres have soared. Its shares climbed eleven percent in early trade. "
        "Analysts warned that prices could fall once new factories open in the south.",
    ),
    (
        "Goalkeeper's header saves Vesterby in the last minute",
        "Vesterby drew two-all with Rodna on Sunday when goalkeeper Pelle Aune left his box for a corner and headed in "
        "during stoppage time. The point keeps the club out of the relegation places with three matches to play.",
    ),
    (
        "Volcano on Isla Perdida sends ash over fishing villages",
        "Ash fell on six fishing villages on Isla Perdida overnight as the Tres Hermanas volcano erupted for the first "
        "time since 1974. Boats ferried four hundred people to the mainland. Geologists recorded a swarm of tremors "
        "but saw no lava, and flights above the archipelago were rerouted.",
    ),
)


@cache
def bulk():
    """All bulk articles but those that mention the person whom the two are about, with the name of their file."""
    tables = []
    for file in sorted((DATA / "bulk").glob("*.parquet")):
        table = pq.read_table(file).cast(pq.read_schema(file))
        tables.append(table.append_column("file", pa.repeat(file.stem, len(table))))
    table = pa.concat_tables(tables, promote_options="permissive")
    named = [pc.match_substring(table[name].fill_null(""), "takaichi", ignore_case=True) for name in ("title", "text")]
    return table.filter(pc.invert(pc.or_(*named)))


def sample(n, seed):
    table = bulk()
    return table.take(np.random.default_rng(seed).choice(len(table), n, replace=False))


def the_two(result):
    """Check that the two articles are one story of two groups with one canonical, and return the story."""
    rows = [row for row in result.documents.to_pylist() if row["source_file"].endswith(".txt")]
    assert len(rows) == 2
    assert rows[0]["story_id"] == rows[1]["story_id"]
    assert rows[0]["duplicate_id"] != rows[1]["duplicate_id"]
    assert rows[0]["canonical_doc_id"] == rows[1]["canonical_doc_id"]
    story = result.story(rows[0]["story_id"])
    assert [row["is_canonical"] for row in story["documents"]].count(True) == 1
    return story["documents"]


@needs_two
class TestTheTwo:
    def test_alone(self):
        result = dedup.cluster(TWO)
        assert len(the_two(result)) == 2
        assert (result.clusters.num_rows, result.groups.num_rows) == (1, 2)
        assert sorted(row["relation"] for row in result.documents.to_pylist()) == ["canonical", "same_story"]

    @needs_bulk
    @pytest.mark.parametrize("n", [1, 3, 18, 98])
    @pytest.mark.parametrize("seed", range(6))
    def test_beside_others(self, n, seed, tmp_path):
        pq.write_table(sample(n, seed), tmp_path / "others.parquet")
        result = dedup.cluster([TWO, tmp_path / "others.parquet"])
        assert result.documents.num_rows == n + 2
        assert len(the_two(result)) == 2  # and no stranger among them

    @needs_bulk
    def test_inside_all_of_bulk(self, tmp_path):
        result = dedup.cluster([TWO, DATA / "bulk"])
        assert result.documents.num_rows > 41_000
        story = the_two(result)
        print(f"the story of the two among {result.documents.num_rows:,}: {[row['title'] for row in story]}")
        assert len(story) == 2


class TestUnrelated:
    def test_four_articles_stay_apart(self):
        rows = [{"id": str(i), "title": title, "text": text} for i, (title, text) in enumerate(UNRELATED)]
        assert dedup.cluster(rows).clusters["story_size"].to_pylist() == [1, 1, 1, 1]
        for left_out in range(4):
            assert dedup.cluster(rows[:left_out] + rows[left_out + 1 :]).clusters.num_rows == 3

    def test_and_copies_of_them_still_do(self):
        rows = [
            {"id": f"{i}-{k}", "title": title, "text": text} for i, (title, text) in enumerate(UNRELATED) for k in "ab"
        ]
        assert dedup.cluster(rows).clusters["story_size"].to_pylist() == [2, 2, 2, 2]

    @needs_bulk
    def test_random_fours_of_other_sources_and_categories(self):
        """English articles of four papers, authors or sections."""
        table = bulk().filter(pc.equal(bulk()["lang"], "en"))
        section = pc.replace_substring_regex(table["id"], r"^(bbc-[a-z]+)?.*$", r"\1")
        kind = pc.binary_join_element_wise(table["file"], table["source"].fill_null(""), section, "/")
        kinds = kind.combine_chunks().dictionary_encode().indices.to_numpy()
        chance, apart, batches = np.random.default_rng(1), 0, 120
        for _ in range(batches):
            order = chance.permutation(len(table))[:400]
            _, first = np.unique(kinds[order], return_index=True)
            four = order[np.sort(first)[chance.permutation(len(first))[:4]]]
            assert len(set(kinds[four])) == 4
            apart += dedup.cluster(table.take(four)).clusters.num_rows == 4
        print(f"random fours that stay apart: {apart / batches:.3f}")
        assert apart / batches >= 0.9


@needs_open
@pytest.mark.parametrize(
    ("documents", "pairs", "least"),
    [
        ("reuters_neardup", "reuters_neardup_pairs", 0.95),
        ("fnc1_train", "fnc1_train_neardup_pairs", 0.98),
    ],
)
def test_near_duplicate_pairs(documents, pairs, least):
    result = dedup.cluster(DATA / "open" / f"{documents}.parquet")
    scores = evaluate(result.documents, read_gold(DATA / "open" / f"{pairs}.parquet"))["duplicate"]
    print(pairs, scores)
    assert scores["missing"] == 0
    assert scores["f1"] >= least


@needs_open
def test_russian_and_english_pairs_of_one_event():
    folder = DATA / "open"
    scores = evaluate(
        dedup.cluster(folder / "tgcontest_docs.parquet").documents,
        read_gold(folder / "tgcontest_same_event_pairs.parquet"),
    )["story"]
    print("tgcontest", scores)
    assert scores["missing"] == 0
    assert scores["f1"] >= 0.80


@needs_bulk
def test_the_guess_of_languages_is_silent_rather_than_wrong():
    """MasakhaNEWS says what each article is in; Pidgin is half English to any list of function words."""
    file = DATA / "bulk" / "masakhanews.parquet"
    table = pq.read_table(file).cast(pq.read_schema(file))
    wanted, found = [], []
    for batch in open_frame(table, ReadingParams()).batches():
        wanted += languages.codes(batch["lang"]).to_pylist()
        found += languages.guess(text.prepare(batch)).to_pylist()
    told = [(w, f) for w, f in zip(wanted, found, strict=True) if w != "pcm"]
    right = sum(w == f for w, f in told) / len(told)
    wrong = sum(f not in (w, None) for w, f in told) / len(told)
    print(f"languages of {len(told):,} articles: {right:.4f} right, {wrong:.4f} wrong")
    assert right > 0.93 and wrong < 0.003


@needs_open
def test_templates_hardly_ever_end_in_one_story():
    result = dedup.cluster(DATA / "open" / "reuters_neardup.parquet")
    pairs = pq.read_table(DATA / "open" / "reuters_neardup_pairs.parquet")
    pairs = pairs.filter(pc.equal(pairs["label"], 0))
    story = dict(zip(*(result.documents[name].to_pylist() for name in ("doc_id", "story_id")), strict=True))
    ends = zip(pairs["id_a"].to_pylist(), pairs["id_b"].to_pylist(), strict=True)
    joined = sum(story[a] == story[b] for a, b in ends)
    print(f"template pairs in one story: {joined} of {len(pairs)}")
    assert joined <= 0.05 * len(pairs)


@needs_open
@pytest.mark.parametrize("name", ["fnc1_train", "g5w_news_cluster"])
def test_one_article_per_story_hardly_joins(name):
    """Batches of 20 in which every story found is false."""
    table, random, joined = pq.read_table(DATA / "open" / f"{name}.parquet"), np.random.default_rng(3), 0
    batches = 30
    for _ in range(batches):
        order = random.permutation(len(table))
        _, first = np.unique(np.array(table["story_id"].to_pylist(), str)[order], return_index=True)
        batch = dedup.cluster(table.take(np.sort(order[first][random.permutation(len(first))[:20]])))
        joined += batch.manifest["counts"]["in_stories"]
    print(f"{name}: {joined / (20 * batches):.3f} of articles falsely joined")
    assert joined <= 0.12 * 20 * batches


@needs_open
def test_mean_score_of_the_six_story_sets():
    scores = {}
    for name in STORY_SETS:
        file = DATA / "open" / f"{name}.parquet"
        scores[name] = evaluate(dedup.cluster(file).documents, read_gold(file))["story"]["bcubed"]["f1"]
    print(scores, f"mean {mean(scores.values()):.4f}")
    assert mean(scores.values()) >= 0.87, scores
    assert min(scores.values()) > bcubed_of_singles(min(scores, key=scores.get))


def bcubed_of_singles(name):
    """What a run scores that puts every article alone."""
    gold = read_gold(DATA / "open" / f"{name}.parquet")["story"].drop_null()
    return bcubed(gold, np.arange(len(gold))).f1
