"""The folders in which compiled kernels are kept: what is written and read there, and whom they trust."""

import os
import stat
from pathlib import Path

import pytest
from test_compiled_kernels import NOBODY, names

from dedup.kernels import store as store_module
from dedup.kernels.store import Store


def test_store_keeps_bytes(tmp_path):
    store = Store([tmp_path / "a" / "b"], tmp_path / "last")
    assert store.load("x") is None
    assert store.save("x", b"one") == tmp_path / "a" / "b"
    assert store.load("x") == b"one" and store.load("y") is None
    store.save("x", b"two")
    assert store.load("x") == b"two"
    assert names(tmp_path / "a" / "b") == ["x"]  # nothing unfinished beside it


def test_store_reads_from_all_folders_and_writes_to_the_first_it_can(tmp_path):
    (tmp_path / "file").write_text("no folder can be made in its place")
    Store([tmp_path / "shared"], tmp_path / "last").save("x", b"x")
    store = Store([tmp_path / "file" / "below", tmp_path / "own", tmp_path / "shared"], tmp_path / "last")
    assert store.load("x") == b"x"
    assert store.save("y", b"y") == tmp_path / "own"
    assert Store([tmp_path / "file"], tmp_path / "last").save("z", b"z") == tmp_path / "last"
    assert Store([], tmp_path / "last").load("z") == b"z"
    assert Store([tmp_path / "file"], tmp_path / "file").save("z", b"z") is None


@pytest.mark.parametrize("damage", [b"", b"short", None])
def test_store_takes_a_damaged_file_for_none(tmp_path, damage):
    store = Store([tmp_path], tmp_path / "last")
    store.save("x", b"content")
    whole = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(whole[:-1] + b"?" if damage is None else damage)
    assert store.load("x") is None


@pytest.mark.skipif(os.name == "nt", reason="folders have no modes there")
def test_store_trusts_no_folder_in_which_others_may_write(tmp_path):
    last = tmp_path / "last"
    store = Store([], last)
    assert store.save("x", b"x") == last and last.stat().st_mode & 0o777 == 0o700
    last.chmod(0o777)
    assert store.load("x") is None and store.save("y", b"y") is None
    last.chmod(0o700)
    (tmp_path / "link").symlink_to(last)
    assert Store([], tmp_path / "link").load("x") is None


@pytest.mark.skipif(os.name == "nt", reason="files have no modes there")
@pytest.mark.parametrize("place", ["folder", "file"])
@pytest.mark.parametrize("mode", [0o002, 0o020])
def test_store_trusts_nothing_that_others_may_write(tmp_path, place, mode):
    folder, spare = tmp_path / "shared", tmp_path / "own"
    store = Store([folder, spare], tmp_path / "last")
    assert store.save("x", b"x") == folder and store.load("x") == b"x"
    changed = folder if place == "folder" else folder / "x"
    changed.chmod(changed.stat().st_mode | mode)
    assert store.load("x") is None
    if place == "folder":
        assert store.save("x", b"y") == spare and store.load("x") == b"y"
    changed.chmod(changed.stat().st_mode & ~mode)
    assert store.load("x") == b"x"


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives files away")
def test_store_trusts_nothing_of_another_user(tmp_path):
    folder = tmp_path / "shared"
    store = Store([folder], tmp_path / "last")
    store.save("x", b"x")
    for changed in (folder / "x", folder):
        os.chown(changed, NOBODY, NOBODY)
        assert store.load("x") is None
    assert store.save("x", b"y") == tmp_path / "last"
    os.chown(folder, 0, 0)
    assert store.load("x") == b"y"  # the file there is still of the other user
    os.chown(folder / "x", 0, 0)
    assert store.load("x") == b"x"


def test_store_follows_no_link_to_a_file(tmp_path):
    store = Store([tmp_path / "a"], tmp_path / "last")
    store.save("x", b"x")
    (tmp_path / "a" / "y").symlink_to(tmp_path / "a" / "x")
    assert store.load("y") is None and store.load("x") == b"x"


def test_who_may_change_the_program_may_change_its_kernels():
    source = store_module.__file__
    found = Path(source).parent.stat()
    assert store_module.is_trusted(found)
    fields = list(found)[:10]
    fields[stat.ST_UID] = 4_000_000
    assert not store_module.is_trusted(os.stat_result(fields))
