"""Reading in parts: the same documents, numbers, ids, refusals and counts as on one machine."""

import gzip
import json
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import SEEDS
from in_process import InProcess

from dedup import reading
from dedup.distributed import reading as distributed
from dedup.errors import InputError, TooManyRejectsError
from dedup.params import Params, ReadingParams
from dedup.reading import reader


def in_parts(paths, params, parts, backwards=False):
    flow = InProcess(parts, backwards)
    found = reading.find(paths, params.reading)
    kept = reader.kept_of_files(found, params.reading, None)
    sizes = [file.path.stat().st_size for file in found]
    rows = [
        distributed.File(number, file.source_file, str(file.path), size)
        for number, (file, size) in enumerate(zip(found, sizes, strict=True))
    ]
    table = pa.Table.from_pylist([row._asdict() for row in rows], distributed.FILES)
    part = distributed.parts_of_files(sizes, parts)
    files = {int(p): table.filter(pa.array(part == p)) for p in np.unique(part)}
    return flow, *distributed.read(flow, params, kept, files=files)


def documents(corpus):
    return pa.concat_tables([corpus.documents[part] for part in sorted(corpus.documents)]).sort_by("row")


def check(paths, params, parts, backwards=False):
    source = reading.open_paths(paths, params.reading)
    expected = pa.Table.from_batches(source.batches(), source.schema)
    _, corpus, found = in_parts(paths, params, parts, backwards)
    got = documents(corpus)
    for name in expected.column_names:
        if name != "text":
            assert got[name].to_pylist() == expected[name].to_pylist(), name
    assert found.rejects == source.rejects
    assert found.counts == source.counts
    assert found.n_records == source.n_records
    assert found.files == source.files


@pytest.fixture
def mixed(tmp_path):
    """Files of several formats with ids that come again, ids that look like those given out, and refused records."""
    words = "A ferry ran aground off the northern pier on Monday and all aboard were brought ashore"
    a = [{"id": "x", "text": f"{words} {n}", "section": "north"} for n in range(3)]
    a += [{"id": "x~2", "text": f"{words} again"}, {"id": "", "text": words}, {"text": 7}, ["no object"]]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, a)) + "\nnot json\n", "utf-8")
    b = "\n".join(json.dumps({"id": f"x~{n}", "text": f"{words} {n}", "section": n}) for n in range(1, 5))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b.encode()))
    rows = "\n".join(f'{n % 4},"{words}, {n}",2026-11-0{n % 9 + 1}' for n in range(30))
    (tmp_path / "c.csv").write_text(f"id,text,date\n{rows}\n", "utf-8")
    for n in range(5):
        (tmp_path / f"note {n}.txt").write_text(f"{words} in note {n}", "utf-8")
    return tmp_path


@pytest.mark.parametrize(("parts", "backwards"), [(1, False), (3, True), (8, False)])
def test_files_are_read_as_on_one_machine(mixed, parts, backwards):
    check([mixed], Params(), parts, backwards)
    check([mixed], Params(reading=ReadingParams(keep_cols=("section",), max_rejects=3)), parts, backwards)
    check([SEEDS], Params(), parts, backwards)


@pytest.mark.parametrize("seed", range(4))
def test_ids_that_look_like_those_given_out_stay_distinct(tmp_path, seed):
    """Ids that end as given ones do, several times and before a line end, in files that other parts read."""
    rng = random.Random(seed)
    for name in "abcde":
        rows = [
            {"id": rng.choice(["x", "y~", "~", "", None]) and f"{rng.choice('xy')}{ending}", "text": f"ferry {name}{n}"}
            for n in range(60)
            for ending in ["".join(rng.choice(["~2", "~3", "~02", "\n", ""]) for _ in range(3))]
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    check([tmp_path], Params(), 1 + 3 * seed, backwards=seed % 2 == 1)


def test_further_formats_and_columns_of_paths(tmp_path):
    words = "The lighthouse keeper of Tarn Head retires after forty years and the lamp will be watched from afar"
    table = pa.table(
        {"text": [f"{words} {n}" for n in range(40)], "rank": range(40), "id": [str(n % 9) for n in range(40)]}
    )
    for day in ("2026-02-01", "2026-02-02"):
        (tmp_path / f"date={day}").mkdir()
        pq.write_table(table, tmp_path / f"date={day}" / "part.parquet", row_group_size=7)
    (tmp_path / "page.html").write_text(f"<html><title>Keeper</title><body><p>{words}.</p></body></html>", "utf-8")
    (tmp_path / "old.csv").write_bytes(f"text;source\n{words};Küste".encode("cp1252"))
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(f'{{"text": "{words}"}}\n'.encode() * 900)[:-30])
    (tmp_path / "empty.txt").write_bytes(b"")
    check([tmp_path], Params(with_text=True, reading=ReadingParams(keep_cols=("rank", "date"))), 3, backwards=True)
    check([tmp_path / "date=2026-02-01"], Params(reading=ReadingParams(keep_cols=("rank",))), 8)


def test_contents_that_an_engine_brings_are_read_as_files(mixed):
    params = Params()
    source = reading.open_paths([mixed], params.reading)
    expected = pa.Table.from_batches(source.batches(), source.schema)
    files = sorted(path for path in mixed.iterdir())
    rows = [distributed.File(n, path.name, f"store://bucket/in/{path.name}", 0) for n, path in enumerate(files)]
    table = pa.Table.from_pylist([row._asdict() for row in rows], distributed.FILES)
    table = table.append_column("content", pa.array([path.read_bytes() for path in files], pa.large_binary()))
    flow = InProcess(2)
    corpus, found = distributed.read(flow, params, {}, files={0: table.slice(0, 2), 1: table.slice(2)})
    assert documents(corpus)["doc_id"].to_pylist() == expected["doc_id"].to_pylist()
    assert [file.path for file in found.files] == [row.path for row in rows]
    assert [file.sha256 for file in found.files] == [file.sha256 for file in source.files]


@pytest.mark.parametrize("parts", [1, 4])
def test_rows_of_a_frame_are_read_as_a_frame(parts):
    words = "The council put off its vote on the tram line until the spring budget is known"
    table = pa.table({"text": [f"{words} {n % 50}" for n in range(300)], "id": [f"{n % 200}" for n in range(300)]})
    expected = reading.open_frame(table, ReadingParams())
    batches = pa.Table.from_batches(expected.batches(), expected.schema)
    dealt = {}
    for piece, start in enumerate(range(0, 300, 70)):
        some = table.slice(start, 70)
        some = some.append_column("__piece", pa.array(np.full(len(some), piece * 5)))
        part = piece % parts
        dealt[part] = pa.concat_tables([dealt[part], some]) if part in dealt else some
    corpus, found = distributed.read(InProcess(parts), Params(), {}, rows=dealt)
    got = documents(corpus)
    for name in ("row", "doc_id", "source_file", "source_row", "text_sha256"):
        assert got[name].to_pylist() == batches[name].to_pylist(), name
    assert found.files == expected.files
    assert found.counts == expected.counts


def test_too_many_refusals_and_no_readable_file_are_errors(mixed, tmp_path):
    with pytest.raises(TooManyRejectsError, match=r"a\.jsonl line 7: a list; wanted an object"):
        in_parts([mixed], Params(reading=ReadingParams(max_rejects=1)), 3)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.parquet").write_bytes(b"PAR1 is no Parquet file")
    (tmp_path / "bad" / "y.parquet").write_bytes(b"PAR1 neither")
    with pytest.raises(InputError, match=r"x\.parquet: damaged Parquet"):
        in_parts([tmp_path / "bad"], Params(reading=ReadingParams(max_rejects=5)), 2)
