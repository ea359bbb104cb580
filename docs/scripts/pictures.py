"""Draw docs/pictures/*.svg, the pictures of docs/method.md, from the project's own functions and the sample articles.

python docs/scripts/pictures.py [FOLDER]; wants matplotlib (the extra `docs` has it).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

from dedup import policy, recall, stories, timing
from dedup.clock import Clock
from dedup.engines.local import LocalEngine
from dedup.findings import Corpus, Stories
from dedup.params import DuplicateParams, Params, StoryParams
from dedup.pipeline import find_copies, find_stories, read, without_boilerplate

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "pictures"
GREY, OWN = "#7d8590", "#d9480f"  # legible on a light and on a dark page, as are the lines
LINES = ["#2f81f7", "#2da44e", "#a371f7", "#bf8700", "#db61a2", "#1b9e9e"]

mpl.rcParams |= {
    "svg.fonttype": "none", "svg.hashsalt": "dedup", "font.family": "sans-serif", "font.size": 10,
    "text.color": GREY, "axes.labelcolor": GREY, "axes.edgecolor": GREY, "xtick.color": GREY, "ytick.color": GREY,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "legend.labelcolor": GREY,
    "grid.color": GREY, "grid.alpha": 0.25, "axes.titlecolor": GREY, "axes.grid": True,
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Draw all pictures into a folder."""
    folder = Path(arguments[0]) if arguments else FOLDER
    folder.mkdir(exist_ok=True)
    corpus, found = seeds()
    for name, figure in {
        "bands": bands(),
        "crowd": crowd(corpus, found),
        "time": time(),
        "tree": tree(corpus, found),
    }.items():
        figure.savefig(folder / f"{name}.svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
        plt.close(figure)
    return 0


def seeds() -> tuple[Corpus, Stories]:
    """Run both passes on the sample articles, stage by stage as `dedup.cluster` does."""
    params, clock = Params(), Clock(lambda *_: None)
    rules = policy.parse_policy(params.canonical)
    with LocalEngine(1) as engine:
        corpus = read(str(ROOT / "seeds"), params, rules, engine, clock)
        corpus = without_boilerplate(corpus, params, clock, engine.map)
        copies = find_copies(corpus, params, rules, clock, engine.map)
        return corpus, find_stories(corpus, copies, params, engine, clock)


def bands() -> Figure:
    """Draw the S-curve of the bands in use, and of two others with as many permutations."""
    params = DuplicateParams()
    shape = recall.band_shape(params.num_perm, params.jaccard, params.recall)
    figure, axes = plt.subplots(figsize=(6.4, 3.4))
    jaccard = np.linspace(0, 1, 201)
    for (count, rows), color in zip([shape, (16, 8), (42, 3)], [OWN, *LINES], strict=False):
        own = (count, rows) == shape
        label = f"{count} bands of {rows}" + (" (in use)" if own else "")
        found = [recall.probability(j, count, rows) for j in jaccard]
        axes.plot(jaccard, found, color=color, linewidth=2.5 if own else 1.3, label=label)
    axes.axvline(params.jaccard, color=GREY, linestyle="--", linewidth=1)
    reached = recall.probability(params.jaccard, *shape)
    axes.annotate(f"{reached:.3f} at the threshold", (params.jaccard, reached), (0.63, 0.72), color=OWN)
    axes.set_xlabel("Jaccard similarity of two texts")
    axes.set_ylabel("probability of a common band")
    axes.legend(loc="upper left")
    return figure


def crowd(corpus: Corpus, found: Stories) -> Figure:
    """Draw the links of the sample articles: plain cosine against the score that is left of it."""
    left, right = found.links["left"].to_numpy(), found.links["right"].to_numpy()
    cosine, score = found.links["cosine"].to_numpy(), found.links["score"].to_numpy()
    same = found.label[left] == found.label[right]
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    for chosen, color, label in ((same, OWN, "in one story"), (~same, LINES[0], "in two stories")):
        axes.scatter(cosine[chosen], score[chosen], s=16, color=color, alpha=0.8, linewidths=0, label=label)
    most = float(max(cosine.max(), score.max()))
    axes.plot([0, most], [0, most], color=GREY, linestyle="--", linewidth=1)
    axes.set_xlabel("plain cosine of two texts")
    axes.set_ylabel("score after feedback, crowd and time")
    axes.legend(loc="upper left")
    return figure


def time() -> Figure:
    """Draw what the days between two articles say, in three corpora of evenly spread dates."""
    params = StoryParams()
    figure, axes = plt.subplots(figsize=(6.4, 3.4))
    apart = np.linspace(0, 42, 169)
    for name, span, color in (("five years", 1826.0, OWN), ("two months", 60.0, LINES[0]), ("one day", 1.0, LINES[1])):
        corpus = np.linspace(0, span, 4000)
        middle = span / 2
        days = np.concatenate((corpus, [middle], middle + apart))
        pair = np.arange(len(apart)) + len(corpus) + 1
        said = timing.nearness(days, np.full(len(apart), len(corpus)), pair, params)
        shown = apart <= middle
        axes.plot(apart[shown], said[shown], color=color, linewidth=2, label=f"dates over {name}")
    axes.axhline(1, color=GREY, linestyle="--", linewidth=1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("days between two articles")
    axes.set_ylabel("factor on their similarity")
    axes.legend()
    return figure


def tree(corpus: Corpus, found: Stories) -> Figure:
    """Draw the tree that average linkage makes of the sample articles, and where it is cut."""
    params = StoryParams()
    n = len(found.positions)
    _, children, heights = stories.tree(n, found.evidence, params)
    names = [corpus.documents["doc_id"][int(place)].as_py() for place in found.positions]
    figure, axes = plt.subplots(figsize=(7.2, 0.17 * n + 0.9))
    _branches(axes, n, children, heights, found.label, names)
    axes.set_xlim(float(heights.max()) * 1.12, 0)
    axes.set_xlabel("average score, where two branches meet")
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    return figure


def _branches(
    axes: Axes,
    n: int,
    children: npt.NDArray[np.int64],
    heights: npt.NDArray[np.float64],
    label: npt.NDArray[np.int64],
    names: list[str],
) -> None:
    """Draw a tree from its leaves at the left to its roots; branches inside one story in its colour."""
    leaves: list[list[int]] = [[leaf] for leaf in range(n)]
    for one, other in children:
        leaves.append(sorted(leaves[one] + leaves[other], key=lambda leaf: names[leaf]))
    has_parent = set(children.ravel().tolist())
    roots = sorted((node for node in range(len(leaves)) if node not in has_parent), key=lambda r: names[leaves[r][0]])
    order: list[int] = []

    def down(node: int) -> None:
        if node < n:
            order.append(node)
        else:
            for child in sorted(children[node - n].tolist(), key=lambda c: names[leaves[c][0]]):
                down(child)

    for root in roots:
        down(root)
    tip = float(heights.max()) * 1.08
    place: dict[int, Any] = {leaf: float(row) for row, leaf in enumerate(order)}
    reach = dict.fromkeys(range(n), tip)
    sizes = np.bincount(label)
    for node, (pair, height) in enumerate(zip(children.tolist(), heights, strict=True), n):
        stories_below = {int(label[leaf]) for leaf in leaves[node]}
        own = len(stories_below) == 1
        color = LINES[min(stories_below) % len(LINES)] if own else GREY
        style = {"color": color, "linewidth": 1.8 if own else 0.9, "linestyle": "-" if own else ":"}
        at = min(float(height), *(reach[child] for child in pair))  # heights are made monotone, as the cut does
        for child in pair:
            axes.plot([reach[child], at], [place[child]] * 2, **style)
        axes.plot([at, at], [place[child] for child in pair], **style)
        place[node], reach[node] = float(np.mean([place[child] for child in pair])), at
    axes.set_yticks(range(n), [names[leaf] for leaf in order], fontsize=7.5)
    for tick, leaf in zip(axes.get_yticklabels(), order, strict=True):
        tick.set_color(LINES[int(label[leaf]) % len(LINES)] if sizes[label[leaf]] > 1 else GREY)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(n - 0.3, -0.7)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
