"""The documents of a distributed job, by part: positions are those of one machine, in the order of content keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import resemblance, schema, sketching
from dedup.distributed.flow import Dataset, Flow, Message, Tables, counted, deal, part_of_hash, starts_of
from dedup.params import Params

_Int = npt.NDArray[np.int64]

KINDS = ("documents", "sketches", "terms", "traces")


@dataclass(frozen=True)
class Corpus:
    """What is kept of the input. Each dataset has one row per document in every part, sorted by position."""

    starts: _Int  # [parts + 1] first position of each part, and the number of documents
    documents: Dataset  # schema.DOCUMENTS without text (unless wanted), excerpt, content_key, kept columns
    sketches: Dataset  # schema.sketches, without boilerplate once that is learnt
    whole: Dataset  # resemblance.TEMPLATE_COLUMNS of the sketches, with it
    terms: Dataset  # schema.TERMS
    traces: Dataset  # schema.TRACES
    boilerplate: dict[str, int] = field(default_factory=dict)  # how much was taken out

    def __len__(self) -> int:
        return int(self.starts[-1])


def reduced(batch: pa.RecordBatch, params: Params, parts: int) -> Iterator[Message]:
    """Sketch a batch of documents and send each to the part of its content key.

    Parameters
    ----------
    batch : schema.DOCUMENTS and kept columns
    """
    documents, *others = sketching.reduce(batch, params)
    part = part_of_hash(documents["content_key"].to_numpy(), parts)
    for name, table in zip(KINDS, (documents, *map(pa.table, others)), strict=True):
        yield from deal(name, table, part)


def place(flow: Flow, reduced: dict[str, Dataset]) -> Corpus:
    """Sort the documents of each part, so that every one has its position.

    Parameters
    ----------
    reduced : datasets of `reduced`
    """
    placed = flow.step("place", _sorted, **{name: reduced[name] for name in KINDS})
    starts = starts_of(flow, placed["counts"])
    return Corpus(starts, placed["documents"], placed["sketches"], placed["whole"], placed["terms"], placed["traces"])


def _sorted(part: int, tables: Tables) -> Iterator[Message]:
    order = pc.sort_indices(tables["documents"], [("content_key", "ascending"), ("doc_id", "ascending")])
    for name in KINDS:
        table = schema.take(tables[name], order)
        yield Message(name, part, table)
        if name == "sketches":
            yield Message("whole", part, table.select(resemblance.TEMPLATE_COLUMNS))
    yield counted("counts", part, len(order))


def positions(part: int, starts: _Int) -> _Int:
    """Return the positions of a part's documents, int64[m]."""
    return np.arange(starts[part], starts[part + 1])
