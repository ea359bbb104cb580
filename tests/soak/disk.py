"""Disks that are full or fail: a small tmpfs, a limit on files, /dev/full, and every call of a run failing once."""

import errno
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from . import faults
from .world import ROOT, names, world

ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG)
KINDS = ("call", "call", "call", "call", "every", "limit", "limit", "spill", "full", "tmpfs")


def run(count, seed):
    """Let `count` runs meet a bad disk: each ends with 7 and leaves the old run, or does no harm."""
    chance = random.Random(seed)
    found = Counter()
    with world() as here:
        calls = len(faults.steps(here, False))
        largest = max(file.stat().st_size for file in here.out.iterdir())
        place = 0
        for number in range(count):
            kind = KINDS[number % len(KINDS)]
            what = f"{kind} {number} of seed {seed}"
            name = here.other()
            arm, limit, more = None, None, []
            if kind == "call":
                arm, place = [str(here.place), place % calls, ERRORS[number // 3 % len(ERRORS)], 0, 0], place + 1
            elif kind == "every":
                arm = [str(here.place), chance.randrange(calls), chance.choice(ERRORS), chance.randint(1, 9), 0]
            elif kind == "limit":
                limit = chance.randrange(largest)
            elif kind == "spill":
                found[spill(here, name, chance, what)] += 1
                continue
            elif kind in ("full", "tmpfs"):
                found[full(here, name, what) if kind == "full" else tmpfs(here, chance, what)] += 1
                continue
            done = here.server.run(*here.words(name, *more), arm=arm, limit=limit)
            faults.check(here, name, done, what)
            found[done["status"]] += 1
            here.rerun(name, what)
    return (
        f"{count} runs on bad disks ({min(place, calls)} of {calls} calls failed once each): {found[7]} ended with 7 "
        f"and left the old run, {found[0]} did no harm, {found['skipped']} without a tmpfs; 0 tracebacks, reruns "
        "byte-equal"
    )


def spill(here, name, chance, what):
    """A file of `--tmp-dir` cannot be written."""
    folder = here.place.parent / "tmp"
    folder.mkdir(exist_ok=True)
    words = here.words(name, "--memory", "1MiB", "--tmp-dir", folder)
    done = here.server.run(*words, arm=[str(folder), -1, 0, 0, 0])
    assert done["status"] == 0 and not names(folder), done
    here.now = name
    if done["trace"]:  # so few articles need no file at this size
        arm = [str(folder), chance.randrange(len(done["trace"])), chance.choice(ERRORS), 0, 0]
        done = here.server.run(*here.words(here.other(), *words[7:]), arm=arm)
        assert done["status"] == 7 and "Traceback" not in done["stderr"], f"{what}: {done}"
    here.rerun(here.other(), what)
    return done["status"]


def full(here, name, what):
    """Nothing can be printed: the run itself is done."""
    with Path("/dev/full").open("w") as stdout:
        words = [sys.executable, "-m", "dedup", *map(str, here.words(name))]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(words, stdout=stdout, stderr=subprocess.PIPE, text=True, env=env, check=False)
    assert done.returncode == 7 and "Traceback" not in done.stderr, f"{what}: {done}"
    assert here.judge(what) == name, what
    here.now = name
    return 7


def tmpfs(here, chance, what):
    """A file system of a few pages, in a namespace of its own."""
    if not can_mount():
        return "skipped"
    # From too little for the check before the work to too little for the last table.
    size = chance.choice(["64k", "256k", "1028k"])
    script = (
        f'mount -t tmpfs -o size={size} none "$1"\n'
        'dd if=/dev/zero of="$1/ballast" bs=1k count="$4" 2>/dev/null\n'
        'PYTHONPATH="$2" "$3" -m dedup cluster "$5" -o "$1/OUT" --level exact -q --memory 64MiB; code=$?\n'
        'ls -A "$1"; exit $code'
    )
    folder = here.place.parent / "small"
    folder.mkdir(exist_ok=True)
    words = [folder, ROOT, sys.executable, "0", here.inputs["a"]]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", *map(str, words)], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        assert done.stdout.split() == ["OUT", "ballast"], f"{what}: {done}"
        return 0
    assert done.returncode == 7 and done.stdout.split() == ["ballast"], f"{what}: {done}"
    assert "Traceback" not in done.stderr, f"{what}: {done}"
    return 7


def can_mount():
    """Tell whether a tmpfs can be mounted in a namespace here."""
    if shutil.which("unshare") is None:
        return False
    words = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/tmp"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0
