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

from dedup import schema
from dedup.kernels import hashing, lsh, minhash, passages
from dedup.params import BoilerplateParams, DuplicateParams
from dedup.text import Comparable

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]
Weigh = Callable[[pa.Table], tuple[_Int, npt.NDArray[np.uint32], npt.NDArray[np.float32], npt.NDArray[np.uint64]]]
_Permutations = tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]

_FREQUENCY_SAMPLE = 4096  # documents from which the weights of terms are learnt
_ABOVE_ALL = 256  # count that no slot reaches
_COVERED = 3  # tokens that a shingle covers; one of an unspaced script two more, which does no harm


class _Scope(NamedTuple):
    """The shingles that may be frequent among the documents of their source, or of the corpus."""

    evidence: _Bool  # [n] documents that count: one of each text in each source
    needed: _Int  # [n] documents from which a shingle is frequent
    entries: _Int  # [e] places among all shingles, ascending
    rows: _Int  # [e] documents
    keys: _Int  # [e] dense; equal for one shingle in one source


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
    weigh: Weigh,
) -> Stripped:
    """Learn the boilerplate of each source and of the corpus, and take it out.

    A document of which next to nothing is left keeps one shingle, made from its whole text: only an equal text is its
    copy. Two empty pages with one cookie notice are not the same article.

    Parameters
    ----------
    sketches : schema.sketches; terms : schema.TERMS; traces : schema.TRACES; of the same documents
    source : string[n], null where unknown
    permutations : of the signatures, as `duplicates.permutations` gives them
    weigh : unit vectors of counted terms, CSR and the terms of its columns, as `weighing.vectors` gives them
    """
    offsets = schema.ragged(sketches["shingles"])[1]
    flags = _learnt(sketches, terms, traces, source, params, weigh)
    covered, inside = _passages(traces, flags, offsets, params)
    if not inside.any():
        return Stripped(sketches, terms, 0, 0)
    left, kept = _discounted(sketches, terms, traces, covered)
    token_offsets = schema.ragged(traces["ranks"])[1]
    gone, words = _per_row(covered, token_offsets), sketches["words"].to_numpy()
    changed = _per_row(inside, offsets) > 0
    sketches = _replace(sketches, "words", pa.array(words - words * gone // np.maximum(np.diff(token_offsets), 1)))
    sketches = _replace(sketches, "numbers", schema.ragged_array(*_filtered(kept, *schema.ragged(sketches["numbers"]))))
    sketches = _sketches_left(sketches, inside, changed, params, permutations)
    return Stripped(sketches, left, int(changed.sum()), int(inside.sum()))


def _learnt(
    sketches: pa.Table,
    terms: pa.Table,
    traces: pa.Table,
    source: pa.ChunkedArray,
    params: BoilerplateParams,
    weigh: Weigh,
) -> _Bool:
    """Flag the shingles of passages that stand in many otherwise differing documents, bool[s]."""
    shingles, offsets = schema.ragged(sketches["shingles"])
    digest = schema.matrix(sketches["digest"])
    codes = source.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy().astype(np.int64)
    slots = np.zeros(1 << max(int(2 * len(shingles)).bit_length(), 10), np.uint8)
    lsh.count_slots(shingles, slots)
    seen = passages.slot_counts(shingles, slots)
    scopes = [
        _scope(codes, digest, shingles, offsets, seen, params.source_share, params.least),
        _scope(np.zeros(len(codes), np.int64), digest, shingles, offsets, seen, params.corpus_share, params.least),
    ]
    first = _flags(len(shingles), [(scope, _frequent(scope)) for scope in scopes])
    # Of a text that consists mostly of what others hold there are copies, or it fills in a template: no evidence. A
    # title helps: those of copies are alike, which `_of_many_events` sees, and those of stubs are not.
    own = 2 * _per_row(first, offsets) <= np.diff(offsets)
    own |= np.diff(schema.ragged(sketches["title_words"])[1]) >= params.titled
    scopes = [scope._replace(evidence=scope.evidence & own) for scope in scopes]
    covered, inside = _passages(traces, _flags(len(shingles), [(s, _frequent(s)) for s in scopes]), offsets, params)
    if not inside.any():
        return inside
    left, _ = _discounted(sketches, terms, traces, covered)
    told = [
        (scope, _of_many_events(scope, _frequent(scope) & inside[scope.entries], left, params, weigh))
        for scope in scopes
    ]
    return _shared_by_equal_texts(_flags(len(shingles), told), offsets, digest)


def _scope(
    codes: _Int,
    digest: npt.NDArray[np.uint64],
    shingles: npt.NDArray[np.uint64],
    offsets: _Int,
    seen: npt.NDArray[np.uint8],
    share: float,
    least: int,
) -> _Scope:
    """Count each text once in its source, and leave out what is too rare by the upper bounds `seen`."""
    order = np.lexsort((codes, digest[:, 1], digest[:, 0]))
    texts = np.column_stack((digest, codes.astype(np.uint64)))[order]
    evidence = np.ones(len(codes), np.bool_)
    evidence[order[1:]] = (texts[1:] != texts[:-1]).any(axis=1)
    sizes = np.bincount(codes[evidence] + 1, minlength=1)  # -1, unknown, comes first
    needed = np.maximum(least, np.ceil(share * sizes)).astype(np.int64)[codes + 1]
    bound = np.where(codes < 0, _ABOVE_ALL, np.minimum(needed, 255)).astype(np.uint16)
    entries = np.flatnonzero(seen >= np.repeat(bound, np.diff(offsets)))
    rows = np.searchsorted(offsets, entries, side="right") - 1
    keys = hashing.hash_pairs(codes[rows].astype(np.uint64), shingles[entries])
    return _Scope(evidence, needed, entries, rows, np.unique(keys, return_inverse=True)[1])


def _frequent(scope: _Scope) -> _Bool:
    """Tell which entries stand in enough of the documents that count, bool[e]."""
    counts = np.bincount(scope.keys[scope.evidence[scope.rows]], minlength=int(scope.keys.max(initial=-1)) + 1)
    frequent: _Bool = counts[scope.keys] >= scope.needed[scope.rows]
    return frequent


def _flags(size: int, chosen: list[tuple[_Scope, _Bool]]) -> _Bool:
    """Flag the chosen entries of some scopes among all shingles, bool[size]."""
    flags = np.zeros(size, np.bool_)
    for scope, wanted in chosen:
        flags[scope.entries[wanted]] = True
    return flags


def _of_many_events(scope: _Scope, frequent: _Bool, terms: pa.Table, params: BoilerplateParams, weigh: Weigh) -> _Bool:
    """Keep the entries of shingles whose documents resemble each other no more than chance has it, bool[e].

    What several reports of one event quote stands in documents that are alike without it too.

    Parameters
    ----------
    terms : schema.TERMS without the frequent passages
    """
    telling = np.flatnonzero(frequent & scope.evidence[scope.rows])
    telling = telling[np.argsort(scope.keys[telling], kind="stable")]
    known, starts = np.unique(scope.keys[telling], return_index=True)
    members = scope.rows[telling]
    if not len(members):
        return frequent & False
    # The shingles of a footer stand in the same documents: these are measured once.
    spread = hashing.hash_pairs(members.astype(np.uint64), np.zeros(len(members), np.uint64))
    _, chosen, of_set = np.unique(np.add.reduceat(spread, starts), return_index=True, return_inverse=True)
    sizes = np.minimum(np.diff(starts, append=len(members))[chosen], params.sample)
    # Positions are in the order of a hash: the first documents are a sample of all.
    chance = np.arange(min(len(terms), params.sample))
    sampled = np.concatenate((members[np.repeat(starts[chosen], sizes) + _steps(sizes)], chance))
    sizes = np.append(sizes, len(chance))
    rows = np.union1d(sampled, np.arange(min(len(terms), _FREQUENCY_SAMPLE)))
    vectors = weigh(terms.take(pa.array(rows)))
    bounds = np.concatenate(([0], np.cumsum(sizes)))
    means = passages.mean_cosines(*vectors[:3], len(vectors[3]), np.searchsorted(rows, sampled), bounds)
    told = np.zeros(int(scope.keys.max()) + 1, np.bool_)
    told[known] = (means <= max(params.alike, params.above_chance * means[-1]))[of_set]
    return frequent & told[scope.keys]


def _shared_by_equal_texts(flags: _Bool, offsets: _Int, digest: npt.NDArray[np.uint64]) -> _Bool:
    """Flag in each text what is flagged in an equal one, of another source: the two stay copies."""
    _, first, same = np.unique(digest, axis=0, return_index=True, return_inverse=True)
    sizes = np.diff(offsets)
    again = np.flatnonzero(first[same] != np.arange(len(sizes)))
    step = _steps(sizes[again])
    here, there = (np.repeat(offsets[rows], sizes[again]) + step for rows in (again, first[same][again]))
    np.logical_or.at(flags, there, flags[here])
    flags[here] = flags[there]
    return flags


def _passages(traces: pa.Table, flags: _Bool, offsets: _Int, params: BoilerplateParams) -> tuple[_Bool, _Bool]:
    """Return the tokens that runs of flagged shingles cover, and the shingles of these runs."""
    covered, inside = passages.cover(*schema.ragged(traces["ranks"]), flags, offsets, params.run, _COVERED)
    return covered, inside


def _discounted(sketches: pa.Table, terms: pa.Table, traces: pa.Table, covered: _Bool) -> tuple[pa.Table, _Bool]:
    """Return the counted terms without covered tokens, and which figures stay."""
    hashes, offsets = schema.ragged(terms["terms"])
    left, kept = passages.discount(
        covered,
        *schema.ragged(traces["places"]),
        schema.ragged(terms["counts"])[0],
        offsets,
        *schema.ragged(sketches["numbers"]),
    )
    for name, values in (("terms", hashes), ("counts", left)):
        terms = _replace(terms, name, schema.ragged_array(*_filtered(left > 0, values, offsets)))
    return terms, kept


def _sketches_left(
    sketches: pa.Table, inside: _Bool, changed: _Bool, params: BoilerplateParams, permutations: _Permutations
) -> pa.Table:
    """Take shingles out, and make the signatures of the changed documents again."""
    shingles, offsets = schema.ragged(sketches["shingles"])
    bare = changed & (np.diff(offsets) - _per_row(inside, offsets) < params.own)
    kept = ~inside
    kept[np.flatnonzero(np.repeat(bare, np.diff(offsets)))] = False
    kept[offsets[:-1][bare]] = True
    shingles, offsets = _filtered(kept, shingles, offsets)
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
