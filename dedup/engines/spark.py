"""The engine of many machines: supersteps (`distributed/flow.py`) as DataFrames of a Spark session the user brings.

A row is a block: an Arrow table as one binary value, and for which part it is. Each step is one exchange by part and
one `mapInArrow`, and writes Parquet to storage that all machines share: that cuts the lineage, and a rerun goes on
there.
Neither RDDs nor the Spark context are used, so that classic Spark and Spark Connect run the same code.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, reduce
from itertools import groupby
from types import TracebackType
from typing import Any, Self

import orjson
import pyarrow as pa
from pyspark import TaskContext
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as f

from dedup.distributed import blocks
from dedup.distributed.flow import Function, Message, check_gathered
from dedup.distributed.plan import default_parts
from dedup.engines import spark_inputs
from dedup.errors import OutputExistsError, ResourceError, SettingsError
from dedup.params import ReadingParams
from dedup.spill import usable_memory

_COLUMNS = "part int, origin int, number int, block binary"
_SENT = f"stream string, {_COLUMNS}"
_ORDER = ("part", "input", "origin", "number")
# Rows are megabytes here: by the thousand, as Spark takes them, they would fill the memory of an executor.
_CONF = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": "64",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(16 * blocks.BYTES),
    "spark.sql.parquet.columnarReaderBatchSize": "16",
    "spark.sql.adaptive.enabled": "false",  # there is nothing to adapt: parts are even, and each step would take longer
}

_ORDERS = {  # of the rows of each table, in Spark's SQL
    "documents": (
        "story_size desc", "story_id", "canonical_doc_id <> representative_doc_id", "duplicate_size desc",
        "duplicate_id", "not is_representative", "position",
    ),
    "groups": ("duplicate_size desc", "duplicate_id"),
    "clusters": ("story_size desc", "story_id"),
    "pairs": ("level", "doc_id_a", "doc_id_b"),
}  # fmt: skip


class SparkEngine:
    """Runs jobs on a Spark session, classic or Connect.

    Parameters
    ----------
    session : pyspark.sql.SparkSession; None: the active one, else the one that spark-submit or the environment ask for
        (all cores of this machine unless they do), which ends with the engine
    checkpoint : folder that every machine of the session reaches (s3://, hdfs://, a shared mount). What each step sends
        lies there, and a rerun of the same job goes on after its last finished step. None, on one machine only: a
        temporary folder.
    parts : how many parts a job has; None: by the size of the input
    tmp_dir : folder for temporary files; None: the system's

    Raises
    ------
    SettingsError
        The session runs on several machines and no folder is given.
    """

    def __init__(
        self,
        session: SparkSession | None = None,
        checkpoint: str | None = None,
        parts: int | None = None,
        tmp_dir: str | None = None,
    ) -> None:
        self._own = session is None and SparkSession.getActiveSession() is None
        self.session = session or SparkSession.getActiveSession() or _started()
        self.parts = parts
        self._checkpoint = checkpoint
        self._temporary: str | None = None
        if checkpoint is None:
            master = self.session.conf.get("spark.master", "") or ""
            if not master.startswith("local[") and master != "local":
                raise SettingsError(
                    f"checkpoint: got none for a session on {master or 'several machines'}; name a folder that all its "
                    "machines reach, such as s3://bucket/dedup, with --checkpoint or SparkEngine(checkpoint=…)"
                )
            self._temporary = tempfile.mkdtemp(prefix="dedup-spark-", dir=tmp_dir)

    def open(self, articles: Any, params: ReadingParams, identity: Any) -> tuple[SparkFlow, spark_inputs.Input]:
        """Find the input of a job, and return the flow that it runs in.

        Parameters
        ----------
        identity : all else that tells the job from others: a rerun finds its finished steps by both
        """
        found = spark_inputs.opened(self.session, articles, params)
        parts = self.parts or default_parts(found.bytes)
        said = orjson.dumps([identity, found.identity, parts], default=str)
        return self.flow(hashlib.sha256(said).hexdigest()[:16], parts), found

    def flow(self, job: str, parts: int) -> SparkFlow:
        """Return the flow of a job of this name."""
        folder = str(self._checkpoint or self._temporary).rstrip("/")
        return SparkFlow(self.session, f"{folder}/{job}", parts, keep=self._checkpoint is not None)

    def check_out(self, out: str, overwrite: bool) -> None:
        """Refuse an output that is there and may not be replaced; raises OutputExistsError."""
        try:
            self.session.read.format("binaryFile").load(f"{out}/*").select("path").limit(1).collect()
        except PySparkException as error:
            if error.getCondition() == "PATH_NOT_FOUND":
                return
            raise ResourceError(f"{out}: {_first_line(error)}; name another folder with -o") from None
        if not overwrite:
            raise OutputExistsError(
                f"{out}: there is something already; replace it with --if-exists overwrite, or name another with -o"
            )

    def write(self, table: DataFrame, name: str, out: str) -> None:
        """Write a table of a run in its order: `OUT/<name>.parquet`, a folder of files."""
        with _told(f"write {name}"):
            rows = table.orderBy(*map(f.expr, _ORDERS[name])).drop("position")
            rows.write.mode("overwrite").option("compression", "zstd").parquet(f"{out}/{name}.parquet")

    def write_lines(self, lines: list[str], name: str, out: str) -> None:
        """Write a few lines of text to one file in a folder `OUT/<name>`."""
        with _told(f"write {name}"):
            frame = self.session.createDataFrame([(line,) for line in lines], "value string")
            frame.coalesce(1).write.mode("overwrite").text(f"{out}/{name}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
        if self._own:
            self.session.stop()


def _started() -> SparkSession:
    builder: Any = SparkSession.builder.appName("dedup")
    if not {"PYSPARK_GATEWAY_PORT", "PYSPARK_SUBMIT_ARGS", "SPARK_REMOTE"} & set(os.environ):
        # Executors live in this process; Spark's own 1 GB is little for blocks of megabytes on all cores.
        memory = max(usable_memory() // 4 >> 20, 1024)
        builder = builder.config("spark.driver.memory", f"{memory}m").config("spark.ui.enabled", "false")
        builder = builder.config("spark.ui.showConsoleProgress", "false").config("spark.log.level", "ERROR")
    session: SparkSession = builder.getOrCreate()
    return session


class SparkFlow:
    """The supersteps of one job; see `distributed.flow.Flow`."""

    def __init__(self, session: SparkSession, folder: str, parts: int, keep: bool) -> None:
        self.session = session
        self.parts = parts
        self.sent: dict[str, int] = {}  # bytes of the blocks that each step sent
        self._folder = folder
        self._keep = keep

    def step(self, name: str, function: Function, /, **inputs: Any) -> Streams:
        """Run a function on every part; see `Flow.step`."""
        folder = f"{self._folder}/{len(self.sent):03d}-{name}"
        found = self._finished(folder)
        if found is None:
            found = self._run(name, folder, function, inputs)
        self.sent[name] = sum(found.values())
        return Streams(self.session, folder, found)

    def _run(self, name: str, folder: str, function: Function, inputs: dict[str, Any]) -> dict[str, int]:
        frames = [frame.withColumn("input", f.lit(key)) for key, frame in inputs.items() if frame is not None]
        if not frames:
            return {}
        seen = Observation()
        with _settings(self.session):
            sent = (
                reduce(DataFrame.unionByName, frames)
                .repartition(self.parts, "part")
                .sortWithinPartitions(*_ORDER)
                .mapInArrow(partial(blocks.superstep, function), _SENT)
                .observe(seen, f.collect_set("stream").alias("streams"), f.sum(f.octet_length("block")).alias("bytes"))
            )
            with _told(name):
                sent.write.mode("overwrite").partitionBy("stream").parquet(folder)
            found = seen.get
            streams = dict.fromkeys(sorted(found["streams"] or ()), 0)
            if streams:
                streams[min(streams)] = int(found["bytes"] or 0)
            if self._keep:
                done = self.session.createDataFrame([(json.dumps(streams),)], "done string")
                done.coalesce(1).write.mode("overwrite").parquet(f"{folder}.done")
        return streams

    def _finished(self, folder: str) -> dict[str, int] | None:
        """Return what an earlier run noted of a step, None where it did not end."""
        if not self._keep:
            return None
        try:
            rows = self.session.read.schema("done string").parquet(f"{folder}.done").collect()
        except PySparkException as error:
            if error.getCondition() == "PATH_NOT_FOUND":
                return None
            raise
        found: dict[str, int] | None = json.loads(rows[0].done) if rows else None
        return found

    def blocks(self, dataset: Any) -> Iterator[pa.Table]:
        """Bring a dataset to the program block by block; see `Flow.blocks`."""
        if dataset is not None:
            for row in dataset.select("block").toLocalIterator():
                yield blocks.unpacked(row.block)

    def gather(self, dataset: Any) -> dict[int, pa.Table]:
        """Bring a small dataset to the program; see `Flow.gather`."""
        if dataset is None:
            return {}
        size = dataset.agg(f.sum(f.octet_length("block"))).first()[0] or 0
        check_gathered(size, "a sum over all parts")
        rows = dataset.orderBy("part", "origin", "number").collect()  # as small as was just checked
        return {
            part: pa.concat_tables([blocks.unpacked(row.block) for row in some])
            for part, some in groupby(rows, key=lambda row: row.part)
        }

    def dataset(self, frame: DataFrame, function: Any) -> DataFrame:
        """Make a dataset of any DataFrame: `function` makes messages of (number of the partition, its batches)."""
        return frame.mapInArrow(partial(_from_frame, function), _SENT).drop("stream")

    def held(self, tables: Mapping[int, pa.Table]) -> DataFrame:
        """Make a dataset of small tables that the program holds, by part."""
        made = [Message("", part, table) for part, table in sorted(tables.items())]
        rows = [row for batch in blocks.packed(made, 0) for row in batch.drop_columns(["stream"]).to_pylist()]
        return self.session.createDataFrame([tuple(row.values()) for row in rows], _COLUMNS)

    def frame(self, dataset: Any, fields: pa.Schema) -> DataFrame:
        """Turn the tables of a dataset into a DataFrame of their rows."""
        from pyspark.sql.pandas.types import from_arrow_schema  # noqa: PLC0415

        empty = self.session.createDataFrame([], from_arrow_schema(fields))
        return empty if dataset is None else dataset.select("block").mapInArrow(blocks.rows_of, empty.schema)


class Streams(Mapping[str, Any]):
    """What a step sent, by stream; None for a stream without messages."""

    def __init__(self, session: SparkSession, folder: str, streams: Iterable[str]) -> None:
        self._session, self._folder, self._streams = session, folder, tuple(streams)

    def __getitem__(self, stream: str) -> DataFrame | None:
        if stream not in self._streams:
            return None
        return self._session.read.schema(_COLUMNS).parquet(f"{self._folder}/stream={stream}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)


@contextmanager
def _settings(session: SparkSession) -> Iterator[None]:
    """Set what blocks need in the session, and put back what was there."""
    before = {name: session.conf.get(name, None) for name in _CONF}
    for name, value in _CONF.items():
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
def _told(name: str) -> Iterator[None]:
    """Turn an error of a worker that one of ours caused into that again, and any other into one line."""
    try:
        yield
    except PySparkException as error:
        if (own := blocks.marked_error(str(error))) is not None:
            raise own from None
        raise ResourceError(
            f"spark step {name}: {_first_line(error)}; see the log of the executors, and start again with the same "
            "--checkpoint to go on after the last finished step"
        ) from error


def _first_line(error: PySparkException) -> str:
    """Return what went wrong, without the trace around it."""
    text = str(error)
    causes = re.findall(r"^\s*(?:Caused by: )?([\w.]*(?:Error|Exception|Interrupt): .*)$", text, re.MULTILINE)
    lines = [*causes, *filter(str.strip, text.splitlines()), type(error).__name__]
    return str(lines[0]).strip()


def _from_frame(function: Any, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    task: Any = TaskContext.get()  # on the worker
    yield from blocks.messages_of(function, task.partitionId(), batches)
