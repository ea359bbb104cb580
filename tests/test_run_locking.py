"""One run at a time for each output folder: the lock, the wait for it, and what killed runs left."""

import subprocess
import sys
import threading
import time

import pytest

from dedup import publishing
from dedup.errors import LockedError
from dedup.publishing import claimed
from dedup.run import open_run

HOLD = "import sys; from dedup.publishing import claimed\nwith claimed(sys.argv[1]): print('held', flush=True); input()"


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "OUT")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_held_lock_is_told_with_its_holder(result, tmp_path, holder):
    with pytest.raises(LockedError, match=rf"\(process {holder.pid} on .*--lock-timeout"):
        result.write(tmp_path / "OUT")
    assert [entry.name for entry in tmp_path.iterdir()] == [".OUT.dedup.lock"]
    result.write(tmp_path / "OTHER")  # each folder has a lock of its own


def test_a_run_waits_for_the_lock(result, tmp_path, holder):
    threading.Timer(0.5, lambda: print(file=holder.stdin, flush=True)).start()
    start = time.monotonic()
    out = result.write(tmp_path / "OUT", lock_timeout=30)
    assert time.monotonic() - start > 0.4
    assert open_run(out).documents.num_rows == 6
    assert [entry.name for entry in tmp_path.iterdir()] == ["OUT"]


def test_a_wait_ends(result, tmp_path, holder):
    with pytest.raises(LockedError):
        result.write(tmp_path / "OUT", lock_timeout=0.2)


def test_the_lock_of_a_killed_run_is_free(result, tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / ".OUT.dedup.lock").exists()
    result.write(tmp_path / "OUT")
    assert [entry.name for entry in tmp_path.iterdir()] == ["OUT"]


def test_only_one_of_many_holds_the_lock(tmp_path):
    """Also while its file is taken away and made again all the time."""
    held, most, done = [], [], []

    def work():
        for _ in range(30):
            with claimed(tmp_path / "OUT", 60):
                held.append(1)
                most.append(len(held))
                time.sleep(0.0005)
                held.pop()
        done.append(1)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 6 and max(most) == 1


def test_what_killed_runs_left_is_swept_and_nothing_else(result, tmp_path):
    ours = [".OUT.dedup-staging-abc", ".OUT.dedup-old-abc"]
    others = [
        ".OUT2.dedup-staging-abc",
        ".OUT.dedup-staging-abc.dedup-staging-def",
        ".OUT.dedup-12",
        "xOUT.dedup-old-a",
    ]
    result.write(tmp_path / "OUT")
    for name in ours + others:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("")
    result.write(tmp_path / "OUT", if_exists="overwrite")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(["OUT", *others])


def test_nothing_is_swept_without_the_lock(result, tmp_path, holder):
    (tmp_path / ".OUT.dedup-staging-abc").mkdir()
    with pytest.raises(LockedError):
        result.write(tmp_path / "OUT")
    assert (tmp_path / ".OUT.dedup-staging-abc").exists()


def test_the_exchange_is_the_systems(tmp_path):
    """On Linux, so that the fallback is not what all other tests run."""
    if sys.platform != "linux":
        pytest.skip("renameat2 is Linux's")
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir(), two.mkdir(), (one / "file").touch()
    assert publishing._renameat2(one, two, publishing._EXCHANGE)
    assert (two / "file").exists() and one.exists()
    with pytest.raises(FileExistsError):
        publishing._renameat2(one, two, publishing._NOREPLACE)
    three = tmp_path / "three"
    assert publishing._renameat2(one, three, publishing._NOREPLACE) and three.exists()
    with pytest.raises(OSError, match="No such file"):
        publishing._renameat2(one, two, publishing._EXCHANGE)


def test_a_file_system_without_renameat2(tmp_path, monkeypatch):
    """Flags that no file system knows give the answer of one that knows none."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir(), two.mkdir()
    assert publishing._renameat2(one, two, 1 << 30) is False
    assert one.exists() and list(two.iterdir()) == []
