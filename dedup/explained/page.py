"""Lines, rows of cells and heads on a console; what is coloured is marked by signs or words too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dedup.charts import bar
from dedup.terminal import clean

if TYPE_CHECKING:
    from rich.console import Console

NAME, FIGURE = 22, 8  # cells of the first two columns


class Page:
    """A console to write on."""

    def __init__(self, to: Console) -> None:
        self._to = to
        self._blocks = to.is_terminal and to.encoding.lower().startswith("utf")
        self.width = to.width

    def line(self, text: str, style: str = "", lead: str = "  ") -> None:
        """Print a text, broken where the line ends; what follows is indented as far as its lead is long."""
        for at, line in enumerate(self._text(text, style).wrap(self._to, max(20, self.width - len(lead)))):
            line.rstrip()
            self._to.print(lead if at == 0 else " " * len(lead), end="", soft_wrap=True)
            self._to.print(line, soft_wrap=True)

    def cut(self, text: str, style: str = "", lead: str = "  ") -> None:
        """Print a text on one line, cut where that ends."""
        line = self._text(lead + text, style)
        line.truncate(self.width, overflow="ellipsis")
        self._to.print(line, soft_wrap=True)

    def row(self, name: str, figure: str, about: str = "", share: float | None = None) -> None:
        """Print a name, a figure, a bar for a share where there is one, and what there is to say; cut where it ends."""
        first = self._text(name)
        first.truncate(NAME, overflow="ellipsis", pad=True)
        line = self._text("  ")
        line.append_text(first).append("  " + figure.rjust(FIGURE) + "  ")
        line.append(f"{bar(share, self._blocks)}  " if share is not None else "").append(clean(about))
        line.rstrip()
        line.truncate(self.width, overflow="ellipsis")
        self._to.print(line, soft_wrap=True)

    def head(self, title: str, about: str = "") -> None:
        """Begin a section."""
        self._to.print()
        self._to.print(title, style="bold", end="")
        self._to.print(f"  ({about})" if about else "", style="dim", soft_wrap=True)

    def gap(self) -> None:
        """Leave a line empty."""
        self._to.print()

    def _text(self, text: str, style: str = "") -> Any:
        return self._to.render_str(clean(text), style=style, markup=False, emoji=False, highlight=False)
