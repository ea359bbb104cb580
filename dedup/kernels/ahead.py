"""Compiles kernels in other processes while the first run needs others: the compiler works on one core at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

from dedup.kernels import jit, store

MOST_HELPERS = 3  # of .2 GB each; more would meet each other
_PROGRAM = "import sys; sys.path.append(sys.argv.pop(1)); from dedup.kernels.ahead import main; main()"


@contextmanager
def compiling(cores: int, tell: Callable[[str], None] | None = None) -> Iterator[None]:
    """Within, say when kernels are compiled rather than read from disk, and let processes on other cores help.

    Parameters
    ----------
    cores : that may be used; helpers are started for all but one, once something has to be compiled.
    tell : takes lines for the person who waits.
    """
    helpers: list[_Helper] = []

    def begin() -> None:
        if tell is not None:
            tell("compiling the kernels, once after each installation …")
        count = max(0, min(cores - 1, MOST_HELPERS))
        with suppress(OSError):  # without helpers this process compiles everything itself
            helpers.extend(_Helper(place, count) for place in range(count if _has_python() else 0))

    def wait(file: str) -> bool:
        return any(helper.wait_for(file) for helper in helpers)

    jit.tell_by(tell)
    jit.at_first_compilation(begin)
    jit.before_compilation(wait)
    try:
        yield
    finally:
        jit.tell_by(None)
        jit.at_first_compilation(None)
        jit.before_compilation(None)
        for helper in helpers:
            helper.end()


class _Helper:
    """A process that compiles, and says what it is at: one file a line, an empty line when it is there."""

    def __init__(self, place: int, count: int) -> None:
        root = str(Path(__file__).parents[2])
        self._process = subprocess.Popen(
            # -P: no module is taken from the working folder. Ctrl-C is for the parent alone.
            [sys.executable, "-P", "-c", _PROGRAM, root, str(place), str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self._busy = ""
        self._changed = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def wait_for(self, file: str) -> bool:
        """Wait while it compiles the kernel of a file, and tell whether it did."""
        with self._changed:
            found = self._busy == file
            self._changed.wait_for(lambda: self._busy != file)
        return found

    def end(self) -> None:
        """End it, whatever it is at: it does so when its input does."""
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._say(line.decode().strip())
        self._say("")

    def _say(self, busy: str) -> None:
        with self._changed:
            self._busy = busy
            self._changed.notify_all()


def _has_python() -> bool:
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def listed() -> list[tuple[str, str]]:
    """Return the kernels of a run in the order of their first calls, as module.name, with their argument types."""
    lines = Path(__file__).with_name("ahead.txt").read_text("ascii").splitlines()
    return [(name, types) for name, _, types in (line.partition(" ") for line in lines)]


def main() -> None:
    """Compile a share of the listed kernels; the program of a helper: place, and number of helpers.

    From the end backwards, or from another place so that all are spread evenly: the run that waits comes from the
    start, and what is there already is passed by.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    place, count = map(int, sys.argv[1:3])
    todo = listed()[::-1]
    first = len(todo) * place // (count + 1)
    for name, types in todo[first:] + todo[:first]:
        module, _, function = name.partition(".")
        import_module(f"dedup.kernels.{module}")
        with suppress(Exception):  # the run that needs it will say what is wrong
            print(jit.file_of(function, types), flush=True)
            jit.compile_ahead(function, types)
            print(flush=True)


def _end_with_parent() -> None:
    while sys.stdin.buffer.read(1):
        pass
    with store.WRITING:  # leave no file half written
        os._exit(0)
