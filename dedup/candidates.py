"""Pass 1: pairs worth verifying, from bands of the signatures and from a join over the rarest shingles.

Positions are those of the sketches; of documents that no rule tells apart (`duplicates.units`) the first is paired.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import rarity, schema
from dedup.kernels import lsh
from dedup.params import DuplicateParams
from dedup.spill import IN_MEMORY, Spill
from dedup.stores import Shuffle, distinct

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]
_Pairs = npt.NDArray[np.uint64]  # smaller position << 32 | larger


def band_shape(num_perm: int, threshold: float, recall: float) -> tuple[int, int]:
    """Return (bands, rows): the most rows that still find `recall` of the pairs at the Jaccard threshold.

    A pair of Jaccard j shares a band with probability 1 - (1 - j^rows)^bands (Leskovec, Rajaraman, Ullman 2020,
    section 3.4.2). More rows mean fewer useless candidates.
    """
    for rows in range(num_perm, 1, -1):
        for bands in range(1, num_perm // rows + 1):
            if 1 - (1 - threshold**rows) ** bands >= recall:
                return bands, rows
    return num_perm, 1


def candidates(
    sketches: pa.Table, params: DuplicateParams, unit: _Int | None = None, spill: Spill = IN_MEMORY
) -> tuple[_Int, _Int]:
    """Find pairs worth verifying: MinHash bands for Jaccard, and a prefix join that completes both thresholds.

    Parameters
    ----------
    unit : int64[n] of `units`; only the first of each unit is paired. None: all.

    Returns
    -------
    left, right : int64[p], left < right, sorted and distinct.
    """
    shingles, offsets = schema.ragged(sketches["shingles"])
    alive = _first_of_its_unit(len(sketches), unit)
    filled = np.flatnonzero((np.diff(offsets) > 0) & alive)
    # Neighbours in the order of the smallest hash are likely near-copies, which is what a hot key pairs.
    smallest = np.zeros(len(alive), np.uint64)
    for start, stop in spill.slices(offsets):
        own = filled[slice(*np.searchsorted(filled, (start, stop)))]
        smallest[own] = shingles[offsets[own]]
    by_smallest = filled[np.argsort(smallest[filled], kind="stable")]
    bands = distinct(_band_pairs(schema.matrix(sketches["signature"]), by_smallest, params, spill))
    return _unpacked(distinct([bands, _prefix_pairs(sketches["shingles"], alive, by_smallest, params, spill)]))


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
    return _unpacked(distinct([lsh.run_pairs(key[by_key], by_key, params.hot_key, params.predecessors)]))


def _first_of_its_unit(n: int, unit: _Int | None) -> _Bool:
    return np.ones(n, np.bool_) if unit is None else unit == np.arange(n)


def _band_pairs(
    signatures: npt.NDArray[np.uint32], order: _Int, params: DuplicateParams, spill: Spill
) -> Iterator[_Pairs]:
    """Pair the units that share a band, band by band."""
    bands, rows = band_shape(params.num_perm, params.jaccard, params.recall)
    keys = spill.array((bands, len(signatures)), np.uint64)
    for start, stop in spill.rows(len(signatures), 4 * params.num_perm):
        keys[:, start:stop] = lsh.band_keys(signatures[start:stop], bands, rows)
    for band in range(bands):
        own = keys[band][order]
        by_key = np.argsort(own, kind="stable")
        yield lsh.run_pairs(own[by_key], order[by_key], params.hot_key, params.predecessors)
        spill.release()


def _prefix_pairs(
    shingles: pa.ChunkedArray, alive: _Bool, order: _Int, params: DuplicateParams, spill: Spill
) -> _Pairs:
    """Pair the units of which the shorter may hold `prefix_containment` of its shingles in the longer."""
    rank = np.zeros(len(alive), np.uint32)
    rank[order] = np.arange(len(order))
    starts, total = [np.empty(0, np.int64)], 0
    holders, own = [np.empty(0, np.uint32)], [np.empty(0, np.bool_)]
    for keys, members, is_key in _postings(shingles, alive, params, spill):
        by_key = np.lexsort((rank[members], keys))
        starts.append(total + np.flatnonzero(np.diff(keys[by_key], prepend=~keys[by_key[:1]])))
        holders.append(members[by_key])
        own.append(is_key[by_key])
        total += len(keys)
    bounds, sizes = np.append(np.concatenate(starts), total), np.diff(schema.ragged(shingles)[1])
    pairs: _Pairs = lsh.prefix_join(bounds, _joined(holders), _joined(own), sizes, params.hot_key, params.predecessors)
    return pairs


def _postings(
    shingles: pa.ChunkedArray, alive: _Bool, params: DuplicateParams, spill: Spill
) -> Iterator[tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32], _Bool]]:
    """Yield who holds a shingle that some unit chose as a key: shingles, positions, and whether it is their own key.

    All holders of a shingle come in one part.
    """
    values, offsets = schema.ragged(shingles)
    total = int(np.diff(offsets)[alive].sum())
    seen = rarity.slot_counts(shingles, 1 << max((4 * total).bit_length(), 10), spill, alive)
    chosen = spill.array(len(values), np.bool_)
    # The more marks, the fewer postings that nobody asked for: as many bits as two to four times the shingles.
    marks = np.zeros(1 << max(min(total // 4, spill.memory // 32).bit_length(), 10), np.uint8)
    for _, places, ends in rarity.walk(offsets, alive, spill):
        chosen[places] = lsh.prefix_keys(
            rarity.read(values, places), ends, rarity.read(seen, places), 1 - params.prefix_containment, marks
        )
    holders = Shuffle(spill)
    for start, places, ends in rarity.walk(offsets, alive, spill):
        key, member, own = lsh.postings(rarity.read(values, places), ends, rarity.read(chosen, places), marks)
        holders.add([pa.table({"key": key, "member": member + np.uint32(start), "own": own})], key)
    del seen, chosen
    for (part,) in holders.parts():
        yield part["key"].to_numpy(), part["member"].to_numpy(), part["own"].to_numpy()


def _joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Concatenate and empty a list of arrays, so that little is there twice."""
    whole = np.empty(sum(map(len, parts)), parts[0].dtype)
    end = len(whole)
    while parts:
        part = parts.pop()
        whole[end - len(part) : end] = part
        end -= len(part)
    return whole


def _unpacked(pairs: _Pairs) -> tuple[_Int, _Int]:
    """Return the two positions of each packed pair."""
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)
