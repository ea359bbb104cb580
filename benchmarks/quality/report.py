"""Rows of plain values as text for a terminal, as Markdown, and a line per target."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]
Section = dict[str, Any]  # title, rows, seconds

TIMED = {"A2": 0.84, "MIX": 0.88}  # targets of sets with dates that mean something

_COUNTS_OF_PLACES = {"seconds": 1, "ratio": 2, "distance": 2, "margin": 4, "objective": 4}


def cell(name: str, value: Any) -> str:
    """Write one value: scores with three places."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.{_COUNTS_OF_PLACES.get(name, 3)}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def terminal(section: Section) -> str:
    """Lay out one section for a terminal: text to the left, numbers to the right."""
    names, cells = _cells(section["rows"])
    widths = [max(len(line[i]) for line in (names, *cells)) for i in range(len(names))]
    text = {i for i, name in enumerate(names) if any(isinstance(row.get(name), str) for row in section["rows"])}
    lines = [
        "  ".join(
            value.ljust(width) if i in text else value.rjust(width)
            for i, (value, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in (names, *cells)
    ]
    return "\n".join([f"{section['title']}  ({section['seconds']:.1f} s)", *(f"  {line.rstrip()}" for line in lines)])


def markdown(section: Section) -> str:
    """Write one section as a Markdown table."""
    names, cells = _cells(section["rows"])
    lines = [names, ["---"] * len(names), *cells]
    return "\n".join([f"### {section['title']}", "", *("| " + " | ".join(line) + " |" for line in lines), ""])


def _cells(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    names = [name for name in names if name != "seconds"] + ["seconds"] * ("seconds" in names)
    return names, [[cell(name, row.get(name)) for name in names] for row in rows]


def summary(sections: dict[str, Section]) -> list[Row]:
    """Pick the figures that have a target, with the target, and whether it is met."""
    rows = []

    def add(what: str, value: float, sign: str, target: float) -> None:
        met = value >= target if sign == ">=" else value <= target
        rows.append({"figure": what, "value": value, "target": f"{sign} {target:g}", "met": "yes" if met else "no"})

    def of(name: str) -> list[Row]:
        return sections.get(name, {"rows": []})["rows"]

    if scored := of("stories"):
        lowest = min(scored[:-1], key=lambda row: row["bcubed_f1"])
        add("story B-cubed F1, mean", scored[-1]["bcubed_f1"], ">=", 0.89)
        add(f"story B-cubed F1, lowest ({lowest['set']})", lowest["bcubed_f1"], ">=", 0.76)
        for row in scored[:-1]:
            if row["set"].startswith("ecb"):
                add("story B-cubed F1, look-alike events", row["bcubed_f1"], ">=", 0.90)
    for row in of("copies"):
        if "tp" in row:
            add(f"copies, pair F1, {row['set']}", row["f1"], ">=", 0.97 if row["set"].startswith("reuters") else 0.99)
        if "templates" in row:
            add(f"template pairs in one story, {row['set']}", row["in_one_story"], "<=", 0.05)
    for row in of("events"):
        if "tp" in row:
            add(f"same event, pair F1, {row['set']}", row["f1"], ">=", 0.85)
    for row in of("unrelated"):
        if row["set"].startswith("mean"):
            target = {2: 0.01, 4: 0.02, 20: 0.05}.get(row["n"], 0.10)
            add(f"one article per story, {row['n']} of them: clustered", row["clustered"], "<=", target)
    if dated := of("time"):
        for row in dated:
            if row["set"] in TIMED:
                add(f"story B-cubed F1, {row['set']}", row["f1"], ">=", TIMED[row["set"]])
        worst = min(dated[:-1], key=lambda row: row["margin"])
        add(f"worst dates against none ({worst['set']})", worst["margin"], ">=", 0.0)
    for row in of("bulk"):
        if row["set"].startswith("all, "):  # not a set of that name
            add(f"story B-cubed F1, {row['set']}", row["bcubed_f1"], ">=", 0.92)
    if planted := of("boilerplate"):
        worst = min(planted, key=lambda row: row["ratio_p"])
        add(f"boilerplate, precision kept ({worst['set']}, {worst['planted']})", worst["ratio_p"], ">=", 0.95)
    for row in of("bridges"):
        add(f"bridges, largest {row['level']} against the true one ({row['set']})", row["ratio"], "<=", 2.0)
    return rows
