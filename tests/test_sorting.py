"""What batches left, in the order of content keys: the rows are those that Arrow takes."""

import naive
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup import schema, sketching, sorting, text
from dedup.kernels import moving

LISTS = [pa.large_list(kind) for kind in (pa.uint64(), pa.int32(), pa.uint16())]


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=30), st.lists(st.tuples(st.integers(0, 29), st.integers(0, 5)), max_size=5), st.randoms())
def test_move(data, stretches, random):
    starts = [min(start, len(data)) for start, _ in stretches]
    sizes = [min(size, len(data) - start) for start, (_, size) in zip(starts, stretches, strict=True)]
    order = random.sample(range(len(sizes)), len(sizes))
    places, end = [0] * len(sizes), 0
    for i in order:
        places[i], end = end + i, end + i + sizes[i]  # gaps stay as they are
    before = bytes(range(end + 3))
    out = np.frombuffer(before, np.uint8).copy()
    arrays = (np.array(given, np.int64) for given in (starts, sizes, places))
    moving.move(np.frombuffer(data, np.uint8), *arrays, out)
    assert out.tobytes() == naive.move(data, starts, sizes, places, before)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=1, max_size=4), st.integers(0, 99))
def test_rows_are_those_of_arrow(chunks, seed):
    random = np.random.default_rng(seed)
    for kind in [*LISTS, pa.string(), pa.list_(pa.uint32(), 2)]:
        parts = []
        for sizes in chunks:
            made = [random.integers(60, size=size).tolist() for size in [3, *sizes, 2]]
            if pa.types.is_string(kind):
                made = list(map(str, made))
            elif pa.types.is_fixed_size_list(kind):
                made = [random.integers(60, size=2).tolist() for _ in made]
            parts.append(pa.array(made, kind)[1:-1])  # with values before and after that are not of the chunk
        column = pa.chunked_array(parts, kind)
        rows = pa.array(random.permutation(len(column)))
        found = sorting.take_values(column, rows)
        found.validate(full=True)
        assert found.equals(column.take(rows))


def batch(texts):
    rows = [{"row": i, "doc_id": str(i), "text": words} for i, words in enumerate(texts)]
    return pa.RecordBatch.from_pylist(rows, schema.DOCUMENTS)


@pytest.mark.parametrize("word", ["harbour ", "\u6e2f\u53e3"])
def test_a_piece_has_a_bounded_number_of_tokens(monkeypatch, word):
    monkeypatch.setattr(sketching, "_TOKENS", 1_000)
    whole = batch([word * 60 for _ in range(100)])
    pieces = list(sketching.pieces([whole, batch([])]))
    assert pa.Table.from_batches(pieces).equals(pa.Table.from_batches([whole]))
    assert len(pieces) > 5
    sizes = [text.prepare(piece).body_tokens.offsets[-1] for piece in pieces]
    assert min(sizes[:-1]) > 400
    assert max(sizes) <= 1_500
