"""The sample articles against their gold labels, on both levels, through `dedup.evaluate`."""

from pathlib import Path

import pytest

import dedup
from dedup.evaluate import evaluate
from dedup.gold import read_gold

SEEDS = Path(__file__).parents[1] / "seeds"
ARTICLES = SEEDS / "articles.jsonl"


@pytest.fixture(scope="module")
def result():
    return dedup.cluster(ARTICLES)


@pytest.fixture(scope="module")
def gold():
    return read_gold(SEEDS / "_gold.csv")


@pytest.mark.parametrize("level", ["duplicate", "story"])
def test_both_levels_match_the_gold_file(result, gold, level):
    scores = evaluate(result.documents, gold)[level]
    assert (scores["n"], scores["missing"], scores["unlabelled"]) == (65, 0, 0)
    assert scores["bcubed"]["f1"] >= 0.95, scores


def test_duplicates_alone(gold):
    scores = evaluate(dedup.cluster(ARTICLES, level="duplicate").documents, gold)
    assert scores["duplicate"]["bcubed"]["f1"] >= 0.95


def test_the_notices_are_neither_copies_nor_a_story(result):
    found = [row for row in result.documents.to_pylist() if row["doc_id"].startswith("notice-")]
    assert len(found) == 2
    assert {row["relation"] for row in found} == {"unique"}


def test_the_folder_of_the_seeds_holds_the_articles_and_nothing_else():
    """What the README's first command reads: the gold file beside the articles is no input."""
    documents = dedup.cluster(SEEDS).documents
    assert set(documents["source_file"].to_pylist()) == {"articles.jsonl"}
    assert documents.num_rows == 65


def test_one_story_of_the_seeds_is_found_by_any_of_its_articles(result):
    story = result.story("harbour-05")
    assert {row["doc_id"] for row in story["documents"]} == {f"harbour-0{i}" for i in range(1, 7)}
    assert story["story"]["canonical_doc_id"] == "harbour-01"
    assert {"kestrel", "ferry"} & set(story["story"]["top_terms"].split(", "))


def test_the_pairs_say_why_the_notices_are_apart(result):
    pairs = [row for row in result.pairs.to_pylist() if row["doc_id_a"].startswith("notice-")]
    between = [row for row in pairs if row["doc_id_b"].startswith("notice-")]
    assert [row["level"] for row in between if row["reason"] == "template"] == ["story"]
    assert not any(row["accepted"] for row in between)
