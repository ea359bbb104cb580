"""What the Spark engine takes and writes: frames, tables and files by URL, as one machine reads them."""

import gzip
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dedup.distributed import reading as distributed_reading
from dedup.distributed.flow import Message
from dedup.errors import InputError


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
