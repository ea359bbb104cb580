"""Documents made to cost more than others, or to be taken for what they are not: one seeded generator for each kind.

Each makes up to `count` documents, most of WORDS words in about 1,600 characters. `BENIGN` is what they are measured
against: resampled from articles put together until they are as long, so that corpora of one count are of one size. The
seed articles themselves have half of that.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import corpus
from dedup import duplicates, text
from dedup.kernels import hashing
from dedup.params import DuplicateParams

CHARS = 2_000  # characters of a text that is not made of words
WORDS = 300  # words of one that is
BENIGN = "benign"
DAY = 24 * corpus.HOUR
NEW = corpus.END - 400 * DAY
FLOOD = 150  # documents that share a key: just not too many to pair them all

Row = dict[str, Any]
Random = np.random.Generator
KINDS: dict[str, Callable[[Random, int], Iterator[Row]]] = {}


def kind(make: Callable[[Random, int], Iterator[Row]]) -> Callable[[Random, int], Iterator[Row]]:
    KINDS[make.__name__] = make
    return make


def write(path: Path, name: str, count: int, seed: int = 0) -> Path:
    """Write a corpus as Parquet and return its path."""
    if name == BENIGN:
        return corpus.write(path, _ordinary_articles(), count, seed)
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
def _ordinary_articles() -> corpus.Source:
    """Invent articles as long as the hostile ones, of which the benign corpus is resampled.

    Few words are common and nearly all rare, as in a language. The sample articles are too few for so many: their
    sentences would come again and again, as boilerplate does.
    """
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ordinary.jsonl")
        with path.open("w", encoding="utf-8") as file:
            for _ in range(2_000):
                sizes = random.integers(8, 30, size=WORDS // 8)
                sizes = sizes[: np.searchsorted(np.cumsum(sizes), WORDS) + 1]
                body = " ".join(sentence(random, size, 1 << 28) for size in sizes.tolist())
                print(json.dumps({"title": sentence(random, 8, 1 << 28), "text": body}), file=file)
        return corpus.read(path)


def _row(number: int, made: Row) -> Row:
    plain = {"id": f"h{number}", "title": f"Note {corpus.spelling(number)}", "source": f"outlet {number % 40}"}
    return {**plain, "date": NEW + number % 365 * DAY, **made}


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


@kind
def same_text(random: Random, count: int) -> Iterator[Row]:
    """The same article again and again."""
    body = sentence(random, WORDS)
    for _ in range(count):
        yield {"text": body, "title": "Harbour closed"}


@kind
def same_notice(random: Random, count: int) -> Iterator[Row]:
    """A notice of few words under ever another title: no two are one unit."""
    body = sentence(random, 40)
    for _ in range(count):
        yield {"text": body}


@kind
def near_copies(random: Random, count: int) -> Iterator[Row]:
    """One text with a few words changed: every two are near, and share most bands and shingles."""
    tokens = words(random, WORDS)
    for _ in range(count):
        yield {"text": " ".join(edited(random, tokens, int(random.integers(1, 4))))}


@kind
def drifting(random: Random, count: int) -> Iterator[Row]:
    """Each the one before with two words changed: a chain without an end."""
    tokens = words(random, WORDS)
    for _ in range(count):
        tokens = edited(random, tokens, 2)
        yield {"text": " ".join(tokens)}


@kind
def nested(random: Random, count: int) -> Iterator[Row]:
    """Each the beginning of the next one, so that every longer text contains all shorter ones."""
    tokens = words(random, 2 * WORDS)
    for number in range(count):
        yield {"text": " ".join(tokens[: 8 + number % (len(tokens) - 8)]) + f" {corpus.spelling(number)}"}


@kind
def template(random: Random, count: int) -> Iterator[Row]:
    """One form filled in with other names and figures."""
    form = words(random, WORDS)
    for _ in range(count):
        tokens = list(form)
        for place in range(0, len(tokens), 12):
            tokens[place] = str(random.integers(10_000)) if place % 24 else words(random, 1)[0]
        yield {"text": " ".join(tokens)}


@kind
def one_footer(random: Random, count: int) -> Iterator[Row]:
    """A line of its own, then the same long footer."""
    footer = sentence(random, WORDS - 20)
    for _ in range(count):
        yield {"text": f"{sentence(random, 20)}\n\n{footer}"}


@kind
def shuffled_footers(random: Random, count: int) -> Iterator[Row]:
    """Nothing but passages of a stock of 300, in any order: a flood of boilerplate."""
    stock = [sentence(random, 15) for _ in range(300)]
    for _ in range(count):
        yield {"text": " ".join(stock[place] for place in random.integers(len(stock), size=WORDS // 15).tolist())}


@kind
def bridges(random: Random, count: int) -> Iterator[Row]:
    """Stories of eight, each chained to the next by an article that holds half of both."""
    vocabulary: list[list[str]] = []
    for number in range(count):
        story = number // 9
        while len(vocabulary) < story + 2:
            vocabulary.append(words(random, 40, 1 << 40))
        mixed = vocabulary[story] + (vocabulary[story + 1] if number % 9 == 8 else [])
        chosen = random.integers(len(mixed), size=WORDS // 2)
        yield {"text": " ".join([*(mixed[place] for place in chosen.tolist()), *words(random, WORDS // 2, 2_000)])}


@kind
def star(random: Random, count: int) -> Iterator[Row]:
    """One article that shares three rare names with each of all others, which share nothing: equal edges to a hub."""
    names = [words(random, 3, 1 << 40) for _ in range(count - 1)]
    held = " ".join(" ".join(three) for three in names)
    yield {"text": held[: max(count * CHARS // 4, 1_000)], "title": "Roll of honour"}
    for three in names:
        yield {"text": " ".join([*three, *three, *words(random, 5, 1 << 40)]), "title": None, "date": NEW}


@kind
def one_topic(random: Random, count: int) -> Iterator[Row]:
    """Every article of the same fifty words in another order: every pair is alike in pass 2, none in pass 1."""
    few = words(random, 50, 1 << 40)
    for _ in range(count):
        yield {"text": " ".join(few[place] for place in random.integers(50, size=WORDS).tolist()), "date": NEW}


@kind
def crossing_phrases(random: Random, count: int) -> Iterator[Row]:
    """Phrases of which each stands in FLOOD documents, among others each time: many share a little with many."""
    per = WORDS // 6
    phrases = [" ".join(words(random, 6, 1 << 40)) for _ in range(max(count * per // FLOOD, per))]
    for _ in range(count):
        yield {"text": ". ".join(phrases[place] for place in random.integers(len(phrases), size=per).tolist())}


@kind
def forged_signatures(random: Random, count: int) -> Iterator[Row]:
    """The smallest hash of every slot in each text, found by trial, and a body of its own: all signatures are equal."""
    params = DuplicateParams()
    tokens = words(random, 60_000, 1 << 40)
    read = duplicates.tokenise(text.comparable(pa.array([" ".join(tokens)])))
    shingles, _ = hashing.shingle(*read[:3], params.shingle_words, params.shingle_chars)
    a, b = duplicates.permutations(params.num_perm)
    low = (shingles & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    smallest = [int(np.argmin(a[slot] * low + b[slot])) for slot in range(params.num_perm)]
    forged = [" ".join(tokens[place : place + params.shingle_words]) for place in smallest]
    for _ in range(count):
        body = words(random, 60, 1 << 40)
        yield {"text": " ".join([*(forged[place] for place in random.permutation(len(forged)).tolist()), *body])}


@kind
def one_token(random: Random, count: int) -> Iterator[Row]:
    """One word, many times; how many times differs."""
    for _ in range(count):
        yield {"text": "spam " * int(random.integers(1, 2 * CHARS // 5))}


@kind
def enormous_token(random: Random, count: int) -> Iterator[Row]:
    """A text without a single space."""
    for _ in range(count):
        yield {"text": "".join(words(random, WORDS))}


@kind
def enormous_texts(random: Random, count: int) -> Iterator[Row]:
    """A million characters each, all different, in as few documents as make the same size."""
    for _ in range(max(count * CHARS // 1_000_000, 2)):
        yield {"text": sentence(random, 150_000)[:1_000_000]}


@kind
def enormous_titles(random: Random, count: int) -> Iterator[Row]:
    """All that an article says is in its title."""
    for _ in range(count):
        yield {"title": sentence(random, WORDS), "text": "See above."}


@kind
def no_words(random: Random, count: int) -> Iterator[Row]:
    """Nothing but marks, digits, punctuation, emoji, white space or format characters."""
    stock = [
        "\u0301\u0327\u0489\u20dd",
        "0123456789",
        "!?.,;:-—…«»",
        "😀🎉🏳\u200d🌈",
        " \t\u00a0\u2003",
        "\u200b\u2060\ufeff\u00ad",
    ]
    for number in range(count):
        some = list(stock[number % len(stock)])
        yield {"text": "".join(some[place] for place in random.integers(len(some), size=CHARS).tolist())}


@kind
def marks_on_letters(random: Random, count: int) -> Iterator[Row]:
    """Letters under heaps of combining marks, out of canonical order."""
    marks = [chr(place) for place in range(0x300, 0x36F)]
    for _ in range(count):
        heap = "".join(marks[place] for place in random.integers(len(marks), size=CHARS // 20).tolist())
        yield {"text": " ".join(letter + heap for letter in "harbourferriesstorms")}


@kind
def invisible(random: Random, count: int) -> Iterator[Row]:
    """One text with characters in it that nobody sees, at other places each time."""
    unseen = np.array(list("\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u202e"))
    letters = np.array(list(sentence(random, WORDS)))
    for _ in range(count):
        marks = np.where(random.random(len(letters)) < 0.2, unseen[random.integers(len(unseen), size=len(letters))], "")
        yield {"text": "".join(np.char.add(letters, marks).tolist()), "title": "Harbour closed"}


@kind
def look_alikes(random: Random, count: int) -> Iterator[Row]:
    """One text in which letters of other scripts, which look the same, stand in ever other words."""
    alike = str.maketrans("aceopxyi", "асеорхуі")
    tokens = words(random, WORDS)
    swapped = [word.translate(alike) for word in tokens]
    for _ in range(count):
        yield {"text": " ".join(np.where(random.random(len(tokens)) < 0.3, swapped, tokens).tolist())}


@kind
def figures(random: Random, count: int) -> Iterator[Row]:
    """Tables of numbers, nearly the same ones each time."""
    rows = random.integers(1_000_000, size=WORDS)
    for _ in range(count):
        yield {"text": " ".join(map(str, np.where(random.random(WORDS) < 0.05, random.integers(100), rows).tolist()))}


@kind
def random_tokens(random: Random, count: int) -> Iterator[Row]:
    """No token comes twice in the corpus: nothing is shared, everything has to be kept."""
    for _ in range(count):
        yield {"text": " ".join(f"{number:x}" for number in random.integers(1 << 60, size=CHARS // 16).tolist())}


@kind
def unspaced(random: Random, count: int) -> Iterator[Row]:
    """Han characters at random: each is a token."""
    for _ in range(count):
        yield {"text": "".join(map(chr, random.integers(0x4E00, 0x9FA5, size=CHARS // 3).tolist()))}


@kind
def forged_dates(random: Random, count: int) -> Iterator[Row]:
    """Ordinary words under dates of one second, of year 1, of the epoch and of the future."""
    dates = [NEW, -62_135_596_800_000_000, 0, 250_000_000_000_000_000, None]
    for number in range(count):
        yield {"text": sentence(random, WORDS), "date": dates[number % len(dates)] if number % 3 else NEW}


@kind
def same_id(random: Random, count: int) -> Iterator[Row]:
    """All under one id, one title and one source."""
    for _ in range(count):
        yield {"text": sentence(random, WORDS), "id": "1", "title": "News", "source": "wire"}
