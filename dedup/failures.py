"""Where errors become exit codes, and lines on stderr that say what to do."""

from __future__ import annotations

import errno
import logging
import sys
import traceback
from typing import Any, NoReturn

import typer
import typer.core

from dedup.errors import DedupError

LOG = logging.getLogger("dedup")
_MOST_SHOWN = 300  # characters of an unforeseen message: some hold whole tables


class Commands(typer.core.TyperGroup):
    """All commands, with the one place where errors become exit codes."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; on an error, say what is wrong and leave with its exit code."""
        try:
            return super().invoke(ctx)
        except DedupError as error:
            _fail(error.exit_code, f"error: {error}")
        except MemoryError as error:
            _fail(7, f"error: memory is used up ({error}); close other programs, or take fewer records with --limit")
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                _fail(7, f"error: the disk is full ({error}); free some space")
            _fail(1, *_bug(error))
        except KeyboardInterrupt:
            _fail(130, "interrupted")
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if _is_usage_error(error):
                raise
            _fail(1, *_bug(error))


def _is_usage_error(error: Exception) -> bool:
    # The class lives in click or, in newer versions, inside typer; what they share is a way to show themselves.
    return hasattr(error, "show") and hasattr(error, "exit_code")


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


def _fail(code: int, *lines: str) -> NoReturn:
    from dedup.terminal import clean  # noqa: PLC0415 - rich is loaded where there is something to say

    for line in lines:
        print(clean(line), file=sys.stderr)
    raise typer.Exit(code)
