"""Shingles that recur in many documents of one source, or of the corpus."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import rarity, schema
from dedup.kernels import hashing, passages
from dedup.spill import Each, Spill

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]

_ABOVE_ALL = 1 << 16  # count that no slot reaches
_ENTRY_BYTES = 48  # of a shingle that may be frequent, while it is counted


class Scope(NamedTuple):
    """The shingles that are frequent among the documents of their source, or of the corpus."""

    codes: _Int  # [n] source
    evidence: _Bool  # [n] documents that count: one of each text in each source
    needed: _Int  # [n] documents from which a shingle is frequent
    entries: _Int  # [e] places among all shingles, ascending
    rows: _Int  # [e] documents
    keys: _Int  # [e] dense; equal for one shingle in one source


def scope(codes: _Int, digest: npt.NDArray[np.uint64], share: float, least: int) -> Scope:
    """Count each text once in its source; entries are still to be found."""
    order = np.lexsort((codes, digest[:, 1], digest[:, 0]))
    texts = np.column_stack((digest, codes.astype(np.uint64)))[order]
    evidence = np.ones(len(codes), np.bool_)
    evidence[order[1:]] = (texts[1:] != texts[:-1]).any(axis=1)
    sizes = np.bincount(codes[evidence] + 1, minlength=1)  # -1, unknown, comes first
    needed = np.maximum(least, np.ceil(share * sizes)).astype(np.int64)[codes + 1]
    return Scope(codes, evidence, needed, *(np.empty(0, np.int64),) * 3)


def with_entries(scopes: list[Scope], shingles: pa.ChunkedArray, spill: Spill, each: Each = map) -> list[Scope]:
    """Find the frequent shingles of each scope."""
    values, offsets = schema.ragged(shingles)
    alive = np.ones(len(offsets) - 1, np.bool_)
    # Counts to 65,535, since a share of a large source is many: were whatever lies above 255 taken for frequent, there
    # would be more of it, and more parts of it to walk over, the larger the corpus.
    slots = 1 << max((2 * len(values)).bit_length(), 10)
    seen = rarity.slot_counts(shingles, slots, spill, alive, np.uint16, each)
    return [_with_entries(scope, values, offsets, seen, spill, each) for scope in scopes]


def _with_entries(
    scope: Scope,
    values: npt.NDArray[np.uint64],
    offsets: _Int,
    seen: npt.NDArray[np.uint16],
    spill: Spill,
    each: Each,
) -> Scope:
    """Find them among those common enough by `seen`, part by part of all possible hashes."""
    bounds = np.where(scope.codes < 0, _ABOVE_ALL, np.minimum(scope.needed, _ABOVE_ALL - 1)).astype(np.int64)

    def common(some: tuple[int, int], part: int, parts: int) -> tuple[_Int, _Int]:
        here, ends = rarity.rows(offsets, *some)
        places, rows = passages.common(values[here], ends, seen[here], bounds[slice(*some)], part, parts)
        return here.start + places, some[0] + rows

    # Positions are in the order of a hash: the first documents are a sample of all.
    first, sampled = next(spill.slices(offsets), (0, 0))
    share = len(common((first, sampled), 0, 1)[0]) / max(offsets[sampled], 1)
    parts = 1 << int(share * len(values) * _ENTRY_BYTES * 8 // spill.memory).bit_length()
    found = []
    for part in range(parts):
        pieces = list(each(partial(common, part=part, parts=parts), spill.slices(offsets)))
        pieces.append((np.empty(0, np.int64), np.empty(0, np.int64)))
        entries, rows = (np.concatenate(column) for column in zip(*pieces, strict=True))
        keys = hashing.hash_pairs(scope.codes[rows].astype(np.uint64), _gathered(values, entries, spill))
        some = scope._replace(entries=entries, rows=rows, keys=np.unique(keys, return_inverse=True)[1])
        found.append(frequent(some))
    return _joined(found)


def _gathered(values: npt.NDArray[np.uint64], places: _Int, spill: Spill) -> npt.NDArray[np.uint64]:
    """Read values at ascending places."""
    found = np.empty(len(places), np.uint64)
    for start, stop in spill.rows(len(places), 1 << 10):
        found[start:stop] = values[places[start:stop]]
    return found


def _joined(parts: list[Scope]) -> Scope:
    """Put the entries of several parts into one scope."""
    shift = np.cumsum([0, *(int(part.keys.max(initial=-1)) + 1 for part in parts)])
    keys = np.concatenate([part.keys + first for part, first in zip(parts, shift[:-1], strict=True)])
    entries, rows = (np.concatenate([getattr(part, name) for part in parts]) for name in ("entries", "rows"))
    order = np.argsort(entries)
    return parts[0]._replace(entries=entries[order], rows=rows[order], keys=keys[order])


def frequent(scope: Scope) -> Scope:
    """Keep the entries that stand in enough of the documents that count."""
    counts = np.bincount(scope.keys[scope.evidence[scope.rows]], minlength=int(scope.keys.max(initial=-1)) + 1)
    return only(scope, counts[scope.keys] >= scope.needed[scope.rows])


def only(scope: Scope, wanted: _Bool) -> Scope:
    """Keep some of the entries, bool[e]."""
    return scope._replace(entries=scope.entries[wanted], rows=scope.rows[wanted], keys=scope.keys[wanted])


def union(lists: Iterable[_Int]) -> _Int:
    """Return every place that is listed, once, ascending."""
    return np.unique(np.concatenate([np.empty(0, np.int64), *lists]))
