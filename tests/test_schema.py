"""Rows of tables whose columns are lists: what `schema.take` moves is what Arrow's own `take` does."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup import schema

TYPES = [pa.large_list(kind) for kind in (pa.uint64(), pa.int32(), pa.uint16(), pa.float64(), pa.bool_(), pa.string())]
TYPES += [pa.list_(pa.uint32(), 2), pa.list_(pa.int64()), pa.string()]


def column(kind, rows, random):
    """Make values of a type, of which some are sliced off at both ends."""
    if pa.types.is_string(kind):
        made = [f"{i}" * (i % 3) for i in range(rows + 2)]
    else:
        item = str if pa.types.is_string(kind.value_type) else bool if pa.types.is_boolean(kind.value_type) else int
        fixed = pa.types.is_fixed_size_list(kind)
        made = [
            [item(x) for x in random.integers(60, size=2 if fixed else random.integers(4))] for _ in range(rows + 2)
        ]
    return pa.array(made, kind)[1 : rows + 1]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 5), max_size=4), st.integers(0, 12), st.integers(0, 99))
def test_rows_are_those_of_arrow(chunks, wanted, seed):
    random = np.random.default_rng(seed)
    columns = [pa.chunked_array([column(kind, rows, random) for rows in chunks], kind) for kind in TYPES]
    table = pa.table(columns, [str(i) for i in range(len(TYPES))])
    rows = pa.array(random.integers(max(len(table), 1), size=wanted if len(table) else 0))
    found = schema.take(table, rows)
    assert found.schema == table.schema
    assert found.equals(table.take(rows))
    found.validate(full=True)
    if len(chunks) == 1:
        batch = table.to_batches()[0] if len(table) else pa.RecordBatch.from_pylist([], table.schema)
        assert schema.take(batch, rows).equals(batch.take(rows))


@pytest.mark.parametrize("made", [[[1], None, [2, 3]], [[1], [None], [2, 3]]], ids=["a list", "a value"])
def test_a_null_stays_one(made):
    table = pa.table({"lists": pa.array(made, pa.large_list(pa.int64()))})
    assert schema.take(table, pa.array([2, 1, 1]))["lists"].to_pylist() == [made[2], made[1], made[1]]
