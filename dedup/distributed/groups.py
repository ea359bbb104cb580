"""Pass 1 of a distributed job, last step: verified pairs → duplicate groups, as `dedup.groups` makes them."""

from __future__ import annotations

from dedup.distributed import attaching, components, holding
from dedup.distributed.corpus import Corpus
from dedup.distributed.flow import Dataset, Flow
from dedup.params import Params


def group(
    flow: Flow,
    corpus: Corpus,
    units: Dataset,
    verified: Dataset,
    params: Params,
    *,
    whole: int = components.WHOLE,
    at_once: int = holding.AT_ONCE,
) -> Dataset:
    """Group documents by the accepted pairs of their units.

    Parameters
    ----------
    units : of `copies.units`
    verified : schema.VERIFIED over first documents of units, at the part of `left`, sorted
    whole : edges of a graph, up to which one part finishes its components
    at_once : documents of a part whose sketches may come to it together

    Returns
    -------
    By part, sorted, a row for each document: position, unit, group (smallest position of its documents), and whether
    another text of the group contains it.
    """
    given = corpus.starts, params.duplicates, whole
    near = holding.hold_together(flow, corpus.sketches, units, verified, *given, at_once)
    return attaching.attach(flow, corpus.sketches, units, verified, near, *given)
