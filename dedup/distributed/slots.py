"""Sums by slot over all parts: how common each shingle of a corpus is, as `rarity` counts it on one machine.

A slot is the leading bits of a hash. Each part sends what it counted to the part that has this range of the slots, and
is answered in the order in which it sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup.distributed.flow import Message, Tables

_Slots = npt.NDArray[np.uint64]
_MOST = 255  # sums stop there, as do those of `rarity.slot_counts`


class Slots(NamedTuple):
    """A table of slots, in ranges of equal width by part."""

    slots: int  # a power of two
    parts: int

    def of(self, hashes: npt.NDArray[np.uint64]) -> _Slots:
        """Return the slot of each hash."""
        return hashes >> np.uint64(65 - self.slots.bit_length())

    def begin(self, part: Any) -> Any:
        """Return the first slot of a part (of several: uint64)."""
        return (part * self.slots + self.parts - 1) // self.parts

    def send(self, part: int, slot: _Slots, amount: npt.NDArray[Any]) -> Iterator[Message]:
        """Send amounts to those who add them up, streams `amounts` and `senders`.

        Parameters
        ----------
        part : the one that sends
        slot : uint64[m], rising
        amount : [m], at most 255 counts
        """
        small = np.min_scalar_type(-(-self.slots // self.parts) - 1)  # the same in all parts
        limits = [self.begin(target) for target in range(self.parts + 1)]
        bounds = np.searchsorted(slot, np.array(limits, np.uint64))
        counted = np.minimum(amount, _MOST).astype(np.uint8)
        for target in np.flatnonzero(np.diff(bounds)).tolist():
            own = slice(bounds[target], bounds[target + 1])
            place = (slot[own] - np.uint64(limits[target])).astype(small)
            yield Message("amounts", target, pa.table({"place": place, "amount": counted[own]}))
            yield Message("senders", target, pa.table({"sender": [part], "rows": [len(place)]}))


def add_up(part: int, tables: Tables, *, table: Slots) -> Iterator[Message]:
    """Add what parts sent of a range of slots and answer each, stream `sums`: uint8, in the order it sent."""
    place, amount = (tables["amounts"][name].to_numpy() for name in ("place", "amount"))
    senders = tables["senders"]
    ends = np.cumsum(senders["rows"].to_numpy())
    shares = [slice(end - rows, end) for end, rows in zip(ends, senders["rows"].to_pylist(), strict=True)]
    sums = np.zeros(table.begin(part + 1) - table.begin(part), np.uint8)
    for share in shares:  # of one sender, which names a slot once
        added = sums[place[share]].astype(np.uint16) + amount[share]
        sums[place[share]] = np.minimum(added, _MOST)
    for sender, share in zip(senders["sender"].to_pylist(), shares, strict=True):
        yield Message("sums", sender, pa.table({"sum": sums[place[share]]}))
