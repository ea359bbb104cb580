"""Supersteps (`distributed/flow.py`) as DataFrames of a Spark session.

A row is a block: an Arrow table as one binary value, and for which part it is. Each step is one exchange by part and
one `mapInArrow`, and writes Parquet to storage that all machines share: that cuts the lineage, and a rerun goes on
there. What a part sends to itself alone is not exchanged where that storage is a folder of all machines: the worker
reads it from the file of its part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, reduce
from itertools import groupby
from typing import Any, NamedTuple

import pyarrow as pa
from pyspark import TaskContext
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as f

from dedup.distributed import blocks, flow
from dedup.distributed.flow import Function, Message
from dedup.errors import ResourceError, SettingsError

try:
    from py4j.protocol import Py4JError
except ImportError:  # the client of Spark Connect has none
    Py4JError = PySparkException

SPARK_ERRORS: tuple[type[Exception], ...] = (PySparkException, Py4JError)  # of classic Spark too, where Java fails
_COLUMNS = "part int, origin int, number int, block binary"
_SENT = f"stream string, {_COLUMNS}"
_UNKNOWN = 1 << 62  # bytes
_ORDER = ("part", "input", "origin", "number")
# Rows are megabytes here: by the thousand, as Spark takes them, they would fill the memory of an executor.
_OF_BLOCKS = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": "64",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(16 * blocks.BYTES),
    "spark.sql.parquet.columnarReaderBatchSize": "16",
}
_OF_STEPS = {"spark.sql.adaptive.enabled": "false"}  # nothing to adapt: parts are even, and each would take longer
# Likewise for what is written: a group of rows at a time in memory, whose parts its statistics tell.
_WRITING = {"parquet.block.size": str(8 * blocks.BYTES), "parquet.page.size.row.check.min": "4"}


class BlockFrame(NamedTuple):
    """A dataset: blocks in a DataFrame of part, origin, number and block, and the most bytes that they can have."""

    frame: DataFrame
    most: int
    in_place: bool = False  # workers can read the files, and each part sent to itself alone


class SparkFlow:
    """The supersteps of one job; see `distributed.flow.Flow`."""

    def __init__(self, session: SparkSession, folder: str, parts: int, keep: bool) -> None:
        self.session = session
        self.parts = parts
        self.sent: dict[str, int] = {}  # bytes of the blocks that each step sent
        self.after_step: Callable[[], None] = lambda: None  # for whoever watches
        self._folder = folder
        self._keep = keep
        self._is_shared: bool | None = None  # as a folder, which workers read without Spark

    def step(self, name: str, function: Function, /, **inputs: Any) -> Streams:
        """Run a function on every part; see `Flow.step`."""
        folder = f"{self._folder}/{len(self.sent):03d}-{name}"
        found = self._finished(folder)
        if found is None:
            found = self._run(name, folder, function, inputs)
        self.sent[name] = found.bytes
        self.after_step()
        return Streams(self.session, folder, found, self._shares(folder, found))

    def _run(self, name: str, folder: str, function: Function, inputs: dict[str, Any]) -> Sent:
        frames = [
            _travelling(given).withColumn("input", f.lit(key)) for key, given in inputs.items() if given is not None
        ]
        if not frames:
            return Sent((), (), 0)
        seen = Observation()
        with settings(self.session, _OF_STEPS):
            sent = (
                reduce(DataFrame.unionByName, frames)
                .repartition(self.parts, "part")
                .sortWithinPartitions(*_ORDER)
                .mapInArrow(partial(blocks.superstep, function), _SENT)
                .observe(
                    seen,
                    f.collect_set("stream").alias("streams"),
                    f.collect_set(f.when(f.col("part") != f.col("origin"), f.col("stream"))).alias("dealt"),
                    f.sum(f.octet_length("block")).alias("bytes"),
                )
            )
            with errors_of_workers(name):
                sent.write.mode("overwrite").options(**_WRITING).partitionBy("stream").parquet(folder)
            streams, dealt = set(seen.get["streams"] or ()), set(seen.get["dealt"] or ())
            found = Sent(tuple(sorted(streams)), tuple(sorted(streams - dealt)), int(seen.get["bytes"] or 0))
            if self._keep:
                done = self.session.createDataFrame([(json.dumps(found),)], "done string")
                done.coalesce(1).write.mode("overwrite").parquet(f"{folder}.done")
        return found

    def _shares(self, folder: str, found: Sent) -> bool:
        """Tell whether workers can open the files of a step, which is asked of its first one."""
        if self._is_shared is None and found.own:
            files = self.session.read.parquet(f"{folder}/stream={found.own[0]}").inputFiles()
            self._is_shared = all(file.startswith(blocks.IN_PLACE) for file in files)
        return bool(self._is_shared)

    def _finished(self, folder: str) -> Sent | None:
        """Return what an earlier run noted of a step, None where it did not end."""
        if not self._keep:
            return None
        try:
            rows = self.session.read.schema("done string").parquet(f"{folder}.done").collect()
        except SPARK_ERRORS as error:
            if is_missing(error):
                return None
            raise ResourceError(
                f"checkpoint {self._folder}: {first_line(error)}; name a folder that all machines can write to"
            ) from error
        if not rows:
            return None
        streams, own, size = json.loads(rows[0].done)
        return Sent(tuple(streams), tuple(own), size)

    def blocks(self, dataset: Any) -> Iterator[pa.Table]:
        """Bring a dataset to the program block by block; see `Flow.blocks`."""
        if dataset is not None:
            with settings(self.session), errors_of_workers("results"):
                for row in dataset.frame.select("block").toLocalIterator():
                    yield blocks.unpacked(row.block)

    def gather(self, dataset: Any) -> dict[int, pa.Table]:
        """Bring a small dataset to the program; see `Flow.gather`."""
        if dataset is None:
            return {}
        frame, most, _ = dataset
        with settings(self.session), errors_of_workers("sums"):
            if most > flow.MOST_GATHERED:  # of all streams of its step: what is this one's?
                most = frame.agg(f.sum(f.octet_length("block"))).first()[0] or 0
            flow.check_gathered(most, "a sum over all parts")
            rows = frame.orderBy("part", "origin", "number").collect()  # as small as was just checked
        return {
            part: pa.concat_tables([blocks.unpacked(row.block) for row in some])
            for part, some in groupby(rows, key=lambda row: row.part)
        }

    def from_frame(self, frame: DataFrame, function: Any) -> BlockFrame:
        """Make a dataset of any DataFrame: `function` makes messages of (number of the partition, its batches)."""
        return BlockFrame(frame.mapInArrow(partial(_from_frame, function), _SENT).drop("stream"), _UNKNOWN)

    def from_tables(self, tables: Mapping[int, pa.Table]) -> BlockFrame:
        """Make a dataset of small tables that the program holds, by part."""
        made = [Message("", part, table) for part, table in sorted(tables.items())]
        rows = [row for batch in blocks.packed(made, 0) for row in batch.drop_columns(["stream"]).to_pylist()]
        return BlockFrame(self.session.createDataFrame([tuple(row.values()) for row in rows], _COLUMNS), _UNKNOWN)

    def frame(self, dataset: Any, fields: pa.Schema) -> DataFrame:
        """Turn the tables of a dataset into a DataFrame of their rows."""
        from pyspark.sql.pandas.types import from_arrow_schema  # noqa: PLC0415

        empty = self.session.createDataFrame([], from_arrow_schema(fields))
        return empty if dataset is None else dataset.frame.select("block").mapInArrow(blocks.rows_of, empty.schema)


class Sent(NamedTuple):
    """What a step sent."""

    streams: tuple[str, ...]
    own: tuple[str, ...]  # of them: of which each part sent to itself alone
    bytes: int  # of all blocks


class Streams(Mapping[str, Any]):
    """What a step sent, by stream; None for a stream without messages."""

    def __init__(self, session: SparkSession, folder: str, sent: Sent, is_shared: bool) -> None:
        self._session, self._folder, self._sent, self._is_shared = session, folder, sent, is_shared

    def __getitem__(self, stream: str) -> BlockFrame | None:
        if stream not in self._sent.streams:
            return None
        frame = self._session.read.schema(_COLUMNS).parquet(f"{self._folder}/stream={stream}")
        return BlockFrame(frame, self._sent.bytes, self._is_shared and stream in self._sent.own)

    def __iter__(self) -> Iterator[str]:
        return iter(self._sent.streams)

    def __len__(self) -> int:
        return len(self._sent.streams)


def _travelling(given: BlockFrame) -> DataFrame:
    """Return the rows that an exchange moves: blocks, or the files that have them."""
    if not given.in_place:
        return given.frame
    return given.frame.select("part", "origin", "number", f.col("_metadata.file_path").cast("binary").alias("block"))


@contextmanager
def settings(session: SparkSession, more: Mapping[str, str] | None = None) -> Iterator[None]:
    """Set in the session what blocks need, and more, and put back what was there."""
    conf = {**_OF_BLOCKS, **(more or {})}
    before = {name: session.conf.get(name, None) for name in conf}
    for name, value in conf.items():
        session.conf.set(name, value)
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                session.conf.unset(name)
            else:
                session.conf.set(name, old)


@contextmanager
def errors_of_workers(step: str) -> Iterator[None]:
    """Raise an error of ours that a worker met as itself, and any other as one line."""
    try:
        yield
    except SPARK_ERRORS as error:
        if (own := blocks.marked_error(str(error))) is not None:
            raise own from None
        if missing := re.search(r"No module named '([\w.]+)'", str(error)):
            raise SettingsError(
                f"spark step {step}: got workers whose Python has no {missing[1]}, wanted all of the program; before "
                "the session starts, set PYSPARK_PYTHON to a Python that has them, or send a packed environment"
            ) from error
        raise ResourceError(
            f"spark step {step}: {first_line(error)}; see the log of the executors, and start again with the same "
            "--checkpoint to go on after the last finished step"
        ) from error


def is_missing(error: Exception) -> bool:
    """Tell whether Spark found nothing at a path."""
    return isinstance(error, PySparkException) and error.getCondition() == "PATH_NOT_FOUND"


def first_line(error: Exception) -> str:
    """Return what went wrong, without the trace around it."""
    text = str(error)
    causes = re.findall(r"^[\s:]*(?:Caused by: )?([\w.]*(?:Error|Exception|Interrupt): .*)$", text, re.MULTILINE)
    lines = [*causes, *filter(str.strip, text.splitlines()), type(error).__name__]
    return str(lines[0]).strip()


def _from_frame(function: Any, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    task: Any = TaskContext.get()  # on the worker
    yield from blocks.messages_of(function, task.partitionId(), batches)
