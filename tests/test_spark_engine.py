"""The Spark engine: supersteps as its twin in this process runs them, errors, restarts, and what it must not use."""

import ast
import gc
import gzip
import os
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from in_process import InProcess

import dedup
from dedup.distributed import blocks, flow
from dedup.distributed import reading as distributed_reading
from dedup.distributed.flow import Message, deal
from dedup.errors import InputError, ResourceError, SettingsError

ENGINE = sorted((Path(dedup.__file__).parent / "engines").glob("spark*.py"))


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A Spark session of two threads."""
    sql = pytest.importorskip("pyspark.sql")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else the first python3 of PATH
    builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
    found = builder.config("spark.log.level", "OFF").getOrCreate()
    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import tests
    yield found
    found.stop()


@pytest.fixture
def engine(session):
    """An engine on it, with a temporary folder."""
    from dedup.engines.spark import SparkEngine

    with SparkEngine(session) as made:
        yield made


def numbers(origin, batches):
    """Send the rows of a frame to part 0, some at a time."""
    for batch in batches:
        yield Message("numbers", 0, pa.Table.from_batches([batch]))


def spread(part, tables, *, parts):
    """Deal numbers by their hash, and tell each part how many were sent to it."""
    table = tables["numbers"]
    to = flow.part_of_hash(table["n"].to_numpy().astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15), parts)
    yield from deal("dealt", table, to)
    for target in range(parts):
        yield Message("counts", target, pa.table({"from": [part], "count": [int((to == target).sum())]}))


def summed(part, tables):
    """Return a part's rows in the order in which they came, and what it was told."""
    rows, told = tables["dealt"], tables["counts"]
    yield Message("kept", part, rows)
    yield Message("total", part, pa.table({"rows": [len(rows)], "told": [sum(told["count"].to_pylist())]}))


def refuse(part, tables):
    """Find fault with the input."""
    raise InputError(f"part {part}: got rows, wanted none; take them out")


def stumble(part, tables):
    """Fail as nobody foresaw."""
    raise ZeroDivisionError("over nothing")


def rows_of(found):
    return {part: table.to_pylist() for part, table in found.items()}


@pytest.mark.parametrize("parts", [1, 5])
def test_steps_are_those_of_the_twin(session, engine, parts):
    table = pa.table({"n": np.arange(20_000)})
    mine, twin = engine.flow("twin", parts), InProcess(parts)
    given = {"numbers": mine.from_frame(session.range(0, 20_000, 1, 1).toDF("n"), numbers)}
    for made, inputs in ((mine, given), (twin, {"numbers": {0: table}})):
        first = made.step("spread", partial(spread, parts=parts), **inputs)
        second = made.step("sum", summed, dealt=first["dealt"], counts=first["counts"])
        made.found = rows_of(made.gather(second["total"])), rows_of(made.gather(second["kept"]))
        assert not made.gather(second["nothing"])
    assert mine.found == twin.found
    assert sum(rows[0]["rows"] for rows in mine.found[0].values()) == 20_000
    fields = pa.schema([("n", pa.int64())])
    assert sorted(mine.frame(second_of(mine, parts), fields).toArrow()["n"].to_pylist()) == list(range(20_000))


def doubled(part, tables):
    """Return a part's rows twice."""
    for _ in range(2):
        yield Message("kept", part, tables["rows"])


def test_what_a_part_keeps_is_read_from_its_file_and_not_moved(session, tmp_path):
    from dedup.engines import spark_flow
    from dedup.engines.spark import SparkEngine

    table = pa.table({"n": np.arange(900_000)})  # more than a block
    mine, twin = SparkEngine(session, str(tmp_path / "a folder, 50 %41")).flow("kept", 3), InProcess(3)
    frame = mine.from_frame(session.range(0, len(table), 1, 2).toDF("n"), numbers)
    for made, numbered in ((mine, frame), (twin, {0: table})):
        first = made.step("spread", partial(spread, parts=3), numbers=numbered)
        second = made.step("sum", summed, dealt=first["dealt"], counts=first["counts"])
        third = made.step("twice", doubled, rows=second["kept"])
        made.found = made.gather(made.step("again", doubled, rows=third["kept"])["kept"])
    assert mine.found.keys() == twin.found.keys() == {0, 1, 2}
    assert all(mine.found[part]["n"].equals(twin.found[part]["n"]) for part in mine.found)
    streams = mine.step("last", partial(spread, parts=3), numbers=frame)
    assert not streams["dealt"].in_place, "what goes to others must travel"
    kept = mine.step("kept", summed, dealt=streams["dealt"], counts=streams["counts"])["kept"]
    blocks_of = spark_flow._travelling(kept).select("block").toArrow()["block"].to_pylist()
    assert blocks_of
    assert all(block.startswith(b"file:") for block in blocks_of)


def second_of(made, parts):
    """Run a step that sends everything on."""
    frame = made.session.range(0, 20_000, 1, 3).toDF("n")
    return made.step("again", partial(spread, parts=parts), numbers=made.from_frame(frame, numbers))["dealt"]


def test_a_large_table_goes_in_blocks_and_comes_whole(session, engine):
    made = engine.flow("large", 2)
    frame = session.range(0, 3_000_000, 1, 2).toDF("n")
    found = made.step("spread", partial(spread, parts=2), numbers=made.from_frame(frame, numbers))["dealt"]
    assert found.frame.count() > 24_000_000 // blocks.BYTES
    total = made.step("sum", count_rows, dealt=found)["total"]
    assert sum(table["rows"][0].as_py() for table in made.gather(total).values()) == 3_000_000


def count_rows(part, tables):
    """Count a part's rows."""
    yield Message("total", part, pa.table({"rows": [len(tables["dealt"])]}))


def test_errors_of_ours_come_back_and_others_in_one_line(session, engine):
    made = engine.flow("errors", 2)
    given = made.from_frame(session.range(3).toDF("n"), numbers)
    with pytest.raises(InputError, match=r"part 0: got rows, wanted none; take them out$"):
        made.step("refuse", refuse, numbers=given)
    with pytest.raises(ResourceError, match=r"spark step stumble: ZeroDivisionError: over nothing; .*--checkpoint"):
        made.step("stumble", stumble, numbers=given)


def test_more_than_a_program_may_hold_is_not_gathered(session, engine, monkeypatch):
    made = engine.flow("gather", 1)
    given = made.from_frame(session.range(10_000).toDF("n"), numbers)
    monkeypatch.setattr(flow, "MOST_GATHERED", 10_000)
    with pytest.raises(ResourceError, match=r"got 8\d,\d{3} bytes for the driver, wanted at most 10,000"):
        made.gather(made.step("spread", partial(spread, parts=1), numbers=given)["dealt"])


def noted(part, tables, *, to):
    """Leave a trace of having run."""
    Path(to, f"{part}").write_text("ran", "utf-8")
    yield Message("kept", part, tables["numbers"])


def test_a_rerun_goes_on_after_the_last_finished_step(session, tmp_path):
    from dedup.engines.spark import SparkEngine

    seen = tmp_path / "seen"
    seen.mkdir()
    for attempt in range(2):
        made = SparkEngine(session, str(tmp_path / "checkpoint")).flow("job", 1)
        given = made.from_frame(session.range(7).toDF("n"), numbers)
        first = made.step("first", partial(noted, to=str(seen)), numbers=given)
        assert len(list(seen.iterdir())) == 1 - attempt, "a finished step must not run again"
        for file in seen.iterdir():
            file.unlink()
        if attempt == 0:
            with pytest.raises(ResourceError):
                made.step("second", stumble, numbers=first["kept"])
        else:
            second = made.step("second", partial(noted, to=str(seen)), numbers=first["kept"])
            assert len(list(seen.iterdir())) == 1, "an unfinished one must"
            assert sum(len(table) for table in made.gather(second["kept"]).values()) == 7


def test_settings_of_the_session_are_put_back(session, engine):
    name = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = session.conf.get(name)
    made = engine.flow("settings", 1)
    found = made.step("spread", partial(spread, parts=1), numbers=made.from_frame(session.range(3).toDF("n"), numbers))
    assert session.conf.get(name) == before
    blocks = made.blocks(found["dealt"])
    assert next(blocks).num_rows == 3
    assert session.conf.get(name) == "64", "blocks are megabytes on their way to the program, too"
    assert list(blocks) == []
    assert session.conf.get(name) == before


def test_a_temporary_folder_goes_with_the_engine(session, tmp_path):
    from dedup.engines.spark import SparkEngine

    engine = SparkEngine(session, tmp_dir=str(tmp_path))
    assert [path.name.startswith("dedup-spark-") for path in tmp_path.iterdir()] == [True]
    del engine
    gc.collect()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def new_york(session):
    """A session in which a moment without a zone is one of New York."""
    before = session.conf.get("spark.sql.session.timeZone")
    session.conf.set("spark.sql.session.timeZone", "America/New_York")
    yield session
    session.conf.set("spark.sql.session.timeZone", before)


def documents_of(engine, articles, job, **settings):
    """Read articles on Spark; return the documents, sorted, and the report."""
    from dedup.params import from_settings

    params = from_settings(settings)
    made, given = engine.open(articles, params.reading, job)
    corpus, found = distributed_reading.read(made, params, given.kept, **given.datasets(made))
    return pa.concat_tables(made.blocks(corpus.documents)).sort_by("row"), found


def test_moments_do_not_hang_on_the_zone_of_the_session(new_york, engine, tmp_path):
    """In what is read of a table of Arrow, whose moments without a zone are UTC here, of a frame, and written."""
    from dedup import reading
    from dedup.params import ReadingParams

    noon = datetime(2026, 1, 15, 12, tzinfo=UTC)
    given = pa.table(
        {
            "text": ["The ferry to the island sails again", "The tide mill by the harbour grinds once more"],
            "date": pa.array([noon.replace(tzinfo=None)] * 2, pa.timestamp("us")),
            "seen": pa.array([noon, None], pa.timestamp("ms", "Asia/Tokyo")),
        }
    )
    kept = {"keep_cols": ("seen", "date")}
    source = reading.open_source(given, ReadingParams(**kept))
    wanted = pa.Table.from_batches(source.batches(), source.schema)
    found, _ = documents_of(engine, given, "moments", **kept)
    for name in ("published_at", "seen", "date"):
        assert found[name].equals(wanted[name]), name
    moments = "timestamp '2026-01-15 07:00:00' date, timestamp_ntz '2026-01-15 12:00:00' seen"
    frame = new_york.sql(f"select 'The ferry sails again' text, {moments}")
    found, _ = documents_of(engine, frame, "moments of a frame", **kept)
    assert [found[name][0].as_py() for name in ("published_at", "seen", "date")] == [noon] * 3

    fields = pa.schema([("story_size", pa.int64()), ("story_id", pa.string()), ("first", pa.timestamp("us", "UTC"))])
    flow = engine.flow("write", 1)
    table = pa.table([[1, 2], ["s1", "s2"], [noon, None]], schema=fields)
    engine.write(flow.frame(flow.from_tables({0: table}), fields), "clusters", f"file://{tmp_path}/OUT")
    assert pq.read_table(tmp_path / "OUT" / "clusters.parquet").equals(table.take([1, 0]))


def test_frames_are_taken_with_columns_of_any_name_and_type(session, engine):
    """What is not read is not looked at; a frame without a text is refused, and one that fails is told of."""
    from dedup.params import ReadingParams

    query = "select 'The bridge stays shut' text, 'x' Text, 1 `a.b`, map('a', 1) m, interval '1' month i, 1.5bd d"
    made, given = engine.open(session.sql(query), ReadingParams(keep_cols=("a.b", "m", "d")), "types")
    assert {name: str(field.type) for name, field in given.kept.items()} == {
        "a.b": "int64",
        "m": "string",
        "d": "string",
    }
    (table,) = made.gather(made.step("rows", pass_on, **given.datasets(made))["rows"]).values()
    assert table.column_names == ["text", "a.b", "m", "d", "__piece"]
    assert table["a.b"].to_pylist() == [1]
    with pytest.raises(InputError, match=r"no column 'text'; found 'n'; name it with --text-col$"):
        engine.open(session.sql("select 1 n"), ReadingParams(), "none")
    with pytest.raises(InputError, match=r"^foo://a/b: Spark could not read it \(.*No FileSystem for scheme"):
        engine.open(["foo://a/b"], ReadingParams(), "no store")
    with pytest.raises(InputError, match=r"^articles: Spark could not read it \(.*DIVIDE_BY_ZERO"):
        engine.open(session.sql("select 'x' text from range(3) where 1 / (id - id) > 0"), ReadingParams(), "fails")


def pass_on(part, tables):
    """Send the rows on as they are."""
    yield Message("rows", part, tables["rows"])


def test_it_uses_neither_rdds_nor_the_context_and_collects_what_is_bounded():
    tree = ast.parse("\n".join(path.read_text("utf-8") for path in ENGINE).replace("from __future__", "#"))
    assert len(ENGINE) == 3
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not used & {"rdd", "sparkContext", "_jdf", "_jsparkSession", "_sc", "toPandas", "toArrow"}
    collecting = {
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and node.attr in ("collect", "first", "take", "head", "toLocalIterator")
    }
    bounded = {"gather", "_finished", "check_out"}  # what was counted before, and one row
    streams = {"blocks", "_urls"}  # of a result that was counted before, and the names of the files
    assert collecting == bounded | streams


def test_a_session_of_many_machines_needs_a_folder():
    pytest.importorskip("pyspark.sql")
    from dedup.engines.spark import SparkEngine

    class Conf:
        def get(self, name, default=None):
            return "yarn"

    class Session:
        conf = Conf()

    with pytest.raises(SettingsError, match="checkpoint: got none for a session on yarn; name a folder"):
        SparkEngine(Session())


def test_files_that_spark_brings_are_read_as_files(session, engine, tmp_path):
    """By URL, as on stores that only Spark knows: a folder with a packed file, one with columns in its path, others."""
    from dedup import reading
    from dedup.params import Params

    text = "The bridge over the canal stays shut until its bearings have been replaced, the council said on Friday"
    (tmp_path / "in" / "day=2026-11-02").mkdir(parents=True)
    (tmp_path / "in" / "a.jsonl.gz").write_bytes(gzip.compress(f'{{"id": "a", "text": "{text}"}}\n'.encode()))
    (tmp_path / "in" / "day=2026-11-02" / "b.csv").write_text(f'id,text\nb,"{text} again"\n', "utf-8")
    pq.write_table(pa.table({"id": ["c", "d"], "text": [text, text + "."]}), tmp_path / "in" / "c.parquet")
    (tmp_path / "in" / "notes.bin").write_bytes(b"\0\1\2")
    params = Params()
    made, given = engine.open([f"file://{tmp_path}/in"], params.reading, "urls")
    corpus, found = distributed_reading.read(made, params, given.kept, **given.datasets(made))
    source = reading.open_paths([tmp_path / "in"], params.reading)
    expected = pa.Table.from_batches(source.batches(), source.schema).drop_columns("text")
    fields = expected.schema.append(pa.field("excerpt", pa.string())).append(pa.field("content_key", pa.uint64()))
    got = pa.concat_tables(made.blocks(corpus.documents)).sort_by("row")
    assert got.schema == fields
    assert got.select(expected.column_names).equals(expected)
    assert [(file.source_file, file.sha256) for file in found.files] == [
        (file.source_file, file.sha256) for file in source.files
    ]
    assert found.files[0].path == f"file://{tmp_path}/in/a.jsonl.gz"
    with pytest.raises(InputError, match=r"nothing-here: Spark found no file to read"):
        engine.open([f"file://{tmp_path}/nothing-here"], params.reading, "urls")
    with pytest.raises(InputError, match="a URL beside paths"):
        engine.open([f"file://{tmp_path}/in", str(tmp_path)], params.reading, "urls")
