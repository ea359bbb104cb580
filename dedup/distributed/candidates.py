"""Candidates of a distributed job: the pairs of `candidates` on one machine, at the part of the smaller position.

Keys are dealt out by their hash, so that all who share one are in one part. There bands pair their members, and so do
keys of the prefix join that are hot. Other lists of that join go to the parts of those who chose the key, which count
what two texts share: only there all keys of a text come together.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import candidates, rarity, schema
from dedup.distributed import shingles
from dedup.distributed.corpus import Corpus
from dedup.distributed.flow import Dataset, Flow, Message, Tables, counted, deal, part_of_hash, part_of_place, total_of
from dedup.distributed.lists import Lists
from dedup.distributed.shingles import firsts
from dedup.distributed.slots import Slots
from dedup.kernels import lsh
from dedup.params import DuplicateParams
from dedup.recall import band_shape
from dedup.stores import distinct

_Int = npt.NDArray[np.int64]
_Pairs = npt.NDArray[np.uint64]  # smaller position << 32 | larger

_AT_ONCE = 1 << 22  # pairs: 34 MB


class Found(NamedTuple):
    """Pairs, which repeat, and what was left out to find no more."""

    pairs: dict[str, Dataset]  # of packed pairs, at the part of the smaller position
    filled: int  # units that have a shingle
    skipped: dict[str, int]


def find(flow: Flow, corpus: Corpus, units: Dataset, params: DuplicateParams) -> Found:
    """Find the pairs of `candidates.candidates`, before its budget.

    Parameters
    ----------
    units : of `copies.units`
    """
    sizes = flow.step("copies-sizes", _sizes, units=units)
    table = Slots(rarity.slots_for(total_of(flow, sizes["shingles"])), flow.parts)
    send = partial(_keys, params=params, table=table)
    sent = flow.step("copies-texts", send, sketches=corpus.sketches, units=units)
    missing = 1 - params.prefix_containment
    postings = shingles.postings(flow, corpus.sketches, units, sent, table, missing)
    pair = partial(_pair, params=params, starts=corpus.starts)
    paired = flow.step("copies-lists", pair, keys=sent["keys"], postings=postings)
    joined = flow.step("copies-join", partial(_join, params=params, starts=corpus.starts), lists=paired["lists"])
    skipped = {"hot_keys": total_of(flow, paired["hot"]), "duplicate_pairs": total_of(flow, joined["left_out"])}
    return Found({"paired": paired["pairs"], "joined": joined["pairs"]}, total_of(flow, sizes["filled"]), skipped)


def find_equal(flow: Flow, corpus: Corpus, units: Dataset, params: DuplicateParams) -> Found:
    """Find the pairs of `candidates.equal_pairs`; units as of `find`."""
    digests = partial(_digests, parts=flow.parts)
    sent = flow.step("copies-digests", digests, sketches=corpus.sketches, units=units)
    pair = partial(_pair, params=params, starts=corpus.starts)
    return Found({"paired": flow.step("copies-lists", pair, keys=sent["keys"])["pairs"]}, 0, {})


def _sizes(part: int, tables: Tables) -> Iterator[Message]:
    """Count the units that have a shingle, and their shingles."""
    stand = shingles.stands(tables["units"])
    yield counted("filled", part, int(stand.sum()))
    yield counted("shingles", part, int(tables["units"]["shingles"].to_numpy()[stand].sum()))


def _keys(part: int, tables: Tables, *, params: DuplicateParams, table: Slots) -> Iterator[Message]:
    """Send each unit under the key of each of its bands, and how common shingles are."""
    texts = firsts(tables, ["shingles", "signature"])
    values, offsets = schema.ragged(texts["shingles"])
    keys = lsh.band_keys(schema.matrix(texts["signature"]), *band_shape(params.num_perm, params.jaccard, params.recall))
    smallest = np.tile(values[offsets[:-1]], len(keys))
    member = np.tile(texts["position"].to_numpy().astype(np.uint32), len(keys))
    sent = pa.table({"key": keys.reshape(-1), "smallest": smallest, "member": member})
    yield from deal("keys", sent, part_of_hash(keys.reshape(-1), table.parts))
    yield from shingles.count(part, texts, table)


def _digests(part: int, tables: Tables, *, parts: int) -> Iterator[Message]:
    """Send each unit under its text, as under a band, but in the order of positions alone."""
    texts = firsts(tables, ["digest"])
    key = schema.matrix(texts["digest"])[:, 0]
    member = texts["position"].to_numpy().astype(np.uint32)
    table = pa.table({"key": key, "smallest": np.zeros(len(key), np.uint64), "member": member})
    yield from deal("keys", table, part_of_hash(key, parts))


def _pair(part: int, tables: Tables, *, params: DuplicateParams, starts: _Int) -> Iterator[Message]:
    """Pair all who share a band, and the neighbours in hot lists of shingles; send the other lists on."""
    hot = 0
    if "keys" in tables:
        keys, smallest, members = (tables["keys"][name].to_numpy() for name in ("key", "smallest", "member"))
        order = np.lexsort((members, smallest, keys))
        for some in _slices(keys[order], params):
            own = order[some]
            pairs, number = candidates.pairs_of_runs(keys[own], members[own].astype(np.int64), params)
            yield from _deal_pairs(pairs, starts)
            hot += number
    if "postings" in tables:
        lists = Lists.sorted(tables["postings"])
        lists = lists.where(lists.of_interest())
        long = candidates.hot_lists(lists.starts, lists.own, params)
        hot += int(long.sum())
        for pairs, _ in lists.where(long).join(params):
            yield from _deal_pairs(pairs, starts)
        yield from lists.where(~long).send(starts)
    yield counted("hot", part, hot)


def _slices(keys: npt.NDArray[np.uint64], params: DuplicateParams) -> Iterator[slice]:
    """Part sorted keys between runs so that each part makes `_AT_ONCE` pairs, or one key does."""
    begin = candidates.starts_of_runs(keys)
    size = np.diff(begin, append=len(keys))
    pairs = np.cumsum(size * np.where(size > params.hot_key, params.predecessors, size - 1))
    bounds = np.append(begin[np.flatnonzero(np.diff(pairs // _AT_ONCE, prepend=-1))], len(keys)).tolist()
    yield from (slice(*pair) for pair in pairwise(bounds))


def _join(part: int, tables: Tables, *, params: DuplicateParams, starts: _Int) -> Iterator[Message]:
    """Pair the texts of a part with those that hold three of their keys."""
    lists = Lists.of(tables["lists"])
    here = (starts[part] <= lists.member) & (lists.member < starts[part + 1])
    left_out = 0
    for pairs, number in lists._replace(own=lists.own & here).join(params):
        yield from _deal_pairs(pairs, starts)
        left_out += number
    yield counted("left_out", part, left_out)


def _deal_pairs(pairs: _Pairs, starts: _Int) -> Iterator[Message]:
    """Send packed pairs to the part of their smaller position, each once."""
    once = distinct([pairs])
    left, _ = candidates.unpacked(once)
    yield from deal("pairs", pa.table({"pair": once}), part_of_place(left, starts))
