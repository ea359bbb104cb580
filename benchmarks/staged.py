"""`dedup` with the peak of each stage, written to a file as JSON: python -m benchmarks.staged FILE cluster …

The kernel keeps the peak of a process (VmHWM) and forgets it where "5" is written to `clear_refs` (proc(5)), which is
done as each stage begins. Where there is no such file no stage has a peak, and the whole has that of `getrusage`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CLEAR = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")
WHOLE = "all"


class Peaks:
    """The peaks of the stages in MB, and that of the whole under `WHOLE`."""

    def __init__(self) -> None:
        self.found: dict[str, float] = {}

    def report(self, stage: str, done: int, total: int | None) -> None:
        """Take what a run tells of its progress; a stage begins with nothing done."""
        began = done == 0 and total is None
        peak = self.read()
        if peak is not None and not began:
            self.found[stage] = max(self.found.get(stage, 0.0), peak)
        elif peak is not None and CLEAR.exists():
            CLEAR.write_text("5", encoding="ascii")

    def read(self) -> float | None:
        """Return the peak since it was last forgotten, None where the system does not tell."""
        try:
            lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
            peak = next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))
        except (OSError, StopIteration):
            return None
        self.found[WHOLE] = max(self.found.get(WHOLE, 0.0), peak)
        return peak

    @contextmanager
    def progress(self, *_: Any, **__: Any) -> Iterator[Callable[[str, int, int | None], None]]:
        """Stand where `terminal.progress` does."""
        yield self.report


def main(out: str, *arguments: str) -> None:
    """Run the command line."""
    from dedup import cli, terminal

    peaks = Peaks()
    terminal.progress = peaks.progress
    sys.argv = ["dedup", *arguments]
    try:
        cli.main()
    finally:
        peaks.read()
        Path(out).write_text(json.dumps(peaks.found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
