"""Twins of the kernels that find and score pairs of copies."""

import math
from collections import Counter
from fractions import Fraction
from functools import reduce
from itertools import groupby

from naive_text import hash_pair

M32 = 2**32 - 1


# minhash, lsh, prefix, jaccard


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


def count_columns(columns, counts):
    return [count + columns.count(column) for column, count in enumerate(counts)]


def move(data, starts, sizes, places, out):
    out = bytearray(out)
    for start, size, place in zip(starts, sizes, places, strict=True):
        out[place : place + size] = data[start : start + size]
    return bytes(out)


def count_slots(rows, alive, counts, first, bits, most):
    some = [row for row, is_alive in zip(rows, alive, strict=True) if is_alive]
    found = Counter((value >> (64 - bits)) - first for row in some for value in row)
    return [min(most, count + found[slot]) for slot, count in enumerate(counts)]


def look_up(rows, alive, counts, first, bits, seen):
    known = {first + slot: count for slot, count in enumerate(counts)}
    return [
        [known.get(value >> (64 - bits), was) if counts else was for value, was in zip(row, before, strict=True)]
        for row, counts, before in zip(rows, alive, seen, strict=True)
    ]


def prefix_keys(rows, alive, seen, missing):
    chosen = []
    for counts, is_alive in zip(seen, alive, strict=True):
        if not is_alive:
            chosen.append([False] * len(counts))
            continue
        wanted = math.floor(Fraction(missing).limit_denominator(10**6) * len(counts)) + 3
        rarest = sorted(range(len(counts)), key=lambda i, counts=counts: (counts[i], i))
        chosen.append([i in rarest[:wanted] and counts[i] > 1 for i in range(len(counts))])
    return chosen


def mark(rows, chosen, bits):
    """Return the bits that the chosen hashes set."""
    return {v % bits for row, keys in zip(rows, chosen, strict=True) for v, key in zip(row, keys, strict=True) if key}


def key_postings(rows, alive, chosen, marked, bits):
    return [
        (value, d, chosen[d][i])
        for d, row in enumerate(rows)
        for i, value in enumerate(row)
        if alive[d] and value % bits in marked
    ]


def keys_of_members(keys, members, is_key, n):
    """Return the (place, list) of each key of each member; lists are numbered by key."""
    lists = sorted(set(keys))
    return [
        [(i, lists.index(key)) for i, key in enumerate(keys) if is_key[i] and members[i] == member]
        for member in range(n)
    ]


def prefix_join(keys, members, is_key, sizes, hot, predecessors, most=10**9):
    holders = {}
    for key, member in zip(keys, members, strict=True):
        holders.setdefault(key, []).append(member)
    chosen = {(key, member) for key, member, own in zip(keys, members, is_key, strict=True) if own}
    pairs = set()
    for d, size in enumerate(sizes):
        own = {key for key, member in chosen if member == d}
        found = {}  # in the order of the lists in which they stand first
        for key in sorted(own):
            for other in holders[key] if len(holders[key]) <= hot else ():
                if other != d and sizes[other] >= size:
                    found[other] = found.get(other, 0) + 1
        enough = [other for other, common in found.items() if common >= min(3, size)]
        enough.sort(key=lambda other: -found[other])
        pairs |= {(min(d, other), max(d, other)) for other in enough[:most]}
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
