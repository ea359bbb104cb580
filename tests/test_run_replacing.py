"""A run over what is there already: what is refused, and what is left after a failure."""

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import digests, make_result

from dedup import commit
from dedup.errors import OutputExistsError, ResourceError, SettingsError
from dedup.run import check_out, open_run


def test_a_run_is_not_replaced_unasked(result, tmp_path):
    out = result.write(tmp_path / "OUT")
    before = digests(out)
    with pytest.raises(OutputExistsError, match="--if-exists overwrite"):
        result.write(out)
    assert digests(out) == before
    with pytest.raises(SettingsError, match="if-exists"):
        result.write(out, if_exists="replace")


@pytest.mark.parametrize("name", ["notes.txt", "manifest.json", None])
def test_a_folder_that_is_no_run_is_never_replaced(result, tmp_path, name):
    out = tmp_path / "OUT"
    out.mkdir()
    if name:
        (out / name).write_text('{"format": 1}')
    with pytest.raises(OutputExistsError, match="is not a dedup run"):
        result.write(out, if_exists="overwrite")
    assert sorted(file.name for file in out.iterdir()) == ([name] if name else [])


def test_a_file_is_never_replaced(result, tmp_path):
    (tmp_path / "OUT").write_text("mine")
    with pytest.raises(OutputExistsError, match="is not a dedup run"):
        result.write(tmp_path / "OUT", if_exists="overwrite")
    assert (tmp_path / "OUT").read_text() == "mine"


def test_a_run_with_other_files_in_it_is_not_replaced(result, tmp_path):
    out = result.write(tmp_path / "OUT")
    (out / "labels.csv").write_text("work of hours")
    with pytest.raises(OutputExistsError, match=r"holds 'labels.csv'.*would be lost"):
        result.write(out, if_exists="overwrite")
    assert (out / "labels.csv").exists()


def test_a_run_that_is_the_input_is_not_replaced(result, tmp_path):
    out = result.write(tmp_path / "OUT")
    with pytest.raises(OutputExistsError, match="holds the input"):
        make_result(path=str(out / "documents.parquet")).write(out, if_exists="overwrite")


@pytest.mark.parametrize("exchange", [True, False])
def test_overwriting_puts_the_new_run_in_place_of_the_old(result, tmp_path, monkeypatch, exchange):
    out = result.write(tmp_path / "OUT")
    if not exchange:  # a file system that cannot do it
        monkeypatch.setattr(commit, "_renameat2", lambda source, target, flag: False)
    reader = (out / "documents.parquet").open("rb")
    replace(result, rejects=[]).write(out, if_exists="overwrite")
    assert open_run(out).rejects == []
    assert len(reader.read()) > 0  # the old file is still there for whoever holds it
    assert [entry.name for entry in tmp_path.iterdir()] == ["OUT"]


def test_without_an_exchange_a_failed_second_rename_puts_the_old_run_back(result, tmp_path, monkeypatch):
    out = result.write(tmp_path / "OUT")
    before = digests(out)
    monkeypatch.setattr(commit, "_renameat2", lambda source, target, flag: False)
    rename = Path.rename

    def fail(self, target):
        if "-staging-" in self.name and not self.name.endswith("-old"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(ResourceError, match="Input/output error"):
        result.write(out, if_exists="overwrite")
    assert digests(out) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["OUT"]


def test_a_folder_that_appears_meanwhile_is_left_alone(result, tmp_path, monkeypatch):
    out = tmp_path / "OUT"
    publish = commit.publish

    def late(staging, target):
        monkeypatch.setattr(Path, "exists", lambda self: False)
        out.mkdir()
        publish(staging, target)

    monkeypatch.setattr(commit, "publish", late)
    with pytest.raises(OutputExistsError, match="appeared"):
        result.write(out)
    assert list(tmp_path.iterdir()) == [out] and list(out.iterdir()) == []


FAILURES = (
    (OSError(errno.ENOSPC, "No space left on device"), ResourceError),
    (OSError(errno.EIO, "Input/output error"), ResourceError),
    (RuntimeError("a bug"), RuntimeError),
    (KeyboardInterrupt(), KeyboardInterrupt),
    (SystemExit(143), SystemExit),
)


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
@pytest.mark.parametrize("at", ["finished", "publish"])
def test_a_failed_write_leaves_nothing_and_changes_nothing(result, tmp_path, monkeypatch, failure, at):
    raised, expected = failure
    old = result.write(tmp_path / "OLD")
    before = digests(old)

    def fail(*_):
        raise raised

    monkeypatch.setattr(commit, at, fail)
    with pytest.raises(expected):
        result.write(tmp_path / "OUT")
    with pytest.raises(expected):
        result.write(old, if_exists="overwrite")
    assert [entry.name for entry in tmp_path.iterdir()] == ["OLD"]
    assert digests(old) == before


@pytest.mark.parametrize("limit", [0, 100, 3000, 8000])
def test_a_real_write_error(tmp_path, limit):
    """The system refuses to let a file grow, in a process of its own."""
    code = (
        "import resource, sys; sys.path.insert(0, sys.argv[2]); from conftest import make_result; import dedup\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "try: make_result().write(sys.argv[1])\n"
        "except dedup.ResourceError as error: print(error)\n"
    )
    here = str(Path(__file__).parent)
    run = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "OUT", here], capture_output=True, text=True, check=True
    )
    assert "cannot be written" in run.stdout, run.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ResourceError, match="written to"):
        check_out(tmp_path / "OUT")


def test_out_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="file"):
        check_out(tmp_path / "file" / "OUT")
    with pytest.raises(ResourceError, match="name too long"):
        check_out(tmp_path / ("x" * 300))


def test_a_link_to_a_run_is_followed(result, tmp_path):
    real = result.write(tmp_path / "disk" / "REAL")
    link = tmp_path / "OUT"
    link.symlink_to(real)
    replace(result, rejects=[]).write(link, if_exists="overwrite")
    assert link.is_symlink() and open_run(real).rejects == []
