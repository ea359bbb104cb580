"""The vectors of pass 2 over parts: frequencies are summed in buckets of terms, which know each term's column too.

Columns are numbered by falling document frequency as on one machine. Buckets are ranges of hashes, so that the column
of a term is its place in its bucket among those as frequent, behind what the buckets before it have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import foreign, schema, weighing
from dedup.distributed.flow import Message, Tables, deal, part_of_hash, rows
from dedup.errors import ResourceError
from dedup.kernels import postings, tfidf

_Int = npt.NDArray[np.int64]

VECTORS = pa.schema(
    [("position", pa.int64()), ("indices", pa.large_list(pa.uint32())), ("data", pa.large_list(pa.float32()))]
)
_SPOKEN = pa.schema(
    [("language", pa.string()), ("documents", pa.int64()), ("terms", pa.int64()), ("known", pa.int64())]
)
_LEVELS = pa.schema([("frequency", pa.int64()), ("terms", pa.int64())])


class Frequencies(NamedTuple):
    """In how many documents the terms of columns occur: `documents[k]` from column `first[k]` on."""

    first: _Int  # rising
    documents: _Int  # falling

    def of(self, columns: npt.NDArray[Any]) -> _Int:
        """Return in how many documents the term of each column occurs, int64[m]."""
        return self.documents[np.searchsorted(self.first, columns, side="right") - 1]

    @property
    def shared(self) -> int:
        """The first column whose term has one document, and so pairs nobody; there may be none."""
        return int(self.first[-1]) if self.documents[-1] == 1 else 1 << 32


def representatives(copies: pa.Table) -> npt.NDArray[np.bool_]:
    """Tell which documents of a part are representatives, bool[n]."""
    chosen: npt.NDArray[np.bool_] = copies["position"].to_numpy() == copies["representative"].to_numpy()
    return chosen


def _chosen(tables: Tables) -> pa.Table:
    return tables["terms"].filter(pa.array(representatives(tables["copies"])))


def languages(part: int, tables: Tables) -> Iterator[Message]:
    """Count documents and terms of each language, and the terms of these that the background knows."""
    chosen = _chosen(tables)
    terms, offsets = schema.ragged(chosen["terms"])
    seen = np.concatenate(([0], np.cumsum(weighing.background().of(terms) > 0)))[offsets]
    each = {"language": chosen["language"], "documents": np.ones(len(chosen), np.int64)}
    each |= {"terms": np.diff(offsets), "known": np.diff(seen)}
    yield Message("spoken", part, _by_language(pa.table(each)))


def _by_language(table: pa.Table) -> pa.Table:
    names = _SPOKEN.names[1:]
    summed = table.group_by("language").aggregate([(name, "sum") for name in names])
    return summed.select(["language", *(f"{name}_sum" for name in names)]).rename_columns(_SPOKEN.names).cast(_SPOKEN)


def summed(spoken: Mapping[int, pa.Table]) -> pa.Table:
    """Sum over the parts, and tell which languages the background lacks: [language, documents, lacking]."""
    languages = _by_language(pa.concat_tables([_SPOKEN.empty_table(), *spoken.values()]))
    seen, terms = (languages[name].to_numpy() for name in ("known", "terms"))
    lacking = pa.array(foreign.lacks(seen.astype(np.float64), terms))
    return languages.select(["language", "documents"]).append_column("lacking", lacking)


def count(part: int, tables: Tables, *, spoken: pa.Table, parts: int) -> Iterator[Message]:
    """Send each distinct term with its number of documents to its bucket; and those of lacking languages, if any."""
    chosen = _chosen(tables)
    terms, offsets = schema.ragged(chosen["terms"])
    known, inverse, frequency = np.unique(terms, return_inverse=True, return_counts=True)
    sent = {"term": known, "frequency": frequency, "asker": np.full(len(known), part, np.int32)}
    if pc.any(spoken["lacking"]).as_py():
        names = schema.one_chunk(spoken["language"])
        language = pc.index_in(schema.one_chunk(chosen["language"]), value_set=names).to_numpy()
        of = np.repeat(language, np.diff(offsets))
        for name, what in (("alien", "lacking"), ("peers", "documents")):
            weights = spoken[what].to_numpy().astype(np.float64)
            sent[name] = np.bincount(inverse, weights[of], len(known))
    yield from deal("counted", pa.table(sent), part_of_hash(known, parts))


def weigh(part: int, tables: Tables, *, n: int) -> Iterator[Message]:
    """Sum the documents of each term, and give it its idf; tell how many terms there are of each frequency."""
    if "counted" not in tables:
        return
    counted = tables["counted"]
    terms, inverse = np.unique(counted["term"].to_numpy(), return_inverse=True)

    def total(name: str) -> npt.NDArray[np.float64]:
        return np.bincount(inverse, counted[name].to_numpy(), len(terms)).astype(np.float64)

    frequency = total("frequency").astype(np.int64)
    background = weighing.background()
    common = background.of(terms)
    idf = weighing.mean_idf(frequency, n, common, background.documents)
    if "alien" in counted.column_names:
        own = frequency.astype(np.float64)
        strange = foreign.are_foreign(own, total("alien"), common > 0)
        peers = total("peers") / np.maximum(own, 1)
        idf[strange] = foreign.foreign_idf(frequency[strange], peers[strange], background.documents)
    yield Message("weighed", part, pa.table({"term": terms, "frequency": frequency, "idf": idf}))
    level, size = np.unique(frequency, return_counts=True)
    yield Message("levels", part, pa.Table.from_arrays([pa.array(level), pa.array(size)], schema=_LEVELS))


def columns(levels: Mapping[int, pa.Table]) -> tuple[dict[int, tuple[_Int, _Int]], Frequencies]:
    """Return the first column of each bucket's terms of each frequency, as (frequencies, columns), and the whole."""
    table = pa.concat_tables([_LEVELS.empty_table(), *levels.values()])
    bucket = np.repeat(list(levels), [len(rows) for rows in levels.values()]).astype(np.int64)
    frequency, size = (table[name].to_numpy() for name in _LEVELS.names)
    order = np.lexsort((bucket, -frequency))
    first = np.empty(len(order), np.int64)
    first[order] = np.cumsum(size[order]) - size[order]
    if size.sum() > np.iinfo(np.uint32).max:
        raise ResourceError(f"terms: got {size.sum():,} distinct ones, wanted at most 2^32; use fewer articles")
    starts = {part: (frequency[bucket == part], first[bucket == part]) for part in levels}
    if not len(order):  # no document has a term
        return {}, Frequencies(np.zeros(1, np.int64), np.ones(1, np.int64))
    begins = np.flatnonzero(np.diff(frequency[order], prepend=-1) != 0)
    return starts, Frequencies(first[order][begins], frequency[order][begins])


def number(part: int, tables: Tables, *, offsets: dict[int, tuple[_Int, _Int]]) -> Iterator[Message]:
    """Send column and idf of each term to the parts that have it, in the order of its hash."""
    if "counted" not in tables:
        return
    counted, weighed = tables["counted"], tables["weighed"]
    frequency = weighed["frequency"].to_numpy()
    falling = np.argsort(-frequency, kind="stable")
    ranked = frequency[falling]
    levels, first = offsets[part]
    column = np.empty(len(frequency), np.int64)
    within = np.arange(len(frequency)) - np.searchsorted(-ranked, -ranked)
    column[falling] = first[np.searchsorted(levels, ranked)] + within
    terms = weighed["term"].to_numpy()
    place = tfidf.lookup(terms, tfidf.index(terms), counted["term"].to_numpy())
    known = pa.table({"column": column.astype(np.uint32)[place], "idf": weighed["idf"].to_numpy()[place]})
    yield from deal("known", known, counted["asker"].to_numpy())


def vectors(tables: Tables) -> tuple[pa.Table, pa.Table]:
    """Weigh the terms of each representative; what the buckets say comes in the order of all hashes.

    Returns
    -------
    VECTORS, sorted by position
    [column, term], the hash of the term of each column
    """
    chosen = _chosen(tables)
    terms, offsets = schema.ragged(chosen["terms"])
    known = rows(tables, "known", pa.schema([("column", pa.uint32()), ("idf", pa.float64())]))
    distinct, inverse = np.unique(terms, return_inverse=True)
    columns = inverse.astype(np.int32)
    data = tfidf.unit_rows(columns, schema.ragged(chosen["counts"])[0], offsets, known["idf"].to_numpy())
    indices = known["column"].to_numpy()[columns]
    postings.order_rows(offsets, indices, data)
    position = tables["copies"]["position"].filter(pa.array(representatives(tables["copies"])))
    lists = [schema.ragged_array(values, offsets) for values in (indices, data)]
    named = pa.table({"column": known["column"], "term": distinct})
    return pa.Table.from_arrays([position, *lists], schema=VECTORS), named
