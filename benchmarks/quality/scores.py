"""One run of the build over a table, and its scores as plain numbers; nothing here prints."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

import dedup
from benchmarks.quality.sets import LabelledSet, Pairs, codes
from dedup import evaluate
from dedup.errors import SettingsError
from dedup.params import SETTINGS, Params, from_settings
from dedup.run import Result

_Int = npt.NDArray[np.int64]
_READ = ("id", "title", "text", "published_at", "source", "url", "lang")


def settings(assignments: list[str]) -> Params:
    """Build parameters from `name=value`: names as users know them, or `part.field` for any field of `Params`.

    Raises
    ------
    SettingsError
        No such name, or a value out of range.
    """
    parsed = dict(_assignment(text) for text in assignments)
    params = from_settings({name: value for name, value in parsed.items() if "." not in name})
    for name, value in parsed.items():
        part, dot, field = name.partition(".")
        if not dot:
            continue
        owner = getattr(params, part, None)
        if not hasattr(owner, field):
            raise SettingsError(f"--set {name}: no such field; wanted one of {', '.join(SETTINGS)}, or PART.FIELD")
        number = float(value) if isinstance(getattr(owner, field), float) else value
        params = replace(params, **{part: replace(owner, **{field: number})})
    return params


def _assignment(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise SettingsError(f"--set {text}: got no value, wanted name=value")
    try:
        return name.strip(), orjson.loads(f"0{value}" if value.startswith(".") else value)
    except orjson.JSONDecodeError:
        return name.strip(), value  # a word


class Bench:
    """The build under its settings, and the runs over whole sets, each made once."""

    def __init__(self, params: Params, seed: int) -> None:
        self.params = params
        self.seed = seed
        self._whole: dict[str, Result] = {}

    def run(self, table: pa.Table) -> Result:
        """Cluster articles; the labels are not shown to the build."""
        return dedup.cluster(table.select(_READ), self.params)

    def whole(self, labelled: LabelledSet) -> Result:
        """Cluster a whole set, or remember how it went."""
        if labelled.name not in self._whole:
            self._whole[labelled.name] = self.run(labelled.documents)
        return self._whole[labelled.name]

    def runs(self) -> list[Result]:
        """Return the runs over whole sets so far."""
        return list(self._whole.values())

    def random(self, *words: str | int) -> np.random.Generator:
        """Return a generator of its own for each purpose, so that leaving one section out changes no other."""
        return np.random.default_rng([self.seed, *"/".join(map(str, words)).encode()])


def predicted(result: Result, ids: pa.Array | pa.ChunkedArray, level: str = "story") -> _Int:
    """Return the predicted cluster of each id, as numbers from 0."""
    documents = result.documents
    place = pc.index_in(ids, value_set=documents["doc_id"])
    return codes(documents[f"{level}_id"].take(place))


def clustering(gold: _Int, found: _Int) -> dict[str, Any]:
    """Score one clustering against another: B-cubed, pairs, ARI, and how many clusters there are."""
    return {
        "n": len(gold),
        "gold": len(np.unique(gold)),
        "predicted": len(np.unique(found)),
        **_named("bcubed", evaluate.bcubed(gold, found)),
        **_named("pair", evaluate.pairwise(gold, found)),
        "ari": evaluate.ari(gold, found),
    }


def bcubed(gold: _Int, found: _Int) -> dict[str, float]:
    """Score by B-cubed alone."""
    return _named("bcubed", evaluate.bcubed(gold, found))


def pairs(result: Result, labelled: Pairs) -> dict[str, Any]:
    """Score the verdicts on labelled pairs at their level."""
    a, b = labelled.table["doc_id_a"], labelled.table["doc_id_b"]
    same = _same(result, a, b, labelled.level)
    scores = asdict(evaluate.pair_scores(labelled.table["label"], same))
    return {
        "n": len(same) - scores["skipped"],
        **{name: scores[name] for name in ("precision", "recall", "f1", "tp", "fp", "fn")},
    }


def templates_in_one_story(result: Result, table: pa.Table) -> dict[str, Any]:
    """Tell which share of the pairs labelled different end in one story."""
    alike = table.filter(pc.equal(table["label"], 0))
    together = _same(result, alike["doc_id_a"], alike["doc_id_b"], "story")
    return {"templates": len(alike), "in_one_story": float(together.mean()) if len(alike) else 0.0}


def mixed_languages(result: Result) -> int:
    """Count the articles in stories of more than one language."""
    table = result.documents.filter(result.documents["lang"].is_valid())
    language, story = codes(table["lang"]), codes(table["story_id"])
    cells = np.unique(np.column_stack((story, language)), axis=0)
    return int((np.bincount(cells[:, 0])[story] > 1).sum()) if len(story) else 0


def largest(labels: _Int) -> int:
    """Return the size of the largest cluster."""
    return int(np.bincount(labels).max(initial=0))


def _same(result: Result, a: pa.ChunkedArray, b: pa.ChunkedArray, level: str) -> npt.NDArray[np.bool_]:
    both = predicted(result, pa.chunked_array([*a.chunks, *b.chunks]), level)
    return both[: len(a)] == both[len(a) :]


def _named(name: str, scores: evaluate.Scores) -> dict[str, float]:
    return {f"{name}_p": scores.precision, f"{name}_r": scores.recall, f"{name}_f1": scores.f1}
