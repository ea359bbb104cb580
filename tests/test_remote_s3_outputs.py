"""Runs on S3, from a real local server: there at once or not at all, through kills, losses and other writers."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
import servers
from conftest import ARTICLES, FILES, digests, make_result, run

import dedup
from dedup.errors import DamagedRunError, InputError, LockedError, OutputExistsError, ResourceError, SettingsError
from dedup.remote import publishing
from dedup.remote.publishing import check_out
from dedup.run import open_run

OUT = "s3://news/out/today"
WRITE = f"from conftest import make_result; make_result().write({OUT!r}, if_exists='overwrite')"


def keys(s3, prefix="out/today/"):
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket="news", Prefix=prefix).get("Contents", ())]


def folders(s3):
    return {key.split("/")[2] for key in keys(s3) if key.count("/") == 3}


def manifest(s3):
    return json.loads(s3.get_object(Bucket="news", Key="out/today/manifest.json")["Body"].read())


def named(run_id):
    """Return a run whose every file tells its id."""
    result = make_result()
    titles = pa.array([run_id] * 6)
    at = result.documents.schema.get_field_index("title")
    documents = result.documents.set_column(at, result.documents.schema.field(at), titles)
    return replace(result, documents=documents, manifest={**result.manifest, "run_id": run_id})


def test_what_is_written_is_read_again(s3, result, tmp_path):
    assert result.write(OUT) == OUT
    again = open_run(OUT)
    assert all(
        getattr(again, name).equals(getattr(result, name)) for name in ("documents", "groups", "clusters", "pairs")
    )
    folder = manifest(s3)["folder"]
    assert set(keys(s3)) == {"out/today/manifest.json", *(f"out/today/{folder}/{name}" for name in FILES)}
    # The folder itself is a run like any other, wherever it is copied.
    local = digests(result.write(tmp_path / "OUT"))
    (tmp_path / "copy").mkdir()
    for name in FILES:
        s3.download_file("news", f"out/today/{folder}/{name}", str(tmp_path / "copy" / name))
    assert digests(tmp_path / "copy") == local
    assert open_run(f"{OUT}/{folder}").documents.equals(result.documents)


def test_pyarrow_and_duckdb_read_it(s3, s3_address, result):
    result.write(OUT)
    address = s3_address.removeprefix("http://")
    system = pyarrow.fs.S3FileSystem(
        access_key="a", secret_key="b", region="us-east-1", scheme="http", endpoint_override=address
    )
    path = f"news/out/today/{manifest(s3)['folder']}/documents.parquet"
    assert pq.read_table(path, filesystem=system).num_rows == 6
    documents = pyarrow.dataset.dataset(path, filesystem=system)
    found = duckdb.connect().register("documents", documents)
    assert found.execute("select count(*) from documents where is_canonical").fetchall() == [(3,)]


def test_the_whole_command(s3, tmp_path):
    s3.upload_file(ARTICLES, "news", "in/articles.jsonl")
    said = run("cluster", "s3://news/in", "-o", OUT, "--json")
    assert said.exit_code == 0, said.stderr
    assert json.loads(said.stdout.splitlines()[-1])["out"] == OUT
    local = dedup.cluster(Path(ARTICLES).parent)
    assert open_run(OUT).documents.equals(local.documents)
    assert run("show", OUT).exit_code == 0
    kept = run("filter", OUT, "-o", tmp_path / "kept.jsonl")
    assert kept.exit_code == 0, kept.stderr
    assert len((tmp_path / "kept.jsonl").read_text().splitlines()) == sum(local.documents["is_canonical"].to_pylist())
    again = run("cluster", "s3://news/in", "-o", OUT)
    assert again.exit_code == 5 and "a run is there already" in again.stderr


def test_refusals_before_the_work_starts(s3):
    with pytest.raises(SettingsError, match="a run is a local folder or lies at s3://BUCKET/PREFIX"):
        check_out("s3://news")
    with pytest.raises(SettingsError, match="a run is a local folder or lies at"):
        check_out("gs://news/out")
    with pytest.raises(ResourceError, match="no such bucket"):
        check_out("s3://no-such-bucket-here/out")
    s3.put_object(Bucket="news", Key="out/today/precious.txt", Body=b"mine")
    with pytest.raises(OutputExistsError, match=r"holds 'out/today/precious.txt' and is not a dedup run"):
        check_out(OUT, "overwrite")
    s3.put_object(Bucket="news", Key="out/today/manifest.json", Body=b'{"name": "of something else"}')
    with pytest.raises(OutputExistsError, match="not of a dedup run"):
        check_out(OUT, "overwrite")
    assert keys(s3) == ["out/today/manifest.json", "out/today/precious.txt"]


def test_inputs_inside_the_output_are_refused(s3, result):
    with pytest.raises(OutputExistsError, match="holds the input"):
        check_out(OUT, "overwrite", [f"{OUT}/in.jsonl"])
    check_out(OUT, "overwrite", ["s3://news/out/today2/in.jsonl"])


SIGNALLED = """
import os, signal, sys
from dedup.remote.s3 import Bucket
real = Bucket.{call}
def stopped(self, *args, **kwargs):
    done = real(self, *args, **kwargs)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except SystemExit:
        if not {dropped}: raise
    return done
Bucket.{call} = stopped
sys.argv[:1] = ["dedup", "cluster", "--level", "exact", "--json"]
from dedup.__main__ import main; main()
"""


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize(("call", "code"), [("upload", 143), ("put", 0)])
def test_a_signal_calls_it_off_until_the_manifest_is_put(s3, call, code, dropped):
    words = [sys.executable, "-c", SIGNALLED.format(call=call, dropped=dropped), ARTICLES, "-o", OUT]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == code, done
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["exit_code"] == code
    assert ("terminated" in done.stderr) == bool(code)
    assert len(keys(s3)) == (0 if code else 1 + len(FILES))


def test_overwriting_keeps_the_previous_run_for_its_readers(s3, monkeypatch):
    named("r1").write(OUT)
    first = manifest(s3)["folder"]
    named("r2").write(OUT, if_exists="overwrite")
    second = manifest(s3)["folder"]
    assert folders(s3) == {first, second}
    assert open_run(OUT).manifest["run_id"] == "r2"
    assert open_run(f"{OUT}/{first}").manifest["run_id"] == "r1"
    monkeypatch.setattr(publishing, "LEFTOVER_SECONDS", -5)
    named("r3").write(OUT, if_exists="overwrite")
    assert folders(s3) == {second, manifest(s3)["folder"]}


@pytest.mark.parametrize("place", range(7))
def test_a_kill_during_the_upload_leaves_the_previous_run_and_is_repeated(s3, faults, monkeypatch, place):
    named("before").write(OUT)
    before = set(keys(s3))
    faults.only, faults.plan = "^PUT", [None] * place + [("hold",)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    process = subprocess.Popen([sys.executable, "-c", WRITE], env=env)
    assert faults.holding.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert open_run(OUT).manifest["run_id"] == "before"
    assert len(set(keys(s3)) - before) == place
    monkeypatch.setattr(publishing, "LEFTOVER_SECONDS", -5)
    make_result().write(OUT, if_exists="overwrite")
    assert open_run(OUT).documents.equals(make_result().documents)
    assert folders(s3) == {manifest(s3)["folder"], before_folder(before)}


def before_folder(found):
    return next(key.split("/")[2] for key in found if key.count("/") == 3)


def test_young_leftovers_may_be_those_of_a_run_at_work_and_stay(s3, result):
    key = "out/today/run-abc-01234567/documents.parquet"
    s3.put_object(Bucket="news", Key=key, Body=b"half")
    result.write(OUT)
    assert key in keys(s3)


def test_parts_of_killed_uploads_are_given_up(s3, result):
    key = "out/today/run-abc-01234567/documents.parquet"
    s3.create_multipart_upload(Bucket="news", Key=key)
    result.write(OUT)  # moto dates all such uploads to 2010
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="news")


def test_large_files_go_in_parts_which_are_given_up_where_one_fails(s3, faults, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(os.urandom(9 << 20))
    bucket = publishing.Bucket(publishing.parse(OUT), ResourceError)
    bucket.upload(big, "out/big")
    assert s3.head_object(Bucket="news", Key="out/big")["ETag"].endswith('-2"')
    faults.only, faults.always = "partNumber=2", ("status", 403)
    with pytest.raises(ResourceError, match=r"s3://news/out/failed: access denied"):
        bucket.upload(big, "out/failed")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="news")


@pytest.mark.parametrize("place", range(7))
def test_a_denied_write_leaves_nothing(s3, faults, result, place):
    faults.only, faults.plan = "^PUT", [None] * place + [("status", 403)] * 99
    with pytest.raises(ResourceError, match="access denied"):
        result.write(OUT)
    with pytest.raises(InputError, match=r"no manifest.json there; wanted a run"):
        open_run(OUT)
    # Where the manifest itself was refused, objects may stay for the sweep: no manifest names them.
    assert place == 6 or keys(s3) == []


def test_a_lost_answer_to_the_last_put_is_no_failure(s3, faults, result):
    faults.only, faults.plan = "^PUT /news/out/today/manifest.json", [("lose",)]
    result.write(OUT)
    assert len(faults.seen) == 2  # the second is told that the object is there, and it is the same
    assert open_run(OUT).documents.equals(result.documents)


@pytest.mark.parametrize("policy", ["error", "overwrite"])
def test_of_two_writers_one_wins_and_the_other_says_so(s3, monkeypatch, policy):
    if policy == "overwrite":
        named("r0").write(OUT)
    sweep = publishing._sweep

    def meanwhile(*args):
        monkeypatch.setattr(publishing, "_sweep", sweep)
        named("faster").write(OUT, if_exists=policy)
        sweep(*args)

    monkeypatch.setattr(publishing, "_sweep", meanwhile)
    with pytest.raises(LockedError, match="another run was written there"):
        named("slower").write(OUT, if_exists=policy)
    assert open_run(OUT).manifest["run_id"] == "faster"
    assert not any("slower" in folder for folder in folders(s3))


def test_a_reader_during_overwrites_sees_one_run(s3):
    named("r0").write(OUT)
    done = threading.Event()
    seen, wrong = set(), []

    def look():
        while not done.is_set():
            found = open_run(OUT)
            run_id = found.manifest["run_id"]
            seen.add(run_id)
            if set(found.documents["title"].to_pylist()) != {run_id}:
                wrong.append(run_id)

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(8):
        named(f"r{number + 1}").write(OUT, if_exists="overwrite")
    done.set()
    reader.join()
    assert not wrong
    assert len(seen) > 2


def test_a_store_without_conditional_puts(s3, faults, result):
    faults.only, faults.plan = "^PUT /news/out/today/manifest.json", [("status", 501)]
    result.write(OUT)
    assert open_run(OUT).documents.equals(result.documents)


def test_damage_is_found(s3, result):
    result.write(OUT)
    key = f"out/today/{manifest(s3)['folder']}/pairs.parquet"
    content = s3.get_object(Bucket="news", Key=key)["Body"].read()
    s3.put_object(Bucket="news", Key=key, Body=content[:-9] + b"x" + content[-8:])
    with pytest.raises(DamagedRunError, match=rf"{OUT}/pairs.parquet: other bytes"):
        open_run(OUT)
    s3.delete_object(Bucket="news", Key=key)
    with pytest.raises(DamagedRunError, match=rf"{OUT}: files that its manifest.json names are missing"):
        open_run(OUT)


def test_a_forged_manifest_writes_nowhere_else(s3, result):
    result.write(OUT)
    forged = manifest(s3)
    forged["files"]["../../evil"] = {"bytes": 1, "sha256": "0", "rows": 0}
    s3.put_object(Bucket="news", Key="out/today/manifest.json", Body=json.dumps(forged).encode())
    with pytest.raises(DamagedRunError, match="wanted plain names"):
        open_run(OUT)


def test_messages_about_a_remote_run_name_its_url(s3, result):
    result.write(OUT)
    newer = manifest(s3) | {"format": 99}
    s3.put_object(Bucket="news", Key="out/today/manifest.json", Body=json.dumps(newer).encode())
    with pytest.raises(InputError, match=rf"^{OUT}/manifest.json: got format 99"):
        open_run(OUT)


def test_no_server(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{servers.free_port()}")
    with pytest.raises(ResourceError, match="not reached"):
        check_out(OUT)
