"""What SIGINT, SIGTERM and SIGHUP do to a command: nothing is written, nothing is left, and the process ends soon.

A handler raises in the main thread, which then unwinds: staging goes, the terminal is put right. But Python runs
handlers between its own instructions only, and threads of a pool are waited for; so a thread that the signal wakes by
itself ends the process where that has not happened within a second. Once the output is being published, signals come
too late, and the run ends as if there had been none.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dedup.publishing import Claim

SECONDS_TO_UNWIND = 1.0

_WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "the terminal hung up"}
_SHOW_CURSOR = b"\x1b[?25h"


class _State:
    """Of this process."""

    claim: Claim | None = None
    stopped = False


def install() -> None:
    """Handle the signals from now on; one that is ignored already, as by nohup, stays so."""
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    for name in _WORDS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _raise)
    threading.Thread(target=_watch, args=(wake,), daemon=True).start()


def guard(claim: Claim) -> None:
    """Name the output folder that a signal abandons."""
    _State.claim = claim


def _raise(number: int, frame: FrameType | None) -> None:
    claim = _State.claim
    if _State.stopped or (claim is not None and (claim.published or claim.committing.locked())):
        return
    _State.stopped = True
    words = _WORDS[signal.Signals(number).name]
    os.write(2, f"{words}; nothing was written\n".encode())  # print could be what was interrupted
    raise SystemExit(128 + number)


def _watch(wake: int) -> None:
    """End the process a moment after the first signal, wherever the main thread is."""
    number = _first(wake)
    threading.Event().wait(SECONDS_TO_UNWIND)
    claim = _State.claim
    if claim is not None:
        claim.committing.acquire()  # kept: what is not published by now is not going to be
        if claim.published:
            return
        claim.abandon()
    if not _State.stopped:
        os.write(2, f"{_WORDS[signal.Signals(number).name]}; nothing was written\n".encode())
    if sys.stderr is not None and sys.stderr.isatty():
        os.write(2, _SHOW_CURSOR)
    os._exit(128 + number)


def _first(wake: int) -> int:
    """Wait for one of our signals."""
    while True:
        for number in os.read(wake, 64):
            if signal.Signals(number).name in _WORDS:
                return number
