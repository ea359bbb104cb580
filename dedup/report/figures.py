"""The numbers of the page: how many articles, copies and stories, and how scores, sizes and dates are spread."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup.report.wording import shortened
from dedup.run import Result
from dedup.summaries import has_stories

RELATIONS = ("unique", "canonical", "same_story", "exact", "near", "contained")
BIN = 0.025  # width of a bar of the score histograms; the default thresholds are multiples of it
SIZES = (2, 3, 4, 5, 8, 12, 20, 50, 100, 1000)  # where the bars of the sizes begin
MOST_BARS = 90  # of the time line
BARS_WITH_GAPS = 48  # likewise, where periods without articles are left out
_UNITS = ("hour", "day", "week", "month", "quarter", "year")
_DAYS = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 30.44, "quarter": 91.3, "year": 365.25}

_DAY = 86_400_000_000  # microseconds
SPANS = 12  # stories on the time line of stories
DOTS = 120  # of one of them; where it lasted for more days, a dot is several

_Float = npt.NDArray[np.float64]


def totals(result: Result) -> dict[str, Any]:
    """Return how many articles, distinct texts, stories and outlets there are, and the first and last date."""
    documents = result.documents
    texts = result.groups.num_rows
    dated = documents["published_at"].drop_null()
    first, last = (pc.min(dated).as_py(), pc.max(dated).as_py())
    return {
        "articles": documents.num_rows,
        "texts": texts,
        "stories": pc.sum(documents["is_canonical"]).as_py() or 0 if has_stories(result) else None,
        "told_often": result.manifest["counts"]["stories"] if has_stories(result) else None,
        "in_stories": result.manifest["counts"]["in_stories"] if has_stories(result) else None,
        "copies": documents.num_rows - texts,
        "copied": int(np.count_nonzero(result.groups["duplicate_size"].to_numpy() > 1)),
        "sources": len(documents["source"].drop_null().unique()),
        "languages": len(documents["lang"].drop_null().unique()),
        "dated": len(dated),
        "first": first and first.date().isoformat(),
        "last": last and last.date().isoformat(),
    }


def relations(result: Result) -> list[dict[str, Any]]:
    """Count the articles by relation, in a fixed order; a relation that no article has is left out."""
    counted = dict.fromkeys(RELATIONS, 0)
    counted |= {row["values"]: row["counts"] for row in pc.value_counts(result.documents["relation"]).to_pylist()}
    return [{"relation": name, "articles": number} for name, number in counted.items() if name is not None and number]


def scores(result: Result) -> dict[str, list[dict[str, Any]]]:
    """Return the histograms of the measured pairs: Jaccard and containment of texts, scores between stories.

    Pairs of equal texts are left out: their 1.0 says nothing, and there may be many.

    Returns
    -------
    `jaccard`, `containment` and `story`, each a list of bars with `from`, `to`, `verdict` and `pairs`.
    """
    pairs = result.pairs
    is_copy = pc.equal(pairs["level"], "duplicate")
    texts = pairs.filter(pc.and_kleene(is_copy, pc.not_equal(pc.fill_null(pairs["kind"], ""), "exact")))
    between = pairs.filter(pc.invert(is_copy))
    wording = pc.equal(pc.fill_null(texts["reason"], ""), "wording differs")
    copies = {
        "copies": texts["accepted"],
        "other wording": pc.and_(pc.invert(texts["accepted"]), wording),
        "same wording, other facts": pc.and_(pc.invert(texts["accepted"]), pc.invert(wording)),
    }
    stories = {"same story": between["accepted"], "apart": pc.invert(between["accepted"])}
    return {
        "jaccard": _histogram(texts["jaccard"], copies),
        "containment": _histogram(texts["containment"], copies),
        "story": _histogram(between["score"], stories),
    }


def _histogram(column: pa.ChunkedArray, verdicts: dict[str, pa.ChunkedArray]) -> list[dict[str, Any]]:
    value = column.to_numpy()
    # A score on an edge belongs to the bar above it, as it passes a threshold there; .6 / .025 is 23.999… in floats.
    place = np.floor(np.nan_to_num(value, nan=-1.0) / BIN + 1e-9).astype(np.int64)
    last = round(1 / BIN) - 1
    found = []
    for verdict, of in verdicts.items():
        here = of.to_numpy(zero_copy_only=False).astype(bool) & (place >= 0)
        counts = np.bincount(np.minimum(place[here], last), minlength=last + 1)
        found += [
            {
                "from": round(float(bar) * BIN, 3),
                "to": round((float(bar) + 1) * BIN, 3),
                "verdict": verdict,
                "pairs": int(counts[bar]),
            }
            for bar in np.flatnonzero(counts)
        ]
    return found


def sizes(result: Result) -> list[dict[str, Any]]:
    """Count stories (or duplicate groups) of two or more articles by their size, and the articles in them."""
    table, name = (result.clusters, "story_size") if has_stories(result) else (result.groups, "duplicate_size")
    size = table[name].to_numpy()
    bars = []
    for low, after in zip(SIZES, (*SIZES[1:], np.inf), strict=True):
        here = (size >= low) & (size < after)
        if here.any():
            label = str(low) if after == low + 1 else f"{low:,}+" if after == np.inf else f"{low}–{int(after) - 1}"
            bars.append({"size": label, "stories": int(here.sum()), "articles": int(size[here].sum())})
    return bars


def timeline(result: Result) -> dict[str, Any]:
    """Count dated articles over time: those that bring a story first, and those that tell it again.

    Returns
    -------
    `unit` (of time, of one bar; None without dates), `gaps` (whether most periods have no article, and only the others
    are drawn, side by side), and `bars` with `start`, `end` (ISO 8601, UTC), `label`, `kind` and `articles`.
    """
    level = "story" if has_stories(result) else "duplicate"
    dated = result.documents.select(["published_at", f"{level}_id"]).filter(
        pc.is_valid(result.documents["published_at"])
    )
    if not dated.num_rows:
        return {"unit": None, "gaps": False, "bars": []}
    when = dated["published_at"]
    span = (pc.max(when).as_py() - pc.min(when).as_py()) / timedelta(days=1)
    unit = next((name for name in _UNITS if span / _DAYS[name] <= MOST_BARS), _UNITS[-1])
    bars = _floored(when, unit)
    if gaps := len(np.unique(bars)) < span / _DAYS[unit] / 4:
        units = (name for name in _UNITS if len(np.unique(_floored(when, name))) <= BARS_WITH_GAPS)
        unit = next(units, _UNITS[-1])
        bars = _floored(when, unit)
    first = _is_first(when.cast(pa.int64()).to_numpy(), dated[f"{level}_id"])
    found = []
    for kind, here in (("first report", first), ("told again", ~first)):
        starts, counts = np.unique(bars[here], return_counts=True)
        found += [
            {
                "start": _iso(start),
                "end": _iso(_after(start, unit)),
                "label": _label(start, unit),
                "kind": kind,
                "articles": number,
            }
            for start, number in zip(starts.tolist(), counts.tolist(), strict=True)
        ]
    return {"unit": unit, "gaps": gaps, "bars": found}


def _floored(when: pa.ChunkedArray, unit: str) -> npt.NDArray[np.int64]:
    floored: npt.NDArray[np.int64] = (
        pc.floor_temporal(when, unit=unit, week_starts_monday=True).cast(pa.int64()).to_numpy()
    )
    return floored


def _label(start: int, unit: str) -> str:
    begins = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=start)
    if unit == "quarter":
        return f"Q{begins.month // 3 + 1} {begins.year}"
    form = {"hour": "{:%H:%M}, {:%-d} {:%b %Y}", "month": "{:%b %Y}", "year": "{:%Y}"}.get(unit, "{:%-d %b %Y}")
    return form.format(begins, begins, begins)


def _after(start: int, unit: str) -> int:
    """Return when the bar ends that begins at a time, both in microseconds since 1970."""
    if unit in ("hour", "day", "week"):
        return start + round(_DAYS[unit] * _DAY)
    months = {"month": 1, "quarter": 3, "year": 12}[unit]
    begins = np.datetime64(start, "us").astype("datetime64[M]")
    return int((begins + months).astype("datetime64[us]").astype(np.int64))


def moments(result: Result) -> dict[str, list[dict[str, Any]]]:
    """Return how long the largest stories were told.

    Returns
    -------
    `spans` (`story`: its place, `name`, `days` from its first to its last article) of the largest stories with more
    than one date, and `moments` (`story`, `day` after its first article, from 0, and `articles` of that day).
    """
    if not has_stories(result):
        return {"spans": [], "moments": []}
    clusters = result.clusters
    lasting = pc.fill_null(pc.less(clusters["first_published_at"], clusters["last_published_at"]), False)
    order = [("story_size", "descending"), ("story_id", "ascending")]
    rows = clusters.filter(lasting).sort_by(order).slice(0, SPANS).to_pylist()
    documents = result.documents.select(["story_id", "published_at"])
    ids = pa.array([row["story_id"] for row in rows], pa.string())
    documents = documents.filter(pc.is_in(documents["story_id"], ids)).drop_null()
    story = pc.index_in(documents["story_id"], ids).to_numpy()
    start = np.array([_microseconds(row["first_published_at"]) for row in rows], np.int64)
    day = (documents["published_at"].cast(pa.int64()).to_numpy() - start[story]) // _DAY
    lasted = np.array([(row["last_published_at"] - row["first_published_at"]).days for row in rows], np.int64)
    several = lasted[story] // DOTS + 1
    day = day // several * several
    names: list[str] = []
    for row in rows:
        name = shortened(row["title"] or row["top_terms"] or row["story_id"], 60) or ""
        while name in names:
            name += "\u2007"  # invisible; rows of one name would be one
        names.append(name)
    found, counts = np.unique(np.stack([story, day]), axis=1, return_counts=True)
    return {
        "spans": [
            {
                "story": place,
                "name": names[place],
                "days": int(lasted[place]),
            }
            for place, row in enumerate(rows)
        ],
        "moments": [
            {"story": story, "day": day, "articles": articles}
            for story, day, articles in zip(*found.tolist(), counts.tolist(), strict=True)
        ],
    }


def _microseconds(date: datetime) -> int:
    return (date - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _is_first(when: npt.NDArray[np.int64], ids: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Tell which rows are the earliest of their id (the first row, of equal ones), bool[n]."""
    codes = ids.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    order = np.lexsort((np.arange(len(when)), when, codes))
    first = np.zeros(len(when), np.bool_)
    first[order] = np.diff(codes[order], prepend=codes[order[0]] - 1) != 0
    return first


def _iso(microseconds: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)).isoformat()
