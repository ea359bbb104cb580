"""`dedup cluster` over the seed articles, and the other commands on that run."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ARTICLES, ESCAPE, SEEDS, command, digests, load, run

from dedup import __version__
from dedup.run import open_run


@pytest.fixture(scope="session")
def seeds_run(tmp_path_factory):
    """The run of the seed articles, and what the command said."""
    out = tmp_path_factory.mktemp("seeds") / "OUT"
    said = command("cluster", ARTICLES, "-o", out)
    assert said.returncode == 0, said.stderr
    return out, said


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
        about_run = {"out", "run_id", "version", "counts", "seconds", "largest_stories", "skipped"}
        assert set(found) == about_run | {"status", "exit_code"}

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
        assert digests(out) == before and (SEEDS / "_README.md").exists()

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
