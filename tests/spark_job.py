"""One job on a Spark session of its own, in a process that ends with it: python -m tests.spark_job SETTINGS.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import dedup
from dedup.engines.spark import SparkEngine


def main() -> None:
    """Start the session that the settings ask for, cluster, and write the run."""
    from pyspark.sql import SparkSession

    given = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    builder = SparkSession.builder
    builder = builder.remote(given["remote"]) if "remote" in given else builder.master(given["master"])
    for name, value in given.get("conf", {}).items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    engine = SparkEngine(session, given.get("checkpoint"), given.get("parts"))
    articles = session.read.parquet(given["frame"]) if "frame" in given else given["inputs"]
    with engine:
        dedup.cluster(articles, engine=engine, **given.get("settings", {})).write(given["out"])
    session.stop()


if __name__ == "__main__":
    main()
