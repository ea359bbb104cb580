"""Twins of the kernels that read texts and tokens; what a letter is comes from `unicodedata`, not from `dedup.text`."""

import math
import re
import unicodedata
from collections import Counter
from functools import cache, reduce
from itertools import pairwise

M64 = 2**64 - 1
IS_CHARACTER, HAS_DIGIT, HAS_TWO = 1, 2, 4
UNSPACED = (
    *("\u0e00\u0e7f", "\u0e80\u0eff", "\u1000\u109f", "\ua9e0\ua9ff", "\uaa60\uaa7f", "\u1780\u17ff"),  # Thai … Khmer
    *("\u3005\u3007", "\u3040\u309f", "\u30a0\u30ff", "\u31f0\u31ff"),  # Kana
    *("\u3400\u4dbf", "\u4e00\u9fff", "\uf900\ufaff", "\U00020000\U000323af"),  # Han
    "\U0001aff0\U0001b16f",  # Kana supplements
)

# All that a canonical composite has after its first character, and what Hangul syllables have.
SECONDS = {
    chr(int(parts[1], 16))
    for parts in (unicodedata.decomposition(chr(c)).split() for c in range(0x110000))
    if len(parts) == 2 and parts[0][0] != "<"
} | {chr(c) for c in range(0x1160, 0x1200)}


# folding


@cache
def what(char):
    """Return what a character is to the tokeniser."""
    category = unicodedata.category(char)
    if category == "Cf":
        return "dropped"
    if char.isspace():
        return "space"
    if category == "Nd":
        return "digit"
    if category[0] in "LMN":
        return "unspaced" if any(first <= char <= last for first, last in UNSPACED) else "letter"
    return "other"


@cache
def joins(char):
    """Tell whether a character, or what NFKC makes of it, may change with its neighbours."""
    parts = unicodedata.normalize("NFKC", char)
    seconds = any(part in SECONDS for part in parts)
    unknown = any(unicodedata.category(part) == "Cn" for part in parts)
    if unicodedata.combining(char) and parts == char and not unknown:
        return "composing" if seconds else "mark"
    grows = len(fold_chars(parts)) > 3 or len(fold_chars(parts).encode()) > 3 * len(char.encode())
    marked = any(unicodedata.combining(part) for part in parts)
    alone = not (seconds or unknown or marked) and max(parts) < "\U00020000"
    if not alone or grows or " " in fold_chars(parts)[1:] or char >= "\U00020000":
        return "joining"
    return "alone" if parts == char else "replaced"


def unsettled(texts):
    """Return 2 for texts that need all of NFKC, 1 for those that need marks put together, else 0."""
    return [max(map(need, marked_characters(text)), default=0) for text in texts]


def marked_characters(text):
    """Split a text before each character that is no mark."""
    parts = [[]]
    for char in text:
        if joins(char) not in ("mark", "composing"):
            parts.append([])
        parts[-1].append(char)
    return parts


def need(chars):
    marks = [joins(char) for char in chars if joins(char) in ("mark", "composing")]
    if "joining" in map(joins, chars) or len(marks) > 30:
        return 2
    if len(marks) > 1 or "composing" in marks:
        return 2 if joins(chars[0]) == "replaced" else 1
    return 0


def compose(texts):
    """Normalise what has marks; the rest may hold characters that NFC replaces, and stays."""
    return [
        "".join(
            unicodedata.normalize("NFC", "".join(chars)) if len(chars) > 1 or need(chars) else "".join(chars)
            for chars in marked_characters(text)
        )
        for text in texts
    ]


def fold_chars(text):
    chars = []
    for char in text:
        if what(char) == "space":
            chars.append(" ")
        elif what(char) == "digit":
            chars.append(str(unicodedata.decimal(char)))
        elif what(char) != "dropped":
            chars.append(char.casefold())
    return "".join(chars)


def fold(texts):
    return [re.sub(" +", " ", fold_chars(unicodedata.normalize("NFKC", text))).strip(" ") for text in texts]


# hashing


def mix64(h):
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCD & M64
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53 & M64
    return h ^ h >> 33


def hash_bytes(data):
    h = 0
    for i in range(0, len(data), 8):
        h = (h ^ int.from_bytes(data[i : i + 8], "little")) * 0x9E3779B97F4A7C15 & M64
        h ^= h >> 32
    return mix64(h)


def hash_pair(a, b):
    return mix64(a * 0x100000001B3 + b + 0x9E3779B97F4A7C15 & M64)


def hash_neighbours(hashes):
    return [hash_pair(a, b) for a, b in pairwise(hashes)]


def hash_pairs(firsts, seconds):
    return [hash_pair(a, b) for a, b in zip(firsts, seconds, strict=True)]


def digest(texts):
    digests = []
    for text in texts:
        high, low = 0xCBF29CE484222325, 0xC4CEB9FE1A85EC53
        for byte in text.encode():
            high = (high ^ byte) * 0x100000001B3 & M64
            low = (low ^ byte) * 0xFF51AFD7ED558CCD & M64
            low ^= low >> 33
        digests.append([mix64(high), mix64(low)])
    return digests


def tokenise(texts):
    """Give (hash, kind, first byte, byte after the last) of each token."""
    rows = []
    for text in texts:
        row, word, at = [], "", 0
        for char in text + "\n":  # which ends the last word
            if what(char) in ("letter", "digit"):
                word += char
            elif word:
                digits = HAS_DIGIT if any(what(c) == "digit" for c in word) else 0
                two = HAS_TWO if len(word) > 1 else 0
                row.append((hash_bytes(word.encode()), digits + two, at - len(word.encode()), at))
                word = ""
            if what(char) == "unspaced":
                row.append((hash_bytes(char.encode()), IS_CHARACTER, at, at + len(char.encode())))
            at += len(char.encode())
        rows.append(row)
    return rows


def numbers(texts):
    figures = re.compile(r"\d+(?:[.,:/]\d+)*", re.ASCII)
    return [sorted(hash_bytes(figure.encode()) for figure in figures.findall(text)) for text in texts]


def shingle(tokens, words, characters):
    rows = []
    for row in tokens:
        widths = [characters if kind & IS_CHARACTER else words for _, kind in row]
        runs = [row[i : i + width] for i, width in enumerate(widths) if i + width <= len(row)]
        if row and not runs:
            runs = [row]
        rows.append([reduce(hash_pair, [h for h, _ in run]) for run in runs])
    return rows


def distinct(rows):
    return [sorted(set(row)) for row in rows]


# tfidf


def language_votes(texts, most, languages, script, names):
    """Take the languages of each function word's hash and the language of a character's script; give Counters."""
    votes = []
    for text, row in zip(texts, tokenise(texts), strict=True):
        counted = Counter()
        for token in row[:most]:
            first = text.encode()[token[2] :].decode()[0]
            counted.update([script[first]] if first in script else languages.get(token[0], ()))
        votes.append([counted[name] for name in names])
    return votes


def count_terms(bodies, titles, title_weight, stop_words, spoken):
    """Take the languages of each function word's hash, and those that each document speaks."""

    def terms(row, spoken):
        for (h, kind), (successor, next_kind) in pairwise([*row, (0, 0)]):
            if kind & next_kind & IS_CHARACTER:
                yield hash_pair(h, successor)
            if kind & HAS_TWO and not kind & HAS_DIGIT and not stop_words.get(h, set()) & spoken:
                yield h

    counted = []
    for body, title, own in zip(bodies, titles, spoken, strict=True):
        bag = Counter(terms(body, own))
        for _ in range(title_weight):
            bag.update(terms(title, own))
        counted.append(sorted(bag.items()))
    return counted


def index(keys, slots):
    size = 2**64 // slots
    return [sum(key < slot * size for key in keys) for slot in range(slots + 1)]


def lookup(keys, values):
    return [keys.index(value) if value in keys else -1 for value in values]


def count_peers(rows, group, lacking, documents, some):
    of_term = [[g for row, g in zip(rows, group, strict=True) if c in row] for c in some]
    return (
        [len(groups) for groups in of_term],
        [sum(lacking[g] for g in groups) for groups in of_term],
        [sum(documents[g] for g in groups) for groups in of_term],
    )


def falling_ranks(counts):
    by_count = sorted(range(len(counts)), key=lambda place: (-counts[place], place))
    return [by_count.index(place) for place in range(len(counts))]


def unit_rows(rows, idf):
    """Take (column, count) of each row; give the weights."""
    weighed = []
    for row in rows:
        weights = [math.sqrt(count) * idf[column] for column, count in row]
        length = math.sqrt(add(weight * weight for weight in weights))
        weighed.append([weight / length if length else 0.0 for weight in weights])
    return weighed


def add(values):
    """Add in index order without tricks (`sum` compensates from Python 3.12 on)."""
    return reduce(lambda a, b: a + b, values, 0.0)
