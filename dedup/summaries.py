"""What a run found, in short and as plain data: what `--json` prints, and the terminal shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

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
