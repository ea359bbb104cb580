"""A corpus in parts, in this process."""

from __future__ import annotations

from functools import partial
from typing import Any

import pyarrow as pa

from dedup import reading
from dedup.distributed import corpus
from dedup.params import Params
from tests.in_process import InProcess


def spread(articles: Any, params: Params, parts: int, backwards: bool = False) -> tuple[InProcess, corpus.Corpus]:
    """Read articles as one machine does and spread what is kept of them over parts."""
    flow = InProcess(parts, backwards)
    batches = list(reading.open_source(articles, params.reading).batches())
    datasets = {number % parts: pa.Table.from_batches([batch]) for number, batch in enumerate(batches[:1])}
    for number, batch in enumerate(batches[1:], 1):  # as if parts had read them
        part = number % parts
        table = pa.Table.from_batches([batch])
        datasets[part] = pa.concat_tables([datasets[part], table]) if part in datasets else table
    read = flow.step("reduce", partial(_reduce, params=params, parts=parts), documents=datasets)
    return flow, corpus.place(flow, {name: read[name] for name in corpus.KINDS})


def _reduce(part, tables, *, params, parts):
    for batch in tables["documents"].to_batches(max_chunksize=500):
        yield from corpus.reduced(batch, params, parts)
