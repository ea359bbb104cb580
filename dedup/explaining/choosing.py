"""Which rule chose the article that stands for a group or a story."""

from __future__ import annotations

from typing import Any

from dedup.bindings import CHOSEN
from dedup.explaining.ruling import Ruling
from dedup.replay import Replay

_MEANS = {
    "only": "there is no other",
    "container": "other texts are contained in one that is not itself contained",
    "earliest": "published first",
    "latest": "published last",
    "complete": "most is known of its title, date, outlet and URL",
    "longest": "it has the most characters",
    "central": "most like the others",
    "content key": "all rules tie; a hash of the content decides, the same in every run",
    "doc id": "all rules tie and the content is the same; the id decides",
}
_MEANS_OF_COLUMN = {
    "prefer": "its {} stands first in the list",
    "match": "its {} matches",
    "min": "the lowest {}",
    "max": "the highest {}",
}


def choices(
    made: Replay, ruling: Ruling, a: dict[str, Any], b: dict[str, Any], with_stories: bool
) -> list[dict[str, Any]]:
    """Say who stands for the groups and the stories of two articles, and by which rule.

    Parameters
    ----------
    a, b : rows of the documents table

    Returns
    -------
    `level`, `id`, `size`, `chosen`, `rule`, `means` of each group and story, each once.
    """
    found = []
    for row in (a, b):
        group = made.copies.group[made.position(row["doc_id"])]
        rule = str(made.copies.reason[group])
        found.append(_choice(ruling, "duplicate", row, row["representative_doc_id"], rule))
    if with_stories:
        for row in (a, b):
            found.append(_choice(ruling, "story", row, row["canonical_doc_id"], row["canonical_reason"]))
    return list({choice["id"]: choice for choice in found}.values())


def _choice(ruling: Ruling, level: str, row: dict[str, Any], chosen: str, rule: str) -> dict[str, Any]:
    word, _, column = rule.partition(":")
    if rule == CHOSEN:
        means = f"named by the rule {ruling.standing(chosen)}"
    else:
        means = _MEANS_OF_COLUMN[word].format(column) if column else _MEANS[rule]
    size = row[f"{level}_size"]
    return {"level": level, "id": row[f"{level}_id"], "size": size, "chosen": chosen, "rule": rule, "means": means}
