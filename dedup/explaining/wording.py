"""Pass 1: what two texts share, against the thresholds, and what differs; measured as the run does."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from dedup import duplicates, resemblance, schema, text
from dedup.aligning import align
from dedup.replay import Replay

_FIGURE = re.compile(r"\d+(?:[.,:/]\d+)*")
_Texts = dict[str, tuple[str, str]]


def wording(made: Replay, a: int, b: int, texts: _Texts) -> dict[str, Any]:
    """Measure the likeness of two texts, without boilerplate, and what else pass 1 asks.

    Parameters
    ----------
    a, b : positions
    texts : title and text by id

    Returns
    -------
    Plain data, as docs/explain.md lists it under `wording`.
    """
    params, sketches = made.params.duplicates, made.corpus.sketches
    left, right = (np.array([made.copies.unit[at]]) for at in sorted((a, b)))
    found = resemblance.verify(sketches, left, right, params).to_pylist()[0]
    facts = resemblance.facts(sketches, left, right)
    words, agreeing, differing = int(facts.words[0]), int(facts.agreeing[0]), int(facts.differing[0])
    hours = float(facts.hours[0])
    own = [texts[made.doc_id(at)] for at in (a, b)]
    unlike = _unlike_figures(*(body for _, body in own))
    left_out = [_boilerplate(made, at, value) for at, value in zip((a, b), own, strict=True)]
    return {
        "kind": found["kind"],
        "same_text": found["accepted"],
        "reason": found["reason"],
        "equal": found["kind"] == "exact",
        "jaccard": found["jaccard"],
        "containment": found["containment"],
        "jaccard_wanted": params.jaccard,
        "containment_wanted": params.containment,
        "words": words,
        "notice": words < params.short_words,
        "notice_words": params.short_words,
        "figures": {
            "agreeing": agreeing,
            "differing": differing,
            "wanted": params.numbers_agree,
            "slack": words // params.numbers_slack,
            "only_a": unlike[0],
            "only_b": unlike[1],
        },
        "titles": {
            "words": int(facts.title[0]),
            "shared": int(facts.title_shared[0]),
            "wanted": math.ceil(params.short_title_share * int(facts.title[0])),
        },
        "swapped_words": bool(facts.swapped[0]),
        "hours_apart": None if math.isnan(hours) else hours,
        "hours_wanted": params.short_hours,
        "boilerplate": {"a": left_out[0], "b": left_out[1]},
    }


def passages(a: str, b: str) -> list[dict[str, Any]]:
    """Align two texts; what both have is under `both`, in the words of the first, and what one has under `a` or `b`."""
    return [
        {"both": a[span.a_start : span.a_end], "words": span.tokens}
        if span.same
        else {"a": a[span.a_start : span.a_end], "b": b[span.b_start : span.b_end], "words": span.tokens}
        for span in align(a, b)
    ]


def _unlike_figures(a: str, b: str) -> tuple[list[str], list[str]]:
    """List the figures of each text that the other lacks, in the order of the text."""
    folded = text.comparable(pa.array([a, b], pa.large_string())).to_pylist()
    counts = [Counter(_FIGURE.findall(value)) for value in folded]
    return list((counts[0] - counts[1]).elements()), list((counts[1] - counts[0]).elements())


def _boilerplate(made: Replay, at: int, own: tuple[str, str]) -> float:
    """Return the share of a text's distinct shingles that was left out as boilerplate."""
    row = {"row": 0, "title": own[0], "text": own[1]}
    batch = pa.RecordBatch.from_pylist([row], schema.DOCUMENTS)
    whole = duplicates.sketch(batch, text.prepare(batch), made.params.duplicates)
    count = int(np.diff(schema.ragged(whole["shingles"])[1])[0])
    left = int(np.diff(schema.ragged(made.corpus.sketches["shingles"])[1])[at])
    return max(0.0, 1 - left / count) if count else 0.0
