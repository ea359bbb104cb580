"""Documents that share so much, or seem to, that there are more pairs to look at than can be."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from benchmarks import corpus
from dedup import duplicates, text
from dedup.kernels import hashing
from dedup.params import DuplicateParams
from tests.hostile.making import CHARS, NEW, WORDS, Kinds, Random, Row, edited, sentence, words

FLOOD = 150  # documents that share a key: just not too many to pair them all
KINDS = Kinds()
kind = KINDS.add


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
