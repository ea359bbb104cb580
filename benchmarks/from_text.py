"""Benchmarks that start from text: signatures, duplicates, TF-IDF vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks import inputs, project, truth
from benchmarks.measuring import OURS, Timing, Tool, installed, interleaved
from benchmarks.setting import Setting

COMPARABLE = (
    0.06  # mean error of the estimated Jaccard; 128 slots without a bias have about .025, other tokens add to it
)
SINGLE = (1,)

SIGNATURES = [
    Tool(OURS, "benchmarks.project:signatures"),
    Tool("reading the column", "benchmarks.project:read_column"),
    Tool("utf8_lower", "benchmarks.project:lower", threads=SINGLE),
    Tool("gaoya", "benchmarks.peers:gaoya_signatures", "gaoya"),
    Tool("Daft", "benchmarks.peers:daft_signatures", "daft"),
    Tool("Daft, normalised", "benchmarks.peers:daft_signatures", "daft", options={"normalised": True}),
    Tool("rensa", "benchmarks.peers:rensa_signatures", "rensa", SINGLE),
    Tool("FastSketchLSH", "benchmarks.peers:fastsketch_signatures", "fastsketchlsh"),
    Tool("dedup-rs", "benchmarks.peers:dedup_rs_signatures", "dedup-rs"),
    Tool("datasketch", "benchmarks.peers:datasketch_signatures", "datasketch", SINGLE),
    Tool("text-dedup", "benchmarks.peers:text_dedup_signatures", "text-dedup", SINGLE),
]
DUPLICATES = [
    Tool(OURS, "benchmarks.project:copies"),
    Tool("gaoya", "benchmarks.peers:gaoya_duplicates", "gaoya"),
    Tool("rensa", "benchmarks.peers:rensa_duplicates", "rensa", SINGLE),
    Tool("FastSketchLSH", "benchmarks.peers:fastsketch_duplicates", "fastsketchlsh"),
    Tool("dedup-rs", "benchmarks.peers:dedup_rs_duplicates", "dedup-rs"),
    Tool("datasketch", "benchmarks.peers:datasketch_duplicates", "datasketch", SINGLE),
    Tool("text-dedup", "benchmarks.peers:text_dedup_duplicates", "text-dedup", SINGLE),
]
TFIDF = [
    Tool(OURS, "benchmarks.project:tfidf_vectors"),
    Tool("scikit-learn TfidfVectorizer", "benchmarks.peers_vectors:tfidf_vectorizer", threads=SINGLE),
]


def signatures(setting: Setting) -> list[dict[str, Any]]:
    """Time text → signatures; a time counts where estimates of the Jaccard similarity are as good as they should be."""
    source, warm = setting.corpus(setting.articles), setting.corpus(setting.small)
    tools, skipped = installed(SIGNATURES)
    timings = interleaved(tools, source, warm, setting.runs, setting.threads, setting.isolated)
    sets = truth.shingle_sets(inputs.strings(source))
    left, right = truth.jaccard_join(sets, 0.5)
    exact = truth.jaccard(sets, left, right)

    def judge(timing: Timing) -> dict[str, Any]:
        if not isinstance(timing.value, np.ndarray):
            return {"error": None, "counts": True, "note": "hands out no signatures" if timing.value is None else ""}
        return score_signatures(timing.value, left, right, exact)

    rows, failed = judged(timings, judge)
    facts = {"articles": setting.articles, "megabytes": round(inputs.column(source).nbytes / 1e6, 1)}
    return [setting.section("signatures", rows, skipped + failed, **facts)]


def score_signatures(signed: Any, left: Any, right: Any, exact: Any) -> dict[str, Any]:
    """Compare the share of equal slots of pairs with their Jaccard similarity."""
    estimate = (signed[left] == signed[right]).mean(axis=1)
    error = float(np.abs(estimate - exact).mean()) if len(left) else 0.0
    return {"error": round(error, 4), "counts": error <= COMPARABLE, "note": ""}


def duplicates(setting: Setting) -> list[dict[str, Any]]:
    """Time text → duplicates, with precision and recall against an exact join."""
    source, warm = setting.corpus(setting.articles), setting.corpus(setting.small)
    options = {"threshold": setting.jaccard}
    tools, skipped = installed([Tool(t.name, t.function, t.package, t.threads, options) for t in DUPLICATES])
    timings = interleaved(tools, source, warm, setting.runs, setting.threads, setting.isolated)
    n = pq.read_metadata(source).num_rows
    left, right = truth.jaccard_join(truth.shingle_sets(inputs.strings(source)), setting.jaccard)
    pairs, labels = truth.packed(left, right), truth.components(n, left, right)
    rows, failed = judged(timings, lambda timing: score_duplicates(timing, pairs, labels))
    return [
        setting.section(
            "duplicates", rows, skipped + failed, articles=setting.articles, jaccard=setting.jaccard,
            true_pairs=len(pairs), true_clusters=int((np.bincount(labels) > 1).sum()),
        )
    ]  # fmt: skip


def score_duplicates(timing: Timing, pairs: Any, labels: Any) -> dict[str, Any]:
    """Score the pairs that a tool found, where it has pairs, and its clusters.

    The project's are those alike in wording, before figures, titles and containment had a say: the truth knows none.
    """
    found, note = dict(timing.value), ""
    if "verified" in found:
        found["pairs"] = project.pairs_alike(found)
        found["labels"] = truth.components(len(labels), *truth.unpacked(found["pairs"]))
        note = f"{found['verified']['accepted'].to_numpy().sum():,} pairs accepted by all rules, in this time"
    precision, recall = truth.cluster_scores(found["labels"], labels)
    row = {"pair_precision": None, "pair_recall": None, "precision": precision, "recall": recall}
    if "pairs" in found:
        row["pair_precision"], row["pair_recall"] = truth.pair_scores(found["pairs"], pairs)
    return {**row, "counts": True, "note": note}


def tfidf(setting: Setting) -> list[dict[str, Any]]:
    """Time text → TF-IDF vectors; the two must agree to 1e-6."""
    source, warm = setting.corpus(setting.articles, folded=True), setting.corpus(setting.small, folded=True)
    timings = interleaved(TFIDF, source, warm, setting.runs, setting.threads, setting.isolated)
    wanted = next(t.value for t in timings if t.tool.name != OURS and not t.error)

    def judge(timing: Timing) -> dict[str, Any]:
        if timing.tool.name == OURS:
            check_tfidf(timing.value, wanted)
        return {"counts": True, "note": "equal to 1e-6" if timing.tool.name == OURS else ""}

    rows, failed = judged(timings, judge)
    terms = wanted["matrix"].nnz / max(wanted["matrix"].shape[0], 1)
    return [setting.section("tfidf", rows, failed, articles=setting.articles, terms_per_article=round(terms, 1))]


def check_tfidf(found: Any, wanted: dict[str, Any]) -> None:
    """Compare the project's vectors with scikit-learn's, term by term.

    Raises
    ------
    UnequalError
    """
    truth.check_close(project.as_matrix(found, wanted["vocabulary"]), wanted["matrix"], 1e-6, "TF-IDF")


def judged(timings: list[Timing], judge: Any) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Return a row for each timing that was judged, and the reasons of those that failed; a wrong result counts not."""
    rows, failed = [], []
    for timing in timings:
        if timing.error:
            failed.append({"tool": f"{timing.tool.name}, {timing.threads} threads", "reason": timing.error})
            continue
        try:
            rows.append(timing.row() | judge(timing))
        except truth.UnequalError as error:
            rows.append(timing.row() | {"counts": False, "note": f"wrong: {error}"})
    return rows, failed
