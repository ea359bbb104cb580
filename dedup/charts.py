"""Charts of characters: bars, articles over time, and the curves of `dedup evaluate --sweep` as tables with bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

CELLS = 10  # of a full bar; the longest line has 79 characters then
_EIGHTHS = " ▏▎▍▌▋▊▉"
_HEIGHTS = {True: "▁▂▃▄▅▆▇█", False: ".:-=+*#@"}
_NOTHING = {True: "·", False: " "}
_SCORES = {"precision": "precision", "recall": "recall", "f1": "F1"}
_MEASURES = {"bcubed": "B-cubed", "pairs": "pairs"}


def draws(to: Console) -> bool:
    """Tell whether a console shows blocks and lines: a terminal that reads UTF-8."""
    return to.is_terminal and to.encoding.startswith("utf")


def curves(to: Console, found: dict[str, Any]) -> None:
    """Print each curve of a sweep, its values from top to bottom.

    Parameters
    ----------
    to : console on stdout; bars are of # where it is no terminal, or one without Unicode.
    found : as `dedup.sweep.sweep` returns it.
    """
    blocks = draws(to)
    for name, in_force in found["in_force"].items():
        to.print(f"{name.replace('_', ' ')} ({_MEASURES[found['measure']]})", style="bold")
        to.print(" value" + "".join(f"  {head:<{CELLS + 6}}" for head in _SCORES.values()).rstrip(), style="dim")
        for point in found[name]:
            marks = {"in force": point["value"] == in_force, "best F1": point["value"] == found["best"][name]}
            columns = (f"{point[key]:.3f} {bar(point[key], blocks)}" for key in _SCORES)
            line = "  ".join([f"{point['value']:6.3f}", *columns, ", ".join(mark for mark in marks if marks[mark])])
            to.print(line.rstrip(), style="bold" if any(marks.values()) else "", soft_wrap=True)
        if name != list(found["in_force"])[-1] or found["skipped"]:
            to.print()
    for name, reason in found["skipped"].items():
        to.print(f"no {name.replace('_', ' ')}: {reason}", soft_wrap=True)


def bar(share: float, blocks: bool, cells: int = CELLS) -> str:
    """Return a bar for a share of 0 … 1, in eighths of a block or in whole #; only that of 1 is full."""
    if not blocks:
        return ("#" * int(share * cells)).ljust(cells)
    full, rest = divmod(int(share * cells * 8), 8)
    return ("█" * full + _EIGHTHS[rest]).strip().ljust(cells)


def sparkline(counts: Sequence[int], most: int, blocks: bool) -> str:
    """Return a sign for each count, of eight heights; the highest is that of `most`, and 0 has a sign of its own.

    Where there is nothing but 0, as of a story without dates, there is no sign.
    """
    if not any(counts):
        return ""
    heights = _HEIGHTS[blocks]
    return "".join(heights[-(-8 * count // most) - 1] if count else _NOTHING[blocks] for count in counts)
