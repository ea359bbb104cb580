"""What a run found, in short and as plain data: what `--json` prints, and the terminal shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup.run import Result

_SIZE = {level: [(f"{level}_size", "descending"), (f"{level}_id", "ascending")] for level in ("story", "duplicate")}


def summary(result: Result, out: str) -> dict[str, Any]:
    """Return what a run found."""
    manifest = result.manifest
    names = ("run_id", "version", "counts", "skipped", "seconds", "overrides")
    shown = {name: manifest[name] for name in names if name in manifest}
    return {"out": out, **shown, **largest(result, 10)}


def largest(result: Result, top: int) -> dict[str, Any]:
    """Return the largest stories, or the largest duplicate groups of a run without stories."""
    if has_stories(result):
        found = result.clusters.filter(pc.greater(result.clusters["story_size"], 1)).sort_by(_SIZE["story"])
        return {"largest_stories": plain(found.slice(0, top).to_pylist())}
    found = result.groups.filter(pc.greater(result.groups["duplicate_size"], 1)).sort_by(_SIZE["duplicate"])
    groups = found.slice(0, top).to_pylist()
    titles = of_documents(result, "title", [group["representative_doc_id"] for group in groups])
    return {"largest_groups": plain([{**group, "title": title} for group, title in zip(groups, titles, strict=True)])}


def of_documents(result: Result, column: str, ids: list[str]) -> list[Any]:
    """Return a column of the documents with these ids, in their order."""
    place = pc.index_in(pc.cast(ids, "string"), result.documents["doc_id"]) if ids else []
    return list(result.documents[column].take(place).to_pylist()) if ids else []


@dataclass(frozen=True)
class Timeline:
    """Articles over time: rows of counts, on one axis of whole days.

    first, last : the first and the last day of the axis.
    days : of one count.
    counts : int64[n, cells].
    """

    first: date
    last: date
    days: int
    counts: npt.NDArray[np.int64]


def timeline(dates: Sequence[Sequence[datetime | None]], cells: int) -> Timeline | None:
    """Count articles over time.

    Parameters
    ----------
    dates : of the articles of each row, None where unknown.
    cells : most counts of a row.

    Returns
    -------
    One row of counts for each of dates, on the axis that all share; None where there are fewer than two days.
    """
    ordinals = [np.array([day.toordinal() for day in row if day], np.int64) for row in dates]
    known = np.concatenate([*ordinals, np.empty(0, np.int64)])
    if not len(known) or known.min() == known.max():
        return None
    first, n_days = int(known.min()), int(np.ptp(known)) + 1
    days = -(-n_days // cells)
    n = -(-n_days // days)
    counts = np.array([np.bincount((row - first) // days, minlength=n) for row in ordinals])
    return Timeline(date.fromordinal(first), date.fromordinal(first + n_days - 1), days, counts)


def dates_of(result: Result, column: str, ids: list[str]) -> list[list[datetime | None]]:
    """Return the dates of the articles with each of these ids in a column of documents."""
    found = result.documents.select([column, "published_at"]).filter(pc.is_in(result.documents[column], pa.array(ids)))
    dates: dict[str, list[datetime | None]] = {one: [] for one in ids}
    for one, moment in zip(*(found[name].to_pylist() for name in found.column_names), strict=True):
        dates[one].append(moment)
    return list(dates.values())


def has_stories(result: Result) -> bool:
    """Tell whether a run went as far as stories."""
    return bool(result.manifest["settings"]["level"] == "story")


def plain(value: Any) -> Any:
    """Return data with its dates as ISO 8601 text."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value
