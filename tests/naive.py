"""The kernels again, in obvious Python: each function here is the twin of the compiled one of the same name.

A twin takes and gives lists with one entry per document where a kernel has values and offsets; texts are `str`, hashes
plain integers. Nothing is shared with `dedup`: what a letter is comes from `unicodedata`, not from `dedup.text`.
"""

import math
import re
import unicodedata
from collections import Counter
from fractions import Fraction
from functools import cache, reduce
from itertools import groupby, pairwise

import numpy as np

M64, M32 = 2**64 - 1, 2**32 - 1
IS_CHARACTER, HAS_DIGIT, HAS_TWO = 1, 2, 4
UNIT = 2.0**-30
UNSPACED = (
    *("\u0e00\u0e7f", "\u0e80\u0eff", "\u1000\u109f", "\ua9e0\ua9ff", "\uaa60\uaa7f", "\u1780\u17ff"),  # Thai … Khmer
    *("\u3005\u3007", "\u3040\u309f", "\u30a0\u30ff", "\u31f0\u31ff"),  # Kana
    *("\u3400\u4dbf", "\u4e00\u9fff", "\uf900\ufaff", "\U00020000\U000323af"),  # Han
    "\U0001aff0\U0001b16f",  # Kana supplements
)


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


def non_ascii(texts):
    return [not text.isascii() for text in texts]


def fold(texts):
    folded = []
    for text in texts:
        chars = []
        for char in unicodedata.normalize("NFKC", text):
            if what(char) == "space":
                chars.append(" ")
            elif what(char) == "digit":
                chars.append(str(unicodedata.decimal(char)))
            elif what(char) != "dropped":
                chars.append(char.casefold())
        folded.append(re.sub(" +", " ", "".join(chars)).strip(" "))
    return folded


# hashing


def mix64(h):
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCD & M64
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53 & M64
    return h ^ h >> 33


def hash_bytes(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & M64
    return mix64(h)


def hash_pair(a, b):
    return mix64(a * 0x100000001B3 + b + 0x9E3779B97F4A7C15 & M64)


def hash_neighbours(hashes):
    return [hash_pair(a, b) for a, b in pairwise(hashes)]


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
    """Give (hash, kind, first byte, byte after the last) of each token; bytes count through all texts."""
    rows, base = [], 0
    for text in texts:
        row, word, at = [], "", base
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
        base += len(text.encode())
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
        rows.append(sorted({reduce(hash_pair, [h for h, _ in run]) for run in runs}))
    return rows


def distinct(rows):
    return [sorted(set(row)) for row in rows]


# minhash, lsh, jaccard


def minhash(rows, a, b):
    signatures = []
    for row in rows:
        hashes = [mix32(h & M32) for h in row]
        signatures.append([min((x * h + y & M32 for h in hashes), default=M32) for x, y in zip(a, b, strict=True)])
    return signatures


def mix32(h):
    h = (h ^ h >> 16) * 0x85EBCA6B & M32
    h = (h ^ h >> 13) * 0xC2B2AE35 & M32
    return h ^ h >> 16


def band_keys(signatures, bands, rows):
    return [[reduce(hash_pair, s[band * rows : (band + 1) * rows], band) for s in signatures] for band in range(bands)]


def run_pairs(keys, members, hot, predecessors):
    pairs = []
    for _, group in groupby(zip(keys, members, strict=True), key=lambda posting: posting[0]):
        run = [member for _, member in group]
        for i, member in enumerate(run):
            before = run[:i] if len(run) <= hot else run[max(0, i - predecessors) : i]
            pairs += [(min(member, other), max(member, other)) for other in before]
    return pairs


def count_slots(values, counts):
    found = Counter(value % len(counts) for value in values)
    return [min(255, count + found[slot]) for slot, count in enumerate(counts)]


def prefix_keys(rows, counts, missing):
    chosen = []
    for row in rows:
        wanted = math.floor(Fraction(missing).limit_denominator(10**6) * len(row)) + 3
        rarest = sorted(range(len(row)), key=lambda i, row=row: (counts[row[i] % len(counts)], i))
        chosen.append([i in rarest[:wanted] for i in range(len(row))])
    return chosen


def postings(rows, chosen, counts):
    marked = set()
    for row, keys in zip(rows, chosen, strict=True):
        marked |= {v % len(counts) for v, key in zip(row, keys, strict=True) if key and counts[v % len(counts)] > 1}
    return [
        (value, d, chosen[d][i])
        for d, row in enumerate(rows)
        for i, value in enumerate(row)
        if value % len(counts) in marked
    ]


def prefix_join(keys, members, is_key, sizes, hot, predecessors):
    holders = {}
    for key, member in zip(keys, members, strict=True):
        holders.setdefault(key, []).append(member)
    chosen = {(key, member) for key, member, own in zip(keys, members, is_key, strict=True) if own}
    pairs = set()
    for d, size in enumerate(sizes):
        own = {key for key, member in chosen if member == d}
        for other in range(len(sizes)):
            common = [key for key in own if len(holders[key]) <= hot and other in holders[key]]
            if other != d and sizes[other] >= size and common and len(common) >= min(3, size):
                pairs.add((min(d, other), max(d, other)))
        for key in own:
            if len(holders[key]) > hot:
                at = holders[key].index(d)
                near = holders[key][max(0, at - predecessors) : at + predecessors + 1]
                pairs |= {(min(d, other), max(d, other)) for other in near if other != d}
    return pairs


def overlap(rows, left, right):
    return [sum((Counter(rows[i]) & Counter(rows[j])).values()) for i, j in zip(left, right, strict=True)]


def components(n, left, right):
    label = list(range(n))
    for i, j in zip(left, right, strict=True):
        old, new = max(label[i], label[j]), min(label[i], label[j])
        label = [new if x == old else x for x in label]
    return label


# tfidf, cosine


def count_terms(bodies, titles, title_weight, stop_words):
    def terms(row):
        for (h, kind), (successor, next_kind) in pairwise([*row, (0, 0)]):
            if kind & next_kind & IS_CHARACTER:
                yield hash_pair(h, successor)
            if kind & HAS_TWO and not kind & HAS_DIGIT and h not in stop_words:
                yield h

    counted = []
    for body, title in zip(bodies, titles, strict=True):
        bag = Counter(terms(body))
        for _ in range(title_weight):
            bag.update(terms(title))
        counted.append(sorted(bag.items()))
    return counted


def lookup(keys, values):
    return [keys.index(value) if value in keys else -1 for value in values]


def unit_rows(rows, idf):
    """Take (column, count) of each row; give the weights."""
    weighed = []
    for row in rows:
        weights = [math.sqrt(count) * idf[column] for column, count in row]
        length = math.sqrt(add(weight * weight for weight in weights))
        weighed.append([weight / length if length else 0.0 for weight in weights])
    return weighed


def transpose(rows, n_columns):
    """Take {column: weight} of each row; give (row, weight) of each column."""
    return [[(d, row[column]) for d, row in enumerate(rows) if column in row] for column in range(n_columns)]


def add(values):
    """Add in index order without tricks (`sum` compensates from Python 3.12 on)."""
    return reduce(lambda a, b: a + b, values, 0.0)


def dot(x, y):
    return add(x[column] * y[column] for column in sorted(x) if column in y)


def decay(day_i, day_j, floor, scale):
    apart = abs(day_i - day_j)
    return 1.0 if math.isnan(apart) else floor + (1 - floor) * math.exp(-apart / scale)


def similar_pairs(
    first, last, known, rows, refused, days, tolls, shares, crowd, near, floor, decay_floor, time_scale
):  # fmt: skip
    """Take {column: weight} of each row and refused (i, j); give tolls, [(neighbour, weight)], [(i, j, cosine)]."""
    own, neighbours, pairs = [], [], []
    for i in range(first, last):
        cosines = {}
        for j in range(len(rows)):
            if i != j and (i, j) not in refused and (j, i) not in refused and dot(rows[i], rows[j]) >= floor:
                cosines[j] = dot(rows[i], rows[j])
        own.append(shares[i] * add(sorted(cosines.values(), reverse=True)[:crowd]) / crowd)
        faded = {j: cosine * decay(days[i], days[j], decay_floor, time_scale) for j, cosine in cosines.items()}
        best = sorted(faded, key=lambda j, faded=faded: (-faded[j], j))[:near]
        neighbours.append([(j, faded[j]) for j in best] + [(-1, 0.0)] * (near - len(best)))
        for j, cosine in cosines.items():
            if j < i and 2 * cosine >= own[-1] + (tolls[j] if j < known else 0):
                pairs.append((i, j, cosine))
    return own, neighbours, pairs


def mixed(i, rows, neighbours, weights):
    """Return row i plus its weighted neighbours."""
    out = Counter(rows[i])
    for j, weight in zip(neighbours[i], weights[i], strict=True):
        if j >= 0:
            out.update({column: weight * value for column, value in rows[j].items()})
    return out


def feedback_norms(rows, neighbours, weights):
    return [math.sqrt(add(v * v for v in mixed(i, rows, neighbours, weights).values())) for i in range(len(rows))]


def feedback_cosines(rows, neighbours, weights, norms, left, right):
    every = [mixed(i, rows, neighbours, weights) for i in range(len(rows))]
    return [dot(every[i], every[j]) / (norms[i] * norms[j]) for i, j in zip(left, right, strict=True)]


def best_scores(n, left, right, score, count):
    own = [[0.0] * count for _ in range(n)]
    for i, j, s in zip(left, right, score, strict=True):
        own[i].append(s)
        own[j].append(s)
    return [sorted(scores, reverse=True)[:count] for scores in own]


def pair_cosines(rows, left, right):
    return [dot(rows[i], rows[j]) for i, j in zip(left, right, strict=True)]


# linkage


def average_linkage(n, left, right, weight, floor):
    """Give (children, heights); the pair merged is the best one, and of equals the one with the smallest positions."""
    total = {}  # of weights between clusters that touch, smaller position first
    members = {c: [c] for c in range(n)}
    for i, j, w in zip(left, right, weight, strict=True):
        total[min(i, j), max(i, j)] = w
    children, heights = [], []
    while total:
        # Averages are whole numbers over whole numbers: no rounding anywhere.
        average = {(a, b): Fraction(w, len(members[a]) * len(members[b])) for (a, b), w in total.items()}
        a, b = min(total, key=lambda pair: (-average[pair], min(members[pair[0]]), min(members[pair[1]])))
        if average[a, b] * Fraction(UNIT) < Fraction(floor):
            break
        children.append([a, b])
        heights.append(float(average[a, b]) * UNIT)
        node = n + len(children) - 1
        members[node] = members[a] + members[b]
        joined = {}
        for (x, y), w in total.items():
            if (x, y) != (a, b):
                ends = [node if c in (a, b) else c for c in (x, y)]
                ends = tuple(sorted(ends, key=lambda c: min(members[c])))
                joined[ends] = joined.get(ends, 0) + w
        total = joined
    return children, heights


def tree_cut(n, children, heights, single, power):
    def leaves(node):
        return [node] if node < n else [leaf for child in children[node - n] for leaf in leaves(child)]

    def height(node):  # no higher than any merge inside
        inner = [child for child in children[node - n] if child >= n] if node >= n else []
        return min([heights[node - n], *map(height, inner)]) if node >= n else single

    def best(node, above):
        """Return the best value at or under a node, and the kept node of each leaf."""
        value = len(leaves(node)) * (height(node) ** power - above**power)
        if node >= n:
            (value_a, kept_a), (value_b, kept_b) = (best(child, height(node)) for child in children[node - n])
            if value_a + value_b > value:
                return value_a + value_b, kept_a | kept_b
        return value, dict.fromkeys(leaves(node), node)

    below = {child for pair in children for child in pair}
    kept = {}
    for node in range(n + len(children)):
        if node not in below:
            kept |= best(node, 0.0)[1]
    return [kept[leaf] for leaf in range(n)]


# from lists to the arrays of a kernel and back


def ragged(rows, dtype=np.uint64):
    """Return values and offsets."""
    return np.array([value for row in rows for value in row], dtype), np.cumsum([0, *map(len, rows)], dtype=np.int64)


def unragged(values, offsets):
    assert offsets.dtype == np.int64
    assert offsets[-1] == len(values)
    return [values[a:b].tolist() for a, b in pairwise(offsets.tolist())]


def utf8(texts):
    """Return bytes and offsets."""
    return ragged([text.encode() for text in texts], np.uint8)
