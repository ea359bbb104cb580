"""Write docs/reference/ from the code: python docs/scripts/reference.py [--check].

Commands come from the typer app, settings from dedup/params.py (with the units, ranges and reasons that stand there),
columns from the schemas and docs/output.md, errors from dedup/errors.py, the Python API from its docstrings. With
--check nothing is written: what is out of date is printed, and the exit code is 1.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from pathlib import Path

import ref_api
import ref_columns
import ref_commands
import ref_errors
import ref_settings

FOLDER = Path(__file__).parents[1] / "reference"
NOTE = "<!-- Made from the code by `python docs/scripts/reference.py`; edit the code, not this page. -->\n\n"
PAGES: dict[str, Callable[[], str]] = {
    "commands.md": ref_commands.page,
    "settings.md": ref_settings.page,
    "columns.md": ref_columns.page,
    "errors.md": ref_errors.page,
    "python.md": ref_api.page,
}


def main(arguments: list[str]) -> int:
    """Write the pages, or say how those that are there differ."""
    differ = False
    for name, make in PAGES.items():
        file, made = FOLDER / name, NOTE + make().rstrip() + "\n"
        if "--check" not in arguments:
            file.parent.mkdir(exist_ok=True)
            file.write_text(made, "utf-8")
            continue
        found = file.read_text("utf-8") if file.is_file() else ""
        differ |= found != made
        sys.stdout.writelines(
            difflib.unified_diff(
                found.splitlines(True), made.splitlines(True), f"docs/reference/{name}", "the code", n=0
            )
        )
    return int(differ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
