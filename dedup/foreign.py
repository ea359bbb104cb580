"""Terms of languages that the background frequencies do not know: what they weigh."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import languages
from dedup.kernels import tfidf
from dedup.spill import IN_MEMORY, Spill

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]
_Bool = npt.NDArray[np.bool_]

_KNOWN_SHARE = 0.45  # of terms: languages that the background has counted have .7 to .98, others up to .25
_TRUST = 4  # terms taken as known beforehand: a headline or two of rare names are no other language
_AT_ONCE = 1 << 20  # terms, 16 MB: each time all documents are gone through
_ENTRY_BYTES = 64  # a term of a document meanwhile: looked up, summed, and copied once each


class LanguageGroups(NamedTuple):
    """The languages of documents, and which of them the background lacks."""

    group: _Int  # [n] number of each document's language; unknown ones are one
    documents: _Int  # [g]
    lacking: _Bool  # [g]


def language_groups(
    language: pa.ChunkedArray, columns: npt.NDArray[np.int32], offsets: _Int, known: _Bool, spill: Spill = IN_MEMORY
) -> LanguageGroups:
    """Group documents by language; the background lacks one of whose terms it knows less than `_KNOWN_SHARE`.

    Parameters
    ----------
    language : string[n]; columns : int32[m], offsets : int64[n + 1], the terms of each document; known : bool[v]
    """
    group = languages.numbered(language).astype(np.int64) + 1
    documents, terms_of = np.bincount(group), np.bincount(group, np.diff(offsets))
    seen_of = np.zeros(len(terms_of))
    for start, stop in spill.slices(offsets, _ENTRY_BYTES):
        seen = np.concatenate(([0], np.cumsum(known[columns[offsets[start] : offsets[stop]]])))
        ends = offsets[start : stop + 1] - offsets[start]
        seen_of += np.bincount(group[start:stop], seen[ends[1:]] - seen[ends[:-1]], len(seen_of))
    return LanguageGroups(group, documents, lacks(seen_of, terms_of) & (documents > 0))


def foreign_terms(
    groups: LanguageGroups, columns: npt.NDArray[np.int32], offsets: _Int, known: _Bool, spill: Spill = IN_MEMORY
) -> Iterator[tuple[slice, _Bool, _Float]]:
    """Tell which terms the background lacks because it lacks their language, not because they are rare.

    Parameters
    ----------
    columns, offsets : as of `language_groups`; known : bool[v], of the first columns, which are those asked for

    Yields
    ------
    slice, some of the terms; nothing where no language is lacking
    foreign : bool[t], unknown terms most of whose documents are in such languages
    peers : float64[t], documents in a term's language; the mean over its documents
    """
    if not groups.lacking.any():
        return
    for first in range(0, len(known), _AT_ONCE):
        some = slice(first, min(first + _AT_ONCE, len(known)))
        size = some.stop - first
        own, alien, peers = np.zeros(size, np.int32), np.zeros(size, np.int32), np.zeros(size)
        for start, stop in spill.slices(offsets, _ENTRY_BYTES):
            here, ends = columns[offsets[start] : offsets[stop]], offsets[start : stop + 1] - offsets[start]
            of_rows = groups.group[start:stop], groups.lacking, groups.documents
            tfidf.count_peers(here, ends, *of_rows, first, own, alien, peers)
        yield some, are_foreign(own, alien, known[some]), peers / np.maximum(own, 1)


def lacks(seen: _Float, terms: _Int) -> _Bool:
    """Tell which languages the background lacks, of whose `terms` it has `seen` some; see `foreign_terms`."""
    lacking: _Bool = (seen + _TRUST) / (terms + _TRUST) < _KNOWN_SHARE
    return lacking


def are_foreign(own: npt.NDArray[Any], alien: npt.NDArray[Any], known: _Bool) -> _Bool:
    """Tell which terms are foreign: unknown, and `alien` of their `own` documents are in lacking languages."""
    foreign: _Bool = ~known & (2 * alien > own)
    return foreign


def foreign_idf(own: npt.NDArray[Any], peers: _Float, documents: int) -> _Float:
    """Return ln(1 + N) · (ln((1 + p) / (df - 0.85)) / ln(1 + p))^1.5, the background's scale for its missing terms.

    p is the number of documents in the language. A term of two documents counts nearly as much as one of a single: in
    a small batch it is what makes them one story. Against the full background weight for all (Russian pairs of one
    event or not, F1): .77 → .82 in 458 documents, .73 → .79 in batches of 60, .78 → .81 in batches of 20.
    """
    most = np.log(1 + peers)
    rarity = np.log((1 + peers) / np.maximum(own - 0.85, 1)) / most
    idf: _Float = np.log(1 + documents) * np.maximum(rarity, 0) ** 1.5
    return idf
