"""Pass 1, last step: verified pairs → duplicate groups.

Groups are made of near copies, split where they do not hold together; a contained text then joins its best container's
group. Containment is no equivalence: linking through it would chain every brief in a digest to every other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import schema
from dedup.kernels import jaccard
from dedup.params import DuplicateParams
from dedup.resemblance import verify
from dedup.spill import IN_MEMORY, Spill

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]
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
    near, within = near_and_contained(verified)
    held = partial(verify, sketches, params=loosened(params), spill=spill)
    label = hold_together(chains(len(sketches), *_sides(near)), held)
    scores = within["containment"].to_numpy(), within["jaccard"].to_numpy()
    return _attach(sketches, label, *_sides(within), *scores, params, spill)


def near_and_contained(verified: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Part the accepted pairs into those that make groups and those that attach them to each other."""
    contained = pc.equal(verified["kind"], "contained")
    near = verified.filter(pc.and_not(verified["accepted"], contained))
    return near, verified.filter(pc.and_(verified["accepted"], contained))


def _sides(pairs: pa.Table) -> tuple[_Int, _Int]:
    return pairs["left"].to_numpy(), pairs["right"].to_numpy()


class Chains(NamedTuple):
    """Near copies on the way to groups that hold together, over n documents."""

    label: _Int  # [n] equal inside a group
    open: _Bool  # [n] whether its group is still to be measured
    left: _Int  # [p] the pairs inside groups
    right: _Int  # [p]


def chains(n: int, left: _Int, right: _Int) -> Chains:
    """Start with the components of the pairs."""
    label = jaccard.components(n, left, right)
    return Chains(label, np.bincount(label, minlength=n)[label] > 2, left, right)  # a pair needs no second look


def loosened(params: DuplicateParams) -> DuplicateParams:
    """Return what a text must share with the centre of its group: half the threshold."""
    return replace(params, jaccard=max(params.jaccard / 2, 0.05))


def hold_together(found: Chains, verify: Callable[[_Int, _Int], pa.Table]) -> _Int:
    """Make groups of near copies in which every text resembles the one with the most copies.

    Components of the pairs chain: each is measured against its centre, the text with the most pairs. Whatever shares
    less than half the threshold with it, or is refused by it, leaves and is grouped anew with the others that left.

    Parameters
    ----------
    verify : (left, right) → schema.VERIFIED, with `loosened` parameters

    Returns
    -------
    int64[n], the smallest position of each one's group.
    """
    while found.open.any():
        centre, others = centres(found)
        held = verify(centre, others)["accepted"].to_numpy(zero_copy_only=False)
        found = release(found, others[~held])
    return smallest(found.label)


def centres(found: Chains) -> tuple[_Int, _Int]:
    """Choose the text with the most pairs of each open group.

    Returns
    -------
    centre, others : int64[m], each other member of an open group and its centre
    """
    label, n = found.label, len(found.label)
    degree = np.bincount(np.concatenate((found.left, found.right)), minlength=n)
    members = np.flatnonzero(found.open)
    order = members[np.lexsort((members, -degree[members], label[members]))]
    first = np.flatnonzero(np.diff(label[order], prepend=-1))
    centre = np.empty(n, np.int64)
    centre[label[order[first]]] = order[first]
    others = members[centre[label[members]] != members]
    return centre[label[others]], others


def release(found: Chains, released: _Int) -> Chains:
    """Group those that their centres do not hold anew, by the pairs among them.

    Parameters
    ----------
    released : int64[r]
    """
    label, left, right, n = found.label.copy(), found.left, found.right, len(found.label)
    open_ = np.zeros(n, np.bool_)
    open_[released] = True
    stays = ~open_[left] & ~open_[right]
    among = open_[left] & open_[right] & (label[left] == label[right])
    anew = jaccard.components(n, left[among], right[among])
    label[released] = anew[released] + n  # apart from those that stay, whatever position names them
    _, label = np.unique(label, return_inverse=True)
    open_ &= np.bincount(label, minlength=n)[label] > 2
    return Chains(label, open_, left[stays | among], right[stays | among])


def _attach(
    sketches: pa.Table,
    label: _Int,
    left: _Int,
    right: _Int,
    containment: _Float,
    similarity: _Float,
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
    swap = is_longer(sizes[left], sizes[right], left, right)
    inner, outer = np.where(swap, right, left), np.where(swap, left, right)
    x, y, holder = neighbours(label[inner], inner, outer)
    digests = np.zeros(n, np.bool_)
    digests[holder[~related(sketches, x, y, params, spill)]] = True
    height = np.zeros(n, np.int64)
    np.maximum.at(height, label, sizes)
    a, b = label[inner], label[outer]
    link = np.flatnonzero(upwards(a, b, height[a], height[b]) & ~digests[outer])
    first = link[best(a[link], outer[link], containment[link], similarity[link])]
    joined = jaccard.components(n, a[first], b[first])[label]
    attached = np.zeros(n, np.bool_)
    attached[a[first]] = True
    contained = attached[label]
    contained[inner[joined[inner] == joined[outer]]] = True
    return joined, contained


def is_longer(size_left: _Int, size_right: _Int, left: _Int, right: _Int) -> _Bool:
    """Tell in which pairs the left one contains the right one; of equally long ones the later contains the earlier."""
    longer: _Bool = (size_left > size_right) | ((size_left == size_right) & (left < right))
    return longer


def upwards(a: _Int, b: _Int, height_a: _Int, height_b: _Int) -> _Bool:
    """Tell which groups a may be attached to groups b.

    Groups are ranked by their longest text, so that attaching always goes upwards and never in a circle.

    Parameters
    ----------
    height_a, height_b : shingles of the longest text of each
    """
    up: _Bool = (a != b) & ((height_a < height_b) | ((height_a == height_b) & (a > b)))
    return up


def best(a: _Int, outer: _Int, containment: _Float, similarity: _Float) -> _Int:
    """Choose the best container of each group a: indices of links, int64[k], by rising a."""
    order = np.lexsort((outer, -similarity, -containment, a))
    chosen: _Int = order[np.flatnonzero(np.diff(a[order], prepend=-1))]
    return chosen


def neighbours(label: _Int, inner: _Int, outer: _Int) -> tuple[_Int, _Int, _Int]:
    """Pair the texts that one text contains, each with the next, one text of each group.

    A chain of neighbours is enough: a digest shows itself at the first step between two of its subjects.

    Parameters
    ----------
    label : int64[p], the group of the inner text

    Returns
    -------
    x, y : int64[c], texts; outer : int64[c], what contains both
    """
    order = np.lexsort((inner, label, outer))
    inner, label, outer = inner[order], label[order], outer[order]
    one_each = np.flatnonzero((np.diff(outer, prepend=-1) != 0) | (np.diff(label, prepend=-1) != 0))
    inner, outer = inner[one_each], outer[one_each]
    pair = np.flatnonzero(outer[1:] == outer[:-1])
    return inner[pair], inner[pair + 1], outer[pair]


def related(sketches: pa.Table, x: _Int, y: _Int, params: DuplicateParams, spill: Spill = IN_MEMORY) -> _Bool:
    """Tell which contained texts have to do with each other; a digest is what contains two that do not.

    Two contained texts are related where they share a tenth of the shorter one's shingles, or half of its headline: two
    flashes on one event cover different sentences of the full take, but go by like titles.

    Parameters
    ----------
    sketches : `shingles` and `title_words` of schema.sketches
    x, y : int64[c], positions

    Returns
    -------
    bool[c]
    """
    found = np.zeros(len(x), np.bool_)
    for name, share in (("shingles", 0.1), ("title_words", params.short_title_share)):
        values, offsets = schema.ragged(sketches[name])
        lengths = np.diff(offsets)
        shorter = np.minimum(lengths[x], lengths[y])
        for part in spill.picks(len(x)):
            shared = jaccard.overlap(values, offsets, x[part], y[part])
            found[part] |= (shorter[part] > 0) & (shared >= share * shorter[part])
    return found


def smallest(label: _Int) -> _Int:
    """Rename each label to the smallest position that has it."""
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)
