"""`dedup filter`: the input files again, without the copies."""

import csv
import json
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import describe, load, make_result, run

from dedup import errors
from dedup.filtering import filter_run


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_filter(small_run, tmp_path, ending):
    kept, dropped = tmp_path / f"kept.{ending}", tmp_path / f"dropped.{ending}"
    said = run("filter", small_run, "-o", kept, "--dropped", dropped, "--level", "duplicate")
    assert said.exit_code == 0, said.stderr
    assert "4" in said.stdout and "2" in said.stdout
    assert [row["id"] for row in load(kept)] == ["x0", "x2", "x3", "x5"]
    assert load(dropped) == [{"id": f"x{row}", "n": row, "text": f"text {row}"} for row in (1, 4)]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(
        ["in.jsonl", "OUT", f"kept.{ending}", f"dropped.{ending}"]
    )


def test_filter_as_json(small_run, tmp_path):
    said = run("filter", small_run, "-o", tmp_path / "kept.csv", "--json")
    assert json.loads(said.stdout) == {
        "out": str(tmp_path / "kept.csv"),
        "dropped_out": None,
        "level": "story",
        "kept": 3,
        "dropped": 3,
    }


def test_filter_refuses(small_run, tmp_path):
    source = tmp_path / "in.jsonl"
    kept = tmp_path / "kept.csv"
    kept.write_text("mine")
    for args, code, says in (
        (["-o", kept], 5, "is there already; replace it with --if-exists overwrite"),
        (["-o", source, "--if-exists", "overwrite"], 5, "is an input of the run"),
        (["-o", small_run / "documents.parquet", "--if-exists", "overwrite"], 5, "lies in the folder of the run"),
        (["-o", tmp_path / "kept.xlsx"], 2, "wanted .parquet, .jsonl, .csv"),
        (["-o", tmp_path / "a.csv", "--dropped", tmp_path / "a.csv"], 2, "name two files"),
        (["-o", tmp_path / "no" / "a.csv"], 4, "no folder"),
    ):
        said = run("filter", small_run, *args)
        assert said.exit_code == code and says in said.stderr
    assert kept.read_text() == "mine"
    assert run("filter", small_run, "-o", kept, "--if-exists", "overwrite").exit_code == 0


def test_filter_wants_the_inputs_as_they_were(small_run, tmp_path):
    source = tmp_path / "in.jsonl"
    content = source.read_bytes()
    for changed, says in (
        (content + b"\n", "wanted 222 bytes" if len(content) == 222 else "bytes as in the run"),
        (content.replace(b"text 1", b"text 9"), "has changed since the run"),
    ):
        source.write_bytes(changed)
        said = run("filter", small_run, "-o", tmp_path / "kept.csv")
        assert said.exit_code == 4 and says in said.stderr and "cluster again" in said.stderr
    source.unlink()
    assert "is not there" in run("filter", small_run, "-o", tmp_path / "kept.csv").stderr
    assert not (tmp_path / "kept.csv").exists()


def test_filter_of_data_in_memory(tmp_path):
    make_result(path="").write(tmp_path / "OUT")
    said = run("filter", tmp_path / "OUT", "-o", tmp_path / "kept.csv")
    assert said.exit_code == 4 and "Result.kept()" in said.stderr


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_filter_joins_inputs_whose_types_differ(tmp_path, ending):
    first, second = tmp_path / "1.jsonl", tmp_path / "2.parquet"
    first.write_text('{"id": 1, "tags": ["a"], "n": 1}\n{"id": 2, "tags": null, "n": 2}\n{"id": 3}\n')
    table = pa.table({"id": ["4", "5", "6"], "n": [0.5, None, 1.5], "raw": [b"\xff", b"x", None]})
    pq.write_table(table, second)
    result = make_result(str(first))
    documents = result.documents.to_pydict()
    documents["source_file"] = ["1.jsonl"] * 3 + ["2.parquet"] * 3
    documents["source_row"] = [0, 1, 2, 0, 1, 2]
    documents["is_canonical"] = [True] * 5 + [False]
    documents = pa.Table.from_pydict(documents, result.documents.schema).take([5, 3, 4, 1, 0, 2])
    result.manifest["inputs"] = [
        {"path": str(path), "source_file": path.name, "format": path.suffix[1:], "columns": {}}
        for path in (first, second)
    ]
    describe(result, first, 0)
    describe(result, second, 1)
    result = type(result)(documents, result.groups, result.clusters, result.pairs, [], result.manifest)
    out = tmp_path / f"kept.{ending}"
    assert filter_run(result, out) == {"kept": 5, "dropped": 1}
    rows = load(out)
    assert [str(row["id"]) for row in rows] == ["1", "2", "3", "4", "5"]
    assert set(rows[0]) == {"id", "tags", "n", "raw"}
    assert [row["n"] for row in rows] == [1, 2, None, 0.5, None]
    assert rows[0]["tags"] in (["a"], '["a"]')


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_filter_writes_every_type_as_text(tmp_path, ending):
    from dedup.filtering import _write

    table = pa.table(
        {
            "nothing": pa.nulls(2),
            "day": pa.array([date(2025, 3, 1)] * 2),
            "money": pa.array([Decimal("1.50")] * 2),
            "bytes": pa.array([b"x", b"\xff"]),
            "pairs": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
            "object": pa.array([{"a": [1]}, None]),
            "quoted": ['a"b,\nc', "=1+1"],
            "view": pa.array(["x", "y"], pa.string_view()),
            "word": pa.array(["x", "y"]).dictionary_encode(),
        }
    )
    _write(table, tmp_path / "file", f".{ending}")
    (tmp_path / "file").rename(tmp_path / f"file.{ending}")
    first, second = load(tmp_path / f"file.{ending}")
    assert (first["quoted"], second["quoted"]) == ('a"b,\nc', "'=1+1" if ending == "csv" else "=1+1")
    assert (float(first["money"]), first["word"], first["view"]) == (1.5, "x", "x")
    assert (str(first["day"]), second["bytes"]) == ("2025-03-01", "\\xff")
    assert first["object"] in ({"a": [1]}, '{"a":[1]}')


def test_filter_of_columns_with_one_name(tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table([list("abcdef"), list("uvwxyz")], names=["text", "text"]), path)
    result = make_result(str(path))
    result.manifest["inputs"][0]["format"] = "parquet"
    describe(result, path)
    with pytest.raises(errors.InputError, match="two columns 'text'"):
        filter_run(result, tmp_path / "kept.jsonl")


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1+1", "－1+1", "＠x"]
HARMLESS = ["", "a=b", "'=1", " =1", "-5", "+1.5", "-1,250.75", "-1e-9", "日本", "a\n=1"]


def test_filter_defuses_formulas_in_csv_alone(tmp_path):
    from dedup.filtering import _write

    words = [*FORMULAS, *HARMLESS]
    table = pa.table({"=name": pa.array(words, pa.string()), "large": pa.array(words, pa.large_string())})
    table = table.append_column("tags", pa.array([[word] for word in words]))
    table = pa.concat_tables([table, pa.table({"=name": pa.nulls(1, pa.string())})], promote_options="default")
    for ending in (".csv", ".jsonl", ".parquet"):
        _write(table, tmp_path / f"file{ending}", ending)
    with (tmp_path / "file.csv").open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head == ["'=name", "large", "tags"]
    wanted = [*(f"'{word}" for word in FORMULAS), *HARMLESS, ""]
    assert [row[0] for row in rows] == wanted == [row[1] for row in rows]
    assert load(tmp_path / "file.jsonl") == load(tmp_path / "file.parquet") == table.to_pylist()
