"""StoryClusterer: the two passes by scikit-learn's conventions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.base import BaseEstimator, ClusterMixin

from dedup.params import DEFAULT_POLICY, from_settings
from dedup.pipeline import cluster

_WANTED = "wanted strings, a column of strings, or a frame with a text column"


class StoryClusterer(ClusterMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Cluster texts into duplicate groups and stories.

    Parameters
    ----------
    duplicate_threshold : Jaccard similarity of word 3-grams from which two texts are the same text.
    containment_threshold : share of the shorter text found in the longer from which it counts as contained.
    story_granularity : larger gives smaller stories.
    time_scale : days over which the similarity of dated articles fades.
    canonical : policy that chooses the article which stands for its story.
    level : "exact", "duplicate" or "story".
    n_jobs : threads; None uses all cores.

    Attributes
    ----------
    labels_ : int64[n], story of each text, dense, numbered in the order of first appearance
    duplicate_labels_ : int64[n], duplicate group of each text, likewise
    canonical_indices_ : int64[n_stories], index of the canonical text of each story
    result_ : dedup.Result, all tables of the run
    n_features_in_ : 1

    Examples
    --------
    >>> from dedup import StoryClusterer
    >>> StoryClusterer().fit_predict(["a ferry ran aground", "A ferry  ran aground!", "the bank cut its rate"]).tolist()
    [0, 0, 1]
    """

    def __init__(
        self,
        *,
        duplicate_threshold: float = 0.6,
        containment_threshold: float = 0.85,
        story_granularity: float | None = None,
        time_scale: float | None = None,
        canonical: str = DEFAULT_POLICY,
        level: str = "story",
        n_jobs: int | None = None,
    ) -> None:
        self.duplicate_threshold = duplicate_threshold
        self.containment_threshold = containment_threshold
        self.story_granularity = story_granularity
        self.time_scale = time_scale
        self.canonical = canonical
        self.level = level
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: object = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Cluster texts.

        Parameters
        ----------
        X : sequence of n strings, a column of n strings [n, 1], or a frame as `dedup.cluster` takes it.
        y : ignored.

        Raises
        ------
        ValueError
            If X is neither, holds something else than strings, or is empty.
        SettingsError
            If a parameter cannot be used.
        InputError
            If X is a frame without a text or a title.
        TooManyRejectsError
            If a row of a frame cannot be read: each gets a label, or none.
        """
        frame = _frame(X)
        params = from_settings(
            {
                "duplicate_threshold": self.duplicate_threshold,
                "containment_threshold": self.containment_threshold,
                "story_granularity": self.story_granularity,
                "time_scale": self.time_scale,
                "canonical": self.canonical,
                "level": self.level,
                "jobs": self.n_jobs,
                "max_rejects": 0,  # one label for each text, or none at all
            }
        )
        self.result_ = cluster(frame, params)
        documents = self.result_.documents.sort_by("row")
        if len(documents) == 0:
            raise ValueError("fit: got 0 texts, wanted at least one")
        self.labels_ = _labels(documents["story_id"])
        self.duplicate_labels_ = _labels(documents["duplicate_id"])
        canonical = np.flatnonzero(documents["is_canonical"].to_numpy(zero_copy_only=False))
        self.canonical_indices_ = canonical[np.argsort(self.labels_[canonical])]
        self.n_features_in_ = 1
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.one_d_array, tags.input_tags.two_d_array = True, True, False
        return tags

    def fit_predict(self, X: Any, y: object = None) -> npt.NDArray[np.int64]:  # noqa: N803
        """Cluster texts and return the story of each, int64[n]."""
        return self.fit(X, y).labels_


def _frame(texts: Any) -> Any:
    """Return what `dedup.cluster` reads: frames as they are, strings as a table."""
    in_arrow = hasattr(texts, "__arrow_c_stream__") or hasattr(texts, "__arrow_c_array__")
    if in_arrow and not hasattr(texts, "dtype") and not isinstance(texts, pa.Array | pa.ChunkedArray):
        return texts  # no column, as those of pandas and polars are, and those of pyarrow
    if isinstance(texts, str | bytes | Mapping) or not isinstance(texts, Iterable):
        raise ValueError(f"fit: got one {type(texts).__name__}, {_WANTED}")
    rows = texts.to_pylist() if isinstance(texts, pa.Array | pa.ChunkedArray) else list(texts)
    if rows and all(isinstance(row, dict) for row in rows):
        return rows
    flat = [row if isinstance(row, str) else _only(row, place) for place, row in enumerate(rows)]
    return pa.table({"text": pa.array(flat, pa.large_string())})


def _only(row: Any, place: int) -> str:
    """Return the string of a row of one column."""
    if not isinstance(row, bytes) and hasattr(row, "__len__") and len(row) == 1 and isinstance(row[0], str):
        return str(row[0])
    raise ValueError(f"fit: got a {type(row).__name__} as text {place}, {_WANTED}")


def _labels(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return ids as numbers 0, 1, … in the order of first appearance."""
    labels: npt.NDArray[np.int64] = column.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    return labels
