"""Pairs whose texts lie in different parts: the sketches of both come to the part that holds the pair.

One step sends `ask_pairs`, `fetch` is the step that answers, and the step that reads its answers calls `paired` (or
`verify`) on them, which gives a table and indices as the functions of `resemblance` take them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import resemblance
from dedup.distributed.flow import Dataset, Flow, Message, answer, ask, ask_for, at
from dedup.params import DuplicateParams

_Int = npt.NDArray[np.int64]

COMPARED = ["digest", *resemblance.TEMPLATE_COLUMNS]  # what `resemblance.verify` looks at


class Pairs(NamedTuple):
    """Pairs and what is known of their texts."""

    sketches: pa.Table  # a row for each text, in the order of positions, each column in one chunk
    left: _Int  # [p] rows
    right: _Int  # [p]


def ask_pairs(stream: str, part: int, left: _Int, right: _Int, starts: _Int) -> Iterator[Message]:
    """Ask for the rows of both sides of some pairs, int64[p] positions; once a step and stream.

    Parameters
    ----------
    part : the one that asks
    """
    yield from ask(stream, part, np.concatenate((left, right)), starts)


def ask_pairs_for(stream: str, left: _Int, right: _Int, askers: _Int, starts: _Int) -> Iterator[Message]:
    """Ask so on behalf of the part of each pair, int64[p]."""
    yield from ask_for(stream, np.concatenate((left, right)), np.tile(askers, 2), starts)


def fetch(
    flow: Flow, name: str, asked: Dataset, sketches: Dataset, starts: _Int, columns: list[str] | None = None
) -> Dataset:
    """Send the rows asked for to each asker, in a step of this name.

    Parameters
    ----------
    asked : what `ask_pairs` sent
    sketches : by part, sorted by position
    columns : None: `COMPARED`
    """
    function = partial(answer, starts=starts, columns=COMPARED if columns is None else columns)
    return flow.step(name, function, asked=asked, data=sketches)["answer"]


def paired(answers: pa.Table, left: _Int, right: _Int) -> Pairs:
    """Find the rows of pairs among the answers.

    Parameters
    ----------
    answers : of `fetch`, all that were asked for
    left, right : int64[p], positions
    """
    return Pairs(answers.combine_chunks(), at(answers, left), at(answers, right))


def verify(answers: pa.Table, left: _Int, right: _Int, params: DuplicateParams) -> pa.Table:
    """Measure pairs of positions as `resemblance.verify` does.

    Returns
    -------
    schema.VERIFIED, with positions
    """
    measured = resemblance.verify(*paired(answers, left, right), params)
    for name, place in (("left", left), ("right", right)):
        number = measured.schema.get_field_index(name)
        measured = measured.set_column(number, measured.schema.field(number), pa.array(place))
    return measured
