"""What several test modules share: a hand-made run, ways to call the command line, and a reader of any output."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import servers
from typer.testing import CliRunner

from dedup import cli, counting, reading, schema, text, weighing
from dedup.params import ReadingParams, StoryParams
from dedup.remote import objects
from dedup.run import Result

SEEDS = Path(__file__).parents[1] / "seeds"
ARTICLES = str(SEEDS / "articles.jsonl")
ESCAPE = "\x1b"

DAY = datetime(2025, 3, 3, 19, 10, tzinfo=UTC)
STORIES = ((3, 2), (2, 1), (1, 1))  # articles and groups of each
FILES = {"documents.parquet", "groups.parquet", "clusters.parquet", "pairs.parquet", "rejects.jsonl", "manifest.json"}
_LINES = pyarrow.csv.ParseOptions(newlines_in_values=True)

# Every Java that the tests start ends within minutes: its second compiler costs as much as all it then does.
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
os.environ.setdefault("SPARK_SUBMIT_OPTS", JAVA)


LONG = ("spark", "soak", "shared_data", "determinism")  # modules, the longest first


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that one core does not end with it alone."""
    items.sort(key=lambda item: [name not in item.path.name for name in LONG])


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
                "source_file": "in.jsonl",
                "source_row": 3,
                "line": 4,
                "byte_offset": 99,
                "code": "bad_json",
                "message": "not JSON: 日本\udc80",
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
                    "records": 6,
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
            "skipped": {"hot_keys": 2, "duplicate_pairs": 0, "postings": 0, "story_pairs": 0},
            "seconds": {"read": 0.5},
        },
    )


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def describe(result, path, place=0):
    """Put the present state of an input file into the manifest."""
    content = path.read_bytes()
    result.manifest["inputs"][place] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def load(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    return (
        pq.read_table(path) if path.suffix == ".parquet" else pyarrow.csv.read_csv(path, parse_options=_LINES)
    ).to_pylist()


def run(*args, **kwargs):
    """Run a command inside this process."""
    return CliRunner().invoke(cli.app, [str(arg) for arg in args], prog_name="dedup", **kwargs)


def command(*args, env=None, **kwargs):
    """Run a command in a process of its own, without a terminal."""
    words = [sys.executable, "-m", "dedup", *map(str, args)]
    env = {**os.environ, **(env or {})}
    return subprocess.run(words, capture_output=True, text=True, encoding="utf-8", env=env, check=False, **kwargs)


@pytest.fixture
def result() -> Result:
    return make_result()


@pytest.fixture
def small_run(tmp_path):
    """A hand-made run over a real input file."""
    path = tmp_path / "in.jsonl"
    lines = [{"id": f"x{row}", "n": row, "text": f"text {row}"} for row in range(6)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = make_result(str(path))
    describe(result, path)
    result.write(tmp_path / "OUT")
    return tmp_path / "OUT"


@pytest.fixture(scope="session")
def seed_vectors():
    """Counted terms, vectors and days of the seed articles; every fifth one without a date."""
    batches = list(reading.open_source(ARTICLES, ReadingParams()).batches())
    terms = pa.Table.from_batches([counting.count_terms(b, text.prepare(b), StoryParams()) for b in batches])
    days = pa.Table.from_batches(batches)["published_at"].cast(pa.int64()).to_numpy() / 8.64e10
    days = np.where(np.arange(len(days)) % 5 == 0, np.nan, days)
    return terms, weighing.vectors(terms, weighing.background()), days


@pytest.fixture(scope="session")
def s3_address():
    pytest.importorskip("moto.server", reason="the local S3 server is moto's: pip install 'moto[server]'")
    pytest.importorskip("boto3", reason="the package for s3:// URLs is not installed")
    with servers.s3_server() as address:
        yield address


@pytest.fixture
def s3(s3_address, monkeypatch):
    """A client of the local S3 server, with the empty bucket `news`; dedup finds the same server by its environment."""
    import boto3

    for name, value in {**servers.KEYS, "AWS_ENDPOINT_URL": s3_address}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(objects, "PAUSE", 0.001)
    client = boto3.client("s3", endpoint_url=s3_address)
    client.create_bucket(Bucket="news")
    yield client
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="news"):
        for entry in page.get("Contents", ()):
            client.delete_object(Bucket="news", Key=entry["Key"])
    client.delete_bucket(Bucket="news")


@pytest.fixture
def faults(s3, s3_address, monkeypatch):
    """A proxy between dedup and the S3 server, which the client `s3` goes around."""
    with servers.proxy(s3_address) as plan:
        monkeypatch.setenv("AWS_ENDPOINT_URL", plan.address)
        yield plan


@pytest.fixture(scope="module")
def session(request, tmp_path_factory):
    """A Spark session of two threads."""
    sql = pytest.importorskip("pyspark.sql")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else the first python3 of PATH
    builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
    found = builder.config("spark.log.level", "OFF").getOrCreate()
    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(request.module)  # the workers cannot import tests
    yield found
    found.stop()


@pytest.fixture
def engine(session):
    """An engine on it, with a temporary folder."""
    from dedup.engines.spark import SparkEngine

    with SparkEngine(session) as made:
        yield made
