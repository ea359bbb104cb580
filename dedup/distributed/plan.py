"""What a distributed job will do, before it runs: its stages, with estimated rows and bytes.

The estimates start from what Spark shuffled for 200,000 articles resampled over one year, and grow with the slope from
50,000 to there, up to what the budgets of pairs let through; docs/spark.md says how they were measured.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

MEASURED = 200_000  # documents on which the figures of `STAGES` were measured
_TEXT_BYTES = 2_226  # of an article there
_LEAST, _MOST = 8 << 20, 128 << 20
_TASK = 25  # times the bytes of its texts that a part takes at its peak; measured, as is what Python takes beside it


class Stage(NamedTuple):
    """A stage of `job.py` and what its steps shuffle."""

    name: str
    steps: int
    what: str
    rows: float  # a document
    bytes: float  # a document; those that hold whole texts grow with these
    slope: float  # of log bytes against log documents
    most: float = math.inf  # times these bytes a document: its pairs are limited, and each asks for one text at most


STAGES = (
    Stage("read", 4, "documents, sketches, terms", 12.0, 8_100, 1.0),
    Stage("boilerplate", 17, "shingles, documents", 346.4, 3_900, 1.0),
    Stage("copies", 14, "bands, shingles, sketches", 264.0, 13_600, 1.65, 13),
    Stage("groups", 24, "pairs, labels", 12.1, 530, 1.0),
    Stage("similar pairs", 25, "vectors, pairs, texts", 540.0, 23_000, 1.52, 13),
    Stage("linkage", 5, "links", 18.9, 55, 1.0),
    Stage("canonical", 13, "compared documents, tables", 79.0, 3_000, 1.19, 2),
)
_LEFT_OUT = {
    "exact": ("boilerplate", "similar pairs", "linkage"),
    "duplicate": ("similar pairs", "linkage"),
    "story": (),
}


def default_parts(size: int) -> int:
    """Return how many parts an input of so many bytes has: 64 before they grow beyond 8 MB, and none above 128 MB.

    The more parts, the smaller the blocks they send each other.
    """
    return max(1, -(-size // min(max(size // 64, _LEAST), _MOST)))


def estimate(documents: int, size: int, text_bytes: int, level: str) -> dict[str, Any]:
    """Foretell the stages of a job.

    Parameters
    ----------
    documents : of the input, which is stored in `size` bytes
    text_bytes : of all texts
    level : how far the job goes

    Returns
    -------
    Plain data: `parts`, `documents_per_part`, `task_bytes` (memory of one task, about) and `stages`, each with `stage`,
    `steps`, `sends`, `rows` and `bytes`.
    """
    parts = default_parts(size)
    length = text_bytes / max(documents, 1) / _TEXT_BYTES
    stages = []
    for stage in STAGES:
        if stage.name not in _LEFT_OUT[level]:
            grown = documents * min(max(documents / MEASURED, 0.01) ** (stage.slope - 1), stage.most)
            stages.append(
                {
                    "stage": stage.name,
                    "steps": stage.steps,
                    "sends": stage.what,
                    "rows": round(stage.rows * grown),
                    "bytes": round(stage.bytes * length * grown),
                }
            )
    return {
        "documents": documents,
        "parts": parts,
        "documents_per_part": -(-documents // parts),
        "task_bytes": _TASK * (-(-text_bytes // parts)) + (230 << 20),
        "stages": stages,
    }
