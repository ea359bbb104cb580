"""What a job tells Prometheus: a text file, replaced in one step, for the textfile collector of node_exporter."""

from __future__ import annotations

import logging
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dedup.errors import SettingsError, exit_code

LOG = logging.getLogger("dedup")
Report = Callable[[str, int, int | None], None]

# In the order of the file. Counts stand in it after a success only: of a failed run they would be half-truths.
_HELP = {
    "exit_code": "Exit code of the last run.",
    "run_seconds": "Seconds that the last run took.",
    "last_run_timestamp_seconds": "When the last run ended.",
    "last_success_timestamp_seconds": "When the last run that ended with exit code 0 did so.",
    "documents": "Articles that the last run accepted.",
    "rejected": "Records that the last run rejected.",
    "duplicate_groups": "Duplicate groups of two or more articles.",
    "duplicates": "Articles that are copies of others.",
    "stories": "Stories of two or more articles.",
    "in_stories": "Articles that belong to such a story.",
    "stage_seconds": "Seconds of each stage of the last run, as far as it came.",
}
_SUCCESS = "last_success_timestamp_seconds"


class Figures:
    """What is gathered while a job runs.

    Attributes
    ----------
    counts : of the manifest, once there is one.
    seconds : of each stage, in their order.

    Parameters
    ----------
    path : of the file; None writes none.
    """

    def __init__(self, path: str | None = None) -> None:
        self.counts: dict[str, int] = {}
        self.seconds: dict[str, float] = {}
        self._begun: dict[str, float] = {}
        self._path = path
        self._started = time.perf_counter()
        self._writing = threading.RLock()

    def write(self, code: int) -> None:
        """Write the file, once, for a job that ends with an exit code.

        A signal may have the file written from another thread while the one of the job is still at work.
        """
        with self._writing:
            if self._path is None:
                return
            path, now = Path(self._path), time.time()
            success = now if code == 0 else _earlier_success(path)
            values = {"exit_code": code, "run_seconds": time.perf_counter() - self._started, _SUCCESS: success}
            values |= {"last_run_timestamp_seconds": now, **(self.counts if code == 0 else {})}
            try:
                _replace(path, exposition(values, dict(self.seconds), path.stem))
            except OSError as error:
                LOG.warning("%s: the metrics were not written (%s)", path, error.strerror)
            self._path = None

    def watching(self, report: Report) -> Report:
        """Return a report of progress that keeps the seconds of each stage and passes all on."""

        def watched(stage: str, done: int, total: int | None) -> None:
            now = time.perf_counter()
            self.seconds[stage] = now - self._begun.setdefault(stage, now)
            report(stage, done, total)

        return watched


@contextmanager
def written(path: str | None) -> Iterator[Figures]:
    """Within, gather the figures of a job; however it ends, write them.

    A file that cannot be written at the end is a warning: the run is what it is without it.

    Parameters
    ----------
    path : of the file, whose name without its ending is the label `task`: collectors take no series from two files,
        and the output folder of a daily job is another one each day. None writes none.

    Raises
    ------
    SettingsError
        At the start, where no file can be written there.
    """
    figures, code = Figures(path), 0
    if path is not None:
        _check(path)
    try:
        yield figures
    except BaseException as error:
        code = exit_code(error)
        raise
    finally:
        figures.write(code)


def exposition(values: dict[str, float | None], seconds: dict[str, float], task: str) -> str:
    """Return figures in Prometheus' text format, version 0.0.4; those of None are left out."""
    label = f'task="{_escaped(task)}"'
    lines = []
    for name, text in _HELP.items():
        if name == "stage_seconds":
            samples = [(f'{label},stage="{_escaped(stage)}"', round(took, 3)) for stage, took in seconds.items()]
        else:
            value = values.get(name)
            samples = [] if value is None else [(label, value if isinstance(value, int) else round(value, 3))]
        if samples:
            lines += [f"# HELP dedup_{name} {text}", f"# TYPE dedup_{name} gauge"]
            lines += [f"dedup_{name}{{{labels}}} {value}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    plain = text.encode("utf-8", "backslashreplace").decode("utf-8")  # a path that is no UTF-8
    return plain.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _check(path: str) -> None:
    wanted = "wanted a file in a folder that is there and can be written to"
    try:
        mode = Path(path).stat().st_mode if os.path.lexists(path) else stat.S_IFREG
        folder = Path(path).absolute().parent
        fine = stat.S_ISREG(mode) and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    except (OSError, ValueError):  # a link to nowhere; a NUL
        fine = False
    if not fine:
        raise SettingsError(f"metrics-file: got {path!r}, {wanted}; make the folder, or name another file")


def _earlier_success(path: Path) -> float | None:
    """Return when the job last succeeded, by the file of the run before: a failure must not forget it."""
    with suppress(OSError):
        content = path.read_text("utf-8", "replace")
        found = re.search(rf"^dedup_{_SUCCESS}{{.*}} (\d+(?:\.\d+)?)$", content, re.M)
        return float(found[1]) if found else None
    return None


def _replace(path: Path, text: str) -> None:
    """Write a file that appears whole: its unfinished name does not end in .prom, and collectors pass it by."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
