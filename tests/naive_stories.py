"""Twins of the kernels that link texts to stories."""

import math
from collections import Counter
from fractions import Fraction

import numpy as np
from naive_text import add

UNIT = 2.0**-30


# postings


def order_rows(rows):
    return [dict(sorted(row.items())) for row in rows]


def block_postings(rows, order, n_columns, size):
    """Take {column: weight} of each row; give (place in the block, weight) of each column, for each block."""
    rows = [rows[d] for d in order]
    blocks = [rows[first : first + size] for first in range(0, len(rows), size)]
    return [[[(i, row[c]) for i, row in enumerate(block) if c in row] for c in range(n_columns)] for block in blocks]


def common_parts(rows, order, checkpoints):
    """Give (column, weight) of each row before the last checkpoint, and the length before each checkpoint."""
    rows = [rows[d] for d in order]
    parts = [[(c, row[c]) for c in sorted(row) if c < checkpoints[-1]] for row in rows]
    norms = [[math.sqrt(add(row[c] ** 2 for c in sorted(row) if c < end)) for end in checkpoints] for row in rows]
    return parts, norms


def within_budget(rows, order, frequencies, shares, budget):
    """Give how many terms of each row are left out."""
    out = []
    for row, share in zip((rows[d] for d in order), shares, strict=True):
        left, visits = len(row), 0.0
        for column in sorted(row, reverse=True):
            visits += share * frequencies[column]
            if visits > budget:
                break
            left -= 1
        out.append(left)
    return out


def heaviest(rows, wanted, groups, count):
    """Take {column: weight} of each row; give the columns that weigh most over each group of rows."""
    out = []
    for members in groups:
        total = {}
        for row in members:
            for column, weight in rows[row].items():
                total[column] = total.get(column, 0.0) + weight
        ranked = sorted((-weight, column) for column, weight in total.items() if weight > 0 and wanted[column])
        out.append(([column for _, column in ranked] + [-1] * count)[:count])
    return out


# cosine, nearest, feedback


def dot(x, y):
    return add(x[column] * y[column] for column in sorted(x) if column in y)


def decay(day_i, day_j, floor, scale):
    apart = abs(day_i - day_j)
    return 1.0 if math.isnan(apart) else floor + (1 - floor) * math.exp(-apart / scale)


def thresholds(state, i):
    """Return what a cosine must reach to be among the best or nearest of a place, and half its toll; a bit less."""
    below, crowd = 1 - 2.0**-20, len(state["best"][i])
    least = min(state["best"][i][-1], *(weight for weight, _ in state["nearest"][i]))
    return np.float32(least * below), np.float32(state["shares"][i] * add(state["best"][i]) / crowd / 2 * below)


def meet(state, i, j, cosine, fading):
    """Tell place i of place j."""
    state["best"][i] = sorted([*state["best"][i], cosine], reverse=True)[:-1]
    faded = cosine * decay(state["days"][i], state["days"][j], *fading)
    if faded > 0:
        known = [*state["nearest"][i], (faded, j)]
        state["nearest"][i] = sorted(known, key=lambda entry: (-entry[0], entry[1] if entry[0] else 0))[:-1]


def similar_pairs(first, last, rows, left_out, until, undated, low, refused, state, floor, fading):
    """Take {column: weight} of each place; change `state` and give [(i, j, cosine)], sorted."""
    pairs = []
    for i in range(first, last):
        row = dict(sorted(rows[i].items())[left_out[i] :])
        for j in [*range(min(undated, i, until)), *range(max(low[i], undated), min(i, until))]:
            cosine = dot(row, rows[j])
            if (i, j) not in refused and cosine >= floor:
                meet(state, i, j, cosine, fading)
                pairs.append((i, j, cosine))
    half = {i: thresholds(state, i)[1] for i in range(first, last)}
    least, halves = state["least"], state["halves"]
    return [(i, j, cosine) for i, j, cosine in pairs if cosine > least[j] or cosine >= half[i] + halves[j]]


def bounded_pairs(
    first, last, rows, left_out, until, undated, low, refused, state, floor, fading, size, bound, at_most
):
    """Do so by blocks, where a row looks at the places with the highest bounds alone; give how many count as left out.

    Take `bound(i, j, cosine)`.
    """
    pairs, passed = [], 0
    least, halves, above = state["least"], state["halves"], np.float32(1 + 2.0**-20)
    for start in reversed(range(0, min(last, until), size)):
        for i in range(max(first, start + 1), last):
            row = dict(sorted(rows[i].items())[left_out[i] :])
            own_least, half = thresholds(state, i)
            bounds = {}
            for j in range(start, min(start + size, i, until)):
                value = bound(i, j, dot(row, rows[j]))
                told = np.float32(value) * above
                matters = told >= min(least[j], own_least) or told >= np.float32(half + np.float32(halves[j]))
                if (j < undated or j >= low[i]) and (i, j) not in refused and told >= floor and matters:
                    bounds[j] = value
            looked_at = sorted(sorted(bounds, key=lambda j: (-int(min(bounds[j], 1) * 1023), j))[:at_most])
            met = [(i, j, cosine) for j in looked_at if (cosine := dot(row, rows[j])) >= floor]
            for pair in met:
                meet(state, *pair, fading)
            half = thresholds(state, i)[1]
            kept = [(i, j, cosine) for i, j, cosine in met if cosine > least[j] or cosine >= half + halves[j]]
            passed += (len(bounds) - len(looked_at)) * (2 * len(kept) >= len(looked_at))
            pairs += kept
    half = {i: thresholds(state, i)[1] for i in range(first, last)}
    return [(i, j, cosine) for i, j, cosine in pairs if cosine > least[j] or cosine >= half[i] + halves[j]], passed


def settle(first, last, pairs, state, fading):
    for i, j, cosine in pairs:
        meet(state, j, i, cosine, fading)
    for i in {*range(first, last), *(j for _, j, _ in pairs)}:
        state["least"][i], state["halves"][i] = thresholds(state, i)


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


def strongest(row, value, most):
    ranked = sorted(range(len(row)), key=lambda p: (-value[p], p))
    return [sum(row[q] == row[p] for q in ranked[: ranked.index(p)]) < most for p in range(len(row))]


def pair_cosines(rows, left, right):
    return [dot(rows[i], rows[j]) for i, j in zip(left, right, strict=True)]


# decay


def mean_nearness(days, scale):
    others = [[math.exp(-abs(x - y) / scale) for j, y in enumerate(days) if j != i] for i, x in enumerate(days)]
    return [sum(near) / len(near) if near else 1.0 for near in others]


# linkage


def average_linkage(sizes, left, right, weight, floor):
    """Give (children, heights); the pair merged is the best one, and of equals the one with the smallest positions."""
    n = len(sizes)
    total = {}  # of weights between clusters that touch, smaller position first
    members = {c: [c] for c in range(n)}
    for i, j, w in zip(left, right, weight, strict=True):
        total[min(i, j), max(i, j)] = w
    children, heights = [], []
    while total:
        # Averages are whole numbers over whole numbers: no rounding anywhere.
        size = {c: sum(sizes[place] for place in inside) for c, inside in members.items()}
        average = {(a, b): Fraction(w, size[a] * size[b]) for (a, b), w in total.items()}
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


def tree_cut(n, children, heights, single, power, pair, fade):
    def leaves(node):
        return [node] if node < n else [leaf for child in children[node - n] for leaf in leaves(child)]

    def height(node):  # no higher than any merge inside
        inner = [child for child in children[node - n] if child >= n] if node >= n else []
        return min([heights[node - n], *map(height, inner)]) if node >= n else single

    def best(node, above):
        """Return the best value at or under a node, and the kept node of each leaf."""
        size = len(leaves(node))
        ground = max(above, pair * (2 / size) ** fade) if node >= n else above
        value = size * (height(node) ** power - ground**power)
        nodes[node] = [height(node), value, value]
        if node >= n:
            (value_a, kept_a), (value_b, kept_b) = (best(child, height(node)) for child in children[node - n])
            if value_a + value_b > value:
                nodes[node][2] = value_a + value_b
                return value_a + value_b, kept_a | kept_b
        return value, dict.fromkeys(leaves(node), node)

    below = {child for pair in children for child in pair}
    kept, nodes = {}, {}
    for node in range(n + len(children)):
        if node not in below:
            kept |= best(node, 0.0)[1]
    told = [[nodes[node][at] for node in range(n + len(children))] for at in range(3)]
    return [kept[leaf] for leaf in range(n)], *told
