"""A reader that opens and hashes files of OUT in a loop while runs replace it."""

import hashlib
import json
import random
import threading

from dedup import manifests

from .world import world

READS_PER_RUN = 100  # at most: as many runs replace OUT meanwhile


def run(count, seed):
    """Read `count` times, each file of the run in turn; raise where one is missing, cut or of no run."""
    chance = random.Random(seed)
    with world() as here:
        stop, failed, runs = threading.Event(), [], 0

        def overwrite():
            nonlocal runs
            while not stop.is_set() or runs < count / READS_PER_RUN:
                name = here.other()
                done = here.server.run(*here.words(name))
                if done["status"] != 0:
                    failed.append(done)
                    return
                here.now, runs = name, runs + 1

        writer = threading.Thread(target=overwrite)
        writer.start()
        reads = 0
        try:
            while reads < count or (runs < count / READS_PER_RUN and writer.is_alive()):
                read(here, chance)
                reads += 1
        finally:
            stop.set()
            writer.join()
        assert not failed, failed
        here.judge("at the end")
    return f"{reads} reads during {runs} overwrites, 0 errors"


def read(here, chance):
    name = chance.choice([*here.tables["a"], manifests.MANIFEST])
    with (here.out / name).open("rb") as file:
        content = file.read()
    if name == manifests.MANIFEST:
        files = json.loads(content)["files"]
        tables = {key: entry["sha256"] for key, entry in files.items()}
        assert tables in here.tables.values(), tables
        assert manifests.is_sealed(content), "a manifest that is not whole"
    else:
        digest = hashlib.sha256(content).hexdigest()
        assert digest in {tables[name] for tables in here.tables.values()}, f"{name}: of no run"
