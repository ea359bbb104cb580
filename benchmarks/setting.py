"""What a benchmark is run on: sizes, threads, and the inputs, which are made once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import sparse

from benchmarks import corpus, inputs, project
from benchmarks.measuring import OURS
from dedup import text
from dedup.params import StoryParams

_MARKS = r"[\p{M}_\d]+"  # what scikit-learn's pattern and the project's tokens see differently


@dataclass
class Setting:
    """The options of a run, and its folder for inputs."""

    folder: Path
    source: Path = corpus.SEEDS
    articles: int = 10_000
    small: int = 300  # articles that tools warm up on
    runs: int = 3
    threads: tuple[int, ...] = (1, 2)
    seed: int = 0
    days: float | None = 365
    jaccard: float = 0.7
    floors: tuple[float, ...] = (0.5, 0.3, 0.1, StoryParams().pair_floor)
    sizes: tuple[int, ...] = (10_000, 20_000, 40_000)
    pairs: int = 1_000_000
    budget: float = 40  # seconds for all peers of one floor of `cosine`, foretold from a smaller size
    levels: tuple[str, ...] = ("duplicate", "story")
    instructions: bool = False
    cold: bool = True  # time the compilation of all kernels too
    isolated: bool = True  # each run in a process of its own
    warmed: set[str] = field(default_factory=set)  # levels whose kernels are compiled
    _read: dict[bool, corpus.Source] = field(default_factory=dict)

    def corpus(self, count: int, *, spaced: bool = True, folded: bool = False) -> Path:
        """Return a corpus of `count` articles.

        Parameters
        ----------
        spaced : without scripts that other tools see no words in
        folded : its texts in comparable form, without what scikit-learn sees as other words
        """
        path = self.folder / f"{count}{'-spaced' * spaced}{'-folded' * folded}.parquet"
        if folded and not path.exists():
            table = pq.read_table(self.corpus(count))
            plain = pc.replace_substring_regex(text.comparable(table["text"]), _MARKS, " ")
            pq.write_table(table.set_column(table.column_names.index("text"), "text", plain.cast(pa.string())), path)
        elif not path.exists():
            if spaced not in self._read:
                self._read[spaced] = corpus.read(self.source, spaced)
            corpus.write(path, self._read[spaced], count, self.seed, self.days)
        return path

    def vectors(self, count: int) -> Path:
        """Return TF-IDF vectors of as many articles, stop words kept, by scikit-learn."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        path = self.folder / f"{count}.npz"
        if not path.exists():
            texts = inputs.strings(self.corpus(count))
            matrix = TfidfVectorizer(sublinear_tf=True, dtype=np.float32).fit_transform(texts)
            project.save_vectors(path, sparse.csr_array(matrix))
        return path

    def links(self, pairs: int) -> Path:
        """Return weighted pairs, about 180 a document, a quarter within communities of 50; no two weights are equal."""
        path = self.folder / f"links-{pairs}.npz"
        if not path.exists():
            random = np.random.default_rng(self.seed)
            n = max(round(pairs * 11_000 / 1_000_000), 20)
            left, right = random.integers(n, size=(2, 4 * pairs))
            near = random.random(4 * pairs) < 0.3
            right[near] = np.minimum(left[near] // 50 * 50 + random.integers(50, size=int(near.sum())), n - 1)
            both = np.unique(np.minimum(left, right) * n + np.maximum(left, right))
            both = random.permutation(both[both // n != both % n])[:pairs]
            left, right = both // n, both % n
            same = left // 50 == right // 50
            weight = np.where(same, 0.3 + 0.69 * random.random(len(both)), 0.02 + 0.2 * random.random(len(both)))
            units = np.rint(weight * 2**30).astype(np.int64)  # as whole units, each its rank more: no two are equal
            units[np.argsort(units, kind="stable")] += np.arange(len(units))
            np.savez(path, n=n, left=right, right=left, weight=units / 2**30)
        return path

    def section(
        self, name: str, rows: list[dict[str, Any]], skipped: list[dict[str, str]], **facts: Any
    ) -> dict[str, Any]:
        """Return the record of one benchmark: ratios are a tool's seconds over the project's on as many threads.

        `ratio_best` of a tool without threads is that over the project's on most threads.
        """
        own = {row["threads"]: row["seconds"] for row in rows if row["tool"] == OURS}
        for row in rows:
            alone = sum(other["tool"] == row["tool"] for other in rows) == 1
            base, best = own.get(row["threads"]), own.get(max(own, default=0))
            row["ratio"] = row["seconds"] / base if base and row["counts"] else None
            alone = alone and row["threads"] != max(own, default=0)
            row["ratio_best"] = row["seconds"] / best if best and alone and row["counts"] else None
        made = "seeds" if self.source == corpus.SEEDS else "articles given by --corpus"
        return {"name": name, "facts": {"from": made, "seed": self.seed, **facts}, "rows": rows, "skipped": skipped}
