"""Inputs on S3, from a real local server: files, folders, globs, lost connections, changes, denied access."""

import gzip
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import servers
from conftest import run

from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.reading import open_paths
from dedup.remote import objects
from dedup.remote.s3 import Bucket
from dedup.remote.urls import parse


def put(s3, *keys, content=b'{"text": "The ferry ran on rocks."}\n'):
    for key in keys:
        s3.put_object(Bucket="news", Key=key, Body=content)


def read(*urls, **given):
    source = open_paths(list(urls), ReadingParams(**given))
    return pa.Table.from_batches(source.batches(), source.schema), [file.source_file for file in source.files]


def test_files_folders_and_globs_in_the_order_of_their_bytes(s3):
    put(s3, "in/b.jsonl", "in/B.jsonl", "in/a/x.jsonl", "in/é.jsonl", "in/a.jsonl", "in/_tmp/x.jsonl", "in/.x.jsonl")
    put(s3, "in/readme.rst", "in/folder/", "inner.jsonl", content=b"")
    assert read("s3://news/in")[1] == ["B.jsonl", "a.jsonl", "a/x.jsonl", "b.jsonl", "é.jsonl"]
    assert read("s3://news/in/")[1] == ["B.jsonl", "a.jsonl", "a/x.jsonl", "b.jsonl", "é.jsonl"]
    assert read("s3://news/in/a.jsonl")[1] == ["a.jsonl"]
    assert read("s3://news/in/*.jsonl", exclude=())[1] == [".x.jsonl", "B.jsonl", "a.jsonl", "b.jsonl", "é.jsonl"]
    assert read("s3://news/i*/[ab]")[1] == ["in/a/x.jsonl"]
    assert read("s3://news/in/b.jsonl", "s3://news/in/a", "s3://news/in/b.jsonl")[1] == ["a/x.jsonl", "b.jsonl"]
    assert read("s3://news/in", exclude=("a*",))[1] == ["B.jsonl", "b.jsonl", "é.jsonl"]
    assert read("s3://news")[1][-1] == "inner.jsonl"


def test_more_objects_than_one_page_of_a_listing_holds(s3):
    put(s3, *(f"in/{n}.txt" for n in range(7)))
    bucket = Bucket(parse("s3://news/in"))
    bucket._client.meta.events.register(
        "provide-client-params.s3.ListObjectsV2", lambda params, **_: {**params, "MaxKeys": 3}
    )
    assert [found.key for found in bucket.listed("in/")] == [f"in/{n}.txt" for n in range(7)]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.parquet"])
def test_formats_as_from_the_disk(s3, tmp_path, name):
    local = tmp_path / name
    if name == "a.parquet":
        pq.write_table(pa.table({"text": [f"text {n}" for n in range(5000)]}), local, row_group_size=500)
    else:
        local.write_bytes(gzip.compress(b"".join(b'{"text": "text %d"}\n' % n for n in range(5000))))
    put(s3, name, content=local.read_bytes())
    assert read(f"s3://news/{name}")[0].equals(read(local)[0])
    file = open_paths([f"s3://news/{name}"], ReadingParams())
    list(file.batches())
    assert file.files[0].etag == s3.head_object(Bucket="news", Key=name)["ETag"]


@pytest.mark.parametrize("fault", [("drop", 100), ("status", 503)])
def test_what_passes_is_tried_again(s3, faults, fault):
    put(s3, "a.jsonl", content=b'{"text": "The ferry ran on rocks."}\n' * 9000)
    faults.only, faults.plan = "^GET", [fault, None, fault]
    assert read("s3://news/a.jsonl")[0].num_rows == 9000
    assert faults.plan == []


def test_a_connection_that_stays_lost_ends_the_run(s3, faults, tmp_path):
    put(s3, "a.jsonl", content=b'{"text": "The ferry ran on rocks."}\n' * 9000)
    faults.only, faults.plan = "^GET", [None] + [("drop", 100)] * 99
    said = run("cluster", "s3://news/a.jsonl", "-o", tmp_path / "OUT")
    assert said.exit_code == 4
    assert "s3://news/a.jsonl: connection lost" in said.stderr and "5 times in a row" in said.stderr
    assert len(faults.seen) == 1 + objects.ATTEMPTS
    assert list(tmp_path.iterdir()) == []


def test_a_change_while_reading_is_refused(s3):
    put(s3, "a.jsonl")
    source = open_paths(["s3://news/a.jsonl"], ReadingParams())
    put(s3, "a.jsonl", content=b'{"text": "The barge ran on rocks."}\n')
    with pytest.raises(InputError, match=r"s3://news/a.jsonl: has changed while it was read"):
        list(source.batches())
    source = open_paths(["s3://news/a.jsonl"], ReadingParams())
    s3.delete_object(Bucket="news", Key="a.jsonl")
    with pytest.raises(InputError, match=r"s3://news/a.jsonl: no such object any more"):
        list(source.batches())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://news/none.jsonl", "no such file, and no folder with a file to read; check the URL"),
        ("s3://news/in/*.csv", "no file matches; check the URL"),
        ("s3://no-such-bucket-here/x", "no such bucket, wanted to list it; check the name"),
    ],
)
def test_what_is_not_there(s3, url, message):
    with pytest.raises(InputError, match=message):
        read(url)


def test_denied_access(s3, faults):
    faults.always = ("status", 403)
    with pytest.raises(InputError, match=r"s3://news/a.jsonl: access denied \(403\); see that the credentials"):
        read("s3://news/a.jsonl")
    assert len(faults.seen) == 1


def test_no_server(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{servers.free_port()}")
    with pytest.raises(InputError, match=r"s3://news/a.jsonl: not reached \(EndpointConnectionError\)"):
        read("s3://news/a.jsonl")


def test_without_credentials_public_buckets_are_read(s3, monkeypatch):
    put(s3, "a.jsonl")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert "AWS_PROFILE" not in os.environ
    s3.put_bucket_acl(Bucket="news", ACL="public-read")
    s3.put_object_acl(Bucket="news", Key="a.jsonl", ACL="public-read")
    assert read("s3://news/a.jsonl")[0].num_rows == 1
