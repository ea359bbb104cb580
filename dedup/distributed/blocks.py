"""Messages of supersteps as rows of an engine's own tables: what runs on its workers.

A row is a block: some rows of an Arrow table in its stream format, of which stream, from and for which part. What a
part keeps for itself need not travel: in place of the block stands the file that has it, which the worker opens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dedup import errors
from dedup.distributed.flow import Function, Message

BYTES = 4 << 20  # of a block, about: an engine and Python hold some of them at a time

FIELDS = pa.schema(
    [
        ("stream", pa.string()),
        ("part", pa.int32()),  # for which the block is
        ("origin", pa.int32()),  # part that sent it
        ("number", pa.int32()),  # among those it sent
        ("block", pa.binary()),
    ]
)
IN_PLACE = "file:"  # begins the address of a file in place of a block; blocks begin with 0xFF
_MARK = "an error of dedup: "  # before one as JSON, in what an engine says of a failed task


def superstep(function: Function, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Run a function on each part of a task; blocks come sorted by part, input, origin and number."""
    with _marked():
        for part, tables in _by_part(batches):
            yield from packed(function(part, tables), part)


def messages_of(
    function: Callable[[int, Iterable[pa.RecordBatch]], Iterable[Message]],
    origin: int,
    batches: Iterable[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """Turn rows of any table into blocks: (origin, batches) → messages."""
    with _marked():
        yield from packed(function(origin, batches), origin)


def rows_of(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Turn blocks into their rows; batches have a column `block`."""
    for batch in batches:
        for block in batch["block"]:
            yield from unpacked(block.as_buffer()).to_batches(max_chunksize=8192)


def marked_error(text: str) -> errors.DedupError | None:
    """Return the error of ours that a worker raised, from what the engine says of it."""
    _, mark, rest = text.partition(_MARK)
    if not mark:
        return None
    (name, message), _ = json.JSONDecoder().raw_decode(rest)
    kind: type[errors.DedupError] = getattr(errors, name, errors.DedupError)
    return kind(message)


@contextmanager
def _marked() -> Iterator[None]:
    """Let the program tell an error of ours from any other: what a worker raises comes as text."""
    try:
        yield
    except errors.DedupError as error:
        raise RuntimeError(_MARK + json.dumps([type(error).__name__, str(error)])) from error


def _by_part(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, dict[str, pa.Table]]]:
    blocks = (
        (part, name, block.as_buffer())
        for batch in batches
        for part, name, block in zip(batch["part"].to_pylist(), batch["input"].to_pylist(), batch["block"], strict=True)
    )
    for part, of_part in groupby(blocks, itemgetter(0)):
        inputs = groupby(of_part, itemgetter(1))
        yield part, {name: pa.concat_tables(_tables(part, map(itemgetter(2), some))) for name, some in inputs}


def _tables(part: int, blocks: Iterable[pa.Buffer]) -> Iterator[pa.Table]:
    """Yield the tables of the blocks of one input, those of a file once, in place of all that name it."""
    for address, some in groupby(blocks, _address):
        yield from map(unpacked, some) if address is None else kept(address, part)


def _address(block: pa.Buffer) -> str | None:
    """Return the file that stands in place of a block; None where the block is there itself."""
    is_file = block.slice(0, len(IN_PLACE)).to_pybytes() == IN_PLACE.encode()
    return block.to_pybytes().decode() if is_file else None


def kept(address: str, part: int) -> Iterator[pa.Table]:
    """Yield what a part keeps in a Parquet file of blocks, which is sorted by part and number.

    Parameters
    ----------
    address : as Spark names files: `file:/folder/name` or `file:///folder/name`, percent-encoded
    """
    with pq.ParquetFile(unquote(urlsplit(address).path)) as file:
        place = file.schema_arrow.get_field_index("part")
        seen = [file.metadata.row_group(group).column(place).statistics for group in range(file.num_row_groups)]
        wanted = [group for group, of in enumerate(seen) if of is None or of.min <= part <= of.max]
        for batch in file.iter_batches(16, wanted, ["part", "block"]):
            for block in batch.filter(pc.equal(batch["part"], part))["block"]:
                yield unpacked(block.as_buffer())


def packed(messages: Iterable[Message], origin: int) -> Iterator[pa.RecordBatch]:
    """Turn messages into rows of `FIELDS`, a few megabytes at a time."""
    waiting: list[tuple[str, int, int, int, pa.Buffer]] = []
    size = 0
    for number, (stream, part, block) in enumerate(_blocks(messages)):
        waiting.append((stream, part, origin, number, block))
        size += block.size
        if size > BYTES:
            yield _batch(waiting)
            waiting, size = [], 0
    if waiting:
        yield _batch(waiting)


def _blocks(messages: Iterable[Message]) -> Iterator[tuple[str, int, pa.Buffer]]:
    for stream, part, rows in messages:
        step = max(1, len(rows) * BYTES // max(rows.nbytes, 1))
        for start in range(0, len(rows), step):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, rows.schema) as writer:
                writer.write_table(rows.slice(start, step).combine_chunks())
            yield stream, part, sink.getvalue()


def _batch(rows: list[tuple[str, int, int, int, pa.Buffer]]) -> pa.RecordBatch:
    *columns, blocks = zip(*rows, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, FIELDS, strict=False)]
    return pa.RecordBatch.from_arrays(
        [*arrays, pa.array([block.to_pybytes() for block in blocks], pa.binary())], schema=FIELDS
    )


def unpacked(block: pa.Buffer | bytes) -> pa.Table:
    """Return the rows of a block."""
    return pa.ipc.open_stream(block).read_all()
