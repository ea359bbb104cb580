"""What pass 1 and the texts say for and against one story, beside the likeness of two articles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import languages, resemblance, schema
from dedup.findings import Copies, Corpus
from dedup.params import Params

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]


def refused_pairs(copies: Copies, rank: _Int) -> tuple[_Int, _Int]:
    """Return the representatives of pairs that pass 1 refused for other facts: no evidence for one story either."""
    pairs = copies.verified.filter(pc.is_in(copies.verified["reason"], pa.array(resemblance.OTHER_FACTS)))
    left, right = (rank[copies.group[pairs[side].to_numpy()]] for side in ("left", "right"))
    both = np.unique(np.column_stack((np.minimum(left, right), np.maximum(left, right))), axis=0)
    both = both[both[:, 0] < both[:, 1]]
    return both[:, 0].copy(), both[:, 1].copy()


def part_languages(links: pa.Table, language: pa.ChunkedArray, positions: _Int) -> tuple[pa.Table, pa.Table]:
    """Part the links that hold from those between two languages: names and numbers alone tell no story."""
    left, right = (positions[links[side].to_numpy()] for side in ("left", "right"))
    stray = languages.differ(languages.numbered(language), left, right)
    return links.filter(pa.array(~stray)), links.filter(pa.array(stray))


def part_templates(
    links: pa.Table, corpus: Corpus, copies: Copies, positions: _Int, params: Params
) -> tuple[pa.Table, pa.Table]:
    """Part the links that hold from those between two fillings of one template.

    Pass 1 refuses such pairs too, but it asks for more likeness, behind a hot key it sees neighbours only, and of a
    template that many fill in it hears nothing: that is boilerplate. So texts are taken as they were read.
    """
    left, right = (copies.unit[positions[links[side].to_numpy()]] for side in ("left", "right"))
    template = resemblance.templates(corpus.whole, left, right, params.duplicates, corpus.spill)
    return links.filter(pa.array(~template)), links.filter(pa.array(template))


def opposed_pairs(refused: tuple[_Int, _Int], templates: pa.Table, days: _Float, params: Params) -> pa.Table:
    """Return the pairs that speak against one story: fillings of one template, above all on different days.

    A notice that comes again is another story. On one day it may be that of another company, or an update.
    """
    left = np.concatenate((refused[0], templates["left"]))
    right = np.concatenate((refused[1], templates["right"]))
    return opposed(left, right, days[left] - days[right], params)


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
