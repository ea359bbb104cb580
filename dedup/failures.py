"""Where errors become exit codes, and lines on stderr that say what to do."""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
from typing import Any, NoReturn

import typer
import typer.core

from dedup import endings, signals
from dedup.errors import DedupError, exit_code, out_of_memory

LOG = logging.getLogger("dedup")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FAILING = (errno.EIO, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
_MOST_SHOWN = 300  # characters of an unforeseen message: some hold whole tables
_ORDER = (
    "cluster", "inspect", "show", "explain", "report", "filter", "evaluate", "review", "calibrate", "verify", "config",
)  # fmt: skip


class Commands(typer.core.TyperGroup):
    """All commands, with the one place where errors become exit codes."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name the commands in the order in which a user meets them."""
        return sorted(super().list_commands(ctx), key=_ORDER.index)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; on an error, say what is wrong and leave with its exit code."""
        endings.begin([*getattr(ctx, "_protected_args", ()), *ctx.args])
        try:
            with signals.heeded():
                done = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()  # what it says of a full disk or a closed pipe must not come after this
            return done
        except DedupError as error:
            self._fail(error.exit_code, f"error: {error}")
        except OSError as error:
            if error.errno == errno.EPIPE:
                _nobody_reads()
                raise typer.Exit from None
            if error.errno in _FULL:
                self._fail(7, f"error: the disk is full ({error}); free some space")
            if error.errno in _FAILING:
                self._fail(7, f"error: the system refused ({error}); see that disk and memory are sound, and try again")
            if out_of_memory(error):
                self._fail(7, _no_memory(error))
            self._fail(1, *_bug(error))
        except KeyboardInterrupt:
            self._fail(130, "interrupted")
        except (typer.Exit, typer.Abort):
            raise
        except SystemExit as error:  # of a signal, which has said so
            code = exit_code(error)
            endings.fail(code, signals.word(code))
            raise
        except Exception as error:
            if _is_usage_error(error):
                self._usage(error)
                raise
            if out_of_memory(error):
                self._fail(7, _no_memory(error))
            self._fail(1, *_bug(error))

    def _fail(self, code: int, *lines: str) -> NoReturn:
        from dedup.terminal import clean  # noqa: PLC0415 - rich is loaded where there is something to say

        told = "; ".join(clean(line).strip().removeprefix("error: ") for line in lines)
        if endings.asked("--log-format", "json"):
            endings.say(endings.line(told, code), sys.stderr)
        else:
            for line in lines:
                print(clean(line), file=sys.stderr)
        endings.fail(code, told)
        raise typer.Exit(code)

    def _usage(self, error: Any) -> None:
        if endings.asked("--log-format", "json"):
            self._fail(error.exit_code, f"error: {error.format_message()}")
        endings.fail(error.exit_code, error.format_message())


def _is_usage_error(error: Exception) -> bool:
    # The class lives in click or, in newer versions, inside typer; what they share is a way to show themselves.
    return hasattr(error, "show") and hasattr(error, "exit_code")


def _no_memory(error: Exception) -> str:
    return f"error: memory is used up ({error}); close other programs, or take fewer records with --limit"


def _bug(error: Exception) -> tuple[str, str, str]:
    message = " ".join(str(error).split())
    from dedup.terminal import clean  # noqa: PLC0415

    told = "".join(traceback.format_exception(error)).rstrip().splitlines()
    LOG.debug("traceback:\n%s", "\n".join(map(clean, told)))
    return (
        "error: this is a bug in dedup, not in your data or settings",
        f"  {type(error).__name__}: {message[:_MOST_SHOWN]}",
        "  the same command with -v shows the traceback; please send it with your report",
    )


def _nobody_reads() -> None:
    """Let what is still printed go nowhere: who closed the pipe, as `head` does, has seen enough."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
