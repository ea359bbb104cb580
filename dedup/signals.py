"""What SIGINT, SIGTERM and SIGHUP do to a command: nothing is written, nothing is left, and the process ends soon.

A handler raises in the main thread, which then unwinds: staging goes, the terminal is put right. But Python runs
handlers between its own instructions only, and threads of a pool are waited for; so a thread that the signal wakes by
itself ends the process where that has not happened within a second, and says what a failure says: on both streams and
in the metrics. Once the output is being published, signals come too late, and the run ends as if there had been none.
What a handler raises may be swallowed: printed and dropped in a callback of C or while something is deleted, where it
is raised again a moment later; or dropped by a bare except, where `heed` and the output itself ask what came before.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from dedup import endings
from dedup.threads import start

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

    from dedup.outcome import Outcome

SECONDS_TO_UNWIND = 1.0
SECONDS_TO_GET_OUT = 0.02  # of the callback that dropped what was raised in it
SECONDS_FOR_LAST_WORDS = 3.0  # a pipe that nobody empties, or a hanging file server, keeps no process alive

_WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "the terminal hung up"}
_SHOW_CURSOR = b"\x1b[?25h"


class _State:
    """Of this process."""

    outcome: Outcome | None = None
    installed = False
    code = 0  # that the command ends with, once a signal has come
    dropped = False  # whether what the handler raised was, and is to be raised again


def install() -> None:
    """Handle the signals from now on; one that is ignored already, as by nohup, stays so."""
    if _State.installed:
        return
    _State.installed = True
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    for name in _WORDS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _raise)
    start(threading.Thread(target=_watch, args=(wake,), daemon=True))
    sys.unraisablehook = _unraisable
    atexit.register(_ignore)


def guard(outcome: Outcome) -> None:
    """Name the output that a signal calls off; SystemExit where one has come."""
    _State.outcome = outcome
    heed()


def heed() -> None:
    """End the command where a signal has come, whatever became of what its handler raised."""
    if _State.code:
        raise SystemExit(_State.code)


@contextmanager
def heeded() -> Iterator[None]:
    """Within, what fails once a signal has come, fails because of it: compiled code makes errors of its own of it."""
    try:
        yield
    except Exception:
        heed()
        raise
    heed()


def _raise(number: int, frame: FrameType | None) -> None:
    if _State.dropped:
        _State.dropped = False
        raise SystemExit(_State.code)
    outcome = _State.outcome
    if _State.code or (outcome is not None and (outcome.published or outcome.committing.locked())):
        return
    _State.code = 128 + number
    _say(number)
    raise SystemExit(_State.code)


def _unraisable(dropped: UnraisableHookArgs) -> None:
    if not _State.code:
        sys.__unraisablehook__(dropped)
    elif isinstance(dropped.exc_value, SystemExit):
        _State.dropped = True
        again = threading.Timer(SECONDS_TO_GET_OUT, signal.raise_signal, [_State.code - 128])
        again.daemon = True
        start(again)
    # Else what was left half done complains while it is deleted: a writer whose file is closed already.


def _ignore() -> None:
    """Python takes its own handlers away before it ends; a signal would then change the code that was told."""
    for name in _WORDS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == _raise:
            signal.signal(number, signal.SIG_IGN)


def word(code: int) -> str:
    """Return what a signal is called that ends a command with an exit code."""
    names = {128 + getattr(signal, name, 0): said for name, said in _WORDS.items()}
    return names.get(code, "stopped")


def code() -> int:
    """Return the exit code of the signal that ends the command, 0 where none does."""
    return _State.code


def _say(number: int) -> None:
    code = 128 + number
    os.write(2, f"{endings.line(f'{word(code)}; nothing was written', code)}\n".encode())  # it may interrupt a print


def _watch(wake: int) -> None:
    """End the process a moment after the first signal, wherever the main thread is."""
    number = _first(wake)
    threading.Event().wait(SECONDS_TO_UNWIND)
    outcome = _State.outcome
    if outcome is not None:
        outcome.committing.acquire()  # kept: what is not published by now is not going to be
        if outcome.published:
            return
        outcome.abandon()
    speaker = threading.Thread(target=_last_words, args=(number,), daemon=True)
    try:
        if start(speaker):
            speaker.join(SECONDS_FOR_LAST_WORDS)
    finally:
        os._exit(128 + number)


def _last_words(number: int) -> None:
    if not _State.code:
        _State.code = 128 + number
        _say(number)
    if sys.stderr is not None and sys.stderr.isatty():
        os.write(2, _SHOW_CURSOR)
    endings.end(128 + number, word(128 + number))


def _first(wake: int) -> int:
    """Wait for one of our signals."""
    while True:
        for number in os.read(wake, 64):
            if signal.Signals(number).name in _WORDS:
                return number
