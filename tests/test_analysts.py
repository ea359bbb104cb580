"""The one-liners of docs and README, on a run that the program wrote itself, from the folder that holds OUT."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import dedup
from dedup import schema

SEEDS = Path(__file__).parents[1] / "seeds" / "articles.jsonl"
SCHEMAS = {
    "documents": schema.RUN_DOCUMENTS,
    "groups": schema.RUN_GROUPS,
    "clusters": schema.RUN_CLUSTERS,
    "pairs": schema.RUN_PAIRS,
}
KINDS = {"string": 0, "int64": 1, "int32": 2, "bool": 3, "double": 4, "timestamp[us, tz=UTC]": 5}
DUCKDB = ("VARCHAR", "BIGINT", "INTEGER", "BOOLEAN", "DOUBLE", "TIMESTAMP WITH TIME ZONE")
FERRY = datetime(2025, 3, 3, 19, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("analyst")
    found = dedup.cluster(SEEDS, with_text=True, keep_cols=["lang"])
    found.write(folder / "OUT")
    return folder, found


@pytest.fixture
def run(result, monkeypatch):
    """The run in memory, with the working folder above OUT."""
    monkeypatch.chdir(result[0])
    return result[1]


def kinds(name):
    return {field.name: KINDS[str(field.type)] for field in SCHEMAS[name]}


def as_written(run, name):
    """Return a table of the run with the types of its file: the text has 64-bit offsets only while it is in memory."""
    return getattr(run, name).cast(pq.read_schema(f"OUT/{name}.parquet").remove_metadata())


def test_only_plain_types():
    assert {str(field.type) for found in SCHEMAS.values() for field in found} <= set(KINDS)


def test_duckdb(run):
    duckdb = pytest.importorskip("duckdb")
    kept = duckdb.sql("from 'OUT/documents.parquet' where is_canonical")
    assert sorted(row[0] for row in kept.select("story_id").fetchall()) == sorted(run.clusters["story_id"].to_pylist())
    ferry = duckdb.sql("select epoch_us(published_at) from 'OUT/documents.parquet' where doc_id = 'harbour-01'")
    assert ferry.fetchall() == [(int(FERRY.timestamp()) * 10**6,)]
    sizes = duckdb.sql(
        "select story_size, count(*) from 'OUT/*uments.parquet' group by story_id, story_size"
    ).fetchall()
    assert all(size == count for size, count in sizes)


@pytest.mark.parametrize("name", SCHEMAS)
class TestTypes:
    def test_duckdb(self, run, name):
        duckdb = pytest.importorskip("duckdb")
        found = duckdb.sql(f"from 'OUT/{name}.parquet'")
        types = dict(zip(found.columns, map(str, found.types), strict=True))
        assert {column: types[column] for column in kinds(name)} == {c: DUCKDB[k] for c, k in kinds(name).items()}
        assert len(found) == getattr(run, name).num_rows

    def test_pandas(self, run, name):
        pd = pytest.importorskip("pandas")
        frame = pd.read_parquet(f"OUT/{name}.parquet")
        texts = ("object", "str", "string")
        wanted = (texts, ("int64",), ("int32",), ("bool",), ("float64",), ("datetime64[us, UTC]",))
        for column, kind in kinds(name).items():
            assert str(frame[column].dtype) in wanted[kind], column
        assert len(frame) == getattr(run, name).num_rows

    def test_polars(self, run, name):
        pl = pytest.importorskip("polars")
        wanted = (pl.String, pl.Int64, pl.Int32, pl.Boolean, pl.Float64, pl.Datetime("us", "UTC"))
        found = pl.scan_parquet(f"OUT/{name}.parquet").collect_schema()
        assert {column: found[column] for column in kinds(name)} == {c: wanted[k] for c, k in kinds(name).items()}

    def test_pyarrow(self, run, name):
        found = ds.dataset(f"OUT/{name}.parquet")
        n = len(SCHEMAS[name])
        assert pa.schema(list(found.schema)[:n]).equals(SCHEMAS[name])
        assert found.to_table().equals(as_written(run, name))

    def test_metadata(self, run, name):
        assert {b"dedup.version", b"dedup.config", b"dedup.run_id"} <= pq.read_schema(
            f"OUT/{name}.parquet"
        ).metadata.keys()


def test_pandas(run):
    pd = pytest.importorskip("pandas")
    frame = pd.read_parquet("OUT/documents.parquet")
    assert sorted(frame[frame.is_canonical].story_id) == sorted(run.clusters["story_id"].to_pylist())
    assert (frame.groupby("story_id").story_size.first() == frame.groupby("story_id").size()).all()
    assert frame.set_index("doc_id").published_at["harbour-01"] == pd.Timestamp(FERRY)


def test_polars(run):
    pl = pytest.importorskip("polars")
    kept = pl.scan_parquet("OUT/documents.parquet").filter(pl.col("is_representative")).collect()
    assert sorted(kept["duplicate_id"]) == sorted(run.groups["duplicate_id"].to_pylist())
    (when,) = kept.filter(pl.col("doc_id") == "harbour-01")["published_at"]
    assert when == FERRY


def test_pyarrow_dataset(run):
    kept = ds.dataset("OUT/documents.parquet").to_table(columns=["doc_id"], filter=ds.field("is_canonical"))
    assert sorted(kept["doc_id"].to_pylist()) == sorted(run.clusters["canonical_doc_id"].to_pylist())


def test_text_and_kept_columns_are_plain_too(run):
    table = pq.read_table("OUT/documents.parquet")
    assert table.column_names == run.documents.column_names
    assert {"text", "in_lang"} <= set(table.column_names)
    assert str(table.schema.field("in_lang").type) == str(table.schema.field("text").type) == "string"


def test_the_run_opens_as_it_was(run):
    again = dedup.open_run("OUT")
    for name in SCHEMAS:
        assert getattr(again, name).equals(as_written(run, name))
    assert again.kept().num_rows == run.clusters.num_rows
    assert again.kept("duplicate").num_rows == run.groups.num_rows
