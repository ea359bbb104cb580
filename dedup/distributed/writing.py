"""The tables of a distributed job → one run, where it is small enough for the program."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import listing

_Int = npt.NDArray[np.int64]


def ordered(documents: pa.Table) -> pa.Table:
    """Sort the documents table as a run has it.

    Parameters
    ----------
    documents : with `position`, which is dropped
    """
    copy = ~documents["is_representative"].to_numpy()
    other = pc.not_equal(documents["canonical_doc_id"], documents["representative_doc_id"]).to_numpy()
    position = documents["position"].to_numpy()
    order = listing.order_of(position, copy, _of(documents, "duplicate"), other, _of(documents, "story"))
    return documents.drop_columns("position").take(pa.array(order))


def _of(documents: pa.Table, level: str) -> tuple[_Int, _Int]:
    rank = pc.rank(documents[f"{level}_id"].combine_chunks(), tiebreaker="dense").to_numpy()
    return documents[f"{level}_size"].to_numpy(), rank.astype(np.int64)
