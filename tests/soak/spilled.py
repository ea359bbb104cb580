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
ARTICLES = 600
SPACE = 0, 8 << 20  # bytes of address space that a run gets besides what the warm process has


def run(count, seed):
    """Break `count` runs, each second one by memory; from four times the calls on, each call fails with each error."""
    chance = random.Random(seed)
    found = Counter()
    with world() as here:
        large, folder = here.place.parent / "large.jsonl", here.place.parent / "tmp"
        write(large, chance)
        folder.mkdir()
        words = ["cluster", large, "-o", here.out, "--if-exists", "overwrite", "--level", "duplicate", "-j", "2"]
        words += ["--memory", "1MiB", "--tmp-dir", folder]
        done = here.server.run(*words, arm=[str(folder), -1, 0, 0, 0])
        assert done["status"] == 0 and done["trace"] and not names(folder), done
        before, calls = digests(here.out), len(done["trace"])
        points = [(place, error) for place in range(calls) for error in ERRORS]
        for number in range(count):
            space, arm = None, None
            if number % 2:
                space = chance.randrange(*SPACE)
            else:
                place, error = points[number // 2 * max(2 * len(points) // count, 1) % len(points)]
                arm = [str(folder), place, error, 0, 0]
            what = f"run {number} of seed {seed}: {arm or space}"
            done = here.server.run(*words, arm=arm, space=space)
            aborted = space is not None and done["status"] in ABORTS and re.search(GAVE_UP, done["stderr"])
            if aborted:  # nothing can be caught, and the next run sweeps
                assert digests(here.out) == before, what
                done = {**here.server.run(*words), "stderr": ""}
                found["aborted"] += 1
            assert done["status"] in (0, 7), f"{what}: {done}"
            assert "Traceback" not in done["stderr"] and "bug" not in done["stderr"], f"{what}: {done}"
            assert names(here.place) == ["OUT"] and not names(folder), f"{what}: left {names(here.place)}"
            assert digests(here.out) == before, what
            if aborted:
                continue
            found["memory" if space is not None else "file", done["status"]] += 1
    limited = found["memory", 7] + found["memory", 0] + found["aborted"]
    return (
        f"{count} runs: {found['file', 7]} of {found['file', 7] + found['file', 0]} with a failing call of {calls} on "
        f"temporary files and {found['memory', 7]} of {limited} with little memory ended with 7, {found['aborted']} by "
        "an abort of the C++ runtime or the loader, the others did no harm; 0 tracebacks, the old output untouched, "
        "nothing left"
    )


def write(file, chance):
    """Write articles of made-up words, every tenth one a copy: enough of them not to fit into 1 MiB."""
    texts = [" ".join(f"w{chance.randrange(9_000)}" for _ in range(150)) for _ in range(ARTICLES)]
    records = [{"id": str(i), "text": texts[i - 1] if i % 10 == 9 else texts[i]} for i in range(ARTICLES)]
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
