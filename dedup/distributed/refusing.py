"""Representatives of pairs that pass 1 refused for other facts: no links, and evidence against one story."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import duplicates, evidence
from dedup.distributed.corpus import Corpus
from dedup.distributed.flow import Dataset, Flow, Message, Tables, deal, part_of_place
from dedup.distributed.timeslots import Calendar
from dedup.params import Params

_Int = npt.NDArray[np.int64]


def refuse(
    flow: Flow, corpus: Corpus, copies: Dataset, verified: Dataset, dates: Calendar, params: Params
) -> tuple[Dataset, Dataset]:
    """Find them, as `evidence.refused_pairs` and `evidence.opposed_pairs` do.

    Returns
    -------
    partners : by the slot of the later of the two, its position and the other's: [later, earlier]
    opposed : schema.LINKS with scores below 0, by the part of the left one
    """
    starts = corpus.starts
    half = flow.step("refused left", partial(_left, starts=starts), verified=verified, copies=copies)["half"]
    both = flow.step("refused right", partial(_right, starts=starts), half=half, copies=copies)["both"]
    inputs = {"sketches": corpus.sketches}
    dated = flow.step("refused dates", partial(_dated, starts=starts), both=both, **inputs)["dated"]
    oppose = partial(_opposed, starts=starts, dates=dates, params=params)
    found = flow.step("refused", oppose, dated=dated, **inputs)
    return found["partners"], found["opposed"]


def _left(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    if "verified" not in tables:
        return
    verified = tables["verified"]
    pairs = verified.filter(pc.is_in(verified["reason"], pa.array(duplicates.OTHER_FACTS)))
    stands = tables["copies"]["representative"].to_numpy()[pairs["left"].to_numpy() - starts[part]]
    right = pairs["right"].to_numpy()
    yield from deal("half", pa.table({"one": stands, "right": right}), part_of_place(right, starts))


def _right(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    if "half" not in tables:
        return
    half = tables["half"]
    one, other = half["one"].to_numpy(), half["right"].to_numpy() - starts[part]
    other = tables["copies"]["representative"].to_numpy()[other]
    pairs = np.unique(np.column_stack((np.maximum(one, other), np.minimum(one, other))), axis=0)
    left, right = pairs[pairs[:, 0] > pairs[:, 1]].T
    yield from deal("both", pa.table({"left": left.copy(), "right": right.copy()}), part_of_place(left, starts))


def _dated(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
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


def _opposed(part: int, tables: Tables, *, starts: _Int, dates: Calendar, params: Params) -> Iterator[Message]:
    if "dated" not in tables:
        return
    left, right, day = (tables["dated"][name].to_numpy() for name in ("left", "right", "day"))
    days = dates.telling(day), dates.telling(tables["sketches"]["hours"].to_numpy()[right - starts[part]] / 24)
    opposed = evidence.opposed(left, right, days[0] - days[1], params)
    yield from deal("opposed", opposed, part_of_place(left, starts))
    slot = dates.slots(np.concatenate(days), np.concatenate((left, right)))
    one, other = slot[: len(left)], slot[len(left) :]
    key = [np.where(np.isnan(side), -np.inf, side) for side in days]
    first = (key[0] > key[1]) | (key[0] == key[1])  # left has the larger position
    later, earlier = np.where(first, left, right), np.where(first, right, left)
    yield from deal("partners", pa.table({"later": later, "earlier": earlier}), np.where(first, one, other))
