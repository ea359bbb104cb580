"""The Spark engine: supersteps as its twin in this process runs them, errors, restarts, and what it must not use."""

import ast
import gc
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from in_process import InProcess

import dedup
from dedup.distributed import blocks, flow
from dedup.distributed.flow import Message, deal
from dedup.errors import InputError, ResourceError, SettingsError

ENGINE = sorted((Path(dedup.__file__).parent / "engines").glob("spark*.py"))


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

    for given in (None, ""):  # such as that of a variable that is not set
        with pytest.raises(SettingsError, match="checkpoint: got none for a session on yarn; name a folder"):
            SparkEngine(Session(), given)
