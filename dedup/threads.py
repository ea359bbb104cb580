"""Whether threads can start: Python waits without end for one that cannot."""

from __future__ import annotations

import mmap
import threading

_FIRST_STEPS = 3 << 19  # bytes of address space: what Python allocates while a thread starts, an arena of 1 MiB first
_STACK = 8 << 20  # bytes, where no limit says so


def have_room(count: int) -> bool:
    """Tell whether so many threads find the memory to start, where address space is limited (RLIMIT_AS).

    One that has a stack and finds nothing more ends before it has told that it started, and `threading.Thread.start`
    waits for that without end.
    """
    try:
        import resource  # noqa: PLC0415 - where there is none, there are no such limits
    except ImportError:
        return True
    stack, _ = resource.getrlimit(resource.RLIMIT_STACK)
    each = (stack if stack != resource.RLIM_INFINITY else _STACK) + _FIRST_STEPS
    try:
        mmap.mmap(-1, count * each, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0).close()
    except OSError:
        return False
    return True


def start(thread: threading.Thread) -> bool:
    """Start a thread and return True, or do without it where it finds no memory."""
    if not have_room(1):
        return False
    thread.start()
    return True
