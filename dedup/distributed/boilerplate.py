"""Boilerplate over parts of a corpus: what `dedup/boilerplate.py` learns and takes out, to the last bit.

17 steps whatever the size, five of which read the sketches, three the traces and two the terms; 5 to 13 where nothing
recurs, or what does says something.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import duplicates, recurring, schema, stripping
from dedup.distributed import recurring as recurrent
from dedup.distributed import unrelated
from dedup.distributed.corpus import Corpus
from dedup.distributed.flow import Flow, Message, Tables, deal, part_of_hash, sums_of
from dedup.distributed.recurring import sorted_keys
from dedup.kernels import tfidf
from dedup.params import Params
from dedup.stripping import Read, steps

_Int = npt.NDArray[np.int64]
_Hashes = npt.NDArray[np.uint64]


def strip(flow: Flow, corpus: Corpus, params: Params) -> Corpus:
    """Learn the boilerplate of each source and of the corpus, and take it out, as `pipeline.without_boilerplate` does.

    Returns
    -------
    Corpus
        With other sketches and terms, how much went, and no traces; as it was where equality is all that is asked.
    """
    if params.level == "exact":
        return corpus
    found = recurrent.find(flow, corpus, params.boilerplate)
    passages = found and unrelated.find(flow, corpus, found, params.boilerplate)
    if found is None or passages is None:
        return replace(corpus, traces=flow.step("boilerplate-none", _nothing)["none"], boilerplate=_counts(0, 0))
    entries, told = passages
    listed = flow.step(
        "boilerplate-places", partial(_places, starts=corpus.starts, parts=flow.parts),
        evidence=found.evidence, facts=found.facts, repeated=found.repeated, entries=entries, told=told,
    )  # fmt: skip
    equal = flow.step("boilerplate-equal-texts", _equal_texts, listed=listed["listed"])
    left = flow.step(
        "boilerplate-strip", partial(_strip, params=params),
        sketches=corpus.sketches, terms=corpus.terms, traces=corpus.traces,
        facts=found.facts, places=listed["places"], shared=equal["shared"],
    )  # fmt: skip
    counts = _counts(**sums_of(flow, left["counts"], ["documents", "shingles"]))
    return replace(corpus, sketches=left["sketches"], terms=left["terms"], traces=left["none"], boilerplate=counts)


def _counts(documents: int, shingles: int) -> dict[str, int]:
    return {"boilerplate_documents": documents, "boilerplate_shingles": shingles}


def _nothing(part: int, tables: Tables) -> Iterator[Message]:
    yield from ()


def _places(part: int, tables: Tables, *, starts: _Int, parts: int) -> Iterator[Message]:
    """List the shingles of boilerplate, and send those of texts that other sources have too to the text's part."""
    if "evidence" not in tables:
        return
    offsets = np.concatenate(([0], np.cumsum(tables["evidence"]["size"].to_numpy())))
    listed = np.empty(0, np.int64)
    if "entries" in tables and "told" in tables:
        entries, keys = tables["entries"], sorted_keys(tables["told"])
        told = tfidf.lookup(keys, tfidf.index(keys), entries["key"].to_numpy()) >= 0
        listed = recurring.union([entries["place"].to_numpy()[told]])
    yield Message("places", part, pa.table({"place": listed}))
    if (repeated := tables.get("repeated")) is None:
        return
    rows = np.sort(repeated["place"].to_numpy()[repeated["shared"].to_numpy(zero_copy_only=False)] - starts[part])
    texts, text = np.unique(_digests(tables["facts"])[rows], axis=0, return_inverse=True)
    first, last = np.searchsorted(listed, (offsets[rows], offsets[rows + 1]))
    found = listed[np.repeat(first, last - first) + steps(last - first)] - np.repeat(offsets[rows], last - first)
    lists = _lists(np.repeat(text, last - first), found, len(texts))
    table = pa.table({"high": texts[:, 0], "low": texts[:, 1], "places": lists})
    table = table.append_column("asker", pa.array(np.full(len(table), part, np.int32)))
    yield from deal("listed", table, part_of_hash(texts[:, 0], parts))


def _digests(table: pa.Table) -> _Hashes:
    return np.column_stack((table["high"].to_numpy(), table["low"].to_numpy()))


def _lists(group: _Int, places: _Int, groups: int) -> pa.LargeListArray:
    """Return the distinct places of each group, in order."""
    pairs = np.unique(np.column_stack((group, places)), axis=0)
    return schema.ragged_array(pairs[:, 1].copy(), np.searchsorted(pairs[:, 0], np.arange(groups + 1)))


def _equal_texts(part: int, tables: Tables) -> Iterator[Message]:
    """Tell all who hold a text what is boilerplate of it in any source: equal texts stay copies."""
    listed = tables["listed"]
    texts, text = np.unique(_digests(listed), axis=0, return_inverse=True)
    places, ends = schema.ragged(listed["places"])
    union = _lists(np.repeat(text, np.diff(ends)), places, len(texts))
    told = pa.table({"high": texts[:, 0], "low": texts[:, 1], "places": union})
    some = np.diff(schema.ragged(union)[1]) > 0
    rows, askers = text[some[text]], listed["asker"].to_numpy()[some[text]]
    for asker in np.unique(askers).tolist():
        yield Message("shared", asker, told.take(pa.array(rows[askers == asker])))


def _strip(part: int, tables: Tables, *, params: Params) -> Iterator[Message]:
    """Take the listed passages out of a part's documents."""
    if "sketches" not in tables:
        return
    some = Read(tables["sketches"], tables["terms"], tables["traces"])
    offsets = schema.ragged(some.sketches["shingles"])[1]
    listed = [tables["places"]["place"].to_numpy()] if "places" in tables else []
    if "shared" in tables:
        listed.append(_of_equal_texts(tables["shared"], _digests(tables["facts"]), offsets))
    flags = stripping.listed(recurring.union(listed), offsets, np.arange(len(offsets) - 1))
    permutations = duplicates.permutations(params.duplicates.num_perm)
    sketches, terms, changed, shingles = stripping.stripped(some, flags, params.boilerplate, permutations)
    yield Message("sketches", part, sketches)
    yield Message("terms", part, terms)
    yield Message("counts", part, pa.table({"documents": [int(changed.sum())], "shingles": [shingles]}))


def _of_equal_texts(shared: pa.Table, digests: _Hashes, offsets: _Int) -> _Int:
    """Return the places of what was told about some texts, in the documents that have them."""
    places, ends = schema.ragged(shared["places"])
    told = _digests(shared)
    text = np.unique(np.concatenate((told, digests)), axis=0, return_inverse=True)[1]
    which = np.full(text.max() + 1, -1)
    which[text[: len(told)]] = np.arange(len(told))
    which = which[text[len(told) :]]
    rows = np.flatnonzero(which >= 0)
    sizes = np.diff(ends)[which[rows]]
    found = places[np.repeat(ends[which[rows]], sizes) + steps(sizes)]
    return np.sort(np.repeat(offsets[rows], sizes) + found)
