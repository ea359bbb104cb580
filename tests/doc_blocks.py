"""The blocks of README.md and docs/: how they are found, and how a reader would run them."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

from conftest import run as run_here

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md"))
)
_FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^ {4}((?:\.venv/bin/|python3? |dedup |pip ).*)$", re.MULTILINE)
_USAGE = re.compile(r"\b(?:RUN|FILE|AREA)\b|\[-")  # says how a command is written; nobody types it so
_SHELL = re.compile(r"[|&;<>$`]|\*")  # what only a shell understands
_SECONDS = re.compile(r"\d+\.\d s")


class Block(NamedTuple):
    """A fenced block: its page, the line it begins at, its language and its text."""

    page: str
    line: int
    language: str
    text: str


class Step(NamedTuple):
    """A command of a console block, and the lines of output that the page shows."""

    command: str
    shown: list[str]


def blocks(page):
    """Return the fenced blocks of a page, and its indented commands, in their order."""
    text = (ROOT / page).read_text("utf-8")
    found = [(one.start(), _language(one[1].strip(), one[2]), one[2]) for one in _FENCE.finditer(text)]
    blank = _FENCE.sub(lambda one: " " * len(one[0]), text)
    if page != "README.md":  # whose two are those of .ci/run
        commands = [one for one in _INDENTED.finditer(blank) if not _USAGE.search(one[1])]
        found += [(one.start(), "console", f"$ {one[1]}\n") for one in commands]
    return [Block(page, text.count("\n", 0, start) + 1, language, code) for start, language, code in sorted(found)]


def _language(named, text):
    return named or ("console" if text.startswith("$ ") else "text")


def indented(page):
    """Return the commands of a page that stand outside of fences."""
    return [found[1] for found in _INDENTED.finditer(prose(page))]


def prose(page):
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", (ROOT / page).read_text("utf-8"))


def steps(text):
    """Return the commands of a console block, with what the page shows of their output."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(Step(line[2:], []))
        elif line.strip():
            found[-1].shown.append(line)
    return found


def execute(command, folder):
    """Run a command, by bash or, where it is one of dedup alone, inside this process; return its output."""
    bare = command.replace(".venv/bin/", "")
    words = shlex.split(bare, comments=True)
    if words[0] == "dedup" and not _SHELL.search(re.sub(r"'[^']*'|#.*", "", bare)):
        done = run_here(*words[1:])
        assert done.exit_code == 0, f"{command}: {done.exit_code}: {done.output}"
        return done.stdout
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", bare], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def matches(shown, said):
    """Tell whether output is what a page shows.

    `...` stands for any lines, seconds are whatever they were, and columns may be wider or narrower.
    """
    wanted = "".join(".*" if line.strip() == "..." else re.escape(f"{line}\n") for line in map(_plain, shown))
    lines = "".join(f"{_plain(line)}\n" for line in said.splitlines() if line.strip())
    return bool(re.fullmatch(wanted, lines, re.DOTALL))


def _plain(line):
    return _SECONDS.sub("0.0 s", " ".join(line.split()))
