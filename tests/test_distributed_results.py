"""The tables of a distributed job against those of one machine."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from dedup.distributed import writing
from dedup.distributed.results import results
from dedup.params import from_settings
from tests.distributing import spread_findings

SEEDS = Path(__file__).parents[1] / "seeds" / "articles.jsonl"
ARTICLES = [json.loads(line) for line in SEEDS.read_text("utf-8").splitlines()]
G5W = Path(__file__).parents[2] / "shared" / "data" / "open" / "g5w_news_cluster"
SORTED = {
    "groups": [("duplicate_size", "descending"), ("duplicate_id", "ascending")],
    "clusters": [("story_size", "descending"), ("story_id", "ascending")],
    "pairs": [("level", "ascending"), ("doc_id_a", "ascending"), ("doc_id_b", "ascending")],
}


def check(articles, parts, backwards=False, **settings):
    params = from_settings(settings)
    spread = spread_findings(articles, params, parts, backwards)
    found = results(*spread[:-1], params)
    for name, keys in {"documents": None, **SORTED}.items():
        table = pa.concat_tables(getattr(found, name).values())
        table = writing.ordered(table) if keys is None else table.sort_by(keys)
        expected = getattr(spread.expected, name)
        assert table.schema.equals(expected.schema)
        for column in table.column_names:
            assert table[column].to_pylist() == expected[column].to_pylist(), (name, column)
    return found, spread


@pytest.mark.parametrize(("parts", "backwards"), [(1, False), (3, False), (8, True)])
@pytest.mark.parametrize("level", ["exact", "duplicate", "story"])
def test_seeds(parts, backwards, level):
    check(SEEDS, parts, backwards, level=level)
