"""The Arrow schema of every table that crosses a boundary, and the zero-copy views between Arrow and NumPy.

`row` is an id: the place of a record in the sorted input, the same on a laptop and on a cluster. A *position* is an
index into arrays held now.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")
_NO_BYTES = pa.py_buffer(b"")  # Arrow may have no buffer at all where there are none

# reading → pass 1. Kept input columns follow after these.
DOCUMENTS = pa.schema(
    [
        ("row", pa.int64()),
        ("doc_id", pa.string()),
        ("source_file", pa.string()),
        ("source_row", pa.int64()),
        ("title", pa.string()),
        ("text", pa.large_string()),
        ("published_at", TIMESTAMP),
        ("date_suspect", pa.bool_()),
        ("source", pa.string()),
        ("url", pa.string()),
        ("lang", pa.string()),
        ("text_chars", pa.int64()),
        ("text_sha256", pa.string()),
        ("text_truncated", pa.bool_()),
    ]
)


# Pass 1, between verification and groups: positions of units, and what was found out about each pair.
VERIFIED = pa.schema(
    [
        ("left", pa.int64()),
        ("right", pa.int64()),
        ("kind", pa.string()),
        ("jaccard", pa.float64()),
        ("containment", pa.float64()),
        ("accepted", pa.bool_()),
        ("reason", pa.string()),
    ]
)

# Pass 2, between vectors and stories: positions of representatives; score is the cosine after crowding and time.
LINKS = pa.schema(
    [
        ("left", pa.int64()),
        ("right", pa.int64()),
        ("cosine", pa.float64()),
        ("score", pa.float64()),
    ]
)

# What pass 2 keeps of a document: its language, the hash of each distinct term, and how often it occurs.
TERMS = pa.schema(
    [
        ("row", pa.int64()),
        ("language", pa.string()),  # ISO 639; null where unknown
        ("terms", pa.large_list(pa.uint64())),
        ("counts", pa.large_list(pa.int32())),
    ]
)

# Where the shingles, terms and figures of a text stood, by token; see `kernels.passages.trace`.
TRACES = pa.schema([("ranks", pa.large_list(pa.uint16())), ("places", pa.large_list(pa.uint16()))])


def sketches(num_perm: int) -> pa.Schema:
    """Return the schema of what pass 1 keeps of a document; lists are sorted hashes."""
    return pa.schema(
        [
            ("row", pa.int64()),
            ("digest", pa.list_(pa.uint64(), 2)),  # of the comparable text
            ("content_key", pa.uint64()),  # of comparable text, title and date
            ("words", pa.int64()),
            ("hours", pa.float64()),  # since 1970; NaN where unknown
            ("shingles", pa.large_list(pa.uint64())),
            ("signature", pa.list_(pa.uint32(), num_perm)),
            ("numbers", pa.large_list(pa.uint64())),  # a multiset
            ("vocabulary", pa.large_list(pa.uint64())),  # distinct words, of notices only
            ("title_words", pa.large_list(pa.uint64())),
        ]
    )


def one_chunk(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, copied only where it has several chunks."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def take(table: Any, rows: Any) -> Any:
    """Return some rows of a table or record batch, as its `take` does.

    Of lists of numbers whole rows are moved: Arrow makes an index for each value, which takes twenty times as long and
    as much memory again as the column.

    Parameters
    ----------
    rows : integer array, without nulls
    """
    return type(table).from_arrays([take_values(column, rows) for column in table.columns], schema=table.schema)


def take_values(column: Any, rows: Any) -> Any:
    """Return some values of a column; see `take`."""
    if not holds_numbers(column) or not len(rows):
        return column.take(rows)
    kind, is_chunked = column.type, isinstance(column, pa.ChunkedArray)
    chunks = column.chunks if is_chunked else [column]
    width = kind.value_type.bit_width // 8
    spelt = pa.chunked_array([_as_bytes(chunk, width) for chunk in chunks], pa.large_binary())
    _, offsets, values = one_chunk(spelt.take(rows)).buffers()
    ends = np.frombuffer(offsets, np.int64)[: len(rows) + 1] // width
    moved = pa.Array.from_buffers(kind.value_type, int(ends[-1]), [None, values or _NO_BYTES])
    taken = pa.Array.from_buffers(kind, len(rows), [None, pa.py_buffer(ends)], children=[moved])
    return pa.chunked_array([taken]) if is_chunked else taken


def holds_numbers(column: pa.Array | pa.ChunkedArray) -> bool:
    """Tell whether a column is of lists whose values take whole bytes, none of them null."""
    kind = column.type
    if not pa.types.is_large_list(kind) or not pa.types.is_primitive(kind.value_type):
        return False
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    has_nulls = any(chunk.null_count or chunk.values.null_count for chunk in chunks)
    return bool(kind.value_type.bit_width % 8 == 0) and not has_nulls


def _as_bytes(lists: pa.LargeListArray, width: int) -> pa.LargeBinaryArray:
    """View lists of numbers of `width` bytes as strings of bytes."""
    offsets = (lists.offsets.to_numpy() + lists.values.offset) * width
    values = lists.values.buffers()[1] or _NO_BYTES
    return pa.Array.from_buffers(pa.large_binary(), len(lists), [None, pa.py_buffer(offsets), values])


def ragged(column: pa.Array | pa.ChunkedArray) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """View a `large_list` column as values and offsets.

    The trap that this hides: on a sliced list column `.values` ignores the slice and `.offsets` does not start at 0.

    Parameters
    ----------
    column : large_list<T> without nulls.

    Returns
    -------
    values : T[m]
    offsets : int64[n + 1], starting at 0.
    """
    array = one_chunk(column)
    offsets = array.offsets.to_numpy()
    values = array.values.slice(offsets[0], offsets[-1] - offsets[0]).to_numpy(zero_copy_only=True)
    return values, offsets - offsets[0]


def ragged_array(values: npt.NDArray[Any], offsets: npt.NDArray[np.int64]) -> pa.LargeListArray:
    """Wrap values and offsets as a `large_list` column; the inverse of `ragged`."""
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(values))


def utf8(column: pa.Array | pa.ChunkedArray) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """View a string column as UTF-8 bytes and offsets; a null is an empty string.

    Returns
    -------
    data : uint8[m]
    offsets : int64[n + 1], starting at 0.
    """
    array = one_chunk(column).cast(pa.large_string())
    if array.null_count:
        array = array.fill_null("")
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[array.offset : array.offset + len(array) + 1]
    if len(array) == 0 or data_buffer is None:
        return np.empty(0, np.uint8), np.zeros(len(array) + 1, np.int64)
    data = np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]]
    return data, offsets - offsets[0]


def utf8_array(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> pa.LargeStringArray:
    """Wrap UTF-8 bytes and offsets as a `large_string` column; the inverse of `utf8`."""
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))


def matrix(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """View a `fixed_size_list` column without nulls as an array [n, width]."""
    array = one_chunk(column)
    width = array.type.list_size
    values = array.values.slice(array.offset * width, len(array) * width)
    view: npt.NDArray[Any] = values.to_numpy(zero_copy_only=True).reshape(len(array), width)
    return view


def matrix_array(values: npt.NDArray[Any]) -> pa.FixedSizeListArray:
    """Wrap an array [n, width] as a `fixed_size_list` column; the inverse of `matrix`."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), values.shape[1])


# The tables of a run. Types that every reader takes without surprises; doubles are rounded to six decimals.
RUN_DOCUMENTS = pa.schema(
    [
        ("doc_id", pa.string()),
        ("row", pa.int64()),
        ("source_file", pa.string()),
        ("source_row", pa.int64()),
        ("story_id", pa.string()),
        ("duplicate_id", pa.string()),
        ("is_canonical", pa.bool_()),
        ("is_representative", pa.bool_()),
        ("canonical_doc_id", pa.string()),
        ("representative_doc_id", pa.string()),
        ("relation", pa.string()),
        ("story_size", pa.int32()),
        ("duplicate_size", pa.int32()),
        ("similarity", pa.float64()),
        ("jaccard", pa.float64()),
        ("containment", pa.float64()),
        ("cosine", pa.float64()),
        ("canonical_reason", pa.string()),
        ("title", pa.string()),
        ("source", pa.string()),
        ("url", pa.string()),
        ("lang", pa.string()),
        ("published_at", TIMESTAMP),
        ("text_chars", pa.int64()),
        ("text_sha256", pa.string()),
        ("excerpt", pa.string()),
        ("date_suspect", pa.bool_()),
        ("text_truncated", pa.bool_()),
    ]
)

RUN_GROUPS = pa.schema(
    [
        ("duplicate_id", pa.string()),
        ("story_id", pa.string()),
        ("duplicate_size", pa.int32()),
        ("n_sources", pa.int32()),
        ("representative_doc_id", pa.string()),
        ("min_jaccard", pa.float64()),
        ("cohesion", pa.float64()),
        ("first_published_at", TIMESTAMP),
        ("last_published_at", TIMESTAMP),
    ]
)

RUN_CLUSTERS = pa.schema(
    [
        ("story_id", pa.string()),
        ("story_size", pa.int32()),
        ("n_groups", pa.int32()),
        ("n_sources", pa.int32()),
        ("canonical_doc_id", pa.string()),
        ("title", pa.string()),
        ("first_published_at", TIMESTAMP),
        ("last_published_at", TIMESTAMP),
        ("min_similarity", pa.float64()),
        ("mean_similarity", pa.float64()),
        ("cohesion", pa.float64()),
        ("top_terms", pa.string()),
    ]
)

RUN_PAIRS = pa.schema(
    [
        ("doc_id_a", pa.string()),
        ("doc_id_b", pa.string()),
        ("level", pa.string()),
        ("kind", pa.string()),
        ("jaccard", pa.float64()),
        ("containment", pa.float64()),
        ("cosine", pa.float64()),
        ("score", pa.float64()),
        ("hours_apart", pa.float64()),
        ("accepted", pa.bool_()),
        ("reason", pa.string()),
    ]
)
