"""Plots of a record as SVG, in colours that are legible on a light and on a dark page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.measuring import OURS

GREY, OWN, OTHER = "#7d8590", "#d9480f", "#6e7f94"
LINES = ["#2f81f7", "#2da44e", "#a371f7", "#bf8700", "#db61a2", "#1b9e9e", "#8a6d5b", "#8b949e"]
LEVELS = {"duplicate": "duplicates only", "story": "both levels"}
NAMES = {"signatures": "text → signatures", "duplicates": "text → duplicates", "tfidf": "text → TF-IDF vectors"}
FLOORS = ("reading the column", "utf8_lower")  # no tools, but what any tool pays at least

mpl.rcParams |= {
    "svg.fonttype": "none", "svg.hashsalt": "dedup", "font.family": "sans-serif", "font.size": 10,
    "text.color": GREY, "axes.labelcolor": GREY, "axes.edgecolor": GREY, "xtick.color": GREY, "ytick.color": GREY,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "legend.labelcolor": GREY,
    "grid.color": GREY, "grid.alpha": 0.25,
}  # fmt: skip


def write(folder: Path, record: dict[str, Any]) -> None:
    """Write `ratios.svg`, `growth.svg` and `memory.svg`, as far as the record has figures for them."""
    sections = {section["name"]: section for section in record["sections"]}
    last_linkage = max((name for name in sections if name.startswith("linkage")), key=_pairs, default="")
    sections = {name: s for name, s in sections.items() if not name.startswith("linkage") or name == last_linkage}
    compared = {name: bars for name, section in sections.items() if (bars := best_ratios(section))}
    if compared:
        _save(_ratios(compared), folder / "ratios.svg")
    if "growth" in sections:
        _save(_growth(sections["growth"]), folder / "growth.svg")
    if "memory" in sections:
        _save(_memory(sections["memory"]), folder / "memory.svg")


def best_ratios(section: dict[str, Any]) -> dict[str, float]:
    """Return how many times the project's seconds each tool takes, both on most threads; only where it counts."""
    found = {}
    for row in section["rows"]:
        ratio = row.get("ratio_best") or row.get("ratio")
        if ratio and row["tool"] != OURS and row["tool"] not in FLOORS:
            found[row["tool"]] = ratio  # the last has most threads
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _ratios(compared: dict[str, dict[str, float]]) -> Figure:
    """Draw a group of bars for each task, from the project's time, which is 1: to the right what takes longer."""
    count = sum(len(found) for found in compared.values())
    figure, axes = plt.subplots(figsize=(7.5, 0.8 + 0.25 * count + 0.45 * len(compared)))
    axes.set_xscale("log")
    place, ticks = 0.0, []
    for name, found in compared.items():
        place += 1.8
        ticks.append((place - 0.95, _task(name)))
        for tool, ratio in found.items():
            axes.barh(place, ratio - 1, left=1, height=0.75, color=OTHER)
            shown = f"{ratio:.1f} ×" if ratio < 20 else f"{ratio:.0f} ×"
            axes.text(max(ratio, 1) * 1.06, place, shown, va="center", fontsize=9)
            ticks.append((place, tool))
            place += 1.0
    axes.axvline(1, ymax=0.98, color=OWN, linewidth=2.5)
    axes.text(1, 0.0, OURS, color=OWN, fontweight="bold", ha="center")
    every = [ratio for found in compared.values() for ratio in found.values()]
    axes.set_xlim(min(0.7, *(ratio * 0.8 for ratio in every)), max(every) * 2)
    axes.set_ylim(place - 0.3, -0.4)
    axes.set_yticks([at for at, _ in ticks], [told for _, told in ticks])
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() in map(_task, compared) else "normal")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter("{x:g} ×")
    axes.set_xlabel("time, dedup = 1, on as many threads as each tool can use")
    return figure


def _growth(section: dict[str, Any]) -> Figure:
    """Draw seconds against articles for each level: the whole and its largest stages."""
    levels = list(dict.fromkeys(row["level"] for row in section["rows"]))
    figure, panels = plt.subplots(1, len(levels), figsize=(4.6 * len(levels), 4.4), sharey=True, squeeze=False)
    largest = {level: _largest([row for row in section["rows"] if row["level"] == level][-1]) for level in levels}
    named = dict.fromkeys(name for level in levels for name in largest[level])
    color = {"all": OWN} | {name: LINES[i % len(LINES)] for i, name in enumerate(named)}  # of both panels
    for axes, level in zip(panels[0], levels, strict=True):
        rows = [row for row in section["rows"] if row["level"] == level]
        sizes = [row["articles"] for row in rows]
        slopes = section.get("slopes", {}).get(level, {})
        lines = {"all": [row["seconds"] for row in rows]}
        lines |= {name: [row["stages"].get(name) or None for row in rows] for name in largest[level]}
        for name, seconds in lines.items():
            style = {"color": color[name], "linewidth": 2.5 if name == "all" else 1.3}
            label = f"{name} (slope {slopes[name]:.2f})" if name in slopes else name
            axes.plot(
                sizes, [float("nan") if s is None else s for s in seconds], marker="o", ms=4, label=label, **style
            )
        _logarithmic(axes, sizes)
        axes.set_title(LEVELS.get(level, level), color=GREY)
        axes.legend(fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    panels[0][0].set_ylabel("seconds")
    return figure


def _largest(row: dict[str, Any]) -> list[str]:
    """Name the six stages that take longest."""
    return sorted(row["stages"], key=lambda name: -row["stages"][name])[:6]


def _memory(section: dict[str, Any]) -> Figure:
    """Draw the peak against articles for each level, and what was foretold as broken lines."""
    figure, axes = plt.subplots(figsize=(6.4, 4.2))
    for i, level in enumerate(dict.fromkeys(row["level"] for row in section["rows"])):
        rows = [row for row in section["rows"] if row["level"] == level]
        sizes, color = [row["articles"] for row in rows], (LINES[0], OWN)[i % 2]
        name = LEVELS.get(level, level)
        axes.plot(sizes, [row["peak_mb"] for row in rows], "o-", color=color, label=f"{name}, measured")
        if all(row["foretold_mb"] for row in rows):
            foretold = [row["foretold_mb"] for row in rows]
            axes.plot(sizes, foretold, "--", color=color, label=f"{name}, foretold")
    peaks = [row[key] for row in section["rows"] for key in ("peak_mb", "foretold_mb") if row[key]]
    axes.set_ylim(min(peaks) / 1.3, max(peaks) * 1.3)
    _logarithmic(axes, sizes)
    axes.set_ylabel("peak memory, MB")
    axes.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    return figure


def _logarithmic(axes: Axes, sizes: list[int]) -> None:
    """Put both axes in powers of ten, and the sizes that were run below."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low > 10 else (1, 1.5, 2, 3, 4, 5, 6, 8)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.grid(True)
    axes.set_xlabel("articles")


def _task(name: str) -> str:
    kind, _, rest = name.partition(" ")
    named = {"cosine": f"all pairs, cosine ≥ {rest}", "linkage": f"average linkage, {rest} pairs"}
    return named.get(kind, NAMES.get(kind, kind))


def _pairs(name: str) -> int:
    return int(name.partition(" ")[2].replace(",", ""))


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, transparent=True, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
