"""Where a job runs: threads of this process, or the machines of a Spark session."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from dedup.clock import Progress
from dedup.errors import SettingsError

if TYPE_CHECKING:
    from dedup.engines.spark import SparkEngine


def named(
    name: str, checkpoint: str | None, tmp_dir: str | None, progress: Progress
) -> AbstractContextManager[SparkEngine | None]:
    """Return the engine of a name, None for that of this process.

    Parameters
    ----------
    name : local or spark
    checkpoint : folder from which a rerun goes on; of Spark
    tmp_dir : folder for temporary files; None: the system's
    progress : is told of the start of a session, which takes some seconds

    Raises
    ------
    SettingsError
        The engine is not installed, or a setting is not one of its.
    """
    if name == "local":
        if checkpoint is not None:
            raise SettingsError(f"checkpoint: got {checkpoint!r}, wanted none on this machine; add --engine spark")
        return nullcontext()
    try:
        from dedup.engines.spark import SparkEngine  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SettingsError(
            f"engine: got spark, which cannot be imported ({error}); install dedup-stories[spark], and Java 17 or later"
        ) from None
    progress("session of Spark", 0, None)
    made = SparkEngine(checkpoint=checkpoint, tmp_dir=tmp_dir)
    progress("session of Spark", 1, 1)
    return made
