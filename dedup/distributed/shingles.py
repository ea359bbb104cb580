"""Candidates of a distributed job: who holds the rarest shingles of each text, up to the postings of `prefix_join`.

The choice of keys is that of `candidates` on one machine, since the counts are: parts add them up slot by slot. Of half
of all shingles two texts hold the same one, of a fiftieth somebody chose it: so parts ask which, before they send.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema
from dedup.distributed.flow import Dataset, Flow, Message, Tables, deal, part_of_hash
from dedup.distributed.slots import Slots, add_up
from dedup.kernels import prefix


def firsts(tables: Tables, columns: list[str]) -> pa.Table:
    """Return the documents that stand for their unit and have a shingle, with their positions as column `position`.

    Parameters
    ----------
    tables : `sketches` and `units` of a part
    """
    own = pa.array(np.flatnonzero(stands(tables["units"])))
    texts = tables["sketches"].select(columns).append_column("position", tables["units"]["position"])
    return schema.take(texts, own).combine_chunks()


def stands(units: pa.Table) -> npt.NDArray[np.bool_]:
    """Tell which documents stand for their unit and have a shingle; units : of `copies.units`."""
    position, unit, size = (units[name].to_numpy() for name in ("position", "unit", "shingles"))
    found: npt.NDArray[np.bool_] = (position == unit) & (size > 0)
    return found


def count(part: int, texts: pa.Table, table: Slots) -> Iterator[Message]:
    """Send how many shingles of a part are in each slot; texts : of `firsts`."""
    values, _ = schema.ragged(texts["shingles"])
    yield from table.send(part, *np.unique(table.of(values), return_counts=True))


def postings(
    flow: Flow, sketches: Dataset, units: Dataset, counted: Mapping[str, Dataset], table: Slots, missing: float
) -> Dataset:
    """List who holds a shingle that somebody may have chosen as a key, all holders of one in one part.

    Parameters
    ----------
    counted : streams of `count`
    missing : share of its shingles that a text may lack in another, as of `prefix.prefix_keys`

    Returns
    -------
    Dataset of [key, member (position), smallest (shingle of the member), size, own (whether it chose the key)]
    """
    add = partial(add_up, table=table)
    seen = flow.step("copies-seen", add, amounts=counted["amounts"], senders=counted["senders"])
    choose = partial(_choose, table=table, missing=missing)
    chosen = flow.step("copies-keys", choose, sketches=sketches, units=units, seen=seen["sums"])
    marks = flow.step("copies-marks", add, amounts=chosen["amounts"], senders=chosen["senders"])
    posted = flow.step("copies-postings", partial(_post, table=table), texts=chosen["texts"], marks=marks["sums"])
    return posted["postings"]


def _choose(part: int, tables: Tables, *, table: Slots, missing: float) -> Iterator[Message]:
    """Choose the keys of each text; keep the shingles that are not its alone, and ask which of them anybody chose."""
    texts = firsts(tables, ["shingles"])
    if not len(texts):
        return
    values, offsets = schema.ragged(texts["shingles"])
    slot, which = np.unique(table.of(values), return_inverse=True)
    counts = tables["seen"]["sum"].to_numpy()
    seen = counts[which]
    chosen = np.empty(len(values), np.bool_)
    prefix.prefix_keys(values, offsets, np.ones(len(texts), np.bool_), seen, missing, chosen)
    anywhere = np.zeros(len(slot), np.bool_)
    anywhere[which[chosen]] = True
    yield from table.send(part, slot[counts > 1], anywhere[counts > 1])
    shared = seen > 1
    ends = np.concatenate(([0], np.cumsum(shared)))[offsets]
    shared_keys = {
        "member": texts["position"].to_numpy().astype(np.uint32),
        "smallest": values[offsets[:-1]],
        "size": np.diff(offsets).astype(np.int32),
        "keys": schema.ragged_array(values[shared], ends),
        "own": schema.ragged_array(chosen[shared].astype(np.uint8), ends),
    }
    yield Message("texts", part, pa.table(shared_keys))


def _post(part: int, tables: Tables, *, table: Slots) -> Iterator[Message]:
    """Send the holders of each shingle in whose slot is anybody's key."""
    texts = tables["texts"].combine_chunks()
    keys, offsets = schema.ragged(texts["keys"])
    if not len(keys):
        return
    own, _ = schema.ragged(texts["own"])
    _, which = np.unique(table.of(keys), return_inverse=True)
    marked = tables["marks"]["sum"].to_numpy()[which] > 0
    holder = np.repeat(np.arange(len(texts)), np.diff(offsets))[marked]
    facts = {name: texts[name].to_numpy()[holder] for name in ("member", "smallest", "size")}
    listed = pa.table({"key": keys[marked], "own": own[marked] > 0} | facts)
    yield from deal("postings", listed, part_of_hash(keys[marked], table.parts))
