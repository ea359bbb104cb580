"""Representatives of pairs that pass 1 refused for other facts: no links, and evidence against one story.

Four steps, each in the company of one of `vectors`: the pairs go from the part of one text to that of the other, and
then between those of the representatives, which know their dates.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import evidence, resemblance
from dedup.distributed.flow import Message, Tables, deal, part_of_place
from dedup.distributed.timeslots import Calendar
from dedup.params import Params

_Int = npt.NDArray[np.int64]


def left_representatives(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Find the representative of the left text and send the pair to the part of the right one: `half`, [one, right]."""
    if "verified" not in tables:
        return
    verified = tables["verified"]
    pairs = verified.filter(pc.is_in(verified["reason"], pa.array(resemblance.OTHER_FACTS)))
    stands = tables["copies"]["representative"].to_numpy()[pairs["left"].to_numpy() - starts[part]]
    right = pairs["right"].to_numpy()
    yield from deal("half", pa.table({"one": stands, "right": right}), part_of_place(right, starts))


def right_representatives(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Find that of the right text, and send both to the part of the larger: `both`, [left, right], right < left."""
    if "half" not in tables:
        return
    half = tables["half"]
    one, other = half["one"].to_numpy(), half["right"].to_numpy() - starts[part]
    other = tables["copies"]["representative"].to_numpy()[other]
    pairs = np.unique(np.column_stack((np.maximum(one, other), np.minimum(one, other))), axis=0)
    larger, smaller = pairs[pairs[:, 0] > pairs[:, 1]].T
    both = pa.table({"left": larger.copy(), "right": smaller.copy()})
    yield from deal("both", both, part_of_place(larger, starts))


def dated(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Take each pair once, with the day of its left one, and send it to the part of the right one: `dated`."""
    if "both" not in tables:
        return
    pairs = (
        tables["both"]
        .group_by(["left", "right"])
        .aggregate([])
        .sort_by([("left", "ascending"), ("right", "ascending")])
    )
    left, right = (pairs[side].to_numpy() for side in ("left", "right"))
    day = tables["sketches"]["hours"].to_numpy()[left - starts[part]] / 24
    table = pa.table({"left": left, "right": right, "day": day})
    yield from deal("dated", table, part_of_place(right, starts))


def opposed(part: int, tables: Tables, *, starts: _Int, dates: Calendar, params: Params) -> Iterator[Message]:
    """Tell the slot of the later of two about them, [later, earlier] positions; and what speaks against one story.

    Yields
    ------
    `partners` by slot; `opposed`, schema.LINKS with scores below 0, by the part of the left one
    """
    if "dated" not in tables:
        return
    left, right, day = (tables["dated"][name].to_numpy() for name in ("left", "right", "day"))
    days = dates.telling(day), dates.telling(tables["sketches"]["hours"].to_numpy()[right - starts[part]] / 24)
    against = evidence.opposed(left, right, days[0] - days[1], params)
    yield from deal("opposed", against, part_of_place(left, starts))
    slot = dates.slots(np.concatenate(days), np.concatenate((left, right)))
    one, other = slot[: len(left)], slot[len(left) :]
    key = [np.where(np.isnan(side), -np.inf, side) for side in days]
    first = (key[0] > key[1]) | (key[0] == key[1])  # left has the larger position
    later, earlier = np.where(first, left, right), np.where(first, right, left)
    yield from deal("partners", pa.table({"later": later, "earlier": earlier}), np.where(first, one, other))
