"""Average linkage in rounds: all pairs of clusters that are each other's best merge at once.

Reciprocal nearest neighbours (Murtagh 1983), on a graph in parts (Dhulipala et al. 2023).

The tree is that of `kernels.linkage`, ties included. There the next merge is the first pair in the order of falling
average, smaller and larger position, where a cluster has the smallest position inside it. In that order a merged
cluster never comes before the better one of its halves: its average lies between theirs (an absent pair is less than
the floor), and where the three are equal so are its positions and those of the half with the smaller one. So nothing
that happens elsewhere parts two that are each other's best, and they have one height whenever they merge.

Averages are rounded to 53 bits. Different ones that come out equal (it takes clusters of thousands, whose pairs of
articles multiply to 8 million) may do so on one side of a merge only; if a third ties with them, it may be another one
that merges first. Nothing else can differ.

A cluster is known by its smallest position and lives in the bucket that this hashes to. Each pair is there twice, at
the buckets of both. A cluster whose best average is under the floor is finished: averages only fall.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import stories
from dedup.distributed import cutting
from dedup.distributed.components import bucket_of
from dedup.distributed.cutting import HISTORY
from dedup.distributed.flow import Message, Tables, counted, deal, ends, rows
from dedup.kernels import jaccard, linkage
from dedup.params import StoryParams

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]

# A pair at the bucket of `left`: 40 bytes, hence 80 a pair, and 4 MB for a cluster with 100,000 neighbours.
PAIRS = pa.schema([(name, pa.int64()) for name in ("left", "right", "weight", "left_size", "right_size")])
_NAMES = pa.schema([(name, pa.int64()) for name in ("cluster", "name", "size")])
_PROPOSALS = pa.schema([(name, pa.int64()) for name in ("cluster", "suitor")])

_FINISHED = -1  # name of a cluster that merges no more


def opened(part: int, tables: Tables, *, parts: int) -> Iterator[Message]:
    """Send each piece of evidence to the buckets of both ends, stream `pairs`."""
    evidence = tables["evidence"]
    one, other = ends(evidence)
    weight, ones = stories.weights(evidence), np.ones(len(evidence), np.int64)
    for left, right in ((one, other), (other, one)):
        yield from _dealt(PAIRS, "pairs", (left, right, weight, ones, ones), bucket_of(left, parts))


def propose(part: int, tables: Tables, *, floor: float, parts: int) -> Iterator[Message]:
    """Sum up parallel pairs and let each cluster ask its best neighbour; streams `pairs`, `proposals`, `counts`.

    `counts` says how many pairs there are, each at its smaller end.
    """
    pairs = _summed(tables["pairs"])
    left, right = ends(pairs)
    first, best, _ = _best(pairs, floor)
    asks = best >= 0
    suitor, asked = left[first[asks]], right[best[asks]]
    yield Message("pairs", part, pairs)
    yield from _dealt(_PROPOSALS, "proposals", (asked, suitor), bucket_of(asked, parts))
    yield counted("counts", part, int((left < right).sum()))


def match(part: int, tables: Tables, *, floor: float, parts: int, number: int) -> Iterator[Message]:
    """Merge those that ask each other, and tell all their neighbours.

    Parameters
    ----------
    tables : `pairs` and `proposals` of `propose`
    number : of the round

    Returns
    -------
    Streams `names` (what becomes of a cluster, at its own bucket and those of its neighbours) and `merged` (HISTORY, at
    the bucket of the smaller one).
    """
    pairs, proposals = tables["pairs"], rows(tables, "proposals", _PROPOSALS)
    left, right = ends(pairs)
    first, best, average = _best(pairs, floor)
    cluster, partner = left[first], np.where(best >= 0, right[best], _FINISHED)
    at = np.searchsorted(cluster, proposals["cluster"].to_numpy())
    mutual = np.zeros(len(cluster), np.bool_)
    mutual[at[partner[at] == proposals["suitor"].to_numpy()]] = True
    size = pairs["left_size"].to_numpy()[first] + np.where(mutual, pairs["right_size"].to_numpy()[best], 0)
    name = np.where(mutual, np.minimum(cluster, partner), np.where(best < 0, _FINISHED, cluster))
    row, target = _neighbouring(mutual | (best < 0), first, right, part, parts)
    yield from _dealt(_NAMES, "names", (cluster[row], name[row], size[row]), target)
    keeps = mutual & (cluster < partner)
    a, turn = cluster[keeps], np.full(int(keeps.sum()), number)
    yield from _dealt(
        HISTORY, "merged", (a, a, partner[keeps], average[keeps] * linkage.UNIT, turn), np.full(len(a), part)
    )


def rename(part: int, tables: Tables, *, params: StoryParams, parts: int, starts: _Int) -> Iterator[Message]:
    """Call clusters by what they have become, and let what is known of them move there.

    Parameters
    ----------
    tables : `pairs` of `propose`, `names` and `merged` of `match`, `history` of the round before

    Returns
    -------
    Streams `pairs`, `history`, and `stories`: those of the trees that are finished.
    """
    pairs, names = rows(tables, "pairs", PAIRS), rows(tables, "names", _NAMES)
    names = names.sort_by("cluster")
    left, right, weight, *sizes = (column.to_numpy() for column in pairs.columns)
    active = left[_starts_of_runs(left)]
    new_left, size_left = _renamed(names, left, sizes[0])
    new_right, size_right = _renamed(names, right, sizes[1])
    kept = (new_left != _FINISHED) & (new_right != _FINISHED) & (new_left != new_right)
    columns = tuple(column[kept] for column in (new_left, new_right, weight, size_left, size_right))
    yield from _dealt(PAIRS, "pairs", columns, bucket_of(columns[0], parts))

    yield from _moved(rows(tables, "merged", HISTORY), names, parts)
    history = rows(tables, "history", HISTORY)
    # One that has lost all neighbours does not know that it is finished.
    cluster = history["cluster"].to_numpy()
    lone = ~np.isin(cluster, active) | (_renamed(names, cluster, cluster)[0] == _FINISHED)
    yield from cutting.cut(history.filter(pa.array(lone)), params, starts)
    yield from _moved(history.filter(pa.array(~lone)), names, parts)


def collect(part: int, tables: Tables) -> Iterator[Message]:
    """Send all pairs that are left to the first part, each once."""
    pairs = tables["pairs"]
    yield Message("pairs", 0, pairs.filter(pa.array(pairs["left"].to_numpy() < pairs["right"].to_numpy())))


def finish(part: int, tables: Tables, *, floor: float, parts: int, number: int) -> Iterator[Message]:
    """Merge what is left as one machine does.

    Parameters
    ----------
    tables : `pairs` of `collect`
    number : higher than that of all rounds

    Returns
    -------
    Streams `names` (what becomes of each cluster, at its bucket) and `merged` (HISTORY, at that of the last cluster).
    """
    cluster, left, right = cutting.numbered(tables["pairs"])
    weight, *both = (column.to_numpy() for column in tables["pairs"].columns[2:])
    n, size = len(cluster), np.empty(len(cluster), np.int64)
    for end, sizes in zip((left, right), both, strict=True):
        size[end] = sizes
    children, heights = linkage.average_linkage(size, left, right, weight.copy(), floor)
    smallest = list(range(n))
    for one, other in children.tolist():
        smallest.append(min(smallest[one], smallest[other]))
    a, b = np.sort(np.array(smallest)[children], axis=1).T
    last = cluster[jaccard.components(n + len(children), children.ravel(), np.repeat(n + np.arange(len(a)), 2))]
    columns = (last[n:], cluster[a], cluster[b], heights, number + np.arange(len(a)))
    yield from _dealt(HISTORY, "merged", columns, bucket_of(last[n:], parts))
    yield from _dealt(_NAMES, "names", (cluster, last[:n], size), bucket_of(cluster, parts))


def rejoin(part: int, tables: Tables, *, parts: int) -> Iterator[Message]:
    """Let what is known of each cluster move to what it has become; stream `history`."""
    names = rows(tables, "names", _NAMES).sort_by("cluster")
    yield from _moved(rows(tables, "history", HISTORY), names, parts)


def _dealt(
    schema: pa.Schema, stream: str, columns: tuple[npt.NDArray[np.generic], ...], part: _Int
) -> Iterator[Message]:
    """Send columns, in the order of a schema, as rows to their parts, int64[m]."""
    table = pa.Table.from_arrays([pa.array(column) for column in columns], schema=schema)
    yield from deal(stream, table, part)


def _starts_of_runs(values: _Int) -> _Int:
    """Return where each run of equal values starts."""
    return np.flatnonzero(np.diff(values, prepend=-1))


def _summed(pairs: pa.Table) -> pa.Table:
    """Make one of all pairs of the same two clusters, sorted; sums stop at `APART`."""
    order = np.lexsort((pairs["right"].to_numpy(), pairs["left"].to_numpy()))
    left, right, weight, *sizes = (column.to_numpy()[order] for column in pairs.columns)
    first = np.flatnonzero((np.diff(left, prepend=-1) != 0) | (np.diff(right, prepend=-1) != 0))
    total = np.add.reduceat(weight, first)
    # Several `APART` would wrap around.
    total = np.where(np.add.reduceat(weight.astype(np.float64), first) < linkage.APART, linkage.APART, total)
    columns = (left[first], right[first], total, *(size[first] for size in sizes))
    return pa.Table.from_arrays([pa.array(column) for column in columns], schema=PAIRS)


def _best(pairs: pa.Table, floor: float) -> tuple[_Int, _Int, _Float]:
    """Return where the pairs of each cluster start, which is its best one, -1 if under the floor, and the average.

    Of equal averages the smallest neighbour is best: a smaller one is the smaller position of the pair, among larger
    ones it is the larger position.

    Parameters
    ----------
    pairs : sorted by both ends
    """
    left, _, weight, left_size, right_size = (column.to_numpy() for column in pairs.columns)
    first = _starts_of_runs(left)
    average = weight.astype(np.float64) / (left_size * right_size).astype(np.float64)
    highest = np.maximum.reduceat(average, first)
    counts = np.diff(first, append=len(left))
    top = np.flatnonzero(average == np.repeat(highest, counts))
    best = top[np.searchsorted(top, first)]
    return first, np.where(highest * linkage.UNIT >= floor, best, -1), highest


def _neighbouring(chosen: npt.NDArray[np.bool_], first: _Int, right: _Int, part: int, parts: int) -> tuple[_Int, _Int]:
    """Return to which buckets some clusters are to be told: the numbers of clusters, and a bucket of each."""
    row = np.repeat(np.arange(len(first)), np.diff(first, append=len(right)))
    told = chosen[row]
    own = np.flatnonzero(chosen)
    pairs = np.concatenate((row[told] * parts + bucket_of(right[told], parts), own * parts + part))
    row, target = np.divmod(np.unique(pairs), parts)
    return row, target


def _renamed(names: pa.Table, cluster: _Int, size: _Int) -> tuple[_Int, _Int]:
    """Return what clusters have become, and its size; names are sorted by cluster."""
    known = names["cluster"].to_numpy()
    if not len(known):
        return cluster, size
    at = np.minimum(np.searchsorted(known, cluster), len(known) - 1)
    changed = known[at] == cluster
    name, grown = names["name"].to_numpy()[at], names["size"].to_numpy()[at]
    return np.where(changed, name, cluster), np.where(changed, grown, size)


def _moved(history: pa.Table, names: pa.Table, parts: int) -> Iterator[Message]:
    """Send HISTORY to the buckets of what its clusters have become, stream `history`; names are sorted by cluster."""
    cluster = history["cluster"].to_numpy()
    cluster = _renamed(names, cluster, cluster)[0]
    yield from deal("history", history.set_column(0, HISTORY.field(0), pa.array(cluster)), bucket_of(cluster, parts))
