"""What pass 1 and the texts say for and against one story, beside the likeness of two articles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import languages, resemblance, schema
from dedup.constraints import Constraints, distinct
from dedup.findings import Copies, Corpus
from dedup.kernels import jaccard
from dedup.params import Params

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]
_Bool = npt.NDArray[np.bool_]

_ENDS = "left", "right"


def refused_pairs(copies: Copies, rank: _Int) -> tuple[_Int, _Int]:
    """Return the representatives of pairs that pass 1 refused for other facts: no evidence for one story either."""
    refused = pc.is_in(copies.verified["reason"], pa.array(resemblance.OTHER_FACTS))
    left, right = (copies.verified[side].filter(refused).to_numpy() for side in _ENDS)
    return distinct(rank[copies.group[left]], rank[copies.group[right]])


def part_languages(links: pa.Table, language: pa.ChunkedArray, positions: _Int) -> tuple[pa.Table, pa.Table]:
    """Part the links that hold from those between two languages: names and numbers alone tell no story."""
    left, right = (positions[links[side].to_numpy()] for side in _ENDS)
    return _parted(links, languages.differ(languages.numbered(language), left, right))


def part_templates(
    links: pa.Table, corpus: Corpus, copies: Copies, positions: _Int, params: Params
) -> tuple[pa.Table, pa.Table]:
    """Part the links that hold from those between two fillings of one template.

    Pass 1 refuses such pairs too, but it asks for more likeness, behind a hot key it sees neighbours only, and of a
    template that many fill in it hears nothing: that is boilerplate. So texts are taken as they were read.
    """
    left, right = (corpus.as_read[copies.unit[positions[links[side].to_numpy()]]] for side in _ENDS)
    return _parted(links, resemblance.templates(corpus.whole, left, right, params.duplicates, corpus.spill))


def _parted(links: pa.Table, which: _Bool) -> tuple[pa.Table, pa.Table]:
    """Return the other links and those; where all are of one kind, as nearly always, nothing is copied."""
    if which.all() or not which.any():
        return (links.slice(len(links)), links) if which.any() else (links, links.slice(len(links)))
    return links.filter(pa.array(~which)), links.filter(pa.array(which))


def opposed_pairs(
    refused: tuple[_Int, _Int], templates: pa.Table, days: _Float, chain: _Int, params: Params
) -> pa.Table:
    """Return the pairs that speak against one story: fillings of one template, above all on different days.

    A notice that comes again is another story. On one day it may be that of another company, or an update.

    Parameters
    ----------
    chain : int64[k], equal where links lead from one to the other; of other pairs no story is made anyway
    """
    ends = list[tuple[_Int, _Int]]()
    for left, right in (refused, (templates["left"].to_numpy(), templates["right"].to_numpy())):
        linked = chain[left] == chain[right]
        ends.append((left[linked], right[linked]))
    left, right = (np.concatenate(side) for side in zip(*ends, strict=True))
    return opposed(left, right, days[left] - days[right], params)


def chains(k: int, links: pa.Table, home: _Int, bound: Constraints | None) -> _Int:
    """Return the first of those from which links, or rules that demand one story, lead to each, int64[k].

    Parameters
    ----------
    home : int64[n], the one of k that stands for each document
    """
    left, right = (links[side].to_numpy() for side in _ENDS)
    if bound is not None:
        left, right = (np.append(side, home[more]) for side, more in zip((left, right), bound.near(), strict=True))
    found: _Int = jaccard.components(k, left, right)
    return found


def opposed(left: _Int, right: _Int, apart: _Float, params: Params) -> pa.Table:
    """Return links that speak against one story, schema.LINKS.

    Parameters
    ----------
    apart : float64[p], days between the ends of each pair, NaN where unknown
    """
    again = np.abs(apart) * 24 >= params.duplicates.short_hours
    score = -np.where(again, params.stories.opposition, params.stories.same_day_opposition)
    return pa.Table.from_arrays(
        [pa.array(column) for column in (left, right, np.zeros(len(left)), score)], schema=schema.LINKS
    )
