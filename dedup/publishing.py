"""The place of an output: claimed by a lock, cleared of what killed runs left, filled beside it, published by a rename.

The lock is flock(2): the kernel frees it when its holder dies, so that none is ever stale. It is used through `fcntl`
and not by the package `filelock`, which neither names the holder nor takes its file away. The rename is Linux's
renameat2, for which Python has no binding.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dedup.commit import sync, write_errors
from dedup.errors import LockedError, OutputExistsError
from dedup.outcome import Outcome

SECONDS_BETWEEN_TRIES = 0.05

_AT_FDCWD = -100
_NOREPLACE = 1
_EXCHANGE = 2
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}  # an old kernel, or a file system that cannot do it


class Claim(Outcome):
    """The right to write one output folder, as `claimed` gives it.

    target : the folder, links followed: OUT may be a link to another disk, where staging then lies too.
    """

    def __init__(self, out: str | Path, target: Path) -> None:
        super().__init__()
        self.out = out
        self.target = target
        self._staging: Path | None = None
        self._made = _missing(target.parent)

    @property
    def lock(self) -> Path:
        """The file that is locked."""
        return self.target.with_name(f".{self.target.name}.dedup.lock")

    @contextmanager
    def staging(self, run_id: str) -> Iterator[Path]:
        """Yield a new folder beside the target, to be filled and then published; it is removed on any error.

        Raises
        ------
        ResourceError
            The system refused; the target is as it was.
        """
        with write_errors(self.out):
            self._staging = self.target.with_name(f".{self.target.name}.dedup-staging-{run_id}")
            try:
                self._staging.mkdir()
                yield self._staging
            except BaseException:  # an interrupt must not leave a folder behind either
                shutil.rmtree(self._staging, ignore_errors=True)
                raise

    def publish(self, replace: bool) -> None:
        """Put the filled folder at the target; see `publish`."""
        assert self._staging is not None
        with self.publishing():
            old = publish(self._staging, self.target, replace)
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)  # the next run takes what is left of it

    def abandon(self) -> None:
        """Leave nothing behind; see `Outcome.abandon`."""
        if self._staging is not None:
            shutil.rmtree(self._staging, ignore_errors=True)
        if not self.published:
            with suppress(OSError):  # where a folder is in use, it and those above it stay
                self.lock.unlink(missing_ok=True)
                for folder in self._made:
                    folder.rmdir()


@contextmanager
def claimed(out: str | Path, timeout: float = 0.0) -> Iterator[Claim]:
    """Hold the lock of an output folder, beside which nothing is left of killed runs.

    Parameters
    ----------
    out : the folder; missing parents are made, and removed again where nothing came of it.
    timeout : seconds to wait for another run.

    Raises
    ------
    LockedError
        Another run holds it still.
    ResourceError
        The parent cannot be written to, or its file system knows no locks.
    """
    with write_errors(out):
        target = Path(out).resolve()
        claim = Claim(out, target)
        handle = _acquire(claim, timeout)
    try:
        with write_errors(out):
            sweep(target)
        yield claim
    except BaseException:
        claim.abandon()
        raise
    finally:
        # Whoever waits for this very file finds, once it has the lock, that it is no longer the one of this name.
        with suppress(OSError):
            _unlink_own(claim.lock, handle)
        os.close(handle)


def sweep(target: Path) -> None:
    """Remove what killed runs left beside `target`; call it with the lock held.

    Where a run without an exchange was killed between its two renames, the old folder goes back to its place.
    """
    name = re.escape(target.name)
    for entry in sorted(target.parent.iterdir()):
        found = re.fullmatch(rf"\.{name}\.dedup-(staging|old)-\w+", entry.name)
        if found and found[1] == "old" and not target.exists():
            entry.rename(target)
            sync(target.parent)
        elif found:
            shutil.rmtree(entry)


def publish(staging: Path, target: Path, replace: bool) -> Path | None:
    """Put the folder `staging` at `target`, at once; both lie in one folder.

    Parameters
    ----------
    replace : whether what is at `target` may give way.

    Returns
    -------
    Where the folder is that was at `target` before: it is the caller's to delete. Readers that hold its files open
    keep them. None where there was none.

    Raises
    ------
    OutputExistsError
        Something appeared at `target` in the meantime.
    OSError
        As the system says it; `target` is as it was.
    """
    if replace and target.exists():
        old = staging
        if not _renameat2(staging, target, _EXCHANGE):
            old = staging.with_name(staging.name.replace(".dedup-staging-", ".dedup-old-"))
            _two_renames(staging, target, old)
        _settle(target.parent)
        return old
    try:
        if not _renameat2(staging, target, _NOREPLACE):
            _into_nothing(staging, target)
    except FileExistsError as error:
        raise OutputExistsError(f"{target}: appeared while this run worked; name another folder with -o") from error
    _settle(target.parent)
    return None


def _settle(parent: Path) -> None:
    # The rename is done: a failure now means only that a power cut could undo it, which leaves the old run, whole.
    with suppress(OSError):
        sync(parent)


def _missing(folder: Path) -> list[Path]:
    """Return the folders that have to be made for `folder` to be there, the deepest first."""
    return [each for each in (folder, *folder.parents) if not each.exists()]


def _acquire(claim: Claim, timeout: float) -> int:
    """Return a handle that holds the lock."""
    import fcntl  # noqa: PLC0415 - Windows has none: there, runs can be made but not written

    deadline = time.monotonic() + timeout
    while True:
        claim.target.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(claim.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(claim.lock, handle):
                with suppress(OSError):  # on a full disk the holder stays unknown
                    os.ftruncate(handle, 0)
                    os.pwrite(handle, f"{os.getpid()} {socket.gethostname()}".encode(), 0)
                return handle
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = _holder(handle)
                os.close(handle)
                raise LockedError(
                    f"{claim.out}: another run{holder} is writing it; wait for that one, or give it time with "
                    "--lock-timeout SECONDS"
                ) from None
            time.sleep(SECONDS_BETWEEN_TRIES)
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _holder(handle: int) -> str:
    words = os.pread(handle, 300, 0).decode("utf-8", "replace").split()
    return f" (process {words[0]} on {words[1]})" if len(words) == 2 else ""


def _is(file: Path, handle: int) -> bool:
    """Tell whether a name still stands for an open file."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(handle))


def _unlink_own(file: Path, handle: int) -> None:
    if _is(file, handle):
        file.unlink()


def _two_renames(staging: Path, target: Path, old: Path) -> None:
    """Replace `target` where no exchange is possible; between the two renames there is none for a moment."""
    target.rename(old)
    try:
        staging.rename(target)
    except BaseException:
        old.rename(target)
        raise


def _into_nothing(staging: Path, target: Path) -> None:
    """Rename where NOREPLACE is not possible: rename(2) itself puts a folder over an empty one."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    staging.rename(target)


def _renameat2(source: Path, target: Path, flag: int) -> bool:
    """Rename by renameat2(2); False where it does not exist."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flag) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))
