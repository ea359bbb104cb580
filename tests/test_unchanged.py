"""`--if-exists skip`: nothing is done where nothing changed, and everything where anything did."""

import json
import os
from pathlib import Path

import pytest
from conftest import command, digests

from dedup import unchanged
from dedup.params import Params, ReadingParams
from dedup.pipeline import cluster
from dedup.run import open_run

OLD = 1_700_000_000


def write(path, text, when=OLD):
    path.write_text(json.dumps({"id": "a", "text": text}) + "\n")
    os.utime(path, (when, when))


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A folder of two inputs, and a run over it that saw them long settled."""
    feeds = tmp_path / "feeds"
    feeds.mkdir()
    write(feeds / "a.jsonl", "one text of several words")
    write(feeds / "b.jsonl", "another text of several words")
    monkeypatch.setattr(unchanged, "SETTLED_NS", -(10**12))  # ctime is now
    params = Params(level="exact")
    seen = unchanged.look([str(feeds)], params.reading)
    result = cluster([str(feeds)], params)
    unchanged.note(result.manifest, seen)
    result.write(tmp_path / "OUT")
    return feeds, tmp_path / "OUT"


def same(feeds, out, **settings):
    params = Params(**{"level": "exact", **settings})
    return unchanged.is_same(out, unchanged.look([str(feeds)], params.reading), params)


def no_reading(path):
    raise AssertionError(f"{path} was read")


def test_the_same_is_told_without_reading(made, monkeypatch):
    monkeypatch.setattr("dedup.commit.sha256", no_reading)
    assert same(*made)
    assert same(*made, jobs=1)  # how the work is done changes no byte


def test_a_time_that_differs_is_settled_by_content(made):
    feeds, _ = made
    os.utime(feeds / "a.jsonl", (OLD + 5, OLD + 5))
    assert same(*made)


def test_the_same_size_and_time_with_other_content_is_a_change(made):
    feeds, _ = made
    write(feeds / "a.jsonl", "one text of several w0rds")  # mtime put back; ctime tells
    assert not same(*made)


def test_a_file_too_young_is_read(made, monkeypatch):
    monkeypatch.setattr(unchanged, "SETTLED_NS", 10**12)
    monkeypatch.setattr("dedup.commit.sha256", no_reading)
    with pytest.raises(AssertionError, match="was read"):
        same(*made)


def test_what_else_is_a_change(made, monkeypatch):
    feeds, out = made
    assert not same(feeds, out, with_text=True)
    assert not same(feeds, out, reading=ReadingParams(limit=1))
    assert not unchanged.is_same(out, unchanged.look([str(feeds / "a.jsonl")], ReadingParams()), Params(level="exact"))
    write(feeds / "c.jsonl", "a third text")
    assert not same(feeds, out)
    (feeds / "c.jsonl").unlink()
    assert same(feeds, out)
    monkeypatch.setattr("dedup.__version__", "9.9")
    assert not same(feeds, out)


def test_a_damaged_run_is_no_answer(made):
    feeds, out = made
    with (out / "pairs.parquet").open("ab") as file:
        file.write(b"x")
    assert not same(feeds, out)
    (out / "manifest.json").write_text("{")
    assert not same(feeds, out)
    assert not same(feeds, out.parent / "nothing")


@pytest.mark.parametrize("inputs", [["-"], ["s3://bucket/x"], ["nowhere"]])
def test_what_cannot_be_told_is_never_the_same(made, inputs):
    _, out = made
    assert unchanged.look(inputs, ReadingParams()) is None
    assert not unchanged.is_same(out, None, Params(level="exact"))


def test_the_command(tmp_path):
    write(tmp_path / "in.jsonl", "one text of several words")
    words = ["cluster", tmp_path / "in.jsonl", "-o", tmp_path / "OUT", "--level", "exact", "--if-exists", "skip"]
    first = command(*words, "--json")
    assert first.returncode == 0 and json.loads(first.stdout)["status"] == "done"
    place, before = Path(tmp_path / "OUT").stat().st_ino, digests(tmp_path / "OUT")
    second = command(*words, "--json")
    said = json.loads(second.stdout)
    assert second.returncode == 0 and said["status"] == "skipped" and "nothing to do" in second.stderr
    assert {**said, "status": "done"} == json.loads(first.stdout)
    assert (tmp_path / "OUT").stat().st_ino == place and digests(tmp_path / "OUT") == before
    write(tmp_path / "in.jsonl", "another text of several words")
    third = command(*words)
    assert third.returncode == 0 and "articles" in third.stdout
    assert (tmp_path / "OUT").stat().st_ino != place
    assert open_run(tmp_path / "OUT").documents["excerpt"].to_pylist() == ["another text of several words"]
