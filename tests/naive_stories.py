"""Twins of the kernels that link texts to stories."""

import math
from collections import Counter
from fractions import Fraction

from naive_text import add

UNIT = 2.0**-30


# cosine, feedback


def transpose(rows, n_columns, order):
    """Take {column: weight} of each row; give (place, weight) of each column."""
    rows = [rows[d] for d in order]
    return [[(d, row[column]) for d, row in enumerate(rows) if column in row] for column in range(n_columns)]


def dot(x, y):
    return add(x[column] * y[column] for column in sorted(x) if column in y)


def decay(day_i, day_j, floor, scale):
    apart = abs(day_i - day_j)
    return 1.0 if math.isnan(apart) else floor + (1 - floor) * math.exp(-apart / scale)


def rarest(row, others, budget):
    """Return what of a row is left within a budget of postings visited among others, from the rarest column up."""
    visits = {column: sum(column in other for other in others) for column in row}
    out, total = {}, 0
    for column in sorted(row, key=lambda column: (visits[column], column)):
        total += visits[column]
        if total <= budget:
            out[column] = row[column]
    return out


def similar_pairs(
    first, last, known, order, rows, undated, low, high, budget, refused, days, tolls, shares, crowd, near,
    floor, decay_floor, time_scale,
):  # fmt: skip
    """Take {column: weight} of each row and refused (i, j); give tolls, [(neighbour, weight)], [(i, j, cosine)]."""
    rows = [rows[d] for d in order]
    own, neighbours, pairs = [], [], []
    for i in range(first, last):
        met = [*range(undated), *range(low[i], high[i])]
        row = rarest(rows[i], [rows[j] for j in met], budget)
        cosines = {}
        for j in met:
            if i != j and (i, j) not in refused and (j, i) not in refused and dot(row, rows[j]) >= floor:
                cosines[j] = dot(row, rows[j])
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


# decay


def mean_nearness(days, scale):
    others = [[math.exp(-abs(x - y) / scale) for j, y in enumerate(days) if j != i] for i, x in enumerate(days)]
    return [sum(near) / len(near) if near else 1.0 for near in others]


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
