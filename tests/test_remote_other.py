"""The way through fsspec, by its file system in memory, which stands for those of Google, Azure and Hugging Face."""

import pyarrow as pa
import pytest

from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.reading import open_paths
from dedup.remote import objects, urls

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def memory(monkeypatch):
    monkeypatch.setattr(urls, "SCHEMES", (*urls.SCHEMES, "memory"))
    monkeypatch.setattr(objects, "PAUSE", 0.001)
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()


def read(*paths, **given):
    source = open_paths(list(paths), ReadingParams(**given))
    return pa.Table.from_batches(source.batches(), source.schema), source


def test_files_folders_and_globs(memory):
    for name in ("in/b.jsonl", "in/a.jsonl", "in/deep/c.jsonl", "in/notes.rst", "other/x.jsonl"):
        memory.pipe(f"/news/{name}", b'{"text": "The ferry ran on rocks."}\n' * 9000)
    for url, names in (
        ("memory://news/in", ["a.jsonl", "b.jsonl", "deep/c.jsonl"]),
        ("memory://news/in/b.jsonl", ["b.jsonl"]),
        ("memory://news/*/[bc].jsonl", ["in/b.jsonl"]),
        ("memory://news/**/c.jsonl", ["in/deep/c.jsonl"]),
    ):
        table, source = read(url)
        assert [file.source_file for file in source.files] == names
        assert table.num_rows == 9000 * len(names)
        assert all(file.sha256 and not file.etag for file in source.files)


def test_what_is_not_there(memory):
    with pytest.raises(InputError, match="memory://news/none: no such"):
        read("memory://news/none")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError("token=secret"), "access denied, wanted to read it"),
        (OSError("token=secret"), r"connection lost or not made \(OSError\), 5 times in a row"),
        (RuntimeError("token=secret"), r"cannot be read \(RuntimeError\)"),
        (FileNotFoundError("token=secret"), "no such bucket, folder or file"),
    ],
)
def test_errors_of_the_packages_are_told_without_their_messages(memory, monkeypatch, error, message):
    memory.pipe("/news/a.jsonl", b'{"text": "The ferry ran on rocks."}\n')
    source = open_paths(["memory://news/a.jsonl"], ReadingParams())

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(type(memory), "cat_file", fail)
    with pytest.raises(InputError, match=f"memory://news/a.jsonl: {message}") as told:
        list(source.batches())
    assert "secret" not in str(told.value)


def test_a_connection_that_comes_back(memory, monkeypatch):
    memory.pipe("/news/a.jsonl", b'{"text": "The ferry ran on rocks."}\n')
    whole = type(memory).cat_file
    failures = [OSError(), TimeoutError()]

    def sometimes(self, *args, **kwargs):
        if failures:
            raise failures.pop()
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(type(memory), "cat_file", sometimes)
    assert read("memory://news/a.jsonl")[0].num_rows == 1


def test_a_change_while_reading_is_refused(memory):
    memory.pipe("/news/a.jsonl", b'{"text": "The ferry ran on rocks."}\n')
    source = open_paths(["memory://news/a.jsonl"], ReadingParams())
    memory.pipe("/news/a.jsonl", b'{"text": "Another."}\n')
    with pytest.raises(InputError, match="has changed while it was read"):
        list(source.batches())
