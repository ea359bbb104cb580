"""The cut of a merge tree into the clusters that hold together best."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.kernels.jit import kernel


@kernel
def tree_cut(
    n: int,
    children: npt.NDArray[np.int64],
    heights: npt.NDArray[np.float64],
    single: float,
    power: float,
    pair: float,
    fade: float,
) -> Any:
    """Choose the disjoint nodes of a merge tree that hold together best.

    The value of a node is size · (height^power - (height of its parent)^power), as the excess of mass of HDBSCAN
    (Campello, Moulavi, Sander 2013, section 5) with similarities for densities; a node is kept where its value is at
    least the best sum below it. A node of m leaves counts from pair · (2 / m)^fade where its parent is lower: the
    nearest two of many unrelated ones are near by chance, a crowd is not.

    Parameters
    ----------
    n : number of leaves
    children : int64[k, 2], heights : float64[k], of `linkage.average_linkage`
    single : height of a leaf; larger gives smaller clusters.
    power : 0 … 1; less favours large clusters, whose averages are low.
    pair : least height that a node of two leaves counts from; fade : how fast that falls with the size.

    Returns
    -------
    label : int64[n], the kept node above each leaf
    height : float64[n + k], of each node, no higher than any merge inside it
    value : float64[n + k], of each node by itself; best : float64[n + k], the best sum at or below it. O(n + k).
    """
    nodes = n + len(heights)
    height = np.full(nodes, single)
    size = np.ones(nodes, np.int64)
    parent = np.full(nodes, -1)
    for k in range(len(heights)):
        node, a, b = n + k, children[k, 0], children[k, 1]
        height[node] = heights[k]
        for child in (a, b):
            parent[child] = node
            if child >= n:
                height[node] = min(height[node], height[child])
        size[node] = size[a] + size[b]
    value, best = np.empty(nodes, np.float64), np.empty(nodes, np.float64)
    kept = np.ones(nodes, np.bool_)
    for node in range(nodes):
        above = height[parent[node]] if parent[node] >= 0 else 0.0
        if node >= n:
            above = max(above, pair * (2.0 / size[node]) ** fade)
        value[node] = best[node] = size[node] * (height[node] ** power - above**power)
        if node >= n:
            below = best[children[node - n, 0]] + best[children[node - n, 1]]
            if best[node] < below:
                best[node] = below
                kept[node] = False
    label = np.full(nodes, -1)
    for node in range(nodes - 1, -1, -1):
        if parent[node] >= 0 and label[parent[node]] >= 0:
            label[node] = label[parent[node]]
        elif kept[node]:
            label[node] = node
    return label[:n].copy(), height, value, best
