"""The verdict, the two articles, and what pass 1 says of them: wording, figures, passages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dedup.explained.page import Page

_PASSAGES = 12  # stretches shown of two texts that are mostly alike, and half as many of others
_DIFF_FROM = 0.3  # share of the shorter text from which what differs says more than what is shared
_LINES = 4  # most of a stretch
_SIDES = {"a": "cyan", "b": "magenta"}


def show(page: Page, told: dict[str, Any]) -> None:
    """Print the first half of an explanation."""
    verdict = told["verdict"]
    page.line(verdict["sentence"], "bold green" if verdict["together"] else "bold yellow", lead="")
    page.gap()
    for side in _SIDES:
        _article(page, side.upper(), told[side])
    page.head("The same text?", "pass 1 compares wording and figures")
    _wording(page, told["wording"])
    if told["wording"]["notice"]:
        _notice(page, told["wording"])
    for side, share in told["wording"]["boilerplate"].items():
        if share >= 0.005:
            page.line(
                f"{share * 100:.0f} % of {side.upper()} does not count: boilerplate, which other articles have too",
                "dim",
            )
    if told["wording"]["equal"]:
        page.line("the texts are equal, word for word")
    else:
        _passages(page, told["passages"])


def _article(page: Page, mark: str, row: dict[str, Any]) -> None:
    when = row["published_at"]
    date = f"{when:%Y-%m-%d %H:%M}" if isinstance(when, datetime) else "no date"
    page.line(f"{row['doc_id']} ({', '.join(filter(None, (row['source'], date)))})", lead=f"{mark}  ")
    page.cut(row["title"] or row["excerpt"] or "(no title)", "dim", lead="   ")


def _wording(page: Page, found: dict[str, Any]) -> None:
    for name, key in (("wording shared", "jaccard"), ("one holds of the other", "containment")):
        wanted = found[f"{key}_wanted"]
        _fact(page, name, f"{found[key]:.3f}", f"{wanted:.2f}", found[key] >= wanted)
    figures = found["figures"]
    total, slack = figures["agreeing"] + figures["differing"], figures["slack"]
    if total:
        fine = figures["differing"] <= slack or figures["agreeing"] >= figures["wanted"] * total
        wanted = f"{figures['wanted']:.2f}" + (f", or all but {slack}" if slack else "")
        _fact(page, "figures that agree", f"{figures['agreeing']} of {total}", wanted, fine)


def _notice(page: Page, found: dict[str, Any]) -> None:
    titles, hours = found["titles"], found["hours_apart"]
    page.line(f"a notice of under {found['notice_words']} words must also agree in", "dim")
    if titles["words"]:
        fine = titles["shared"] >= titles["wanted"]
        _fact(page, "words of the headline", f"{titles['shared']} of {titles['words']}", str(titles["wanted"]), fine)
    if hours is not None:
        wanted = f"less than {found['hours_wanted']:.0f}"
        _fact(page, "hours between them", f"{hours:.0f}", wanted, hours < found["hours_wanted"])


def _fact(page: Page, name: str, value: str, wanted: str, fine: bool) -> None:
    page.row(name, value, f"wanted {wanted}: {'yes' if fine else 'no'}")


def _passages(page: Page, found: list[dict[str, Any]]) -> None:
    long = [part for part in found if "both" in part and part["words"] >= 3]
    if not long:
        page.line("no three words in a row are in both")
        return
    shared = sum(part["words"] for part in found if "both" in part)
    alone = min(sum(len(part[side].split()) for part in found if side in part) for side in _SIDES)
    if shared >= _DIFF_FROM * (shared + alone):
        page.line("word by word: = in both, A only in A, B only in B", "dim")
        shown, left = found[:_PASSAGES], len(found) - _PASSAGES
    else:
        by_length = sorted(range(len(long)), key=lambda at: -long[at]["words"])[: _PASSAGES // 2]
        page.line("passages that both have", "dim")
        shown, left = [long[at] for at in sorted(by_length)], len(long) - len(by_length)
    for part in shown:
        _stretch(page, part)
    if left > 0:
        page.line(f"and {left:,} more, with --json", "dim")


def _stretch(page: Page, part: dict[str, Any]) -> None:
    room = _LINES * (page.width - 8)
    if "both" in part:
        words = f"{part['words']:,} {'word' if part['words'] == 1 else 'words'}"
        page.line(f"{_middle_cut(part['both'], room // 2)}  ({words})", "green", "  = ")
    for side, style in _SIDES.items():
        if part.get(side, "").strip():
            page.line(_middle_cut(part[side], room), style, f"  {side.upper()} ")


def _middle_cut(text: str, most: int) -> str:
    """Leave out the middle of a long text, at white space where there is some near by."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    head, tail = text[: most // 2], text[-(most // 2) :]
    head = head.rsplit(" ", 1)[0] if " " in head[-30:] else head
    tail = tail.split(" ", 1)[1] if " " in tail[:30] else tail
    return f"{head} [...] {tail}"
