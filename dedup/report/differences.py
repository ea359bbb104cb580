"""What a copy changed in the text that it copies, short enough for a page."""

from __future__ import annotations

from dedup.aligning import align

MOST_CHARS = 20_000  # of a text that are compared
LONGEST = 1_500  # characters of changed passages that are shown of one pair ...
PASSAGE = 600  # ... and of one passage
AROUND = 60  # characters of an unchanged passage that are shown beside a change

Piece = list[str]  # `=`, `-`, `+` or `…`, and the text


def pieces(old: str, new: str) -> tuple[list[Piece], bool]:
    """Return two texts as one, with what is left out and what is put in.

    Parameters
    ----------
    old, new : texts; their first `MOST_CHARS` characters are compared.

    Returns
    -------
    Pieces of `=` (in both), `-` (in the old one), `+` (in the new one) and `…` (in both, left out here); and whether
    they are all of the two texts.
    """
    cut = len(old) > MOST_CHARS or len(new) > MOST_CHARS
    old, new = old[:MOST_CHARS], new[:MOST_CHARS]
    found: list[Piece] = []
    spans = align(old, new)
    shown = 0
    for place, span in enumerate(spans):
        if shown > LONGEST:
            return found, False
        before, after = old[span.a_start : span.a_end], new[span.b_start : span.b_end]
        if span.same:
            found += _shortened(after, first=place == 0, last=place == len(spans) - 1)
            continue
        for sign, part in (("-", before), ("+", after)):
            if part:
                found.append([sign, part if len(part) <= PASSAGE else part[:PASSAGE] + " …"])
                shown += min(len(part), PASSAGE)
                cut = cut or len(part) > PASSAGE
    return found, not cut


def _shortened(text: str, *, first: bool, last: bool) -> list[Piece]:
    """Return an unchanged passage without its middle, where it is long; of the ends only what is near a change."""
    if len(text) <= 3 * AROUND:
        return [["=", text]]
    head, tail = text[:AROUND].rpartition(" ")[0], text[-AROUND:].partition(" ")[2]
    left_out = ["…", f"{len(text) - (not first) * len(head) - (not last) * len(tail):,}"]
    return [*([] if first else [["=", head]]), left_out, *([] if last else [["=", tail]])]
