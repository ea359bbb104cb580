"""The tables of a distributed job → one run, where it is small enough for the program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import listing, provenance, schema
from dedup.distributed.flow import Dataset, Flow
from dedup.distributed.reading import Read
from dedup.distributed.results import Results
from dedup.errors import SettingsError
from dedup.manifests import ORDERS, TABLES
from dedup.params import Params
from dedup.run import Result

_Int = npt.NDArray[np.int64]

MOST_BYTES = 2 << 30  # of all tables in the program, which holds them twice while they are sorted
_POSITION = pa.field("position", pa.int64())
_SORTED = ("groups", "clusters", "pairs")  # by columns alone


def result(
    flow: Flow,
    tables: Results,
    report: Read,
    params: Params,
    skipped: Mapping[str, int],
    seconds: dict[str, float],
    kept: Mapping[str, pa.Field] | None = None,
) -> Result:
    """Bring the tables to the program as the result of one machine, which writes the same files.

    Parameters
    ----------
    tables : of `results.results`
    report : of `reading.read`
    skipped : how much was left undone to stay within a budget
    seconds : by stage
    kept : input column → field of the output; what documents have where there are none

    Raises
    ------
    SettingsError
        They have more than `MOST_BYTES`.
    """
    if tables.bytes > MOST_BYTES:
        raise SettingsError(
            f"output: got tables of {tables.bytes:,} bytes, wanted at most {MOST_BYTES:,} for a result in the program; "
            "let the machines write them: name an output that Spark writes, such as hdfs:// or file://"
        )
    fields = fields_of(params, kept or {})
    found = _collected(flow, tables.documents, fields["documents"].empty_table())
    sorted_tables = {
        name: _collected(flow, getattr(tables, name), fields[name].empty_table()).sort_by(list(ORDERS[name]))
        for name in _SORTED
    }
    rejects = [asdict(reject) for reject in report.rejects]
    return Result(
        ordered(found), **sorted_tables, rejects=rejects, manifest=manifest(tables, report, params, skipped, seconds)
    )


def manifest(
    tables: Results, report: Read, params: Params, skipped: Mapping[str, int], seconds: dict[str, float]
) -> dict[str, Any]:
    """Describe the run as `provenance.manifest` does; parameters as of `result`."""
    first = {"documents": tables.counts["documents"], "rejected": len(report.rejects)}  # in the order of one machine
    counts = first | tables.counts | tables.boilerplate | report.counts | {"records": report.n_records}
    return provenance.described(params, report.files, counts, Counter(skipped), seconds, {})


def fields_of(params: Params, kept: Mapping[str, pa.Field]) -> dict[str, pa.Schema]:
    """Return the schema of each table of a result; documents have `position` too."""
    fields = schema.DOCUMENTS if params.with_text else schema.DOCUMENTS.remove(schema.DOCUMENTS.get_field_index("text"))
    documents = listing.fields_of(pa.schema([*fields, *kept.values()])).append(_POSITION)
    return {"documents": documents, **{name: TABLES[name] for name in _SORTED}}


def _collected(flow: Flow, dataset: Dataset, nothing: pa.Table) -> pa.Table:
    blocks = list(flow.blocks(dataset))
    return pa.concat_tables(blocks) if blocks else nothing


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
