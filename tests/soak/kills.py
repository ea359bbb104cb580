"""SIGKILL at a random moment of the whole command, then the same command again."""

import random
import signal
import statistics
import time
from collections import Counter

from .world import real, world

REAL = 20  # one in so many is the real command, the others are forks of a process that has imported everything


def run(count, seed):
    """Kill `count` runs; raise where an output is torn or mixed, or a rerun differs."""
    chance = random.Random(seed)
    found = Counter()
    with world() as here:
        seconds = statistics.median(here.server.run(*here.words(name))["seconds"] for name in "ababab")
        slow = timed(here)
        here.rerun("b", "before")
        for number in range(count):
            name = here.other()
            what = f"kill {number} of seed {seed}"
            if number % REAL == REAL - 1:
                status = kill_real(here, name, chance.uniform(0, slow * 1.05))
                found["real"] += 1
            else:
                status = here.server.run(*here.words(name), kill=chance.uniform(0, seconds * 1.05))["status"]
            assert status in (0, -signal.SIGKILL), what
            kept = here.judge(what)
            assert status != 0 or kept == name, what
            found["old" if kept != name else "new"] += 1
            found["too late"] += status == 0
            found["with leftovers"] += len(list(here.place.iterdir())) > 1
            here.rerun(name, what)
    return (
        f"{count} kills ({found['real']} of the real command), 0 torn, 0 mixed: {found['old']} left the old run, "
        f"{found['new']} the new one ({found['too late']} had ended), {found['with leftovers']} left something beside "
        f"it; {count} reruns byte-equal, nothing left"
    )


def timed(here):
    start = time.monotonic()
    child = real(here.words("a"))
    said = child.communicate()[1]
    assert child.returncode == 0, said
    return time.monotonic() - start


def kill_real(here, name, after):
    child = real(here.words(name))
    time.sleep(after)
    child.kill()
    child.communicate()
    return child.returncode
