"""Temporary files that cannot be written, and memory that ends: code 7, no traceback, and nothing left anywhere."""

import errno
import json
import random
import re
import signal
from collections import Counter

from .world import digests, names, world

ERRORS = (errno.ENOSPC, errno.EIO)
ABORTS = -signal.SIGABRT, 127
GAVE_UP = "std::bad_alloc|cannot allocate memory for thread-local data"  # of the C++ runtime, and of the loader
ARTICLES = 600, 2_000  # enough not to fit into 1 MiB; and to be at work where memory ends
SPACE = 0, 20 << 20  # bytes of address space that a run gets besides what the warm process has


def run(count, seed):
    """Break `count` runs, half of them by memory; from four times the calls on, each call fails with each error."""
    chance = random.Random(seed)
    with world() as here:
        # First, while the warm process has nothing to spare that it got for other runs.
        little = memory_ends(here, count // 2, chance, seed)
        failing, calls = calls_fail(here, count - count // 2, chance, seed)
    return (
        f"{count} runs: {failing[7]} of {failing.total()} with a failing call of {calls} on temporary files and "
        f"{little[7]} of {little.total()} with little memory ended with 7, {little['aborted']} by an abort of the C++ "
        "runtime or the loader, the others did no harm; 0 tracebacks, the old output untouched, nothing left"
    )


def calls_fail(here, count, chance, seed):
    words, folder = prepared(here, "files", ARTICLES[0], chance, "--memory", "1MiB")
    done = here.server.run(*words, arm=[str(folder), -1, 0, 0, 0])
    assert done["status"] == 0 and done["trace"], done
    before, calls = digests(here.out), len(done["trace"])
    points = [(place, error) for place in range(calls) for error in ERRORS]
    found = Counter()
    for number in range(count):
        place, error = points[number * max(len(points) // count, 1) % len(points)]
        arm = [str(folder), place, error, 0, 0]
        done = here.server.run(*words, arm=arm)
        found[judged(here, done, folder, before, f"call {number} of seed {seed}: {arm}")] += 1
    return found, calls


def memory_ends(here, count, chance, seed):
    words, folder = prepared(here, "memory", ARTICLES[1], chance)
    assert here.server.run(*words)["status"] == 0
    before, found = digests(here.out), Counter()
    for number in range(count):
        space = chance.randrange(*SPACE)
        done, what = here.server.run(*words, space=space), f"run {number} of seed {seed}: {space} bytes"
        aborted = done["status"] in ABORTS and re.search(GAVE_UP, done["stderr"])
        if aborted:  # nothing can be caught, and the next run sweeps
            assert digests(here.out) == before, what
            done = {**here.server.run(*words), "stderr": ""}
        code = judged(here, done, folder, before, what)
        found["aborted" if aborted else code] += 1
    return found


def prepared(here, name, articles, chance, *more):
    """Write articles of made-up words; return the arguments of a run over them, and where its temporary files go."""
    large, folder = here.place.parent / f"{name}.jsonl", here.place.parent / f"{name}-tmp"
    write(large, articles, chance)
    folder.mkdir()
    words = ["cluster", large, "-o", here.out, "--if-exists", "overwrite", "--level", "duplicate", "-j", "2"]
    return [*words, "--tmp-dir", folder, *more], folder


def judged(here, done, folder, before, what):
    """Return how a run ended, or raise."""
    assert done["status"] in (0, 7), f"{what}: {done}"
    assert "Traceback" not in done["stderr"] and "bug" not in done["stderr"], f"{what}: {done}"
    assert names(here.place) == ["OUT"] and not names(folder), f"{what}: left {names(here.place)}"
    assert digests(here.out) == before, what
    return done["status"]


def write(file, count, chance):
    """Write articles, every tenth one a copy."""
    texts = [" ".join(f"w{chance.randrange(9_000)}" for _ in range(150)) for _ in range(count)]
    records = [{"id": str(i), "text": texts[i - 1] if i % 10 == 9 else texts[i]} for i in range(count)]
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
