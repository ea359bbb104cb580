"""URLs: their parts, what is shown of them, globs; and that nothing reaches the network without one."""

import json
import subprocess
import sys

import pytest
from conftest import ARTICLES
from hypothesis import given
from hypothesis import strategies as st

from dedup.errors import DedupError, SettingsError
from dedup.params import ReadingParams
from dedup.reading import open_paths
from dedup.remote import finding
from dedup.remote.urls import Url, is_url, parse, shown_root


@pytest.mark.parametrize(
    ("text", "parts", "shown"),
    [
        ("s3://b/a/k.jsonl", ("s3", "b", "a/k.jsonl", "", ""), "s3://b/a/k.jsonl"),
        ("S3://b/a#1.jsonl", ("s3", "b", "a#1.jsonl", "", ""), "s3://b/a#1.jsonl"),
        ("https://u:p@h:8443/a%20b?sig=x#part", ("https", "h:8443", "a%20b", "sig=x", "u:p"), "https://h:8443/a%20b"),
        ("https://u:p@ss@h/a", ("https", "h", "a", "", "u:p@ss"), "https://h/a"),
        ("http://[::1]:80/a", ("http", "[::1]:80", "a", "", ""), "http://[::1]:80/a"),
        ("abfs://c@acct.dfs.core.windows.net/a", ("abfs", "c@acct.dfs.core.windows.net", "a", "", ""), None),
        ("hf://datasets/u/r@main/x.parquet", ("hf", "datasets", "u/r@main/x.parquet", "", ""), None),
    ],
)
def test_parts(text, parts, shown):
    url = parse(text)
    assert (url.scheme, url.store, url.key, url.query, url.user) == parts
    assert str(url) == repr(url) == (shown or text)


@pytest.mark.parametrize(
    "text",
    [
        "s3://name:topsecret@b/k",
        "s3://b/k.jsonl?X-Amz-Signature=topsecret",
        "az://c/k?sig=topsecret",
        "abfs://name:topsecret@acct/k",
        "ftp://name:topsecret@h/k",
        "https://name:topsecret@",
        "https://name:topsecret@h:port/k",
        "s3://",
    ],
)
def test_what_cannot_be_used_is_refused_without_showing_secrets(text):
    with pytest.raises(SettingsError, match="://") as refused:
        open_paths([text], ReadingParams())
    assert "topsecret" not in str(refused.value)


@given(st.text(min_size=1), st.sampled_from(("s3", "gs", "az", "abfs", "hf", "http", "https")))
def test_a_password_is_never_shown(rest, scheme):
    try:
        shown = str(parse(f"{scheme}://user:pÄssw0rd@{rest}"))
    except DedupError as error:
        shown = str(error)
    assert "pÄssw0rd" not in shown


def test_local_paths_are_no_urls():
    assert not any(map(is_url, ["a/b.jsonl", "/a", "C:\\a", "a:b", "-", "in/*.jsonl", "", 3]))


@pytest.mark.parametrize(
    ("pattern", "key", "match"),
    [
        ("in/*.jsonl", "in/a.jsonl", True),
        ("in/*.jsonl", "in/deep/a.jsonl", False),
        ("in/**/*.jsonl", "in/a.jsonl", True),
        ("in/**/*.jsonl", "in/x/y/a.jsonl", True),
        ("in/**", "in/x/y/a.csv", True),
        ("in/part-?.csv", "in/part-1.csv", True),
        ("in/part-[0-3].csv", "in/part-4.csv", False),
        ("in/part-[!0-3].csv", "in/part-4.csv", True),
        ("in/x[!a]y", "in/x/y", False),
        ("in/a+(b).[c]sv", "in/a+(b).csv", True),
        ("dt=2025-*", "dt=2025-01/part.jsonl", True),  # a folder that matches is read
        ("dt=2025-*", "dt=2025-01/_tmp/part.jsonl", False),
        ("dt=2025-*", "dt=2025-01/readme.md", False),
        ("dt=2025-*/", "dt=2025-01/part.jsonl", True),
        ("dt=2025-*/", "dt=2025-01", False),
    ],
)
def test_globs(pattern, key, match):
    assert finding._matches(key, pattern, lambda relative, name: name.endswith(".jsonl")) is match


@pytest.mark.parametrize(
    ("paths", "root"),
    [
        (["s3://b/a/x", "s3://b/a/c/y"], "s3://b/a"),
        (["s3://b/x", "s3://b/y"], "s3://b"),
        (["s3://b/x", "s3://c/x"], ""),
        (["s3://b/x", "/b/x"], ""),
        ([], ""),
    ],
)
def test_the_root_of_urls(paths, root):
    assert shown_root(paths) == root


def test_fixed_part_of_a_glob():
    assert Url("s3", "b", "a/b/c*/d?").fixed == "a/b"
    assert Url("s3", "b", "*.jsonl").fixed == ""
    assert Url("https", "h", "a*?b").fixed == "a*?b"


def test_without_a_url_nothing_is_loaded_and_no_connection_made(tmp_path):
    code = f"""
import sys
def refuse(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request"):
        raise RuntimeError(event)
sys.addaudithook(refuse)
import dedup
dedup.cluster({ARTICLES!r}, level="exact").write({str(tmp_path / "OUT")!r})
dedup.open_run({str(tmp_path / "OUT")!r})
import json
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "dedup.remote.urls" in loaded
    assert not loaded & {"boto3", "botocore", "dedup.remote.s3", "dedup.remote.http", "dedup.remote.other"}


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [
        ("s3://b/k", "boto3", "s3"),
        ("gs://b/k", "gcsfs", "gs"),
        ("az://b/k", "adlfs", "az"),
        ("hf://d/k", "huggingface_hub", "hf"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, url, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SettingsError, match=rf"wanted the package {package}.*pip install 'dedup-stories\[{extra}\]'"):
        open_paths([url], ReadingParams())
