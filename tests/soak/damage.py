"""Flips and cuts in a finished run: `dedup verify` finds all of them."""

import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from dedup.pipeline import cluster
from dedup.verify import damage

from .world import write_articles

KINDS = ("flip", "flip", "flip", "cut", "zeros", "more", "gone", "other")


def run(count, seed):
    """Damage a run `count` times; raise where that is not found, or is found in a sound one."""
    chance = random.Random(seed)
    found = Counter()
    folder = Path(tempfile.mkdtemp(prefix="dedup-soak-"))
    try:
        runs = [made(folder, name) for name in "ab"]
        sound = {file: file.read_bytes() for file in sorted(runs[0].iterdir())}
        for number in range(count):
            kind = KINDS[number % len(KINDS)]
            file = chance.choice([file for file in sound if sound[file]])
            found[kind] += spoil(file, sound[file], kind, runs[1], chance)
            said = damage(runs[0])
            # A manifest that is whole, but of another run, shows at the other files.
            assert said and (kind == "other" or any(file.name in line for line in said)), (
                f"{kind} {number} of seed {seed}: {file.name} {said}"
            )
            file.write_bytes(sound[file])
        assert damage(runs[0]) == []
    finally:
        shutil.rmtree(folder)
    kinds = ", ".join(f"{n} {kind}" for kind, n in found.items())
    return f"{count} damages found of {count} ({kinds}); 0 in the sound run"


def made(folder, name):
    file = folder / f"{name}.jsonl"
    write_articles(file, name)
    with file.open("a") as more:
        more.write("{broken\n")
    return cluster(str(file), level="duplicate", jobs=1).write(folder / name)


def spoil(file, content, kind, other, chance):
    place = chance.randrange(len(content))
    changed = bytearray(content)
    if kind == "gone":
        file.unlink()
        return 1
    if kind == "flip":
        changed[place] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del changed[place:]
    elif kind == "zeros":
        place = chance.randrange(len(content) - 1)
        changed[place : place + 512] = bytes(len(changed[place : place + 512]))
        if changed == content:
            changed[place] = 1
    elif kind == "more":
        changed.append(10)
    else:
        changed = (other / file.name).read_bytes()
        if changed == content:  # a table that does not tell the two corpora apart
            changed += b"x"
    file.write_bytes(changed)
    return 1
