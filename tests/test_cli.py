"""The command line: results on stdout, the rest on stderr, and one exit code per kind of failure."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from test_run import digests, make_result
from typer.testing import CliRunner

from dedup import __version__, cli, errors, terminal
from dedup.filtering import filter_run
from dedup.run import open_run

SEEDS = Path(__file__).parents[1] / "seeds"
ARTICLES = str(SEEDS / "articles.jsonl")
ESCAPE = "\x1b"


def run(*args, **kwargs):
    """Run a command inside this process."""
    return CliRunner().invoke(cli.app, [str(arg) for arg in args], prog_name="dedup", **kwargs)


def command(*args, env=None, **kwargs):
    """Run a command in a process of its own, without a terminal."""
    words = [sys.executable, "-m", "dedup", *map(str, args)]
    env = {**os.environ, **(env or {})}
    return subprocess.run(words, capture_output=True, text=True, encoding="utf-8", env=env, check=False, **kwargs)


@pytest.fixture(scope="session")
def seeds_run(tmp_path_factory):
    """The run of the seed articles, and what the command said."""
    out = tmp_path_factory.mktemp("seeds") / "OUT"
    said = command("cluster", ARTICLES, "-o", out)
    assert said.returncode == 0, said.stderr
    return out, said


@pytest.fixture
def small_run(tmp_path):
    """A hand-made run over a real input file."""
    path = tmp_path / "in.jsonl"
    lines = [{"id": f"x{row}", "n": row, "text": f"text {row}"} for row in range(6)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = make_result(str(path))
    describe(result, path)
    result.write(tmp_path / "OUT")
    return tmp_path / "OUT"


def describe(result, path, place=0):
    """Put the present state of an input file into the manifest."""
    import hashlib

    content = path.read_bytes()
    result.manifest["inputs"][place] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_version():
    assert run("--version").stdout == f"dedup {__version__}\n"


def test_help_fits_a_terminal_and_names_every_command():
    said = command("--help")
    assert said.returncode == 0 and said.stderr == ""
    for name in ("cluster", "show", "filter", "evaluate"):
        assert f"  {name} " in said.stdout
        text = run(name, "--help").stdout
        assert max(map(len, text.splitlines())) <= 80 and ESCAPE not in text


def test_help_names_every_setting():
    from dedup.params import SETTINGS

    text = run("cluster", "--help").stdout
    for name in SETTINGS:
        column = f"--{name}-col" if f"--{name}-col" in text else f"--{name.replace('_', '-')}"
        assert column in text


@pytest.mark.parametrize(
    "args",
    [
        ["cluster", ARTICLES],
        ["cluster", "-o", "OUT"],
        ["cluster", ARTICLES, "-o", "OUT", "--level", "words"],
        ["cluster", ARTICLES, "-o", "OUT", "--duplicate-threshold", "7"],
        ["cluster", ARTICLES, "-o", "OUT", "--nonsense"],
        ["filter", "OUT"],
        ["filter", "OUT", "-o", "x.csv", "--level", "exact"],
        ["nonsense"],
    ],
)
def test_usage_errors_exit_with_2(args, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = run(*args)
    assert said.exit_code == 2
    assert said.stdout == "" and "rror" in said.stderr and "Traceback" not in said.stderr


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)])
def test_every_error_has_its_exit_code(monkeypatch, kind):
    def fail(path):
        raise kind("place: got this\x1b]0;evil\x07, wanted that")

    monkeypatch.setattr("dedup.run.open_run", fail)
    said = run("show", "OUT")
    assert said.exit_code == kind.exit_code
    assert (said.stdout, said.stderr) == ("", "error: place: got this]0;evil, wanted that\n")


@pytest.mark.parametrize(
    ("raised", "code", "says"),
    [(KeyboardInterrupt(), 130, "interrupted"), (MemoryError("malloc of 9 GB failed"), 7, "memory is used up")],
)
def test_interrupts_and_memory(monkeypatch, raised, code, says):
    def fail(path):
        raise raised

    monkeypatch.setattr("dedup.run.open_run", fail)
    said = run("show", "OUT")
    assert said.exit_code == code and says in said.stderr and "Traceback" not in said.stderr


def test_a_bug_is_told_in_three_lines(monkeypatch):
    def fail(path):
        raise KeyError("of the program\n" + "x" * 1000)

    monkeypatch.setattr("dedup.run.open_run", fail)
    said = run("show", "OUT")
    assert said.exit_code == 1 and said.stdout == ""
    assert len(said.stderr.splitlines()) == 3 and len(said.stderr) < 500
    assert "KeyError" in said.stderr and "-v" in said.stderr


def test_with_v_a_bug_shows_its_traceback(tmp_path):
    code = "import dedup.run, sys; dedup.run.open_run = None; sys.argv = ['dedup', 'show', 'OUT', '-v']; "
    code += "from dedup.cli import main; main()"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said.returncode == 1 and "Traceback (most recent call last)" in said.stderr
    assert "TypeError: 'NoneType' object is not callable" in said.stderr


def test_no_such_run():
    said = run("show", "nowhere")
    assert said.exit_code == 4
    assert said.stderr.startswith("error: nowhere: no such folder; wanted the folder of a run")


def test_show_is_safe_on_a_terminal(small_run):
    for args in ([], ["a0-1"], ["s0000000000000001"]):
        said = run("show", small_run, *args)
        assert said.exit_code == 0, said.stderr
        assert ESCAPE not in said.stdout and "\u202e" not in said.stdout
        assert "Title" in said.stdout
        assert max(map(len, said.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("env", "flags", "styled"),
    [({}, [], True), ({"NO_COLOR": "1"}, [], False), ({"TERM": "dumb"}, [], False), ({}, ["--no-color"], False)],
)
def test_styles_on_a_terminal_only_where_wanted(small_run, env, flags, styled):
    import pty

    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "dedup", "show", str(small_run), *flags]
    clear = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    subprocess.run(words, stdout=theirs, check=True, env={**clear, "TERM": "xterm-256color", **env})
    os.close(theirs)
    said = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "Title 0" in said and (ESCAPE in said) == styled


def test_show_a_story(small_run):
    text = run("show", small_run, "a0-1").stdout
    assert "s0000000000000000: 3 articles, 2 texts, 1 outlet, 3 Mar 2025" in text
    assert "terms: ferry, rocks" in text
    assert "links between texts: 1 (cosine at least 0.250, mean 0.250)" in text
    assert "links between copies: 1; pairs refused: 0" in text
    assert re.search(r"\* +canonical +1\.000 +2025-03-03 +Wire +a0-0", text)
    assert re.search(r"\+ +exact +0\.750 +2025-03-03 +Wire +a0-2", text)


def test_show_as_json(small_run):
    found = json.loads(run("show", small_run, "--json", "--top", "1").stdout)
    assert [row["story_size"] for row in found["largest_stories"]] == [3]
    found = json.loads(run("show", small_run, "a1-1", "--json").stdout)
    assert [row["doc_id"] for row in found["documents"]] == ["a1-0", "a1-1"]
    assert found["story"]["first_published_at"] == "2025-03-03T19:10:00+00:00"


def test_show_an_unknown_id(small_run):
    said = run("show", small_run, "a0_1")
    assert said.exit_code == 4 and "similar are" in said.stderr and said.stdout == ""


def test_show_only_some(small_run):
    text = run("show", small_run, "a0-0", "--top", "1").stdout
    assert "and 1 more; show them with --top 2" in text
    assert "a0-1" not in text


def test_show_a_run_without_stories(tmp_path):
    result = make_result()
    result.manifest["settings"]["level"] = "duplicate"
    out = result.write(tmp_path / "OUT")
    text = run("show", out).stdout
    assert "largest duplicate groups" in text and "d0000000000000000" in text and "Title 0" in text


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_filter(small_run, tmp_path, ending):
    kept, dropped = tmp_path / f"kept.{ending}", tmp_path / f"dropped.{ending}"
    said = run("filter", small_run, "-o", kept, "--dropped", dropped, "--level", "duplicate")
    assert said.exit_code == 0, said.stderr
    assert "4" in said.stdout and "2" in said.stdout
    assert [row["id"] for row in load(kept)] == ["x0", "x2", "x3", "x5"]
    assert load(dropped) == [{"id": f"x{row}", "n": row, "text": f"text {row}"} for row in (1, 4)]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(
        ["in.jsonl", "OUT", f"kept.{ending}", f"dropped.{ending}"]
    )


_LINES = pyarrow.csv.ParseOptions(newlines_in_values=True)


def load(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    return (
        pq.read_table(path) if path.suffix == ".parquet" else pyarrow.csv.read_csv(path, parse_options=_LINES)
    ).to_pylist()


def test_filter_as_json(small_run, tmp_path):
    said = run("filter", small_run, "-o", tmp_path / "kept.csv", "--json")
    assert json.loads(said.stdout) == {
        "out": str(tmp_path / "kept.csv"),
        "dropped_out": None,
        "level": "story",
        "kept": 3,
        "dropped": 3,
    }


def test_filter_refuses(small_run, tmp_path):
    source = tmp_path / "in.jsonl"
    kept = tmp_path / "kept.csv"
    kept.write_text("mine")
    for args, code, says in (
        (["-o", kept], 5, "is there already; replace it with --if-exists overwrite"),
        (["-o", source, "--if-exists", "overwrite"], 5, "is an input of the run"),
        (["-o", small_run / "documents.parquet", "--if-exists", "overwrite"], 5, "lies in the folder of the run"),
        (["-o", tmp_path / "kept.xlsx"], 2, "wanted .parquet, .jsonl, .csv"),
        (["-o", tmp_path / "a.csv", "--dropped", tmp_path / "a.csv"], 2, "name two files"),
        (["-o", tmp_path / "no" / "a.csv"], 4, "no folder"),
    ):
        said = run("filter", small_run, *args)
        assert said.exit_code == code and says in said.stderr
    assert kept.read_text() == "mine"
    assert run("filter", small_run, "-o", kept, "--if-exists", "overwrite").exit_code == 0


def test_filter_wants_the_inputs_as_they_were(small_run, tmp_path):
    source = tmp_path / "in.jsonl"
    content = source.read_bytes()
    for changed, says in (
        (content + b"\n", "wanted 222 bytes" if len(content) == 222 else "bytes as in the run"),
        (content.replace(b"text 1", b"text 9"), "has changed since the run"),
    ):
        source.write_bytes(changed)
        said = run("filter", small_run, "-o", tmp_path / "kept.csv")
        assert said.exit_code == 4 and says in said.stderr and "cluster again" in said.stderr
    source.unlink()
    assert "is not there" in run("filter", small_run, "-o", tmp_path / "kept.csv").stderr
    assert not (tmp_path / "kept.csv").exists()


def test_filter_of_data_in_memory(tmp_path):
    make_result(path="").write(tmp_path / "OUT")
    said = run("filter", tmp_path / "OUT", "-o", tmp_path / "kept.csv")
    assert said.exit_code == 4 and "Result.kept()" in said.stderr


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_filter_joins_inputs_whose_types_differ(tmp_path, ending):
    first, second = tmp_path / "1.jsonl", tmp_path / "2.parquet"
    first.write_text('{"id": 1, "tags": ["a"], "n": 1}\n{"id": 2, "tags": null, "n": 2}\n{"id": 3}\n')
    table = pa.table({"id": ["4", "5", "6"], "n": [0.5, None, 1.5], "raw": [b"\xff", b"x", None]})
    pq.write_table(table, second)
    result = make_result(str(first))
    documents = result.documents.to_pydict()
    documents["source_file"] = ["1.jsonl"] * 3 + ["2.parquet"] * 3
    documents["source_row"] = [0, 1, 2, 0, 1, 2]
    documents["is_canonical"] = [True] * 5 + [False]
    documents = pa.Table.from_pydict(documents, result.documents.schema).take([5, 3, 4, 1, 0, 2])
    result.manifest["inputs"] = [
        {"path": str(path), "source_file": path.name, "format": path.suffix[1:], "columns": {}}
        for path in (first, second)
    ]
    describe(result, first, 0)
    describe(result, second, 1)
    result = type(result)(documents, result.groups, result.clusters, result.pairs, [], result.manifest)
    out = tmp_path / f"kept.{ending}"
    assert filter_run(result, out) == {"kept": 5, "dropped": 1}
    rows = load(out)
    assert [str(row["id"]) for row in rows] == ["1", "2", "3", "4", "5"]
    assert set(rows[0]) == {"id", "tags", "n", "raw"}
    assert [row["n"] for row in rows] == [1, 2, None, 0.5, None]
    assert rows[0]["tags"] in (["a"], '["a"]')


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_filter_writes_every_type_as_text(tmp_path, ending):
    from dedup.filtering import _write

    table = pa.table(
        {
            "nothing": pa.nulls(2),
            "day": pa.array([date(2025, 3, 1)] * 2),
            "money": pa.array([Decimal("1.50")] * 2),
            "bytes": pa.array([b"x", b"\xff"]),
            "pairs": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
            "object": pa.array([{"a": [1]}, None]),
            "quoted": ['a"b,\nc', "=1+1"],
            "view": pa.array(["x", "y"], pa.string_view()),
            "word": pa.array(["x", "y"]).dictionary_encode(),
        }
    )
    _write(table, tmp_path / "file", f".{ending}")
    (tmp_path / "file").rename(tmp_path / f"file.{ending}")
    first, second = load(tmp_path / f"file.{ending}")
    assert (first["quoted"], second["quoted"]) == ('a"b,\nc', "=1+1")
    assert (float(first["money"]), first["word"], first["view"]) == (1.5, "x", "x")
    assert (str(first["day"]), second["bytes"]) == ("2025-03-01", "\\xff")
    assert first["object"] in ({"a": [1]}, '{"a":[1]}')


def test_filter_of_columns_with_one_name(tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table([list("abcdef"), list("uvwxyz")], names=["text", "text"]), path)
    result = make_result(str(path))
    result.manifest["inputs"][0]["format"] = "parquet"
    describe(result, path)
    with pytest.raises(errors.InputError, match="two columns 'text'"):
        filter_run(result, tmp_path / "kept.jsonl")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_a_full_disk_behind_stdout(small_run):
    with Path("/dev/full").open("w") as full:
        words = [sys.executable, "-m", "dedup", "show", str(small_run)]
        said = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert said.returncode == 7 and said.stderr.startswith("error: the disk is full")


def test_evaluate_against_pairs(small_run, tmp_path):
    gold = tmp_path / "_gold.csv"
    gold.write_text("id_a,id_b,label\na0-0,a0-1,1\na0-0,a1-0,0\na0-0,nobody,1\n")
    said = run("evaluate", small_run, "--gold", gold)
    assert said.exit_code == 0, said.stderr
    assert "pairwise" in said.stdout and "1.000" in said.stdout
    assert "story: 2 pairs scored, 1 with an unknown article, 0 without a verdict" in said.stdout


def test_evaluate_without_a_file(small_run):
    said = run("evaluate", small_run, "--gold", "nowhere.csv")
    assert said.exit_code == 4 and said.stdout == ""


class TestProgress:
    def shown(self, when, is_terminal, calls, monkeypatch, moving=True):
        import io

        clock = iter(range(0, 10_000, 20))
        monkeypatch.setattr(terminal.time, "monotonic", lambda: float(next(clock)))
        stream = io.StringIO()
        console = Console(file=stream, force_terminal=is_terminal, width=80, color_system=None)
        monkeypatch.setenv("TERM", "xterm")
        with terminal.progress(console, when, moving) as report:
            for call in calls:
                report(*call)
        return stream.getvalue()

    CALLS = (("read", 10, None), ("verify", 1000, 2000), ("verify", 2000, 2000))

    def test_a_line_every_thirty_seconds(self, monkeypatch):
        assert self.shown("auto", False, self.CALLS, monkeypatch) == "verify: 1,000 of 2,000\n"

    def test_always_adds_the_end_of_each_stage(self, monkeypatch):
        text = self.shown("always", False, self.CALLS, monkeypatch)
        assert text == "verify: 1,000 of 2,000\nverify: 2,000 of 2,000\n"

    def test_never(self, monkeypatch):
        assert self.shown("never", True, self.CALLS, monkeypatch) == ""

    def test_bars_on_a_terminal(self, monkeypatch):
        monkeypatch.undo()
        import io

        stream = io.StringIO()
        monkeypatch.setenv("TERM", "xterm")
        with terminal.progress(Console(file=stream, force_terminal=True, width=100), "auto") as report:
            for call in self.CALLS:
                report(*call)
        assert "verify" in stream.getvalue() and "2000/2000" in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ferry\x1b[1;31m red\x1b]0;bell\x07", "Ferry red]0;bell"),
        ("two\nlines\tand\r\nmore", "two lines and more"),
        ("\u202egnp.exe\u202c \u2066x\u2069", "gnp.exe x"),
        ("\x9b31m\x7f\x00\x90x", "x"),
        ("日本 München 👩", "日本 München 👩"),
        ("\udc80bytes", "bytes"),
    ],
)
def test_clean(text, expected):
    assert terminal.clean(text) == expected


class TestCluster:
    """Real runs over the seed articles."""

    def test_streams(self, seeds_run):
        out, said = seeds_run
        assert ESCAPE not in said.stdout + said.stderr
        # A first run compiles the kernels, which may take longer than the 30 seconds between two progress lines.
        said_lines = [
            line for line in said.stderr.splitlines() if not re.fullmatch(r"[a-z ]+: [\d,]+( of [\d,]+)?", line)
        ]
        assert len(said_lines) == 1 and said_lines[0].startswith("columns read from 1 jsonl input: ")
        assert "text=text" in said.stderr and "id=id" in said.stderr
        assert "largest stories" in said.stdout and "6" in said.stdout
        assert f"dedup show {out}" in said.stdout and f"dedup filter {out} -o kept.jsonl" in said.stdout
        body = [line for line in said.stdout.splitlines() if str(out) not in line]
        assert max(map(len, body)) <= 80

    def test_the_run(self, seeds_run):
        out, _ = seeds_run
        result = open_run(out)
        counts = result.manifest["counts"]
        assert (counts["documents"], counts["rejected"]) == (65, 0)
        assert result.documents.num_rows == 65
        assert set(result.documents["doc_id"].to_pylist()) >= {"harbour-01", "suidou-01"}

    def test_json_is_the_last_line(self, tmp_path):
        said = command("cluster", ARTICLES, "-o", tmp_path / "OUT", "--json")
        *before, last = said.stdout.splitlines()
        found = json.loads(last)
        assert before == []
        assert found["out"] == str(tmp_path / "OUT") and found["version"] == __version__
        assert found["counts"]["documents"] == 65 and len(found["largest_stories"]) <= 10
        assert set(found) == {"out", "run_id", "version", "counts", "seconds", "largest_stories"}

    def test_quiet(self, tmp_path):
        said = command("cluster", ARTICLES, "-o", tmp_path / "OUT", "-q")
        assert (said.returncode, said.stdout, said.stderr) == (0, "", "")

    def test_verbose_names_the_stages(self, tmp_path):
        said = command("cluster", ARTICLES, "-o", tmp_path / "OUT", "-v")
        assert said.returncode == 0 and " s  read" in said.stderr

    def test_an_existing_output_is_refused_before_the_work(self, seeds_run):
        out, _ = seeds_run
        before = digests(out)
        said = run("cluster", ARTICLES, "-o", out)
        assert said.exit_code == 5 and "--if-exists overwrite" in said.stderr and said.stdout == ""
        said = run("cluster", ARTICLES, "-o", SEEDS, "--if-exists", "overwrite")
        assert said.exit_code == 5 and "not a dedup run" in said.stderr
        assert digests(out) == before and (SEEDS / "README.md").exists()

    def test_a_second_run_gives_the_same_files(self, seeds_run, tmp_path):
        out, _ = seeds_run
        shutil.copytree(out, tmp_path / "OUT")
        said = command("cluster", ARTICLES, "-o", tmp_path / "OUT", "--if-exists", "overwrite", "-q", "-j", "1")
        assert said.returncode == 0, said.stderr
        one, two = digests(out), digests(tmp_path / "OUT")
        assert {name for name in one if one[name] != two[name]} <= {"manifest.json"}
        assert [entry.name for entry in tmp_path.iterdir()] == ["OUT"]

    def test_missing_input(self, tmp_path):
        said = run("cluster", tmp_path / "nowhere.jsonl", "-o", tmp_path / "OUT")
        assert said.exit_code == 4 and "nowhere.jsonl" in said.stderr
        assert list(tmp_path.iterdir()) == []

    def test_missing_column(self, tmp_path):
        (tmp_path / "a.jsonl").write_text('{"id": 1, "words": "x"}\n')
        said = run("cluster", tmp_path / "a.jsonl", "-o", tmp_path / "OUT")
        assert said.exit_code == 4 and "--text-col" in said.stderr and "'words'" in said.stderr

    def test_rejects_are_counted_and_named(self, tmp_path):
        path = tmp_path / "a.jsonl"
        path.write_text(Path(ARTICLES).read_text("utf-8") + "{broken\n" * 4, "utf-8")
        said = run("cluster", path, "-o", tmp_path / "OUT")
        assert said.exit_code == 0, said.stderr
        assert re.search(r"rejected records +4", said.stdout)
        assert "a.jsonl line 66: " in said.stdout and "and 1 more in rejects.jsonl" in said.stdout
        said = run("cluster", path, "-o", tmp_path / "TWO", "--max-rejects", "3")
        assert said.exit_code == 3 and not (tmp_path / "TWO").exists()

    def test_settings_reach_the_run(self, tmp_path):
        out = tmp_path / "OUT"
        args = [
            "--level",
            "duplicate",
            "--limit",
            "20",
            "--with-text",
            "--keep-cols",
            "url,lang",
            "--canonical",
            "latest",
        ]
        said = run("cluster", ARTICLES, "-o", out, *args, "--duplicate-threshold", "0.7")
        assert said.exit_code == 0, said.stderr
        result = open_run(out)
        assert result.documents.num_rows == 20
        assert {"text", "in_url", "in_lang"} <= set(result.documents.column_names)
        settings = result.manifest["settings"]
        assert (settings["level"], settings["canonical"]) == ("duplicate", "latest")
        assert settings["duplicates"]["jaccard"] == 0.7
        assert "stories" not in said.stdout

    def test_show(self, seeds_run):
        out, _ = seeds_run
        text = run("show", out, "harbour-01").stdout
        assert "Ferry Kestrel Bay" in text and "harbour-02" in text

    def test_filter(self, seeds_run, tmp_path):
        out, _ = seeds_run
        kept, dropped = tmp_path / "kept.jsonl", tmp_path / "dropped.jsonl"
        assert run("filter", out, "-o", kept, "--dropped", dropped).exit_code == 0
        articles = load(Path(ARTICLES))
        both = load(kept) + load(dropped)
        assert sorted(both, key=lambda row: row["id"]) == sorted(articles, key=lambda row: row["id"])
        order = [row["id"] for row in articles]
        assert [order.index(row["id"]) for row in load(kept)] == sorted(order.index(row["id"]) for row in load(kept))

    def test_evaluate(self, seeds_run):
        out, _ = seeds_run
        said = run("evaluate", out, "--gold", SEEDS / "_gold.csv")
        assert said.exit_code == 0 and "B-cubed" in said.stdout and "ARI" in said.stdout
        found = json.loads(run("evaluate", out, "--gold", SEEDS / "_gold.csv", "--json").stdout)
        assert found["duplicate"]["n"] == 65 and found["story"]["bcubed"]["f1"] > 0.8

    @pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
    def test_signals(self, tmp_path, sent, code):
        """A run that is told to stop, at a moment when it is at work, leaves nothing behind."""
        words = slowed(ARTICLES, tmp_path / "OUT")
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for_staging(tmp_path, child)
        child.send_signal(sent)
        stdout, stderr = child.communicate(timeout=60)
        assert child.returncode == code, stderr
        assert stdout == "" and "Traceback" not in stderr
        assert list(tmp_path.iterdir()) == []

    def test_sigkill_while_writing(self, tmp_path):
        """Killed at random moments: OUT is absent or one whole run, and the next run succeeds."""
        chance = random.Random(0)
        out = tmp_path / "OUT"
        caught = 0
        for number in range(8):
            if number % 2 == 0:
                shutil.rmtree(out, ignore_errors=True)
            child = subprocess.Popen(slowed(ARTICLES, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_for_staging(tmp_path, child)
            time.sleep(chance.uniform(0, 1.1))
            child.kill()
            child.wait()
            if out.exists():
                files = open_run(out).manifest["files"]
                assert {name: entry["sha256"] for name, entry in files.items()} == {
                    name: digest for name, digest in digests(out).items() if name != "manifest.json"
                }
            for entry in tmp_path.glob(".OUT.dedup-staging-*"):
                shutil.rmtree(entry)
                caught += 1
        assert caught  # else nothing was tested
        said = command("cluster", ARTICLES, "-o", out, "--if-exists", "overwrite", "-q")
        assert said.returncode == 0, said.stderr
        assert open_run(out).documents.num_rows == 65


def slowed(source, out):
    """Return the command line of a run whose commit takes about a second, so that it can be hit."""
    code = (
        "import sys, time; from dedup import commit; finished = commit.finished\n"
        "def slow(*args): time.sleep(0.2); return finished(*args)\n"
        "commit.finished = slow\n"
        "sys.argv = ['dedup', 'cluster', sys.argv[1], '-o', sys.argv[2], '--if-exists', 'overwrite']\n"
        "from dedup.cli import main; main()"
    )
    return [sys.executable, "-c", code, str(source), str(out)]


def wait_for_staging(folder, child):
    until = time.monotonic() + 120
    while not any(".dedup-staging-" in entry.name for entry in folder.iterdir()):
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < until
        time.sleep(0.005)
