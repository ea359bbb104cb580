"""Vectors of pass 2 from a few words, for its tests."""

import numpy as np
import pyarrow as pa

from dedup import counting, schema, stories, text
from dedup.params import StoryParams

PARAMS = StoryParams()
NONE = (np.empty(0, np.int64), np.empty(0, np.int64))


def counted(titles, bodies):
    rows = [{"row": row, "title": t, "text": b} for row, (t, b) in enumerate(zip(titles, bodies, strict=True))]
    batch = pa.RecordBatch.from_pylist(rows, schema.DOCUMENTS)
    return pa.Table.from_batches([counting.count_terms(batch, text.prepare(batch), PARAMS)])


def links(rows, days, refused=NONE, params=PARAMS, each=map):
    return stories.similar_pairs(rows, days, refused, params, each)[0]


def matrix(rows):
    dense = np.zeros((len(rows.indptr) - 1, len(rows.terms)))
    dense[np.repeat(np.arange(len(dense)), np.diff(rows.indptr)), rows.indices] = rows.data
    return dense
