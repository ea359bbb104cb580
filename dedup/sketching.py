"""One batch of documents → what both passes keep of it; its texts are dropped on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from dedup import boilerplate, counting, duplicates, schema, text
from dedup.params import Params

EXCERPT_CHARS = 200
_TOKENS = 3 << 19  # of a batch, about: what is made of it meanwhile takes a hundred bytes each


def pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Cut batches of scripts without spaces, in which each character is a token, and so a text holds many.

    Parameters
    ----------
    batches : schema.DOCUMENTS and kept columns
    """
    for batch in batches:
        chars = pc.sum(pc.utf8_length(batch["text"])).as_py() or 0
        size = pc.sum(pc.binary_length(batch["text"])).as_py() or 0
        tokens = chars // 6 + (size - chars) // 2  # a word of six letters, or a character of three bytes
        step = max(1, -(-len(batch) // (1 + tokens // _TOKENS)))
        for start in range(0, len(batch), step):
            yield batch.slice(start, step)


def reduce(batch: pa.RecordBatch, params: Params) -> tuple[pa.Table, pa.RecordBatch, pa.RecordBatch, pa.RecordBatch]:
    """Reduce documents to their sketches, counted terms and traces, in the order of their content keys.

    Parameters
    ----------
    batch : schema.DOCUMENTS and kept columns

    Returns
    -------
    documents : without `text` (unless wanted), with `excerpt` and `content_key`
    sketches, terms, traces : schema.sketches, schema.TERMS and schema.TRACES of the same documents
    """
    prepared = text.prepare(batch)
    sketch = duplicates.sketch(batch, prepared, params.duplicates)
    excerpt = pc.utf8_slice_codeunits(batch["text"], 0, EXCERPT_CHARS).cast(pa.string())
    documents = pa.table(batch).append_column("excerpt", excerpt)
    documents = documents.append_column("content_key", sketch["content_key"])
    if not params.with_text:
        documents = documents.drop_columns("text")
    terms = counting.count_terms(batch, prepared, params.stories)
    trace = boilerplate.trace(prepared, sketch, terms, params.duplicates)
    # Taken, not only for the order: what kernels return may be a view of much more.
    order = pc.sort_indices(sketch["content_key"])
    documents, sketch, terms, trace = (schema.take(table, order) for table in (documents, sketch, terms, trace))
    return documents, sketch, terms, trace
