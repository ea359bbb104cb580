"""Where compiled kernels are kept, who compiles them, and what is said about it. All in processes of their own."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import ARTICLES

from dedup.kernels import ahead

PACKAGE = Path(__file__).parents[1] / "dedup"
CALL = """
import os, sys
import numpy as np
from dedup.kernels import ahead, hashing, jit
two = np.zeros(2, np.uint64)
"""
NOBODY = 65534
DROP = f"""
import numba
numba.njit(lambda values: values.sum())(two)  # loads what this user may not be able to read
if hasattr(os, "getuid") and os.getuid() == 0:  # who may write anywhere
    os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
jit.store.cache_clear()
"""


def python(code, **env):
    kept = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    env = {"PYTHONPATH": PACKAGE.parent} | kept | env
    env = {name: str(value) for name, value in env.items() if value is not None}
    run = subprocess.run(
        [sys.executable, "-P", "-c", CALL + code], capture_output=True, text=True, env=env, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


@pytest.fixture
def fresh(tmp_path):
    """A copy of the package without compiled kernels; the folder to import it from."""
    root = tmp_path / "fresh"
    shutil.copytree(PACKAGE, root / "dedup", ignore=shutil.ignore_patterns("__pycache__"))
    tmp_path.chmod(0o755)
    return root


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_kernels_are_compiled_once_and_it_is_said(fresh, tmp_path):
    code = "with ahead.compiling(1, print):\n    hashing.hash_pairs(two, two)"
    said = python(code, PYTHONPATH=fresh, NUMBA_CACHE_DIR=tmp_path / "kept")
    assert len(said) == 1 and "compiling the kernels" in said[0]
    assert [name.split("-")[0] for name in names(tmp_path / "kept" / "dedup")] == ["hashing.hash_pairs"]
    assert python(code, PYTHONPATH=fresh, NUMBA_CACHE_DIR=tmp_path / "kept") == []
    python(code.replace("print", "None"), PYTHONPATH=fresh, NUMBA_CACHE_DIR=tmp_path / "other")


def test_a_change_in_any_kernel_module_compiles_again(fresh, tmp_path):
    code = "with ahead.compiling(1, print):\n    hashing.hash_pairs(two, two)"
    env = {"PYTHONPATH": fresh, "NUMBA_CACHE_DIR": tmp_path / "kept"}
    assert len(python(code, **env)) == 1
    path = fresh / "dedup" / "kernels" / "folding.py"
    path.write_text(path.read_text("utf-8") + "\n# another helper\n", "utf-8")
    assert len(python(code, **env)) == 1


@pytest.fixture
def reachable():
    """A folder that other users can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.name == "nt", reason="folders have no modes there")
def test_kernels_work_where_nothing_may_be_written(reachable):
    """Package, cache and home are read-only; left are a folder of one's own among temporary files, or nothing."""
    shutil.copytree(PACKAGE, reachable / "dedup", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("kept", "home", "tmp"):
        (reachable / name).mkdir()
    (reachable / "tmp").chmod(0o777)
    for folder in (reachable / "dedup" / "kernels", reachable / "kept", reachable / "home", reachable):
        folder.chmod(0o555)
    code = (
        DROP
        + "with ahead.compiling(1, print):\n    print(hashing.hash_pairs(two, two))\nprint(jit.store().last_resort)"
    )
    env = {"NUMBA_CACHE_DIR": reachable / "kept", "HOME": reachable / "home", "TMPDIR": reachable / "tmp"}
    env |= {"PYTHONPATH": reachable, "PYTHONDONTWRITEBYTECODE": "1"}
    first, where, found, last = python(code, **env)
    assert "compiling the kernels" in first
    assert Path(last).parent == reachable / "tmp" and where.startswith(f"compiled kernels are kept in {last}")
    assert python(code, **env) == [found, last]  # read from there
    assert Path(last).stat().st_mode & 0o777 == 0o700
    Path(last).chmod(0o777)  # now anybody may have put something in
    first, where, *rest = python(code, **env)
    assert "compiling the kernels" in first and "cannot be kept" in where and rest == [found, last]
    assert not list((reachable / "kept").iterdir()) and not list((reachable / "home").iterdir())


def test_kernels_work_without_a_home(fresh, tmp_path):
    code = "jit.store.cache_clear(); print(*jit.store().folders, sep='\\n'); print(hashing.hash_pairs(two, two).shape)"
    said = python(code, PYTHONPATH=fresh, HOME=None)
    assert said[-1] == "(2,)" and all(Path(folder).is_absolute() for folder in said[:-1])
    assert any(name.endswith(".kernel") for name in names(fresh / "dedup" / "kernels" / "__pycache__"))


def test_a_helper_compiles_the_last_kernels_and_ends_with_the_run(fresh, tmp_path):
    last, _ = ahead.listed()[-1]
    folder = tmp_path / "kept" / "dedup"
    code = f"""
import time
with ahead.compiling(2):
    hashing.hash_pairs(two, two)  # something has to be compiled: a helper starts
    until = time.monotonic() + 120
    while not any(name.startswith({last!r}) for name in os.listdir({str(folder)!r})) and time.monotonic() < until:
        time.sleep(0.05)
    leaving = time.monotonic()
print(time.monotonic() - leaving < 10)
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no child")
"""
    assert python(code, PYTHONPATH=fresh, NUMBA_CACHE_DIR=tmp_path / "kept") == ["True", "no child"]
    assert {name.split("-")[0] for name in names(folder)} >= {"hashing.hash_pairs", last}
    assert not any(name.endswith(".tmp") for name in names(folder))


@pytest.mark.skipif(os.name == "nt", reason="signals are others there")
def test_a_helper_ends_with_a_run_that_is_killed(fresh, tmp_path):
    code = """
import signal
with ahead.compiling(2):
    hashing.hash_pairs(two, two)
    print(jit._WATCH.wait.__closure__[0].cell_contents[0]._process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    env = os.environ | {"PYTHONPATH": str(fresh), "NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    words = [sys.executable, "-P", "-c", CALL + code]
    run = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    helper = int(run.stdout.splitlines()[-1])
    until = time.monotonic() + 60
    while Path(f"/proc/{helper}/cmdline").exists() and Path(f"/proc/{helper}/cmdline").read_bytes():
        assert time.monotonic() < until, "the helper lives on"
        time.sleep(0.1)


def test_helpers_know_all_kernels_of_a_run():
    code = f"""
seen = []
load = jit._Cache.load_overload
def noted(self, signature, target):
    seen.append(self._name + " " + " ".join(map(jit.text_of, signature)))
    return load(self, signature, target)
jit._Cache.load_overload = noted
from dedup import pipeline
pipeline.cluster({str(ARTICLES)!r}, jobs=1)
print("\\n".join(seen))
"""
    seen = python(code)
    assert seen == [f"{name} {types}" for name, types in ahead.listed()], (
        "dedup/kernels/ahead.txt: wanted these lines, one for each kernel in the order of first calls:\n"
        + "\n".join(seen)
    )


@pytest.mark.exhaustive
def test_the_very_first_run(fresh, tmp_path):
    command = [sys.executable, "-P", "-m", "dedup", "cluster", str(ARTICLES), "-o"]
    env = os.environ | {"PYTHONPATH": str(fresh), "NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    seconds, said = [], []
    for name in "abc":
        start = time.perf_counter()
        run = subprocess.run([*command, str(tmp_path / name)], capture_output=True, text=True, env=env, check=True)
        seconds.append(time.perf_counter() - start)
        said.append("compiling the kernels" in run.stderr)
    assert said == [True, False, False]
    assert seconds[0] <= 20 and min(seconds[1:]) <= 1.5, seconds


def test_a_kept_kernel_is_json_and_machine_code(fresh, tmp_path):
    """A file with a pickle in it is no kernel, and is not run."""
    kept = tmp_path / "kept"
    code = "with ahead.compiling(1, print):\n    print(hashing.hash_pairs(two, two))"
    env = {"PYTHONPATH": fresh, "NUMBA_CACHE_DIR": kept}
    python(code, **env)
    (file,) = (kept / "dedup").iterdir()
    content = file.read_bytes()[32:]
    size = int.from_bytes(content[:8], "little")
    assert json.loads(content[8 : 8 + size])["returns"] == "uint64[1]"
    assert content[16 + size :][:4] in (b"\x7fELF", b"\xcf\xfa\xed\xfe")
    evil = b"cos\nsystem\n(S'touch " + str(tmp_path / "owned").encode() + b"'\ntR."
    for bad in (evil, b"", b"\x05" + bytes(7) + b"{}...", content[: 8 + size], b"\xff" * 40):
        file.write_bytes(hashlib.sha256(bad).digest() + bad)
        first, _ = python(code, **env)
        assert "compiling the kernels" in first
        assert not (tmp_path / "owned").exists()


def test_what_has_no_place_in_the_format_is_not_kept():
    said = python("""
import numba
from dedup.kernels import packing
for name, function in (("dict", lambda v: {1: v[0]}), ("float", lambda v: v[0] * 0.5), ("tuple", lambda v: (v, v[0]))):
    compiled = numba.njit(function)
    compiled(two)
    result, = compiled.overloads.values()
    try:
        packing.pack(result)
        print(name, packing.text_of(result.signature.return_type))
    except packing.CannotPackError:
        print(name, "not kept")
""")
    assert said == ["dict not kept", "float float64", "tuple (uint64[1] uint64)"]
