"""A failure at every single step of the commit: each call on a file beside or in OUT dies, or returns an error."""

import errno
import re
from collections import Counter

from .world import digests, names, world

DIE = -1
ACTIONS = (DIE, errno.EIO, errno.ENOSPC, errno.EDQUOT, DIE, errno.EROFS, errno.EACCES, errno.ENOMEM)
WITHOUT_EXCHANGE = (False, False, False, True, True)  # by round: the fallback has steps of its own


def run(count, seed):
    """Break every step `count` times; raise where what is left is not the old run or the new one, whole."""
    found = Counter()
    with world() as here:
        for again in range(count):
            action = ACTIONS[(again + seed) % len(ACTIONS)]
            without = WITHOUT_EXCHANGE[again % len(WITHOUT_EXCHANGE)]
            points = steps(here, without)
            for place, point in enumerate(points):
                found[break_at(here, place, action, without, f"{point} ({action}, round {again})")] += 1
            found["points"] = max(found["points"], len({named(point) for point in points}))
            found["calls"] = max(found["calls"], len(points))
        broken = sum(found[key] for key in ("killed", "refused", "survived"))
    return (
        f"{found['points']} named points ({found['calls']} calls) × {count}: {broken} failures, {found['killed']} "
        f"killed, {found['refused']} ended with 7, {found['survived']} did no harm; 0 torn, 0 mixed, reruns byte-equal"
    )


def steps(here, without):
    """Return the calls of a run that replaces another, in their order."""
    name = here.other()
    done = here.server.run(*here.words(name), arm=[str(here.place), -1, 0, 0, int(without)])
    assert done["status"] == 0, done["stderr"]
    here.now = name
    return done["trace"]


def named(call):
    return re.sub(r"-[0-9a-f]{16}", "-RUN", call)


def break_at(here, place, action, without, what):
    name = here.other()
    done = here.server.run(*here.words(name), arm=[str(here.place), place, action, 0, int(without)])
    check(here, name, done, what)
    here.rerun(name, what)
    return "killed" if done["status"] == -9 else "refused" if done["status"] == 7 else "survived"


def check(here, name, done, what):
    """Judge what a broken run left."""
    assert done["status"] in (-9, 0, 7), f"{what}: {done}"
    assert "Traceback" not in done["stderr"], f"{what}: {done['stderr']}"
    old = [entry for entry in names(here.place) if ".dedup-old-" in entry]
    if not here.out.exists():  # between the two renames of the fallback; the rerun puts it back
        assert done["status"] == -9 and len(old) == 1, f"{what}: {done} {names(here.place)}"
        assert digests(here.place / old[0]) == here.tables[here.now], what
        return
    kept = here.judge(what)
    assert done["status"] == -9 or (kept == name) == (done["status"] == 0), f"{what}: {done}, {kept}"
