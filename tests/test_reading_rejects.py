"""Bad input: every refusal has file, line and reason, and nothing gets lost."""

import gzip
import json
import os
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.errors import DedupError, InputError, TooManyRejectsError
from dedup.params import ReadingParams
from dedup.reading import check_rejects, files, open_paths


def read(path, **given):
    source = open_paths([path], ReadingParams(**given))
    texts = [text for batch in source.batches() for text in batch["text"].to_pylist()]
    assert source.n_records == len(texts) + len(source.rejects)
    assert sum(file.records for file in source.files) == len(texts)
    assert sum(file.rejected for file in source.files) == len(source.rejects)
    return texts, source.rejects


LINES = [
    (b'{"text": "cut', "bad_json", "unexpected end of data at character 14"),
    (b'{"text": "\xff"}', "bad_json", "not valid UTF-8"),
    (b"[" * 5000, "bad_json", "depth limit"),
    (b'{"text": NaN}', "bad_json", "not JSON"),
    (b'{"text": "\\ud800", "n": NaN}', "bad_json", "not JSON"),
    (b'["text"]', "not_an_object", "a list; wanted an object"),
    (b"17", "not_an_object", "a int; wanted an object"),
    (b"null", "not_an_object", "null; wanted an object"),
    (b'{"id": 3}', "no_text", "no 'text' in this record"),
    (b'{"text": ["a"]}', "text_not_string", "'text' holds a list; wanted a string"),
    (b'{"text": {"a": 1}}', "text_not_string", "'text' holds an object; wanted a string"),
]


@pytest.mark.parametrize(("line", "code", "message"), LINES)
@pytest.mark.parametrize("packed", [False, True])
def test_a_bad_line_is_refused_and_the_others_are_kept(tmp_path, line, code, message, packed):
    path = tmp_path / "a.jsonl"
    data = b'{"text": "one"}\n\n' + line + b'\n{"text": "two"}'
    path.write_bytes(gzip.compress(data) if packed else data)
    texts, (reject,) = read(path)
    assert texts == ["one", "two"]
    assert (reject.source_file, reject.source_row, reject.line, reject.byte_offset) == ("a.jsonl", 1, 3, 17)
    assert reject.code == code
    assert message in reject.message
    assert reject.place() == "a.jsonl line 3"


def test_title_that_is_no_string(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"title": {"rendered": "t"}}\n{"title": "alone"}\n')
    texts, (reject,) = read(tmp_path)
    assert (texts, reject.code) == ([""], "title_not_string")


def test_lines_too_long_are_never_held(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 3_000_000)
    long = b"x" * 3_000_001
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "one"}\n' + long + b'\n{"text": "two"}\n' + long)
    texts, rejects = read(tmp_path)
    assert texts == ["one", "two"]
    assert [(reject.code, reject.line) for reject in rejects] == [("line_too_long", 2), ("line_too_long", 4)]
    (tmp_path / "a.jsonl").unlink()
    (tmp_path / "a.csv").write_bytes(b"text\none\n" + long + b"\ntwo\n")
    texts, (reject,) = read(tmp_path)
    assert (texts, reject.code, reject.line, reject.source_row) == (["one", "two"], "line_too_long", 3, 1)
    (tmp_path / "a.csv").unlink()
    (tmp_path / "a.txt").write_bytes(long)
    texts, (reject,) = read(tmp_path)
    assert (texts, reject.code) == ([], "line_too_long")


def test_ragged_rows(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,text\n1,"a\nb"\n2\n3,c,d\n\n4,e\n')
    texts, rejects = read(path)
    assert texts == ["a\nb", "e"]
    assert [(r.code, r.line, r.source_row) for r in rejects] == [("ragged_row", 4, 1), ("ragged_row", 5, 2)]
    assert "1 fields; the header has 2" in rejects[0].message


def test_csv_that_the_csv_module_refuses(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"id,text\n1,a\rb,c\n2,good\n")
    texts, (reject,) = read(tmp_path)
    assert (texts, reject.code, reject.line) == (["good"], "bad_csv", 2)


@pytest.mark.parametrize("ending", ["jsonl", "csv", "txt"])
def test_damaged_gzip(tmp_path, ending):
    words = random.Random(5)
    values = [str(words.getrandbits(400)) for _ in range(2000)]
    lines = [json.dumps({"text": value}) if ending == "jsonl" else value for value in values]
    data = gzip.compress("\n".join(["text", *lines] if ending == "csv" else lines).encode())
    path = tmp_path / f"a.{ending}.gz"
    (tmp_path / "z.jsonl").write_text('{"text": "read in any case"}')
    for damaged in (data[: len(data) // 2], data[:-4] + b"\0\0\0\0", data[:10_000] + b"\xff" * 9 + data[10_009:]):
        path.write_bytes(damaged)
        (*texts, _), (reject,) = read(tmp_path)
        assert reject.code == "corrupt_gzip"
        assert texts == values[: len(texts)]
        assert reject.source_row == len(texts)
        assert bool(texts) or ending == "txt" or damaged[-4:] == data[-4:]
    path.write_bytes(data[:5])
    assert [reject.code for reject in read(tmp_path)[1]] == ["corrupt_gzip"]
    with pytest.raises(InputError, match="damaged gzip data"):
        read(path)


def test_gzip_of_many_members(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "one"}\n') + gzip.compress(b'{"text": "two"}') + b"\0" * 70_000)
    assert read(path) == (["one", "two"], [])
    path.write_bytes(gzip.compress(b'{"text": "' + b"z" * 5_000_000 + b'"}'))
    assert [len(text) for text in read(path, max_doc_chars=10**7)[0]] == [5_000_000]


def test_damaged_parquet_beside_good_files(tmp_path):
    (tmp_path / "good.jsonl").write_text('{"text": "one"}')
    pq.write_table(
        pa.table({"text": ["a" * 1000] * 50}), tmp_path / "x.parquet", compression="none", use_dictionary=False
    )
    data = (tmp_path / "x.parquet").read_bytes()
    for damaged in (
        data[:-100],
        data[: len(data) // 2],
        b"",
        b"PAR1",
        b"junk",
        data[:20_000] + b"\xff" * 60 + data[20_060:],
    ):
        (tmp_path / "x.parquet").write_bytes(damaged)
        texts, rejects = read(tmp_path)
        assert texts[0] == "one"
        assert {reject.source_file for reject in rejects} <= {"x.parquet"}
        assert rejects[-1].code in ("bad_parquet", "bad_utf8")


def test_parquet_with_bad_text(tmp_path):
    raw = pa.array([b"good", b"bad\xff", None, b"fine"])
    text = pa.StringArray.from_buffers(4, raw.buffers()[1], raw.buffers()[2], raw.buffers()[0])
    for column in (text, raw):
        pq.write_table(pa.table({"text": column, "id": ["a", "b", "c", "d"]}), tmp_path / "a.parquet")
        texts, (reject,) = read(tmp_path)
        assert texts == ["good", "", "fine"]
        assert (reject.code, reject.source_row, reject.line) == ("bad_utf8", 1, None)
    pq.write_table(pa.table({"text": [["a"], None], "title": ["t", "u"]}), tmp_path / "a.parquet")
    texts, (reject,) = read(tmp_path)
    assert (texts, reject.code, reject.source_row) == ([""], "text_not_string", 0)


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.dat", b"words", "unknown_format"),
        ("a.jsonl", b"\x28\xb5\x2f\xfd....", "corrupt_zstd"),
        ("a.jsonl", b"PK\x03\x04....", "unknown_format"),
        ("a.txt", b"%PDF-1.7 ....", "unknown_format"),
        ("a.parquet", b"no", "bad_parquet"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, data, code):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=f"{name}: .*;"):
        read(path)
    (tmp_path / "good.jsonl").write_text('{"text": "one"}')
    source = open_paths([path, tmp_path / "good.jsonl"], ReadingParams())
    assert sum(batch.num_rows for batch in source.batches()) == 1
    assert [reject.code for reject in source.rejects] == [code]


def test_files_without_records_are_fine(tmp_path):
    for name in ("a.jsonl", "b.csv", "c.txt", "d.json", "e.tsv", "i.md", "j.html"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "f.jsonl").write_bytes(b"\n \n")
    (tmp_path / "g.csv").write_bytes(b"id,text\n")
    (tmp_path / "h.csv.gz").write_bytes(gzip.compress(b""))
    assert read(tmp_path) == ([], [])


def bad_lines(path, good, bad):
    path.write_text('{"text": "a"}\n' * good + "broken\n" * bad)
    return path


@pytest.mark.parametrize(
    ("good", "bad", "allowed", "passes"),
    [
        (0, 10, None, True),
        (90, 11, None, False),
        (1980, 20, None, True),
        (1000, 11, None, False),
        (50, 50, 0.5, True),
        (49, 51, 0.5, False),
        (9, 3, 3, True),
        (9, 4, 3, False),
        (9, 1, 0, False),
        (9, 0, 0, True),
    ],
)
def test_how_many_rejects_are_too_many(tmp_path, good, bad, allowed, passes):
    source = open_paths([bad_lines(tmp_path / "a.jsonl", good, bad)], ReadingParams(max_rejects=allowed))

    def run():
        list(source.batches())
        check_rejects(source)

    if passes:
        return run()
    with pytest.raises(TooManyRejectsError, match=f"a.jsonl line {good + 1}: .*raise --max-rejects"):
        run()


def test_a_count_of_rejects_stops_early(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("{broken\n" * 5 + '{"text": "a"}\n' * 5000)
    source = open_paths([path], ReadingParams(max_rejects=4, batch_rows=100))
    with pytest.raises(TooManyRejectsError):
        list(source.batches())
    assert source.n_records == 100


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.sampled_from(["text", "title", "x"]), part, max_size=3)
    ),
    max_leaves=6,
)
KEYS = ["text", "body", "title", "id", "date", "source", "url", "lang", "extra"]
RECORD = st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.lists(RECORD | JSON, max_size=12))
def test_any_json_lines_are_accepted_or_refused(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("fuzz") / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, [{"text": "first", "extra": 1}, *records])))
    source = open_paths([path], ReadingParams(batch_rows=5, keep_cols=("extra",)))
    rows = pa.Table.from_batches(source.batches(), source.schema).to_pylist()
    refused = {reject.source_row for reject in source.rejects}
    assert source.n_records == len(records) + 1
    assert refused | {row["source_row"] for row in rows} == set(range(len(records) + 1))
    assert len({row["doc_id"] for row in rows}) == len(rows) == len(records) + 1 - len(refused)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mutated_files_never_crash(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("mutated")
    lines = b'{"id": 1, "text": "one", "date": "2024-01-01"}\n{"id": 2, "text": "two"}\n'
    table = pa.table({"id": [1, 2], "text": ["one", "two"]})
    pq.write_table(table, folder / "a.parquet", compression=data.draw(st.sampled_from(["none", "snappy", "zstd"])))
    form = data.draw(st.sampled_from(["a.jsonl", "a.jsonl.gz", "a.csv", "a.txt", "a.parquet"]))
    good = {
        "a.jsonl": lines,
        "a.csv": b'id,text\n1,"one"\n2,two\n',
        "a.txt": b"words",
        "a.jsonl.gz": gzip.compress(lines),
    }
    content = bytearray(good.get(form) or (folder / form).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    (folder / "a.parquet").unlink()
    (folder / form).write_bytes(content)
    try:
        read(folder, max_rejects=0.999)
    except DedupError as error:
        assert os.linesep not in str(error)
