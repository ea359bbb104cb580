"""Supersteps: a function runs over every part of the corpus and sends tables to parts, which the next one reads.

Bulk synchronous parallel (Valiant 1990), with whole Arrow tables as messages. A message is a few thousand rows of one
kind: an engine moves some blocks instead of millions of rows, and a stage works on arrays as it does on one machine.

Parts are ranges of a hash or of positions; their number comes from the size of the data and not from that of the
cluster. What a part receives is in the order of the parts that sent it and of the sending, so that neither partitions
nor retries change a byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema
from dedup.errors import DedupError, ResourceError

_Int = npt.NDArray[np.int64]

Tables = Mapping[str, pa.Table]  # what a part has, by input; an input of which it has nothing is missing
MOST_GATHERED = 256 << 20  # bytes that a program may hold of what parts say to it


class Message(NamedTuple):
    """Rows for one part."""

    stream: str  # under which the step hands them on
    part: int
    rows: pa.Table


Function = Callable[[int, Tables], Iterable[Message]]


class Dataset(Protocol):
    """Tables by part, somewhere: what one stream of a step holds."""


class Flow(Protocol):
    """What an engine does for a distributed job; it knows neither thresholds nor algorithms.

    parts : how many there are, numbered from 0
    """

    parts: int

    def step(self, name: str, function: Function, /, **inputs: Dataset) -> Mapping[str, Dataset]:
        """Run a function on every part that has something in any of the inputs.

        Parameters
        ----------
        name : distinct in a job; a rerun takes the output of a finished step
        function : (part, tables) → messages; importable (or `functools.partial` of such), without side effects
        inputs : by the names under which the function finds their tables

        Returns
        -------
        A dataset for each stream; one that got no message is empty.
        """

    def blocks(self, dataset: Dataset) -> Iterator[pa.Table]:
        """Bring a dataset to the program block by block, in any order; who asks sees to it that it fits."""

    def gather(self, dataset: Dataset) -> dict[int, pa.Table]:
        """Bring a small dataset to the program: sums, counts, a model; tables by part.

        Raises
        ------
        ResourceError
            It has more than `MOST_GATHERED` bytes.
        """


def fused(*functions: Function) -> Function:
    """Return a function that does what several do, one after the other: each step costs an engine about a second."""
    return partial(_each, functions=functions)


def _each(part: int, tables: Tables, *, functions: tuple[Function, ...]) -> Iterator[Message]:
    for function in functions:
        yield from function(part, tables)


def rows(tables: Tables, name: str, fields: pa.Schema) -> pa.Table:
    """Return what a part has of an input, an empty table where that is nothing."""
    found = tables.get(name)
    return fields.empty_table() if found is None else found


def part_of_hash(key: npt.NDArray[np.uint64], parts: int) -> _Int:
    """Return the part of each hash: ranges of equal width, so that parts are in the order of the hashes."""
    part: _Int = (((key >> np.uint64(32)) * np.uint64(parts)) >> np.uint64(32)).astype(np.int64)
    return part


def part_of_place(place: _Int, starts: _Int) -> _Int:
    """Return the part of each position.

    Parameters
    ----------
    starts : int64[parts + 1], the first position of each part, and their number
    """
    part: _Int = np.searchsorted(starts, place, side="right") - 1
    return part


def ends(pairs: pa.Table) -> tuple[_Int, _Int]:
    """Return left and right of pairs, int64[p] each."""
    return pairs["left"].to_numpy(), pairs["right"].to_numpy()


def deal(stream: str, table: pa.Table, part: npt.NDArray[Any]) -> Iterator[Message]:
    """Send each row to its part, int[n]; rows for one part stay in their order."""
    if not len(table):
        return
    order = np.argsort(part, kind="stable")
    ranked = part[order]
    begin = np.flatnonzero(np.diff(ranked, prepend=ranked[0] - 1))
    moved = table if len(begin) == 1 else schema.take(table, pa.array(order))
    for start, stop in zip(begin.tolist(), [*begin[1:].tolist(), len(ranked)], strict=True):
        yield Message(stream, int(ranked[start]), moved.slice(start, stop - start))


def starts_of(flow: Flow, counts: Dataset) -> _Int:
    """Return the first position of each part, int64[parts + 1], from a dataset of one `count` by part."""
    sizes = np.zeros(flow.parts, np.int64)
    for part, table in flow.gather(counts).items():
        sizes[part] = table["count"].to_numpy().sum()
    return np.concatenate(([0], np.cumsum(sizes)))


def total_of(flow: Flow, counts: Dataset) -> int:
    """Return the sum of a dataset of one `count` by part."""
    return sums_of(flow, counts, ["count"])["count"]


def sums_of(flow: Flow, told: Dataset, columns: Sequence[str]) -> dict[str, int]:
    """Return the sum of each of some columns of integers over all parts."""
    tables = flow.gather(told).values()
    return {name: sum(int(table[name].to_numpy().sum()) for table in tables) for name in columns}


def counted(stream: str, part: int, count: int) -> Message:
    """Tell how many there are in a part, for `starts_of` and `total_of`."""
    return Message(stream, part, pa.table({"count": pa.array([count], pa.int64())}))


# Rows of other parts: `ask` sends what is wanted to those who have it, `reply` sends it back (and `answer` is a step of
# its own that does), `at` finds it among the answers.


def ask(stream: str, part: int, places: _Int, starts: _Int) -> Iterator[Message]:
    """Ask for the rows at some positions, int64[m], each of which is sent once and comes in rising order.

    Parameters
    ----------
    part : the one that asks
    """
    yield from ask_for(stream, places, np.full(len(places), part), starts)


def ask_for(stream: str, places: _Int, askers: _Int, starts: _Int) -> Iterator[Message]:
    """Ask for the rows at some positions, int64[m], on behalf of the part of each, int64[m]: each once for a part."""
    once = np.unique(places * len(starts) + askers)
    place, asker = np.divmod(once, len(starts))
    yield from deal(stream, pa.table({"place": place, "asker": asker}), part_of_place(place, starts))


def reply(stream: str, asked: pa.Table | None, data: pa.Table, places: _Int) -> Iterator[Message]:
    """Send the rows asked for to each asker, by rising position, which they get as column `place`.

    Parameters
    ----------
    asked : of `ask`, [place int64, asker int64]; several may have asked on behalf of one part; None: nobody did
    data : has all rows that are asked for
    places : int64[n] of the data, rising
    """
    if asked is None:
        return
    data = data.combine_chunks()
    for wanted in deal(stream, asked, asked["asker"].to_numpy()):  # one asker at a time: all may ask for all
        place = np.unique(wanted.rows["place"].to_numpy())
        found = schema.take(data, pa.array(np.searchsorted(places, place))).append_column("place", pa.array(place))
        yield Message(stream, wanted.part, found)


def answer(part: int, tables: Tables, *, starts: _Int, columns: list[str] | None = None) -> Iterator[Message]:
    """Send the rows asked for to each asker, stream `answer`, with their positions as column `place`.

    Parameters
    ----------
    tables : `asked`, of `ask`; `data`, sorted by position, all rows of the part
    columns : of the data; None: all
    """
    if "asked" not in tables:
        return
    data, places = tables["data"], np.arange(starts[part], starts[part + 1])
    if len(data) != len(places):
        raise DedupError(f"part {part}: got {len(data)} rows, wanted {len(places)}; please report")
    yield from reply("answer", tables["asked"], data if columns is None else data.select(columns), places)


def at(answers: pa.Table, places: _Int) -> _Int:
    """Return in which row of the answers each position is, int64[m]; all of them were asked for."""
    known = answers["place"].to_numpy()
    found: _Int = np.searchsorted(known, places)
    return found


def check_gathered(size: int, what: str) -> None:
    """Refuse to bring more to the program than it may hold."""
    if size > MOST_GATHERED:
        raise ResourceError(
            f"{what}: got {size:,} bytes for the driver, wanted at most {MOST_GATHERED:,}; please report this"
        )
