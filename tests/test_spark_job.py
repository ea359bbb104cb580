"""The whole job on Spark sessions: the tables of one machine, from any session, with executors killed on the way."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import JAVA, SEEDS
from conftest import run as run_here

import dedup
from dedup import previews, terminal
from dedup.errors import SettingsError

pyspark = pytest.importorskip("pyspark")

ROOT = Path(__file__).parents[1]
G5W = ROOT.parent / "shared" / "data" / "open" / "g5w_news_cluster.parquet"
TABLES = ("documents", "groups", "clusters", "pairs")
PLAIN = {"spark.sql.codegen.wholeStage": "false"}  # no Java is made for each plan; the first job has Spark's default


@pytest.fixture(scope="module")
def expected():
    """What one machine finds in the sample articles."""
    return dedup.cluster(SEEDS)


def run(folder, **given):
    """Run a job in a process of its own, and return what it wrote."""
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"inputs": [str(SEEDS)], "out": str(folder / "OUT"), **given}), "utf-8")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {
        "PYSPARK_PYTHON": sys.executable,
        **os.environ,
        "PYTHONPATH": path,
        "SPARK_WORKER_DIR": str(folder / "workers"),
        **given.get("env", {}),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.spark_job", str(settings)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return dedup.open_run(folder / "OUT")


def same(got, wanted):
    for name in TABLES:
        table = getattr(got, name)
        assert table.num_rows > 0
        assert table.equals(getattr(wanted, name)), name


def quiet(**more):
    return {"spark.ui.enabled": "false", "spark.log.level": "OFF", **more}


def test_a_classic_session_finds_the_same(expected, tmp_path):
    """And the machines write the same tables in the same order, from the steps that are there already."""
    elsewhere = {"checkpoint": str(tmp_path / "checkpoint"), "elsewhere": f"file://{tmp_path}/ELSEWHERE"}
    found = run(tmp_path, master="local[2]", parts=3, conf=quiet(), **elsewhere)
    same(found, expected)
    assert found.verify() == []
    assert found.manifest["run_id"] == expected.manifest["run_id"]
    assert found.manifest["counts"] == expected.manifest["counts"]
    assert found.manifest["skipped"] == expected.manifest["skipped"]
    written = tmp_path / "ELSEWHERE"
    for name in TABLES:
        table = pq.read_table(written / f"{name}.parquet").cast(getattr(expected, name).schema)
        assert table.equals(getattr(expected, name)), name
    manifest = json.loads("".join(path.read_text("utf-8") for path in (written / "manifest.json").glob("part-*")))
    assert manifest["counts"] == expected.manifest["counts"]


def test_what_cannot_be_done_is_said_before_a_session_is_asked_for(tmp_path):
    rules = tmp_path / "overrides.toml"
    rules.write_text('[[ignore]]\narticles = ["x"]\n', "utf-8")
    with pytest.raises(SettingsError, match="overrides: got rules, which the engine spark does not know yet"):
        dedup.cluster(SEEDS, engine=object(), overrides=str(rules))
    done = run_here("cluster", SEEDS, "-o", tmp_path / "OUT", "--checkpoint", tmp_path)
    assert done.exit_code == 2
    assert "checkpoint: got" in done.stderr
    assert "add --engine spark" in done.stderr


def spark_command(tmp_path, *words, **environment):
    """Run `dedup cluster … --engine spark` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "dedup", "cluster", str(SEEDS), "--engine", "spark", *words],
        env={"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", ""), **environment},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def test_what_the_engine_does_not_know_is_refused_before_a_session_starts(tmp_path):
    """Here none could: there is no Java, which is said where nothing else is wrong."""
    rules = tmp_path / "overrides.toml"
    rules.write_text('[[ignore]]\narticles = ["x"]\n', "utf-8")
    for words, said in (
        (["--limit", "5"], "error: limit: got 5, which the engine spark does not know; hand over fewer articles\n"),
        (["--overrides", str(rules)], "error: overrides: got rules, which the engine spark does not know yet; leave t"),
        (["-o", "hdfs:///OUT", "--if-exists", "skip"], "error: if-exists: got skip for hdfs:///OUT, wanted error or o"),
        ([], "error: engine: got spark on a machine without Java, wanted Java 17 or later; install it, and put its "),
    ):
        done = spark_command(tmp_path, "-o", "OUT", *words, PATH=str(tmp_path))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(said), done.stderr
        assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["overrides.toml"]


def test_a_session_that_does_not_start_is_told_of(tmp_path):
    java = tmp_path / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\nexit 1\n", "utf-8")
    java.chmod(0o755)
    done = spark_command(tmp_path, "-o", "OUT", PATH=os.environ["PATH"], JAVA_HOME=str(tmp_path / "java"))
    assert done.returncode == 2
    assert "engine: got spark, which does not start ([JAVA_GATEWAY_EXITED]" in done.stderr.splitlines()[-1]


def test_workers_without_the_package_are_told_of(tmp_path):
    venv.create(tmp_path / "bare")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "dedup", "cluster", str(SEEDS), "-o", str(tmp_path / "OUT"), "--engine", "spark"],
        env={**environment, "PYSPARK_PYTHON": str(tmp_path / "bare" / "bin" / "python")},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr[-4000:]
    assert "set PYSPARK_PYTHON to a Python that has them" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "OUT").exists()


def test_the_plan_is_shown_and_nothing_runs(tmp_path):
    command = ["cluster", SEEDS, "-o", tmp_path / "OUT", "--engine", "spark", "--explain-plan"]
    shown = run_here(*command)
    assert shown.exit_code == 0
    assert re.search(r"^parts\s+1 +of about 65 documents; a task takes about \d+ MB$", shown.stdout, re.MULTILINE)
    plan = json.loads(run_here(*command, "--json", "--level", "duplicate").stdout)
    assert [stage["stage"] for stage in plan["stages"]] == ["read", "boilerplate", "copies", "groups", "canonical"]
    assert all(stage["rows"] > 0 and stage["bytes"] > 0 for stage in plan["stages"])
    assert not (tmp_path / "OUT").exists()
    widest = max(map(len, shown.stdout.splitlines()))
    assert widest <= 80, "what it prints is not cut where a terminal is 80 columns wide"
    assert "…" not in shown.stdout
    for words in (["--explain-plan"], ["--dry-run"]):
        for out in ("hdfs:///runs/OUT", f"file://{tmp_path}/OUT"):
            assert run_here("cluster", SEEDS, "-o", out, "--engine", "spark", *words).exit_code == 0, out
        done = run_here("cluster", "hdfs:///news", "-o", tmp_path / "OUT", "--engine", "spark", *words)
        assert done.exit_code == 4
        assert done.stderr.startswith("error: hdfs:///news: got a URL that only Spark reads, wanted paths or s3://, ")
    assert not (tmp_path / "OUT").exists()


def test_the_plan_of_a_billion_articles_fits_too():
    from dedup.distributed import plan

    foretold = plan.estimate(10**9, 2_226 * 10**9, 2_226 * 10**9, "story")
    console = terminal.console(io.StringIO(), plain=True)
    previews.print_plan(foretold, console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    assert [line.split()[-1] for line in lines[-7:]] == [stage["sends"].split()[-1] for stage in foretold["stages"]]


def test_spark_connect_finds_the_same_in_a_frame(tmp_path):
    """Rows in another order, in several files, of which Spark makes the partitions."""
    pytest.importorskip("grpc")
    rows = [json.loads(line) for path in sorted(SEEDS.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    names = sorted({name for row in rows for name in row})
    rows = [{name: row.get(name) for name in names} for row in rows[::-1]]
    for number in range(3):
        pq.write_table(pa.Table.from_pylist(rows[number::3]), tmp_path / f"{number}.parquet")
    wanted = dedup.cluster(pa.Table.from_pylist(rows))
    found = run(tmp_path, remote="local[2]", frame=str(tmp_path / "*.parquet"), parts=2, conf=PLAIN)
    columns = ["doc_id", "story_id", "duplicate_id", "canonical_doc_id", "relation", "similarity", "cosine"]
    assert found.documents.select(columns).equals(wanted.documents.select(columns))
    assert found.clusters.equals(wanted.clusters)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The environment that docs/spark.md tells how to pack."""
    page = (ROOT / "docs" / "spark.md").read_text("utf-8")
    commands = re.findall(r"^    (python3 -m venv env|env/bin/.*)$", page, re.MULTILINE)
    assert len(commands) == 3, "make, install, pack"
    folder = tmp_path_factory.mktemp("environment")
    for command in commands:
        line = command.replace("'dedup-stories'", f"'{ROOT}'").replace("python3", sys.executable)
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        subprocess.run(line, shell=True, cwd=folder, env=environment, check=True, capture_output=True)
    return folder / "env.tar.gz"


def test_a_cluster_with_a_packed_environment_survives_killed_executors(archive, expected, tmp_path):
    """Two executors with an environment of their own; one is killed while boilerplate is learnt, one in pass 2."""
    checkpoint = tmp_path / "checkpoint"
    conf = quiet(**PLAIN, **{
        "spark.archives": f"{archive}#env",
        "spark.executor.memory": "1g",
        "spark.executor.extraJavaOptions": JAVA,
        "spark.executorEnv.NUMBA_CACHE_DIR": str(tmp_path / "kernels"),
    })  # fmt: skip
    work = Path(pyspark.__file__).parent / "work"  # where a local cluster unpacks archives, whatever it is told
    before = set(work.glob("*"))
    killed = []
    watching = threading.Thread(target=kill, args=(checkpoint, ("boilerplate", "vectors"), killed), daemon=True)
    watching.start()
    found = run(
        tmp_path, master="local-cluster[2,1,2048]", checkpoint=str(checkpoint), parts=3, conf=conf,
        env={"PYSPARK_PYTHON": "./env/bin/python", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    for left in set(work.glob("*")) - before:
        shutil.rmtree(left)
    assert len(killed) == 2, "an executor must have been killed in each of two stages"
    same(found, expected)


def kill(checkpoint, stages, killed):
    """Kill an executor as soon as a step of each stage has begun to write."""
    for stage in stages:
        while not (checkpoint.is_dir() and any(stage in path.name for path in checkpoint.glob("*/*"))):
            time.sleep(0.05)
        while not (found := executors()):
            time.sleep(0.05)
        os.kill(found[0], signal.SIGKILL)
        killed.append(stage)


def executors():
    """List the processes of executors below this one."""
    parents, found = {}, []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if b"CoarseGrainedExecutorBackend" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except OSError:  # it has ended
            continue

    def is_mine(pid):
        while pid in parents and pid != os.getpid():
            pid = parents[pid]
        return pid == os.getpid()

    return sorted(filter(is_mine, found))


@pytest.mark.exhaustive
@pytest.mark.skipif(not G5W.exists(), reason="the shared articles are not here")
@pytest.mark.parametrize("parts", [1, 5])
def test_real_articles(tmp_path, parts):
    same(run(tmp_path, master="local[2]", inputs=[str(G5W)], parts=parts, conf=quiet()), dedup.cluster(G5W))


@pytest.mark.exhaustive
def test_fifty_thousand_resampled_articles(tmp_path):
    from benchmarks import corpus

    source = corpus.write(tmp_path / "articles.parquet", corpus.read(corpus.SEEDS), 50_000, 3)
    same(run(tmp_path, master="local[2]", inputs=[str(source)], conf=quiet()), dedup.cluster(source))
    shutil.rmtree(tmp_path)
