"""Pass 1 of one machine, and the same spread over parts: what the last steps of a distributed job start from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from dedup import findings, pipeline
from dedup.clock import Clock
from dedup.distributed import copies
from dedup.distributed.corpus import Corpus
from dedup.distributed.flow import part_of_place
from dedup.engines.local import LocalEngine
from dedup.params import Params
from dedup.policy import Rule, parse_policy, reading_params
from dedup.tables import Grouping
from tests.distributing import spread
from tests.in_process import InProcess


@dataclass(frozen=True)
class Local:
    """What one machine found."""

    corpus: findings.Corpus
    copies: findings.Copies
    policy: tuple[Rule, ...]

    def stories(self, params: Params) -> tuple[findings.Stories, Grouping]:
        with LocalEngine(1) as engine:
            found = pipeline.find_stories(self.corpus, self.copies, params, engine, Clock(lambda *_: None))
        return found, pipeline.choose_canonicals(self.corpus, self.copies, found, params, self.policy)[1]


def on_one_machine(articles: Any, params: Params) -> Local:
    policy, clock = parse_policy(params.canonical), Clock(lambda *_: None)
    with LocalEngine(1) as engine:
        corpus = pipeline.read(articles, params, policy, engine, clock)
        return Local(corpus, pipeline.find_copies(corpus, params, policy, clock, engine.map), policy)


def in_parts(local: Local, articles: Any, params: Params, parts: int, backwards: bool = False):
    """Spread the articles, their units and their verified pairs.

    Returns
    -------
    flow, corpus, units, verified
    """
    kept = replace(params, reading=reading_params(params.reading, local.policy))
    flow, corpus = spread(articles, kept, parts, backwards)
    assert isinstance(flow, InProcess) and isinstance(corpus, Corpus)
    assert len(corpus) == len(local.corpus.documents)
    units = copies.units(flow, corpus, params)
    verified = local.copies.verified
    return flow, corpus, units, by_part(verified, verified["left"].to_numpy(), corpus.starts)


def by_part(table: pa.Table, position: Any, starts: Any) -> dict[int, pa.Table]:
    home = part_of_place(np.asarray(position), starts)
    return {int(part): table.filter(pa.array(home == part)) for part in np.unique(home)}


def whole(dataset: dict[int, pa.Table], starts: Any) -> pa.Table:
    """Put a dataset of one row per document together, once it is seen to lie in its parts in order."""
    for part, table in dataset.items():
        assert (part_of_place(table["position"].to_numpy(), starts) == part).all()
    table = pa.concat_tables([dataset[part] for part in sorted(dataset)])
    assert (np.diff(table["position"].to_numpy()) > 0).all()
    return table
