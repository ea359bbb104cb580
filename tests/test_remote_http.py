"""Inputs behind http, from a real server: ranges, downloads, lost connections, passwords."""

import base64
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import servers
from conftest import ARTICLES, run

import dedup
from dedup.errors import InputError
from dedup.filtering import filter_run
from dedup.params import ReadingParams
from dedup.reading import open_paths
from dedup.remote import objects

PLENTY = b"".join(
    b'{"id": "%d", "text": "A ferry of the line ran on rocks, report %d."}\n' % (n, n) for n in range(9000)
)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(objects, "PAUSE", 0.001)
    with servers.web_server() as site:
        yield site


@pytest.fixture
def spoiled(site):
    with servers.proxy(site.address) as faults:
        yield faults


def read(*urls, **given):
    source = open_paths(list(urls), ReadingParams(**given))
    return pa.Table.from_batches(source.batches(), source.schema), source


def test_a_file_is_read_by_ranges_that_grow(site):
    site.files["/in/a.jsonl"] = PLENTY
    table, source = read(f"{site.address}/in/a.jsonl")
    assert table.num_rows == 9000
    file = source.files[0]
    assert (file.source_file, file.bytes, file.path) == ("a.jsonl", len(PLENTY), f"{site.address}/in/a.jsonl")
    assert file.etag and len(file.sha256) == 64
    sizes = []
    for _, headers in site.requests:
        start, stop = headers["Range"].removeprefix("bytes=").split("-")
        sizes.append(int(stop) - int(start) + 1)
    assert sizes[:2] == [1, objects.SMALL_BYTES]
    assert max(sizes) <= 1 << 20
    assert site.sent < 1.2 * len(PLENTY)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("etags", [True, False])
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet", "a.csv", "a.txt", "empty.jsonl"])
def test_each_format_as_from_the_disk(site, tmp_path, name, ranges, etags):
    site.ranges, site.etags = ranges, etags
    local = tmp_path / name
    if name.endswith("parquet"):
        pq.write_table(pa.table({"id": ["1", "2"], "text": ["one ferry", "two ferries"]}), local)
    else:
        content = {"a.csv": b"id,text\n1,one\n", "a.txt": b"one text", "empty.jsonl": b""}.get(name, PLENTY)
        local.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    site.files[f"/{name}"] = local.read_bytes()
    (far, source), (near, other) = read(f"{site.address}/{name}"), read(local)
    assert far.equals(near)
    there, here = source.files[0], other.files[0]
    assert (there.bytes, there.format, there.records) == (here.bytes, here.format, here.records)
    assert there.sha256 == here.sha256 or (there.etag and name == "a.parquet")


def test_parquet_columns_that_nobody_wants_are_not_fetched(site, tmp_path):
    rows = [f"the ferry {n}" for n in range(2000)]
    page = [f"{n * 7919 % 1000003:x}" * 500 for n in range(2000)]
    pq.write_table(
        pa.table({"html": page, "text": rows}), tmp_path / "a.parquet", compression="none", use_dictionary=False
    )
    site.files["/a.parquet"] = (tmp_path / "a.parquet").read_bytes()
    table, source = read(f"{site.address}/a.parquet")
    assert table["text"].to_pylist() == rows
    assert source.files[0].sha256 == "" and source.files[0].etag
    assert site.sent < len(site.files["/a.parquet"]) / 4


@pytest.mark.parametrize("fault", [("drop", 0), ("drop", 1000), ("status", 503), ("status", 429)])
@pytest.mark.parametrize("ranges", [True, False])
def test_what_passes_is_tried_again(site, spoiled, fault, ranges):
    site.ranges = ranges
    site.files["/a.jsonl"] = PLENTY
    spoiled.plan = [fault, fault, None, fault]
    table, _ = read(f"{spoiled.address}/a.jsonl")
    assert table.num_rows == 9000
    assert spoiled.plan == [] or not ranges


@pytest.mark.parametrize("fault", [("drop", 10), ("status", 503)])
def test_what_does_not_pass_ends_the_run(site, spoiled, tmp_path, fault):
    site.files["/a.jsonl"] = PLENTY
    spoiled.plan = [None, None] + [fault] * 99  # found and its format told, then lost
    said = run("cluster", f"{spoiled.address}/a.jsonl", "-o", tmp_path / "OUT")
    assert said.exit_code == 4
    assert f"{objects.ATTEMPTS} times in a row; wanted the whole file; see that the network" in said.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_lost_connection_in_parquet_is_no_damage(site, spoiled, tmp_path):
    pq.write_table(
        pa.table({"text": [f"{n * 7919 % 1000003:x}" * 50 for n in range(9000)]}),
        tmp_path / "a.parquet",
        row_group_size=1000,
    )
    site.files["/a.parquet"] = (tmp_path / "a.parquet").read_bytes()
    spoiled.plan = [None, None, None, None] + [("drop", 10)] * 99
    with pytest.raises(InputError, match="times in a row"):
        read(f"{spoiled.address}/a.parquet")


def test_a_file_that_changes_is_refused(site):
    site.files["/a.jsonl"] = PLENTY
    source = open_paths([f"{site.address}/a.jsonl"], ReadingParams())
    site.files["/a.jsonl"] = PLENTY.replace(b"ferry", b"barge")
    with pytest.raises(InputError, match="has changed while it was read"):
        list(source.batches())


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (404, "check the URL"),
        (403, "a signed URL may have expired"),
        (401, "USER:PASSWORD"),
        (405, "see what the server wants"),
    ],
)
def test_answers_that_do_not_pass(site, spoiled, code, remedy):
    spoiled.plan = [("status", code)]
    with pytest.raises(InputError, match=f"the server answers {code} .*, wanted the file; .*{remedy}"):
        read(f"{spoiled.address}/a.jsonl")
    assert len(spoiled.seen) == 1


def test_no_server():
    port = servers.free_port()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InputError, match="Connection refused"):
        patch.setattr(objects, "PAUSE", 0.001)
        read(f"http://127.0.0.1:{port}/a.jsonl")


def test_credentials_are_used_and_nowhere_kept(site, tmp_path):
    site.login = "Basic " + base64.b64encode(b"ann:top secret").decode()
    site.query = "X-Amz-Signature=verysecret"
    site.files["/in/a.jsonl"] = Path(ARTICLES).read_bytes()
    url = f"{site.address.replace('//', '//ann:top%20secret@')}/in/a.jsonl?{site.query}"
    said = run("cluster", url, "-o", tmp_path / "OUT", "--level", "exact", "-v")
    assert said.exit_code == 0, said.stderr
    everything = (
        said.stdout + said.stderr + "".join(f.read_bytes().decode("latin-1") for f in (tmp_path / "OUT").iterdir())
    )
    assert "secret" not in everything
    assert json.loads((tmp_path / "OUT" / "manifest.json").read_text())["inputs"][0]["source_file"] == "a.jsonl"
    site.query = "X-Amz-Signature=another"  # the signature has expired
    said = run("cluster", url, "-o", tmp_path / "OUT2")
    assert said.exit_code == 4 and "403 Forbidden" in said.stderr and "secret" not in said.stderr


def test_urls_that_differ_in_their_query_only_keep_apart(site):
    site.files["/feed"] = b'{"text": "one"}\n'
    table, source = read(f"{site.address}/feed?page=2", f"{site.address}/feed?page=1")
    assert [file.source_file for file in source.files] == ["feed", "feed~2"]
    assert table["doc_id"].to_pylist() == ["feed#0", "feed~2#0"]
    assert next(path for path, _ in site.requests if "page" in path) == "/feed?page=2"


def test_with_local_files_urls_keep_their_whole_name(site, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "near"}\n')
    site.files["/a.jsonl"] = b'{"text": "far"}\n'
    table, source = read(tmp_path / "a.jsonl", f"{site.address}/a.jsonl")
    assert table["text"].to_pylist() == ["near", "far"]
    assert [file.source_file for file in source.files] == ["a.jsonl", f"{site.address}/a.jsonl"]


def test_kept_records_are_read_from_the_url_once_more(site, tmp_path):
    site.files["/a.jsonl"] = (
        b'{"text": "The ferry ran on rocks.", "n": 1}\n{"text": "The ferry ran on rocks.", "n": 2}\n'
    )
    result = dedup.cluster(f"{site.address}/a.jsonl", level="exact")
    assert filter_run(result, tmp_path / "kept.jsonl", "duplicate") == {"kept": 1, "dropped": 1}
    assert json.loads((tmp_path / "kept.jsonl").read_text())["n"] in (1, 2)
    site.files["/a.jsonl"] = site.files["/a.jsonl"].replace(b"ferry", b"barge")
    with pytest.raises(InputError, match="has changed since the run"):
        filter_run(result, tmp_path / "again.jsonl", "duplicate")
    del site.files["/a.jsonl"]
    with pytest.raises(InputError, match="404"):
        filter_run(result, tmp_path / "again.jsonl", "duplicate")
