"""The recipes of docs/jobs.md: the very blocks of the page, run or checked as far as this machine can."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import types
from pathlib import Path

import pytest
from conftest import ARTICLES, run

from dedup.errors import DedupError
from dedup.run import open_run
from dedup.settings import layered, params_of

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "jobs.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
RETRIED = {1, 6, 130, 143}


def block(language, holding=""):
    """Return the one block of a language that holds a text."""
    (found,) = [text for name, text in BLOCKS if name == language and holding in text]
    return found


@pytest.fixture
def site(tmp_path):
    """A machine in a folder: /srv/news with its feeds, and /opt/dedup/bin/dedup."""
    news, binary = tmp_path / "srv" / "news", tmp_path / "opt" / "dedup" / "bin" / "dedup"
    (news / "feeds").mkdir(parents=True)
    (news / "metrics").mkdir()
    shutil.copy(ARTICLES, news / "feeds")
    binary.parent.mkdir(parents=True)
    binary.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m dedup "$@"\n')
    binary.chmod(0o755)
    return tmp_path


def moved(text, site):
    """Return a block with its folders inside the site."""
    return re.sub(r"(?<![\w/])/(srv|opt)/", lambda found: f"{site}/{found[1]}/", text)


def test_the_table_of_exit_codes_is_complete():
    table = PAGE[: PAGE.index("## What a job says")]
    codes = {int(code) for cells in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in cells.split(",")}
    own = {kind.exit_code for kind in DedupError.__subclasses__()}
    assert codes == own | {0, 1, 129, 130, 143}


def test_the_settings_of_the_page_are_valid(tmp_path):
    text = block("toml")
    (tmp_path / "dedup.toml").write_text(text)
    found = layered({}, environ={}, folder=tmp_path)
    params_of(found)
    assert {name: one.value for name, one in found.items() if one.origin != "default"} == tomllib.loads(text)
    (variable,) = re.findall(r"`(DEDUP_\w+)=([^`]+)`", PAGE)
    assert layered({}, environ=dict([variable]))["keep_cols"].value == ["section", "author"]


def test_the_metrics_that_are_named_are_those_of_the_file():
    from dedup.metrics import _HELP

    assert set(re.findall(r"`dedup_(\w+?)(?:`|\{)", PAGE)) == set(_HELP)


def test_cron_and_a_folder_a_day(site):
    """The line as cron runs it, by sh with a bare environment; then another day, and both read as one table."""
    *variables, line = moved(block("cron"), site).splitlines()
    *times, command = line.split(None, 5)
    assert len(times) == 5 and all(re.fullmatch(r"\*|\d+", field) for field in times)
    assert not re.search(r"(?<!\\)%", command), "cron ends the command at a bare %"
    bare = {"HOME": str(site), "PATH": "/usr/bin:/bin", **dict(line.split("=", 1) for line in variables)}
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace("\\%", "%")], env=bare, cwd="/", capture_output=True, text=True, check=False
    )
    news = site / "srv" / "news"
    log = (news / "dedup.log").read_text()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), log  # cron mails what is said
    assert 'dedup_exit_code{task="news"} 0' in (news / "metrics" / "news.prom").read_text()
    (today,) = (news / "out").glob("dt=*")
    assert today.name == time.strftime("dt=%Y-%m-%d") or time.strftime("%H%M") < "0010"
    assert any(json.loads(line)["message"] == "run written" for line in log.splitlines() if line.startswith("{"))
    said = run("cluster", ARTICLES, "-o", news / "out" / "dt=2025-03-03", "--limit", "30", "-q")
    assert said.exit_code == 0, said.stderr
    read_back(site, today.name.removeprefix("dt="))


def read_back(site, today):
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("polars")
    found = duckdb.sql(moved(block("sql", "hive_partitioning"), site)).fetchall()
    stories = {name: open_run(site / "srv/news/out" / f"dt={name}").clusters.num_rows for name in ("2025-03-03", today)}
    assert [(str(dt), count) for dt, count in found] == sorted(stories.items())
    names = {}
    exec(moved(block("python", "pyarrow.dataset"), site), names)
    documents = names["documents"].to_pydict()
    assert sorted(documents["dt"]) == ["2025-03-03"] * 30 + [today] * 65
    assert len(names["canonical"]) == sum(stories.values()) == sum(documents["is_canonical"])
    assert {str(dt) for dt in names["canonical"]["dt"].to_list()} == set(stories)


def test_systemd(site):
    """Both units, verified by systemd itself; the hardening leaves little to attack."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    units = [text for name, text in BLOCKS if name == "ini"]
    folder = site / "units"
    folder.mkdir()
    for text in units:
        (folder / Path(text.split()[1]).name).write_text(moved(text, site))
    files = sorted(map(str, folder.iterdir()))
    assert [Path(file).name for file in files] == ["dedup.service", "dedup.timer"]
    said = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False)
    # What it says of units that the machine brings is not about these two.
    own = [line for line in said.stderr.splitlines() if "dedup." in line or str(folder) in line]
    assert own == []
    words = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(folder / "dedup.service")]
    said = subprocess.run(words, capture_output=True, text=True, check=False)
    if "unrecognized" in said.stderr or "Unknown" in said.stderr:
        pytest.skip("a systemd that cannot judge units offline")
    assert said.returncode == 0, said.stdout[-500:] + said.stderr
    service = (folder / "dedup.service").read_text()
    assert "\nMemoryDenyWriteExecute" not in service
    never = set(map(int, re.search(r"RestartPreventExitStatus=(.*)", service)[1].split()))
    assert not never & RETRIED and never == {kind.exit_code for kind in DedupError.__subclasses__()} - {6}
    (command,) = re.findall(r"ExecStart=(.*)", service)
    command = command.replace("/var/lib/dedup", f"{site}/state")
    assert subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False).returncode == 0
    assert open_run(site / "state" / "out").documents.num_rows == 65


class SkipError(Exception):
    """Stands for AirflowSkipException."""


class FailedError(Exception):
    """Stands for AirflowException."""


class FailedForGoodError(FailedError):
    """Stands for AirflowFailException."""


class Bash:
    """What Airflow's BashOperator does with a command, by its documentation; Airflow takes minutes to install."""

    def __init__(self, *, task_id, bash_command, skip_on_exit_code, retries, retry_delay):
        self.command, self.skipped = bash_command, skip_on_exit_code

    def execute(self, context):
        command = self.command.replace("{{ ds }}", context["ds"])
        done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode in self.skipped:
            raise SkipError
        if done.returncode:
            raise FailedError(done.returncode)
        return done.stdout.splitlines()[-1]  # the XCom


class Dag:
    """A DAG that knows no schedule."""

    def __init__(self, name, **settings):
        assert settings["max_active_runs"] == 1 and settings["catchup"] is False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.fixture
def airflow(monkeypatch):
    def module(name, **names):
        made = types.ModuleType(name)
        vars(made).update(names)
        monkeypatch.setitem(sys.modules, name, made)

    for name in ("airflow", "airflow.providers", "airflow.providers.standard", "airflow.providers.standard.operators"):
        module(name)
    module("airflow.providers.standard.operators.bash", BashOperator=Bash)
    module("airflow.sdk", DAG=Dag, task=lambda **_: lambda function: function)
    kinds = {"": FailedError, "Fail": FailedForGoodError, "Skip": SkipError}
    module("airflow.exceptions", **{f"Airflow{name}Exception": kind for name, kind in kinds.items()})


def test_airflow_bash_operator(site, airflow):
    names = {}
    exec(moved(block("python", "BashOperator"), site), names)
    xcom = json.loads(names["stories"].execute({"ds": "2025-03-03"}))
    assert xcom["status"] == "done" and xcom["counts"]["documents"] == 65
    assert open_run(site / "srv/news/out/dt=2025-03-03").documents.num_rows == 65
    for file in (site / "srv/news/feeds").iterdir():
        file.unlink()
    with pytest.raises(SkipError):
        names["stories"].execute({"ds": "2025-03-04"})
    shutil.rmtree(site / "srv/news/out/dt=2025-03-03")
    (site / "srv/news/out/dt=2025-03-03").mkdir()  # no run: it is never replaced
    shutil.copy(ARTICLES, site / "srv/news/feeds")
    with pytest.raises(FailedError, match="5"):
        names["stories"].execute({"ds": "2025-03-03"})


def test_airflow_task(site, airflow):
    names = {}
    exec(moved(block("python", "AirflowFailException"), site), names)
    assert names["stories"](ds="2025-03-03")["documents"] == 65
    feed = next((site / "srv/news/feeds").iterdir())
    feed.write_text("{broken\n" * 100)
    with pytest.raises(FailedForGoodError, match="100 of 100"):
        names["stories"](ds="2025-03-04")
    feed.unlink()
    with pytest.raises(SkipError):
        names["stories"](ds="2025-03-04")


def test_dagster(site, monkeypatch, tmp_path):
    dagster = pytest.importorskip("dagster", reason="dagster is not installed")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    recipe = tmp_path / "recipe.py"
    recipe.write_text(moved(block("python", "dagster"), site))
    names = {"__name__": "recipe"}
    exec(compile(recipe.read_text(), recipe, "exec"), names)
    done = dagster.materialize([names["stories"]])
    assert done.success
    (event,) = done.get_asset_materialization_events()
    assert event.materialization.metadata["documents"].value == 65
    next((site / "srv/news/feeds").iterdir()).unlink()
    failed = dagster.materialize([names["stories"]], raise_on_error=False)
    assert not failed.success
    assert not [event for event in failed.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]


def test_docker(tmp_path):
    """Each instruction of the Docker file; it is built only where a daemon and the base image are at hand."""
    lines = block("dockerfile").splitlines()
    given = dict(line.split(" ", 1) for line in lines)
    assert list(given) == ["FROM", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT"]
    assert json.loads(given["ENTRYPOINT"]) == ["dedup"], "a shell would not hand on SIGTERM"
    user, group = map(int, given["USER"].split(":"))
    assert user >= 1000 and group >= 1000
    for name in re.findall(r"(\w+)=", given["ENV"]):
        assert name in ("PYTHONDONTWRITEBYTECODE", "NUMBA_CACHE_DIR")
    steps = [step.strip() for step in given["RUN"].split("&&")]
    assert steps[0].startswith("pip install") and steps[0].endswith(given["COPY"].split()[1])
    warm = steps[1].replace("/opt/dedup", str(ROOT)).replace("/tmp/out", str(tmp_path / "out")).split()[1:]
    assert run(*warm).exit_code == 0 and (tmp_path / "out").is_dir()


def isolated():
    words = ["unshare", "--mount", "--pid", "--fork", "--mount-proc"]
    return words if os.geteuid() == 0 else [*words, "--user", "--map-root-user"]


@pytest.fixture
def pod(site):
    """The command line of the CronJob's container, in namespaces of its own, with a read-only root."""
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load(block("yaml"))
    spec = job["spec"]["jobTemplate"]["spec"]
    template = spec["template"]["spec"]
    (container,) = template["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] and not template["enableServiceLinks"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in template["volumes"]}
    rules = {rule["action"]: rule for rule in spec["podFailurePolicy"]["rules"]}
    final = set(rules["FailJob"]["onExitCodes"]["values"])
    assert not final & RETRIED and rules["FailJob"]["onExitCodes"]["containerName"] == container["name"]
    mounts = [site / mount["mountPath"].strip("/") for mount in container["volumeMounts"]]
    for folder in mounts:
        folder.mkdir()
    if subprocess.run([*isolated(), "true"], capture_output=True, check=False).returncode:
        pytest.skip("no namespaces for this user")
    feeds = site / "data" / "feeds"
    feeds.mkdir()
    rows = [json.loads(line) for line in Path(ARTICLES).read_text("utf-8").splitlines()]
    with (feeds / "articles.jsonl").open("w") as file:
        for copy in range(30):
            for row in rows:
                file.write(json.dumps({**row, "id": f"{row['id']}-{copy}", "text": f"{row['text']} {copy}"}) + "\n")

    def inside(text):
        return re.sub(r"^/(data|scratch)", lambda found: f"{site}/{found[1]}", text)

    binds = "".join(f'mount --bind "{folder}" "{folder}"\n' for folder in mounts)
    script = (
        f"set -e\nmount --make-rprivate /\n{binds}mount -o remount,bind,ro /\ncd /\n"
        f'if touch "{ROOT}/dedup/x" "{site}/x" 2>/dev/null; then echo writable; exit 99; fi\nexec "$@"'
    )
    environ = {item["name"]: inside(item["value"]) for item in container["env"]}
    words = [sys.executable, "-m", "dedup", *map(inside, container["args"])]
    words = [*isolated(), "/bin/sh", "-c", script, "sh", *words]
    environ = {**os.environ, **environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)


def test_kubernetes_with_a_read_only_root(pod, site):
    stdout, stderr = pod.communicate(timeout=300)
    if pod.returncode == 99:
        pytest.skip("the root cannot be made read-only here: a folder above is a mount of its own")
    assert pod.returncode == 0, stderr
    assert json.loads(stdout.splitlines()[-1])["counts"]["documents"] == 1950
    assert open_run(site / "data" / "out").documents.num_rows == 1950


def test_kubernetes_sends_sigterm_to_process_1(pod, site):
    for line in pod.stderr:
        if '"stage": "read"' in line:
            break
    children = Path(f"/proc/{pod.pid}/task/{pod.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)
    stdout, stderr = pod.communicate(timeout=60)
    if pod.returncode == 99:
        pytest.skip("the root cannot be made read-only here: a folder above is a mount of its own")
    assert pod.returncode == 143, stderr
    assert json.loads(stdout.splitlines()[-1])["exit_code"] == 143
    assert [entry.name for entry in (site / "data").iterdir() if "lock" not in entry.name] == ["feeds"]
