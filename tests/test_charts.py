"""`dedup evaluate --sweep`: what it draws, in a pipe and on a terminal, and its JSON."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ESCAPE, SEEDS, command, load, run

import dedup
from dedup import charts
from dedup.gold import read_gold
from dedup.sweep import CURVES, sweep

GOLD = SEEDS / "_gold.csv"


@pytest.fixture(scope="module")
def seeds_run(tmp_path_factory):
    return dedup.cluster(SEEDS).write(tmp_path_factory.mktemp("run") / "OUT")


def test_json(seeds_run):
    said = command("evaluate", seeds_run, "--gold", GOLD, "--sweep", "--json")
    assert said.returncode == 0 and said.stderr == ""
    assert said.stdout.count("\n") == 1
    found = json.loads(said.stdout)
    assert found == sweep(dedup.open_run(seeds_run), read_gold(GOLD))
    assert list(found) == [*CURVES, "measure", "in_force", "best", "skipped"]
    assert all(point.keys() == {"value", "precision", "recall", "f1"} for name in CURVES for point in found[name])


def test_in_a_pipe(seeds_run, tmp_path):
    pairs_file = tmp_path / "pairs.csv"
    pairs_file.write_text("id_a,id_b,label\nharbour-01,harbour-02,1\nharbour-01,notice-caldermoss,0\n")
    for gold, measure in ((GOLD, "B-cubed"), (pairs_file, "pairs")):
        said = run("evaluate", seeds_run, "--gold", gold, "--sweep")
        assert said.exit_code == 0, said.stderr
        assert said.stdout.isascii() and ESCAPE not in said.stdout
        assert max(map(len, said.stdout.splitlines())) <= 80
        assert said.stdout.count("in force") == said.stdout.count("best F1") == 3
        for name in CURVES:
            assert f"{name.replace('_', ' ')} ({measure})\n" in said.stdout


def test_what_is_left_out_is_said(seeds_run, tmp_path):
    gold = tmp_path / "stories.csv"
    gold.write_text("id,story\n" + "".join(f"{row['id']},{row['story']}\n" for row in load(GOLD)))
    said = run("evaluate", seeds_run, "--gold", gold, "--sweep").stdout
    assert "no duplicate threshold: gold has no labels of level duplicate" in said
    assert "story granularity (B-cubed)" in said


def test_on_a_terminal(seeds_run):
    import pty

    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "dedup", "evaluate", str(seeds_run), "--gold", str(GOLD), "--sweep"]
    env = {**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1", "COLUMNS": "80"}
    child = subprocess.Popen(words, stdout=theirs, stderr=subprocess.PIPE, env=env)
    os.close(theirs)
    said = b""
    while True:
        try:
            block = os.read(ours, 65_536)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        said += block
    os.close(ours)
    stderr = child.communicate()[1]
    assert child.returncode == 0, stderr
    lines = said.decode().splitlines()
    assert max(map(len, lines)) <= 80
    assert any("██████████" in line and "in force" in line for line in lines) and ESCAPE not in said.decode()


def test_a_missing_gold_file(seeds_run):
    said = run("evaluate", seeds_run, "--gold", "nowhere.csv", "--sweep")
    assert said.exit_code == 4 and said.stdout == ""


@pytest.mark.parametrize(
    ("share", "blocks", "expected"),
    [
        (0.0, True, ""),
        (1.0, True, "█" * 10),
        (0.999, True, "█" * 9 + "▉"),
        (0.5, True, "█" * 5),
        (0.55, True, "█" * 5 + "▌"),
        (0.0, False, ""),
        (1.0, False, "#" * 10),
        (0.999, False, "#" * 9),
    ],
)
def test_bars(share, blocks, expected):
    assert charts.bar(share, blocks) == expected.ljust(charts.CELLS)
