"""Scores of a run against gold labels: numbers in, numbers out.

Gold comes in two forms: one label per article and level, scored by B-cubed, pairwise F1 and ARI; or pairs of articles
with a verdict, scored by F1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from dedup.errors import InputError

Labels: TypeAlias = "pa.Array | pa.ChunkedArray | npt.NDArray[Any] | Sequence[Any]"

_RUN_COLUMN = {"duplicate": "duplicate_id", "story": "story_id"}


@dataclass(frozen=True)
class Scores:
    """Precision, recall and their harmonic mean (0 where both are 0)."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class PairScores(Scores):
    """Scores of pairs with the counts that they come from; `skipped` pairs have no verdict."""

    tp: int
    fp: int
    fn: int
    tn: int
    skipped: int


def bcubed(gold: Labels, predicted: Labels) -> Scores:
    """Score a clustering by B-cubed.

    Of an article's predicted cluster, precision is the share with its gold label; of its gold cluster, recall is the
    share found in its predicted one. Both are means over articles; F1 is taken of the two means. 1 where there are no
    articles. O(n log n).

    Bagga & Baldwin 1998, "Entity-based cross-document coreferencing using the vector space model", on B-CUBED;
    Amigó et al. 2009, "A comparison of extrinsic clustering evaluation metrics", section 3.

    Parameters
    ----------
    gold, predicted : [n], labels of one type, without nulls.

    Raises
    ------
    InputError
        Lengths differ, or a label is null.
    """
    g, p = _codes(gold, predicted)
    width = int(p.max(initial=0)) + 1
    cell, shared = np.unique(g * width + p, return_counts=True)
    square = shared.astype(np.float64) ** 2
    # fsum is exact, so the order of the articles does not touch the last digit.
    precision = math.fsum(square / np.bincount(p)[cell % width])
    recall = math.fsum(square / np.bincount(g)[cell // width])
    return _scores(precision, len(g), recall, len(g))


def pairwise(gold: Labels, predicted: Labels) -> Scores:
    """Score a clustering by its pairs: those in one predicted cluster against those in one gold cluster.

    Precision is 1 where no pair is predicted, recall is 1 where gold has none. Counts stay below n²/2, which int64
    holds up to four billion articles. Parameters and errors as in `bcubed`.
    """
    g, p = _codes(gold, predicted)
    _, shared = np.unique(g * (int(p.max(initial=0)) + 1) + p, return_counts=True)
    hits = _pairs(shared)
    return _scores(hits, _pairs(np.bincount(p)), hits, _pairs(np.bincount(g)))


def ari(gold: Labels, predicted: Labels) -> float:
    """Score a clustering by the adjusted Rand index (Hubert & Arabie 1985), as scikit-learn computes it."""
    from sklearn.metrics import adjusted_rand_score  # noqa: PLC0415 - takes a second to load, and most commands need none

    return float(adjusted_rand_score(*_codes(gold, predicted)))


def pair_scores(label: Labels, predicted_same: npt.NDArray[np.bool_]) -> PairScores:
    """Score verdicts on pairs.

    Precision is 1 where no pair is predicted, recall is 1 where gold has none.

    Parameters
    ----------
    label : [n], 1 same, 0 different, null or NaN: not scored.
    predicted_same : bool[n]

    Raises
    ------
    InputError
        Lengths differ.
    """
    verdict = pc.cast(_array(label), pa.float64()).to_numpy(zero_copy_only=False)
    same = np.asarray(predicted_same, np.bool_)
    if verdict.shape != same.shape:
        raise InputError(f"pairs: got {len(verdict)} labels for {len(same)} predictions; wanted as many of both")
    tp, fp = int(np.sum((verdict == 1) & same)), int(np.sum((verdict == 0) & same))
    fn, tn = int(np.sum((verdict == 1) & ~same)), int(np.sum((verdict == 0) & ~same))
    scores = _scores(tp, tp + fp, tp, tp + fn)
    return PairScores(**asdict(scores), tp=tp, fp=fp, fn=fn, tn=tn, skipped=len(same) - tp - fp - fn - tn)


def evaluate(documents: pa.Table, gold: pa.Table) -> dict[str, dict[str, Any]]:
    """Score a run against gold, level by level; a level that the run or the gold lacks is left out.

    Parameters
    ----------
    documents : `doc_id`, `duplicate_id`, `story_id` (strings), as in documents.parquet.
    gold : either form that `read_gold` returns.

    Returns
    -------
    `{"duplicate": {...}, "story": {...}}`. From labels: `n` articles scored, `missing` gold labels whose article is not
    in the run, `unlabelled` articles of the run, `n_gold_clusters`, `n_predicted_clusters`, `bcubed`, `pairwise`
    (precision, recall, f1), `ari`. From pairs: `n` scored, `missing` with an article that is not in the run, and the
    fields of `PairScores`. Floats are rounded to 6 decimals.

    Raises
    ------
    InputError
        Nothing can be scored, or gold names an article twice.
    """
    run = {level: name for level, name in _RUN_COLUMN.items() if name in documents.column_names}
    run = {level: name for level, name in run.items() if not documents[name].null_count}
    score = _score_pairs if "doc_id_a" in gold.column_names else _score_labels
    scores = score(documents, gold, run)
    if not scores:
        levels = " and ".join(run) or "none"
        raise InputError(
            f"gold: no label on a level of the run; the run has {levels}; cluster with --level story for both"
        )
    return scores


def _score_labels(documents: pa.Table, gold: pa.Table, run: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    ids, times = pc.value_counts(gold["doc_id"].drop_null()).flatten()
    twice = ids.filter(pc.greater(times, 1))
    if len(twice):
        raise InputError(f"gold: doc_id {twice[0].as_py()!r} stands in more than one row; wanted every article once")
    place = _places(documents, gold["doc_id"])
    scores = {}
    for level, name in run.items():
        labelled = gold[level].is_valid().to_numpy() if level in gold.column_names else np.zeros(len(place), np.bool_)
        if not labelled.any():
            continue
        scored = labelled & (place >= 0)
        if not scored.any():
            raise _strangers(documents, gold["doc_id"])
        truth, predicted = _codes(gold[level].filter(pa.array(scored)), documents[name].take(pa.array(place[scored])))
        scores[level] = {
            "n": int(scored.sum()),
            "missing": int((labelled & ~scored).sum()),
            "unlabelled": documents.num_rows - int(scored.sum()),
            "n_gold_clusters": int(truth.max()) + 1,
            "n_predicted_clusters": int(predicted.max()) + 1,
            "bcubed": _rounded(bcubed(truth, predicted)),
            "pairwise": _rounded(pairwise(truth, predicted)),
            "ari": round(ari(truth, predicted), 6),
        }
    return scores


def _score_pairs(documents: pa.Table, gold: pa.Table, run: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    a, b = _places(documents, gold["doc_id_a"]), _places(documents, gold["doc_id_b"])
    known = (a >= 0) & (b >= 0)
    if not known.any():
        raise _strangers(documents, gold["doc_id_a"])
    label = gold["label"].filter(pa.array(known))
    if label.null_count == len(label):
        raise InputError("gold: no pair of known articles has a label; wanted 1 (same) or 0 (different)")
    scores = {}
    for level, name in run.items():
        cluster, _ = _codes(documents[name], documents[name])
        result = _rounded(pair_scores(label, cluster[a[known]] == cluster[b[known]]))
        scores[level] = {"n": len(label) - result["skipped"], "missing": int(np.sum(~known)), **result}
    return scores


def _strangers(documents: pa.Table, ids: pa.ChunkedArray) -> InputError:
    first = [column[0].as_py() if len(column) else None for column in (ids, documents["doc_id"])]
    return InputError(
        f"gold: none of its labels belongs to an article of the run; the first id is {first[0]!r} in gold and "
        f"{first[1]!r} in the run; name the column of the input that holds the ids with --id-col"
    )


def _places(documents: pa.Table, ids: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Find articles by id: positions in `documents`, -1 where there is none."""
    known = documents["doc_id"].combine_chunks().cast(pa.string())
    place = pc.index_in(ids.cast(pa.string()), value_set=known, skip_nulls=True)
    found: npt.NDArray[np.int64] = place.fill_null(-1).to_numpy().astype(np.int64)
    return found


def _codes(*labels: Labels) -> list[npt.NDArray[np.int64]]:
    """Turn labels into numbers from 0, each array by itself; all are equally long."""
    arrays = [_array(column) for column in labels]
    if len({len(array) for array in arrays}) > 1 or any(array.null_count for array in arrays):
        got = ", ".join(f"{len(array)} with {array.null_count} empty" for array in arrays)
        raise InputError(f"labels: got {got}; wanted equally many of gold and predicted, none of them empty")
    return [array.dictionary_encode().indices.to_numpy().astype(np.int64) for array in arrays]


def _array(values: Labels) -> pa.Array:
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _pairs(sizes: npt.NDArray[np.int64]) -> int:
    """Count the pairs inside sets of these sizes."""
    return int(np.sum(sizes * (sizes - 1) // 2))


def _scores(hits: float, predicted: float, found: float, gold: float) -> Scores:
    """Divide; a share of nothing is 1, since nothing in it is wrong."""
    precision = hits / predicted if predicted else 1.0
    recall = found / gold if gold else 1.0
    total = precision + recall
    return Scores(precision, recall, 2 * precision * recall / total if total else 0.0)


def _rounded(scores: Scores) -> dict[str, Any]:
    return {name: round(value, 6) for name, value in asdict(scores).items()}
