"""What a user would write without this project: scikit-learn and thirty lines.

Stories: `TfidfVectorizer(stop_words="english", sublinear_tf=True)` over title and text, cosine distance, average
linkage, cut at one threshold for all sets, the best one in hindsight. Copies: exact Jaccard ≥ 0.8 of word 3-grams.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.quality.sets import LabelledSet, Pairs
from dedup import evaluate

_Float = npt.NDArray[np.float64]

DISTANCES = np.round(np.arange(0.02, 1.0, 0.02), 2)
JACCARD = 0.8
_ROWS = 512  # of the similarity matrix at a time


def story_rows(sets: Sequence[LabelledSet]) -> list[dict[str, Any]]:
    """Score every set at the threshold at which the mean over the sets is best."""
    labels, seconds = {}, {}
    for labelled in sets:
        start = perf_counter()
        labels[labelled.name] = cuts(labelled.documents)
        seconds[labelled.name] = perf_counter() - start
    scores = {s.name: [evaluate.bcubed(s.stories, found) for found in labels[s.name].values()] for s in sets}
    best = int(np.argmax(np.mean([[score.f1 for score in row] for row in scores.values()], axis=0)))
    return [
        {
            "set": name,
            "method": "TF-IDF + average linkage",
            "distance": float(DISTANCES[best]),
            "precision": row[best].precision,
            "recall": row[best].recall,
            "f1": row[best].f1,
            "f1_own_threshold": max(score.f1 for score in row),
            "seconds": seconds[name],
        }
        for name, row in scores.items()
    ]


def cuts(table: pa.Table) -> dict[float, npt.NDArray[np.int64]]:
    """Return the clusters of a table at each distance of the scan."""
    texts = [f"{a or ''} {b or ''}" for a, b in zip(table["title"].to_pylist(), table["text"].to_pylist(), strict=True)]
    tree = linkage(_distances(texts), "average")
    return {float(d): fcluster(tree, d, "distance").astype(np.int64) for d in DISTANCES}


def pair_row(labelled: LabelledSet, pairs: Pairs) -> dict[str, Any]:
    """Score exact Jaccard on the pairs of a set."""
    start = perf_counter()
    texts = dict(zip(labelled.documents["id"].to_pylist(), labelled.documents["text"].to_pylist(), strict=True))
    ids = zip(pairs.table["doc_id_a"].to_pylist(), pairs.table["doc_id_b"].to_pylist(), strict=True)
    same = np.array([jaccard(texts[a], texts[b]) >= JACCARD for a, b in ids])
    scores = evaluate.pair_scores(pairs.table["label"], same)
    return {
        "set": pairs.name,
        "method": f"Jaccard >= {JACCARD} of word 3-grams",
        "precision": scores.precision,
        "recall": scores.recall,
        "f1": scores.f1,
        "seconds": perf_counter() - start,
    }


def jaccard(left: str, right: str) -> float:
    """Return the share of distinct word 3-grams that two texts have in common; texts under 3 words are one gram."""
    a, b = (_grams(re.findall(r"\w+", text.lower())) for text in (left, right))
    return len(a & b) / max(len(a | b), 1)


def _grams(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + 3]) for i in range(max(len(words) - 2, 1))} - {()}


def _distances(texts: list[str]) -> _Float:
    """Return the cosine distances of all pairs, condensed as SciPy wants them: n (n - 1) / 2 doubles."""
    rows = TfidfVectorizer(stop_words="english", sublinear_tf=True).fit_transform(texts)
    n = len(texts)
    condensed = np.empty(n * (n - 1) // 2)
    place = 0
    for start in range(0, n, _ROWS):
        block = (rows[start : start + _ROWS] @ rows.T).toarray()
        for i, row in enumerate(block, start):
            condensed[place : place + n - i - 1] = 1 - row[i + 1 :]
            place += n - i - 1
    return np.maximum(condensed, 0, out=condensed)
