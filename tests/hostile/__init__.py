"""Documents made to cost more than others, or to be taken for what they are not: one seeded generator for each kind.

Each makes up to `count` documents, most of WORDS words in about 1,600 characters. `BENIGN` is what they are measured
against: resampled from invented articles that are as long, so that corpora of one count are of one size. The seed
articles themselves have half of that.
"""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import corpus
from tests.hostile import alike, odd
from tests.hostile.making import DAY, NEW, WORDS, Row, sentence

BENIGN = "benign"
KINDS = {**alike.KINDS, **odd.KINDS}


def write(path: Path, name: str, count: int, seed: int = 0, length: int = WORDS) -> Path:
    """Write a corpus as Parquet and return its path.

    Parameters
    ----------
    length : words of a benign document
    """
    if name == BENIGN:
        return corpus.write(path, _ordinary_articles(length), count, seed)
    random = np.random.default_rng([seed, count])
    with pq.ParquetWriter(path, corpus.SCHEMA) as writer:
        batch: list[Row] = []
        for number, made in enumerate(KINDS[name](random, count)):
            batch.append(_row(number, made))
            if len(batch) == 1_000:
                writer.write_table(pa.Table.from_pylist(batch, corpus.SCHEMA))
                batch.clear()
        writer.write_table(pa.Table.from_pylist(batch, corpus.SCHEMA))
    return path


@cache
def _ordinary_articles(length: int) -> corpus.Source:
    """Invent articles of so many words, of which the benign corpus is resampled.

    Few words are common and nearly all rare, as in a language. The sample articles are too few for so many: their
    sentences would come again and again, as boilerplate does.
    """
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ordinary.jsonl")
        with path.open("w", encoding="utf-8") as file:
            for _ in range(2_000):
                sizes = random.integers(8, 30, size=length // 8)
                sizes = sizes[: np.searchsorted(np.cumsum(sizes), length) + 1]
                body = " ".join(sentence(random, size, 1 << 28) for size in sizes.tolist())
                print(json.dumps({"title": sentence(random, 8, 1 << 28), "text": body}), file=file)
        return corpus.read(path)


def _row(number: int, made: Row) -> Row:
    plain = {"id": f"h{number}", "title": f"Note {corpus.spelling(number)}", "source": f"outlet {number % 40}"}
    return {**plain, "date": NEW + number % 365 * DAY, **made}
