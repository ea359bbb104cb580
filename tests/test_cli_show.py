"""What the command line puts on a terminal: `dedup show`, progress, and text made safe."""

import json
import os
import re
import subprocess
import sys

import pytest
from conftest import ESCAPE, make_result, run
from rich.console import Console

from dedup import terminal
from dedup.terminal import waiting


def test_show_is_safe_on_a_terminal(small_run):
    for args in ([], ["a0-1"], ["s0000000000000001"]):
        said = run("show", small_run, *args)
        assert said.exit_code == 0, said.stderr
        assert ESCAPE not in said.stdout and "\u202e" not in said.stdout
        assert "Title" in said.stdout


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
    assert "s0000000000000000: 3 articles, 2 texts, 1 source, 3 Mar 2025" in text
    assert "terms: ferry, rocks" in text
    assert "links between texts: 1 (cosine at least 0.25, mean 0.25)" in text
    assert "links between copies: 1; pairs kept apart: 0" in text
    assert re.search(
        r"\|- d0000000000000000 +2 articles with one text\n\| +\|- \* canonical +2025-03-03 +Wire +a0-0", text
    )
    assert re.search(r"`---- \+ exact +2025-03-03 +Wire +a0-2  Title 0 evil 2", text)


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
    assert "`- ... 1 more; --top 2 shows all" in text
    assert "`- ... 1 more text with 1 article; --top 2 shows all" in text
    assert "a0-1" not in text and "a0-2" not in text
    asked = run("show", small_run, "a0-1", "--top", "1").stdout
    assert "a0-1" in asked and "a0-0" not in asked  # who was asked for is there


def test_who_is_asked_for_is_told_by_its_group_too(small_run):
    assert "a0-2" in run("show", small_run, "d0000000000000001", "--top", "1").stdout


def test_show_a_run_without_stories(tmp_path):
    result = make_result()
    result.manifest["settings"]["level"] = "duplicate"
    out = result.write(tmp_path / "OUT")
    text = run("show", out).stdout
    assert re.search("^d0000000000000000 +2  ", text, re.MULTILINE) and "Title 0" in text


class TestProgress:
    def shown(self, when, is_terminal, calls, monkeypatch, moving=True):
        import io

        clock = iter(range(0, 10_000, 20))
        monkeypatch.setattr(waiting.time, "monotonic", lambda: float(next(clock)))
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


STEERING = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\u202egpj.exe\u2066\u200f\x08\x0b"


def test_nothing_of_the_input_steers_the_terminal(tmp_path):
    """Titles, ids, sources, names of files and columns, and what is wrong with them, in every command that prints."""
    evil = tmp_path / f"in{STEERING}.jsonl"
    rows = [{f"body{STEERING}": "x", "text": f"Ice closed the harbour of Lindmoor{STEERING}. " * 5} for _ in range(3)]
    for number, row in enumerate(rows):
        row |= {"id": f"{number}{STEERING}", "title": f"Ice{STEERING}", "source": f"wire{STEERING}"}
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    evil.write_text(
        "\n".join([*lines, "{broken " + STEERING.replace("\x0b", ""), '{"text": 5, "id": "' + "\u202e" + '"'])
    )
    out = tmp_path / f"OUT{STEERING}"
    found = []
    for words in (
        ["cluster", evil, "-o", out, "--progress", "always", "-v"],
        ["cluster", evil, "-o", out, "--json", "--if-exists", "overwrite"],
        ["cluster", evil, "-o", out],
        ["cluster", evil, "-o", tmp_path / "other", "--text-col", f"no{STEERING}"],
        ["cluster", tmp_path / f"none{STEERING}", "-o", tmp_path / "other"],
        ["cluster", evil, "-o", tmp_path / "other", "--canonical", f"min:{STEERING}"],
        ["show", out], ["show", out, f"0{STEERING}"], ["show", out, "--json"], ["show", out, f"none{STEERING}"],
        ["filter", out, "-o", tmp_path / f"kept{STEERING}.csv"], ["filter", out, "-o", tmp_path / f"kept{STEERING}.x"],
    ):  # fmt: skip
        said = run(*words)
        found.append(said.exit_code)
        text = said.stdout + said.stderr
        steering = set(text) & (set(STEERING) - set("]0;owned[2J31mgpj.exe"))
        assert not steering, (words, steering, text)
        assert "Traceback" not in text
    assert found == [0, 0, 5, 4, 4, 4, 0, 0, 0, 4, 0, 2]
    assert f"0{STEERING}" in {json.loads(run("show", out, f"0{STEERING}", "--json").stdout)["documents"][0]["doc_id"]}
