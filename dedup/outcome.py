"""Whether an output is published or called off: the one excludes the other, and what a command says follows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dedup import signals


class Outcome:
    """Of a command that publishes one output.

    committing : held while the output is being published; whoever holds it otherwise keeps that from happening.
    published : whether that was done.
    """

    def __init__(self) -> None:
        self.committing = threading.Lock()
        self.published = False

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Publish within: signals come too late from here on.

        Raises
        ------
        SystemExit
            One came before. Its handler raised this already, but a library may have swallowed it: bare excepts do,
            and calls back from C.
        """
        with self.committing:
            signals.heed()
            yield
            self.published = True

    def abandon(self) -> None:
        """Leave nothing behind that is not published; safe at any time and from any thread."""
