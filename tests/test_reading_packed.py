"""Packed input: told by its content, read up to where it is damaged, and stopped where it is a bomb."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import random
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_reading_inputs import LINES, RECORDS, TEXTS, read, texts

from dedup.reading import packed, raw_records


def zstd(data):
    return pa.Codec("zstd").compress(data, asbytes=True)


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd}


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("shape", ["one", "members", "padded", "unnamed"])
def test_packed_files_are_told_by_content(tmp_path, ending, shape):
    pack = PACKERS[ending]
    data = pack(LINES[:50]) + pack(LINES[50:]) if shape == "members" else pack(LINES)
    path = tmp_path / ("in.dat" if shape == "unnamed" else f"in.jsonl.{ending}")
    path.write_bytes(data + (bytes(8) if shape == "padded" and ending != "zst" else b""))
    table, source = read(path)
    assert table["text"].to_pylist() == TEXTS
    assert source.files[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert raw_records(str(path), "jsonl", np.array([0, 2]))["id"].to_pylist() == ["a", "c"]


@pytest.mark.parametrize("ending", PACKERS)
def test_what_was_read_before_damage_is_kept(tmp_path, ending):
    choose = random.Random(1)
    lines = [json.dumps({"text": choose.randbytes(40).hex()}).encode() + b"\n" for _ in range(8_000)]
    data = PACKERS[ending](b"".join(lines))
    for cut in (data[:-200], data[: len(data) // 2], data[:-100] + b"junk" + data[-90:], data[:12]):
        path = tmp_path / f"in.jsonl.{ending}"
        path.write_bytes(cut)
        (tmp_path / "good.jsonl").write_text('{"text": "good"}')
        _, source = read([tmp_path / "good.jsonl", path])
        assert source.rejects[-1].code.startswith("corrupt_")
        assert "fetch the file again" in source.rejects[-1].message
        if len(cut) > len(data) - 300 and ending != "bz2":
            assert source.files[1].records > 5_000


def test_bombs_are_stopped_while_they_unpack(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "RATIO_FROM_BYTES", 1 << 20)
    for ending, pack in PACKERS.items():
        (tmp_path / f"bomb.jsonl.{ending}").write_bytes(pack(LINES + bytes(20 << 20)))
    (tmp_path / "good.jsonl").write_text('{"text": "good"}')
    table, source = read(tmp_path)
    assert table.num_rows == 3 * len(PACKERS) + 1
    assert [reject.code for reject in source.rejects] == ["packed_bomb"] * len(PACKERS)
    assert "wanted at most 200 times as many" in source.rejects[0].message
    assert source.rejects[0].line == 3


def test_parquet_inside_a_packed_file_and_from_a_pipe(tmp_path, monkeypatch):
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(RECORDS[:1]), out)
    (tmp_path / "in.parquet.gz").write_bytes(gzip.compress(out.getvalue()))
    assert texts(tmp_path) == TEXTS[:1]
    assert raw_records(str(tmp_path / "in.parquet.gz"), "parquet", np.array([0]))["id"].to_pylist() == ["a"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(out.getvalue())))
    assert texts("-", keep_cols=("id",), tmp_dir=str(tmp_path)) == TEXTS[:1]
