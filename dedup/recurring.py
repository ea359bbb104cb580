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
_LEAST_PART = 1 << 18  # bytes: every document is read again for each part
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


def hashes_of(codes: _Int, shingles: _Hashes) -> _Hashes:
    """Hash each shingle with its source, uint64[m]."""
    found: _Hashes = hashing.hash_pairs(codes.astype(np.uint64), shingles)
    return found


class _Shingles(NamedTuple):
    """All shingles, and from which count on one may be frequent in its document."""

    values: _Hashes
    offsets: _Int
    seen: npt.NDArray[np.uint16]  # [s] upper bounds of how common each is
    codes: _Int  # [n] source
    bounds: _Int  # [n]

    def common(self, some: tuple[int, int], counted: _Bool, part: int, parts: int) -> tuple[_Int, _Int, _Hashes]:
        """Return places, documents and hashes, with their source, of common shingles of the `counted` documents."""
        here, ends = rarity.rows(self.offsets, *some)
        least = np.where(counted[slice(*some)], self.bounds[slice(*some)], _ABOVE_ALL)
        places, rows = passages.common(self.values[here], ends, self.seen[here], least, part, parts)
        rows += some[0]
        return here.start + places, rows, hashes_of(self.codes[rows], self.values[here][places])

    def held(self, some: tuple[int, int], counted: _Bool, frequent: _Hashes) -> tuple[_Int, _Rows, _Rows]:
        """Return places, documents and keys of the frequent ones."""
        places, rows, hashes = self.common(some, counted, 0, 1)
        key = tfidf.lookup(frequent, tfidf.index(frequent), hashes)
        return places[key >= 0], rows[key >= 0].astype(np.uint32), key[key >= 0].astype(np.uint32)


def with_entries(
    scopes: list[Scope], shingles: pa.ChunkedArray, titled: _Bool, spill: Spill, each: Each = map
) -> list[Scope]:
    """Find the frequent shingles of each scope, in the documents that are evidence in any of them.

    Documents left out have a text that such a document of their source has too. Of a text that consists mostly of what
    others hold there are copies, or it fills in a template: from then on it is no evidence, unless it is `titled`. What
    is no longer frequent without such texts is never listed: of near-copies that would be all.

    Parameters
    ----------
    titled : bool[n]; the titles of copies are alike, those of stubs under one footer are not.
    """
    values, offsets = schema.ragged(shingles)
    alive = np.ones(len(offsets) - 1, np.bool_)
    # Counts to 65,535, since a share of a large source is many: were whatever lies above 255 taken for frequent, there
    # would be more of it, and more parts of it to walk over, the larger the corpus.
    slots = 1 << max((2 * len(values)).bit_length(), 10)
    seen = rarity.slot_counts(shingles, slots, spill, alive, np.uint16, each)
    told = np.any([scope.evidence for scope in scopes], axis=0)
    read = [_Shingles(values, offsets, seen, scope.codes, _bounds(scope)) for scope in scopes]
    frequent = [_frequent(some, scope, spill, each) for some, scope in zip(read, scopes, strict=True)]
    counts = [np.zeros(len(hashes), np.int64) for hashes in frequent]
    own = np.empty(len(offsets) - 1, np.bool_)

    def count(some: tuple[int, int]) -> tuple[tuple[int, int], _Bool, list[_Rows]]:
        """Return which documents of a part have a text of their own, and the keys in those that are evidence."""
        found = [part.held(some, told, hashes) for part, hashes in zip(read, frequent, strict=True)]
        ends = offsets[some[0] : some[1] + 1]
        shared = np.diff(np.searchsorted(union(places for places, _, _ in found), ends))
        kept = has_own_text(shared, np.diff(ends), titled[slice(*some)])
        keys = [
            key[kept[rows - np.uint32(some[0])] & scope.evidence[rows]]
            for (_, rows, key), scope in zip(found, scopes, strict=True)
        ]
        return some, kept, keys

    for some, kept, keys in each(count, spill.slices(offsets, _READ_BYTES)):
        own[slice(*some)] = kept
        for total, key in zip(counts, keys, strict=True):
            np.add.at(total, key, 1)
    scopes = [scope._replace(evidence=scope.evidence & own) for scope in scopes]
    every = zip(scopes, read, frequent, counts, strict=True)
    return [_listed(scope, some, hashes, total, told, spill, each) for scope, some, hashes, total in every]


def _bounds(scope: Scope) -> _Int:
    """Return the count from which a shingle may be frequent, as far as slots count."""
    return np.where(scope.codes < 0, _ABOVE_ALL, np.minimum(scope.needed, _ABOVE_ALL - 1)).astype(np.int64)


def _frequent(read: _Shingles, scope: Scope, spill: Spill, each: Each) -> _Hashes:
    """Return the hashes that enough documents hold: counted part by part, among those common enough by `seen`."""
    offsets, of_all = read.offsets, len(read.values)
    # Positions are in the order of a hash: the first documents are a sample of all.
    first, sampled = next(spill.slices(offsets, _READ_BYTES), (0, 0))
    share = len(read.common((first, sampled), scope.evidence, 0, 1)[0]) / max(offsets[sampled], 1)
    parts = 1 << int(share * of_all * _ENTRY_BYTES // max(spill.memory // 32, _LEAST_PART)).bit_length()
    known = [np.empty(0, np.uint64)]
    for part in range(parts):
        common = partial(read.common, counted=scope.evidence, part=part, parts=parts)
        columns: tuple[list[Any], ...] = [np.empty(0, np.uint32)], [np.empty(0, np.uint64)]
        for _, some, of in each(common, spill.slices(offsets, _READ_BYTES)):
            columns[0].append(some.astype(np.uint32))
            columns[1].append(of)
        rows, hashes = map(joined, columns)
        found, one, counts = np.unique(hashes, return_index=True, return_counts=True)
        known.append(found[counts >= scope.needed[rows[one]]])
        del rows, hashes, one
        trim()  # each part leaves as much behind
    return np.sort(np.concatenate(known))


def _listed(
    scope: Scope, read: _Shingles, frequent: _Hashes, counts: _Int, told: _Bool, spill: Spill, each: Each
) -> Scope:
    """List who holds a shingle that stands in enough of the documents that count."""

    def held(some: tuple[int, int]) -> tuple[_Int, _Rows, _Rows]:
        places, rows, keys = read.held(some, told, frequent)
        kept = counts[keys] >= scope.needed[rows]
        return places[kept], rows[kept], keys[kept]

    columns: tuple[list[Any], ...] = [scope.entries], [scope.rows], [scope.keys]
    for some in each(held, spill.slices(read.offsets, _READ_BYTES)):
        for column, values_of in zip(columns, some, strict=True):
            column.append(values_of)
    trim()
    return Scope(*scope[:3], *map(joined, columns))


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


def has_own_text(shared: _Int, sizes: _Int, titled: _Bool) -> _Bool:
    """Tell which documents are evidence, by how many of their shingles are frequent; see `with_entries`."""
    own: _Bool = (2 * shared <= sizes) | titled
    return own


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
