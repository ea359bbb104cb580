"""A run over what is there already: what is refused, and what is left after a failure."""

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import digests, make_result

from dedup import commit, publishing
from dedup.errors import DedupError, OutputExistsError, ResourceError, SettingsError
from dedup.outputs import check, check_inputs, check_space
from dedup.run import open_run


def other(result):
    """Another sound result for the same folder."""
    return replace(result, manifest={**result.manifest, "run_id": "r456"})


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
    for policy in ("overwrite", "skip"):
        with pytest.raises(OutputExistsError, match="is not a dedup run"):
            result.write(out, if_exists=policy)
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


def test_a_file_put_into_the_old_run_meanwhile_is_not_lost(result, tmp_path, monkeypatch):
    out = result.write(tmp_path / "OUT")
    write_lines = commit.write_lines

    def late(*args):
        (out / "labels.csv").write_text("work of hours")
        return write_lines(*args)

    monkeypatch.setattr(commit, "write_lines", late)
    with pytest.raises(OutputExistsError, match="labels"):
        other(result).write(out, if_exists="overwrite")
    assert (out / "labels.csv").exists() and [entry.name for entry in tmp_path.iterdir()] == ["OUT"]


def test_a_run_that_is_the_input_is_not_replaced(result, tmp_path):
    out = result.write(tmp_path / "OUT")
    with pytest.raises(OutputExistsError, match="holds the input"):
        make_result(path=str(out / "documents.parquet")).write(out, if_exists="overwrite")


def test_an_output_that_the_next_run_would_read_is_refused(tmp_path):
    feeds = tmp_path / "feeds"
    feeds.mkdir()
    with pytest.raises(SettingsError, match="next run would read it"):
        check_inputs(feeds / "deep" / "OUT", [str(feeds)])
    with pytest.raises(SettingsError, match="next run would read it"):
        check_inputs(feeds / "OUT", [str(feeds)], include=["*.csv", "rejects*"])
    check_inputs(feeds / "_runs" / "OUT", [str(feeds)])  # folders of this name are not read
    check_inputs(feeds / "OUT", [str(feeds)], include=["*.csv"])
    check_inputs(feeds / "OUT", [str(feeds)], exclude=["OUT/*"])
    check_inputs(tmp_path / "OUT", [str(feeds), str(feeds / "one.jsonl")])


def test_too_little_space_is_told_before_the_work(tmp_path):
    check_space(tmp_path / "new" / "OUT", 1000, with_text=True)
    with pytest.raises(ResourceError, match=r"MB of free space, wanted at least"):
        check_space(tmp_path / "new" / "OUT", 1 << 60, with_text=False)


@pytest.mark.parametrize("exchange", [True, False])
def test_overwriting_puts_the_new_run_in_place_of_the_old(result, tmp_path, monkeypatch, exchange):
    out = result.write(tmp_path / "OUT")
    if not exchange:  # a file system that cannot do it
        monkeypatch.setattr(publishing, "_renameat2", lambda source, target, flag: False)
    reader = (out / "documents.parquet").open("rb")
    other(result).write(out, if_exists="overwrite")
    assert open_run(out).manifest["run_id"] == "r456"
    assert len(reader.read()) > 0  # the old file is still there for whoever holds it
    assert [entry.name for entry in tmp_path.iterdir()] == ["OUT"]


def test_the_same_run_is_left_alone_with_skip(result, tmp_path):
    known = make_result()
    known.manifest["inputs"][0]["sha256"] = "ab"
    out = known.write(tmp_path / "OUT")
    place = out.stat().st_ino
    known.write(out, if_exists="skip")
    assert out.stat().st_ino == place
    replaced = other(known)
    replaced.write(out, if_exists="skip")
    assert out.stat().st_ino != place and open_run(out).manifest["run_id"] == "r456"
    place = out.stat().st_ino
    other(result).write(out, if_exists="skip")  # of data in memory the id tells nothing
    assert out.stat().st_ino != place


@pytest.mark.parametrize("there", [True, False])
def test_without_an_exchange_a_failed_rename_puts_the_old_run_back(result, tmp_path, monkeypatch, there):
    out = tmp_path / "OUT"
    before = digests(result.write(out)) if there else None
    monkeypatch.setattr(publishing, "_renameat2", lambda source, target, flag: False)
    rename = Path.rename

    def fail(self, target):
        if "-staging-" in self.name:
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(ResourceError, match="Input/output error"):
        other(result).write(out, if_exists="overwrite")
    assert [entry.name for entry in tmp_path.iterdir()] == (["OUT"] if there else [])
    assert not there or digests(out) == before


def test_a_run_killed_between_two_renames_is_mended_by_the_next(result, tmp_path):
    out = result.write(tmp_path / "OUT")
    before = digests(out)
    out.rename(tmp_path / ".OUT.dedup-old-r456")
    (tmp_path / ".OUT.dedup-staging-r456").mkdir()
    with pytest.raises(OutputExistsError, match="a run is there already"):
        other(result).write(out)
    assert digests(out) == before and [entry.name for entry in tmp_path.iterdir()] == ["OUT"]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_that_appears_meanwhile_is_left_alone(result, tmp_path, monkeypatch, exchange):
    out = tmp_path / "OUT"
    publish = publishing.publish

    def late(*args):
        out.mkdir()
        publish(*args)

    monkeypatch.setattr(publishing, "publish", late)
    if not exchange:
        monkeypatch.setattr(publishing, "_renameat2", lambda source, target, flag: False)
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
@pytest.mark.parametrize("at", ["commit.finished", "publishing.publish"])
def test_a_failed_write_leaves_nothing_and_changes_nothing(result, tmp_path, monkeypatch, failure, at):
    raised, expected = failure
    old = result.write(tmp_path / "OLD")
    before = digests(old)

    def fail(*_):
        raise raised

    monkeypatch.setattr(f"dedup.{at}", fail)
    with pytest.raises(expected):
        result.write(tmp_path / "new" / "deep" / "OUT")
    with pytest.raises(expected):
        result.write(old, if_exists="overwrite")
    assert [entry.name for entry in tmp_path.iterdir()] == ["OLD"]
    assert digests(old) == before


def test_what_was_written_is_read_again(result, tmp_path, monkeypatch):
    sync = commit.sync

    def spoil(path):
        if path.name == "pairs.parquet.part":
            content = bytearray(path.read_bytes())
            content[100] ^= 1
            path.write_bytes(content)
        sync(path)

    monkeypatch.setattr(commit, "sync", spoil)
    with pytest.raises(ResourceError, match=r"pairs\.parquet: does not hold the 3 rows"):
        result.write(tmp_path / "OUT")
    assert list(tmp_path.iterdir()) == []


def test_tables_that_do_not_agree_are_not_published(result, tmp_path):
    with pytest.raises(DedupError, match=r"groups.*nothing was written; please report"):
        replace(result, groups=result.groups.slice(1)).write(tmp_path / "OUT")
    assert list(tmp_path.iterdir()) == []


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
    assert "cannot be written" in run.stdout and "free some space" in run.stdout, run.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ResourceError, match="written to"):
        check(tmp_path / "OUT")


def test_out_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="file"):
        check(tmp_path / "file" / "OUT")
    with pytest.raises(ResourceError, match="name too long"):
        check(tmp_path / ("x" * 300))


def test_a_link_to_a_run_is_followed(result, tmp_path):
    real = result.write(tmp_path / "disk" / "REAL")
    link = tmp_path / "OUT"
    link.symlink_to(real)
    other(result).write(link, if_exists="overwrite")
    assert link.is_symlink() and open_run(real).manifest["run_id"] == "r456"
