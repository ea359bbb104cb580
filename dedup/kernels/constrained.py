"""Components of pairs that keep apart what must not come together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import inlined, kernel


@kernel
def constrained_components(
    n: int,
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    apart_left: npt.NDArray[np.int64],
    apart_right: npt.NDArray[np.int64],
    near_left: npt.NDArray[np.int64],
    near_right: npt.NDArray[np.int64],
    far_left: npt.NDArray[np.int64],
    far_right: npt.NDArray[np.int64],
) -> Any:
    """Join pairs one by one, but for those that would put two positions together that must stay apart.

    Constrained clustering with must-links and cannot-links (Davidson, Ravi 2005, section 5) on two levels: sets, and
    wider sets that hold them. A join of two sets joins the wider ones around them, and is made where both levels
    allow it.

    Parameters
    ----------
    n : number of positions
    left, right : int64[k], pairs to join, in this order
    apart_left, apart_right : int64[c], pairs that must not be in one set
    near_left, near_right : int64[s], pairs in one wider set from the start, which the next ones must allow
    far_left, far_right : int64[f], pairs that must not be in one wider set, hence in no set

    Returns
    -------
    int64[n]: the smallest position of each one's set. O((n + k · c) α(n)), where c is the smaller number of pairs that
    keep one of two sets from others.
    """
    inner, outer = np.arange(n), np.arange(n)
    first, last, following, partner, count = _partners(n, apart_left, apart_right)
    far_first, far_last, far_following, far_partner, far_count = _partners(n, far_left, far_right)
    for p in range(len(near_left)):
        x, y = _root(outer, near_left[p]), _root(outer, near_right[p])
        if x != y:
            _join(min(x, y), max(x, y), outer, far_first, far_last, far_following, far_count)
    for p in range(len(left)):
        a, b = _root(inner, left[p]), _root(inner, right[p])
        if a == b or _parted(a, b, inner, first, following, partner, count):
            continue
        x, y = _root(outer, a), _root(outer, b)
        if x != y:
            if _parted(x, y, outer, far_first, far_following, far_partner, far_count):
                continue
            _join(min(x, y), max(x, y), outer, far_first, far_last, far_following, far_count)
        _join(min(a, b), max(a, b), inner, first, last, following, count)
    for i in range(n):
        inner[i] = inner[inner[i]]  # parents point to smaller positions, which are labelled already
    return inner


@inlined
def _partners(n: int, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> Any:
    """List for each position whom it must keep apart from: linked lists, which can be joined."""
    m = len(left)
    first, last = np.full(n, -1), np.full(n, -1)
    following, partner = np.full(2 * m, -1), np.empty(2 * m, np.int64)
    count = np.zeros(n, np.int64)
    for e in range(2 * m):
        own, other = (left[e], right[e]) if e < m else (right[e - m], left[e - m])
        partner[e] = other
        if last[own] < 0:
            first[own] = e
        else:
            following[last[own]] = e
        last[own] = e
        count[own] += 1
    return first, last, following, partner, count


@inlined
def _root(parent: npt.NDArray[np.int64], i: int) -> Any:
    """Return the root of `i`, halving its path."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@inlined
def _parted(
    a: int,
    b: int,
    parent: npt.NDArray[np.int64],
    first: npt.NDArray[np.int64],
    following: npt.NDArray[np.int64],
    partner: npt.NDArray[np.int64],
    count: npt.NDArray[np.int64],
) -> Any:
    """Tell whether a member of set `a` must keep apart from one of set `b`."""
    own, other = (a, b) if count[a] <= count[b] else (b, a)
    e = first[own]
    while e >= 0:
        if _root(parent, partner[e]) == other:
            return True
        e = following[e]
    return False


@inlined
def _join(
    a: int,
    b: int,
    parent: npt.NDArray[np.int64],
    first: npt.NDArray[np.int64],
    last: npt.NDArray[np.int64],
    following: npt.NDArray[np.int64],
    count: npt.NDArray[np.int64],
) -> None:
    """Put set `b` under set `a`, whose root is smaller, with all that it must keep apart from."""
    parent[b] = a
    if first[b] < 0:
        return
    if first[a] < 0:
        first[a] = first[b]
    else:
        following[last[a]] = first[b]
    last[a] = last[b]
    count[a] += count[b]
