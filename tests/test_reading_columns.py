"""Which column plays which role, which are kept, and which files are read."""

import json
import os
import socket

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.reading import open_paths, open_source
from dedup.reading.columns import choose
from dedup.schema import TIMESTAMP


def read(source, **given):
    opened = open_source(source, ReadingParams(**given))
    return pa.Table.from_batches(opened.batches(), opened.schema)


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["body", "text"], {"text": "text"}),
        (["headline", "url", "Date"], {"title": "headline", "id": "url", "url": "url", "date": "Date"}),
        (["TEXT", "articlebody"], {"text": "TEXT"}),
        (["articlebody", "LANG", "Publisher"], {"text": "articlebody", "lang": "LANG", "source": "Publisher"}),
        (["content", "_id", "link", "pubDate", "site", "language"], {
            "text": "content", "id": "_id", "url": "link", "date": "pubDate", "source": "site", "lang": "language"}),
    ],
)  # fmt: skip
def test_the_table_of_names(names, wanted):
    assert choose(names, ReadingParams(), "f") == wanted


def test_flags_win(tmp_path):
    record = {"text": "t", "other": "o", "key": "k", "when": "2024-01-01", "who": "w", "where": "u", "tongue": "fr"}
    flags = {"text_col": "other", "id_col": "key", "date_col": "when", "source_col": "who", "url_col": "where"}
    row = read([record], **flags, lang_col="tongue", title_col="text").to_pylist()[0]
    assert [row[name] for name in ("text", "doc_id", "source", "url", "lang", "title")] == [
        "o",
        "k",
        "w",
        "u",
        "fr",
        "t",
    ]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "list", "frame"])
def test_missing_columns_are_named(tmp_path, form):
    table = pa.table({"id": ["1"], "story": ["x"]})
    path = tmp_path / f"a.{form}"
    if form == "jsonl":
        path.write_text('{"id": "1", "story": "x"}')
    elif form == "csv":
        path.write_text("id,story\n1,x\n")
    elif form == "parquet":
        pq.write_table(table, path)
    source = {"list": table.to_pylist(), "frame": table}.get(form, path)
    place = "memory" if form in ("list", "frame") else path.name
    with pytest.raises(InputError) as raised:
        read(source)
    assert str(raised.value) == f"{place}: no column 'text'; found 'id', 'story'; name it with --text-col"
    with pytest.raises(InputError, match=f"{place}: no column 'Story'; found 'id', 'story'; .*--title-col"):
        read(source, title_col="Story")
    assert read(source, text_col="story")["text"].to_pylist() == ["x"]


def test_columns_are_chosen_per_file(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"body": "one"}')
    (tmp_path / "b.csv").write_text("content,id,id\ntwo,k,l\n")
    table = read(tmp_path)
    assert (table["text"].to_pylist(), table["doc_id"].to_pylist()) == (["one", "two"], ["a.jsonl#0", "k"])


def test_keys_that_come_late_are_seen(tmp_path):
    records = [{"title": "t"}] * 500 + [{"title": "t", "text": "late"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, records)))
    assert read(tmp_path, batch_rows=10)["text"][500].as_py() == "late"


def test_ids_are_unique_whatever_is_given(tmp_path):
    given = ["x", "x~2", "x", None, "memory#3", "x", "x~2", " "]
    made = read([{"id": value, "text": ""} for value in given])["doc_id"].to_pylist()
    assert made == ["x", "x~2", "x~3", "memory#3", "memory#3~2", "x~4", "x~2~2", "memory#7"]


def test_kept_columns(tmp_path):
    table = pa.table(
        {
            "text": ["a"],
            "n": pa.array([1], pa.int16()),
            "f": pa.array([0.5], pa.float32()),
            "flag": [True],
            "day": pa.array([19000], pa.date32()),
            "tags": [["p", "q"]],
            "row": ["clash"],
            "kind": pa.array(["k"]).dictionary_encode(),
            "big": pa.array([2**63], pa.uint64()),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    keep = ("n", "f", "flag", "day", "tags", "row", "kind", "big", "text")
    for source in (tmp_path, table):
        kept = read(source, keep_cols=keep)
        types = [pa.int64(), pa.float64(), pa.bool_(), TIMESTAMP, *[pa.string()] * 5]
        assert kept.schema.names[-9:] == ["n", "f", "flag", "day", "tags", "in_row", "kind", "big", "in_text"]
        assert kept.schema.types[-9:] == types
        row = kept.to_pylist()[0]
        assert [row[name] for name in ("n", "f", "flag", "tags", "in_row", "kind", "big", "in_text")] == [
            1, 0.5, True, '["p","q"]', "clash", "k", str(2**63), "a"]  # fmt: skip
        assert str(row["day"]) == "2022-01-08 00:00:00+00:00"


def test_kept_columns_of_lists_keep_their_types():
    records = [{"text": "a", "n": 1, "m": 1}, {"text": "b", "n": None, "m": "x"}, {"text": "c"}]
    table = read(records, keep_cols=("n", "m"))
    assert table.schema.types[-2:] == [pa.int64(), pa.string()]
    assert (table["n"].to_pylist(), table["m"].to_pylist()) == ([1, None, None], ["1", "x", None])


def test_kept_columns_where_files_differ(tmp_path):
    pq.write_table(pa.table({"text": ["a"], "n": [1], "only": [5]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["b"], "n": ["x"]}), tmp_path / "b.parquet")
    table = read(tmp_path, keep_cols=("n", "only"))
    assert table.schema.types[-2:] == [pa.string(), pa.int64()]
    assert (table["n"].to_pylist(), table["only"].to_pylist()) == (["1", "x"], [5, None])
    (tmp_path / "c.jsonl").write_text('{"text": "c", "n": {"k": 2}}\n{"text": "d", "n": "as is"}')
    (tmp_path / "d.txt").write_text("e")
    table = read(tmp_path, keep_cols=("n", "only"))
    assert table["n"].to_pylist() == ["1", "x", '{"k":2}', "as is", None]
    assert table["only"].to_pylist() == ["5", None, None, None, None]
    with pytest.raises(InputError, match="no input has a column 'gone'; found 'text', 'n', 'only'"):
        open_paths([tmp_path], ReadingParams(keep_cols=("gone",)))


def lines(path, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"text": text}))
    return path


def names(paths, **given):
    opened = open_paths(paths, ReadingParams(**given))
    return pa.Table.from_batches(opened.batches(), opened.schema)["source_file"].to_pylist()


def test_files_are_sorted_and_named_from_the_root(tmp_path):
    for name in ("b.jsonl", "a/z.jsonl", "a.jsonl", "B.jsonl", ".hidden/x.jsonl", "_skip/x.jsonl", "_x.jsonl", "c.log"):
        lines(tmp_path / "in" / name)
    folder = tmp_path / "in"
    assert names([folder]) == ["B.jsonl", "a.jsonl", "a/z.jsonl", "b.jsonl"]
    assert names([folder / "a.jsonl"]) == ["a.jsonl"]
    assert names([folder / "a", folder / "a.jsonl", str(folder / "a.jsonl")]) == ["a.jsonl", "a/z.jsonl"]
    assert names([folder, folder / "b.jsonl"])[-1] == "in/b.jsonl"
    assert names([folder], include=("a*",)) == ["a.jsonl", "a/z.jsonl"]
    assert names([folder], exclude=("a/*", "B*")) == ["a.jsonl", "b.jsonl"]
    assert names([folder / "c.log"]) == ["c.log"]


def test_links_loops_pipes_and_odd_names(tmp_path):
    folder = tmp_path / "in"
    lines(folder / "a.jsonl")
    (folder / "loop").symlink_to(folder)
    (folder / "again.jsonl").symlink_to(folder / "a.jsonl")
    (folder / "nowhere.jsonl").symlink_to(folder / "gone")
    os.mkfifo(folder / "pipe.jsonl")
    odd = os.fsencode(folder) + b"/\xff\n.jsonl"
    with open(odd, "wb") as file:  # noqa: PTH123 - pathlib takes no bytes
        file.write(b'{"text": "odd"}')
    assert names([folder]) == ["a.jsonl", "\\xff\\n.jsonl"]
    with pytest.raises(InputError, match="neither a file nor a folder"):
        names([folder / "pipe.jsonl"])
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s.jsonl"))
        with pytest.raises(InputError, match="neither a file nor a folder"):
            names([tmp_path / "s.jsonl"])


def test_paths_that_cannot_be_read(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"gone.jsonl: No such file or directory; wanted a file or a folder"):
        names([tmp_path / "gone.jsonl"])
    with pytest.raises(InputError, match=r"empty: a folder without a file to read; wanted .jsonl"):
        names([tmp_path / "empty"])
    with pytest.raises(InputError, match="no input"):
        names([])
    for path, what in (
        ("in/*.jsonl", "nothing matches"),
        ("a\0b", "null"),
    ):
        with pytest.raises(InputError, match=what):
            names([path])
    if os.geteuid():
        lines(tmp_path / "locked.jsonl").chmod(0)
        with pytest.raises(InputError, match="make the file readable"):
            names([tmp_path / "locked.jsonl"])
