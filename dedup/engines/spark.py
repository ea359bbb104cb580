"""The engine of many machines: a Spark session that the user brings, or that is started here.

Neither RDDs nor the Spark context are used, so that classic Spark and Spark Connect run the same code.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import warnings
import weakref
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from dedup.distributed.plan import default_parts
from dedup.engines import spark_inputs
from dedup.engines.spark_flow import SPARK_ERRORS, SparkFlow, errors_of_workers, first_line, is_missing, settings
from dedup.errors import OutputExistsError, ResourceError, SettingsError
from dedup.manifests import ORDERS
from dedup.params import ReadingParams
from dedup.spill import usable_memory

_WITHIN_STORIES = (  # the order of documents from there on, `listing.order_of` as expressions of Spark's SQL, rising
    "canonical_doc_id <> representative_doc_id", "-duplicate_size", "duplicate_id", "not is_representative", "position",
)  # fmt: skip


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
        The session runs on several machines and no folder is given; or none can be started.
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
        self._tmp_dir = tmp_dir
        self._remove: weakref.finalize[..., SparkEngine] | None = None  # where the folder is a temporary one
        if not checkpoint:
            master = self.session.conf.get("spark.master", "") or ""
            if not master.startswith("local[") and master != "local":
                raise SettingsError(
                    f"checkpoint: got none for a session on {master or 'several machines'}; name a folder that all its "
                    "machines reach, such as s3://bucket/dedup, with --checkpoint or SparkEngine(checkpoint=…)"
                )
            checkpoint = tempfile.mkdtemp(prefix="dedup-spark-", dir=tmp_dir)
            self._remove = weakref.finalize(self, shutil.rmtree, checkpoint, ignore_errors=True)
        self._folder = str(checkpoint).rstrip("/")

    def open(self, articles: Any, params: ReadingParams, identity: Any) -> tuple[SparkFlow, spark_inputs.Input]:
        """Find the input of a job, and return the flow that it runs in.

        Parameters
        ----------
        identity : all else that tells the job from others: a rerun finds its finished steps by both
        """
        found = spark_inputs.opened(self.session, articles, params, self._tmp_dir)
        parts = self.parts or default_parts(found.bytes)
        said = orjson.dumps([identity, found.identity, parts], default=str)
        return self.flow(hashlib.sha256(said).hexdigest()[:16], parts), found

    def flow(self, job: str, parts: int) -> SparkFlow:
        """Return the flow of a job of this name."""
        return SparkFlow(self.session, f"{self._folder}/{job}", parts, keep=self._remove is None)

    def check_out(self, out: str, overwrite: bool) -> None:
        """Refuse an output that is there and may not be replaced; raises OutputExistsError."""
        try:
            self.session.read.format("binaryFile").load(f"{out}/*").select("path").limit(1).collect()
        except SPARK_ERRORS as error:
            if is_missing(error):
                return
            raise ResourceError(f"{out}: {first_line(error)}; name another folder with -o") from None
        if not overwrite:
            raise OutputExistsError(
                f"{out}: there is something already; replace it with --if-exists overwrite, or name another with -o"
            )

    def write(self, table: DataFrame, name: str, out: str) -> None:
        """Write a table of a run in its order: `OUT/<name>.parquet`, a folder of files."""
        micros = {"spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS"}  # in UTC, as one machine writes them
        with settings(self.session, micros), errors_of_workers(f"write {name}"):
            rows = table.orderBy(*_order(name)).drop("position")
            rows.write.mode("overwrite").option("compression", "zstd").parquet(f"{out}/{name}.parquet")

    def write_lines(self, lines: list[str], name: str, out: str) -> None:
        """Write a few lines of text to one file in a folder `OUT/<name>`."""
        with errors_of_workers(f"write {name}"):
            frame = self.session.createDataFrame([(line,) for line in lines], "value string")
            frame.coalesce(1).write.mode("overwrite").text(f"{out}/{name}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._remove is not None:
            self._remove()
        if self._own:
            self.session.stop()


def _order(name: str) -> list[Column]:
    order = [f.desc(column) if direction == "descending" else f.col(column) for column, direction in ORDERS[name]]
    return [*order, *map(f.expr, _WITHIN_STORIES)] if name == "documents" else order


def _started() -> SparkSession:
    builder: Any = SparkSession.builder.appName("dedup")
    if not {"PYSPARK_GATEWAY_PORT", "PYSPARK_SUBMIT_ARGS", "SPARK_REMOTE"} & set(os.environ):
        if not os.environ.get("JAVA_HOME") and shutil.which("java") is None:
            raise SettingsError(
                "engine: got spark on a machine without Java, wanted Java 17 or later; install it, and put its java on "
                "PATH or its folder into JAVA_HOME"
            )
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else the first python3 of PATH, which may lack dedup
        # Executors live in this process; Spark's own 1 GB is little for blocks of megabytes on all cores.
        memory = max(usable_memory() // 4 >> 20, 1024)
        builder = builder.config("spark.driver.memory", f"{memory}m").config("spark.ui.enabled", "false")
        quiet = f'"-Dlog4j2.configurationFile={Path(__file__).with_name("log4j2.properties")}"'
        builder = builder.config("spark.ui.showConsoleProgress", "false")
        builder = builder.config("spark.driver.extraJavaOptions", quiet)
        warnings.filterwarnings("ignore", category=FutureWarning, module="pyspark")  # of pandas, which is not used
    try:
        session: SparkSession = builder.getOrCreate()
    except SPARK_ERRORS as error:
        raise SettingsError(
            f"engine: got spark, which does not start ({first_line(error)}); see that Java is 17 or later (JAVA_HOME, "
            "else the java of PATH), and what SPARK_REMOTE or spark-submit say"
        ) from error
    return session
