"""Signals at the command: nothing written, nothing left, the right code, and soon."""

import json
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
    "from dedup.__main__ import main; main()"
)
# A run whose first stage ends in a kernel that takes a minute, in the main thread or in one of the pool.
KERNEL = (
    "import sys; import numba; from dedup import duplicates, pipeline, text\n"
    "@numba.njit('int64(int64)', nogil=True)\n"
    "def spin(n):\n"
    "    x = n\n"
    "    for i in range(n):\n"
    "        x ^= x << 13; x ^= x >> 7; x ^= i\n"
    "    return x\n"
    "def slow(*args, **kwargs):\n"
    "    print('writing', flush=True); spin(60_000_000_000)\n"
    "if {in_pool}: text.prepare = slow\n"
    "else: duplicates.units = slow\n"
    "sys.argv[:1] = ['dedup', 'cluster', '--level', 'exact', '-q', '--if-exists', 'overwrite', '-o']\n"
    "from dedup.__main__ import main; main()"
)

# A run in which compiled code has returned a result when the handler raises: Python makes this error of the exit.
RETURNED = (
    "import sys, time; from dedup import commit\n"
    "def write_table(*args):\n"
    "    try: print('writing', flush=True); time.sleep(20)\n"
    "    except SystemExit: raise SystemError('a function returned a result with an exception set')\n"
    "commit.write_table = write_table\n"
    "sys.argv[:1] = ['dedup', 'cluster', '--level', 'exact', '-q', '--if-exists', 'overwrite', '-o']\n"
    "from dedup.__main__ import main; main()"
)


# A run in which a library drops what the handler raises, in an except of its own or in a callback of C.
DROPPED = (
    "import ctypes, sys, time; from dedup import duplicates, signals\n"
    "signals.SECONDS_TO_UNWIND = 60\n"
    "def waiting(): print('writing', flush=True); [time.sleep(.01) for _ in range(2000) if not signals.code()]\n"
    "def in_except():\n"
    "    try: waiting()\n"
    "    except: pass\n"
    "in_callback = ctypes.CFUNCTYPE(None)(waiting)\n"
    "real = duplicates.units\n"
    "def units(*args): {where}(); return real(*args)\n"
    "duplicates.units = units\n"
    "sys.argv[:1] = ['dedup', 'cluster', '--level', 'exact', '-q', '--if-exists', 'overwrite', '-o']\n"
    "from dedup.__main__ import main; main()"
)


def started(out, in_c=False, before=(), code=None, args=(), **kwargs):
    words = [*before, sys.executable, "-c", code or CODE.format(in_c=in_c), str(out), ARTICLES, *map(str, args)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs}
    child = subprocess.Popen(words, text=True, env=env, **streams)
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


def test_an_error_that_compiled_code_makes_of_it_is_no_bug(tmp_path):
    child = started(tmp_path / "OUT", code=RETURNED, args=["--json"])
    child.send_signal(signal.SIGHUP)
    told, said = child.communicate()
    assert child.returncode == 129 and said == "the terminal hung up; nothing was written\n"
    assert json.loads(told)["exit_code"] == 129
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("in_pool", [False, True])
@pytest.mark.parametrize(
    ("name", "code", "says"),
    [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "terminated"), ("SIGHUP", 129, "the terminal hung up")],
)
def test_a_scheduler_hears_of_a_signal_in_compiled_code(result, tmp_path, in_pool, name, code, says):
    before = digests(result.write(tmp_path / "OUT"))
    file = tmp_path / "news.prom"
    file.write_text('dedup_last_success_timestamp_seconds{task="news"} 1234.5\n', "utf-8")
    asked = ["--json", "--log-format", "json", "--metrics-file", file, "-j", 2]
    child = started(tmp_path / "OUT", code=KERNEL.format(in_pool=in_pool), args=asked)
    start = time.monotonic()
    child.send_signal(getattr(signal, name))
    printed, said = child.communicate()
    assert child.returncode == code and time.monotonic() - start < 10
    (line,) = printed.replace("writing\n", "").splitlines()
    assert json.loads(line) == {"status": "failed", "exit_code": code, "error": says}
    (event,) = map(json.loads, said.splitlines())
    assert (event["level"], event["exit_code"]) == ("error", code)
    assert event["message"] == f"{says}; nothing was written"
    figures = file.read_text("utf-8")
    assert f'dedup_exit_code{{task="news"}} {code}\n' in figures
    assert 'dedup_last_success_timestamp_seconds{task="news"} 1234.5\n' in figures and "dedup_documents" not in figures
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["OUT", "news.prom"]
    assert digests(tmp_path / "OUT") == before


def test_a_pipe_that_nobody_empties_keeps_no_process_alive(tmp_path):
    out, into = os.pipe()
    child = started(tmp_path / "OUT", code=KERNEL.format(in_pool=False), args=["--json"], stderr=into)
    os.set_blocking(into, False)
    with pytest.raises(BlockingIOError):
        while os.write(into, bytes(1 << 16)):
            pass
    os.set_blocking(into, True)
    child.terminate()
    assert child.wait(20) == 143
    os.close(into)
    os.close(out)
    child.communicate()


def test_before_anything_heavy_is_loaded(tmp_path):
    """A tenth of a second passes until the command line is parsed."""
    code = (
        "import os, signal, sys; sys.argv[:1] = ['dedup', 'cluster', '-o']\n"
        "class Found:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.meta_path.insert(0, Found())\n"
        "from dedup.__main__ import main; main()"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "OUT"), ARTICLES, "--json"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 143 and done.stderr == "terminated; nothing was written\n"
    assert json.loads(done.stdout) == {"status": "failed", "exit_code": 143, "error": "terminated"}


@pytest.mark.parametrize("where", ["in_except", "in_callback"])
def test_a_library_drops_what_the_handler_raises(result, tmp_path, where):
    before = digests(result.write(tmp_path / "OUT"))
    child = started(tmp_path / "OUT", code=DROPPED.format(where=where), args=["--json"])
    child.send_signal(signal.SIGINT)
    told, said = child.communicate()
    assert child.returncode == 130 and said == "interrupted; nothing was written\n"
    assert json.loads(told) == {"status": "failed", "exit_code": 130, "error": "interrupted"}
    assert digests(tmp_path / "OUT") == before and [entry.name for entry in tmp_path.iterdir()] == ["OUT"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_too_late_even_while_python_takes_itself_down(tmp_path, name):
    """What a module holds goes after the handlers."""
    code = (
        "import os, signal, sys; sys.argv[:1] = ['dedup', 'cluster', '-o']\n"
        "class Kept:\n"
        "    def __del__(self, kill=os.kill, pid=os.getpid(), write=os.write):\n"
        f"        kill(pid, {getattr(signal, name)}); write(2, b'last words')\n"
        "sys.kept = Kept()\n"
        "from dedup.__main__ import main; main()"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "OUT"), ARTICLES, "--json", "-q"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0 and done.stderr == "last words"
    assert json.loads(done.stdout)["status"] == "done"


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
