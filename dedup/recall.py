"""The bands of pass 1: their shape, and how likely they find a pair."""

from __future__ import annotations

from typing import Any

from dedup.params import DuplicateParams


def band_shape(num_perm: int, threshold: float, recall: float) -> tuple[int, int]:
    """Return (bands, rows): the most rows that still find `recall` of the pairs at the Jaccard threshold.

    A pair of Jaccard j shares a band with probability 1 - (1 - j^rows)^bands (Leskovec, Rajaraman, Ullman 2020,
    section 3.4.2). More rows mean fewer useless candidates.
    """
    for rows in range(num_perm, 1, -1):
        for bands in range(1, num_perm // rows + 1):
            if probability(threshold, bands, rows) >= recall:
                return bands, rows
    return num_perm, 1


def probability(jaccard: float, bands: int, rows: int) -> float:
    """Return the probability, 0 to 1, that two texts of this Jaccard similarity share a band."""
    return 1 - (1 - jaccard**rows) ** bands


def curve(params: DuplicateParams) -> dict[str, Any]:
    """Return `bands`, `rows` and `curve`: Jaccard from .05 to 1 by .05, and the threshold, with their probability."""
    bands, rows = band_shape(params.num_perm, params.jaccard, params.recall)
    points = sorted({round(step / 20, 2) for step in range(1, 21)} | {params.jaccard})
    found = [{"jaccard": j, "probability": round(probability(j, bands, rows), 6)} for j in points]
    return {"bands": bands, "rows": rows, "curve": found}
