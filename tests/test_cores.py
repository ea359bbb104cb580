"""The threads of a process: how many cores control groups leave it (cgroups(7)), and what the threads hold."""

import os
import subprocess
import sys
import threading

import pytest

from dedup.engines import local
from dedup.engines.local import LocalEngine, usable_cores

ALL = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
ONE, MANY = "100000 100000\n", "6400000 100000\n"


def cores(folder, groups, files):
    (folder / "self").write_text(groups)
    for name, content in files.items():
        path = folder / "mounted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return usable_cores(str(folder / "self"), str(folder / "mounted"))


@pytest.mark.skipif(ALL == 1, reason="one core: no quota can be told from it")
@pytest.mark.parametrize(
    ("groups", "files", "wanted"),
    [
        ("0::/\n", {"cpu.max": ONE}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, ALL),
        ("0::/\n", {"cpu.max": MANY}, ALL),
        ("0::/\n", {"cpu.max": "20000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "140000 100000\n"}, 1),
        ("0::/jobs/mine\n", {"jobs/mine/cpu.max": ONE}, 1),
        ("0::/jobs/mine\n", {"cpu.max": MANY, "jobs/cpu.max": ONE, "jobs/mine/cpu.max": "max 100000\n"}, 1),
        ("0::/jobs/mine\n", {"jobs/other/cpu.max": ONE, "jobs/mine/cpu.max": MANY}, ALL),
        ("0::/seen/from/the/host\n", {"cpu.max": ONE}, 1),
        ("4:cpu,cpuacct:/\n", {"cpu,cpuacct/cpu.cfs_quota_us": "100000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 1),
        ("4:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "50000\n", "cpu/a/cpu.cfs_period_us": "50000\n"}, 1),
        ("1:cpu:/\n0::/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, ALL),
        ("3:cpuset:/\n", {"cpuset/cpu.cfs_quota_us": "100000", "cpuset/cpu.cfs_period_us": "100000"}, ALL),
        ("0::/a:b\n", {"a:b/cpu.max": ONE}, 1),
        ("", {}, ALL),
    ],
)
def test_cores_of_control_groups(tmp_path, groups, files, wanted):
    assert cores(tmp_path, groups, files) == wanted


def test_cores_without_control_groups(tmp_path):
    assert usable_cores(str(tmp_path / "none"), str(tmp_path)) == ALL


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_cores_by_affinity():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == 1
        with LocalEngine() as engine:
            assert engine.jobs == 1
    finally:
        os.sched_setaffinity(0, before)


def test_every_thread_gives_memory_back(monkeypatch):
    seen = []
    monkeypatch.setattr(local, "trim", lambda: seen.append(threading.get_ident()))
    with LocalEngine(3) as engine:
        list(engine.map(abs, range(1)))
        engine.trim()
    assert len(seen) == len(set(seen)) == 3


def test_no_thread_waits_for_one_that_cannot_come(monkeypatch):
    seen = []
    monkeypatch.setattr(local, "trim", lambda: seen.append(threading.get_ident()))
    monkeypatch.setattr(local, "_PATIENCE", 0.05)
    monkeypatch.setattr(local, "Barrier", lambda parties: threading.Barrier(parties + 1))
    with LocalEngine(2) as engine:
        engine.trim()
    assert len(seen) == 2


def test_no_thread_is_started_where_memory_ends_in_its_first_steps():
    """`Thread.start` would wait for it without end."""
    code = (
        "import resource; from dedup.engines.local import LocalEngine\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "most = pages * resource.getpagesize() + (9 << 20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "try: list(LocalEngine(1).map(abs, [1]))\n"
        "except MemoryError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "no room for the stacks of 1 threads\n", done
