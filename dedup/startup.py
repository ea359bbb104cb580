"""What a process does for the command it was started for, before its work: less to load, and streams that print all."""

# ruff: noqa: PLC0415 - as in cli.py

from __future__ import annotations

import gc
import sys
from typing import Any

from dedup import signals


class _State:
    """Of this process."""

    own = False  # not that of a program that calls a command


def prepare() -> None:
    """Make this process that of one command."""
    _State.own = True
    gc.set_threshold(50_000)  # a tenth of the time to start is spent looking for garbage among modules
    signals.install()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 shows ? and does not stop the run


def spare_pandas() -> None:
    """Keep pyarrow from importing pandas, which it does for its first array, .25 s, and which nothing here needs."""
    if _State.own and "pandas" not in sys.modules:
        import pyarrow

        sys.meta_path.insert(0, _NoPandas())
        pyarrow.array([0])
        sys.meta_path.pop(0)


class _NoPandas:
    """Finds no pandas."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)
