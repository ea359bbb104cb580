"""A corpus of any size, resampled from articles with planted copies and dates; the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

DAY = 86_400_000_000  # microseconds
START = 1_735_689_600_000_000  # 1 January 2025
SPAN_DAYS = 365


def articles(path: Path) -> list[dict[str, str]]:
    """Read the articles that the corpus is resampled from: JSON Lines with title and text."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]


def resample(source: list[dict[str, str]], count: int, seed: int = 0) -> pa.Table:
    """Make `count` articles: 60 % new mixtures of sentences, 30 % edited copies, 10 % exact copies of earlier ones."""
    return pa.Table.from_pylist(list(_rows(source, count, np.random.default_rng(seed)))).cast(
        pa.schema(
            [("id", pa.string()), ("title", pa.string()), ("text", pa.string()), ("date", pa.timestamp("us", "UTC"))]
        )
    )


def _rows(source: list[dict[str, str]], count: int, random: np.random.Generator) -> Iterator[dict[str, object]]:
    sentences = [article["text"].replace("\n", " ").split(". ") for article in source]
    made: list[tuple[str, list[str], int]] = []
    for i in range(count):
        kind = random.random()
        if made and kind >= 0.6:
            title, parts, day = made[int(random.integers(len(made)))]
            parts = list(parts)
            if kind < 0.9:
                del parts[int(random.integers(len(parts)))]
            day += int(random.integers(3))
        else:
            origin = int(random.integers(len(source)))
            other = int(random.integers(len(source)))
            title = f"{source[origin]['title']} ({i})"
            # A name of its own in every sentence keeps mixtures of the same sentences apart.
            parts = [f"{part} at place{i}" for part in [*sentences[origin][:4], *sentences[other][-3:]]]
            day = int(random.integers(SPAN_DAYS))
        parts = parts or [title]
        made.append((title, parts, day))
        yield {"id": str(i), "title": title, "text": ". ".join(parts), "date": START + day * DAY}


def write(table: pa.Table, path: Path) -> Path:
    """Write the corpus as Parquet and return its path."""
    pq.write_table(table, path)
    return path
