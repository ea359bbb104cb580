"""Average linkage over sparse pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined, kernel

# Weights are added as whole multiples of this, so that a sum does not depend on its order.
UNIT = 2.0**-30
# Weight of a pair that never comes into one cluster, whatever is summed with it: positive sums stay under 2^58 in any
# corpus that fits into memory. Sums stop here, since two of them would pass all bounds.
APART = -(1 << 60)

_UNSEEN = -(1 << 62)  # where no weight was summed yet


@kernel
def average_linkage(
    sizes: npt.NDArray[np.int64],
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    weight: npt.NDArray[np.int64],
    floor: float,
) -> Any:
    """Merge the two clusters of the highest average weight again and again; an absent pair weighs 0.

    Average linkage (Sokal, Michener 1958) on a graph (Dhulipala et al. 2021, section 3). Each cluster stands in a heap
    with an upper bound of its best average: a merge elsewhere can only lower that (average linkage is reducible), so a
    bound is checked when it reaches the top. Ties go to the cluster with the smallest position. A pair is looked after
    by the one with the smaller position alone: else all neighbours of a large cluster are checked whenever that grows.

    Parameters
    ----------
    sizes : int64[n], how many stand at each position: more than 1 where some were merged before
    left, right : int64[m], distinct pairs
    weight : int64[m], of all at both ends together, in units of `UNIT`; a negative one speaks against joining the two,
        and `APART` forbids it (cannot-links; Davidson, Ravi 2005, section 5)
    floor : average in plain units under which nothing merges.

    Returns
    -------
    children : int64[k, 2], node n + i joins nodes children[i]
    heights : float64[k], their averages. O(m log m) for trees of even growth; where one cluster of d neighbours takes
    them one by one, O(d²). About 30 bytes a pair.
    """
    n = len(sizes)
    adjacent, weights, start, length = _adjacency(n, left, right, weight)
    following = np.full(2 * n, -1)  # list that continues a list, of the same cluster
    lists, free = n, 2 * len(left)
    first = np.arange(2 * n)  # list of each cluster
    parent = np.arange(2 * n)
    size = np.concatenate((sizes, sizes))  # the second half is set as clusters merge
    smallest = np.arange(2 * n)
    total = np.full(2 * n, _UNSEEN)  # scratch: summed weight to each cluster, _UNSEEN between uses
    heap = np.empty(2 * n + 1, np.int64)
    bound = np.zeros(2 * n, np.float64)
    n_heap = merged = 0
    for c in range(n):
        bound[c], partner = _best(c, adjacent, weights, start[c], length[c], size, smallest)
        if partner >= 0:
            n_heap = _push(heap, n_heap, c, bound, smallest)
    children = np.empty((max(n - 1, 0), 2), np.int64)
    heights = np.empty(max(n - 1, 0), np.float64)
    while n_heap > 0:
        c = heap[0]
        n_heap = _pop(heap, n_heap, bound, smallest)
        if parent[c] != c:
            continue
        s = first[c]
        if following[s] >= 0:
            needed = _chain_length(s, length, following)
            if free + needed > len(adjacent):
                adjacent, weights, free = _make_room(needed, lists, adjacent, weights, start, length)
            start[lists] = free
            first[c] = lists
            lists += 1
        _compact(c, s, first[c], adjacent, weights, start, length, following, parent, total)
        free = max(free, start[first[c]] + length[first[c]])
        best, partner = _best(c, adjacent, weights, start[first[c]], length[first[c]], size, smallest)
        if best * UNIT < floor:
            continue
        if best < bound[c]:
            bound[c] = best
            n_heap = _push(heap, n_heap, c, bound, smallest)
            continue
        node = n + merged
        children[merged, 0], children[merged, 1] = c, partner
        heights[merged] = best * UNIT
        merged += 1
        parent[c] = parent[partner] = node
        size[node] = size[c] + size[partner]
        smallest[node] = min(smallest[c], smallest[partner])
        first[node], following[first[c]] = first[c], first[partner]
        bound[node] = best  # both had at most this; their lists are joined when it reaches the top
        n_heap = _push(heap, n_heap, node, bound, smallest)
    return children[:merged].copy(), heights[:merged].copy()


@inlined
def _adjacency(n: int, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], weight: npt.NDArray[np.int64]) -> Any:
    """List the neighbours of each position: ids and weights back to back, with starts and lengths (int64[2n])."""
    start = np.zeros(2 * n, np.int64)
    length = np.zeros(2 * n, np.int64)
    for p in range(len(left)):
        length[left[p]] += 1
        length[right[p]] += 1
    for c in range(1, n):
        start[c] = start[c - 1] + length[c - 1]
    fill = start.copy()
    room = 2 * len(left) + len(left) // 2 + 16  # the rest is for the lists of merged clusters
    adjacent = np.empty(room, np.int32)
    weights = np.empty(room, np.int64)
    for p in range(len(left)):
        a, b = left[p], right[p]
        adjacent[fill[a]], weights[fill[a]] = b, weight[p]
        adjacent[fill[b]], weights[fill[b]] = a, weight[p]
        fill[a] += 1
        fill[b] += 1
    return adjacent, weights, start, length


@inlined
def _best(
    c: int,
    adjacent: npt.NDArray[np.int32],
    weights: npt.NDArray[np.int64],
    start: int,
    length: int,
    size: npt.NDArray[np.int64],
    smallest: npt.NDArray[np.int64],
) -> Any:
    """Return the highest average of cluster `c` with later ones in a list, and the neighbour that has it, else -1s."""
    best, partner = -1.0, np.int64(-1)
    for i in range(start, start + length):
        other = np.int64(adjacent[i])
        if smallest[other] < smallest[c]:
            continue
        average = float(weights[i]) / float(size[c] * size[other])
        if average > best or (average == best and smallest[other] < smallest[partner]):
            best, partner = average, other
    return best, partner


@inlined
def _chain_length(s: Any, length: npt.NDArray[np.int64], following: npt.NDArray[np.int64]) -> Any:
    """Count the entries of list `s` and of those that follow it."""
    entries = 0
    while s >= 0:
        entries += length[s]
        s = following[s]
    return entries


@inlined
def _compact(
    c: int,
    s: int,
    target: int,
    adjacent: npt.NDArray[np.int32],
    weights: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    length: npt.NDArray[np.int64],
    following: npt.NDArray[np.int64],
    parent: npt.NDArray[np.int64],
    total: npt.NDArray[np.int64],
) -> None:
    """Make one list of the chain that starts with `s`: merged clusters under their new names, and once each.

    It becomes list `target`, `s` itself where nothing follows; others are emptied. `total` holds the sums meanwhile.
    """
    at = start[target]
    while s >= 0:
        for i in range(start[s], start[s] + length[s]):
            other, w = np.int64(adjacent[i]), weights[i]
            while parent[other] != other:
                parent[other] = parent[parent[other]]
                other = parent[other]
            if other == c:
                continue
            if total[other] == _UNSEEN:
                adjacent[at] = other
                at += 1
                total[other] = w
            else:
                total[other] = max(total[other] + w, APART)
        after = following[s]
        length[s], following[s] = 0, -1
        s = after
    length[target] = at - start[target]
    for i in range(start[target], at):
        weights[i] = total[adjacent[i]]
        total[adjacent[i]] = _UNSEEN


@inlined
def _make_room(
    needed: int,
    lists: int,
    adjacent: npt.NDArray[np.int32],
    weights: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    length: npt.NDArray[np.int64],
) -> Any:
    """Move the lists that are not empty to the front, in their order, and return the arrays and the first free place.

    They grow by half where an eighth would not be left.
    """
    free = 0
    for s in range(lists):
        if length[s] > 0:
            for i in range(length[s]):
                adjacent[free + i] = adjacent[start[s] + i]
                weights[free + i] = weights[start[s] + i]
            start[s] = free
            free += length[s]
    if free + needed <= len(adjacent) - len(adjacent) // 8:
        return adjacent, weights, free
    room = len(adjacent) + len(adjacent) // 2 + needed
    ids, values = np.empty(room, np.int32), np.empty(room, np.int64)
    for i in range(free):  # a slice would bring its error message along: 3 s to compile
        ids[i], values[i] = adjacent[i], weights[i]
    return ids, values, free


@inlined
def _before(a: int, b: int, bound: npt.NDArray[np.float64], smallest: npt.NDArray[np.int64]) -> Any:
    """Tell whether cluster `a` comes before `b`: higher bound, then smaller position."""
    return bound[a] > bound[b] or (bound[a] == bound[b] and smallest[a] < smallest[b])


@inlined
def _push(
    heap: npt.NDArray[np.int64], count: int, c: int, bound: npt.NDArray[np.float64], smallest: npt.NDArray[np.int64]
) -> Any:
    """Add `c` to a binary heap of `count` clusters and return the new count."""
    i = count
    while i > 0 and _before(c, heap[(i - 1) // 2], bound, smallest):
        heap[i] = heap[(i - 1) // 2]
        i = (i - 1) // 2
    heap[i] = c
    return count + 1


@inlined
def _pop(
    heap: npt.NDArray[np.int64], count: int, bound: npt.NDArray[np.float64], smallest: npt.NDArray[np.int64]
) -> Any:
    """Drop the top of the heap and return the new count."""
    count -= 1
    last = heap[count]
    i = 0
    while 2 * i + 1 < count:
        child = 2 * i + 1
        if child + 1 < count and _before(heap[child + 1], heap[child], bound, smallest):
            child += 1
        if not _before(heap[child], last, bound, smallest):
            break
        heap[i] = heap[child]
        i = child
    heap[i] = last
    return count
