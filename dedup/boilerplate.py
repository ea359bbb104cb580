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

from dedup import recurring, schema
from dedup.kernels import hashing, minhash, passages
from dedup.params import BoilerplateParams, DuplicateParams
from dedup.recurring import Scope
from dedup.spill import IN_MEMORY, Each, Spill
from dedup.stores import Columns
from dedup.text import Comparable

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]
Weigh = Callable[[pa.Table], tuple[_Int, npt.NDArray[np.uint32], npt.NDArray[np.float32], npt.NDArray[np.uint64]]]
Learn = Callable[[pa.Table], Weigh]
_Permutations = tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]

_FREQUENCY_SAMPLE = 4096  # documents from which the weights of terms are learnt
_MOST_LEARNT = 32_768  # documents of all, where there are many passages
_READ_BYTES = 32  # of what was read, for each shingle of a text
_WEIGHED_BYTES = 64  # while a document is weighed, likewise
_PICKED = 16  # arrays that are read of a picked document, by some threads at a time
_COVERED = 3  # tokens that a shingle covers; one of an unspaced script two more, which does no harm


class _Read(NamedTuple):
    """What was read of the documents."""

    sketches: pa.Table  # schema.sketches
    terms: pa.Table  # schema.TERMS
    traces: pa.Table  # schema.TRACES

    def slice(self, start: int, stop: int) -> _Read:
        return _Read(*(table.slice(start, stop - start) for table in self))

    def take(self, rows: _Int) -> _Read:
        few = self._replace(sketches=self.sketches.select(["shingles", "numbers"]))
        return _Read(*(table.take(pa.array(rows)) for table in few))


class Stripped(NamedTuple):
    """What is left of the documents, in their order, and how much went."""

    sketches: pa.Table  # schema.sketches
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
    permutations: _Permutations,
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
    every = _Read(sketches, terms, traces)
    offsets = schema.ragged(sketches["shingles"])[1]
    flagged = _learnt(every, source, params, learn, spill, each)
    if not len(flagged):
        return Stripped(sketches, terms, 0, 0)
    left = Columns(spill, sketches.schema), Columns(spill, terms.schema)
    documents = shingles = 0

    def without(bounds: tuple[int, int]) -> tuple[pa.Table, pa.Table, int, int]:
        part = every.slice(*bounds)
        covered, inside = _passages(part, _local(flagged, offsets, np.arange(*bounds)), params)
        counted, kept = _discounted(part, covered)
        changed = _per_row(inside, schema.ragged(part.sketches["shingles"])[1]) > 0
        sketched = _sketches_left(part, covered, inside, kept, changed, params, permutations)
        return sketched, counted, int(changed.sum()), int(inside.sum())

    for *tables, changed, gone in each(without, spill.slices(offsets, _READ_BYTES)):
        for grown, table in zip(left, tables, strict=True):
            grown.append(table)
        documents += changed
        shingles += gone
    return Stripped(left[0].table(), left[1].table(), documents, shingles)


def _learnt(
    every: _Read, source: pa.ChunkedArray, params: BoilerplateParams, learn: Learn, spill: Spill, each: Each
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
    titled = np.diff(schema.ragged(sketches["title_words"])[1]) >= params.titled
    scopes = recurring.with_entries(scopes, sketches["shingles"], titled, spill, each)
    flagged = recurring.union(scope.entries for scope in scopes)

    def runs_of(part: tuple[int, int]) -> _Int:
        local = _local(flagged, offsets, np.arange(*part))
        found: _Int = offsets[part[0]] + np.flatnonzero(_passages(every.slice(*part), local, params)[1])
        return found

    runs = np.concatenate([np.empty(0, np.int64), *each(runs_of, spill.slices(offsets))])
    scopes = [recurring.among(scope, runs) for scope in scopes]

    def bare(rows: _Int) -> pa.Table:
        """Return the terms of some documents without the frequent passages."""
        parts = [every.terms.slice(0, 0)]
        for part in spill.picks(len(rows), _PICKED):
            some = every.take(rows[part])
            covered = _passages(some, _local(flagged, offsets, first[rows[part]]), params)[0]
            parts.append(_discounted(some, covered)[0])
        return pa.concat_tables(parts)

    told = recurring.union(_of_many_events(scope, offsets, bare, params, learn, spill, each) for scope in scopes)
    return _shared_by_equal_texts(told, offsets, digest)


def _local(flagged: _Int, offsets: _Int, rows: _Int) -> _Bool:
    """Flag the listed places among the values of some rows, bool[values of these rows]."""
    sizes = offsets[rows + 1] - offsets[rows]
    first, last = np.searchsorted(flagged, (offsets[rows], offsets[rows + 1]))
    found = flagged[np.repeat(first, last - first) + _steps(last - first)]
    flags = np.zeros(sizes.sum(), np.bool_)
    flags[found - np.repeat(offsets[rows] - (np.cumsum(sizes) - sizes), last - first)] = True
    return flags


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
    spread = hashing.hash_pairs(members.astype(np.uint64), np.zeros(len(members), np.uint64))
    _, chosen, of_set = np.unique(np.add.reduceat(spread, starts), return_index=True, return_inverse=True)
    sizes = np.minimum(np.diff(starts, append=len(members))[chosen], params.sample)
    # Positions are in the order of a hash: the first documents are a sample of all.
    n = len(offsets) - 1
    chance = np.arange(min(n, params.sample))
    sampled = np.concatenate((members[np.repeat(starts[chosen], sizes) + _steps(sizes)], chance))
    sizes = np.append(sizes, len(chance))
    rows = np.union1d(sampled, np.arange(min(n, _FREQUENCY_SAMPLE)))
    weigh = learn(bare(rows[:_MOST_LEARNT]))
    bounds = np.concatenate(([0], np.cumsum(sizes)))

    def measured(sets: tuple[int, int]) -> npt.NDArray[np.float64]:
        """Return the mean cosine of each of some sets; they share documents, which are weighed once."""
        ends = bounds[sets[0] : sets[1] + 1]
        own, place = np.unique(sampled[ends[0] : ends[-1]], return_inverse=True)
        vectors = weigh(bare(own))
        found: npt.NDArray[np.float64] = passages.mean_cosines(*vectors[:3], len(vectors[3]), place, ends - ends[0])
        return found

    lengths = np.concatenate(([0], np.cumsum(np.diff(offsets)[sampled])))[bounds]
    means = np.concatenate(list(each(measured, spill.slices(lengths, _WEIGHED_BYTES))))
    told = np.zeros(int(scope.keys.max()) + 1, np.bool_)
    told[known] = (means <= max(params.alike, params.above_chance * means[-1]))[of_set]
    return scope.entries[told[scope.keys]]


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
    holders = members[np.repeat(begin, sizes) + _steps(sizes)]
    return recurring.union([flagged, offsets[holders] + np.repeat(place, sizes)])


def _passages(some: _Read, flags: _Bool, params: BoilerplateParams) -> tuple[_Bool, _Bool]:
    """Return the tokens that runs of flagged shingles cover, and the shingles of these runs."""
    offsets = schema.ragged(some.sketches["shingles"])[1]
    covered, inside = passages.cover(*schema.ragged(some.traces["ranks"]), flags, offsets, params.run, _COVERED)
    return covered, inside


def _discounted(some: _Read, covered: _Bool) -> tuple[pa.Table, _Bool]:
    """Return the counted terms without covered tokens, and which figures stay."""
    terms = some.terms
    hashes, offsets = schema.ragged(terms["terms"])
    left, kept = passages.discount(
        covered,
        *schema.ragged(some.traces["places"]),
        schema.ragged(terms["counts"])[0],
        offsets,
        *schema.ragged(some.sketches["numbers"]),
    )
    for name, values in (("terms", hashes), ("counts", left)):
        terms = _replace(terms, name, schema.ragged_array(*_filtered(left > 0, values, offsets)))
    return terms, kept


def _sketches_left(
    some: _Read,
    covered: _Bool,
    inside: _Bool,
    kept: _Bool,
    changed: _Bool,
    params: BoilerplateParams,
    permutations: _Permutations,
) -> pa.Table:
    """Take out shingles, words and figures, and make the signatures of the changed documents again."""
    sketches = some.sketches
    tokens, words = schema.ragged(some.traces["ranks"])[1], sketches["words"].to_numpy()
    left = words - words * _per_row(covered, tokens) // np.maximum(np.diff(tokens), 1)
    sketches = _replace(sketches, "words", pa.array(left))
    sketches = _replace(sketches, "numbers", schema.ragged_array(*_filtered(kept, *schema.ragged(sketches["numbers"]))))
    shingles, offsets = schema.ragged(sketches["shingles"])
    bare = changed & (np.diff(offsets) - _per_row(inside, offsets) < params.own)
    stays = ~inside
    stays[np.flatnonzero(np.repeat(bare, np.diff(offsets)))] = False
    stays[offsets[:-1][bare]] = True
    shingles, offsets = _filtered(stays, shingles, offsets)
    shingles[offsets[:-1][bare]] = schema.matrix(sketches["digest"])[bare, 0]
    signatures = schema.matrix(sketches["signature"]).copy()
    of_changed = _filtered(np.repeat(changed, np.diff(offsets)), shingles, offsets)
    rows = np.concatenate(([0], of_changed[1][1:][changed]))
    signatures[changed] = minhash.minhash(of_changed[0], rows, *permutations)
    sketches = _replace(sketches, "shingles", schema.ragged_array(shingles, offsets))
    return _replace(sketches, "signature", schema.matrix_array(signatures))


def _filtered(kept: _Bool, values: npt.NDArray[Any], offsets: _Int) -> tuple[npt.NDArray[Any], _Int]:
    """Keep some values of ragged rows."""
    return values[kept], np.concatenate(([0], np.cumsum(np.diff(offsets) - _per_row(~kept, offsets))))


def _per_row(flags: _Bool, offsets: _Int) -> _Int:
    """Count the flags of each ragged row, int64[n]; few are set, so that these are listed."""
    counts: _Int = np.diff(np.searchsorted(np.flatnonzero(flags), offsets))
    return counts


def _steps(sizes: _Int) -> _Int:
    """Return 0 … size - 1 of each row, one after the other."""
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def _replace(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
