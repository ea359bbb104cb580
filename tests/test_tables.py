"""The four tables of a run agree with each other, and with what they say about themselves."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from test_duplicates import prose

import dedup
from dedup import schema, tables

SEEDS = Path(__file__).parents[1] / "seeds" / "articles.jsonl"
DAY = datetime(2025, 5, 6, tzinfo=UTC)
RELATIONS = {"unique", "canonical", "exact", "near", "contained", "same_story"}


def mixture():
    """Copies of every kind, empty and tiny texts, bare titles, no titles, no dates, one id twice."""
    long, other = prose(200, 1), prose(200, 2)
    bodies = [
        *[long] * 3,
        [*long[:-1], "elsewhere"],
        long[40:140],
        other,
        other[:90],
        *[prose(30, 3)] * 4,
        *[[]] * 5,
        ["fog"],
        ["fog"],
        [*prose(80, 4), *other[:100]],
        [*prose(80, 4)],
    ]
    titles = ("Ferry aground", None, "Ferry aground in fog")
    rows = []
    for i, words in enumerate(bodies):
        when = None if i % 4 == 0 else DAY + timedelta(hours=7 * i)
        source = None if i % 5 == 0 else f"Paper {i % 3}"
        rows.append(
            {"id": f"a{i // 2}", "title": titles[i % 3], "text": " ".join(words), "date": when, "source": source}
        )
    return rows


CASES = {
    "seeds": lambda: dedup.cluster(SEEDS),
    "seeds duplicate": lambda: dedup.cluster(SEEDS, level="duplicate"),
    "seeds exact": lambda: dedup.cluster(SEEDS, level="exact"),
    "seeds coarse": lambda: dedup.cluster(SEEDS, story_granularity=0.02),
    "mixture": lambda: dedup.cluster(mixture()),
    "mixture latest": lambda: dedup.cluster(mixture(), canonical="latest,longest"),
    "one": lambda: dedup.cluster(mixture()[:1]),
    "none": lambda: dedup.cluster(pa.table({"text": pa.array([], pa.string())})),
    "empty texts": lambda: dedup.cluster([{"text": ""}] * 30),
}


@pytest.fixture(scope="module", params=CASES)
def result(request):
    return CASES[request.param]()


@pytest.fixture(scope="module")
def rows(result):
    return result.documents.to_pylist()


def by(rows, column):
    found = {}
    for row in rows:
        found.setdefault(row[column], []).append(row)
    return found


def test_schemas(result):
    assert result.documents.schema.equals(schema.RUN_DOCUMENTS)
    assert result.groups.schema.equals(schema.RUN_GROUPS)
    assert result.clusters.schema.equals(schema.RUN_CLUSTERS)
    assert result.pairs.schema.equals(schema.RUN_PAIRS)


def test_every_row_once(result, rows):
    n = result.manifest["counts"]["documents"]
    assert sorted(row["row"] for row in rows) == list(range(n))
    assert len({row["doc_id"] for row in rows}) == n


def test_ids(rows):
    for column, letter in (("story_id", "s"), ("duplicate_id", "d")):
        ids = pa.array([row[column] for row in rows], pa.string())
        assert pc.all(pc.match_substring_regex(ids, f"^{letter}[0-9a-f]{{16}}$")).as_py() in (True, None)


def test_groups_lie_inside_stories_and_sizes_agree(result, rows):
    groups = {group["duplicate_id"]: group for group in result.groups.to_pylist()}
    clusters = {story["story_id"]: story for story in result.clusters.to_pylist()}
    by_group, by_story = by(rows, "duplicate_id"), by(rows, "story_id")
    assert (groups.keys(), clusters.keys()) == (by_group.keys(), by_story.keys())
    assert len(groups) == result.groups.num_rows and len(clusters) == result.clusters.num_rows
    for name, members in by_group.items():
        assert {row["story_id"] for row in members} == {groups[name]["story_id"]}
        assert {row["duplicate_size"] for row in members} == {groups[name]["duplicate_size"]} == {len(members)}
    for name, members in by_story.items():
        assert {row["story_size"] for row in members} == {clusters[name]["story_size"]} == {len(members)}
        assert clusters[name]["n_groups"] == len({row["duplicate_id"] for row in members})


def test_sources_and_dates_of_clusters(result, rows):
    for table, column in ((result.groups, "duplicate_id"), (result.clusters, "story_id")):
        members = by(rows, column)
        for cluster in table.to_pylist():
            found = members[cluster[column]]
            dates = sorted(row["published_at"] for row in found if row["published_at"])
            assert cluster["n_sources"] == len({row["source"] for row in found} - {None})
            assert cluster["first_published_at"] == (dates[0] if dates else None)
            assert cluster["last_published_at"] == (dates[-1] if dates else None)


def test_one_canonical_per_story_and_one_representative_per_group(result, rows):
    chosen = {story["story_id"]: story for story in result.clusters.to_pylist()}
    for name, members in by(rows, "story_id").items():
        (canonical,) = (row for row in members if row["is_canonical"])
        assert {row["canonical_doc_id"] for row in members} == {canonical["doc_id"]}
        assert chosen[name]["canonical_doc_id"] == canonical["doc_id"]
        assert chosen[name]["title"] == canonical["title"]
        assert canonical["is_representative"]
        assert len({row["canonical_reason"] for row in members}) == 1
    chosen = {group["duplicate_id"]: group["representative_doc_id"] for group in result.groups.to_pylist()}
    for name, members in by(rows, "duplicate_id").items():
        (representative,) = (row["doc_id"] for row in members if row["is_representative"])
        assert {row["representative_doc_id"] for row in members} == {representative} == {chosen[name]}


def test_relations(rows):
    for row in rows:
        assert row["relation"] in RELATIONS
        assert (row["relation"] == "unique") == (row["story_size"] == 1)
        if row["story_size"] > 1:
            assert (row["relation"] == "canonical") == row["is_canonical"]
            assert (row["relation"] == "same_story") == (row["is_representative"] and not row["is_canonical"])
        if row["relation"] in ("exact", "near", "contained"):
            assert row["duplicate_size"] > 1


def test_similarity_is_known_of_every_row(rows):
    for row in rows:
        assert 0 <= row["similarity"] <= 1
        inside = row["canonical_doc_id"] == row["representative_doc_id"]
        if row["is_canonical"]:
            assert row["similarity"] == 1
        elif not inside:
            assert row["similarity"] == row["cosine"]
        elif row["relation"] == "contained":
            assert row["similarity"] == row["containment"]
        else:
            assert row["similarity"] == row["jaccard"]
        assert (row["cosine"] is None) == inside
        assert (row["jaccard"] is None) == (row["containment"] is None) == row["is_representative"]
        if row["relation"] == "exact":
            assert row["jaccard"] == 1


def test_scores_of_clusters(result, rows):
    for table, column, least, mean, score in (
        (result.clusters, "story_id", "min_similarity", "mean_similarity", "similarity"),
        (result.groups, "duplicate_id", "min_jaccard", None, "jaccard"),
    ):
        chosen = "is_canonical" if column == "story_id" else "is_representative"
        members = by(rows, column)
        for cluster in table.to_pylist():
            scores = [row[score] for row in members[cluster[column]] if not row[chosen]]
            assert cluster[least] == (min(scores) if scores else None)
            if mean:
                assert cluster[mean] == (pytest.approx(np.mean(scores), abs=1e-6) if scores else None)
            assert cluster["cohesion"] is None or 0 <= cluster["cohesion"] <= 1


def test_pairs_say_what_the_clusters_are(result, rows):
    known = {row["doc_id"]: row for row in rows}
    column = {"duplicate": "duplicate_id", "story": "story_id"}
    for pair in result.pairs.to_pylist():
        one, two = known[pair["doc_id_a"]], known[pair["doc_id_b"]]
        assert pair["doc_id_a"] < pair["doc_id_b"]
        if pair["accepted"]:
            assert one[column[pair["level"]]] == two[column[pair["level"]]]
        assert pair["accepted"] == (pair["reason"] in ("same text", "same story"))
        assert pair["reason"]
        both = one["published_at"] and two["published_at"]
        hours = abs(one["published_at"] - two["published_at"]).total_seconds() / 3600 if both else None
        assert pair["hours_apart"] == (pytest.approx(hours, abs=1e-6) if both else None)
        scores = [pair[name] for name in ("jaccard", "containment", "cosine", "score")]
        assert [score is None for score in scores] == ([False] * 2 + [True] * 2)[
            :: 1 if pair["level"] == "duplicate" else -1
        ]
        assert all(0 <= score <= 1 for score in scores if score is not None)


def test_every_copy_and_every_member_of_a_story_has_a_link(result, rows):
    linked = {level: set() for level in ("duplicate", "story")}
    for pair in result.pairs.to_pylist():
        if pair["accepted"]:
            linked[pair["level"]] |= {pair["doc_id_a"], pair["doc_id_b"]}
    for row in rows:
        if row["duplicate_size"] > 1:
            assert row["doc_id"] in linked["duplicate"]
        if row["is_representative"] and row["story_size"] > row["duplicate_size"]:
            assert row["doc_id"] in linked["story"]


def test_pairs_are_distinct_and_sorted(result):
    keys = [(pair["level"], pair["doc_id_a"], pair["doc_id_b"]) for pair in result.pairs.to_pylist()]
    assert keys == sorted(set(keys))


def test_documents_are_sorted_by_story_group_and_rank(result, rows):
    assert [row["story_id"] for row in rows] == [
        name for name, members in by(rows, "story_id").items() for _ in members
    ]
    assert [row["duplicate_id"] for row in rows] == [
        n for n, members in by(rows, "duplicate_id").items() for _ in members
    ]
    stories, groups = by(rows, "story_id"), by(rows, "duplicate_id")
    order = [(-members[0]["story_size"], name) for name, members in stories.items()]
    assert order == sorted(order)
    assert list(stories) == result.clusters["story_id"].to_pylist()
    assert all(members[0]["is_canonical"] for members in stories.values())
    assert all(members[0]["is_representative"] for members in groups.values())
    for members in stories.values():
        sizes = [(-found[0]["duplicate_size"], name) for name, found in by(members, "duplicate_id").items()]
        assert sizes[1:] == sorted(sizes[1:])  # the first one is the canonical article's
    order = [(-group["duplicate_size"], group["duplicate_id"]) for group in result.groups.to_pylist()]
    assert order == sorted(order)


def test_counts_of_the_manifest(result, rows):
    counts = result.manifest["counts"]
    stories = [len(members) for members in by(rows, "story_id").values()]
    copies = Counter(row["duplicate_id"] for row in rows)
    assert counts["duplicate_groups"] == sum(n > 1 for n in copies.values())
    assert counts["duplicates"] == len(rows) - len(copies)
    assert counts["stories"] == sum(n > 1 for n in stories)
    assert counts["in_stories"] == sum(n for n in stories if n > 1)
    assert counts["singles"] == sum(row["story_size"] == 1 for row in rows)
    assert counts["rejected"] == 0


class TestClusterIds:
    def ids(self, label, keys, days):
        published = pa.array([None if day is None else DAY + timedelta(days=day) for day in days], schema.TIMESTAMP)
        return tables.cluster_ids("d", np.array(label), np.array(keys, np.uint64), published).tolist()

    def test_the_earliest_founds(self):
        assert self.ids([0, 0, 1, 1], [10, 20, 30, 40], [5, 2, None, 9]) == [f"d{20:016x}", f"d{40:016x}"]
        assert self.ids([0, 0, 0], [10, 20, 30], [7, 7, None]) == [f"d{10:016x}"]
        assert self.ids([0, 0], [10, 20], [None, None]) == [f"d{10:016x}"]

    def test_equal_keys_make_distinct_ids(self):
        found = self.ids(range(6), [7, 7, 7, 9, 2**64 - 1, 2**64 - 1], [None] * 6)
        assert len(set(found)) == 6 and found[0] == f"d{7:016x}"
        assert all(len(name) == 17 for name in found)

    def test_nothing(self):
        assert self.ids([], [], []) == []
