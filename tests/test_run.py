"""A run on disk: what is written, and what the programs that read it see."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import DAY, FILES, digests, make_result

import dedup
from dedup import commit, schema
from dedup.errors import DedupError
from dedup.run import open_run


def leftovers(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir() if ".dedup-" in entry.name]


def test_round_trip(result, tmp_path):
    out = result.write(tmp_path / "new" / "OUT")
    assert {file.name for file in out.iterdir()} == FILES
    again = open_run(out)
    for name in ("documents", "groups", "clusters", "pairs"):
        assert getattr(again, name).equals(getattr(result, name)), name
    assert again.rejects == result.rejects
    assert again.path == out
    assert {**again.manifest, "files": None} == {**result.manifest, "files": None}
    assert leftovers(out.parent) == []


def test_the_manifest_describes_every_file(result, tmp_path):
    out = result.write(tmp_path / "OUT")
    files = json.loads((out / "manifest.json").read_text())["files"]
    assert set(files) == FILES - {"manifest.json"}
    for name, entry in files.items():
        content = (out / name).read_bytes()
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    assert [files[name]["rows"] for name in ("documents.parquet", "rejects.jsonl")] == [6, 1]


def test_the_same_result_gives_the_same_bytes(result, tmp_path):
    one = digests(result.write(tmp_path / "one"))
    chunked = pa.concat_tables([result.documents.slice(0, 1), result.documents.slice(1, 2), result.documents.slice(3)])
    two = digests(replace(result, documents=chunked).write(tmp_path / "two"))
    assert one == two


def test_parquet_says_how_it_was_made(result, tmp_path):
    out = result.write(tmp_path / "OUT")
    file = pq.ParquetFile(out / "documents.parquet")
    metadata = file.metadata.metadata
    assert metadata[b"dedup.version"] == b"0.1.0"
    assert metadata[b"dedup.run_id"] == b"r123"
    assert metadata[b"dedup.config"] == b'{"canonical": "earliest", "level": "story"}'
    group = file.metadata.row_group(0)
    assert group.column(0).compression == "ZSTD"
    assert group.column(0).has_column_index and group.column(0).has_offset_index
    assert pq.SortingColumn.to_ordering(file.schema_arrow, group.sorting_columns)[0] == (
        ("story_size", "descending"),
        ("story_id", "ascending"),
    )


def test_an_order_that_the_rows_do_not_have_is_not_declared(result, tmp_path):
    mixed = replace(result, documents=result.documents.take([5, 0, 1, 2, 3, 4]))
    out = mixed.write(tmp_path / "OUT")
    assert pq.read_metadata(out / "documents.parquet").row_group(0).sorting_columns == ()


def test_text_comes_in_small_row_groups_and_as_plain_string(tmp_path, monkeypatch):
    monkeypatch.setattr(commit, "ROWS_PER_GROUP_WITH_TEXT", 4)
    texts = pa.chunked_array([pa.array(list("abc"), pa.large_string()), pa.array(["d", None, "ü"], pa.large_string())])
    out = make_result(extra={"in_row": pa.array(range(6), pa.int64()), "text": texts}).write(tmp_path / "OUT")
    file = pq.ParquetFile(out / "documents.parquet")
    assert file.metadata.num_row_groups == 2
    assert file.schema_arrow.field("text").type == pa.string()
    assert open_run(out).documents["text"].to_pylist() == ["a", "b", "c", "d", None, "ü"]


def test_long_texts_end_a_row_group(tmp_path, monkeypatch):
    monkeypatch.setattr(commit, "BYTES_PER_GROUP", 2000)
    texts = ["x" * size for size in (100, 100, 5000, 5000, 100, 100)]
    out = make_result(extra={"text": pa.array(texts, pa.large_string())}).write(tmp_path / "OUT")
    metadata = pq.read_metadata(out / "documents.parquet")
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [2, 1, 1, 2]
    assert open_run(out).documents["text"].to_pylist() == texts


def test_texts_that_lie_beyond_two_gibibytes_of_a_column(tmp_path):
    data = np.zeros(2**31 + 18, np.uint8)  # never touched, so it takes no memory
    data[2**31 :] = ord("x")
    offsets = np.arange(2**31, 2**31 + 19, 3)
    texts = pa.LargeStringArray.from_buffers(6, pa.py_buffer(offsets), pa.py_buffer(data))
    out = make_result(extra={"text": texts}).write(tmp_path / "OUT")
    assert open_run(out).documents["text"].to_pylist() == ["xxx"] * 6


def test_types_that_some_reader_does_not_take_are_a_bug(tmp_path):
    with pytest.raises(DedupError, match=r"'tags' is list.*please report"):
        make_result(extra={"tags": pa.array([["a"]] * 6)}).write(tmp_path / "OUT")
    result = make_result()
    with pytest.raises(DedupError, match="groups: got columns"):
        replace(result, groups=result.groups.drop_columns("n_sources")).write(tmp_path / "OUT")
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_documents(result, tmp_path):
    tables = {name: getattr(result, name).slice(0, 0) for name in ("documents", "groups", "clusters", "pairs")}
    inputs = [{**result.manifest["inputs"][0], "records": 0, "rejected": 0}]
    manifest = {**result.manifest, "inputs": inputs, "counts": dict.fromkeys(result.manifest["counts"], 0)}
    again = open_run(replace(result, **tables, rejects=[], manifest=manifest).write(tmp_path / "OUT"))
    assert (again.documents.num_rows, again.rejects) == (0, [])
    assert again.documents.schema.equals(schema.RUN_DOCUMENTS)


class TestReaders:
    """The programs that our users open a run with, and the types that they see."""

    @pytest.fixture
    def file(self, tmp_path):
        texts = pa.array(["some text"] * 6, pa.large_string())
        return str(make_result(extra={"text": texts}).write(tmp_path / "OUT") / "documents.parquet")

    def test_pyarrow(self, file):
        table = pq.read_table(file)
        assert table.schema.remove(len(schema.RUN_DOCUMENTS)).equals(schema.RUN_DOCUMENTS)
        assert table["published_at"][0].as_py() == DAY

    def test_duckdb(self, file):
        duckdb = pytest.importorskip("duckdb")
        found = duckdb.sql(f"from '{file}' where is_canonical order by row")
        types = dict(zip(found.columns, map(str, found.types), strict=True))
        assert found.select("doc_id").fetchall() == [("a0-0",), ("a1-0",), ("a2-0",)]
        expected = {"doc_id": "VARCHAR", "text": "VARCHAR", "row": "BIGINT", "story_size": "INTEGER"}
        expected |= {"is_canonical": "BOOLEAN", "jaccard": "DOUBLE", "published_at": "TIMESTAMP WITH TIME ZONE"}
        assert {name: types[name] for name in expected} == expected

    def test_pandas(self, file):
        pd = pytest.importorskip("pandas")
        frame = pd.read_parquet(file)
        assert frame[frame.is_canonical].doc_id.tolist() == ["a0-0", "a1-0", "a2-0"]
        expected = {"row": "int64", "story_size": "int32", "is_canonical": "bool", "jaccard": "float64"}
        assert {name: str(frame[name].dtype) for name in expected} == expected
        assert str(frame.published_at.dtype) == "datetime64[us, UTC]"

    def test_polars(self, file):
        pl = pytest.importorskip("polars")
        frame = pl.scan_parquet(file).filter(pl.col("is_canonical")).collect()
        assert frame["doc_id"].to_list() == ["a0-0", "a1-0", "a2-0"]
        expected = {"doc_id": pl.String, "text": pl.String, "row": pl.Int64, "story_size": pl.Int32}
        expected |= {"is_canonical": pl.Boolean, "jaccard": pl.Float64, "published_at": pl.Datetime("us", "UTC")}
        assert {name: frame.schema[name] for name in expected} == expected


def test_public_names():
    for name in dedup.__all__:
        if name in ("StoryClusterer", "cluster"):
            pytest.importorskip("dedup.estimator" if name == "StoryClusterer" else "dedup.pipeline")
        assert getattr(dedup, name) is not None
    errors = {name for name, value in vars(dedup.errors).items() if isinstance(value, type) and name != "annotations"}
    assert errors <= set(dedup.__all__)
    assert set(dedup.__all__) <= set(dir(dedup))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = dedup.nonsense
