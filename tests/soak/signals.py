"""SIGINT, SIGTERM and SIGHUP at a random moment of a run: the right code, its last words, and nothing left."""

import json
import random
import re
import signal
import statistics
import subprocess
import time
from collections import Counter
from pathlib import Path

from .world import names, real, world

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
REAL = 20  # one in so many is the real command, the others are forks of a process that has imported everything


def run(count, seed):
    """Send `count` signals; raise where a run says anything else than it did."""
    chance = random.Random(seed)
    found = Counter()
    with world() as here:
        metrics = here.place.parent / "job.prom"
        more = ["--json", "--log-format", "json", "--metrics-file", metrics]
        seconds = statistics.median(here.server.run(*here.words(name, *more))["seconds"] for name in "ababab")
        slow = timed(here, more)
        here.rerun("b", "before")
        for number in range(count):
            name, sent = here.other(), NUMBERS[number % len(NUMBERS)]
            what = f"{sent.name} {number} of seed {seed}"
            metrics.unlink(missing_ok=True)
            if number % REAL == REAL - 1:
                done = interrupted(here, here.words(name, *more), sent, chance.uniform(0, slow * 1.05))
                found["real"] += 1
            else:
                after = chance.uniform(0, seconds * 1.05)
                done = here.server.run(*here.words(name, *more), kill=after, number=sent)
            found[judge(here, name, sent, done, metrics, what)] += 1
            here.rerun(name, what)
    return (
        f"{count} signals ({found['real']} to the real command): {found['ended']} ended the run with its code, the old "
        f"output untouched and nothing beside it, {found['late']} came too late, {found['early']} before Python could "
        "hear them; 0 tracebacks, every last line and metrics file whole, reruns byte-equal"
    )


def judge(here, name, sent, done, metrics, what):
    """Return how a run ended, or raise."""
    assert "Traceback" not in done["stderr"], f"{what}: {done}"
    kept = here.judge(what)
    if done["status"] in (-sent, -signal.SIGKILL):  # before the handlers are there
        assert kept != name and not done["stdout"], f"{what}: {done}"
        return "early"
    assert names(here.place) == ["OUT"], f"{what}: left {names(here.place)}"
    last = json.loads(done["stdout"].splitlines()[-1])
    events = [json.loads(line) for line in done["stderr"].splitlines()]
    if done["status"] == 0:
        assert kept == name and last["status"] == "done", f"{what}: {done}"
        here.now = name
    else:
        assert done["status"] == 128 + sent and kept != name, f"{what}: {done}, {kept}"
        assert (last["status"], last["exit_code"]) == ("failed", 128 + sent), f"{what}: {done}"
        assert events[-1].get("exit_code") == 128 + sent, f"{what}: {done}"
    if metrics.exists():  # a signal may come before its flag is read
        code = re.search(r'^dedup_exit_code\{task="job"\} (\d+)$', metrics.read_text("utf-8"), re.M)
        assert code is not None and int(code[1]) == done["status"], f"{what}: {metrics.read_text('utf-8')}"
    else:
        assert done["status"] != 0, what
    assert not list(metrics.parent.glob(".job.prom.*")), f"{what}: half a metrics file"
    return "late" if done["status"] == 0 else "ended"


def timed(here, more):
    start = time.monotonic()
    child = real(here.words("a", *more))
    assert child.wait() == 0, child.communicate()
    child.communicate()
    return time.monotonic() - start


def interrupted(here, words, sent, after):
    """Run the real command, and send it a signal once it hears signals."""
    child = real(words, stdout=subprocess.PIPE)
    time.sleep(after)
    if child.poll() is None and not hears(child.pid):
        child.kill()
    else:
        child.send_signal(sent)
    printed, said = child.communicate()
    return {"status": child.returncode, "stdout": printed, "stderr": said}


def hears(pid):
    """Tell whether a process handles SIGTERM, or ignores it since all is over: Python itself does neither."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return True
    sets = re.findall(r"Sig(?:Cgt|Ign):\s*(\w+)", status)
    return any(int(one, 16) >> (signal.SIGTERM - 1) & 1 for one in sets)
