"""Verdicts of a person: which pairs are drawn, what is shown, and what is written down."""

import csv
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import ARTICLES, ESCAPE, SEEDS, command, run
from hypothesis import given
from hypothesis import strategies as st

import dedup
from dedup.labels import COLUMNS, read_labels
from dedup.review import Question, cells, page, wrapped
from dedup.run import open_run
from dedup.sampling import LEVELS, SHARES, draw, pairs_of


@pytest.fixture(scope="module")
def seeds_run(tmp_path_factory):
    return dedup.cluster(SEEDS).write(tmp_path_factory.mktemp("seeds") / "OUT")


@pytest.fixture(scope="module")
def pairs(seeds_run):
    return pairs_of(open_run(seeds_run), 1)


class TestSampling:
    def test_pairs_are_distinct_and_know_their_stratum(self, pairs):
        rows = pairs.to_pylist()
        assert len({(r["doc_id_a"], r["doc_id_b"], r["level"]) for r in rows}) == len(rows) > 50
        assert all(r["stratum"] in SHARES[r["level"]] and r["mass"] > 0 for r in rows)
        assert all(r["doc_id_a"] < r["doc_id_b"] for r in rows)

    def test_strata_say_what_the_run_thinks(self, seeds_run, pairs):
        result = open_run(seeds_run)
        story = dict(zip(*(result.documents[c].to_pylist() for c in ("doc_id", "story_id")), strict=True))
        group = dict(zip(*(result.documents[c].to_pylist() for c in ("doc_id", "duplicate_id")), strict=True))
        inside = {"just copies": group, "clear copies": group}
        inside |= dict.fromkeys(("weak link", "strong link", "no link"), story)
        for row in pairs.to_pylist():
            of = group if row["level"] == "duplicate" else story
            together = of[row["doc_id_a"]] == of[row["doc_id_b"]]
            assert together == (row["stratum"] in inside) == row["accepted"], row

    def test_pairs_without_a_link_stand_for_the_rest_of_their_stories(self, seeds_run, pairs):
        """Together the strata inside stories count for s - 1 articles of every story of s texts."""
        sizes = open_run(seeds_run).clusters["n_groups"].to_pylist()
        counted = sum(r["mass"] for r in pairs.to_pylist() if r["level"] == "story" and r["accepted"])
        assert counted == pytest.approx(sum(size - 1 for size in sizes), rel=0.02)

    @pytest.mark.parametrize("count", [1, 7, 40, 100_000])
    def test_draw(self, pairs, count):
        drawn = draw(pairs, count, 1)
        assert drawn.equals(draw(pairs, count, 1))
        assert len(drawn) <= min(count, len(pairs))
        ids = set(zip(*(drawn[c].to_pylist() for c in ("doc_id_a", "doc_id_b")), strict=True))
        assert len(ids) == len(drawn)

    def test_every_beginning_is_a_like_sample(self, pairs):
        whole = draw(pairs, 60, 3)
        share = [draw_share(whole.slice(0, n), "story") for n in (20, 40, len(whole))]
        assert max(share) - min(share) < 0.2

    def test_weights_are_those_of_whole_strata(self, pairs):
        drawn = draw(pairs, 60, 1)
        for row in drawn.to_pylist():
            mass = [
                r["mass"] for r in pairs.to_pylist() if (r["level"], r["stratum"]) == (row["level"], row["stratum"])
            ]
            assert row["weight"] == pytest.approx(sum(mass), abs=1e-5)

    def test_one_level(self, pairs):
        assert set(draw(pairs, 20, 1, ("story",))["level"].to_pylist()) == {"story"}

    def test_a_run_in_which_nothing_is_alike(self):
        result = dedup.cluster([{"id": "1", "text": "a lamp post fell"}, {"id": "2", "text": "prices rose slowly"}])
        assert len(draw(pairs_of(result, 1), 10, 1)) == 0

    def test_exact_copies_and_rules_are_not_asked_about(self, tmp_path, pairs):
        copies = {("harbour-01", "harbour-02")}
        assert not copies & set(zip(pairs["doc_id_a"].to_pylist(), pairs["doc_id_b"].to_pylist(), strict=True))
        (tmp_path / "o.toml").write_text("[[different]]\narticles = ['harbour-01', 'harbour-06']\n")
        ruled = pairs_of(dedup.cluster(SEEDS, overrides=str(tmp_path / "o.toml")), 1).to_pylist()
        named = [
            r for r in ruled if r["level"] == "story" and {r["doc_id_a"], r["doc_id_b"]} == {"harbour-01", "harbour-06"}
        ]
        assert named == []


def draw_share(drawn, level):
    return drawn["level"].to_pylist().count(level) / len(drawn)


class TestPage:
    def side(self, text, title="A title"):
        return {"title": title, "source": None, "published_at": None, "text_chars": len(text), "text": text}

    @pytest.mark.parametrize("width", [40, 80, 131])
    def test_no_line_is_too_long(self, width):
        texts = "word " * 400, "青嶺市で水道管破裂、1万2000世帯が断水" * 30
        lines = page(Question(1, 9, self.side(texts[0]), self.side(texts[1]), None), width, 24)
        assert max(map(cells, lines)) <= width and len(lines) <= 22
        assert len({line.index("│") for line in lines if "│" in line and "青" not in line}) == 1

    @given(st.text(max_size=200), st.integers(2, 30))
    def test_wrapping_keeps_every_letter(self, text, width):
        lines = wrapped(text, width)
        assert all(0 < cells(line) <= width for line in lines if line.strip()) or width < 2
        shown = "".join(char for char in text if char.isprintable() and not char.isspace())
        assert "".join(lines).replace(" ", "") == shown.replace(" ", "")

    def test_an_article_without_anything(self):
        empty = self.side("", None)
        assert "(no text)" in "\n".join(page(Question(1, 1, empty, empty, "skip"), 80, 24))


def verdicts(path):
    with path.open(newline="") as file:
        return [row["verdict"] for row in csv.DictReader(file)]


class TestCommand:
    def test_answers_from_a_pipe(self, seeds_run, tmp_path):
        out = tmp_path / "labels.csv"
        said = command("review", seeds_run, "-o", out, "--pairs", "8", input="s\nwhat\nd\nb\nt\nk\nq\n")
        assert said.returncode == 0, said.stderr
        assert verdicts(out) == ["same story", "different", "same text", "skip"]
        assert "wanted t, s, d, k, m, b or q" in said.stdout and "so far: different" in said.stdout
        total = int(re.search(r"pair 1 of (\d+)", said.stdout)[1])
        assert f"{out}: 1 same text, 1 same story, 0 different, 1 skip; {total - 3} pairs left" in said.stdout
        assert max(map(len, said.stdout.splitlines())) <= 80 + len(str(tmp_path)) * 2
        assert ESCAPE not in said.stdout

    def test_what_is_judged_is_not_asked_again(self, seeds_run, tmp_path):
        out = tmp_path / "labels.csv"
        command("review", seeds_run, "-o", out, "--pairs", "6", input="s\ns\n")
        said = command("review", seeds_run, "-o", out, "--pairs", "6", input="d\n" * 9)
        assert verdicts(out) == ["same story"] * 2 + ["different"] * 4
        assert said.stdout.count("pair 3 of 6") == 1 and "pair 2 of 6" not in said.stdout
        assert "0 pairs left" in said.stdout
        with out.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len({(row["doc_id_a"], row["doc_id_b"]) for row in rows}) == 6
        assert tuple(rows[0]) == COLUMNS

    def test_the_whole_text_from_the_input(self, seeds_run, tmp_path):
        args = ("review", seeds_run, "-o", tmp_path / "l.csv", "--level", "story", "--pairs", "1")
        short, long = (command(*args, input=keys).stdout.splitlines() for keys in ("q\n", "m\nq\n"))
        assert short.count("…                                      │ …") == long.count(short[-6]) == 1
        assert len(long) > 2 * len(short) - 5

    def test_a_run_whose_input_is_gone_shows_first_words(self, tmp_path):
        copy = tmp_path / "in.jsonl"
        copy.write_bytes(Path(ARTICLES).read_bytes())
        dedup.cluster(copy).write(tmp_path / "OUT")
        copy.unlink()
        said = run("review", tmp_path / "OUT", "-o", tmp_path / "l.csv", "--pairs", "1", input="m\nt\n")
        assert said.exit_code == 0 and verdicts(tmp_path / "l.csv") == ["same text"]

    def test_nothing_to_ask(self, tmp_path):
        dedup.cluster([{"id": "1", "text": "a lamp post fell"}]).write(tmp_path / "OUT")
        said = run("review", tmp_path / "OUT", "-o", tmp_path / "l.csv")
        assert said.exit_code == 0 and "no pair of articles is like enough to ask about" in said.stdout
        assert not (tmp_path / "l.csv").exists()

    def test_level(self, seeds_run, tmp_path):
        out = tmp_path / "l.csv"
        assert run("review", seeds_run, "-o", out, "--level", "story", "--pairs", "3", input="d\nd\nd\n").exit_code == 0
        assert {row["level"] for row in read_labels(out).to_pylist()} == {LEVELS[1]}


class Terminal:
    """A command in a real pseudo-terminal of 80 columns and 24 lines."""

    def __init__(self, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ |= {"COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
            os.execv(sys.executable, [sys.executable, "-m", "dedup", *map(str, args)])
        self.seen = ""

    def until(self, text, count=1, seconds=90):
        end = time.monotonic() + seconds
        while self.seen.count(text) < count:
            assert time.monotonic() < end, self.seen
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:  # the other end is closed
                    break
        assert self.seen.count(text) >= count, self.seen

    def press(self, key, text, count=1):
        """Press a key until the text has come: one that comes before the terminal listens for keys is lost."""
        for _ in range(30):
            os.write(self.fd, key.encode())
            try:
                return self.until(text, count, seconds=3)
            except AssertionError:
                continue
        raise AssertionError(self.seen)

    def end(self):
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return status


class TestTerminal:
    def test_single_keys(self, seeds_run, tmp_path):
        out = tmp_path / "l.csv"
        terminal = Terminal("review", seeds_run, "-o", out, "--pairs", "5")
        terminal.until("q quit:")
        assert "pair 1 of 5" in terminal.seen
        terminal.press("s", "q quit:", 2)
        assert verdicts(out) == ["same story"]  # on the disk before the next answer
        terminal.press("d", "q quit:", 3)
        terminal.press("q", "3 pairs left")
        assert os.waitstatus_to_exitcode(terminal.end()) == 0
        assert verdicts(out) == ["same story", "different"]

    @pytest.mark.parametrize("signal", ["INT", "KILL"])
    def test_a_killed_session_loses_nothing(self, seeds_run, tmp_path, signal):
        out = tmp_path / "l.csv"
        terminal = Terminal("review", seeds_run, "-o", out, "--pairs", "5")
        terminal.until("q quit:")
        terminal.press("s", "q quit:", 2)
        if signal == "INT":
            terminal.press("\x03", "interrupted")
        else:
            subprocess.run(["kill", "-KILL", str(terminal.pid)], check=True)
        code = os.waitstatus_to_exitcode(terminal.end())
        assert code == {"INT": 130, "KILL": -9}[signal]
        assert verdicts(out) == ["same story"]
        said = command("review", seeds_run, "-o", out, "--pairs", "5", input="d\n")
        assert "pair 2 of 5" in said.stdout and "pair 1 of 5" not in said.stdout
        assert verdicts(out) == ["same story", "different"]


def test_rows_of_other_kinds_of_runs(tmp_path):
    """Without stories, and with the same text under every id."""
    rows = [
        {"id": f"={i}", "title": "Lamp", "text": "a lamp post fell in the storm last night " * 9 + f"word{i % 3}"}
        for i in range(9)
    ]
    result = dedup.cluster(pa.Table.from_pylist(rows), level="duplicate")
    result.write(tmp_path / "OUT")
    said = run("review", tmp_path / "OUT", "-o", tmp_path / "l.csv", "--pairs", "2", input="t\nt\n")
    assert said.exit_code == 0, said.stderr
    found = read_labels(tmp_path / "l.csv").to_pylist()
    assert found and all(row["doc_id_a"].startswith("=") for row in found)
