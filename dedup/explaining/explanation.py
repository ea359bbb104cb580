"""The whole explanation of a pair, as plain data."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import pyarrow.compute as pc

from dedup import lookup
from dedup.clock import Progress
from dedup.errors import SettingsError
from dedup.explaining import choosing, joining, likeness, linking, sentences, wording
from dedup.explaining.ruling import Ruling
from dedup.params import Level, Params
from dedup.replay import params_of, replay, texts_of
from dedup.run import Result

_SHOWN = (
    "doc_id",
    "title",
    "source",
    "published_at",
    "url",
    "lang",
    "excerpt",
    "text_chars",
    "relation",
    "duplicate_id",
    "duplicate_size",
    "representative_doc_id",
    "story_id",
    "story_size",
    "canonical_doc_id",
)


class _Made:
    """What explanations of one run have in common."""

    def __init__(self, run: Result, progress: Progress, level: Level, params: Params) -> None:
        self.replay = replay(run, "explain", progress, level, params)
        self.ruling = Ruling(self.replay)
        self.tree = linking.Tree(self.replay) if self.replay.params.level == "story" else None


_MADE: WeakKeyDictionary[Result, _Made] = WeakKeyDictionary()  # so that the next pair of a run takes a moment


def explain(
    run: Result,
    a: str,
    b: str,
    progress: Progress | None = None,
    *,
    jobs: int | None = None,
    memory: int | str | None = None,
    tmp_dir: str | None = None,
) -> dict[str, Any]:
    """Say why two articles are together or apart; see `Result.explain`.

    Raises
    ------
    InputError
        One of them is not in the run, or the input of the run is gone or has changed.
    SettingsError
        Both are one article, or another version of dedup, with other settings, made the run.
    """
    rows = [_row(run, lookup.article(run, any_id)) for any_id in (a, b)]
    if rows[0]["doc_id"] == rows[1]["doc_id"]:
        same = f"{a!r} and {b!r} are both the article {rows[0]['doc_id']!r}" if a != b else f"{a!r} twice"
        raise SettingsError(f"explain: got {same}, wanted two articles; name another one")
    report = progress or (lambda *_: None)
    level: Level = run.manifest["settings"]["level"]
    # Of two copies pass 2 has nothing to say, and it takes as long as all else.
    enough = ("duplicate", level) if rows[0]["duplicate_id"] == rows[1]["duplicate_id"] else (level,)
    if run not in _MADE or _MADE[run].replay.params.level not in enough:
        how_far: Level = "duplicate" if level == "story" and len(enough) > 1 else level
        _MADE[run] = _Made(run, report, how_far, params_of(run, jobs, memory, tmp_dir))
    return _explained(run, _MADE[run], rows[0], rows[1], report)


def _row(run: Result, doc_id: str) -> dict[str, Any]:
    found: dict[str, Any] = run.documents.filter(pc.equal(run.documents["doc_id"], doc_id)).to_pylist()[0]
    return found


def _explained(run: Result, of_run: _Made, a: dict[str, Any], b: dict[str, Any], progress: Progress) -> dict[str, Any]:
    made, tree, ruling = of_run.replay, of_run.tree, of_run.ruling
    at_a, at_b = (made.position(row["doc_id"]) for row in (a, b))
    i, j = (int(made.found.rank[made.copies.group[at]]) for at in (at_a, at_b))
    representatives = [made.doc_id(int(made.found.positions[place])) for place in (i, j)]
    texts = texts_of(run, [a["doc_id"], b["doc_id"], *representatives])
    with_stories = run.manifest["settings"]["level"] == "story"
    chain = linking.chain(made, at_a, at_b, ruling.same)
    told: dict[str, Any] = {
        "a": {name: a[name] for name in _SHOWN},
        "b": {name: b[name] for name in _SHOWN},
        "level": run.manifest["settings"]["level"],
        "wording": wording.wording(made, at_a, at_b, texts),
        "passages": wording.passages(*(texts[row["doc_id"]][1] or texts[row["doc_id"]][0] for row in (a, b))),
        "likeness": None if tree is None or i == j else likeness.likeness(made, i, j, texts),
        "tree": None if tree is None or i == j else tree.between(i, j),
        "chain": chain,
        "rules": ruling.of(at_a, at_b, chain),
        "chosen": choosing.choices(made, ruling, a, b, with_stories),
    }
    said = sentences.verdict(told, i == j, made.story[at_a] == made.story[at_b], with_stories)
    apart = not said["together"]
    return {
        "verdict": said,
        **told,
        "missing": sentences.missing(told, with_stories) if apart else [],
        "settings": joining.settings(run, made, at_a, at_b, told, tree, progress) if apart else [],
    }
