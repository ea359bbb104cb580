"""Benchmarks of what comes after the text: all pairs by cosine, average linkage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import peers_vectors, truth
from benchmarks.from_text import judged
from benchmarks.measuring import OURS, Timing, Tool, installed, interleaved
from benchmarks.setting import Setting
from benchmarks.whole import slope

SINGLE = (1,)
COSINES = [
    Tool(OURS, "benchmarks.project:cosines"),
    Tool("sparse_dot_topn", "benchmarks.peers_vectors:topn_cosines", "sparse-dot-topn"),
    Tool("scipy", "benchmarks.peers_vectors:scipy_cosines", threads=SINGLE),
    Tool("scikit-learn radius", "benchmarks.peers_vectors:sklearn_cosines"),
]
LINKAGE = [
    Tool(OURS, "benchmarks.project:average_linkage", threads=SINGLE),
    Tool("plain Python", "benchmarks.peers_vectors:plain_linkage", threads=SINGLE),
    Tool("scipy, dense", "benchmarks.peers_vectors:scipy_linkage", threads=SINGLE),
]
DENSE = 12_000  # documents up to which a dense matrix of distances fits (576 MB)
FLOOR = 0.05  # average down to which trees are built and compared


def cosine(setting: Setting) -> list[dict[str, Any]]:
    """Time all pairs at each floor; scipy's pairs are the truth."""
    source, warm = setting.vectors(setting.articles), setting.vectors(setting.small)
    rows = peers_vectors.matrix(source)
    present, skipped = installed(COSINES)
    sections = []
    for floor in setting.floors:
        pairs = truth.cosine_join(rows, floor)
        degree = np.bincount(np.concatenate(truth.unpacked(pairs)), minlength=rows.shape[0]) + 1
        told = {"most": int(degree.max()), "density": float(degree.mean() / degree.max())}
        tools = [
            replace(tool, options={"floor": floor} | (told if tool.name == "sparse_dot_topn" else {}))
            for tool in present
        ]

        def judge(timing: Timing, pairs: Any = pairs, floor: float = floor) -> dict[str, Any]:
            value = timing.value
            truth.check_pairs(truth.packed(*value) if isinstance(value, tuple) else value, pairs, rows, floor)
            return {"counts": True, "note": "same pairs"}

        timings = interleaved(tools, source, warm, setting.runs, setting.threads, setting.isolated)
        found, failed = judged(timings, judge)
        counts = np.bincount(rows.indices, minlength=rows.shape[1]).astype(np.int64)
        facts = {"articles": rows.shape[0], "floor": floor, "terms_per_article": round(rows.nnz / rows.shape[0], 1)}
        facts |= {"pairs": len(pairs), "postings_met": int((counts * counts).sum())}
        sections.append(setting.section(f"cosine {floor:g}", found, skipped + failed, **facts))
    return sections


def linkage(setting: Setting) -> list[dict[str, Any]]:
    """Time average linkage at a tenth, a third and all of the pairs; trees must be equal."""
    sections = []
    for pairs in (setting.pairs // 10, setting.pairs // 3, setting.pairs):
        source, warm = setting.links(pairs), setting.links(max(setting.pairs // 100, 1000))
        n = _documents(source)
        tools = [replace(tool, options={"floor": FLOOR}) for tool in LINKAGE]
        tools = [tool for tool in tools if n <= DENSE or "dense" not in tool.name]
        timings = interleaved(tools, source, warm, setting.runs, SINGLE, setting.isolated)
        wanted = next(timing.value for timing in timings if timing.tool.name == "plain Python")

        def judge(timing: Timing, n: int = n, wanted: Any = wanted) -> dict[str, Any]:
            check_trees(timing.value, wanted, n)
            return {"counts": True, "note": "same tree"}

        rows, failed = judged(timings, judge)
        sections.append(setting.section(f"linkage {pairs:,}", rows, failed, pairs=pairs, documents=n))
    sections[-1]["facts"]["slopes"] = _slopes(sections)
    return sections


def check_trees(found: dict[str, Any], wanted: dict[str, Any], n: int) -> None:
    """Compare two trees: the same heights, and the same clusters at three cuts between two heights.

    Raises
    ------
    UnequalError
    """
    heights = np.sort(found["heights"])[::-1]
    target = np.sort(wanted["heights"])[::-1]
    truth.check_close(heights, target, 1e-6, "heights")
    gaps = -np.diff(target)
    for share in (0.25, 0.5, 0.75):
        near = slice(int(share * len(target)), int(share * len(target)) + 20)
        at = near.start + int(np.argmax(gaps[near]))  # a wide gap, in which no rounding can fall
        cut = (target[at] + target[at + 1]) / 2
        labels = [labels_at(tree, n, cut) for tree in (found, wanted)]
        truth.check_labels(labels[0], labels[1], f"clusters at {cut:.3f}")


def labels_at(tree: dict[str, Any], n: int, cut: float) -> npt.NDArray[np.int64]:
    """Return the clusters that merges of at least a height make, int64[n]."""
    kept = np.flatnonzero(tree["heights"] >= cut)
    nodes, children = n + len(tree["heights"]), tree["children"][kept]
    left, right = children.reshape(-1), np.repeat(n + kept, 2)
    return truth.components(nodes, left, right)[:n]


def _slopes(sections: list[dict[str, Any]]) -> str:
    """Tell how each tool's time grows with the pairs: the slope of log seconds against log pairs."""
    told = []
    for tool in dict.fromkeys(row["tool"] for row in sections[0]["rows"]):
        found = [(s["facts"]["pairs"], row["seconds"]) for s in sections for row in s["rows"] if row["tool"] == tool]
        if len(found) > 1:
            told.append(f"{tool} {slope(*map(list, zip(*found, strict=True))):.2f}")
    return ", ".join(told)


def _documents(source: Any) -> int:
    with np.load(source) as arrays:
        return int(arrays["n"])
