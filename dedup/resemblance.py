"""Pass 1, pair by pair: how like the wording of two texts is, and what parts them all the same.

Resemblance and containment are those of Broder (1997), over distinct shingles. Positions are as in `duplicates.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema
from dedup.kernels import jaccard
from dedup.params import DuplicateParams
from dedup.spill import IN_MEMORY, Each, Spill

_Int = npt.NDArray[np.int64]

TEMPLATE_COLUMNS = ["words", "hours", "shingles", "numbers", "vocabulary", "title_words"]  # what `templates` looks at
OTHER_FACTS = ("numbers differ", "titles differ", "dates differ")  # reasons that speak against one story too


def verify(
    sketches: pa.Table,
    left: _Int,
    right: _Int,
    params: DuplicateParams,
    spill: Spill = IN_MEMORY,
    each: Each = map,
) -> pa.Table:
    """Measure each candidate exactly and say whether it is the same text, and if not, why.

    Parameters
    ----------
    left, right : int64[p], positions

    Returns
    -------
    schema.VERIFIED
    """
    digest = schema.matrix(sketches["digest"]).copy()  # not mapped: every pair would fetch two pages of it

    def measure(part: slice) -> pa.Table:
        return _verified(sketches, digest, left[part], right[part], params)

    parts = list(each(measure, spill.picks(len(left))))
    return pa.concat_tables(parts).combine_chunks() if parts else schema.VERIFIED.empty_table()


def _verified(
    sketches: pa.Table, digest: npt.NDArray[np.uint64], left: _Int, right: _Int, params: DuplicateParams
) -> pa.Table:
    similarity, contained = _overlap(sketches["shingles"], left, right)
    near = similarity >= params.jaccard
    within = contained >= params.containment
    exact = (digest[left] == digest[right]).all(axis=1)
    alike = np.flatnonzero(near | within)
    reason = np.full(len(left), "wording differs")
    reason[alike] = _differences(sketches, left[alike], right[alike], similarity[alike], params)
    accepted = reason == ""
    kind = np.select([exact, near, within], ["exact", "near", "contained"], "near")
    return pa.Table.from_arrays(
        [
            pa.array(left),
            pa.array(right),
            pa.array(kind),
            pa.array(similarity),
            pa.array(contained),
            pa.array(accepted),
            pa.array(np.where(accepted, "same text", reason)),
        ],
        schema=schema.VERIFIED,
    )


def templates(
    sketches: pa.Table, left: _Int, right: _Int, params: DuplicateParams, spill: Spill = IN_MEMORY
) -> npt.NDArray[np.bool_]:
    """Tell which pairs are one template filled in twice: like wording, but other figures, headlines or dates.

    Less likeness is asked than of copies, since what is filled in is much of a notice; independent reports share almost
    no shingles.

    Parameters
    ----------
    sketches : `TEMPLATE_COLUMNS` of schema.sketches
    left, right : int64[p], positions

    Returns
    -------
    bool[p]
    """
    found = np.zeros(len(left), np.bool_)
    share = params.template_share
    for part in spill.picks(len(left)):
        x, y = left[part], right[part]
        similarity, contained = _overlap(sketches["shingles"], x, y)
        alike = (similarity >= share * params.jaccard) | (contained >= share * params.containment)
        reason = _differences(sketches, x[alike], y[alike], similarity[alike], params)
        found[part][alike] = np.isin(reason, OTHER_FACTS)
    return found


def overlap(
    sketches: pa.Table, left: _Int, right: _Int, spill: Spill = IN_MEMORY
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return exact Jaccard and containment (of the shorter in the longer) of each pair, float64[p] each."""
    similarity, contained = np.empty(len(left)), np.empty(len(left))
    for part in spill.picks(len(left)):
        similarity[part], contained[part] = _overlap(sketches["shingles"], left[part], right[part])
    return similarity, contained


def _overlap(
    shingles: pa.ChunkedArray, left: _Int, right: _Int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    values, offsets = schema.ragged(shingles)
    x, y = _sizes(offsets, left, right)
    shared = jaccard.overlap(values, offsets, left, right)
    return shared / np.maximum(x + y - shared, 1), shared / np.maximum(np.minimum(x, y), 1)


class Facts(NamedTuple):
    """What verification asks of each pair beside its wording."""

    words: _Int  # [p] of the shorter text
    agreeing: _Int  # [p] figures that both have
    differing: _Int  # [p] figures that the one with fewer has and the other lacks
    title: _Int  # [p] distinct words of the shorter title
    title_shared: _Int  # [p] of them in the other title
    swapped: npt.NDArray[np.bool_]  # [p] whether each notice has a word that the other lacks
    hours: npt.NDArray[np.float64]  # [p] apart; NaN where a date is unknown


def facts(sketches: pa.Table, left: _Int, right: _Int) -> Facts:
    """Measure what parts two texts of like wording: figures, headlines, words of notices, and dates."""
    words, hours = sketches["words"].to_numpy(), sketches["hours"].to_numpy()
    shared, fewer = [], []
    for name in ("numbers", "title_words", "vocabulary"):
        values, offsets = schema.ragged(sketches[name])
        shared.append(jaccard.overlap(values, offsets, left, right))
        fewer.append(np.minimum(*_sizes(offsets, left, right)))
    return Facts(
        words=np.minimum(words[left], words[right]),
        agreeing=shared[0],
        differing=fewer[0] - shared[0],
        title=fewer[1],
        title_shared=shared[1],
        swapped=fewer[2] > shared[2],
        hours=np.abs(hours[left] - hours[right]),
    )


def _differences(
    sketches: pa.Table, left: _Int, right: _Int, similarity: npt.NDArray[np.float64], params: DuplicateParams
) -> npt.NDArray[np.str_]:
    """Name what parts two texts of like wording, "" where nothing does: figures, and for notices headline and date."""
    found = facts(sketches, left, right)
    figures_agree = (found.differing <= found.words // params.numbers_slack) | (
        found.agreeing >= params.numbers_agree * (found.agreeing + found.differing)
    )
    titled = found.title > 0
    short = found.words < params.short_words
    return np.select(
        [
            ~figures_agree,
            short & titled & (found.title_shared < params.short_title_share * found.title),
            short & ~titled & (similarity < params.short_jaccard),
            short & ~titled & found.swapped,
            short & (found.hours >= params.short_hours),  # False where a date is unknown
        ],
        ["numbers differ", "titles differ", "notices differ", "words differ", "dates differ"],
        "",
    )


def _sizes(offsets: _Int, left: _Int, right: _Int) -> tuple[_Int, _Int]:
    return offsets[left + 1] - offsets[left], offsets[right + 1] - offsets[right]
