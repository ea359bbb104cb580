"""The tables of a distributed job against those of one machine."""

import json
import random
import string
from pathlib import Path

import pytest

import dedup
from dedup.distributed import writing
from dedup.distributed.results import results
from dedup.errors import SettingsError
from dedup.params import from_settings
from tests.distributing import spread_findings

SEEDS = Path(__file__).parents[1] / "seeds" / "articles.jsonl"
ARTICLES = [json.loads(line) for line in SEEDS.read_text("utf-8").splitlines()]
G5W = Path(__file__).parents[2] / "shared" / "data" / "open" / "g5w_news_cluster.parquet"
TABLES = ("documents", "groups", "clusters", "pairs")


def check(articles, parts, backwards=False, **settings):
    """Compare all four tables, and the manifest."""
    params = from_settings(settings)
    spread = spread_findings(articles, params, parts, backwards)
    found = results(*spread[:6], params)
    kept = spread.source.kept
    made = writing.result(spread.flow, found, spread.source, params, spread.skipped, {"read": 1.0}, kept)
    for name in TABLES:
        table, expected = getattr(made, name), getattr(spread.expected, name)
        assert table.schema.equals(expected.schema)
        for column in table.column_names:
            assert table[column].to_pylist() == expected[column].to_pylist(), (name, column)
    assert made.rejects == spread.expected.rejects
    assert made.manifest == spread.expected.manifest
    assert found.counts == {name: made.manifest["counts"][name] for name in found.counts}
    return made, spread


@pytest.mark.parametrize(("parts", "backwards"), [(1, False), (3, False), (8, True)])
@pytest.mark.parametrize("level", ["exact", "duplicate", "story"])
def test_seeds(parts, backwards, level):
    check(SEEDS, parts, backwards, level=level)


def invented(count):
    """Articles on few stories, many copied, some with passages left out, with odd dates, sources, and equal texts."""
    rng = random.Random(11)
    bases = [story_text(rng) for _ in range(count // 6)]
    rows = []
    for number in range(count):
        words = rng.choice(bases).split()
        if rng.random() < 0.4:
            at = rng.randrange(len(words))
            words[at : at + rng.randrange(40)] = [f"w{rng.randrange(9)}"]
        if rng.random() < 0.1:
            words = []
        rows.append(
            {
                "id": f"{rng.choice('abc')}{number}",
                "title": " ".join(words[:4]) if rng.random() < 0.8 else None,
                "text": " ".join(words),
                "date": f"2025-03-{rng.randrange(1, 29):02}" if rng.random() < 0.8 else None,
                "source": rng.choice(["Kestrel", "Lantern", "Harbour Post", None]),
                "rank": rng.randrange(5),
            }
        )
    return rows


def story_text(rng):
    names = [f"{rng.choice(string.ascii_lowercase)}{rng.choice(string.ascii_lowercase)}{k}ver" for k in range(30)]
    return " ".join(rng.choice([*names, "harbour", "council", "river", "bridge"]) for _ in range(rng.randrange(5, 160)))


@pytest.mark.parametrize(("parts", "backwards"), [(1, True), (3, False), (8, True)])
def test_invented_articles(parts, backwards):
    _, spread = check(
        invented(240),
        parts,
        backwards,
        keep_cols=("rank",),
        with_text=True,
        canonical="prefer:source=Lantern,earliest",
    )
    expected = spread.expected
    assert expected.clusters.num_rows < expected.groups.num_rows < expected.documents.num_rows
    assert {"near", "exact", "contained", "same_story", "unique"} <= set(expected.documents["relation"].to_pylist())
    assert {"same story", "same text"} <= set(expected.pairs["reason"].to_pylist())


def test_one_article():
    check([{"text": "Ferry aground off Port Anselm."}], 3)


@pytest.mark.skipif(not G5W.is_file(), reason=f"no {G5W}")
def test_real_articles():
    _, spread = check(G5W, 5)
    assert {"tree cut", "same story"} <= set(spread.expected.pairs["reason"].to_pylist())


def test_no_article(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": 3, "rank": 1}\n[]\n', "utf-8")
    check(tmp_path, 3, keep_cols=("rank",), max_rejects=5)


def test_files_are_those_of_one_machine(tmp_path):
    made, spread = check(invented(120), 3, keep_cols=("rank",), with_text=True)
    for result, name in ((made, "many"), (spread.expected, "one")):
        result.write(tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "many" / file.name).read_bytes(), file.name
    assert dedup.open_run(tmp_path / "many").verify() == []


def test_tables_too_large_for_the_program_are_refused(monkeypatch):
    monkeypatch.setattr(writing, "MOST_BYTES", 1000)
    with pytest.raises(SettingsError, match=r"output: got tables of [\d,]+ bytes, wanted at most 1,000"):
        check(SEEDS, 2)
