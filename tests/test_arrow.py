"""Frames in and tables out through Arrow's PyCapsules, whoever made them; examples of the docs."""

from pathlib import Path

import pyarrow as pa
import pytest
from conftest import ARTICLES, load

import dedup
from dedup import StoryClusterer

ROWS = [{key: row[key] for key in ("id", "title", "text", "source")} for row in load(Path(ARTICLES))][:20]
TABLE = pa.Table.from_pylist(ROWS)


class Stream:
    """Nothing but the stream."""

    def __arrow_c_stream__(self, requested_schema=None):
        return TABLE.__arrow_c_stream__(requested_schema)


class Batch:
    """Nothing but one batch."""

    def __arrow_c_array__(self, requested_schema=None):
        return TABLE.combine_chunks().to_batches()[0].__arrow_c_array__(requested_schema)


def given(kind):
    if kind == "pandas":
        return pytest.importorskip("pandas").DataFrame(ROWS)
    if kind == "polars":
        return pytest.importorskip("polars").DataFrame(ROWS)
    if kind == "duckdb":
        return pytest.importorskip("duckdb").from_arrow(TABLE)
    return {
        "dicts": lambda: ROWS,
        "tuple of dicts": lambda: tuple(ROWS),
        "table": lambda: TABLE,
        "batch": lambda: TABLE.combine_chunks().to_batches()[0],
        "reader": lambda: TABLE.to_reader(max_chunksize=7),
        "stream": Stream,
        "array": Batch,
        "structs": TABLE.to_struct_array,
    }[kind]()


KINDS = (
    "pandas",
    "polars",
    "duckdb",
    "dicts",
    "tuple of dicts",
    "table",
    "batch",
    "reader",
    "stream",
    "array",
    "structs",
)


@pytest.fixture(scope="module")
def run():
    return dedup.cluster(ROWS)


@pytest.mark.parametrize("kind", KINDS)
def test_all_frames_are_one(run, kind):
    found = dedup.cluster(given(kind))
    for name in ("documents", "groups", "clusters", "pairs"):
        assert getattr(found, name).equals(getattr(run, name))


@pytest.mark.parametrize("kind", KINDS)
def test_the_estimator_takes_them_too(run, kind):
    ids = run.documents.sort_by("row")["story_id"].to_pylist()
    first = list(dict.fromkeys(ids))
    assert StoryClusterer().fit_predict(given(kind)).tolist() == [first.index(one) for one in ids]


@pytest.mark.parametrize("kind", ["chunked", "array"])
def test_a_column_of_arrow_is_a_column_of_strings(kind):
    texts = TABLE["text"]
    wanted = StoryClusterer().fit_predict(texts.to_pylist())
    assert (StoryClusterer().fit_predict(texts if kind == "chunked" else texts.combine_chunks()) == wanted).all()


@pytest.mark.parametrize("kind", ["lazy", "column", "generator", "one dict"])
def test_what_is_no_frame_is_told_what_to_do(kind):
    frames = {
        "lazy": lambda: pytest.importorskip("polars").DataFrame(ROWS).lazy(),
        "column": lambda: TABLE["text"],
        "generator": lambda: iter(ROWS),
        "one dict": lambda: ROWS[0],
    }
    with pytest.raises(dedup.InputError, match="wanted paths, a data frame"):
        dedup.cluster(frames[kind]())


@pytest.mark.parametrize("name", ["documents", "groups", "clusters", "pairs"])
class TestTables:
    def test_in_polars(self, run, name):
        pl = pytest.importorskip("polars")
        table = getattr(run, name)
        assert pl.DataFrame(table).rows(named=True) == table.to_pylist()

    def test_in_pandas(self, run, name):
        pd = pytest.importorskip("pandas")
        table = getattr(run, name)
        if hasattr(pd.DataFrame, "from_arrow"):  # pandas 3
            assert pa.table(pd.DataFrame.from_arrow(table)).num_rows == table.num_rows
        frame = table.to_pandas()
        assert frame.iloc[:, 0].tolist() == table.column(0).to_pylist()

    def test_in_duckdb(self, run, name):
        duckdb = pytest.importorskip("duckdb")
        table = getattr(run, name)
        assert duckdb.from_arrow(table).fetchall() == [tuple(row.values()) for row in table.to_pylist()]

    def test_by_the_capsule_alone(self, run, name):
        table = getattr(run, name)
        assert pa.RecordBatchReader.from_stream(table).read_all().equals(table)


def test_a_run_in_memory_goes_on_in_sql(run):
    duckdb = pytest.importorskip("duckdb")
    documents, pairs = run.kept(level="story"), run.pairs
    assert duckdb.sql("select count(*) from documents").fetchall() == [(run.clusters.num_rows,)]
    found = duckdb.sql("select kind, count(*) from pairs where accepted group by kind").fetchall()
    assert sum(count for _, count in found) == sum(run.pairs["accepted"].to_pylist())
    assert documents.num_rows and pairs.num_rows
