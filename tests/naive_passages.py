"""Twins of `kernels.passages`; see `naive`."""

from functools import reduce
from itertools import groupby
from statistics import mean

from naive_text import HAS_DIGIT, IS_CHARACTER, hash_pair

NOWHERE = 0xFFFF


def trace(tokens, words, characters, shingles, terms, figures):
    """Take (hash, kind) of each token; give (rank, place) of each."""

    def place(values, value):
        return values.index(value) if value in values else NOWHERE

    traces = []
    for row, known, vocabulary, numbers in zip(tokens, shingles, terms, figures, strict=True):
        traces.append([])
        for i, (h, kind) in enumerate(row):
            run = [h for h, _ in row[i : i + (characters if kind & IS_CHARACTER else words)]]
            whole = len(run) == (characters if kind & IS_CHARACTER else words)
            rank = place(known, reduce(hash_pair, run)) if whole else NOWHERE
            if kind & HAS_DIGIT:
                where = len(vocabulary) + numbers.index(h) if h in numbers else NOWHERE
            elif not kind & IS_CHARACTER:
                where = place(vocabulary, h)
            elif i + 1 < len(row) and row[i + 1][1] & IS_CHARACTER:
                where = place(vocabulary, hash_pair(h, row[i + 1][0]))
            else:
                where = NOWHERE
            traces[-1].append((rank, where))
    return traces


def common(rows, seen, bounds, part, parts):
    """Give the place of each among all hashes, and its row."""
    flat = [(d, value, count) for d, row in enumerate(rows) for value, count in zip(row, seen[d], strict=True)]
    return [
        (place, d)
        for place, (d, value, count) in enumerate(flat)
        if count >= bounds[d] and (value >> 40) % parts == part
    ]


def cover(ranks, flags, least, words):
    """Give the covered tokens of each document, and the shingles inside of runs, as sets."""
    covered, inside = [], []
    for row, flagged in zip(ranks, flags, strict=True):
        tokens, shingles = set(), set()
        runs = groupby(range(len(row)), lambda i, row=row, flagged=flagged: row[i] != NOWHERE and flagged[row[i]])
        for frequent, run in runs:
            places = list(run)
            if frequent and len(places) >= least:
                shingles |= {row[i] for i in places}
                tokens |= {j for i in places for j in range(i, min(i + words, len(row)))}
        covered.append(tokens)
        inside.append(shingles)
    return covered, inside


def discount(covered, places, counts, figures):
    """Take the covered tokens of each document as a set; give the counts left and the figures left."""
    left, kept = [], []
    for tokens, row, count, numbers in zip(covered, places, counts, figures, strict=True):
        gone = [row[i] for i in sorted(tokens) if row[i] != NOWHERE]
        left.append([max(n - gone.count(term), 0) for term, n in enumerate(count)])
        remaining = list(numbers)
        for place in gone:
            if place >= len(count) and numbers[place - len(count)] in remaining:
                remaining.remove(numbers[place - len(count)])
        kept.append(remaining)
    return left, kept


def mean_cosines(rows, sets):
    """Take a dictionary column → weight of each row."""

    def cosine(a, b):
        return sum(weight * rows[b].get(column, 0.0) for column, weight in rows[a].items())

    pairs = [[(a, b) for i, a in enumerate(members) for b in members[:i]] for members in sets]
    return [mean(cosine(a, b) for a, b in both) if both else 0.0 for both in pairs]
