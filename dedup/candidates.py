"""Pass 1: pairs worth verifying, from bands of the signatures and from a join over the rarest shingles.

Positions are those of the sketches; of documents that no rule tells apart (`duplicates.units`) the first is paired.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import rarity, schema
from dedup.kernels import lsh, prefix
from dedup.params import DuplicateParams
from dedup.recall import band_shape
from dedup.spill import IN_MEMORY, Each, Spill
from dedup.stores import Shuffle, distinct, joined

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]
_Pairs = npt.NDArray[np.uint64]  # smaller position << 32 | larger

_COMPARED = 1 << 14  # pairs of signatures compared at a time: 16 MB
_CHOSEN = 1 << 20  # pairs among which the budget is kept at a time: 50 MB
_AT_ONCE = 1 << 13  # documents that one thread joins: of each come 200 pairs at most, but for hot keys


def candidates(
    sketches: pa.Table,
    params: DuplicateParams,
    unit: _Int | None = None,
    spill: Spill = IN_MEMORY,
    each: Each = map,
    skipped: Counter[str] | None = None,
) -> tuple[_Int, _Int]:
    """Find pairs worth verifying: MinHash bands for Jaccard, and a prefix join that completes both thresholds.

    Parameters
    ----------
    unit : int64[n] of `units`; only the first of each unit is paired. None: all.
    each : `map` over parts of the work, or that of an engine
    skipped : takes how much was left out: `hot_keys` that pair neighbours only, and candidate `duplicate_pairs`

    Returns
    -------
    left, right : int64[p], left < right, sorted and distinct; at most `pair_budget` a document on average.
    """
    skipped = Counter() if skipped is None else skipped
    shingles, offsets = schema.ragged(sketches["shingles"])
    alive = _first_of_its_unit(len(sketches), unit)
    filled = np.flatnonzero((np.diff(offsets) > 0) & alive)
    # Neighbours in the order of the smallest hash are likely near-copies, which is what a hot key pairs.
    smallest = np.zeros(len(alive), np.uint64)
    for start, stop in spill.slices(offsets):
        own = filled[slice(*np.searchsorted(filled, (start, stop)))]
        smallest[own] = shingles[offsets[own]]
    by_smallest = filled[np.argsort(smallest[filled], kind="stable")]
    signatures = schema.matrix(sketches["signature"])
    bands = distinct(_band_pairs(signatures, by_smallest, params, spill, each, skipped))
    by_prefix = distinct(_prefix_pairs(sketches["shingles"], alive, by_smallest, params, spill, each, skipped))
    found = distinct([bands, by_prefix])
    del bands, by_prefix
    return unpacked(_within_budget(found, signatures, len(filled), params, spill, skipped))


def equal_pairs(
    sketches: pa.Table, params: DuplicateParams, unit: _Int | None = None, spill: Spill = IN_MEMORY
) -> tuple[_Int, _Int]:
    """Pair the units of equal text: notices that differ in title or date only.

    Returns
    -------
    left, right : int64[p], as of `candidates`
    """
    key = schema.matrix(sketches["digest"])[:, 0]
    alive = _first_of_its_unit(len(sketches), unit)
    filled = np.flatnonzero((np.diff(schema.ragged(sketches["shingles"])[1]) > 0) & alive)
    by_key = filled[np.argsort(key[filled], kind="stable")]
    return unpacked(distinct([lsh.run_pairs(key[by_key], by_key, params.hot_key, params.predecessors)]))


def _within_budget(
    pairs: _Pairs,
    signatures: npt.NDArray[np.uint32],
    units: int,
    params: DuplicateParams,
    spill: Spill,
    skipped: Counter[str],
) -> _Pairs:
    """Where there are more than the budget, keep for each left document the pairs whose signatures agree most.

    Parameters
    ----------
    pairs : uint64[p], sorted
    """
    if len(pairs) <= params.pair_budget * units:
        return pairs
    kept = [pairs[:0]]
    for some in _by_left(pairs):
        left, right = unpacked(some)
        kept.append(some[best(left, right, agreement(signatures, left, right), params.pair_budget)])
        spill.release()
    skipped["duplicate_pairs"] += len(pairs) - sum(map(len, kept))
    return joined(kept)


def _by_left(pairs: _Pairs) -> Iterator[_Pairs]:
    """Yield sorted pairs in parts that hold all of their left documents."""
    start = 0
    while start < len(pairs):
        last = pairs[min(start + _CHOSEN, len(pairs)) - 1] >> np.uint64(32)
        stop = int(np.searchsorted(pairs, (last + np.uint64(1)) << np.uint64(32)))
        yield pairs[start:stop]
        start = stop


def agreement(signatures: npt.NDArray[np.uint32], left: _Int, right: _Int) -> npt.NDArray[np.int16]:
    """Count in how many places two signatures agree, int16[p]; signatures : uint32[n, num_perm]."""
    agree = np.empty(len(left), np.int16)
    for start in range(0, len(left), _COMPARED):
        some = slice(start, start + _COMPARED)
        agree[some] = (signatures[left[some]] == signatures[right[some]]).sum(axis=1)
    return agree


def best(left: _Int, right: _Int, agree: npt.NDArray[np.int16], most: int) -> _Int:
    """Choose for each left document the pairs that agree most, equal ones by the right document.

    Parameters
    ----------
    left : int64[p], sorted

    Returns
    -------
    int64[k], places of pairs, rising; at most `most` a left document
    """
    order = np.lexsort((right, -agree, left))
    begin = np.searchsorted(left, left)  # sorted; so is left[order], which is the same
    kept: _Int = np.sort(order[np.arange(len(left)) - begin < most])
    return kept


def _first_of_its_unit(n: int, unit: _Int | None) -> _Bool:
    return np.ones(n, np.bool_) if unit is None else unit == np.arange(n)


def _band_pairs(
    signatures: npt.NDArray[np.uint32],
    order: _Int,
    params: DuplicateParams,
    spill: Spill,
    each: Each,
    skipped: Counter[str],
) -> Iterator[_Pairs]:
    """Pair the units that share a band, band by band."""
    bands, rows = band_shape(params.num_perm, params.jaccard, params.recall)
    keys = spill.array((bands, len(signatures)), np.uint64)

    def fill(part: tuple[int, int]) -> None:
        keys[:, slice(*part)] = lsh.band_keys(signatures[slice(*part)], bands, rows)

    for _ in each(fill, spill.rows(len(signatures), 4 * params.num_perm)):
        pass

    def pair(band: int) -> tuple[_Pairs, int]:
        own = keys[band][order]
        by_key = np.argsort(own, kind="stable")
        return pairs_of_runs(own[by_key], order[by_key], params)

    for found, hot in each(pair, range(bands)):
        skipped["hot_keys"] += hot
        yield found
        spill.release()


def pairs_of_runs(keys: npt.NDArray[np.uint64], members: _Int, params: DuplicateParams) -> tuple[_Pairs, int]:
    """Pair all who share a key, and count the keys that are hot.

    Parameters
    ----------
    keys : uint64[m], sorted; members : int64[m], those of a key by their smallest shingle and position
    """
    hot = int((np.diff(starts_of_runs(keys), append=len(keys)) > params.hot_key).sum())
    return lsh.run_pairs(keys, members, params.hot_key, params.predecessors), hot


def _prefix_pairs(
    shingles: pa.ChunkedArray,
    alive: _Bool,
    order: _Int,
    params: DuplicateParams,
    spill: Spill,
    each: Each,
    skipped: Counter[str],
) -> Iterator[_Pairs]:
    """Pair the units of which the shorter may hold `prefix_containment` of its shingles in the longer."""
    rank = np.zeros(len(alive), np.uint32)
    rank[order] = np.arange(len(order))

    def by_key(part: list[pa.Table]) -> tuple[_Int, npt.NDArray[np.uint32], _Bool]:
        keys, members, own = (part[0][name].to_numpy() for name in ("key", "member", "own"))
        places = np.lexsort((rank[members], keys))
        return starts_of_runs(keys[places]), members[places], own[places]

    starts, total = [np.empty(0, np.int64)], 0
    holders, own = [np.empty(0, np.uint32)], [np.empty(0, np.bool_)]
    for begin, members, is_key in each(by_key, _postings(shingles, alive, params, spill, each).parts()):
        skipped["hot_keys"] += int(hot_lists(begin, is_key, params).sum())
        starts.append(total + begin)
        holders.append(members)
        own.append(is_key)
        total += len(members)
    bounds, sizes = np.append(np.concatenate(starts), total), np.diff(schema.ragged(shingles)[1])
    starts.clear()
    members = joined(holders)
    places, runs, first = prefix.keys_of_members(bounds, members, joined(own), len(sizes))
    sizes = sizes.astype(np.int32)

    def join(start: int) -> tuple[_Pairs, int]:
        stop = min(start + _AT_ONCE, len(sizes))
        limits = params.hot_key, params.predecessors, params.hot_key
        found: tuple[_Pairs, int] = prefix.prefix_join(
            bounds, members, places, runs, first, sizes, start, stop, *limits
        )
        return found

    for pairs, left_out in each(join, range(0, len(sizes), _AT_ONCE)):
        skipped["duplicate_pairs"] += left_out
        yield pairs


def starts_of_runs(keys: npt.NDArray[np.uint64]) -> _Int:
    """Return where each run of equal keys begins."""
    return np.flatnonzero(np.diff(keys, prepend=~keys[:1]))


def hot_lists(starts: _Int, is_key: _Bool, params: DuplicateParams) -> _Bool:
    """Tell which lists pair neighbours only: too long, and a key of somebody, since of the others nothing is paired.

    Parameters
    ----------
    starts : int64[r], where each begins; is_key : bool[m], of each member
    """
    return (np.diff(starts, append=len(is_key)) > params.hot_key) & np.logical_or.reduceat(is_key, starts)


def _postings(shingles: pa.ChunkedArray, alive: _Bool, params: DuplicateParams, spill: Spill, each: Each) -> Shuffle:
    """List who holds a shingle that some unit chose as a key: shingles, positions, and whether it is their own key.

    All holders of a shingle come in one part.

    Returns
    -------
    Shuffle of a table [key uint64, member uint32, own bool].
    """
    values, offsets = schema.ragged(shingles)
    total = int(np.diff(offsets)[alive].sum())
    seen = rarity.slot_counts(shingles, rarity.slots_for(total), spill, alive, each=each)
    chosen = spill.array(len(values), np.bool_)
    # The more marks, the fewer postings that nobody asked for: as many bits as two to four times the shingles.
    marks = np.zeros(1 << max(min(total // 4, spill.memory // 32).bit_length(), 10), np.uint8)

    def choose(part: tuple[int, int]) -> slice:
        here, ends = rarity.rows(offsets, *part)
        missing = 1 - params.prefix_containment
        prefix.prefix_keys(values[here], ends, alive[slice(*part)], seen[here], missing, chosen[here])
        return here

    for here in each(choose, spill.slices(offsets)):
        prefix.mark(values[here], chosen[here], marks)

    def hold(part: tuple[int, int]) -> pa.Table:
        here, ends = rarity.rows(offsets, *part)
        key, member, own = prefix.key_postings(values[here], ends, alive[slice(*part)], chosen[here], marks)
        return pa.table({"key": key, "member": member + np.uint32(part[0]), "own": own})

    holders = Shuffle(spill)
    for table in each(hold, spill.slices(offsets)):
        holders.add([table], table["key"].to_numpy())
    return holders


def unpacked(pairs: _Pairs) -> tuple[_Int, _Int]:
    """Return the two positions of each packed pair."""
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)
