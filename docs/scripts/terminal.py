"""Draw docs/terminal.svg, what `dedup cluster` and `dedup show` print on seeds/: python docs/scripts/terminal.py.

The words are those of the commands themselves, run on the sample articles at a terminal. What is set is its width, and
the seconds that the job took, which differ each time. No font is fetched: it is a monospace font that the reader has.
"""

from __future__ import annotations

import difflib
import fcntl
import html
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "terminal.svg"
WIDTH = 96
SECONDS = "1.5 s"  # ten articles, warm, in benchmarks/results; the sample articles take as long
COMMANDS = {"dedup cluster seeds -o out": 12, "dedup show out harbour-03": 30}  # and how many lines of each

_GREY, _BLACK, _RED, _GREEN = (220, 223, 228), (24, 27, 32), (224, 108, 117), (152, 195, 121)
_YELLOW, _BLUE, _VIOLET, _CYAN = (229, 192, 123), (97, 175, 239), (198, 120, 221), (86, 182, 194)
_THEME = TerminalTheme(
    _BLACK, _GREY, [_BLACK, _RED, _GREEN, _YELLOW, _BLUE, _VIOLET, _CYAN, _GREY], [(127, 132, 142)] + [_GREY] * 7
)
# Rich's own frame fetches its font; this one does not.
_FRAME = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
 aria-label="dedup in a terminal">
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>{lines}</defs>
<rect x="0" y="0" width="{width}" height="{height}" rx="8" fill="#181b20"/>
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def main(arguments: list[str]) -> int:
    """Write the picture; with --check say instead which words of the one that is there differ."""
    made = picture()
    if "--check" not in arguments:
        FILE.write_text(made, "utf-8")
        return 0
    found, wanted = words(FILE.read_text("utf-8")), words(made)
    sys.stdout.writelines(
        f"{line}\n" for line in difflib.unified_diff(found, wanted, FILE.name, "the commands", lineterm="")
    )
    return int(found != wanted)


def words(svg: str) -> list[str]:
    """Return the words of a picture: how versions of rich lay them out may differ."""
    return [html.unescape(text).replace("\xa0", " ").strip() for text in re.findall(r"<text [^>]*>([^<]*)</text>", svg)]


def picture() -> str:
    """Return the picture as SVG; the same words give the same bytes."""
    paper = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "seeds").symlink_to(ROOT / "seeds")
        for place, (command, most) in enumerate(COMMANDS.items()):
            if place:
                paper.print()
            paper.print(Text("$ ", "green") + Text(command, "bold"))
            lines = said(command, folder).rstrip("\n").split("\n")
            for line in lines[:most]:
                paper.print(Text.from_ansi(line), soft_wrap=True)
            if len(lines) > most:
                paper.print(Text("…", "dim"))
    paper.print()  # room below the last line
    made = paper.export_svg(title="", theme=_THEME, code_format=_FRAME, unique_id="dedup")
    return re.sub(r"[ \t]+$", "", made, flags=re.MULTILINE)


def said(command: str, folder: str) -> str:
    """Return what a command prints on a terminal of this width, colours and all."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, WIDTH, 0, 0))
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("DEDUP_", "NO_COLOR"))}
    env = {**plain, "TERM": "xterm-256color", "COLUMNS": str(WIDTH), "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", *command.split()]
    with subprocess.Popen(words, stdout=theirs, stderr=subprocess.PIPE, cwd=folder, env=env) as process:
        os.close(theirs)
        parts = []
        with suppress(OSError):  # EIO, once the other end is closed
            while part := os.read(ours, 1 << 16):
                parts.append(part)
        os.close(ours)
        told = process.stderr.read() if process.stderr else b""
    if process.returncode:
        raise SystemExit(f"{command}: {told.decode()}")
    text = b"".join(parts).decode().replace("\r\n", "\n")
    return re.sub(r"^\d+\.\d s(?=, written)", SECONDS, text, flags=re.MULTILINE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
