"""The scores of `dedup evaluate`."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from dedup.terminal.screen import prose, table

_MEANING = {
    "B-cubed": "B-cubed scores articles by who else is in their cluster",
    "pairwise": "pairwise scores pairs of articles",
    "ARI": "ARI (Rand index) is pairwise, less what chance gives",
}


def scores(to: Console, found: dict[str, dict[str, Any]]) -> None:
    """Print the scores of a run, level by level."""
    rows = []
    for level, score in found.items():
        kinds = {"B-cubed": score.get("bcubed"), "pairwise": score.get("pairwise", score)}
        for name, kind in kinds.items():
            if kind is not None:
                rows.append((level, name, *(f"{kind[key]:.3f}" for key in ("precision", "recall", "f1"))))
        if "ari" in score:
            rows.append((level, "ARI", "", "", f"{score['ari']:.3f}"))
    columns = zip(*rows, strict=True)
    table(to, dict(zip(("level", "measure", "precision", "recall", "F1"), map(list, columns), strict=True)))
    for level, score in found.items():
        if "unlabelled" in score:
            what = (
                f"articles scored, {score['missing']:,} labels without an article, {score['unlabelled']:,} unlabelled"
            )
        else:
            what = f"pairs scored, {score['missing']:,} with an unknown article, {score['skipped']:,} without a verdict"
        prose(to, f"{level}: {score['n']:,} {what}")
    for name, meaning in _MEANING.items():
        if any(row[1] == name for row in rows):
            prose(to, meaning, "dim")
    prose(to, "precision: what was joined belongs together; recall: what belongs together was joined; 1 is all", "dim")
