"""The same records give the same documents in every format."""

import gzip
import hashlib
import json

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.reading import open_frame, open_paths, open_source, raw_records
from dedup.schema import DOCUMENTS

RECORDS = [
    {
        "id": "a",
        "headline": "Flood in the valley",
        "body": "Water rose.\nIt fell again.",
        "date": "2024-03-01T08:30:00Z",
    },
    {"id": "b", "headline": None, "body": 'He said: "naïve, 東京".', "date": None},
    {"id": None, "headline": "  ", "body": None, "date": "nonsense"},
    {"id": "a", "headline": "Twice", "body": "x" * 30, "date": "1700000000"},
]
FORMATS = ("jsonl", "jsonl.gz", "csv", "csv.gz", "tsv", "semicolon", "parquet", "list", "arrow", "pandas", "polars")


def write(folder, form):
    table = pa.Table.from_pylist(RECORDS)
    lines = b"".join(json.dumps(record).encode() + b"\n" for record in RECORDS)
    path = folder / f"in.{form}"
    if form.startswith("jsonl"):
        path.write_bytes(
            gzip.compress(lines) if form.endswith("gz") else b"\xef\xbb\xbf" + lines.replace(b"\n", b"\r\n\n")
        )
    elif form.startswith(("csv", "tsv", "semicolon")):
        path = folder / "in.csv" if form == "semicolon" else path
        delimiter = {"tsv": "\t", "semicolon": ";"}.get(form, ",")
        pacsv.write_csv(table, path, pacsv.WriteOptions(delimiter=delimiter))
        if form == "csv.gz":
            path.write_bytes(gzip.compress(path.read_bytes()))
    elif form == "parquet":
        pq.write_table(table, path, row_group_size=3)
    else:
        return {"list": RECORDS, "arrow": table, "pandas": table.to_pandas(), "polars": pl.from_arrow(table)}[form]
    return path


def read(source, **settings):
    opened = open_source(source, ReadingParams(**settings))
    batches = list(opened.batches())
    return pa.Table.from_batches(batches, opened.schema), opened


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_same_documents(tmp_path, form):
    table, source = read(write(tmp_path, form))
    assert table.schema.names == DOCUMENTS.names
    rows = table.to_pylist()
    name = rows[0]["source_file"]
    assert name == ("memory" if form in FORMATS[-4:] else next(tmp_path.iterdir()).name)
    assert [row["row"] for row in rows] == [row["source_row"] for row in rows] == [0, 1, 2, 3]
    assert [row["doc_id"] for row in rows] == ["a", "b", f"{name}#2", "a~2"]
    assert [row["title"] for row in rows] == ["Flood in the valley", None, None, "Twice"]
    assert [row["text"] for row in rows] == ["Water rose.\nIt fell again.", 'He said: "naïve, 東京".', "", "x" * 30]
    assert [row["text_chars"] for row in rows] == [len(row["text"]) for row in rows]
    assert [row["text_sha256"] for row in rows] == [hashlib.sha256(row["text"].encode()).hexdigest() for row in rows]
    assert [str(row["published_at"]) for row in rows] == [
        "2024-03-01 08:30:00+00:00", "None", "None", "2023-11-14 22:13:20+00:00"]  # fmt: skip
    assert [row["date_suspect"] for row in rows] == [False, False, True, False]
    assert not any(row["text_truncated"] for row in rows)
    assert source.counts == {
        **dict.fromkeys(source.counts, 0),
        "duplicate_ids": 1,
        "missing_ids": 1,
        "unreadable_dates": 1,
    }
    (file,) = source.files
    assert (file.records, file.rejected, source.n_records, source.rejects) == (4, 0, 4, [])
    assert file.columns == {"text": "body", "title": "headline", "id": "id", "date": "date"}
    if name != "memory":
        path = next(tmp_path.iterdir())
        assert (file.path, file.bytes) == (str(path), path.stat().st_size)
        assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_text_files_are_one_document_each(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfFirst\r\ntext")
    (tmp_path / "b.txt").write_bytes("Café".encode("cp1252"))
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "sub" / "c.txt").write_text("{not json")
    table, source = read(tmp_path)
    assert table.select(["doc_id", "source_file", "text", "title"]).to_pylist() == [
        {"doc_id": "a.txt", "source_file": "a.txt", "text": "First\r\ntext", "title": None},
        {"doc_id": "b.txt", "source_file": "b.txt", "text": "Café", "title": None},
        {"doc_id": "sub/c.txt", "source_file": "sub/c.txt", "text": "{not json", "title": None},
    ]
    assert source.counts["encoding_replaced"] == 1
    assert [file.records for file in source.files] == [1, 1, 0, 1]


def test_content_goes_before_the_ending(tmp_path):
    (tmp_path / "a.txt").write_text('{"text": "lines"}\n')
    pq.write_table(pa.table({"text": ["columns"]}), tmp_path / "b.csv")
    (tmp_path / "c.dat").write_text('{"text": "named"}')
    table, source = read([tmp_path / name for name in ("a.txt", "b.csv", "c.dat")])
    assert table["text"].to_pylist() == ["lines", "columns", "named"]
    assert [file.format for file in source.files] == ["jsonl", "parquet", "jsonl"]


def test_csv_with_newlines_nul_and_other_encodings(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'id,text\n1,"two\nlines"\n\n2,nul\x00here\n3,caf\xe9\n4,"' + b"y" * 200_000 + b'"')
    table, source = read(path)
    assert table["text"].to_pylist() == ["two\nlines", "nul here", "café", "y" * 200_000]
    assert table["text_sha256"][1].as_py() == hashlib.sha256(b"nul\0here").hexdigest()
    assert source.counts["encoding_replaced"] == 1


def test_lone_surrogates_are_replaced_and_counted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a\\ud800b", "title": "\\ud83d\\ude00"}\n{"text": "\\udfff"}\n')
    table, source = read(path)
    assert table["text"].to_pylist() == ["a\ufffdb", "\ufffd"]
    assert table["title"][0].as_py() == "😀"
    assert source.counts["surrogates_replaced"] == 2
    assert read([{"text": "x\udc00"}])[0]["text"].to_pylist() == ["x\ufffd"]


def test_numbers_become_text_and_long_texts_are_cut(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": 12, "title": 1.5}\n{"text": true}\n{"text": "äöü日本"}\n')
    table, source = read(path, max_doc_chars=4)
    assert table["text"].to_pylist() == ["12", "true", "äöü日"]
    assert table["title"].to_pylist() == ["1.5", None, None]
    assert table["text_chars"].to_pylist() == [2, 4, 5]
    assert table["text_truncated"].to_pylist() == [False, False, True]
    assert table["text_sha256"][2].as_py() == hashlib.sha256("äöü日本".encode()).hexdigest()
    assert source.counts["truncated_texts"] == 1


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["one", None]).dictionary_encode(),
        pa.array(["one", None], pa.large_string()),
        pa.array(["one", None], pa.string_view()),
        pa.array([b"one", None], pa.binary()),
    ],
)
def test_any_arrow_string_type_is_text(tmp_path, column):
    assert read(pa.table({"text": column}))[0]["text"].to_pylist() == ["one", ""]
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    assert read(tmp_path)[0]["text"].to_pylist() == ["one", ""]


def test_arrow_numbers_and_odd_columns_are_spelled_as_in_json():
    assert read(pa.table({"text": [1.0, 2.5]}))[0]["text"].to_pylist() == ["1.0", "2.5"]
    assert read([{"text": 1.0}, {"text": 2.5}])[0]["text"].to_pylist() == ["1.0", "2.5"]
    table, _ = read(pa.table({"title": ["t"], "source": [{"name": "wire"}], "id": [7], "text": pa.nulls(1)}))
    assert table["source"].to_pylist() == ['{"name":"wire"}']
    assert (table["doc_id"].to_pylist(), table["text"].to_pylist()) == (["7"], [""])


def test_batches_are_bounded_and_do_not_change_the_result(tmp_path):
    records = [{"id": str(n), "text": "word " * (n % 50)} for n in range(300)]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    frame = pa.Table.from_pylist(records)
    pq.write_table(frame, tmp_path / "b.parquet")
    whole = read(path)[0]
    for source in (path, frame, tmp_path / "b.parquet", records):
        opened = open_source(source, ReadingParams(batch_rows=64, batch_chars=2000))
        batches = list(opened.batches())
        assert max(batch.num_rows for batch in batches) <= 64
        assert max(pc.sum(batch["text_chars"]).as_py() for batch in batches) < 2000 + 250
        table = pa.Table.from_batches(batches)
        assert table.drop_columns(["source_file"]).equals(whole.drop_columns(["source_file"]))


def test_frames_of_other_kinds():
    assert read(pa.RecordBatch.from_pylist([{"text": "a"}]))[0]["text"].to_pylist() == ["a"]
    opened = open_frame(["first text", "second"], ReadingParams())
    assert pa.Table.from_batches(opened.batches())["text"].to_pylist() == ["first text", "second"]
    table, _ = read([{"text": "a", "date": float("nan")}, {"text": float("nan"), "date": np.float64(1.7e9)}])
    assert table["text"].to_pylist() == ["a", ""]
    assert table["date_suspect"].to_pylist() == [False, False]
    assert read([])[0].num_rows == 0
    with pytest.raises(InputError, match="memory: got int; wanted paths"):
        open_source(3, ReadingParams())
    with pytest.raises(InputError, match="lazy frame must be collected"):
        open_source(pl.LazyFrame({"text": ["a"]}), ReadingParams())
    with pytest.raises(InputError, match="cannot become Arrow"):
        open_source(pl.Series(["a"]).to_frame("text").to_pandas()["text"].astype(object), ReadingParams())


def test_duckdb_relation():
    duckdb = pytest.importorskip("duckdb")
    relation = duckdb.sql("select 'a' as text, date '2024-01-02' as date, 5 as id")
    row = read(relation)[0].to_pylist()[0]
    assert (row["text"], row["doc_id"], str(row["published_at"])) == ("a", "5", "2024-01-02 00:00:00+00:00")


def test_limit_takes_the_first_records_of_the_sorted_input(tmp_path):
    for name in "ba":
        (tmp_path / f"{name}.jsonl").write_text('{"text": "1"}\n[]\n{"text": "2"}\n[]\n')
    table, source = read(tmp_path, limit=3, max_rejects=None)
    assert table["source_file"].to_pylist() == ["a.jsonl", "a.jsonl", "b.jsonl"]
    assert [(file.records, file.rejected) for file in source.files] == [(2, 2), (1, 0)]
    assert source.n_records == table.num_rows + len(source.rejects)
    assert source.files[1].sha256 == hashlib.sha256((tmp_path / "b.jsonl").read_bytes()).hexdigest()
    frame = pa.table({"text": [str(n) for n in range(10)]})
    pq.write_table(frame, tmp_path / "z.parquet")
    for what in (frame, tmp_path / "z.parquet", frame.to_pylist()):
        assert read(what, limit=3)[0]["text"].to_pylist() == ["0", "1", "2"]
        assert read(what, limit=0)[0].num_rows == 0


def test_batches_can_be_used_once():
    source = open_frame([{"text": "a"}], ReadingParams())
    list(source.batches())
    with pytest.raises(ValueError, match="called twice"):
        list(source.batches())


def test_raw_records_return_the_input(tmp_path):
    path = write(tmp_path, "jsonl")
    rows = np.array([0, 2, 3])
    wanted = [RECORDS[row] for row in rows]
    assert raw_records(str(path), "jsonl", rows).to_pylist() == wanted
    assert raw_records(str(write(tmp_path, "jsonl.gz")), "jsonl", rows).to_pylist() == wanted
    parquet = raw_records(str(write(tmp_path, "parquet")), "parquet", rows)
    assert parquet.equals(pa.Table.from_pylist(RECORDS).take(pa.array(rows)))
    strings = [{key: value or "" for key, value in record.items()} for record in wanted]
    assert raw_records(str(write(tmp_path, "csv")), "csv", rows).to_pylist() == strings
    (tmp_path / "t.txt").write_text("words")
    assert raw_records(str(tmp_path / "t.txt"), "txt", np.array([0])).to_pylist() == [{"id": "t.txt", "text": "words"}]
    none = np.array([], np.int64)
    assert raw_records(str(tmp_path / "in.parquet"), "parquet", none).num_rows == 0
    assert raw_records(str(path), "jsonl", none).num_rows == 0
    with pytest.raises(InputError, match="the file has changed"):
        raw_records(str(path), "jsonl", np.array([9]))
    with pytest.raises(InputError, match="No such file"):
        raw_records(str(tmp_path / "gone"), "csv", rows)


def test_raw_json_columns_of_mixed_type_are_text(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "n": 1, "m": 1, "o": {}}\nbroken\n{"text": "b", "n": 2, "m": "x", "tags": ["k"]}\n')
    table = raw_records(str(path), "jsonl", np.array([0, 2]))
    assert table.to_pylist() == [
        {"text": "a", "n": 1, "m": "1", "o": "{}", "tags": None},
        {"text": "b", "n": 2, "m": "x", "o": None, "tags": ["k"]},
    ]
    assert open_paths([path], ReadingParams()).schema == DOCUMENTS
