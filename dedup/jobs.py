"""One job: what is there already is left or replaced, all else is refused before the work begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dedup import outputs, unchanged
from dedup.clock import Clock, Progress
from dedup.errors import SettingsError
from dedup.outcome import Outcome
from dedup.params import Params
from dedup.remote import is_url
from dedup.run import IfExists, Result, upload


def make(
    inputs: Sequence[str],
    out: str,
    params: Params,
    if_exists: IfExists,
    lock_timeout: float,
    run: Callable[[], Result],
    guard: Callable[[Outcome], None],
) -> Result | None:
    """Make a run at `out`, unless the policy is `skip` and it was made there from the same inputs and settings.

    Parameters
    ----------
    run : does the work
    guard : is told the output that a signal calls off

    Returns
    -------
    What was made; None where nothing was to be done.

    Raises
    ------
    OutputExistsError, LockedError, ResourceError, SettingsError
        As `Result.write`, but for what failed while writing before the work begins.
    """
    check(inputs, out, params, if_exists)
    if is_url(out):
        return _make_remote(inputs, out, params, if_exists, run, guard)
    with outputs.claim(out, if_exists, inputs, lock_timeout) as claim:
        guard(claim)
        seen = unchanged.look(inputs, params.reading)
        if if_exists == "skip" and unchanged.is_same(claim.target, seen, params):
            return None
        outputs.check_space(out, sum(file.bytes for file in seen or ()), params.with_text)
        made = run()
        unchanged.note(made.manifest, seen or [])
        made.save(claim, if_exists)
    return made


def check(inputs: Sequence[str], out: str, params: Params, if_exists: IfExists) -> None:
    """Refuse an output that a job could not write; raises as `make`."""
    if is_url(out):
        from dedup.remote import publishing  # noqa: PLC0415 - its libraries are an extra

        publishing.check_out(out, if_exists, inputs)
        return
    outputs.check_inputs(out, inputs, params.reading.include, params.reading.exclude)
    outputs.check(out, if_exists, inputs)


def _make_remote(
    inputs: Sequence[str],
    out: str,
    params: Params,
    if_exists: IfExists,
    run: Callable[[], Result],
    guard: Callable[[Outcome], None],
) -> Result | None:
    from dedup.remote import publishing  # noqa: PLC0415 - its libraries are an extra

    outcome = Outcome()
    guard(outcome)
    seen = unchanged.look(inputs, params.reading)
    if if_exists == "skip" and unchanged.is_made_of(publishing.manifest(out), seen, params):
        return None
    made = run()
    unchanged.note(made.manifest, seen or [])
    upload(made, out, outcome, if_exists, params.tmp_dir)
    return made


def is_of_engine(out: str) -> bool:
    """Tell whether only an engine of many machines can write to an output: a URL that this project does not know."""
    return is_url(out) and not out.startswith("s3://")


def check_elsewhere(inputs: Sequence[str], out: str, params: Params, if_exists: IfExists) -> None:
    """Refuse, before a session starts, what an engine of many machines does not know or could not write.

    Raises
    ------
    SettingsError
        A setting that only one machine knows; or the policy is `skip`, which would have to compare the run that is
        there, where the machines write.
    OutputExistsError, ResourceError
        As `check`, where the program writes.
    """
    from dedup.distributed import job  # noqa: PLC0415 - nothing of it is needed on one machine

    job.check(params)
    if not is_of_engine(out):
        check(inputs, out, params, if_exists)
    elif if_exists == "skip":
        raise SettingsError(f"if-exists: got skip for {out}, wanted error or overwrite where Spark writes")


def make_elsewhere(
    inputs: Sequence[str], out: str, params: Params, if_exists: IfExists, engine: Any, report: Progress
) -> dict[str, Any]:
    """Let the machines of an engine make a run and write it themselves.

    Returns
    -------
    The manifest.

    Raises
    ------
    OutputExistsError, ResourceError
        As `distributed.job.write`.
    """
    from dedup.distributed import job  # noqa: PLC0415 - nothing of it is needed on one machine

    return job.write(inputs, out, params, engine, Clock(report), overwrite=if_exists == "overwrite")
