"""The command line: results on stdout, the rest on stderr, and one exit code per kind of failure."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ARTICLES, ESCAPE, command, run

from dedup import __version__, errors


def test_version():
    assert run("--version").stdout == f"dedup {__version__}\n"


def test_help_fits_a_terminal_and_names_every_command():
    said = command("--help")
    assert said.returncode == 0 and said.stderr == ""
    for name in ("cluster", "show", "filter", "evaluate", "inspect", "config"):
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


def test_no_memory_for_a_library(monkeypatch):
    """What loads it says only that it did not; why is said by the error before."""

    def fail(path):
        try:
            raise OSError("libllvmlite.so: failed to map segment from shared object")
        except OSError:
            raise OSError("Could not find/load shared object file 'libllvmlite.so'")  # noqa: B904 - as llvmlite does

    monkeypatch.setattr("dedup.run.open_run", fail)
    said = run("show", "OUT")
    assert said.exit_code == 7 and "memory is used up" in said.stderr


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
