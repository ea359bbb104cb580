"""Readers on arbitrary content: nothing crashes, counts add up, and chunk sizes do not matter."""

import bz2
import gzip
import json
import lzma

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from soak import mutations

from dedup.errors import DedupError
from dedup.params import ReadingParams
from dedup.reading import arrays, open_paths

EXAMPLES = 200
AT_RELEASE = 10_000
NAMES = ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt", "a.md", "a.html", "a.parquet", "a.dat", "a.jsonl.gz"]
PACKERS = [
    bytes,
    gzip.compress,
    bz2.compress,
    lzma.compress,
    lambda data: pa.Codec("zstd").compress(data, asbytes=True),
]
PIECES = st.sampled_from(
    ['{"text": "a"}', "[", "]", "{", "}", ",", "\n", '"', "\\", "\\u", "\x00", "text,id\n", "\ufeff", "<p>", "1", " "]
).map(str.encode) | st.binary(max_size=6)  # fmt: skip
CONTENT = st.lists(PIECES, max_size=30).map(b"".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=4), part, max_size=4),
    max_leaves=8,
)


def check_any_content(tmp_path_factory, name, content, packer):
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(packer(content))
    source = open_paths([path], ReadingParams(max_rejects=1e9))
    try:
        accepted = sum(batch.num_rows for batch in source.batches())
    except DedupError as error:
        assert "\n" not in str(error)
        return
    assert accepted + len(source.rejects) == source.n_records
    assert all("\n" not in reject.message for reject in source.rejects)


def check_arrays(values, indent, step):
    data = json.dumps(values, indent=indent, ensure_ascii=False).encode()
    items = list(arrays.records((data[at : at + step] for at in range(0, len(data), step)), "f"))
    assert [item.value for item in items] == values
    assert [item.source_row for item in items] == list(range(len(values)))


def check_bytes(data, step):
    def found(step):
        chunks = (data[at : at + step] for at in range(0, len(data), step))
        return [(type(item), *item[:4]) if isinstance(item, tuple) else item for item in arrays.records(chunks, "f")]

    assert found(step) == found(len(data) + 1)


ANY = given(st.sampled_from(NAMES), CONTENT, st.sampled_from(PACKERS))
ARRAY = given(st.lists(JSON, max_size=6), st.none() | st.integers(0, 2), st.integers(1, 50))
BYTES = given(CONTENT, st.integers(1, 9))


@settings(max_examples=EXAMPLES, deadline=None)
@ANY
def test_any_content_is_accepted_or_refused(tmp_path_factory, name, content, packer):
    check_any_content(tmp_path_factory, name, content, packer)


@settings(max_examples=EXAMPLES, deadline=None)
@ARRAY
def test_any_array_comes_back_whole(values, indent, step):
    check_arrays(values, indent, step)


@settings(max_examples=EXAMPLES, deadline=None)
@BYTES
def test_where_chunks_end_does_not_matter(data, step):
    check_bytes(data, step)


def test_five_hundred_damaged_files():
    assert "0 crashes, counts exact" in mutations.run(500, seed=2)


@pytest.mark.exhaustive
def test_any_content_at_release(tmp_path_factory):
    settings(max_examples=AT_RELEASE, deadline=None)(
        ANY(lambda name, content, packer: check_any_content(tmp_path_factory, name, content, packer))
    )()


@pytest.mark.exhaustive
def test_any_array_at_release():
    settings(max_examples=AT_RELEASE, deadline=None)(ARRAY(check_arrays))()
    settings(max_examples=AT_RELEASE, deadline=None)(BYTES(check_bytes))()
