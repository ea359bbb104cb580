"""What is left of documents once some of their shingles are taken out, and all that these covered."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema
from dedup.kernels import minhash, passages
from dedup.params import BoilerplateParams

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]
Permutations = tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]

_COVERED = 3  # tokens that a shingle covers; one of an unspaced script two more, which does no harm


class Read(NamedTuple):
    """What was read of the documents."""

    sketches: pa.Table  # schema.sketches
    terms: pa.Table  # schema.TERMS
    traces: pa.Table  # schema.TRACES

    def slice(self, start: int, stop: int) -> Read:
        """Return the documents from start to stop - 1."""
        return Read(*(table.slice(start, stop - start) for table in self))

    def take(self, rows: _Int) -> Read:
        """Return some documents, with what `bare` looks at."""
        few = self._replace(sketches=self.sketches.select(["shingles", "numbers"]))
        return Read(*(schema.take(table, pa.array(rows)) for table in few))


def listed(flagged: _Int, offsets: _Int, rows: _Int) -> _Bool:
    """Flag the listed places among the values of some rows, bool[values of these rows]."""
    sizes = offsets[rows + 1] - offsets[rows]
    first, last = np.searchsorted(flagged, (offsets[rows], offsets[rows + 1]))
    found = flagged[np.repeat(first, last - first) + steps(last - first)]
    flags = np.zeros(sizes.sum(), np.bool_)
    flags[found - np.repeat(offsets[rows] - (np.cumsum(sizes) - sizes), last - first)] = True
    return flags


def bare(some: Read, flags: _Bool, params: BoilerplateParams) -> pa.Table:
    """Return the terms of some documents without the passages of flagged shingles, schema.TERMS."""
    offsets = schema.ragged(some.sketches["shingles"])[1]
    return _discounted(some, runs(some.traces, flags, offsets, params)[0])[0]


def stripped(
    some: Read, flags: _Bool, params: BoilerplateParams, permutations: Permutations
) -> tuple[pa.Table, pa.Table, _Bool, int]:
    """Take the passages of flagged shingles out of some documents.

    Returns
    -------
    sketches, terms : what is left
    changed : bool[n], which documents held such a passage; of the others all is as it was
    int, how many shingles went
    """
    offsets = schema.ragged(some.sketches["shingles"])[1]
    covered, inside = runs(some.traces, flags, offsets, params)
    counted, kept = _discounted(some, covered)
    changed = _per_row(inside, offsets) > 0
    sketched = _sketches_left(some, covered, inside, kept, changed, params, permutations)
    return sketched, counted, changed, int(inside.sum())


def runs(traces: pa.Table, flags: _Bool, offsets: _Int, params: BoilerplateParams) -> tuple[_Bool, _Bool]:
    """Return the tokens that runs of flagged shingles cover, and the shingles of these runs.

    Parameters
    ----------
    traces : schema.TRACES
    flags : bool[s], of the shingles; offsets : int64[n + 1], where those of each document start
    """
    covered, inside = passages.cover(*schema.ragged(traces["ranks"]), flags, offsets, params.run, _COVERED)
    return covered, inside


def _discounted(some: Read, covered: _Bool) -> tuple[pa.Table, _Bool]:
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
    some: Read,
    covered: _Bool,
    inside: _Bool,
    kept: _Bool,
    changed: _Bool,
    params: BoilerplateParams,
    permutations: Permutations,
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


def steps(sizes: _Int) -> _Int:
    """Return 0 … size - 1 of each row, one after the other."""
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def _replace(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
