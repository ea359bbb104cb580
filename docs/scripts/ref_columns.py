"""docs/reference/columns.md: the columns of every table of a run, from the schemas and docs/output.md."""

from __future__ import annotations

import re
from pathlib import Path

import markdown

from dedup.manifests import TABLES

_OUTPUT = Path(__file__).parents[1] / "output.md"
_INTRO = """# Columns

The Parquet files of a run, in the order of their columns. Nothing is unsigned, nested, of a dictionary or of 64-bit
offsets, since each of these surprised a reader; doubles are rounded to six decimals. [What a run holds](../output.md)
tells the rest: files, order, rejects.
"""


def page() -> str:
    """Return the page.

    Raises
    ------
    ValueError
        docs/output.md does not describe a column, or describes one that is not there.
    """
    parts = [_INTRO]
    for name, schema in TABLES.items():
        told = _meanings(name)
        names = [field.name for field in schema]
        if odd := set(names) ^ set(told):
            raise ValueError(
                f"docs/output.md: {name}.parquet: {', '.join(sorted(odd))}: described or there, but not both"
            )
        rows = [
            (markdown.code(field.name), str(field.type).replace("[us, tz=UTC]", "(us, UTC)"), told[field.name])
            for field in schema
        ]
        parts.append(f"## {name}.parquet\n\n" + markdown.table(("column", "type", "meaning"), rows))
    return "\n".join(parts)


def _meanings(table: str) -> dict[str, str]:
    """Read what docs/output.md says of each column of a table; a row may describe several."""
    text = _OUTPUT.read_text("utf-8")
    found = re.search(rf"^## {table}\.parquet\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"docs/output.md: got no section '## {table}.parquet'")
    meanings = {}
    for line in re.findall(r"^\| `.*\|$", found.group(1), re.MULTILINE):
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for name in re.findall(r"`(\w+)`", cells[0]):
            meanings[name] = cells[-1]
    return meanings
