"""Shingles that recur in many documents of one source, or of the corpus."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import rarity, schema
from dedup.kernels import hashing, passages, tfidf
from dedup.spill import Each, Spill, trim
from dedup.stores import joined

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]
_Rows = npt.NDArray[np.uint32]
_Hashes = npt.NDArray[np.uint64]

_ABOVE_ALL = 1 << 16  # count that no slot reaches
_ENTRY_BYTES = 48  # of a shingle that may be frequent, while it is counted
_AT_ONCE = 1 << 18  # entries
_READ_BYTES = 128  # while a shingle is looked at


class Scope(NamedTuple):
    """The shingles that are frequent among the documents of their source, or of the corpus."""

    codes: _Int  # [n] source
    evidence: _Bool  # [n] documents that count: one of each text in each source
    needed: _Int  # [n] documents from which a shingle is frequent
    entries: _Int  # [e] places among all shingles, ascending
    rows: _Rows  # [e] documents
    keys: _Rows  # [e] dense; equal for one shingle in one source


def first_of_text(codes: _Int, digest: npt.NDArray[np.uint64]) -> _Int:
    """Return the first document of each one's text in its source, int64[n]."""
    order = np.lexsort((codes, digest[:, 1], digest[:, 0]))
    texts = np.column_stack((digest, codes.astype(np.uint64)))[order]
    start = np.zeros(len(codes), np.int64)
    start[1:] = np.where((texts[1:] != texts[:-1]).any(axis=1), np.arange(1, len(codes)), 0)
    first = np.empty(len(codes), np.int64)
    first[order] = order[np.maximum.accumulate(start)]
    return first


def scope(codes: _Int, first: _Int, share: float, least: int) -> Scope:
    """Count each text once in its source, the `first_of_text`; entries are still to be found."""
    evidence = first == np.arange(len(first))
    sizes = np.bincount(codes[evidence] + 1, minlength=1)  # -1, unknown, comes first
    wanted = needed(sizes, share, least)[codes + 1]
    return Scope(codes, evidence, wanted, np.empty(0, np.int64), *(np.empty(0, np.uint32),) * 2)


def needed(sizes: npt.NDArray[Any], share: float, least: int) -> _Int:
    """Return in how many documents a shingle must stand to be frequent, by how many there are, int64[m]."""
    return np.maximum(least, np.ceil(share * sizes)).astype(np.int64)


def with_entries(scopes: list[Scope], shingles: pa.ChunkedArray, spill: Spill, each: Each = map) -> list[Scope]:
    """Find the frequent shingles of each scope, in the documents that are evidence in any of them.

    Documents left out have a text that such a document of their source has too.
    """
    values, offsets = schema.ragged(shingles)
    alive = np.ones(len(offsets) - 1, np.bool_)
    # Counts to 65,535, since a share of a large source is many: were whatever lies above 255 taken for frequent, there
    # would be more of it, and more parts of it to walk over, the larger the corpus.
    slots = 1 << max((2 * len(values)).bit_length(), 10)
    seen = rarity.slot_counts(shingles, slots, spill, alive, np.uint16, each)
    told = np.any([scope.evidence for scope in scopes], axis=0)
    return [_with_entries(scope, told, values, offsets, seen, spill, each) for scope in scopes]


def _with_entries(
    scope: Scope,
    told: _Bool,
    values: npt.NDArray[np.uint64],
    offsets: _Int,
    seen: npt.NDArray[np.uint16],
    spill: Spill,
    each: Each,
) -> Scope:
    """Find them among those common enough by `seen`: count the hashes part by part, then list who holds one."""
    bounds = np.where(scope.codes < 0, _ABOVE_ALL, np.minimum(scope.needed, _ABOVE_ALL - 1)).astype(np.int64)

    def common(some: tuple[int, int], counted: _Bool, part: int, parts: int) -> tuple[_Int, _Int, _Hashes]:
        """Return places, documents and hashes, with their source, of shingles of the `counted` documents."""
        here, ends = rarity.rows(offsets, *some)
        least = np.where(counted[slice(*some)], bounds[slice(*some)], _ABOVE_ALL)
        places, rows = passages.common(values[here], ends, seen[here], least, part, parts)
        rows += some[0]
        return here.start + places, rows, hashes_of(scope.codes[rows], values[here][places])

    # Positions are in the order of a hash: the first documents are a sample of all.
    first, sampled = next(spill.slices(offsets, _READ_BYTES), (0, 0))
    share = len(common((first, sampled), scope.evidence, 0, 1)[0]) / max(offsets[sampled], 1)
    parts = 1 << int(share * len(values) * _ENTRY_BYTES * 32 // spill.memory).bit_length()
    known = [np.empty(0, np.uint64)]
    for part in range(parts):
        pieces = list(
            each(partial(common, counted=scope.evidence, part=part, parts=parts), spill.slices(offsets, _READ_BYTES))
        )
        pieces.append((np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64)))
        _, rows, hashes = (np.concatenate(column) for column in zip(*pieces, strict=True))
        found, one, counts = np.unique(hashes, return_index=True, return_counts=True)
        known.append(found[counts >= scope.needed[rows[one]]])
    every = np.sort(np.concatenate(known))

    def held(some: tuple[int, int]) -> tuple[_Int, _Rows, _Rows]:
        places, rows, hashes = common(some, told, 0, 1)
        key = tfidf.lookup(every, hashes)
        return places[key >= 0], rows[key >= 0].astype(np.uint32), key[key >= 0].astype(np.uint32)

    columns: tuple[list[Any], ...] = [scope.entries], [scope.rows], [scope.keys]
    for some in each(held, spill.slices(offsets, _READ_BYTES)):
        for column, values_of in zip(columns, some, strict=True):
            column.append(values_of)
    trim()
    return Scope(*scope[:3], *map(joined, columns))


def hashes_of(codes: _Int, shingles: _Hashes) -> _Hashes:
    """Hash each shingle with its source, uint64[m]."""
    found: _Hashes = hashing.hash_pairs(codes.astype(np.uint64), shingles)
    return found


def frequent(scope: Scope) -> Scope:
    """Keep the entries that stand in enough of the documents that count."""
    counts = np.bincount(scope.keys[scope.evidence[scope.rows]], minlength=int(scope.keys.max(initial=0)) + 1)
    kept = np.empty(len(scope.rows), np.bool_)
    for start in range(0, len(kept), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        kept[some] = counts[scope.keys[some]] >= scope.needed[scope.rows[some]]
    return only(scope, kept)


def only(scope: Scope, wanted: _Bool) -> Scope:
    """Keep some of the entries, bool[e]."""
    return scope._replace(entries=scope.entries[wanted], rows=scope.rows[wanted], keys=scope.keys[wanted])


def among(scope: Scope, places: _Int) -> Scope:
    """Keep the entries at the given places, which are distinct and ascending, and all of them entries of some scope."""
    at = np.searchsorted(places, scope.entries)
    found = np.zeros(len(at), np.bool_)
    inner = at < len(places)
    found[inner] = places[at[inner]] == scope.entries[inner]
    return only(scope, found)


def per_document(scopes: list[Scope], offsets: _Int, spill: Spill) -> _Int:
    """Count the places of each document that are listed in any scope, int64[n]."""
    counts = np.zeros(len(offsets) - 1, np.int64)
    for start, stop in spill.slices(offsets, _READ_BYTES):
        bounds = [np.searchsorted(scope.entries, offsets[[start, stop]]) for scope in scopes]
        listed = union(scope.entries[slice(*some)] for scope, some in zip(scopes, bounds, strict=True))
        counts[start:stop] = np.diff(np.searchsorted(listed, offsets[start : stop + 1]))
    return counts


def union(lists: Iterable[_Int]) -> _Int:
    """Return every place that is listed, once, ascending; the lists are ascending or nearly so."""
    every = np.concatenate([np.empty(0, np.int64), *lists])
    every.sort(kind="stable")  # merges runs; np.unique would put millions of places into a hash table
    once: _Int = every[np.diff(every, prepend=-1) != 0]
    return once
