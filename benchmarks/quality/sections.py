"""The sections of the bench: each takes the bench and the sets, and returns rows of plain values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.quality import baselines, scores, sets, timelines, variants
from benchmarks.quality.scores import Bench, predicted
from benchmarks.quality.sets import LabelledSet

Row = dict[str, Any]
_PRF = ("precision", "recall", "f1")
_Sets = Sequence[LabelledSet]

BATCHES = ((2, 100), (4, 50), (20, 40), (200, 5), (1000, 5))  # articles, and how many batches of them
JUDGED_BATCHES = 3  # times as many where a target is at stake: it lies near the chance error of the above
BULK_ARTICLES = 11_000
BRIDGED_PAIRS = 10  # of large stories; fewer where there are under a hundred stories
BRIDGES = 3  # for each of them; and half as many digests as pairs


def stories(bench: Bench, labelled: _Sets) -> list[Row]:
    """Score every story set, whole."""
    rows: list[Row] = []
    for s in sets.story_sets(labelled):
        start = perf_counter()
        result = bench.whole(s)
        rows.append({"set": s.name, **scores.clustering(s.stories, predicted(result, s.ids)), **_since(start)})
    return rows and [*rows, _mean(rows, "bcubed_p", "bcubed_r", "bcubed_f1", "pair_p", "pair_r", "pair_f1", "ari")]


def copies(bench: Bench, labelled: _Sets) -> list[Row]:
    """Score the duplicate level: on pair files, else on labels of copies."""
    rows = []
    for s in labelled:
        start = perf_counter()
        for pairs in s.pairs:
            if pairs.level == "duplicate":
                result = bench.whole(s)
                # In a story set, texts that are no copies may well tell one story.
                templates = {} if s.kind == "story" else scores.templates_in_one_story(result, pairs.table)
                rows.append({"set": pairs.name, **scores.pairs(result, pairs), **templates, **_since(start)})
        gold = s.duplicates
        if s.kind == "copies" and not s.pairs:
            gold = s.documents["story_id"]
        if gold is not None:
            found = scores.clustering(sets.codes(gold), predicted(bench.whole(s), s.ids, "duplicate"))
            rows.append(
                {
                    "set": f"{s.name} (labels)",
                    "n": found["n"],
                    **_prf(found, "pair"),
                    **_since(start),
                }
            )
    return rows


def events(bench: Bench, labelled: _Sets) -> list[Row]:
    """Score pairs of articles on the same event at the story level."""
    rows = []
    for s in labelled:
        for pairs in s.pairs:
            if pairs.level == "story":
                start = perf_counter()
                result = bench.whole(s)
                rows.append({"set": pairs.name, **scores.pairs(result, pairs), **_since(start)})
    start = perf_counter()
    for s in labelled:
        bench.whole(s)
    mixed = sum(scores.mixed_languages(result) for result in bench.runs())
    n = sum(result.documents.num_rows for result in bench.runs())
    return [*rows, {"set": "all: in stories of > 1 language", "n": n, "documents": mixed, **_since(start)}]


def unrelated(bench: Bench, labelled: _Sets) -> list[Row]:
    """Cluster batches of one article per story: every story found is false."""
    judged = {s.name for s in sets.pick(labelled, "g5w", "fnc")}
    rows = []
    for n, batches in BATCHES:
        group = []
        for s in sets.story_sets(labelled):
            start, random = perf_counter(), bench.random("unrelated", s.name, n)
            shares: list[float] = []
            for _ in range(batches * (JUDGED_BATCHES if s.name in judged else 1)):
                batch = variants.one_per_story(s.documents, n, random)
                sizes = bench.run(batch).documents["story_size"].to_numpy()
                shares.append(float((sizes > 1).mean()))
            row = {
                "set": s.name,
                "n": n,
                "real_n": len(batch),
                "batches": len(shares),
                "clustered": float(np.mean(shares)),
                "batches_with_any": float(np.mean(np.array(shares) > 0)),
                **_since(start),
            }
            group.append(row)
        if not group:
            continue
        mean = _mean([row for row in group if row["set"] in judged], "clustered", "batches_with_any")
        rows += [*group, {**mean, "set": f"mean ({', '.join(sorted(judged))})", "n": n}]
    return rows


def time(bench: Bench, labelled: _Sets) -> list[Row]:
    """Score the sets with other dates, and each with its dates spoilt; `margin` is against no dates at all."""
    rows = []
    for name, table in other_dates(bench, labelled).items():
        start = perf_counter()
        gold = sets.codes(table["story_id"])
        row: Row = {"set": name, "n": len(table), "f1": _story_f1(bench, table, gold)}
        for spoilt, other in timelines.robustness(table, bench.random("dates", name)).items():
            row[spoilt] = _story_f1(bench, other, gold)
        worst = min(row[key] for key in ("f1", "tenth_random", "tenth_1970", "one_crawl_day"))
        rows.append({**row, "margin": worst - row["undated"], **_since(start)})
    return rows and [*rows, _mean(rows, "f1", "undated", "tenth_random", "tenth_1970", "one_crawl_day")]


def other_dates(bench: Bench, labelled: _Sets) -> dict[str, pa.Table]:
    """Return g5w, A1, A2 and MIX as far as their sets are there, else every dated story set."""
    named = {name: s.documents for name in ("g5w", "allsides", "ecb") for s in labelled if s.name.startswith(name)}
    made: dict[str, pa.Table] = {}
    if real := named.get("g5w"):
        made["g5w"] = real
    if roundups := named.get("allsides"):
        made["A1"] = timelines.simulated_lags(roundups, bench.random("A1"))
    if real and roundups:
        made["A2"] = timelines.drawn_lags(roundups, real, bench.random("A2"))
        if third := named.get("ecb"):
            made["MIX"] = timelines.one_stream(made["A1"], real, third)
    others = {s.name: s.documents for s in sets.story_sets(labelled) if timelines.has_dates(s.documents)}
    return made or others


def bulk(bench: Bench, labelled: _Sets, folder: Path) -> list[Row]:
    """Score the story sets inside unlabelled articles; `with_others`: share in a story with one."""
    articles = sets.sample_bulk(folder, BULK_ARTICLES, bench.random("bulk"))
    inside = sets.pick(labelled, "fnc", "ecb", "g5w", "allsides")
    start = perf_counter()
    table = pa.concat_tables([*(s.documents for s in inside), articles])
    result = bench.run(table)
    ends = list(accumulate(len(s.ids) for s in inside))
    gold = np.concatenate([s.stories + 1_000_000 * place for place, s in enumerate(inside)])
    found = predicted(result, table["id"])
    strange = np.isin(found, found[ends[-1] :])
    parts = {s.name: slice(end - len(s.ids), end) for s, end in zip(inside, ends, strict=True)}
    parts[f"all, inside {len(articles):,} others"] = slice(0, ends[-1])
    rows = [
        {
            "set": name,
            "n": part.stop - part.start,
            **scores.bcubed(gold[part], found[part]),
            "with_others": float(strange[part].mean()),
        }
        for name, part in parts.items()
    ]
    joined = float((np.bincount(found)[found[ends[-1] :]] > 1).mean())
    others = {"set": "others that are in a story", "n": len(articles), "with_others": joined}
    return [*rows[:-1], {**rows[-1], **_since(start)}, others]


def boilerplate(bench: Bench, labelled: _Sets) -> list[Row]:
    """Plant boilerplate; the target is .95 of the clean precision."""
    rows = []
    paired = [s for s in labelled if any(p.level == "duplicate" for p in s.pairs)]
    judged = {s.name for s in sets.pick(labelled, "g5w", "fnc")}
    for s in labelled:
        if s.name not in judged and s not in paired:
            continue
        clean = _planted_scores(s, bench.whole(s), s.name in judged)
        for kind, plant in (("footer on 30 %", variants.with_footers), ("30 % of the words", variants.with_pages)):
            start = perf_counter()
            result = bench.run(plant(s.documents, bench.random("boilerplate", kind, s.name)))
            for found, before in zip(_planted_scores(s, result, s.name in judged), clean, strict=True):
                ratio = found["precision"] / before["precision"] if before["precision"] else 1.0
                earlier = {"clean_p": before["precision"], "clean_f1": before.get("f1"), "ratio_p": ratio}
                rows.append({"set": found["set"], "planted": kind, **found, **earlier, **_since(start)})
    return rows


def _planted_scores(labelled: LabelledSet, result: Any, judged: bool) -> list[Row]:
    """Score the stories, the copies (against gold stories: copies tell one story), and the labelled pairs."""
    rows = []
    if judged:
        found = scores.clustering(labelled.stories, predicted(result, labelled.ids))
        rows.append({"set": labelled.name, **_prf(found, "bcubed")})
        found = scores.clustering(labelled.stories, predicted(result, labelled.ids, "duplicate"))
        rows.append({"set": f"{labelled.name}: copies in gold stories", "precision": found["pair_p"]})
    for pairs in labelled.pairs:
        if pairs.level == "duplicate":
            found = scores.pairs(result, pairs)
            rows.append({"set": pairs.name, **{name: found[name] for name in _PRF}})
    return rows


def bridges(bench: Bench, labelled: _Sets) -> list[Row]:
    """Plant articles that belong to several stories; the largest cluster must stay within twice the largest true one.

    The true size of a group of copies is that of the largest one in the clean run: nobody labelled those.
    """
    rows = []
    for s in sets.pick(labelled, "fnc"):
        start = perf_counter()
        pairs = min(BRIDGED_PAIRS, max(len(np.unique(s.stories)) // 10, 1))
        random = bench.random("bridges", s.name)
        table = variants.with_bridges(s.documents, random, pairs, BRIDGES, (pairs + 1) // 2)
        clean, result = bench.whole(s), bench.run(table)
        true = scores.largest(s.stories)
        for level, size in (("story", true), ("duplicate", scores.largest(predicted(clean, s.ids, "duplicate")))):
            every = predicted(result, table["id"], level)
            found, originals = scores.largest(every), scores.largest(every[: len(s.ids)])
            row = {"set": s.name, "level": level, "planted": len(table) - len(s.ids), "largest_true": size}
            rows.append({**row, "largest_found": found, "of_originals": originals, "ratio": found / size})
        rows[-2] |= {
            "f1": scores.bcubed(s.stories, predicted(result, s.ids))["bcubed_f1"],
            "clean_f1": scores.bcubed(s.stories, predicted(clean, s.ids))["bcubed_f1"],
            **_since(start),
        }
    return rows


def baseline(bench: Bench, labelled: _Sets) -> list[Row]:
    """Score what one would write without this project, on the same sets, beside the build."""
    rows = baselines.story_rows(sets.story_sets(labelled)) if sets.story_sets(labelled) else []
    for row, s in zip(rows, sets.story_sets(labelled), strict=True):
        row["f1_build"] = scores.bcubed(s.stories, predicted(bench.whole(s), s.ids))["bcubed_f1"]
    if rows:
        rows.append(_mean(rows, "f1", "f1_own_threshold", "f1_build"))
    for s in labelled:
        for pairs in s.pairs:
            if pairs.level == "duplicate":
                row = baselines.pair_row(s, pairs)
                rows.append({**row, "f1_build": scores.pairs(bench.whole(s), pairs)["f1"]})
    return rows


def _story_f1(bench: Bench, table: pa.Table, gold: Any) -> float:
    return scores.bcubed(gold, predicted(bench.run(table), table["id"]))["bcubed_f1"]


def _prf(found: Row, kind: str) -> Row:
    return {"precision": found[f"{kind}_p"], "recall": found[f"{kind}_r"], "f1": found[f"{kind}_f1"]}


def _mean(rows: list[Row], *names: str) -> Row:
    return {"set": "mean", **{name: float(np.mean([row[name] for row in rows])) for name in names}}


def _since(start: float) -> Row:
    return {"seconds": perf_counter() - start}
