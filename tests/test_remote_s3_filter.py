"""`dedup filter` with its files on S3, from a real local server, and temporary files where they are asked for."""

import gzip
import json
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import describe, digests, load, make_result, run

from dedup.filtering import filter_run
from dedup.run import open_run

KEPT, DROPPED = "s3://news/kept/today.jsonl", "s3://news/kept/rest.parquet"


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """The system's folder for temporary files is not there: whatever asks for it fails."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def body(s3, address):
    return s3.get_object(Bucket="news", Key=address.removeprefix("s3://news/"))["Body"].read()


def test_kept_and_dropped_records_are_objects(s3, small_run, tmp_path):
    said = run("filter", small_run, "-o", KEPT, "--dropped", DROPPED, "--json")
    assert said.exit_code == 0, said.stderr
    told = json.loads(said.stdout)
    assert (told["out"], told["dropped_out"]) == (KEPT, DROPPED)
    local = run("filter", small_run, "-o", tmp_path / "kept.jsonl", "--dropped", tmp_path / "rest.parquet")
    assert local.exit_code == 0
    assert body(s3, KEPT) == (tmp_path / "kept.jsonl").read_bytes()
    assert body(s3, DROPPED) == (tmp_path / "rest.parquet").read_bytes()
    assert told["kept"] == len(load(tmp_path / "kept.jsonl")) and told["dropped"] == len(
        load(tmp_path / "rest.parquet")
    )


def test_what_is_there_is_replaced_only_when_asked(s3, small_run):
    s3.put_object(Bucket="news", Key="kept/today.jsonl", Body=b"of yesterday")
    said = run("filter", small_run, "-o", KEPT)
    assert said.exit_code == 5 and "--if-exists overwrite" in said.stderr and len(said.stderr.splitlines()) == 1
    assert body(s3, KEPT) == b"of yesterday"
    assert run("filter", small_run, "-o", KEPT, "--if-exists", "overwrite").exit_code == 0
    assert body(s3, KEPT) != b"of yesterday"


@pytest.mark.parametrize(
    ("address", "code", "says"),
    [
        ("s3://no-such-bucket-here/kept.jsonl", 7, "no such bucket"),
        ("s3://news/kept", 2, "got ending ''"),
        ("s3://news/", 2, "got ending"),
        ("gs://news/kept.jsonl", 2, "wanted a local file or s3://BUCKET/KEY"),
        ("ftp://news/kept.jsonl", 2, "ftp://: got this kind of URL"),
    ],
)
def test_other_places_are_refused_with_one_line(s3, small_run, address, code, says):
    before = digests(small_run)
    said = run("filter", small_run, "-o", address)
    assert said.exit_code == code and says in said.stderr and len(said.stderr.splitlines()) == 1, said.stderr
    assert digests(small_run) == before


def test_an_input_is_never_replaced(s3, tmp_path):
    lines = b"".join(json.dumps({"id": f"x{row}", "text": f"text {row}"}).encode() + b"\n" for row in range(6))
    s3.put_object(Bucket="news", Key="in.jsonl", Body=lines)
    result = make_result("s3://news/in.jsonl")
    (tmp_path / "copy").write_bytes(lines)
    describe(result, tmp_path / "copy")
    said = run("filter", result.write(tmp_path / "OUT"), "-o", "s3://news/in.jsonl", "--if-exists", "overwrite")
    assert said.exit_code == 5 and "is an input of the run" in said.stderr
    assert body(s3, "s3://news/in.jsonl") == lines


def test_an_upload_that_fails_leaves_what_was_there(s3, faults, small_run, nowhere):
    s3.put_object(Bucket="news", Key="kept/today.jsonl", Body=b"of yesterday")
    faults.only, faults.plan = "^PUT", [("status", 403)] * 20
    said = run("filter", small_run, "-o", KEPT, "--if-exists", "overwrite", "--tmp-dir", nowhere)
    assert said.exit_code == 7 and "access denied" in said.stderr and len(said.stderr.splitlines()) == 1
    assert body(s3, KEPT) == b"of yesterday" and not list(nowhere.iterdir())


def test_without_the_package(small_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    said = run("filter", small_run, "-o", KEPT)
    assert said.exit_code == 2 and "pip install 'dedup-stories[s3]'" in said.stderr


class TestTemporaryFiles:
    """They lie in --tmp-dir, also where that is set by a variable, and nowhere else."""

    def test_of_uploads_and_downloads(self, s3, nowhere, result, small_run):
        result.write("s3://news/out", tmp_dir=str(nowhere))
        assert open_run("s3://news/out", str(nowhere)).documents.equals(result.documents)
        with pytest.raises(FileNotFoundError):
            result.write("s3://news/other")
        said = run("filter", small_run, "-o", KEPT, env={"DEDUP_TMP_DIR": str(nowhere)})
        assert said.exit_code == 0, said.stderr
        assert not list(nowhere.iterdir())

    def test_of_the_whole_command(self, s3, nowhere, tmp_path):
        file = tmp_path / "in.jsonl"
        file.write_text("".join(json.dumps({"text": f"Ferry {i} left early."}) + "\n" for i in range(5)))
        said = run("cluster", file, "-o", "s3://news/run", "--tmp-dir", nowhere, "--level", "exact")
        assert said.exit_code == 0, said.stderr

    def test_of_packed_parquet(self, nowhere, tmp_path):
        plain = tmp_path / "plain.parquet"
        pq.write_table(
            pa.table({"id": [f"x{row}" for row in range(6)], "text": [f"text {row}" for row in range(6)]}), plain
        )
        packed = tmp_path / "in.parquet.gz"
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        result = make_result(str(packed))
        describe(result, packed)
        result.manifest["inputs"][0]["format"] = "parquet"
        assert filter_run(result, tmp_path / "kept.jsonl", tmp_dir=str(nowhere)) == {"kept": 3, "dropped": 3}
        assert not list(nowhere.iterdir())

    def test_a_folder_that_is_not_there(self, small_run, tmp_path):
        said = run("filter", small_run, "-o", tmp_path / "kept.csv", "--tmp-dir", tmp_path / "none")
        assert said.exit_code == 2 and "tmp-dir: got" in said.stderr
