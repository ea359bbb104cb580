"""Completion in the shell: the script of each shell, and what bash offers for words half typed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHELLS = ("bash", "zsh", "fish")


@pytest.fixture
def home(tmp_path):
    """An empty home, and `dedup` on the path."""
    command = tmp_path / "bin" / "dedup"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m dedup "$@"\n')
    command.chmod(0o755)
    return tmp_path


def said(home, *words, **variables):
    # Which shell it is, typer asks of the processes above; without them it takes the name as a value.
    env = {**os.environ, "HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}", **variables}
    env["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True, cwd=home)
    assert done.stderr == ""
    return done.stdout


def offered(home, words):
    """What bash offers after a line, by the very function that the installed script defines."""
    script = f"""
        . "$HOME/.bash_completions/dedup.sh"
        COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        [ "{words[-1:]}" = " " ] && COMP_WORDS+=("") && COMP_CWORD=$((COMP_CWORD + 1))
        _dedup_completion dedup
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return set(said(home, "bash", "-c", script).split())


def test_bash_offers_commands_flags_and_values(home):
    assert ".bash_completions/dedup.sh" in said(home, "dedup", "--install-completion", "bash")
    assert "dedup.sh" in (home / ".bashrc").read_text()
    assert {"cluster", "config"} <= offered(home, "dedup c") <= {"cluster", "config", "calibrate"}
    assert offered(home, "dedup cluster --dup") == {"--duplicate-threshold"}
    assert offered(home, "dedup cluster seeds --if-exists ") == {"error", "skip", "overwrite"}
    assert offered(home, "dedup filter out --level ") == {"duplicate", "story"}


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(home, shell):
    script = said(home, "dedup", "--show-completion", shell)
    assert f"_DEDUP_COMPLETE=complete_{shell}" in script
    if shutil.which(shell):
        file = home / "script"
        file.write_text(script)
        said(home, shell, "-n", file)  # only read, not run


@pytest.mark.parametrize(("shell", "form"), [("zsh", '"cluster"'), ("fish", "cluster")])
def test_other_shells_ask_the_same_command(home, shell, form):
    asked = {"_DEDUP_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": "dedup clus"}
    assert form in said(home, "dedup", **asked, _TYPER_COMPLETE_FISH_ACTION="get-args")
