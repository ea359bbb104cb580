"""Where input comes from: pipes, globs, lists, paths with columns."""

import gzip
import hashlib
import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import command

from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.reading import listed, open_paths, raw_records

RECORDS = [
    {"id": "a", "title": 'A "quoted" [title]', "text": "One {brace} and a \\ backslash\nend"},
    {"id": "b", "title": "Zwei", "text": "東京 naïve ☃", "tags": [1, {"deep": ["x", "]"]}]},
    {"id": "c", "title": None, "text": ""},
]
LINES = b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in RECORDS)
TEXTS = [record["text"] for record in RECORDS]


def read(paths, tmp_dir=None, **given):
    source = open_paths(paths if isinstance(paths, list) else [paths], ReadingParams(**given), tmp_dir)
    table = pa.Table.from_batches(source.batches(), source.schema)
    assert source.n_records == table.num_rows + len(source.rejects)
    return table, source


def texts(paths, **given):
    return read(paths, **given)[0]["text"].to_pylist()


def csv(encoding="utf-8"):
    return "id,text\na,Größe\n".encode(encoding)


@pytest.mark.parametrize(
    ("data", "wanted", "format"),
    [
        (LINES, TEXTS, "jsonl"),
        (json.dumps(RECORDS).encode(), TEXTS, "json"),
        (gzip.compress(LINES), TEXTS, "jsonl"),
        (csv(), ["Größe"], "csv"),
        (csv().replace(b",", b"\t"), ["Größe"], "tsv"),
        (b"<!DOCTYPE html><title>T</title><p>Words of a page</p>", ["Words of a page"], "html"),
    ],
)
def test_standard_input_is_told_by_content(monkeypatch, data, wanted, format):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    table, source = read("-")
    assert table["text"].to_pylist() == wanted
    (file,) = source.files
    assert (file.path, file.source_file, file.format) == ("", "stdin", format)
    assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_a_pipe_is_read_no_further_than_needed(monkeypatch):
    class Endless(io.RawIOBase):
        taken = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            line = b'{"text": "again"}\n'
            size = len(buffer) // len(line) * len(line)
            buffer[:size] = line * (size // len(line))
            self.taken += size
            return size

    endless = Endless()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(endless)))
    assert len(texts("-", limit=100)) == 100
    assert endless.taken < 10 << 20


def test_globs_find_what_a_shell_finds(tmp_path):
    for name in ("a/x.jsonl", "a/y.txt", "a/b/z.jsonl", ".hidden/h.jsonl", "c[1].jsonl", "c1.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps({"text": name}))
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "nowhere.jsonl").symlink_to(tmp_path / "gone")
    assert texts(str(tmp_path / "**" / "*.jsonl")) == ["a/b/z.jsonl", "a/x.jsonl", "c1.jsonl", "c[1].jsonl"]
    table, _ = read(str(tmp_path / "*" / "*.jsonl"))
    assert table["source_file"].to_pylist() == ["a/x.jsonl"]
    assert texts(str(tmp_path / "c[1].jsonl")) == ["c[1].jsonl"]  # a name that is there goes before its glob
    assert len(texts(str(tmp_path / "?"))) == 3  # the folder a, in which .txt is a document
    with pytest.raises(InputError, match=r"nothing matches; wanted files or folders; check the pattern"):
        texts(str(tmp_path / "*.nothing"))


@pytest.mark.parametrize("separator", [b"\n", b"\r\n", b"\0"])
def test_files_from_a_list(tmp_path, monkeypatch, separator):
    names = [os.fsencode(tmp_path / name) for name in ("b.jsonl", "a b.jsonl", os.fsdecode(b"\xff.jsonl"))]
    for name in names:
        Path(os.fsdecode(name)).write_text('{"text": "one"}')
    content = separator.join(names) + separator
    (tmp_path / "list").write_bytes(content)
    assert [os.fsencode(name) for name in listed(str(tmp_path / "list"))] == names
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    table, _ = read(listed("-"))
    assert table["source_file"].to_pylist() == ["a b.jsonl", "b.jsonl", "\\xff.jsonl"]
    (tmp_path / "list").write_bytes(b"\n\n")
    with pytest.raises(InputError, match="got no path, wanted one a line"):
        listed(str(tmp_path / "list"))
    with pytest.raises(InputError, match="No such file"):
        listed(str(tmp_path / "gone"))


def test_columns_that_stand_in_the_path(tmp_path):
    for day in ("2026-11-01", "__HIVE_DEFAULT_PARTITION__"):
        folder = tmp_path / "x=9" / "plain" / "source=The%20Coast" / f"date={day}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"text": [f"in parquet {day}"]}), folder / "a.parquet")
        (folder / "b.jsonl").write_text('{"text": "in lines"}\n{"text": "own", "source": "Own"}\n')
        (folder / "c.txt").write_text("in a text")
    table, source = read(tmp_path, keep_cols=("date", "source"))
    rows = table.to_pylist()
    assert [row["source"] for row in rows] == ["The Coast", "The Coast", "Own", "The Coast"] * 2
    assert [str(row["published_at"])[:10] for row in rows] == ["2026-11-01"] * 4 + ["None"] * 4
    assert [row["date"] for row in rows] == ["2026-11-01"] * 4 + [None] * 4
    assert "x" not in source.files[0].columns  # not in an unbroken row of folders
    assert len(texts(tmp_path, date_col="date", source_col="source")) == 8
    got = raw_records(source.files[0].path, "parquet", np.array([0])).to_pylist()
    assert got == [{"text": "in parquet 2026-11-01", "source": "The Coast", "date": "2026-11-01"}]


def test_a_file_that_changes_while_it_is_read_is_on_record(tmp_path):
    for name in ("a.jsonl", "b.txt", "c.csv"):
        (tmp_path / name).write_text('{"text": "one"}\n' if name == "a.jsonl" else "text\none\n")
    pq.write_table(pa.table({"text": ["one"]}), tmp_path / "d.parquet")
    source = open_paths([tmp_path], ReadingParams(batch_rows=1))
    for batch in source.batches():
        path = tmp_path / batch["source_file"][0].as_py()
        if path.suffix != ".txt":  # read before its batch is
            path.write_bytes(path.read_bytes() + b"\n")
    assert [(reject.source_file, reject.code, reject.source_row) for reject in source.rejects] == [
        ("a.jsonl", "file_changed", 1), ("c.csv", "file_changed", 1), ("d.parquet", "file_changed", 1)]  # fmt: skip
    assert source.n_records == 7


def test_odd_names_are_printable_and_distinct(tmp_path):
    for name in (b"new\nline.jsonl", b"new\\nline.jsonl", b"\xff.jsonl", b"tab\t.jsonl"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text('{"text": "one"}')
    names = read(tmp_path)[0]["source_file"].to_pylist()
    assert sorted(names) == ["\\xff.jsonl", "new\\nline.jsonl", "new\\nline.jsonl~", "tab\\t.jsonl"]


@pytest.mark.parametrize("rows", [0, 1])
def test_too_many_columns_are_refused_quickly(tmp_path, rows):
    names = ["text", *(f"c{n}" for n in range(100_000))]
    (tmp_path / "a.csv").write_text("\n".join([",".join(names)] + [",".join("x" for _ in names)] * rows))
    names = names[:10_001]  # writing more takes long
    pq.write_table(pa.table({name: ["x"] * rows for name in names}), tmp_path / "b.parquet")
    (tmp_path / "c.jsonl").write_text('{"text": "good"}')
    table, source = read(tmp_path)
    assert table["text"].to_pylist() == ["good"]
    assert [reject.code for reject in source.rejects] == ["too_many_columns"] * 2


def test_the_command_reads_pipes_lists_and_globs(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(LINES)
    out = tmp_path / "OUT"
    quiet = ("-q", "--json", "--level", "exact", "-o", out, "--if-exists", "overwrite")
    for words, given in (
        (["-"], LINES.decode()),
        (["--files-from", "-"], str(tmp_path / "a.jsonl")),
        ([str(tmp_path / "*.jsonl")], None),
    ):
        said = command("cluster", *words, *quiet, input=given)
        assert said.returncode == 0, said.stderr
        assert json.loads((out / "manifest.json").read_bytes())["counts"]["documents"] == 3
    said = command("cluster", *quiet)
    assert said.returncode == 2 and "no INPUT" in said.stderr
