"""What the areas share: two small corpora, the runs that they give, and how a folder is judged after a failure."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from dedup.verify import damage

from . import warm

ROOT = Path(__file__).parents[2]
TOPICS = (
    "the ferry to Lorne turned back when a seal slept on the ramp and nobody dared to wake it before noon",
    "the choir of Ansbeck sang the tide tables after the printer mixed up two orders and no one noticed",
    "a clockmaker in Tarn set the tower back by a minute so that the last bus would be on time for once",
    "the orchard at Miln lost its oldest pear in the storm and found a Roman nail under the roots of it",
    "voters in Quell chose a new bridge over a new road by the width of a single crate of ballot papers",
)


class World:
    """Two inputs, a and b, and the digests of the tables that a run over each of them gives."""

    def __init__(self, folder, server):
        self.server = server
        self.place = folder / "place"  # nothing but OUT belongs in it
        self.place.mkdir()
        self.out = self.place / "OUT"
        self.inputs = {name: folder / f"{name}.jsonl" for name in "ab"}
        self.tables = {}
        for name, file in self.inputs.items():
            write_articles(file, name)
            done = server.run(*self.words(name))
            assert done["status"] == 0, done["stderr"]
            self.tables[name] = digests(self.out)
        assert self.tables["a"].keys() == self.tables["b"].keys() and self.tables["a"] != self.tables["b"]
        self.now = "b"

    def words(self, name, *more):
        """Return the arguments of a run over an input, in place of what is there."""
        return ["cluster", self.inputs[name], "-o", self.out, "--if-exists", "overwrite", "--level", "exact", *more]

    def judge(self, what):
        """Return which run is at OUT: a or b, whole, or an AssertionError."""
        found = damage(self.out)
        assert not found, f"{what}: {found}"
        tables = digests(self.out)
        whole = [name for name, wanted in self.tables.items() if tables == wanted]
        assert whole, f"{what}: a mixture: {tables}"
        return whole[0]

    def rerun(self, name, what):
        """Repeat a command that was broken off: the tables are those of one that was not, and nothing else is left.

        Returns its seconds.
        """
        done = self.server.run(*self.words(name))
        assert done["status"] == 0, f"{what}: {done['stderr']}"
        assert self.judge(what) == name, what
        assert names(self.place) == ["OUT"], f"{what}: left {names(self.place)}"
        self.now = name
        return done["seconds"]

    def other(self):
        """Return the input that OUT was not made from."""
        return "b" if self.now == "a" else "a"


@contextmanager
def world():
    """Yield a World in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="dedup-soak-"))
    try:
        first = folder / "first.jsonl"
        write_articles(first, "first")
        with warm.Warm(first) as server:
            yield World(folder, server)
    finally:
        shutil.rmtree(folder)


def names(folder):
    """Return what lies in a folder."""
    return sorted(entry.name for entry in folder.iterdir())


def write_articles(file, name, copies=4):
    """Write an article of each topic in four wordings, every second one a copy of the one before."""
    records = [
        {"id": f"{topic}-{copy}", "title": f"{name} {topic}", "text": f"Report {copy // 2} of {name}: {TOPICS[topic]}."}
        for topic in range(len(TOPICS))
        for copy in range(copies)
    ]
    file.write_text("".join(json.dumps(record) + "\n" for record in records))


def digests(out):
    """Return the SHA-256 of each file of a run but its manifest, which holds seconds."""
    files = sorted(file for file in out.iterdir() if file.name != "manifest.json")
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def real(words, stdout=subprocess.DEVNULL):
    """Start the real command."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "dedup", *map(str, words)],
        stdout=stdout, stderr=subprocess.PIPE, env=env, text=True,
    )  # fmt: skip
