"""What SECURITY.md promises: nothing is run that was only to be read, and nothing is touched that was not named."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import ARTICLES

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "dedup").rglob("*.py"))
OUT_OF_BOUNDS = {
    *("pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "copyreg"),
    *("yaml", "subprocess", "multiprocessing", "pty", "code", "codeop", "runpy", "telnetlib", "xmlrpc"),
    *("socket", "ssl", "http", "urllib", "ftplib", "smtplib", "requests", "httpx", "aiohttp"),
    *("numba.core.serialize",),
}
FINE = {
    ("kernels/ahead.py", "subprocess"),  # starts itself, without a shell
    ("publishing.py", "socket"),  # asks for the name of this machine
    *((f"reading/{name}.py", "urllib") for name in ("html", "partitions")),  # urllib.parse alone
    *(("remote/http.py", name) for name in ("http", "socket", "ssl", "urllib")),  # where a URL was given
    ("remote/urls.py", "urllib"),
    ("distributed/blocks.py", "urllib"),  # urllib.parse alone: Spark's names of files
}
CALLS = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
OF_OS = re.compile(r"system|popen|exec\w*|spawn\w*|posix_spawn\w*|fork\w*")


def name(path):
    return path.relative_to(ROOT / "dedup").as_posix()


def faults(source, where=""):
    """List what a module may not do."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        for full in names:
            parts = full.split(".")
            starts = {".".join(parts[: i + 1]) for i in range(len(parts))}
            found += [full for start in starts & OUT_OF_BOUNDS if (where, start) not in FINE]
            if parts[0] == "os" and len(parts) > 1 and OF_OS.fullmatch(parts[1]):
                found.append(full)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            first, _, attribute = called.rpartition(".")
            if called in CALLS or (first == "os" and OF_OS.fullmatch(attribute)):
                found.append(called)
            for keyword in node.keywords:
                if keyword.arg in ("shell", "allow_pickle") and ast.unparse(keyword.value) != "False":
                    found.append(f"{called}({keyword.arg}=…)")
    return found


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_runs_what_it_reads(path):
    assert faults(path.read_text("utf-8"), name(path)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from joblib import load", "import numpy as np, marshal", "from numba.core import serialize",
        "import os\nos.system('ls')", "from os import popen", "os.execv(a, b)", "eval('1')", "__import__('yaml')",
        "import subprocess", "def f():\n    import urllib.request", "run(a, shell=True)", "np.load(f, allow_pickle=x)",
    ],
)  # fmt: skip
def test_such_modules_would_be_found(source):
    assert faults(source)


def run(words, prefix=(), **env):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DEDUP_")}
    words = [*map(str, prefix), sys.executable, "-P", "-m", "dedup", *map(str, words)]
    return subprocess.run(
        words, capture_output=True, text=True, check=False, env={**kept, "PYTHONPATH": str(ROOT), **env}, cwd="/"
    )


def tool(*words):
    """Skip unless a tool is here and does what it is for."""
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    tried = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"{' '.join(words)} is not allowed here: {tried.stderr.strip()}")
    return words


def documents(said, out):
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout.splitlines()[-1])["counts"]["documents"] > 0
    assert {path.name for path in Path(out).iterdir()} >= {"documents.parquet", "manifest.json"}


def test_a_run_needs_no_network(tmp_path):
    without = tool("unshare", "--map-root-user", "--net")
    documents(run(["cluster", ARTICLES, "-o", tmp_path / "OUT", "--json"], without), tmp_path / "OUT")
    said = run(["show", tmp_path / "OUT"], without)
    assert said.returncode == 0 and said.stdout


def test_a_run_opens_no_connection(tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    log = tmp_path / "calls"
    traced = tool("strace", "-f", "-qq", "-e", "trace=%network,execve", "-o", str(log))
    documents(run(["cluster", ARTICLES, "-o", tmp_path / "OUT", "--json", "-j", "2"], traced), tmp_path / "OUT")
    calls = [line.split(maxsplit=1)[1] for line in log.read_text("utf-8", "replace").splitlines()]
    assert any(call.startswith("execve") for call in calls)  # it was watched
    strange = [call for call in calls if re.match(r"(connect|sendto|sendmsg|bind|listen|accept)", call)]
    assert [call for call in strange if "AF_UNIX" not in call] == []
    assert not [call for call in calls if "AF_INET" in call]
    assert all("/sh" not in call.split(",")[0] for call in calls if call.startswith("execve"))


@pytest.fixture
def open_folder():
    """A folder that any user can reach and write."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


NOBODY = "--reuid=65534", "--regid=65534", "--clear-groups"


def test_a_run_as_nobody(open_folder):
    nobody = tool("setpriv", *NOBODY, "--no-new-privs")
    shutil.copy(ARTICLES, open_folder)
    tried = subprocess.run([*nobody, sys.executable, "-c", "import dedup"], capture_output=True, check=False, cwd="/")
    if tried.returncode:
        pytest.skip("nobody may not read this Python")
    source, out = open_folder / Path(ARTICLES).name, open_folder / "OUT"
    said = run(["cluster", source, "-o", out, "--json"], nobody, HOME="/nonexistent", TMPDIR=str(open_folder))
    documents(said, out)
    assert out.stat().st_uid == 65534


READ_ONLY = """
set -e
mount --make-rprivate /
mkdir -p "$1/tmp"
mount --bind "$1" "$1"
while read -r _ _ _ _ place _; do
    case "$place" in "$1"|/proc|/proc/*|/sys|/sys/*|/dev|/dev/*) ;;
    *) mount -o remount,bind,ro "$place" ;; esac
done < /proc/self/mountinfo
shift
! touch "$HERE/written" 2>/dev/null || { echo "not read-only" >&2; exit 99; }
exec "$@"
"""


def test_a_run_where_all_but_out_is_read_only(open_folder):
    tool("unshare", "--mount")
    script = open_folder / "read-only.sh"
    script.write_text(READ_ONLY)
    inside = ("unshare", "--mount", "sh", str(script), str(open_folder))
    env = {"HERE": str(ROOT), "TMPDIR": str(open_folder / "tmp")}
    said = run(["cluster", ARTICLES, "-o", open_folder / "OUT", "--json"], inside, **env)
    if said.returncode == 32 or "not read-only" in said.stderr:
        pytest.skip(f"file systems cannot be remounted here: {said.stderr}")
    documents(said, open_folder / "OUT")
    assert not (ROOT / "written").exists()


def test_input_cannot_name_what_is_written(tmp_path):
    """Ids, titles and sources that look like paths stay text."""
    folder = tmp_path / "work"
    folder.mkdir()
    source = folder / "in.jsonl"
    names = ["../escaped", "/tmp/escaped", "~/escaped", "$(touch escaped)", "`touch escaped`", "a\x00b", "..\\escaped"]
    body = "The ferry to Lindmoor was cancelled for a third day as ice closed the outer harbour, said {}."
    rows = [{"id": n, "title": n, "source": n, "url": n, "text": body.format(n)} for n in names]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = run(["cluster", source, "-o", folder / "OUT", "--json"])
    assert said.returncode == 0, said.stderr
    assert run(["show", folder / "OUT"]).returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["OUT", "in.jsonl"]
    assert [path.name for path in tmp_path.iterdir()] == ["work"]
