"""Passages that say nothing about an article: footers, share bars, cookie notices, agency lines.

They are learnt from the corpus itself: a passage is boilerplate where it stands in many documents of one source, or of
the whole corpus, that otherwise differ. Between reading and pass 1 it is taken out of the sketches and the counted
terms, so that neither pass hears of it; every Jaccard, containment and cosine reported is that of what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import recurring, schema, stripping
from dedup.kernels import hashing, passages
from dedup.params import BoilerplateParams, DuplicateParams
from dedup.recurring import Scope
from dedup.spill import IN_MEMORY, Each, Spill, trim
from dedup.stores import Columns
from dedup.stripping import Permutations, Read, steps
from dedup.text import Comparable

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]
Weigh = Callable[[pa.Table], tuple[_Int, npt.NDArray[np.uint32], npt.NDArray[np.float32], npt.NDArray[np.uint64]]]
Learn = Callable[[pa.Table], Weigh]

FREQUENCY_SAMPLE = 4096  # documents from which the weights of terms are learnt
MOST_LEARNT = 32_768  # documents of all, where there are many passages
_READ_BYTES = 32  # of what was read, for each shingle of a text
_STRIPPED_BYTES = 96  # while they are taken out, likewise
_WEIGHED_BYTES = 160  # while a document is weighed
_PICKED = 16  # arrays that are read of a picked document, by some threads at a time


class Stripped(NamedTuple):
    """What is left of the documents, in their order, and how much went."""

    sketches: pa.Table  # schema.sketches
    whole: pa.Table  # the same before; or these, and below them those that changed as they were
    as_read: _Int  # [n] row of each document in `whole` as it was
    terms: pa.Table  # schema.TERMS
    documents: int  # that held boilerplate
    shingles: int  # of all documents together


def trace(text: Comparable, sketch: pa.RecordBatch, counted: pa.RecordBatch, params: DuplicateParams) -> pa.RecordBatch:
    """Note where the shingles, terms and figures of each text stand, since the text itself is not kept.

    Parameters
    ----------
    sketch : schema.sketches; counted : schema.TERMS, of the same batch

    Returns
    -------
    schema.TRACES
    """
    tokens = text.body_tokens
    ranks, places = passages.trace(
        *tokens[:3],
        params.shingle_words,
        params.shingle_chars,
        *schema.ragged(sketch["shingles"]),
        *schema.ragged(counted["terms"]),
        *schema.ragged(sketch["numbers"]),
    )
    return pa.RecordBatch.from_arrays(
        [schema.ragged_array(ranks, tokens.offsets), schema.ragged_array(places, tokens.offsets)], schema=schema.TRACES
    )


def strip(
    sketches: pa.Table,
    terms: pa.Table,
    traces: pa.Table,
    source: pa.ChunkedArray,
    params: BoilerplateParams,
    permutations: Permutations,
    learn: Learn,
    spill: Spill = IN_MEMORY,
    each: Each = map,
) -> Stripped:
    """Learn the boilerplate of each source and of the corpus, and take it out.

    A document of which next to nothing is left keeps one shingle, made from its whole text: only an equal text is its
    copy. Two empty pages with one cookie notice are not the same article.

    Parameters
    ----------
    sketches : schema.sketches; terms : schema.TERMS; traces : schema.TRACES; of the same documents
    source : string[n], null where unknown
    permutations : of the signatures, as `duplicates.permutations` gives them
    learn : how to weigh counted terms, learnt from those of some documents, as `weighing.learnt` does: unit vectors,
        CSR and the terms of its columns
    """
    every = Read(sketches, terms, traces)
    offsets = schema.ragged(sketches["shingles"])[1]
    flagged = _learnt(every, source, params, learn, spill, each)
    if not len(flagged):
        return Stripped(sketches, sketches, np.arange(len(sketches)), terms, 0, 0)
    trim()  # learning took as much again as the sketches
    left = Columns(spill, sketches.schema), Columns(spill, terms.schema)
    shingles, changed = 0, [np.empty(0, np.bool_)]

    def without(bounds: tuple[int, int]) -> tuple[pa.Table, pa.Table, _Bool, int]:
        flags = stripping.listed(flagged, offsets, np.arange(*bounds))
        return stripping.stripped(every.slice(*bounds), flags, params, permutations)

    for *tables, touched, gone in each(without, spill.slices(offsets, _STRIPPED_BYTES)):
        for grown, table in zip(left, tables, strict=True):
            grown.append(table)
        changed.append(touched)
        shingles += gone
    rows = np.flatnonzero(np.concatenate(changed))
    return Stripped(*_with_the_old(left[0], sketches, rows, spill), left[1].table(), len(rows), shingles)


def _with_the_old(new: Columns, old: pa.Table, changed: _Int, spill: Spill) -> tuple[pa.Table, pa.Table, _Int]:
    """Return the new sketches, and a table in which the old ones are, with the row of each document in it.

    Parameters
    ----------
    changed : int64[c], rows. Where they are few it takes less to keep these twice than all.
    """
    n = len(old)
    as_read = np.arange(n)
    if len(changed) > n // 2:
        return new.table(), old, as_read
    sizes = np.diff(schema.ragged(old["shingles"])[1])[changed]
    for start, stop in spill.slices(np.append(0, np.cumsum(sizes))):
        new.append(schema.take(old, pa.array(changed[start:stop])))
    whole = new.table()
    as_read[changed] = n + np.arange(len(changed))
    return whole.slice(0, n), whole, as_read


def _learnt(
    every: Read, source: pa.ChunkedArray, params: BoilerplateParams, learn: Learn, spill: Spill, each: Each
) -> _Int:
    """List the shingles of passages that stand in many otherwise differing documents, by place among all."""
    sketches = every.sketches
    offsets = schema.ragged(sketches["shingles"])[1]
    digest = schema.matrix(sketches["digest"])
    codes = schema.one_chunk(source).dictionary_encode().indices.fill_null(-1).to_numpy().astype(np.int64)
    first, everywhere = recurring.first_of_text(codes, digest), np.zeros(len(codes), np.int64)
    scopes = [
        recurring.scope(codes, first, params.source_share, params.least),
        recurring.scope(everywhere, recurring.first_of_text(everywhere, digest), params.corpus_share, params.least),
    ]
    scopes = recurring.with_entries(scopes, sketches["shingles"], _titled(sketches, params), spill, each)
    flagged = recurring.union(scope.entries for scope in scopes)

    def runs_of(part: tuple[int, int]) -> _Int:
        start, stop = part
        local, ends = stripping.listed(flagged, offsets, np.arange(*part)), offsets[start : stop + 1] - offsets[start]
        inside = stripping.runs(every.traces.slice(start, stop - start), local, ends, params)[1]
        found: _Int = offsets[start] + np.flatnonzero(inside)
        return found

    runs = np.concatenate([np.empty(0, np.int64), *each(runs_of, spill.slices(offsets))])
    scopes = [recurring.among(scope, runs) for scope in scopes]
    del runs
    trim()

    def bare(rows: _Int) -> pa.Table:
        """Return the terms of some documents without the frequent passages."""
        parts = [every.terms.slice(0, 0)]
        for part in spill.picks(len(rows), _PICKED):
            local = stripping.listed(flagged, offsets, first[rows[part]])
            parts.append(stripping.bare(every.take(rows[part]), local, params))
            trim()
        return pa.concat_tables(parts)

    told = recurring.union(_of_many_events(scope, offsets, bare, params, learn, spill, each) for scope in scopes)
    return _shared_by_equal_texts(told, offsets, digest)


def telling(scopes: list[Scope], sketches: pa.Table, params: BoilerplateParams, spill: Spill = IN_MEMORY) -> _Bool:
    """Tell which documents are evidence by what is frequent in them, bool[n]; see `recurring.with_entries`.

    Parameters
    ----------
    scopes : with their entries among the shingles of the sketches
    sketches : schema.sketches
    """
    offsets = schema.ragged(sketches["shingles"])[1]
    shared = recurring.per_document(scopes, offsets, spill)
    return recurring.has_own_text(shared, np.diff(offsets), _titled(sketches, params))


def _titled(sketches: pa.Table, params: BoilerplateParams) -> _Bool:
    titled: _Bool = np.diff(schema.ragged(sketches["title_words"])[1]) >= params.titled
    return titled


def _of_many_events(
    scope: Scope,
    offsets: _Int,
    bare: Callable[[_Int], pa.Table],
    params: BoilerplateParams,
    learn: Learn,
    spill: Spill,
    each: Each,
) -> _Int:
    """List the entries of shingles whose documents resemble each other no more than chance has it.

    What several reports of one event quote stands in documents that are alike without it too.

    Parameters
    ----------
    offsets : int64[n + 1], of the shingles of each document
    bare : schema.TERMS of some documents without the frequent passages
    """
    telling = np.flatnonzero(scope.evidence[scope.rows])
    telling = telling[np.argsort(scope.keys[telling], kind="stable")]
    known, starts = np.unique(scope.keys[telling], return_index=True)
    members = scope.rows[telling]
    if not len(members):
        return scope.entries[:0]
    # The shingles of a footer stand in the same documents: these are measured once.
    _, chosen, of_set = np.unique(set_hashes(members, starts), return_index=True, return_inverse=True)
    sizes = np.minimum(np.diff(starts, append=len(members))[chosen], params.sample)
    # Positions are in the order of a hash: the first documents are a sample of all.
    n = len(offsets) - 1
    chance = np.arange(min(n, params.sample))
    sampled = np.concatenate((members[np.repeat(starts[chosen], sizes) + steps(sizes)], chance))
    sizes = np.append(sizes, len(chance))
    rows = np.union1d(sampled, np.arange(min(n, FREQUENCY_SAMPLE)))
    weigh = learn(bare(rows[:MOST_LEARNT]))
    bounds = np.concatenate(([0], np.cumsum(sizes)))

    def measured(sets: tuple[int, int]) -> npt.NDArray[np.float64]:
        ends = bounds[sets[0] : sets[1] + 1]
        return mean_cosines(sampled[ends[0] : ends[-1]], ends - ends[0], bare, weigh)

    lengths = np.concatenate(([0], np.cumsum(np.diff(offsets)[sampled])))[bounds]
    means = np.concatenate(list(each(measured, spill.slices(lengths, _WEIGHED_BYTES))))
    told = np.zeros(int(scope.keys.max()) + 1, np.bool_)
    told[known] = unrelated(means, means[-1], params)[of_set]
    return scope.entries[told[scope.keys]]


def set_hashes(members: npt.NDArray[Any], starts: _Int) -> npt.NDArray[np.uint64]:
    """Hash sets of documents, uint64[c], which lie one after the other; the hash of a union is the sum of hashes."""
    spread = hashing.hash_pairs(members.astype(np.uint64), np.zeros(len(members), np.uint64))
    sums: npt.NDArray[np.uint64] = np.add.reduceat(spread, starts)
    return sums


def mean_cosines(
    sampled: npt.NDArray[Any], bounds: _Int, bare: Callable[[_Int], pa.Table], weigh: Weigh
) -> npt.NDArray[np.float64]:
    """Return the mean cosine of each of some sets, float64[c]; they share documents, which are weighed once.

    Parameters
    ----------
    sampled : int64[m], documents of each set; bounds : int64[c + 1]
    bare : schema.TERMS of some documents, rising, without the frequent passages
    """
    own, place = np.unique(sampled, return_inverse=True)
    vectors = weigh(bare(own))
    found: npt.NDArray[np.float64] = passages.mean_cosines(*vectors[:3], len(vectors[3]), place, bounds)
    return found


def unrelated(means: npt.NDArray[np.float64], chance: float, params: BoilerplateParams) -> _Bool:
    """Tell of which sets the documents resemble each other no more than those of any set, whose mean is `chance`."""
    told: _Bool = means <= max(params.alike, params.above_chance * chance)
    return told


def _shared_by_equal_texts(flagged: _Int, offsets: _Int, digest: npt.NDArray[np.uint64]) -> _Int:
    """List in each text what is listed in an equal one, of another source: the two stay copies."""
    same = np.unique(digest, axis=0, return_inverse=True)[1]
    again = np.bincount(same)[same] > 1
    rows = np.searchsorted(offsets, flagged, side="right") - 1
    several = again[rows]
    # Each listed shingle of a text that comes again, once, by text and place in it ...
    listed = np.column_stack((same[rows[several]], flagged[several] - offsets[rows[several]]))
    text, place = np.unique(listed, axis=0).T
    # ... is one of every document with this text.
    members = np.flatnonzero(again)
    members = members[np.argsort(same[members], kind="stable")]
    begin = np.searchsorted(same[members], text)
    sizes = np.searchsorted(same[members], text, side="right") - begin
    holders = members[np.repeat(begin, sizes) + steps(sizes)]
    return recurring.union([flagged, offsets[holders] + np.repeat(place, sizes)])
