"""Finds copies of articles and articles that report the same story, and says why."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dedup.errors import (
        DamagedRunError,
        DedupError,
        InputError,
        LockedError,
        OutputExistsError,
        ResourceError,
        SettingsError,
        TooManyRejectsError,
    )
    from dedup.estimator import StoryClusterer
    from dedup.explaining import explain
    from dedup.params import Params
    from dedup.pipeline import cluster
    from dedup.run import Result, open_run

__version__ = "0.1.0"

__all__ = [
    "DamagedRunError",
    "DedupError",
    "InputError",
    "LockedError",
    "OutputExistsError",
    "Params",
    "ResourceError",
    "Result",
    "SettingsError",
    "StoryClusterer",
    "TooManyRejectsError",
    "__version__",
    "cluster",
    "explain",
    "open_run",
]

# Loaded on first use (PEP 562): numba, scikit-learn and pyarrow take seconds, and `dedup --help` needs none of them.
_HOMES = {
    "cluster": "dedup.pipeline",
    "explain": "dedup.explaining",
    "open_run": "dedup.run",
    "Params": "dedup.params",
    "Result": "dedup.run",
    "StoryClusterer": "dedup.estimator",
}


if not TYPE_CHECKING:  # to a type checker, a module with __getattr__ has every name

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module 'dedup' has no attribute {name!r}")
        return getattr(import_module(_HOMES.get(name, "dedup.errors")), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
