"""`dedup inspect` and `cluster --dry-run`: what they say of the input is so, they read little, and write nothing."""

import gzip
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ARTICLES, ESCAPE, digests, run

from dedup import inspection, memory
from dedup.errors import InputError
from dedup.params import from_settings

TEXT = "a tug pulled the barge off the bar at noon and nobody aboard was hurt "


def records(n, first=0):
    return [
        {
            "id": f"n{i}",
            "title": f"Barge {i} refloated",
            "date": f"2025-03-{i % 28 + 1:02}",
            "body": TEXT * (3 + i % 5),
        }
        for i in range(first, first + n)
    ]


def jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def comma(rows):
    lines = [",".join(rows[0]), *(",".join(f'"{value}\n"' for value in row.values()) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Forty records in each of four formats, a text file, and what is no input."""
    monkeypatch.chdir(tmp_path)
    inputs = tmp_path / "in"
    inputs.mkdir()
    (inputs / "a.jsonl").write_bytes(jsonl(records(40)) + b"{broken\n")
    (inputs / "b.jsonl.gz").write_bytes(gzip.compress(jsonl(records(40, 40))))
    (inputs / "c.csv").write_bytes(comma(records(40, 80)))
    pq.write_table(pa.Table.from_pylist(records(40, 120)), inputs / "d.parquet")
    (inputs / "e.txt").write_text("one article")
    (inputs / "f.parquet").write_bytes(b"PAR1 and then nothing of the kind")
    (inputs / "notes.docx").write_text("not an input")
    return inputs


def read_bytes():
    """Return the bytes that this process has read so far."""
    counts = Path("/proc/self/io")
    if not counts.exists():
        pytest.skip("needs /proc/self/io")
    return int(counts.read_text().split()[1])


class TestInspection:
    """The numbers."""

    def test_small_files_are_counted(self, folder):
        found = inspection.inspect([folder], from_settings({}))
        assert (found["files"], found["records"], found["exact"], found["sampled"]) == (6, 161, False, 161)
        assert found["formats"] == {"csv": 1, "jsonl": 2, "parquet": 2, "txt": 1}
        assert found["bytes"] == sum(file.stat().st_size for file in folder.iterdir() if file.suffix != ".docx")
        by_name = {entry["source_file"]: entry for entry in found["inputs"]}
        roles = {"text": "body", "title": "title", "id": "id", "date": "date"}
        for name, format in (("a.jsonl", "jsonl"), ("b.jsonl.gz", "jsonl"), ("c.csv", "csv"), ("d.parquet", "parquet")):
            entry = by_name[name]
            assert (entry["format"], entry["records"], entry["exact"], entry["columns"]) == (format, 40, True, roles)
        assert by_name["a.jsonl"]["rejected"] == 1 and "damaged Parquet" in by_name["f.parquet"]["refused"]
        assert found["rejected"] == 2
        assert [(reject["source_file"], reject["code"]) for reject in found["rejects"]] == [
            ("a.jsonl", "bad_json"),
            ("f.parquet", "bad_parquet"),
        ]
        first = found["rows"][0]
        assert len(found["rows"]) == 5 and (first["doc_id"], first["title"]) == ("n0", "Barge 0 refloated")
        assert first["published_at"] == "2025-03-01T00:00:00+00:00" and first["text"].startswith("a tug pulled")

    def test_only_good_files_give_exact_numbers(self, folder):
        found = inspection.inspect([folder / "a.jsonl", folder / "d.parquet"], from_settings({"jobs": 2}))
        assert found["exact"] and found["records"] == 80
        text = sum(len(row["body"]) for row in records(40) + records(40, 120))
        assert found["text_bytes"] == text
        assert found["memory"]["bytes"] == pytest.approx(memory.foretold(80, text, "story", 2) * 1e6, abs=1)
        assert found["memory"]["threads"] == 2

    @pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "csv", "parquet"])
    def test_of_a_large_file_the_start_is_read(self, tmp_path, monkeypatch, suffix):
        monkeypatch.setattr(inspection, "WHOLE_BYTES", 1 << 20)
        n = 60_000
        rows = [{**row, "salt": f"{i * 2654435761 % 2**32:x}" * 8} for i, row in enumerate(records(n))]
        path = tmp_path / f"large.{suffix}"
        content = comma(rows) if suffix == "csv" else jsonl(rows)
        if suffix == "parquet":
            pq.write_table(
                pa.Table.from_pylist(rows), path, compression="none", use_dictionary=False, row_group_size=4096
            )
        else:
            path.write_bytes(gzip.compress(content, 1) if suffix.endswith("gz") else content)
        before = read_bytes()
        found = inspection.inspect([path], from_settings({}))
        assert read_bytes() - before < path.stat().st_size // 2
        assert not found["exact"] and found["sampled"] < n / 2
        assert found["records"] == (n if suffix == "parquet" else pytest.approx(n, rel=0.05))
        assert found["text_bytes"] == pytest.approx(sum(len(row["body"]) for row in rows), rel=0.05)
        assert found["inputs"][0]["columns"]["text"] == "body" and len(found["rows"]) == 5

    def test_a_large_file_of_rejects_is_left_early(self, tmp_path, monkeypatch):
        monkeypatch.setattr(inspection, "WHOLE_BYTES", 1 << 20)
        path = tmp_path / "bad.jsonl"
        path.write_bytes(jsonl(records(1)) + b"{broken, and rather long, " * 1_000_000 + b"\n{broken\n" * 3_000_000)
        before = read_bytes()
        found = inspection.inspect([path], from_settings({}))
        assert found["rejected"] > 500 and read_bytes() - before < path.stat().st_size

    def test_of_many_files_some_are_opened(self, tmp_path):
        for number in range(1000):
            (tmp_path / f"{number:04}.txt").write_text("a text of one length")
        found = inspection.inspect([tmp_path], from_settings({}))
        assert len(found["inputs"]) == inspection.MOST_FILES == found["sampled"]
        assert (found["files"], found["records"], found["exact"]) == (1000, 1000, False)
        assert found["formats"] == {"txt": 1000}

    def test_a_limit_holds_for_the_estimate(self, folder):
        found = inspection.inspect([folder / "a.jsonl"], from_settings({"limit": 10}))
        assert found["records"] == 10 and found["sampled"] == 40

    def test_what_ends_a_run_ends_this(self, folder):
        with pytest.raises(InputError, match="damaged Parquet"):
            inspection.inspect([folder / "f.parquet"], from_settings({}))
        with pytest.raises(InputError, match="no column 'words'"):
            inspection.inspect([folder], from_settings({"text": "words"}))
        with pytest.raises(InputError, match="nowhere"):
            inspection.inspect(["nowhere"], from_settings({}))


class TestCommand:
    """What a person and a program see of it."""

    def test_it_fits_a_terminal(self, folder):
        said = run("inspect", folder)
        assert said.exit_code == 0, said.stderr
        tabled = [line for line in said.stdout.splitlines() if not re.search("columns read|parquet|line 41", line)]
        assert max(map(len, tabled)) <= 80 and ESCAPE not in said.stdout
        assert "161 of them read" in said.stdout and "so far" in said.stdout
        assert "columns read from 2 jsonl inputs: text=body" in said.stdout
        assert "a.jsonl line 41: " in said.stdout and "f.parquet: damaged Parquet" in said.stdout
        assert "Barge 0 refloated" in said.stdout

    def test_json(self, folder):
        found = json.loads(run("inspect", folder, "--json", "--text-col", "title").stdout)
        assert found["inputs"][0]["columns"]["text"] == "title"

    def test_a_dry_run_is_the_same_and_writes_nothing(self, folder, monkeypatch):
        monkeypatch.setenv("DEDUP_LIMIT", "100")
        before = digests(folder)
        dry = run("cluster", folder, "-o", "OUT", "--dry-run", "--json", "--metrics-file", "m.prom")
        assert dry.exit_code == 0 and dry.stdout == run("inspect", folder, "--json").stdout
        assert json.loads(dry.stdout)["records"] == 100
        assert digests(folder) == before and list(folder.parent.iterdir()) == [folder]

    def test_a_dry_run_says_where_the_run_would_fail(self, folder):
        said = run("cluster", folder, "-o", folder, "--dry-run", "--json")
        assert said.exit_code == 5 and json.loads(said.stdout)["status"] == "failed"

    def test_failures_have_their_codes(self, tmp_path):
        assert run("inspect", tmp_path / "nowhere").exit_code == 4
        assert run("inspect").exit_code == 2
        said = run("inspect", ARTICLES, "--time-scale", "0")
        assert said.exit_code == 2 and "time-scale: got 0.0" in said.stderr

    def test_control_characters_do_not_reach_the_terminal(self, tmp_path):
        row = {"id": "\x1b[2J", "title": "\x1b]0;evil\x07 \u202etitle", "text": "\x9b31m", "url": "x"}
        (tmp_path / "a\x1b[31m.jsonl").write_bytes(jsonl([row]) + b'{"\x1b[2J": 1}\n' + b"\x1b[31m\n")
        said = run("inspect", tmp_path)
        assert said.exit_code == 0, said.stderr
        assert not {char for char in said.stdout if not char.isprintable()} - {"\n"}
