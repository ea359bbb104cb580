"""A run on disk: what is written, what is refused, and what is left after a failure."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dedup
from dedup import commit, schema
from dedup.errors import DamagedRunError, DedupError, InputError, OutputExistsError, ResourceError, SettingsError
from dedup.run import Result, check_out, open_run

DAY = datetime(2025, 3, 3, 19, 10, tzinfo=UTC)
STORIES = ((3, 2), (2, 1), (1, 1))  # articles and groups of each
FILES = {"documents.parquet", "groups.parquet", "clusters.parquet", "pairs.parquet", "rejects.jsonl", "manifest.json"}


def make_result(path: str = "in.jsonl", extra: dict | None = None) -> Result:
    """Six articles: a story of three in two groups, a story of two copies, and one alone."""
    documents, groups, clusters = [], [], []
    for number, (size, n_groups) in enumerate(STORIES):
        story = f"s{number:016x}"
        first = f"a{number}-0"
        for place in range(size):
            group = min(place // (size - n_groups + 1), n_groups - 1)
            head = f"a{number}-{group * (size - n_groups + 1)}"
            documents.append(
                {
                    "doc_id": f"a{number}-{place}",
                    "row": len(documents),
                    "source_file": "in.jsonl",
                    "source_row": len(documents),
                    "story_id": story,
                    "duplicate_id": f"d{number * 10 + group:016x}",
                    "is_canonical": place == 0,
                    "is_representative": f"a{number}-{place}" == head,
                    "canonical_doc_id": first,
                    "representative_doc_id": head,
                    "relation": "canonical" if place == 0 else "exact",
                    "story_size": size,
                    "duplicate_size": 2 if group == 0 and size > 1 else 1,
                    "similarity": 1.0 if place == 0 else 0.75,
                    "canonical_reason": "earliest",
                    "title": None if number == 2 else f"Title {number}\x1b[31m \u202eevil {place}",
                    "source": "Wire",
                    "published_at": DAY,
                    "text_chars": 100,
                    "text_sha256": "0" * 64,
                    "excerpt": "first words",
                    "date_suspect": False,
                    "text_truncated": False,
                }
            )
            if f"a{number}-{place}" == head:
                groups.append(
                    {
                        "duplicate_id": documents[-1]["duplicate_id"],
                        "story_id": story,
                        "duplicate_size": documents[-1]["duplicate_size"],
                        "n_sources": 1,
                        "representative_doc_id": head,
                        "first_published_at": DAY,
                        "last_published_at": DAY,
                    }
                )
        clusters.append(
            {
                "story_id": story,
                "story_size": size,
                "n_groups": n_groups,
                "n_sources": 1,
                "canonical_doc_id": first,
                "title": documents[-1]["title"],
                "first_published_at": DAY,
                "last_published_at": DAY,
                "top_terms": "ferry, rocks",
            }
        )
    pairs = [
        {
            "doc_id_a": "a0-0",
            "doc_id_b": "a0-1",
            "level": "duplicate",
            "kind": "near",
            "jaccard": 0.8,
            "accepted": True,
        },
        {"doc_id_a": "a0-0", "doc_id_b": "a0-2", "level": "story", "cosine": 0.25, "score": 0.2, "accepted": True},
        {"doc_id_a": "a0-1", "doc_id_b": "a1-0", "level": "story", "cosine": 0.1, "accepted": False},
    ]
    table = pa.Table.from_pylist(documents, schema.RUN_DOCUMENTS)
    for name, column in (extra or {}).items():
        table = table.append_column(name, column)
    return Result(
        documents=table,
        groups=pa.Table.from_pylist(groups, schema.RUN_GROUPS),
        clusters=pa.Table.from_pylist(clusters, schema.RUN_CLUSTERS),
        pairs=pa.Table.from_pylist(pairs, schema.RUN_PAIRS),
        rejects=[
            {
                "source_file": "in\udc80.jsonl",
                "source_row": 3,
                "line": 4,
                "byte_offset": 99,
                "code": "bad_json",
                "message": "not JSON: 日本",
            }
        ],
        manifest={
            "format": 1,
            "version": "0.1.0",
            "run_id": "r123",
            "root": "",
            "inputs": [
                {
                    "path": path,
                    "source_file": "in.jsonl",
                    "format": "jsonl",
                    "bytes": 0,
                    "sha256": "",
                    "records": 7,
                    "rejected": 1,
                    "columns": {"text": "text", "id": "id"},
                }
            ],
            "settings": {"level": "story", "canonical": "earliest"},
            "counts": {
                "documents": 6,
                "rejected": 1,
                "duplicate_groups": 2,
                "duplicates": 2,
                "stories": 2,
                "in_stories": 5,
                "singles": 1,
            },
            "seconds": {"read": 0.5},
        },
    )


@pytest.fixture
def result() -> Result:
    return make_result()


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


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
    again = open_run(replace(result, **tables, rejects=[]).write(tmp_path / "OUT"))
    assert (again.documents.num_rows, again.rejects) == (0, [])
    assert again.documents.schema.equals(schema.RUN_DOCUMENTS)


def test_a_run_is_not_replaced_unasked(result, tmp_path):
    out = result.write(tmp_path / "OUT")
    before = digests(out)
    with pytest.raises(OutputExistsError, match="--if-exists overwrite"):
        result.write(out)
    assert digests(out) == before
    with pytest.raises(SettingsError, match="if-exists"):
        result.write(out, if_exists="replace")


@pytest.mark.parametrize("name", ["notes.txt", "manifest.json", None])
def test_a_folder_that_is_no_run_is_never_replaced(result, tmp_path, name):
    out = tmp_path / "OUT"
    out.mkdir()
    if name:
        (out / name).write_text('{"format": 1}')
    with pytest.raises(OutputExistsError, match="is not a dedup run"):
        result.write(out, if_exists="overwrite")
    assert sorted(file.name for file in out.iterdir()) == ([name] if name else [])


def test_a_file_is_never_replaced(result, tmp_path):
    (tmp_path / "OUT").write_text("mine")
    with pytest.raises(OutputExistsError, match="is not a dedup run"):
        result.write(tmp_path / "OUT", if_exists="overwrite")
    assert (tmp_path / "OUT").read_text() == "mine"


def test_a_run_with_other_files_in_it_is_not_replaced(result, tmp_path):
    out = result.write(tmp_path / "OUT")
    (out / "labels.csv").write_text("work of hours")
    with pytest.raises(OutputExistsError, match=r"holds 'labels.csv'.*would be lost"):
        result.write(out, if_exists="overwrite")
    assert (out / "labels.csv").exists()


def test_a_run_that_is_the_input_is_not_replaced(result, tmp_path):
    out = result.write(tmp_path / "OUT")
    with pytest.raises(OutputExistsError, match="holds the input"):
        make_result(path=str(out / "documents.parquet")).write(out, if_exists="overwrite")


@pytest.mark.parametrize("exchange", [True, False])
def test_overwriting_puts_the_new_run_in_place_of_the_old(result, tmp_path, monkeypatch, exchange):
    out = result.write(tmp_path / "OUT")
    if not exchange:  # a file system that cannot do it
        monkeypatch.setattr(commit, "_renameat2", lambda source, target, flag: False)
    reader = (out / "documents.parquet").open("rb")
    replace(result, rejects=[]).write(out, if_exists="overwrite")
    assert open_run(out).rejects == []
    assert len(reader.read()) > 0  # the old file is still there for whoever holds it
    assert [entry.name for entry in tmp_path.iterdir()] == ["OUT"]


def test_without_an_exchange_a_failed_second_rename_puts_the_old_run_back(result, tmp_path, monkeypatch):
    out = result.write(tmp_path / "OUT")
    before = digests(out)
    monkeypatch.setattr(commit, "_renameat2", lambda source, target, flag: False)
    rename = Path.rename

    def fail(self, target):
        if "-staging-" in self.name and not self.name.endswith("-old"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(ResourceError, match="Input/output error"):
        result.write(out, if_exists="overwrite")
    assert digests(out) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["OUT"]


def test_a_folder_that_appears_meanwhile_is_left_alone(result, tmp_path, monkeypatch):
    out = tmp_path / "OUT"
    publish = commit.publish

    def late(staging, target):
        monkeypatch.setattr(Path, "exists", lambda self: False)
        out.mkdir()
        publish(staging, target)

    monkeypatch.setattr(commit, "publish", late)
    with pytest.raises(OutputExistsError, match="appeared"):
        result.write(out)
    assert list(tmp_path.iterdir()) == [out] and list(out.iterdir()) == []


FAILURES = (
    (OSError(errno.ENOSPC, "No space left on device"), ResourceError),
    (OSError(errno.EIO, "Input/output error"), ResourceError),
    (RuntimeError("a bug"), RuntimeError),
    (KeyboardInterrupt(), KeyboardInterrupt),
    (SystemExit(143), SystemExit),
)


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
@pytest.mark.parametrize("at", ["finished", "publish"])
def test_a_failed_write_leaves_nothing_and_changes_nothing(result, tmp_path, monkeypatch, failure, at):
    raised, expected = failure
    old = result.write(tmp_path / "OLD")
    before = digests(old)

    def fail(*_):
        raise raised

    monkeypatch.setattr(commit, at, fail)
    with pytest.raises(expected):
        result.write(tmp_path / "OUT")
    with pytest.raises(expected):
        result.write(old, if_exists="overwrite")
    assert [entry.name for entry in tmp_path.iterdir()] == ["OLD"]
    assert digests(old) == before


@pytest.mark.parametrize("limit", [0, 100, 3000, 8000])
def test_a_real_write_error(tmp_path, limit):
    """The system refuses to let a file grow, in a process of its own."""
    code = (
        "import resource, sys; sys.path.insert(0, sys.argv[2]); from test_run import make_result; import dedup\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "try: make_result().write(sys.argv[1])\n"
        "except dedup.ResourceError as error: print(error)\n"
    )
    here = str(Path(__file__).parent)
    run = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "OUT", here], capture_output=True, text=True, check=True
    )
    assert "cannot be written" in run.stdout, run.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ResourceError, match="written to"):
        check_out(tmp_path / "OUT")


def test_out_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="file"):
        check_out(tmp_path / "file" / "OUT")
    with pytest.raises(ResourceError, match="name too long"):
        check_out(tmp_path / ("x" * 300))


def test_a_link_to_a_run_is_followed(result, tmp_path):
    real = result.write(tmp_path / "disk" / "REAL")
    link = tmp_path / "OUT"
    link.symlink_to(real)
    replace(result, rejects=[]).write(link, if_exists="overwrite")
    assert link.is_symlink() and open_run(real).rejects == []


def test_folders_that_are_no_runs(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        open_run(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"no manifest.json"):
        open_run(tmp_path)
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    with pytest.raises(InputError, match="not the manifest of a dedup run"):
        open_run(tmp_path)


def test_a_later_format_names_the_version_that_reads_it(result, tmp_path):
    out = result.write(tmp_path / "OUT")
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps({**manifest, "format": 2, "version": "9.0"}))
    with pytest.raises(InputError, match=r"dedup 9\.0"):
        open_run(out)


@pytest.mark.parametrize("name", sorted(FILES - {"manifest.json"}))
def test_a_missing_or_shortened_file_is_damage(result, tmp_path, name):
    out = result.write(tmp_path / "OUT")
    content = (out / name).read_bytes()
    (out / name).write_bytes(content[:-1])
    with pytest.raises(DamagedRunError, match="bytes"):
        open_run(out)
    (out / name).unlink()
    with pytest.raises(DamagedRunError, match="is missing"):
        open_run(out)


def test_a_garbled_file_is_damage(result, tmp_path):
    out = result.write(tmp_path / "OUT")
    size = (out / "pairs.parquet").stat().st_size
    (out / "pairs.parquet").write_bytes(b"x" * size)
    with pytest.raises(DamagedRunError, match="cannot be read"):
        open_run(out)
    (out / "manifest.json").write_text('{"format": 1, ')
    with pytest.raises(DamagedRunError, match="not JSON"):
        open_run(out)


def test_kept(result):
    assert result.kept()["doc_id"].to_pylist() == ["a0-0", "a1-0", "a2-0"]
    assert result.kept("duplicate")["doc_id"].to_pylist() == ["a0-0", "a0-2", "a1-0", "a2-0"]
    with pytest.raises(SettingsError, match="story or duplicate"):
        result.kept("exact")


@pytest.mark.parametrize("any_id", ["s0000000000000000", "d0000000000000001", "a0-1"])
def test_a_story_is_found_by_any_id(result, any_id):
    found = result.story(any_id)
    assert found["story"]["story_size"] == 3
    assert [group["representative_doc_id"] for group in found["groups"]] == ["a0-0", "a0-2"]
    assert [document["doc_id"] for document in found["documents"]] == ["a0-0", "a0-1", "a0-2"]
    assert found["links"] == {"duplicate": 1, "story": 1, "refused": 0, "min_cosine": 0.25, "mean_cosine": 0.25}


def test_an_unknown_id_is_told_with_similar_ones(result):
    with pytest.raises(InputError, match=r"similar are .*'a0-0'"):
        result.story("a0_0")
    with pytest.raises(InputError, match=r"'d0000000000000001'"):
        result.story("0001")
    with pytest.raises(InputError, match="dedup show RUN"):
        result.story("???")


def test_a_run_without_stories_shows_its_groups(result):
    empty = pa.nulls(6, pa.string())
    documents = result.documents.set_column(4, "story_id", empty)
    found = replace(result, documents=documents, clusters=result.clusters.slice(0, 0)).story("a0-1")
    assert found["story"] is None
    assert [document["doc_id"] for document in found["documents"]] == ["a0-0", "a0-1"]


def test_repr_is_short(result):
    assert repr(result) == "Result(6 documents, 4 groups, 3 clusters, 3 pairs, 1 rejects)"


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
