"""Signals at the command: nothing written, nothing left, the right code, and soon."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ARTICLES, digests, run

from dedup.run import open_run

ROOT = Path(__file__).parents[1]
# A run that waits in Python or in calls of C while it writes its tables.
CODE = (
    "import ctypes, sys, time; from dedup import commit\n"
    "wait = ctypes.CDLL(None).sleep if {in_c} else time.sleep\n"
    "real = commit.write_table\n"
    "def write_table(*args):\n"
    "    done = real(*args); print('writing', flush=True); [wait(1) for _ in range(20)]; return done\n"
    "commit.write_table = write_table\n"
    "sys.argv[:1] = ['dedup', 'cluster', '--level', 'exact', '-q', '--if-exists', 'overwrite', '-o']\n"
    "from dedup.cli import main; main()"
)


def started(out, in_c=False, before=(), **kwargs):
    words = [*before, sys.executable, "-c", CODE.format(in_c=in_c), str(out), ARTICLES]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, **kwargs)
    assert child.stdout.readline() == "writing\n", child.communicate()
    return child


@pytest.mark.parametrize("in_c", [False, True])
@pytest.mark.parametrize(("name", "code", "says"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "terminated")])
def test_a_signal_ends_the_run(tmp_path, in_c, name, code, says):
    child = started(tmp_path / "OUT", in_c)
    start = time.monotonic()
    child.send_signal(getattr(signal, name))
    _, said = child.communicate()
    assert child.returncode == code and time.monotonic() - start < 10
    assert said == f"{says}; nothing was written\n"
    assert list(tmp_path.iterdir()) == []


def test_a_hangup_too_but_not_under_nohup(tmp_path):
    child = started(tmp_path / "OUT")
    child.send_signal(signal.SIGHUP)
    assert "hung up" in child.communicate()[1] and child.returncode == 129
    ignoring = started(tmp_path / "OUT", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    ignoring.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        ignoring.wait(2)
    ignoring.terminate()
    ignoring.communicate()
    assert ignoring.returncode == 143 and list(tmp_path.iterdir()) == []


def test_the_run_that_was_there_stays(result, tmp_path):
    before = digests(result.write(tmp_path / "OUT"))
    child = started(tmp_path / "OUT")
    child.terminate()
    child.communicate()
    assert digests(tmp_path / "OUT") == before and [entry.name for entry in tmp_path.iterdir()] == ["OUT"]


def test_as_the_first_process_of_a_container(tmp_path):
    """Its signals have no default: without handlers it could not be stopped."""
    before = ["unshare", "-rpf", "--kill-child"]
    try:
        able = subprocess.run([*before, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        able = False
    if not able:
        pytest.skip("no namespaces of processes here")
    child = started(tmp_path / "OUT", before=before)
    inside = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    os.kill(int(inside[0]), signal.SIGTERM)
    child.communicate()
    assert child.returncode == 143 and list(tmp_path.iterdir()) == []


def test_a_reader_that_leaves_does_no_harm(small_run, tmp_path):
    words = [sys.executable, "-m", "dedup", "cluster", ARTICLES, "-o", str(tmp_path / "NEW"), "--level", "exact"]
    for args in (words, [sys.executable, "-m", "dedup", "show", str(small_run)]):
        out, into = os.pipe()
        os.close(out)
        done = subprocess.run(args, stdout=into, stderr=subprocess.PIPE, text=True, check=False)
        os.close(into)
        assert done.returncode == 0 and "rror" not in done.stderr, done
    assert open_run(tmp_path / "NEW").documents.num_rows == 65


@pytest.mark.parametrize("number", [5, 12, 24, 27, 28, 122])
def test_errors_of_the_system_are_no_bugs(monkeypatch, number):
    def fail(path):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("dedup.run.open_run", fail)
    said = run("show", "OUT")
    assert said.exit_code == 7 and len(said.stderr.splitlines()) == 1
