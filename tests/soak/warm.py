"""Whole commands at the price of a fork: a process that has imported and compiled everything forks one for each.

Started by `Warm` as a program, with the shim loaded into it.
"""

import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class Warm:
    """Runs the command `dedup` in forks of one process."""

    def __init__(self, articles):
        self._folder = Path(tempfile.mkdtemp(prefix="dedup-soak-"))
        shim = self._folder / "shim.so"
        subprocess.run(
            [compiler(), "-O1", "-shared", "-fPIC", "-D_LARGEFILE64_SOURCE", "-o", shim, HERE / "shim.c", "-ldl"],
            check=True,
        )
        # What Arrow allocates is to count where memory is little: its own allocator has address space in advance.
        env = {**os.environ, "LD_PRELOAD": str(shim), "PYTHONPATH": str(ROOT), "ARROW_DEFAULT_MEMORY_POOL": "system"}
        # Everything is compiled and imported by a run of its own.
        words = ["sh", "-c", 'ulimit -Ss 1024; exec "$@"', "sh"]  # threads take 1 MiB to start instead of 8
        words += [sys.executable, str(HERE / "warm.py"), str(articles), str(self._folder / "OUT")]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True)
        self.seconds = self._answer()["seconds"]

    def run(self, *args, kill=None, number=signal.SIGKILL, arm=None, limit=None, space=None):
        """Run a command; return `status` (below 0: the signal that ended it), `seconds`, `trace`, `stdout`, `stderr`.

        Parameters
        ----------
        kill : seconds after which it gets signal `number`
        arm : arguments of shim_arm before its trace
        limit : bytes that a file may have
        space : bytes of address space that it may take more
        """
        asked = {"args": list(map(str, args)), "kill": kill, "number": int(number), "arm": arm, "limit": limit}
        asked["space"] = space
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        assert line, "the warm process ended"
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        shutil.rmtree(self._folder)


def compiler():
    """Return a C compiler, or None."""
    return shutil.which("gcc") or shutil.which("cc")


def why_not():
    """Return why this cannot be used here, or None."""
    if sys.platform != "linux":
        return "the shim is for Linux"
    return None if compiler() else "no C compiler"


def serve(articles, out):
    from dedup import cli  # noqa: F401 - the fork runs it

    shim = ctypes.CDLL(None)
    answers = os.fdopen(os.dup(1), "w")
    for level in ("exact", "duplicate"):  # here and not in a fork, so that all that is loaded stays
        with contextlib.suppress(SystemExit):
            command(["cluster", articles, "-o", f"{out}-{level}", "--level", level, "-q", "-j", "2"])
    start = time.monotonic()
    fork(shim, {"args": ["cluster", articles, "-o", out, "--level", "exact", "-q"], "kill": None, "arm": None})
    print(json.dumps({"seconds": time.monotonic() - start}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(fork(shim, json.loads(line))), file=answers, flush=True)


def command(args):
    from dedup import cli

    sys.argv = ["dedup", *args]
    cli.app(prog_name="dedup")


def fork(shim, asked):
    printed, said, trace = (os.memfd_create(name) for name in ("printed", "said", "trace"))
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        run_child(shim, asked, printed, said, trace)
    if asked["kill"] is not None:
        time.sleep(asked["kill"])
        os.kill(child, asked["number"])
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    seconds = time.monotonic() - start
    texts = []
    for handle in (printed, said, trace):
        texts.append(os.pread(handle, 1 << 20, 0).decode("utf-8", "replace"))
        os.close(handle)
    out, words, calls = texts
    return {"status": status, "seconds": seconds, "stdout": out, "stderr": words, "trace": calls.splitlines()}


def run_child(shim, asked, printed, said, trace):
    os.dup2(printed, 1)
    os.dup2(said, 2)
    code = 99
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the command hears it
        if asked.get("limit") is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (asked["limit"], asked["limit"]))
        if asked.get("space") is not None:
            pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
            most = pages * resource.getpagesize() + asked["space"]
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        if asked["arm"] is not None:
            folder, *numbers = asked["arm"]
            shim.shim_arm(folder.encode(), ctypes.c_long(numbers[0]), *numbers[1:], trace)
        from dedup.__main__ import main

        sys.argv = ["dedup", *asked["args"]]
        main()
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 0 if left.code is None else 98
    finally:
        shim.shim_disarm()
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(*sys.argv[1:])
