"""The record of a run as JSON, a Markdown table and plots."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson

RECORD, TABLE = "results.json", "results.md"
TITLES = {
    "signatures": "Text → signatures of 128 slots",
    "duplicates": "Text → duplicates",
    "cosine": "All pairs with a cosine of at least",
    "tfidf": "Text → TF-IDF vectors",
    "linkage": "Average linkage, pairs:",
    "kernels": "Kernels against their limits, one thread",
    "job": "The whole job",
    "growth": "Growth of the whole job",
    "memory": "Peak memory of the whole job",
    "startup": "Start-up",
}
COLUMNS = {  # key of a row → head of its column and how it is printed
    "tool": ("tool", str),
    "case": ("case", str),
    "level": ("level", str),
    "threads": ("threads", str),
    "articles": ("articles", lambda v: f"{v:,}"),
    "seconds": ("seconds", lambda v: f"{v:.2f}" if v >= 10 else f"{v:.3f}"),
    "cpu": ("CPU s", lambda v: f"{v:.2f}"),
    "peak_mb": ("peak MB", lambda v: f"{v:,.0f}"),
    "foretold_mb": ("foretold MB", lambda v: f"{v:,.0f}"),
    "off": ("off", lambda v: f"{v:+.0%}"),
    "ratio": ("× dedup", lambda v: f"{v:.2f}"),
    "ratio_best": ("× dedup on all threads", lambda v: f"{v:.2f}"),
    "per_s": ("per second", lambda v: f"{v:.3g}"),
    "unit": ("of", str),
    "limit": ("limit", str),
    "limit_share": ("of the limit", lambda v: f"{v:.0%}"),
    "instructions_each": ("instructions each", lambda v: f"{v:.1f}"),
    "error": ("mean error", lambda v: f"{v:.3f}"),
    "pair_precision": ("pairs P", lambda v: f"{v:.3f}"),
    "pair_recall": ("pairs R", lambda v: f"{v:.3f}"),
    "precision": ("clusters P", lambda v: f"{v:.3f}"),
    "recall": ("clusters R", lambda v: f"{v:.3f}"),
    "groups": ("groups", lambda v: f"{v:,}"),
    "clusters": ("stories", lambda v: f"{v:,}"),
    "note": ("note", str),
}


def save(folder: Path, record: dict[str, Any]) -> None:
    """Add a record to those of a folder, section by section, and write table and plots anew."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RECORD
    if path.exists():
        kept = orjson.loads(path.read_bytes())
        new = {section["name"] for section in record["sections"]}
        record = {**record, "sections": [s for s in kept["sections"] if s["name"] not in new] + record["sections"]}
    order = list(TITLES)
    record["sections"].sort(key=lambda section: order.index(section["name"].split()[0]))
    path.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY))
    write(folder)


def write(folder: Path) -> None:
    """Write the table and the plots of a folder's record."""
    record = orjson.loads((folder / RECORD).read_bytes())
    (folder / TABLE).write_text(markdown(record), encoding="utf-8")
    try:
        from benchmarks import plots
    except ImportError as error:
        print(f"no plots: {error}; pip install matplotlib", file=sys.stderr)
        return
    plots.write(folder, record)


def markdown(record: dict[str, Any]) -> str:
    """Return the whole record as Markdown."""
    machine = record["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    lines = [
        "# Benchmarks",
        "",
        f"{machine['date']}, dedup {machine['dedup']}, {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gb']} GB, {machine['system']}, Python {machine['python']}; {versions}.",
        "",
        "Medians; every run in a process of its own, tools in turn, set-up outside the clock. A ratio is a tool's time "
        "over that of dedup in the same run, on as many threads; it is told only where the result passed its check.",
    ]
    for section in record["sections"]:
        lines += ["", *_section(section)]
    return "\n".join(lines) + "\n"


def _section(section: dict[str, Any]) -> list[str]:
    kind, _, rest = section["name"].partition(" ")
    facts = "; ".join(f"{key.replace('_', ' ')} {_fact(value)}" for key, value in section["facts"].items())
    lines = [f"## {TITLES[kind]} {rest}".rstrip(), "", *([facts, ""] if facts else []), *_table(section["rows"])]
    if stages := [row for row in section["rows"] if row.get("stages")]:
        lines += ["", *_stages(stages, section.get("slopes", {}))]
    for level, line in section.get("lines", {}).items():
        if line:
            lines += ["", f"{level}: {line['fixed_mb']:,} MB + {line['mb_per_1000']} MB for each thousand articles"]
    if section["skipped"]:
        lines += ["", "Skipped: " + "; ".join(f"{skip['tool']} ({skip['reason']})" for skip in section["skipped"])]
    return lines


def _table(rows: list[dict[str, Any]]) -> list[str]:
    """Return rows as a Markdown table of the columns that any of them has; a row that does not count is struck."""
    kept = [key for key in COLUMNS if any(row.get(key) not in (None, "") for row in rows)]
    lines = ["| " + " | ".join(COLUMNS[key][0] for key in kept) + " |", "|" + "---|" * len(kept)]
    for row in rows:
        cells = ["" if row.get(key) is None else COLUMNS[key][1](row[key]) for key in kept]
        if not row.get("counts", True):
            cells = [f"~~{cell}~~" if cell and key != "note" else cell for key, cell in zip(kept, cells, strict=True)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def _stages(rows: list[dict[str, Any]], slopes: dict[str, dict[str, float]]) -> list[str]:
    """Return a table of the stages for each level: seconds, their share, peak, and the slope of time over articles."""
    lines = []
    for level in dict.fromkeys(row["level"] for row in rows):
        of = [row for row in rows if row["level"] == level]
        heads = [f"{row['articles']:,}, {row['threads']} threads" for row in of]
        heads += ["slope of seconds"] * (level in slopes)
        lines += ["", f"| {level}: s (share), peak MB | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
        for name in ["all", *dict.fromkeys(name for row in of for name in row["stages"])]:
            cells = [_stage(row, name) for row in of]
            cells += [f"{slopes[level][name]:.2f}" if name in slopes[level] else ""] if level in slopes else []
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines[1:]


def _stage(row: dict[str, Any], name: str) -> str:
    """Return what one stage took; `all` has what lies between and after the stages too."""
    whole = row.get("seconds") or sum(row["stages"].values())
    seconds = whole if name == "all" else row["stages"].get(name, 0.0)
    peak = row["peak_mb"] if name == "all" else row.get("peaks", {}).get(name)
    return f"{seconds:.2f} ({seconds / whole:.0%})" + (f", {peak:,.0f}" if peak else "")


def _fact(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
