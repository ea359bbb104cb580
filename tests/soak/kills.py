"""SIGKILL at a random moment of the whole command, then the same command again."""

import random
import signal
import statistics
import time
from collections import Counter, deque

from .world import real, world

LATELY = 9  # runs whose seconds tell when the next one may be killed: a shared machine changes its pace
REAL = 20  # one in so many is the real command, the others are forks of a process that has imported everything


def run(count, seed):
    """Kill `count` runs; raise where an output is torn or mixed, or a rerun differs."""
    chance = random.Random(seed)
    found = Counter()
    with world() as here:
        lately = deque((here.server.run(*here.words(name))["seconds"] for name in "ababab"), LATELY)
        slow = timed(here)
        here.rerun("b", "before")
        while found["killed"] < count:
            name = here.other()
            what = f"kill {found['killed']} of seed {seed}"
            real_one = found["killed"] % REAL == REAL - 1
            if real_one:
                status = kill_real(here, name, chance.uniform(0, slow * 1.05))
            else:
                after = chance.uniform(0, statistics.median(lately) * 1.05)
                status = here.server.run(*here.words(name), kill=after)["status"]
            assert status in (0, -signal.SIGKILL), what
            kept = here.judge(what)
            assert status != 0 or kept == name, what
            if status == 0:
                found["ended before"] += 1
            else:
                found["killed"] += 1
                found["real"] += real_one
                found["new"] += kept == name
                found["with leftovers"] += len(list(here.place.iterdir())) > 1
            lately.append(here.rerun(name, what))
    return (
        f"{count} killed ({found['real']} of the real command, {found['ended before']} more had ended before), 0 torn, "
        f"0 mixed: {count - found['new']} left the old run, {found['new']} the new one, {found['with leftovers']} left "
        "something beside it; every rerun byte-equal, nothing left"
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
