"""`dedup cluster` as an unattended job: its last line, its log, its metrics and its progress."""

import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ARTICLES, ESCAPE, command, run

from dedup import endings, logs, metrics
from dedup.errors import SettingsError

BROKEN = "{broken\n" * 20


def parsed(path):
    """Read a file of metrics by Prometheus' own parser: (name, labels) → value."""
    parser = pytest.importorskip("prometheus_client.parser")
    families = list(parser.text_string_to_metric_families(Path(path).read_text("utf-8")))
    assert all(family.documentation and family.type == "gauge" for family in families)
    samples = [sample for family in families for sample in family.samples]
    found = {(one.name, one.labels.get("stage", "")): one.value for one in samples}
    assert len(found) == len(samples), "a series stands twice in the file"
    assert {one.labels["task"] for one in samples} == {Path(path).stem}
    return found


def names():
    return {entry.name for entry in Path().iterdir()}


def events(stderr):
    found = [json.loads(line) for line in stderr.splitlines()]
    for event in found:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
        assert event["level"] in ("debug", "info", "warning", "error") and isinstance(event["message"], str)
    return found


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One job with all that a scheduler asks for."""
    folder = tmp_path_factory.mktemp("job")
    said = command(
        "cluster", ARTICLES, "-o", folder / "OUT", "--json", "--log-format", "json", "--metrics-file",
        folder / "news.prom", "--progress", "always",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    return folder, said


class TestSuccess:
    """What a job that is done has said."""

    def test_last_line(self, done):
        folder, said = done
        (line,) = said.stdout.splitlines()
        found = json.loads(line)
        assert (found["status"], found["exit_code"], found["out"]) == ("done", 0, str(folder / "OUT"))
        assert found["counts"]["documents"] == 65

    def test_log(self, done):
        folder, said = done
        found = events(said.stderr)
        stages = [event["stage"] for event in found if event["message"] == "stage done"]
        assert stages[0] == "read" and len(stages) == len(set(stages)) > 5
        read = next(event for event in found if event.get("stage") == "read" and event["message"] == "stage done")
        assert read["done"] == read["total"] == 65 and read["seconds"] >= 0
        assert found[-1]["message"] == "run written" and found[-1]["counts"]["documents"] == 65
        assert found[-1]["out"] == str(folder / "OUT")

    def test_metrics(self, done):
        folder, said = done
        found = parsed(folder / "news.prom")
        counts = json.loads(said.stdout)["counts"]
        for name in ("documents", "rejected", "duplicate_groups", "duplicates", "stories", "in_stories"):
            assert found[f"dedup_{name}", ""] == counts[name]
        assert found["dedup_exit_code", ""] == 0
        assert abs(found["dedup_last_success_timestamp_seconds", ""] - time.time()) < 600
        assert found["dedup_last_run_timestamp_seconds", ""] == found["dedup_last_success_timestamp_seconds", ""]
        seconds = {stage: value for (name, stage), value in found.items() if name == "dedup_stage_seconds"}
        told = json.loads(said.stdout)["seconds"]
        assert list(seconds) == list(told)
        assert all(seconds[stage] == pytest.approx(told[stage], abs=0.1) for stage in told)
        assert found["dedup_run_seconds", ""] >= sum(seconds.values()) - 0.1

    def test_metrics_are_there_for_another_user(self, done):
        folder, _ = done
        mask = os.umask(0)
        os.umask(mask)
        assert stat.S_IMODE((folder / "news.prom").stat().st_mode) == 0o666 & ~mask
        assert sorted(entry.name for entry in folder.iterdir()) == ["OUT", "news.prom"]


class TestFailure:
    """What a job that failed has said."""

    @pytest.mark.parametrize(
        ("args", "code", "says"),
        [
            (["nowhere.jsonl", "-o", "NEW"], 4, "nowhere.jsonl"),
            ([ARTICLES, "-o", "OUT"], 5, "--if-exists overwrite"),
            ([ARTICLES, "-o", "NEW", "--duplicate-threshold", "7"], 2, "duplicate-threshold: got 7"),
            (["broken.jsonl", "-o", "NEW"], 3, "20 of 85 records"),
            ([ARTICLES, "-o", "NEW", "--nonsense"], 2, "--nonsense"),
            ([ARTICLES], 2, "--out"),
        ],
    )
    def test_last_line_log_and_metrics(self, done, tmp_path, monkeypatch, args, code, says):
        folder, _ = done
        monkeypatch.chdir(tmp_path)
        Path("OUT").symlink_to(folder / "OUT")
        Path("broken.jsonl").write_text(Path(ARTICLES).read_text("utf-8") + BROKEN, "utf-8")
        Path("news.prom").write_bytes((folder / "news.prom").read_bytes())
        before = names()
        said = run("cluster", *args, "--json", "--log-format=json", "--metrics-file", "news.prom")
        assert said.exit_code == code
        *_, last = said.stdout.splitlines()
        found = json.loads(last)
        assert (found["status"], found["exit_code"]) == ("failed", code) and says in found["error"]
        told = events(said.stderr)[-1]
        assert (told["level"], told["exit_code"], told["message"]) == ("error", code, found["error"])
        assert names() == before
        if "--nonsense" in args or "-o" not in args:
            return  # the words could not be read, so neither could the name of the file
        metrics, old = parsed("news.prom"), parsed(folder / "news.prom")
        assert metrics["dedup_exit_code", ""] == code
        success = "dedup_last_success_timestamp_seconds", ""
        assert metrics[success] == old[success] < metrics["dedup_last_run_timestamp_seconds", ""]
        assert ("dedup_documents", "") not in metrics

    def test_rejects_one_too_many(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("a.jsonl").write_text(Path(ARTICLES).read_text("utf-8") + BROKEN, "utf-8")
        assert run("cluster", "a.jsonl", "-o", "OUT", "--max-rejects", "19", "--json").exit_code == 3
        assert run("cluster", "a.jsonl", "-o", "OUT", "--max-rejects", "0.2", "--json").exit_code == 3
        assert names() == {"a.jsonl"}
        said = run("cluster", "a.jsonl", "-o", "OUT", "--max-rejects", "20", "--json")
        assert json.loads(said.stdout)["counts"]["rejected"] == 20

    def test_a_bug_is_told_too(self, tmp_path, monkeypatch):
        def broken(*args, **kwargs):
            raise KeyError("of the program")

        monkeypatch.setattr("dedup.pipeline.cluster", broken)
        said = run("cluster", ARTICLES, "-o", tmp_path / "OUT", "--json", "--metrics-file", tmp_path / "m.prom")
        found = json.loads(said.stdout)
        assert found["exit_code"] == said.exit_code == 1 and "KeyError" in found["error"]
        assert parsed(tmp_path / "m.prom")["dedup_exit_code", ""] == 1

    @pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
    def test_a_signal(self, tmp_path, sent, code):
        code_of_slow = (
            "import sys, time; from dedup import pipeline\n"
            "def slow(source, params, progress, engine):\n"
            "    progress('read', 3, None); print('at work', flush=True); time.sleep(60)\n"
            "pipeline.cluster = slow\nfrom dedup.cli import main; main()"
        )
        words = ["cluster", ARTICLES, "-o", tmp_path / "OUT", "--json", "--metrics-file", tmp_path / "m.prom"]
        child = subprocess.Popen(
            [sys.executable, "-c", code_of_slow, *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert child.stdout.readline() == "at work\n"
        child.send_signal(sent)
        stdout, stderr = child.communicate(timeout=30)
        assert child.returncode == code, stderr
        found = json.loads(stdout.splitlines()[-1])
        assert (found["status"], found["exit_code"]) == ("failed", code)
        metrics = parsed(tmp_path / "m.prom")
        assert metrics["dedup_exit_code", ""] == code and ("dedup_stage_seconds", "read") in metrics
        assert [entry.name for entry in tmp_path.iterdir()] == ["m.prom"]


class TestMetricsFile:
    """The file itself."""

    @pytest.mark.parametrize("path", ["no/folder/m.prom", ".", "/dev/null", "fifo", "dangling"])
    def test_a_place_that_will_not_do_is_refused_before_the_work(self, tmp_path, monkeypatch, path):
        monkeypatch.chdir(tmp_path)
        os.mkfifo("fifo")
        Path("dangling").symlink_to("nowhere")
        with pytest.raises(SettingsError, match=r"metrics-file: got .*make the folder"), metrics.written(path):
            pytest.fail("the work has begun")

    def test_names_that_need_escapes(self, tmp_path):
        path = tmp_path / 'a"b\\c.prom'
        with metrics.written(str(path)) as figures:
            figures.watching(lambda *_: None)('a "stage"\n\\', 1, 1)
        found = parsed(path)
        assert ("dedup_stage_seconds", 'a "stage"\n\\') in found

    def test_a_reader_sees_whole_files_only(self, tmp_path):
        path = tmp_path / "m.prom"
        writer = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from dedup import metrics\n"
                "while True:\n"
                "    with metrics.written(sys.argv[1]) as figures:\n"
                "        for n in range(200): figures.seconds[f'stage {n}'] = n",
                str(path),
            ]
        )
        try:
            until = time.monotonic() + 60
            while not path.exists():
                assert time.monotonic() < until
            for _ in range(1000):
                text = path.read_text()
                assert text.count("\n") == 214 and text.endswith("\n")
        finally:
            writer.kill()
            writer.wait()

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
    def test_what_cannot_be_written_at_the_end_is_a_warning(self, tmp_path, caplog, monkeypatch):
        monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with metrics.written(str(tmp_path / "m.prom")):
            pass
        assert "the metrics were not written (No space left on device)" in caplog.text
        assert list(tmp_path.iterdir()) == []

    def test_without_a_file_nothing_is_written(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with metrics.written(None) as figures:
            figures.watching(lambda *_: None)("read", 1, 1)
        assert figures.seconds["read"] == 0 and list(tmp_path.iterdir()) == []


class TestLog:
    """The lines of --log-format json."""

    def test_a_line_each_half_minute(self, monkeypatch, capsys):
        clock = iter([0.0, *(10.0 * n for n in range(1, 12))])
        monkeypatch.setattr(logs.time, "monotonic", lambda: next(clock))
        with logs.Lines(sys.stderr, False).progress("auto") as report:
            for done in range(10):
                report("read", done, None)
            report("read", 10, 10)
        found = events(capsys.readouterr().err)
        assert [(event["message"], event["done"]) for event in found] == [
            ("stage running", 2),
            ("stage running", 5),
            ("stage running", 8),
            ("stage done", 10),
        ]

    @pytest.mark.parametrize(("when", "quiet"), [("never", False), ("always", True)])
    def test_silence(self, capsys, when, quiet):
        with logs.Lines(sys.stderr, quiet).progress(when) as report:
            report("read", 1, 1)
        assert capsys.readouterr().err == ""

    def test_an_event_is_one_line_of_ascii_whatever_is_in_it(self):
        text = logs.line("error", "\x1b[31m\n\u202eevil\udc80", path=Path("a"))
        assert text.isascii() and text.isprintable() and json.loads(text)["path"] == "a"

    def test_an_event_is_written_in_one_piece(self):
        """With PYTHONUNBUFFERED each piece is a call of the system, and a signal may say its own line between two."""
        pieces = []
        stream = io.StringIO()
        stream.write = pieces.append
        logs.Lines(stream, quiet=False).event("run written", out="OUT")
        endings.say("terminated", stream)
        assert [piece[-1] for piece in pieces] == ["\n", "\n"]

    def test_loggers_write_such_lines_too(self, capsys):
        with logs.Lines(sys.stderr, False).progress("auto"):
            logs.logging.getLogger("dedup").warning("careful: %d", 3)
        (event,) = events(capsys.readouterr().err)
        assert (event["level"], event["message"], event["logger"]) == ("warning", "careful: 3", "dedup")

    def test_v_keeps_to_the_format(self, tmp_path):
        said = command("cluster", ARTICLES, "-o", tmp_path / "OUT", "-v", "--log-format", "json", "-j", "1")
        assert said.returncode == 0 and events(said.stderr)[-1]["message"] == "run written"


class TestColours:
    """A terminal gets colours and bars, unless it was told not to."""

    @pytest.mark.parametrize(
        ("args", "env", "coloured"),
        [
            ([], {"TERM": "xterm-256color"}, True),
            (["--no-color"], {"TERM": "xterm-256color"}, False),
            ([], {"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
            ([], {"TERM": "dumb"}, False),
        ],
    )
    def test_config_on_a_terminal(self, args, env, coloured):
        pty = pytest.importorskip("pty")
        ours, theirs = pty.openpty()
        base = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
        words = [sys.executable, "-m", "dedup", "config", *args]
        child = subprocess.Popen(words, stdout=theirs, env={**base, **env})
        os.close(theirs)
        seen = b""
        try:
            while part := os.read(ours, 1 << 16):
                seen += part
        except OSError:  # the other end is closed
            pass
        child.wait()
        os.close(ours)
        assert b"story_granularity" in seen and (ESCAPE.encode() + b"[" in seen) == coloured
