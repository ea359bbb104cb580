"""Temporary files: the same bytes with and without, nothing left behind, and a full disk that says so."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import ARTICLES, command
from hypothesis import given, settings
from hypothesis import strategies as st
from test_duplicates import prose

import dedup
from dedup import params, schema, spill, stores
from dedup.errors import ResourceError, SettingsError

TABLES = ("documents", "groups", "clusters", "pairs")
LEAST = 1 << 20  # bytes; the smallest memory that may be asked for
on_linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's list of open files")


def unnamed(folder):
    """Count the open files of this process that have no name any more in a folder."""
    links = []
    for file in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(file.readlink()))
        except FileNotFoundError:  # the listing itself
            continue
    return sum(link.startswith(f"{folder}/") and link.endswith("(deleted)") for link in links)


def articles(n):
    """Return n articles of two papers: every third one a copy, each with its paper's footer, some without a date."""
    rows = []
    for i in range(n):
        words = prose(120, i)
        if i % 3 == 2:
            words = [*rows[i - 1]["text"].split()[: 110 + i % 7], *prose(3, -i)]
        footer = f"{i % 2} read more from the newsroom of our paper and send us your letters every day"
        rows.append(
            {
                "id": f"a{i}", "title": " ".join(prose(6, i - i % 3)), "text": " ".join([*words, footer]),
                "date": f"2025-03-{1 + i % 28:02}" if i % 5 else None, "source": f"Paper {i % 2}", "score": i,
            }
        )  # fmt: skip
    return rows


def files(result, out):
    result.write(out)
    return {name: hashlib.sha256((out / f"{name}.parquet").read_bytes()).hexdigest() for name in TABLES}


class TestSameBytes:
    @pytest.mark.parametrize("level", ["exact", "duplicate", "story"])
    def test_with_and_without_files(self, level, tmp_path):
        given = {"level": level, "with_text": True, "keep_cols": ["score"]}
        without = dedup.cluster(articles(900), **given)
        wanted = files(without, tmp_path / "WITHOUT")
        for memory in (LEAST, "3MB", "7MiB"):
            result = dedup.cluster(articles(900), memory=memory, tmp_dir=str(tmp_path), **given)
            assert result.documents["title"].num_chunks > without.documents["title"].num_chunks  # it did use them
            assert files(result, tmp_path / str(memory)) == wanted
        assert without.manifest["counts"].get("boilerplate_documents", 900) == 900

    def test_the_order_of_the_input(self, tmp_path):
        rows = [row | {"score": 0} for row in articles(900)]
        columns = ["doc_id", "story_id", "duplicate_id", "similarity", "canonical_doc_id"]
        one, two = (
            dedup.cluster(some, memory=LEAST).documents.select(columns)
            for some in (rows, random.Random(1).sample(rows, len(rows)))
        )
        assert one.equals(two)

    def test_a_small_job_makes_no_files(self, tmp_path):
        seen = []
        dedup.cluster(ARTICLES, tmp_dir=str(tmp_path), progress=lambda *_: seen.append(unnamed(tmp_path)))
        assert seen and not any(seen)


@on_linux
class TestNothingIsLeft:
    def test_after_a_run(self, tmp_path):
        seen, named = [], []

        def progress(*_):
            seen.append(unnamed(tmp_path))
            named.extend(tmp_path.iterdir())

        result = dedup.cluster(articles(900), memory=LEAST, tmp_dir=str(tmp_path), progress=progress)
        assert max(seen) > 1  # there were files,
        assert not named  # none of which could be seen,
        del result
        assert unnamed(tmp_path) == 0  # and they went with the result

    def test_after_an_error(self, tmp_path):
        def progress(stage, *_):
            if stage == "verify":
                assert unnamed(tmp_path) > 1
                raise ValueError("stop here")

        with pytest.raises(ValueError, match="stop here"):
            dedup.cluster(articles(900), memory=LEAST, tmp_dir=str(tmp_path), progress=progress)
        assert unnamed(tmp_path) == 0
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
    def test_after_a_signal(self, sent, tmp_path):
        code = (
            "import sys, time\nsys.path.insert(0, sys.argv[2])\nimport dedup, test_spill\n"
            "def progress(stage, *_):\n"
            "    if stage == 'candidates': print(test_spill.unnamed(sys.argv[1]), flush=True); time.sleep(60)\n"
            "dedup.cluster(test_spill.articles(900), memory=1 << 20, tmp_dir=sys.argv[1], progress=progress)\n"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
        )
        assert int(child.stdout.readline()) > 1
        child.send_signal(sent)
        child.wait(30)
        assert not list(tmp_path.iterdir())


class TestFullDisk:
    def test_the_message(self, tmp_path):
        source, folder = tmp_path / "in.jsonl", tmp_path / "tmp"
        folder.mkdir()
        source.write_text("".join(json.dumps(row) + "\n" for row in articles(900)))
        limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({1 << 19}, {1 << 19}))\n"
        words = ["dedup", "cluster", source, "-o", tmp_path / "OUT", "--memory", "1MiB", "--tmp-dir", folder]
        code = f"{limit}import sys; sys.argv = {[str(word) for word in words]}\nfrom dedup.cli import main; main()"
        child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert child.returncode == 7, child.stderr
        assert f"error: {folder}: temporary files cannot be written (File too large)" in child.stderr
        assert "--tmp-dir" in child.stderr and "--memory" in child.stderr
        assert not (tmp_path / "OUT").exists() and not list(folder.iterdir())

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
    def test_a_mapped_array_takes_its_room_at_once(self, tmp_path):
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", tmp_path], check=False).returncode:
            pytest.skip("may not mount")
        try:
            own = spill.Spill(str(tmp_path), LEAST)
            assert own.array(100_000, np.uint8).sum() >= 0
            with pytest.raises(ResourceError, match=r"No space left on device.*--tmp-dir"):
                own.array(2 << 20, np.uint8)
            with pytest.raises(ResourceError, match="No space left"):
                spill.File(str(tmp_path)).write(np.zeros(2 << 20, np.uint8))
        finally:
            subprocess.run(["umount", tmp_path], check=True)


class TestSettings:
    @pytest.mark.parametrize(
        ("text", "size"),
        [("4GB", 4 * 10**9), ("512MiB", 512 << 20), ("2.5g", 25 * 10**8), ("70000000", 70_000_000), ("1 TiB", 1 << 40)],
    )
    def test_sizes(self, text, size):
        assert params.parse_size(text) == size

    @pytest.mark.parametrize("text", ["", "four", "4 gigs", "-1GB", "1e9", "GB"])
    def test_no_sizes(self, text):
        with pytest.raises(SettingsError, match="wanted a size such as 4GB or 512MiB"):
            params.parse_size(text)

    def test_too_little(self):
        with pytest.raises(SettingsError, match="memory: got 1000"):
            params.from_settings({"memory": "1KB"})

    def test_a_folder_that_is_not_there(self, tmp_path):
        for folder in (tmp_path / "none", Path(__file__)):
            with pytest.raises(SettingsError, match=r"tmp-dir: got .*, wanted a folder that is there"):
                params.from_settings({"tmp_dir": str(folder)})

    def test_they_are_no_part_of_a_run(self):
        assert params.Params(memory=LEAST, tmp_dir="/").results() == params.Params().results()

    def test_on_the_command_line(self, tmp_path):
        out = command("cluster", ARTICLES, "-o", tmp_path / "OUT", "--memory", "lots")
        assert out.returncode == 2 and "memory: got 'lots'" in out.stderr

    def test_what_may_be_used(self):
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        assert 0 < spill.usable_memory() <= machine
        assert spill.Spill().memory == min(4 << 30, spill.usable_memory() // 2)


class TestArrays:
    def test_in_memory_and_in_a_file(self, tmp_path):
        for size in (10, LEAST):
            made = spill.Spill(str(tmp_path), LEAST).array((2, size), np.uint32)
            made[:] = np.arange(2 * size).reshape(2, size)
            spill.release()
            assert made.shape == (2, size) and (made.reshape(-1) == np.arange(2 * size)).all()

    def test_pages_are_given_back(self, tmp_path):
        status = Path("/proc/self/smaps_rollup")
        if not status.exists():
            pytest.skip("needs Linux's account of resident pages")

        def resident():
            return int(status.read_text().split("Rss:")[1].split()[0]) << 10

        made = spill.Spill(str(tmp_path), LEAST).array(64 << 20, np.uint8)
        made[:] = 1
        before = resident()
        spill.release()
        assert before - resident() > 60 << 20
        assert made.sum() == len(made)

    def test_parts_of_rows(self):
        own = spill.Spill(memory=LEAST)
        for n in (0, 1, 5000):
            assert [i for start, stop in own.rows(n, 100) for i in range(start, stop)] == list(range(n))
            assert [i for part in own.picks(n) for i in range(n)[part]] == list(range(n))
        sizes = np.random.default_rng(2).integers(0, 5000, 300)
        ends = np.concatenate(([0], np.cumsum(sizes)))
        parts = list(own.slices(ends))
        assert [i for part in parts for i in range(*part)] == list(range(300))
        assert len(parts) > 10
        assert all(stop == start + 1 or ends[stop] - ends[start] <= LEAST // 64 // 8 for start, stop in parts)


rows = st.lists(st.tuples(st.integers(0, 2**64 - 1), st.lists(st.integers(0, 9), max_size=4)), max_size=40)
FIELDS = pa.schema(
    [
        ("key", pa.uint64()),
        ("values", pa.large_list(pa.uint64())),
        ("pair", pa.list_(pa.uint32(), 2)),
        ("name", pa.string()),
    ]
)


def table(some):
    return pa.Table.from_pylist(
        [{"key": k, "values": v, "pair": [k % 7, len(v)], "name": None if k % 3 else str(k)} for k, v in some], FIELDS
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, max_size=4), st.booleans())
def test_a_shuffle_and_what_grows(batches, on_disk):
    own = spill.Spill(memory=LEAST if on_disk else 1 << 40)
    parts = stores.Shuffle(own)
    for some in [*batches, *([[(5, [i]) for i in range(9000)]] if on_disk else [])]:
        parts.add([table(some), table(some).select(["name"])], table(some)["key"].to_numpy())
    assert own.on_disk == on_disk
    columns, chunks = stores.Columns(own, FIELDS), stores.Rows(own, FIELDS)
    for part, names in parts.parts():
        assert part["name"].equals(names["name"])
        columns.append(part)
        chunks.append(part)
    added = [row for some in batches for row in some] + ([(5, [i]) for i in range(9000)] if on_disk else [])
    by_part = sorted(added, key=lambda row: row[0] >> 57) if on_disk else added  # stable, as parts are
    assert chunks.table().equals(table(by_part))
    found = columns.table()
    assert found.equals(table(by_part))
    assert all(column.num_chunks <= 1 for column in found.columns)
    assert schema.ragged(found["values"])[0].tolist() == [v for _, values in by_part for v in values]


def test_a_machine_without_a_folder_for_temporary_files(monkeypatch, tmp_path):
    def none():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    made = spill.Spill(memory=LEAST)
    assert made.array(10, np.int8).shape == (10,)
    with pytest.raises(ResourceError, match="name one with --tmp-dir"):
        made.array(LEAST, np.int8)
    assert spill.Spill(str(tmp_path), LEAST).array(LEAST, np.int8).shape == (LEAST,)
