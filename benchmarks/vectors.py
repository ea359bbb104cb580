"""Benchmarks of what comes after the text: all pairs by cosine, average linkage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import peers_vectors, project, truth
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
WHOLE = 5000  # articles up to which scipy joins all, and every peer runs; above, some rows, and what the budget allows
PROBE = 2500  # articles that the time of a peer is foretold from
SAMPLE = 1000  # rows of a large corpus that scipy joins with all
FLOOR = 0.05  # average down to which trees are built and compared


def cosine(setting: Setting) -> list[dict[str, Any]]:
    """Time all pairs at each floor; scipy's pairs are the truth, those of a sample of rows where all take too long."""
    source, warm = setting.vectors(setting.articles), setting.vectors(setting.small)
    rows = peers_vectors.matrix(source)
    present, missing = installed(COSINES)
    sections = []
    for floor in setting.floors:
        pairs = true_pairs(source, floor, max(setting.threads))
        tools = [_told(tool, floor, pairs, rows.shape[0]) for tool in present]
        slow: list[dict[str, str]] = []
        if rows.shape[0] > WHOLE:
            tools, slow = affordable(tools, foretold(setting, floor), setting)

        def judge(timing: Timing, pairs: Any = pairs, floor: float = floor) -> dict[str, Any]:
            value = timing.value
            truth.check_pairs(truth.packed(*value) if isinstance(value, tuple) else value, pairs, rows, floor)
            return {"counts": True, "note": "same pairs" + ", one run" * (timing.tool.runs == 1)}

        timings = interleaved(tools, source, warm, setting.runs, setting.threads, setting.isolated)
        found, failed = judged(timings, judge)
        counts = np.bincount(rows.indices, minlength=rows.shape[1]).astype(np.int64)
        facts = {"articles": rows.shape[0], "floor": floor, "terms_per_article": round(rows.nnz / rows.shape[0], 1)}
        facts |= {"pairs": len(pairs), "postings_met": int((counts * counts).sum())}
        sections.append(setting.section(f"cosine {floor:g}", found, missing + slow + failed, **facts))
    return sections


def true_pairs(source: Path, floor: float, threads: int) -> npt.NDArray[np.int64]:
    """Return all pairs of a corpus: scipy's, or for a large one the project's, once scipy finds the same in a sample.

    Raises
    ------
    UnequalError
        The sample has other pairs.
    """
    rows = peers_vectors.matrix(source)
    n = rows.shape[0]
    if n <= WHOLE:
        return truth.cosine_join(rows, floor)
    pairs = truth.packed(*project.cosines(source, threads, floor)())
    sample = np.sort(np.random.default_rng(0).permutation(n)[:SAMPLE])
    product = (rows[sample] @ rows.T.tocsr()).tocoo()
    near = product.data >= floor
    wanted = truth.packed(sample[product.row[near]], product.col[near])
    inside = np.isin(truth.unpacked(pairs), sample).any(axis=0)
    truth.check_pairs(pairs[inside], wanted, rows, floor)
    return pairs


def foretold(setting: Setting, floor: float) -> dict[str, float]:
    """Foretell the seconds of each peer on most threads: those of fewer articles, times the square of the sizes."""
    source, warm = setting.vectors(PROBE), setting.vectors(setting.small)
    pairs = true_pairs(source, floor, 1)
    peers = [_told(tool, floor, pairs, PROBE) for tool in installed(COSINES)[0] if tool.name != OURS]
    timings = interleaved(peers, source, warm, 1, (max(setting.threads),), isolated=False)
    growth = (setting.articles / PROBE) ** 2
    return {timing.tool.name: timing.seconds[0] * growth for timing in timings if not timing.error}


def affordable(
    tools: list[Tool], seconds: dict[str, float], setting: Setting
) -> tuple[list[Tool], list[dict[str, str]]]:
    """Part the tools that the budget has time for, one after the other, from those named with their foretold seconds.

    A peer for whose runs there is not time enough runs once, on most threads; the project always has all its runs.
    """
    left, kept, slow = setting.budget, [], []
    for tool in tools:
        once = seconds.get(tool.name, 0.0)
        all_runs = once * setting.runs * sum(max(setting.threads) / t for t in setting.threads)
        if tool.name == OURS or all_runs <= left:
            kept.append(tool)
            left -= all_runs
        elif once <= left:
            kept.append(replace(tool, threads=(max(setting.threads) if len(tool.threads) > 1 else 1,), runs=1))
            left -= once
        else:
            reason = f"about {once:.0f} s foretold from {PROBE:,} articles; {left:.0f} s of --budget were left"
            slow.append({"tool": tool.name, "reason": reason})
    return kept, slow


def _told(tool: Tool, floor: float, pairs: npt.NDArray[np.int64], n: int) -> Tool:
    """Return a tool with its options for these pairs: sparse_dot_topn is told how many neighbours rows have."""
    options: dict[str, Any] = {"floor": floor}
    if tool.name == "sparse_dot_topn":
        degree = np.bincount(np.concatenate(truth.unpacked(pairs)), minlength=n) + 1
        options |= {"most": int(degree.max()), "density": float(degree.mean() / degree.max())}
    return replace(tool, options=options)


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
