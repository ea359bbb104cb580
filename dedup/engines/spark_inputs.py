"""What a user hands to a Spark job → datasets of files or of rows, which workers read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from dedup import reading
from dedup.distributed.flow import Message
from dedup.distributed.reading import FILES, File, parts_of_files
from dedup.engines.spark_flow import SPARK_ERRORS, first_line, is_missing, settings
from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.reading import columns, finding, reader
from dedup.remote import is_url
from dedup.schema import TIMESTAMP

_NO_HOST = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):/(?!/)")
_ROW_BYTES = 2_000  # of a record of a frame, whose size Spark does not say
_STRETCH = 4 << 20  # bytes of a frame that are one piece
_PIECES = 1 << 24  # numbers for the pieces of one partition
_TYPES = {  # of kept columns, by Spark's name; all others become strings
    "boolean": pa.bool_(),
    **dict.fromkeys(("byte", "short", "integer", "long"), pa.int64()),
    **dict.fromkeys(("float", "double"), pa.float64()),
    **dict.fromkeys(("date", "timestamp", "timestamp_ntz"), TIMESTAMP),
}


class Input(NamedTuple):
    """What a job reads.

    bytes : about how many
    identity : tells it from other inputs
    kept : input column → field of the output
    datasets : a flow → what `distributed.reading.read` wants
    """

    bytes: int
    identity: Any
    kept: dict[str, pa.Field]
    datasets: Callable[[Any], dict[str, Any]]


def opened(session: Any, articles: Any, params: ReadingParams, tmp_dir: str | None = None) -> Input:
    """Find out what there is to read.

    Parameters
    ----------
    articles : a DataFrame of the session; paths that every machine reaches under the same name; or URLs that Spark
        reads (s3://, hdfs://, …), whose files are brought whole

    Raises
    ------
    InputError
        It is something else, or not there.
    """
    if hasattr(articles, "mapInArrow"):
        return _frame(articles, params)
    paths = [articles] if isinstance(articles, str | Path) else articles
    if not isinstance(paths, list | tuple) or not all(isinstance(path, str | Path) for path in paths):
        if not hasattr(articles, "__arrow_c_stream__"):
            raise InputError(
                f"articles: got {type(articles).__name__}, wanted paths, a DataFrame of the session or an Arrow table"
            )
        return _frame(_of_arrow(session, pa.table(articles), params), params)
    urls = [str(path) for path in paths if is_url(path)]
    if urls and len(urls) < len(paths):
        raise InputError(f"{urls[0]}: a URL beside paths; wanted one kind of input; give the paths as file:// too")
    if urls:
        return _urls(session, urls, params)
    if finding.STDIN in paths:
        raise InputError("stdin: cannot be read by several machines; wanted files; write it to one first")
    found = finding.find(paths, params, tmp_dir)
    sizes = [file.path.stat().st_size for file in found]
    places = enumerate(zip(found, sizes, strict=True))
    rows = [File(number, file.source_file, str(file.path), size) for number, (file, size) in places]
    stamps = [reading.stamp(file) for file in found]
    kept = reader.kept_of_files(found, params, tmp_dir)
    return Input(sum(sizes), [rows, stamps], kept, partial(_listed, rows=rows))


def _listed(flow: Any, rows: list[File]) -> dict[str, Any]:
    """Deal out files that workers open themselves."""
    part = parts_of_files([row.bytes for row in rows], flow.parts).tolist()
    dealt = {home: [row for row, at in zip(rows, part, strict=True) if at == home] for home in set(part)}
    return {"files": flow.from_tables({home: _table(some) for home, some in dealt.items()})}


def _table(rows: Sequence[File]) -> pa.Table:
    return pa.Table.from_pylist([row._asdict() for row in rows], FILES)


def _urls(session: Any, urls: list[str], params: ReadingParams) -> Input:
    with _errors_of_input(urls[0], "check the URL, and that the session has its credentials and libraries"):
        files = session.read.format("binaryFile").option("recursiveFileLookup", "true").load(urls)
        listing = sorted((row.path, row.length) for row in files.select("path", "length").toLocalIterator())
    urls_of = {path: _NO_HOST.sub(r"\1:///", path) for path, _ in listing}  # Spark writes file:/folder
    root = os.path.commonpath([path.rpartition("/")[0] for path, _ in listing]) if listing else ""
    names = {path: path[len(root) :].lstrip("/") if path.startswith(root) else path for path, _ in listing}
    wanted = [
        (path, size)
        for path, size in listing
        if urls_of[path] in urls or finding.wanted(names[path], path.rpartition("/")[2], params)
    ]
    if not wanted:
        raise InputError(f"{urls[0]}: found no file to read; wanted one of the known formats; see --include")
    if params.keep_cols:
        raise InputError("keep-cols: got columns of files that Spark brings; wanted a DataFrame, whose types are known")
    rows = {path: File(n, names[path], urls_of[path], size) for n, (path, size) in enumerate(wanted)}
    contents = partial(_brought, files=files.select("path", "content"), rows=rows)
    return Input(sum(size for _, size in wanted), wanted, {}, contents)


def _brought(flow: Any, files: Any, rows: dict[str, File]) -> dict[str, Any]:
    """Deal out files with their contents."""
    part = parts_of_files([row.bytes for row in rows.values()], flow.parts).tolist()
    home = dict(zip(rows, part, strict=True))
    return {"files": flow.from_frame(files, partial(_with_content, rows=rows, home=home))}


def _with_content(
    origin: int, batches: Iterable[pa.RecordBatch], rows: Mapping[str, File], home: Mapping[str, int]
) -> Iterator[Message]:
    for batch in batches:
        for path, content in zip(batch["path"].to_pylist(), batch["content"], strict=True):
            if path in rows:
                table = _table([rows[path]]).append_column("content", pa.array([content.as_py()], pa.large_binary()))
                yield Message("files", home[path], table)


def _frame(frame: Any, params: ReadingParams) -> Input:
    with _errors_of_input("articles", "see that the DataFrame can be counted"):
        names = frame.columns
        chosen = columns.choose(names, params, reading.MEMORY)
        wanted = [name for name in dict.fromkeys([*chosen.values(), *params.keep_cols]) if name in names]
        # By place: Spark takes `a.b` for a field of `a`, and finds `text` twice beside `Text`.
        placed = frame.toDF(*(f"c{place}" for place in range(len(names))))
        needed = placed.select(*(f"c{names.index(name)}" for name in wanted))
        found = [_TYPES.get(field.dataType.typeName(), pa.string()) for field in needed.schema]
        types = dict(zip(wanted, found, strict=True))
        kept = columns.kept_fields(params.keep_cols, [dict.fromkeys(names, pa.null()) | types])
        count = frame.count()
        identity = [count, frame.semanticHash(), wanted, needed.schema.json()]
    return Input(count * _ROW_BYTES, identity, kept, partial(_rows, frame=needed, names=wanted))


def _of_arrow(session: Any, table: pa.Table, params: ReadingParams) -> Any:
    """Return the columns of a table that are read as a DataFrame; moments without a zone stay such."""
    names = table.column_names
    chosen = columns.choose(names, params, reading.MEMORY)
    wanted = [names.index(name) for name in dict.fromkeys([*chosen.values(), *params.keep_cols]) if name in names]
    try:
        with settings(session, {"spark.sql.timestampType": "TIMESTAMP_NTZ"}):
            return session.createDataFrame(table.select(wanted))
    except (*SPARK_ERRORS, pa.ArrowException, TypeError) as error:
        raise InputError(f"articles: Spark does not take this table ({first_line(error)}); cast its columns") from error


@contextmanager
def _errors_of_input(place: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except SPARK_ERRORS as error:
        if is_missing(error):
            raise InputError(f"{place}: Spark found no file to read; wanted files or folders; check the URL") from None
        raise InputError(f"{place}: Spark could not read it ({first_line(error)}); {remedy}") from error


def _rows(flow: Any, frame: Any, names: list[str]) -> dict[str, Any]:
    return {"rows": flow.from_frame(frame, partial(_stretches, parts=flow.parts, names=names))}


def _stretches(origin: int, batches: Iterable[pa.RecordBatch], parts: int, names: Sequence[str]) -> Iterator[Message]:
    """Send the rows of a partition out in stretches of some megabytes, numbered in their order."""
    held: list[pa.RecordBatch] = []
    number = origin * _PIECES
    for batch in batches:
        held.append(batch.rename_columns(list(names)))
        if sum(one.nbytes for one in held) >= _STRETCH:
            yield _stretch(held, number, parts)
            held, number = [], number + 1
    if held:
        yield _stretch(held, number, parts)


def _stretch(held: list[pa.RecordBatch], number: int, parts: int) -> Message:
    table = pa.Table.from_batches(held)
    return Message("rows", number % parts, table.append_column("__piece", pa.array([number] * len(table), pa.int64())))
