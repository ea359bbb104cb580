"""Every error that dedup raises on purpose.

DedupError               1   base; on its own a bug in dedup
├── SettingsError        2   a flag, parameter or policy that cannot be used
├── TooManyRejectsError  3   more rejected records than --max-rejects
├── InputError           4   no input, unreadable input, missing columns
├── OutputExistsError    5   OUT is there already
├── LockedError          6   another run holds the lock
├── ResourceError        7   disk, memory or pair budget
└── DamagedRunError      8   a finished run that is not whole

The number is the exit code of the command (one per branch). A message says place, got, wanted, remedy.
"""

from __future__ import annotations

import errno

# What an OSError says where disk, memory or the system's tables are full or failing.
_RESOURCES = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO", "EROFS", "ENOMEM", "EMFILE", "ENFILE")
    if hasattr(errno, name)
}


class DedupError(Exception):
    """Base of all errors that dedup raises on purpose."""

    exit_code = 1


class SettingsError(DedupError):
    """A flag, parameter or policy that cannot be used."""

    exit_code = 2


class TooManyRejectsError(DedupError):
    """More records were rejected than the run allows; nothing was written."""

    exit_code = 3


class InputError(DedupError):
    """No input, unreadable input, or a needed column is missing."""

    exit_code = 4


class OutputExistsError(DedupError):
    """The output folder is there already and the policy is to leave it."""

    exit_code = 5


class LockedError(DedupError):
    """Another run holds the lock of the output folder."""

    exit_code = 6


class ResourceError(DedupError):
    """Disk, memory or the pair budget is used up."""

    exit_code = 7


class DamagedRunError(DedupError):
    """A finished run misses files, or holds other bytes than its manifest says."""

    exit_code = 8


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that there is no memory left, also none for the stack of a thread or for a library."""
    if isinstance(error, OSError | ImportError):
        # Where the loader finds no room, what loads a library may say only that it did not.
        said = f"{error} {error.__cause__ or error.__context__}"
        return "failed to map segment from shared object" in said
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    )


def exit_code(error: BaseException) -> int:
    """Return the exit code of the command that ends with an error, whether dedup raised it or not."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, KeyboardInterrupt):
        return 130
    if out_of_memory(error) or (isinstance(error, OSError) and error.errno in _RESOURCES):
        return 7
    return int(getattr(error, "exit_code", 1))  # of DedupError, and of the command line's own errors
