"""Pass 1, last step: verified pairs → duplicate groups.

Groups are made of near copies, split where they do not hold together; a contained text then joins its best container's
group. Containment is no equivalence: linking through it would chain every brief in a digest to every other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import schema
from dedup.duplicates import verify
from dedup.kernels import jaccard
from dedup.params import DuplicateParams
from dedup.spill import IN_MEMORY, Spill

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]


def group(
    sketches: pa.Table, verified: pa.Table, params: DuplicateParams, spill: Spill = IN_MEMORY
) -> tuple[_Int, _Bool]:
    """Group documents by their accepted pairs; one without any is a group of its own.

    Parameters
    ----------
    verified : schema.VERIFIED

    Returns
    -------
    label : int64[n], the smallest position of each one's group
    contained : bool[n], whether another text of its group contains it
    """
    contained = pc.equal(verified["kind"], "contained").to_numpy()
    accepted = verified["accepted"].to_numpy(zero_copy_only=False)
    left, right = verified["left"].to_numpy(), verified["right"].to_numpy()
    near = accepted & ~contained
    label = _hold_together(sketches, left[near], right[near], params, spill)
    within = accepted & contained
    scores = verified["containment"].to_numpy()[within], verified["jaccard"].to_numpy()[within]
    return _attach(sketches, label, left[within], right[within], *scores, params, spill)


def _hold_together(sketches: pa.Table, left: _Int, right: _Int, params: DuplicateParams, spill: Spill) -> _Int:
    """Make groups of near copies in which every text resembles the one with the most copies.

    Components of the pairs chain: each is measured against its centre, the text with the most pairs. Whatever shares
    less than half the threshold with it, or is refused by it, leaves and is grouped anew with the others that left.

    Returns
    -------
    int64[n], the smallest position of each one's group.
    """
    n = len(sketches)
    label = jaccard.components(n, left, right)
    loose = replace(params, jaccard=max(params.jaccard / 2, 0.05))
    open_ = np.bincount(label, minlength=n)[label] > 2  # a pair needs no second look
    while open_.any():
        degree = np.bincount(np.concatenate((left, right)), minlength=n)
        members = np.flatnonzero(open_)
        order = members[np.lexsort((members, -degree[members], label[members]))]
        first = np.flatnonzero(np.diff(label[order], prepend=-1))
        centre = np.empty(n, np.int64)
        centre[label[order[first]]] = order[first]
        others = members[centre[label[members]] != members]
        held = verify(sketches, centre[label[others]], others, loose, spill)["accepted"]
        held = held.to_numpy(zero_copy_only=False)
        released = others[~held]
        open_[:] = False
        open_[released] = True
        stays = ~open_[left] & ~open_[right]
        among = open_[left] & open_[right] & (label[left] == label[right])
        anew = jaccard.components(n, left[among], right[among])
        label[released] = anew[released] + n  # apart from those that stay, whatever position names them
        left, right = left[stays | among], right[stays | among]
        _, label = np.unique(label, return_inverse=True)
        open_ &= np.bincount(label, minlength=n)[label] > 2
    return _smallest(label)


def _attach(
    sketches: pa.Table,
    label: _Int,
    left: _Int,
    right: _Int,
    containment: npt.NDArray[np.float64],
    similarity: npt.NDArray[np.float64],
    params: DuplicateParams,
    spill: Spill,
) -> tuple[_Int, _Bool]:
    """Attach each group to the group of its best container, but for containers of several unrelated texts (digests).

    Parameters
    ----------
    label : int64[n]
    left, right : int64[p], pairs of which the shorter is contained in the longer

    Returns
    -------
    label, contained : as of `group`
    """
    n = len(sketches)
    sizes = np.diff(schema.ragged(sketches["shingles"])[1])
    swap = (sizes[left] > sizes[right]) | ((sizes[left] == sizes[right]) & (left < right))
    inner, outer = np.where(swap, right, left), np.where(swap, left, right)
    digests = _digests(sketches, label, inner, outer, params, spill)
    across = (label[inner] != label[outer]) & ~digests[outer]
    # Groups are ranked by their longest text, so that attaching always goes upwards and never in a circle.
    height = np.zeros(n, np.int64)
    np.maximum.at(height, label, sizes)
    a, b = label[inner], label[outer]
    across &= (height[a] < height[b]) | ((height[a] == height[b]) & (a > b))
    link = np.flatnonzero(across)
    link = link[np.lexsort((outer[link], -similarity[link], -containment[link], a[link]))]
    first = link[np.flatnonzero(np.diff(a[link], prepend=-1))]
    parent = np.arange(n)
    parent[a[first]] = b[first]
    while (parent[parent] != parent).any():
        parent = parent[parent]
    joined = parent[label]
    contained = np.zeros(n, np.bool_)
    contained[joined != label] = True
    contained[inner[joined[inner] == joined[outer]]] = True
    return _smallest(joined), contained


def _digests(sketches: pa.Table, label: _Int, inner: _Int, outer: _Int, params: DuplicateParams, spill: Spill) -> _Bool:
    """Tell which texts contain several that have nothing to do with each other.

    Two contained texts are related where they share a tenth of the shorter one's shingles, or half of its headline: two
    flashes on one event cover different sentences of the full take, but go by like titles.

    Returns
    -------
    bool[n]
    """
    found = np.zeros(len(sketches), np.bool_)
    order = np.lexsort((inner, label[inner], outer))
    inner, outer = inner[order], outer[order]
    one_each = np.flatnonzero(
        (np.diff(outer, prepend=-1) != 0) | (np.diff(label[inner], prepend=-1) != 0)
    )  # one text of each contained group
    inner, outer = inner[one_each], outer[one_each]
    shingles, titles = schema.ragged(sketches["shingles"]), schema.ragged(sketches["title_words"])
    # A chain of neighbours is enough: a digest shows itself at the first step between two of its subjects.
    pair = np.flatnonzero(outer[1:] == outer[:-1])
    x, y = inner[pair], inner[pair + 1]
    related = np.zeros(len(pair), np.bool_)
    for (values, offsets), share in ((shingles, 0.1), (titles, params.short_title_share)):
        lengths = np.diff(offsets)
        shorter = np.minimum(lengths[x], lengths[y])
        for part in spill.picks(len(pair)):
            shared = jaccard.overlap(values, offsets, x[part], y[part])
            related[part] |= (shorter[part] > 0) & (shared >= share * shorter[part])
    found[outer[pair[~related]]] = True
    return found


def _smallest(label: _Int) -> _Int:
    """Rename each label to the smallest position that has it."""
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)
