"""What pass 2 says of two articles: terms, steps, links, the tree, who stands for them, what would join them."""

from __future__ import annotations

import math
from typing import Any

from dedup.explained.page import Page

_TERMS = 8  # shown one by one
_HOPS = 12  # of a chain


def show(page: Page, told: dict[str, Any]) -> None:
    """Print the second half of an explanation."""
    if told["likeness"]:
        page.head("The same story?", "pass 2 compares the words that tell")
        for side in ("a", "b"):
            if told["likeness"][side] != told[side]["doc_id"]:
                stands = f"{told['likeness'][side]} stands for the copies of {side.upper()}, and is compared for it"
                page.line(stands, "dim")
        _terms(page, told["likeness"])
        _steps(page, told["likeness"])
    if told["chain"]:
        _chain(page, told["chain"])
    if told["tree"]:
        page.head("Where the tree of stories was cut", "what is most alike merges first")
        _together(page, told["tree"]) if told["tree"]["together"] else _apart(page, told["tree"])
    _chosen(page, told["chosen"])
    if told["missing"]:
        _joining(page, told["missing"], told["settings"])


def _terms(page: Page, found: dict[str, Any]) -> None:
    shown = found["terms"][:_TERMS]
    most = shown[0]["share"] if shown else 1.0
    for term in shown:
        about = f"in {term['texts']:,} of {found['texts']:,} texts"
        page.row(term["term"], f"{term['share']:.3f}", about, term["share"] / most)
    rest = found["other_terms"]["terms"] + len(found["terms"]) - len(shown)
    if rest:
        page.row(f"{rest:,} more", f"{found['cosine'] - sum(term['share'] for term in shown):.3f}")
    page.row("cosine", f"{found['cosine']:.3f}", "their sum, 1 at most")


def _steps(page: Page, found: dict[str, Any]) -> None:
    page.gap()
    page.line("from the cosine to the score", "dim")
    for step in found["steps"]:
        sign = "" if step["step"] == "cosine" else "+"
        page.row(step["step"], f"{step['change']:{sign}.3f}", _about(step, found["neighbours"]))
    link = f"no link: {found['gate']}" if found["gate"] else "a link"
    page.row("score", f"{found['score']:.3f}", f"{link} (wanted {found['score_wanted']:.2f})")


def _about(step: dict[str, Any], neighbours: dict[str, list[dict[str, Any]]]) -> str:
    """Say what a step does."""
    if step["step"] == "neighbours":
        near = {one["doc_id"] for side in neighbours.values() for one in side}
        return f"each mixed with its nearest, {len(near)} in all" if near else "no other is near"
    if step["step"] == "crowd":
        return "what others around them have in common too"
    if step["step"] == "density":
        return f"x {step['times']:.2f}: counts less in a dense crowd"
    if step["step"] == "time":
        if step["days_apart"] is None:
            return "x 1: a date is unknown or says nothing"
        usual = "nearer" if step["times"] >= 1 else "farther"
        return f"x {step['times']:.2f}: {_days(step['days_apart'])} apart, {usual} than usual"
    return "no score is above 1" if step["step"] == "ceiling" else ""


def _chain(page: Page, found: dict[str, Any]) -> None:
    page.head("What links them", "of all ways that whose weakest link is strongest")
    hops = found["hops"]
    for at, hop in enumerate(hops):
        inner = len(hops) > _HOPS and _HOPS // 2 <= at < len(hops) - _HOPS // 2
        if not inner or at == found["weakest"]:
            weakest = "weakest link, " if at == found["weakest"] and len(hops) > 1 else ""
            page.line(f"{hop['a']} - {hop['b']}: {weakest}{_how(hop)}")
        elif at == _HOPS // 2:
            page.line(f"... {len(hops) - _HOPS:,} more links ...", "dim")


def _how(hop: dict[str, Any]) -> str:
    if hop["kind"] == "override":
        return f"the rule {hop['rule']}"
    if hop["level"] == "story":
        return f"same story, score {hop['score']:.3f} (cosine {hop['cosine']:.3f})"
    if hop["kind"] == "exact":
        return "the same text"
    if hop["kind"] == "contained":
        return f"one holds {hop['containment']:.3f} of the other"
    return f"near copy, {hop['jaccard']:.3f} shared"


def _together(page: Page, found: dict[str, Any]) -> None:
    meet, story, above = found["meet"], found["story_a"], found["above"]
    if meet["texts"] < story["texts"]:
        page.line(f"the two meet in a cluster of {_texts(meet)}")
    page.line(
        f"their story has {_texts(story)}; whole it holds together better ({story['value']:.3f}) than in parts "
        f"({story['value_of_parts']:.3f}): kept"
    )
    if above:
        page.line(
            f"the next merge would make {_texts(above)}, which hold together less whole ({above['value']:.3f}) than in "
            f"parts ({above['value_of_parts']:.3f}): cut"
        )


def _apart(page: Page, found: dict[str, Any]) -> None:
    meet = found["meet"]
    for side in ("a", "b"):
        page.line(f"the story of {side.upper()}: {_texts(found[f'story_{side}'])}")
    if meet is None:
        least = f"{found['least_height']:g}"
        page.line(f"the two never meet: the mean score between the clusters around them is under {least}")
    else:
        page.line(
            f"the two would meet in {_texts(meet)}, which hold together less whole ({meet['value']:.3f}) than in parts "
            f"({meet['value_of_parts']:.3f}): cut"
        )


def _texts(node: dict[str, Any]) -> str:
    if node["mean_link"] is None:
        return "1 text"
    return f"{node['texts']:,} texts (last merge at a mean score of {node['mean_link']:.3f})"


def _chosen(page: Page, found: list[dict[str, Any]]) -> None:
    page.head("Who stands for them")
    several = [choice for choice in found if choice["size"] > 1]
    for choice in several:
        what = "story" if choice["level"] == "story" else "copies"
        page.line(f"{what} of {choice['size']:,}: {choice['chosen']}, by {choice['rule']!r}: {choice['means']}")
    if not several:
        page.line("each for itself")


def _joining(page: Page, missing: list[str], settings: list[dict[str, Any]]) -> None:
    page.head("What is missing")
    for line in missing:
        page.line(line)
    page.head("What would join them", "tried on this run, one setting at a time")
    for entry in settings:
        if entry["setting"] == "overrides":
            page.line(entry["reason"], "bold")
        elif entry["value"] is None:
            page.line(f"not {entry['flag']}: {entry['reason']}", "dim")
        else:
            what = "one story" if entry["joins"] == "story" else "copies"
            value, in_force = (_value(entry[name]) for name in ("value", "in_force"))
            page.line(f"{entry['flag']} {value} (now {in_force}) makes them {what}", "bold")


def _value(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _days(apart: float) -> str:
    if apart >= 2:
        return f"{apart:.0f} days"
    hours = math.ceil(apart * 24)
    return f"{hours} {'hour' if hours == 1 else 'hours'}"
