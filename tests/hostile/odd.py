"""Documents of an odd make: their tokens, characters, sizes, dates or ids."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.hostile.making import CHARS, NEW, WORDS, Kinds, Random, Row, sentence, words

KINDS = Kinds()
kind = KINDS.add


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
