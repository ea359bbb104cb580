"""Where input comes from: pipes, globs, lists, paths with columns; and how it is packed and encoded."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import random
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import command

from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.reading import arrays, encodings, files, html, listed, open_paths, packed, raw_records

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


def zstd(data):
    return pa.Codec("zstd").compress(data, asbytes=True)


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd}


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("shape", ["one", "members", "padded", "unnamed"])
def test_packed_files_are_told_by_content(tmp_path, ending, shape):
    pack = PACKERS[ending]
    data = pack(LINES[:50]) + pack(LINES[50:]) if shape == "members" else pack(LINES)
    path = tmp_path / ("in.dat" if shape == "unnamed" else f"in.jsonl.{ending}")
    path.write_bytes(data + (bytes(8) if shape == "padded" and ending != "zst" else b""))
    table, source = read(path)
    assert table["text"].to_pylist() == TEXTS
    assert source.files[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert raw_records(str(path), "jsonl", np.array([0, 2]))["id"].to_pylist() == ["a", "c"]


@pytest.mark.parametrize("ending", PACKERS)
def test_what_was_read_before_damage_is_kept(tmp_path, ending):
    choose = random.Random(1)
    lines = [json.dumps({"text": choose.randbytes(40).hex()}).encode() + b"\n" for _ in range(8_000)]
    data = PACKERS[ending](b"".join(lines))
    for cut in (data[:-200], data[: len(data) // 2], data[:-100] + b"junk" + data[-90:], data[:12]):
        path = tmp_path / f"in.jsonl.{ending}"
        path.write_bytes(cut)
        (tmp_path / "good.jsonl").write_text('{"text": "good"}')
        _, source = read([tmp_path / "good.jsonl", path])
        assert source.rejects[-1].code.startswith("corrupt_")
        assert "fetch the file again" in source.rejects[-1].message
        if len(cut) > len(data) - 300 and ending != "bz2":
            assert source.files[1].records > 5_000


def test_bombs_are_stopped_while_they_unpack(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "RATIO_FROM_BYTES", 1 << 20)
    for ending, pack in PACKERS.items():
        (tmp_path / f"bomb.jsonl.{ending}").write_bytes(pack(LINES + bytes(20 << 20)))
    (tmp_path / "good.jsonl").write_text('{"text": "good"}')
    table, source = read(tmp_path)
    assert table.num_rows == 3 * len(PACKERS) + 1
    assert [reject.code for reject in source.rejects] == ["packed_bomb"] * len(PACKERS)
    assert "wanted at most 200 times as many" in source.rejects[0].message
    assert source.rejects[0].line == 3


def test_parquet_inside_a_packed_file_and_from_a_pipe(tmp_path, monkeypatch):
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(RECORDS[:1]), out)
    (tmp_path / "in.parquet.gz").write_bytes(gzip.compress(out.getvalue()))
    assert texts(tmp_path) == TEXTS[:1]
    assert raw_records(str(tmp_path / "in.parquet.gz"), "parquet", np.array([0]))["id"].to_pylist() == ["a"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(out.getvalue())))
    assert texts("-", keep_cols=("id",), tmp_dir=str(tmp_path)) == TEXTS[:1]


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


ARRAYS = [
    json.dumps(RECORDS),
    json.dumps(RECORDS, indent=2),
    "\n".join(json.dumps(record, indent=1) for record in RECORDS),
    " \n [ " + " ,\n\n ".join(map(json.dumps, RECORDS)) + " ] \n",
    json.dumps(RECORDS[:1]) + json.dumps(RECORDS[1:]),
]


@pytest.mark.parametrize("text", ARRAYS)
@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_json_is_cut_into_records_wherever_chunks_end(text, step):
    data = text.encode()
    items = list(arrays.records((data[at : at + step] for at in range(0, len(data), step)), "f"))
    assert [item.value for item in items] == RECORDS
    for row, item in enumerate(items):
        assert item.source_row == row
        assert data[item.byte_offset : item.byte_offset + 1] == b"{"
        assert item.line == data[: item.byte_offset].count(b"\n") + 1


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b'[1, "x", null, {"text": "a"}]', [1, "x", None, {"text": "a"}]),
        (b'[{"text": "a"}, {"text": NaN}, {"text": "b"}]', [{"text": "a"}, "bad_json", {"text": "b"}]),
        (b'[{"text": "a"}, {"text": "b"', [{"text": "a"}, "bad_json"]),
        (b'[{"text": "a"},', [{"text": "a"}, "bad_json"]),
        (b'[{"text": "a"}', [{"text": "a"}, "bad_json"]),
        (b'{"text": "a"} }\n{"text": "b"}', [{"text": "a"}, "bad_json", {"text": "b"}]),
        (b"[1, " + b"[" * 5000 + b"]" * 5000 + b", 2]", [1, "bad_json", 2]),
        (b"[" * 100_000, ["bad_json"]),
        (b"[]", []),
        (b"17 true", [17, True]),
    ],
)  # fmt: skip
def test_bad_elements_are_refused_one_by_one(data, wanted):
    for step in (1, 5, len(data)):
        items = arrays.records((data[at : at + step] for at in range(0, len(data), step)), "f")
        assert [item.value if hasattr(item, "value") else item.code for item in items] == wanted


def test_records_over_the_limit_are_never_held(monkeypatch):
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 100)
    data = json.dumps([{"text": "a"}, {"text": "b" * 5000}, {"text": "c"}]).encode()
    items = list(arrays.records((data[at : at + 40] for at in range(0, len(data), 40)), "f"))
    assert [getattr(item, "code", "fine") for item in items] == ["fine", "record_too_long", "fine"]


SAMPLES = {
    "utf-16": "Water rose at the harbour wall.",
    "utf-32": "Water rose.",
    "cp1251": "Вода в реке поднялась за ночь на два метра, сообщили власти города.",
    "shift_jis": "川の水位は一晩で二メートル上昇したと市当局は発表した。",
    "euc-kr": "강물이 밤사이 2미터 올랐다고 시 당국이 밝혔다.",
    "cp1252": "Café – „schlimm“",
}


@pytest.mark.parametrize("encoding", SAMPLES)
def test_encodings_of_text_files(tmp_path, encoding):
    text = SAMPLES[encoding]
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    (tmp_path / "b.csv").write_bytes(f'id,text\nx,plain\ny,"{text}"\n'.encode(encoding))
    table, source = read(tmp_path)
    assert table["text"].to_pylist() == [text, "plain", text]
    wide = encoding.startswith("utf")
    assert source.counts["encoding_replaced"] == (2 if encoding == "cp1252" else 0)
    assert source.counts["encoding_detected"] == (0 if wide or encoding == "cp1252" else 2)


def test_wide_json_and_marks(tmp_path):
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-16", "utf-8-sig"):
        path = tmp_path / f"{encoding}.jsonl"
        path.write_bytes(LINES.decode().encode(encoding))
        assert texts(path) == TEXTS
    assert b"".join(encodings.utf8([b"\xef", b"\xbb\xbf", b"a"])) == b"a"
    assert "\ufffd" in b"".join(encodings.utf8(["ab".encode("utf-16") + b"\x00"])).decode()


PAGE = """<!doctype html><html lang="de"><head><title>Brücke offen | Die Küste</title>
<meta property="og:title" content="Brücke offen"><meta property="og:site_name" content="Die Küste">
<script type="application/ld+json">{"@type": "NewsArticle", "datePublished": "2026-03-01T10:00:00+01:00"}</script>
<link rel="canonical" href="https://www.kueste.example/a"></head>
<body><nav><a href="/">Start</a> <a href="/b">Sport</a></nav><article><h1>Brücke offen</h1>%s</article>
<script>alert("x")</script></body></html>"""


def test_pages_give_their_text_and_what_they_say_of_themselves(tmp_path):
    page = PAGE % "".join(f"<p>Die Brücke bei Kilometer {n} ist nach einem Winter wieder offen.</p>" for n in range(9))
    (tmp_path / "a.html").write_text(page)
    latin = page.replace("<head>", '<head><meta charset="iso-8859-1">').encode("iso-8859-1")
    (tmp_path / "b.htm").write_bytes(latin)
    (tmp_path / "c.md").write_text("# Brücke\n\n<html> kommt vor")
    table, source = read(tmp_path)
    for row in table.slice(0, 2).to_pylist():
        assert "Kilometer 8 ist" in row["text"] and "alert" not in row["text"] and "Sport" not in row["text"]
        assert (row["title"], row["source"], row["lang"]) == ("Brücke offen", "Die Küste", "de")
        assert str(row["published_at"]) == "2026-03-01 09:00:00+00:00"
        assert row["url"] == "https://www.kueste.example/a"
    assert table["text"][2].as_py() == "# Brücke\n\n<html> kommt vor"
    assert source.counts["encoding_detected"] == 1
    assert raw_records(source.files[0].path, "html", np.array([0]))["title"].to_pylist() == ["Brücke offen"]


@pytest.mark.parametrize(
    "page", ["<div>" * 100_000 + "words", "<p " + " ".join(f"a{n}=1" for n in range(50_000)) + ">words"]
)
def test_pages_that_would_take_minutes_are_refused(tmp_path, page):
    assert html.too_hard(page)
    (tmp_path / "a.html").write_text(page)
    _, source = read(tmp_path)
    assert [reject.code for reject in source.rejects] == ["bad_html"]


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
