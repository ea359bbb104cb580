"""What the generators are made of: sizes, words as of a language, and lists of kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks import corpus

CHARS = 2_000  # characters of a text that is not made of words
WORDS = 300  # words of one that is
DAY = 24 * corpus.HOUR
NEW = corpus.END - 400 * DAY

Row = dict[str, Any]
Random = np.random.Generator
Make = Callable[[Random, int], Iterator[Row]]


class Kinds(dict[str, Make]):
    """Generators by name."""

    def add(self, make: Make) -> Make:
        self[make.__name__] = make
        return make


def words(random: Random, n: int, size: int = 40_000) -> list[str]:
    """Draw words of a vocabulary of `size`, few of them often (Zipf)."""
    ranks = (size ** random.random(n)).astype(np.int64)
    return [corpus.spelling(rank) for rank in ranks.tolist()]


def sentence(random: Random, n: int, size: int = 40_000) -> str:
    return " ".join(words(random, n, size)).capitalize() + "."


def edited(random: Random, tokens: list[str], changes: int) -> list[str]:
    tokens = list(tokens)
    for place in random.integers(len(tokens), size=changes).tolist():
        tokens[place] = corpus.spelling(int(random.integers(1 << 40)))
    return tokens
