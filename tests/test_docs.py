"""Every command and block of code in README.md and docs/, run in a folder with seeds/ and the files that pages name.

The blocks of a page run one after the other, as a reader would run them. `SKIPPED` lists what is not run, and why.
"""

import doctest
import gzip
import json
import os
import re
import shutil
import sys
import tomllib

import doc_blocks
import pyarrow as pa
import pytest
import servers
from conftest import SEEDS

import dedup
from dedup.settings import layered, params_of

ROOT = doc_blocks.ROOT
_INSTALLS = "it would change the environment that runs the tests; .ci/run installs as the README says"
_TESTS = "the tests do not run themselves; .ci/run runs the same line"
# What is not run: (page, what the command or the block holds) → why.
SKIPPED = {
    ("docs/howto/contributing.md", "python3 -m venv"): _INSTALLS,
    ("docs/howto/contributing.md", "pip install -e '.[dev]'"): _INSTALLS,
    ("docs/howto/contributing.md", "pip install -e '.[docs,bench]'"): _INSTALLS,
    ("docs/howto/contributing.md", "python -m pytest -n auto"): _TESTS,
    ("docs/howto/contributing.md", "ruff check"): _TESTS,
    ("docs/howto/contributing.md", "mypy"): _TESTS,
    ("docs/howto/contributing.md", "reference.py --check"): "test_the_reference_is_that_of_the_code runs it",
    (
        "docs/howto/contributing.md",
        "docs/scripts/reference.py\n",
    ): "it would write; the line with --check says the same",
    ("docs/howto/contributing.md", "docs/scripts/terminal.py"): "test_the_picture_of_a_terminal runs what is in it",
    ("docs/howto/contributing.md", "docs/scripts/pictures.py"): "test_the_pictures_can_be_drawn draws them elsewhere",
    ("docs/howto/contributing.md", "docs/scripts/report.py"): "it would write; it wants a browser",
    ("docs/howto/contributing.md", "python -m benchmarks report"): "tests/test_benchmarks.py draws its plots",
    ("docs/howto/contributing.md", "python -m sphinx"): "test_the_site_builds_and_fetches_nothing runs it elsewhere",
    ("docs/howto/readers.md", "gcloud storage cp"): "BigQuery wants an account of Google Cloud",
    ("docs/howto/readers.md", "bq load --replace --source_format=PARQUET news.documents"): "likewise",
    ("docs/howto/readers.md", "bq load --replace --source_format=PARQUET news.pairs"): "likewise",
    ("docs/howto/readers.md", "from news.documents"): "likewise",
    ("docs/review.md", "dedup review out"): "it asks a person; tests/test_review.py answers",
    ("docs/review.md", "dedup calibrate"): "it wants verdicts; tests/test_calibration.py has some",
    ("docs/review.md", "--config mine.toml"): "likewise: the settings that calibrate proposed",
    ("docs/spark.md", "pip install 'dedup-stories[spark]'"): _INSTALLS,
    (
        "docs/spark.md",
        "dedup cluster seeds -o OUT-SPARK --engine spark\n",
    ): "tests/test_spark_job.py runs jobs on sessions",
    ("docs/spark.md", "SparkEngine(session))\nprint"): "likewise",
    ("docs/spark.md", "python3 -m venv env"): "tests/test_spark_job.py runs these three, and a job with what they pack",
    ("docs/spark.md", "spark.table("): "likewise",
    ("docs/spark.md", "sc://cluster"): "likewise",
    ("docs/reliability.md", "python -m tests.soak"): "AREA and N are the reader's; tests/test_soak.py runs each area",
}
ELSEWHERE = {"docs/jobs.md": "tests/test_jobs.py"}  # pages whose blocks another module runs one by one
NEEDS = {"pyspark": "Spark"}  # optional packages without which a block is skipped


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A run of the sample articles."""
    return dedup.cluster(SEEDS).write(tmp_path_factory.mktemp("finished") / "OUT")


@pytest.fixture
def scratch(tmp_path, monkeypatch, finished):
    """A reader's folder: seeds/, their run OUT, and small files of the names that pages use for articles of his own."""
    shutil.copytree(SEEDS, tmp_path / "seeds")
    shutil.copytree(finished, tmp_path / "OUT")
    shutil.copy(SEEDS / "articles.jsonl", tmp_path)
    rows = [json.loads(line) for line in (SEEDS / "articles.jsonl").read_text("utf-8").splitlines()]
    _own_files(tmp_path, rows)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DEDUP_")]:
        monkeypatch.delenv(name)
    binary = tmp_path / ".bin" / "dedup"
    binary.parent.mkdir()
    binary.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m dedup "$@"\n')
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", f"{binary.parent}:{os.environ['PATH']}")
    return tmp_path


def _own_files(folder, rows):
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows[:20]), folder / "articles.parquet")
    for name in ("more", "texts", "feeds"):
        (folder / name).mkdir()
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (folder / "more" / "second.jsonl").write_text("".join(lines[20:30]), "utf-8")
    (folder / "texts" / "note.txt").write_text(rows[30]["text"], "utf-8")
    feed = [{"body": row["text"], **{name: row[name] for name in ("url", "title", "source")}} for row in rows[:10]]
    pyarrow.csv.write_csv(pa.Table.from_pylist(feed), folder / "feed.csv")
    (folder / "feed.jsonl.gz").write_bytes(gzip.compress("".join(lines[:10]).encode()))
    (folder / "last").touch()
    os.utime(folder / "last", (0, 0))
    (folder / "feeds" / "new.jsonl").write_text("".join(lines[:10]), "utf-8")


def reason_to_skip(page, text):
    found = [why for (where, holding), why in SKIPPED.items() if where == page and holding in f"{text}\n"]
    return found[0] if found else None


@pytest.mark.parametrize("page", [page for page in doc_blocks.PAGES if page not in (*ELSEWHERE, "docs/remote.md")])
def test_page(page, scratch):
    if page == "README.md":  # its first command installs, then makes the run that the others look at
        doc_blocks.execute(doc_blocks.indented(page)[0].rpartition(" && ")[2], scratch)
    run_blocks(doc_blocks.blocks(page), scratch)


def test_page_of_remote_storage(scratch, s3):
    """With the seeds in a bucket of a local server, and behind a local web server in place of example.org."""
    lines = (SEEDS / "articles.jsonl").read_bytes()
    s3.put_object(Bucket="news", Key="2025/march/articles.jsonl", Body=lines)
    s3.put_object(Bucket="news", Key="dt=2025-03-03/articles.jsonl.gz", Body=gzip.compress(lines))
    (scratch / "ARTICLES.jsonl").write_bytes(lines)
    with servers.web_server() as site:
        site.files["/feed.jsonl"] = lines
        found = doc_blocks.blocks("docs/remote.md")
        names = run_blocks(
            [block._replace(text=block.text.replace("https://example.org", site.address)) for block in found], scratch
        )
    assert names["documents"].num_rows == 65


def run_blocks(blocks, folder):
    """Run blocks one after the other; return the names that those of Python made."""
    names = {"dedup": dedup}
    for block in blocks:
        if _is_rules(block):
            (folder / "overrides.toml").write_text(block.text, "utf-8")  # a page shows the command first
    for block in blocks:
        if block.language == "console":
            for step in doc_blocks.steps(block.text):
                _command(block, step, folder)
        elif block.language in RUN and reason_to_skip(block.page, block.text) is None:
            RUN[block.language](block, names, folder)
    return names


def _command(block, step, folder):
    if reason_to_skip(block.page, step.command):
        return
    # Commands that make OUT are alternatives: each finds it free, as at a first start.
    made = re.match(r".*dedup cluster .*-o (\w+)", step.command)
    if made and "--if-exists" not in step.command:
        shutil.rmtree(folder / made[1], ignore_errors=True)
    said = doc_blocks.execute(step.command, folder)
    wanted = "\n".join(step.shown)
    assert not step.shown or doc_blocks.matches(step.shown, said), (
        f"{block.page}: {step.command}\n{wanted}\n---\n{said}"
    )


def _python(block, names, folder):
    missing = [name for name in NEEDS if f"from {name}" in block.text and not _installed(name)]
    if not missing:
        exec(compile(block.text, f"{block.page}, line {block.line}", "exec"), names)
        if "spark" in names:  # else the next test in this process would get it, with its settings
            names.pop("spark").stop()


def _installed(name):
    from importlib.util import find_spec

    return find_spec(name) is not None and shutil.which("java") is not None


def _pycon(block, names, folder):
    test = doctest.DocTestParser().get_doctest(block.text, names, block.page, block.page, block.line)
    assert doctest.DocTestRunner().run(test).failed == 0, block


def _sql(block, names, folder):
    duckdb = pytest.importorskip("duckdb")
    for statement in block.text.split(";"):
        if statement.strip():
            assert pa.table(duckdb.sql(statement)).num_rows, statement  # fetchall wants pytz for dates


def _is_rules(block):
    return block.language == "toml" and "[[" in block.text


def _toml(block, names, folder):
    if _is_rules(block):
        return  # a command of the page reads them
    (folder / "dedup.toml").write_text(block.text)
    found = layered({}, environ={}, folder=folder)
    params_of(found)
    assert {name: one.value for name, one in found.items() if one.origin != "default"} == tomllib.loads(block.text)
    (folder / "dedup.toml").unlink()


RUN = {"python": _python, "pycon": _pycon, "sql": _sql, "toml": _toml}


def test_what_is_skipped_is_there():
    texts = {page: [] for page in doc_blocks.PAGES}
    for page in doc_blocks.PAGES:
        for block in doc_blocks.blocks(page):
            texts[page] += (
                [step.command for step in doc_blocks.steps(block.text)] if block.language == "console" else [block.text]
            )
    for page, holding in SKIPPED:
        assert any(holding in f"{text}\n" for text in texts[page]), f"{page}: nothing holds {holding!r} any more"


def test_the_commands_of_the_readme():
    """The two that .ci/run takes, word for word."""
    install, test = doc_blocks.indented("README.md")
    assert install.startswith("python3 -m venv .venv && ") and install.endswith("dedup cluster seeds -o out")
    assert test == ".venv/bin/python -m pytest -n auto"
