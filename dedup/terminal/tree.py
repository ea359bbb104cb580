"""One story as a tree: its groups, their articles, and what holds them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from dedup import charts, summaries
from dedup.terminal.safe import clean
from dedup.terminal.screen import cut, line, padded, plural, prose, signs, span

_MOST_OF_A_SOURCE = 24
_LEAST_OF_A_SOURCE = 6
_MOST_SIGNS = 40  # of articles over time
_ASKED = " <"  # behind an id, which is there to be copied
_WORDS = {"same_story": "same story"}


@dataclass(frozen=True)
class _Page:
    """How wide the columns of all articles are; 0 leaves one out."""

    date: int
    source: int
    asked: str
    on_one_line: bool


def story(to: Console, found: dict[str, Any], top: int, asked: str) -> None:
    """Print one story: its groups, their articles, and what holds them together.

    A pipe gets nothing cut, and an article with its title on one line.

    Parameters
    ----------
    to : console on stdout.
    found : as `Result.story` returns it.
    top : groups to show, and articles of each; the one that was asked for is always among them.
    asked : the id that was asked for; it is marked.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for document in found["documents"]:
        groups.setdefault(document["duplicate_id"], []).append(document)
    _head(to, found, len(groups))
    to.print()
    shown = _folded(list(groups), top, _is_asked(groups, asked))
    members = {one: _folded(groups[one], top, [d["doc_id"] == asked for d in groups[one]]) for one in shown}
    page = _page(to, [document for documents in members.values() for document in documents], asked)
    left = len(groups) - len(shown)
    drawn = signs(to)
    for place, one in enumerate(shown):
        is_last = place == len(shown) - 1 and not left
        stem = drawn.last if is_last else drawn.branch
        if len(groups[one]) == 1:
            under = "  " if is_last else drawn.trunk
            _article(to, members[one][0], stem + stem[-1] * 3, under + "   ", page, marked=one == asked)
        else:
            _group(to, one, groups[one], members[one], stem, "  " if is_last else drawn.trunk, page)
    if left:
        articles = sum(len(groups[one]) for one in groups if one not in members)
        what = f"{plural(left, 'more text')} with {plural(articles, 'article')}"
        line(to, f"{drawn.last} {drawn.cut} {what}; --top {len(groups)} shows all", "dim")
    to.print()
    _legend(to, groups, page.asked)


def _is_asked(groups: dict[str, list[dict[str, Any]]], asked: str) -> list[bool]:
    return [one == asked or any(d["doc_id"] == asked for d in documents) for one, documents in groups.items()]


def _folded(items: list[Any], top: int, asked: list[bool]) -> list[Any]:
    """Return the first ones, and in place of the last of them the one that was asked for."""
    if len(items) <= top or True not in asked[top:]:
        return items[:top]
    return [*items[: top - 1], items[asked.index(True)]]


def _head(to: Console, found: dict[str, Any], n_groups: int) -> None:
    documents = found["documents"]
    of = found["story"] or found["groups"][0]
    title = next((document["title"] for document in documents if document["is_canonical"]), None)
    to.print(Text(clean(title or documents[0]["title"] or documents[0]["excerpt"] or "(no title)"), "bold"))
    counts = [plural(len(documents), "article"), plural(n_groups, "text")]
    if of["n_sources"]:
        counts.append(plural(of["n_sources"], "source"))
    when = span(to, of["first_published_at"], of["last_published_at"])
    prose(to, f"{documents[0]['story_id'] or documents[0]['duplicate_id']}: {', '.join(filter(None, [*counts, when]))}")
    axis = summaries.timeline([[document["published_at"] for document in documents]], _MOST_SIGNS)
    if axis is not None and to.is_terminal:
        counts = axis.counts[0].tolist()
        drawn = charts.sparkline(counts, max(counts), charts.draws(to))
        said = f"over time: {drawn}  a sign: {plural(axis.days, 'day')}; the highest: {plural(max(counts), 'article')}"
        line(to, cut(to, said, to.width))
    if of.get("top_terms"):
        prose(to, f"terms: {of['top_terms']}")
    for said in _links(found["links"]):
        prose(to, said)


def _links(links: dict[str, Any]) -> tuple[str, str]:
    between = f"links between texts: {links['story']:,}"
    if links["min_cosine"] is not None:
        between += f" (cosine at least {links['min_cosine']:.2f}, mean {links['mean_cosine']:.2f})"
    return between, f"links between copies: {links['duplicate']:,}; pairs kept apart: {links['refused']:,}"


def _page(to: Console, documents: list[dict[str, Any]], asked: str) -> _Page:
    ids, sources = (
        max(cell_len(clean(document[name] or "")) for document in documents) for name in ("doc_id", "source")
    )
    date = 10 if any(document["published_at"] for document in documents) else 0
    if not to.is_terminal:
        return _Page(date, sources, asked, on_one_line=True)
    room = to.width - 26 - len(_ASKED) - ids
    date = date if room >= 12 else 0
    room -= date + 4
    source = min(sources, _MOST_OF_A_SOURCE, max(room, 0))
    fits = source if source >= min(sources, _LEAST_OF_A_SOURCE) else 0
    return _Page(date, fits, asked, on_one_line=room - fits >= 40)


def _group(
    to: Console,
    duplicate_id: str,
    documents: list[dict[str, Any]],
    shown: list[dict[str, Any]],
    stem: str,
    trunk: str,
    page: _Page,
) -> None:
    drawn = signs(to)
    said = Text(f"{stem} ")
    _name(said, duplicate_id, duplicate_id == page.asked)
    said.append("  ")
    size = f"{plural(len(documents), 'article')} with one text"
    to.print(said.append(cut(to, size, to.width - said.cell_len)), soft_wrap=True)
    left = len(documents) - len(shown)
    before = ""
    for place, document in enumerate(shown):
        is_last = place == len(shown) - 1 and not left
        title = _title(document)
        under = "  " if is_last else drawn.trunk
        again = title == before and not page.on_one_line
        _article(
            to,
            document,
            f"{trunk} {drawn.last if is_last else drawn.branch}",
            f"{trunk} {under}",
            page,
            titled=not again,
        )
        before = title
    if left:
        line(to, f"{trunk} {drawn.last} {drawn.cut} {left:,} more; --top {len(documents)} shows all", "dim")


def _article(
    to: Console,
    document: dict[str, Any],
    stem: str,
    trunk: str,
    page: _Page,
    *,
    marked: bool = False,
    titled: bool = True,
) -> None:
    mark = "*" if document["is_canonical"] else "+" if document["is_representative"] else " "
    likeness, date = _likeness(document), document["published_at"]
    cells = [f"{stem} {mark}", padded(_WORDS.get(document["relation"], document["relation"]), 10)]
    cells.append(f"{likeness:.2f}" if likeness is not None else "    ")
    if page.date:
        cells.append(f"{date:%Y-%m-%d}" if date else "no date   ")
    if page.source:
        source = document["source"] or ""
        cells.append(padded(cut(to, source, page.source) if to.is_terminal else clean(source), page.source))
    said = Text(f"{cells[0]} " + "  ".join(cells[1:]) + "  ")
    _name(said, clean(document["doc_id"]), marked or document["doc_id"] == page.asked)
    title = _title(document)
    if page.on_one_line:
        said.append("  " + (cut(to, title, to.width - said.cell_len - 2) if to.is_terminal else clean(title)))
    to.print(said, soft_wrap=True)  # an id is there to be copied, so it is never cut
    if titled and not page.on_one_line:
        to.print(Text(f"{trunk}   ").append(cut(to, title, to.width - cell_len(trunk) - 3), "dim"))


def _name(said: Text, name: str, asked: bool) -> None:
    said.append(name, "reverse" if asked else "").append(_ASKED if asked else "")


def _title(document: dict[str, Any]) -> str:
    return document["title"] or document["excerpt"] or "(no title)"


def _likeness(document: dict[str, Any]) -> float | None:
    """Return what a copy shares with the text it is a copy of, or how like a text is to the canonical one."""
    if document["is_canonical"]:
        return None
    if document["is_representative"]:
        return document["cosine"]  # type: ignore[no-any-return]
    return document["containment" if document["relation"] == "contained" else "jaccard"]  # type: ignore[no-any-return]


def _legend(to: Console, groups: dict[str, list[dict[str, Any]]], asked: str) -> None:
    if any(_is_asked(groups, asked)):
        prose(to, f"{_ASKED.strip()} what you asked for", "dim")
    prose(to, "* stands for the whole story, + for the copies of one text", "dim")
    if len(groups) > 1:
        prose(to, "same story: other words; the number is the likeness (cosine) to *, 0 to 1", "dim")
    if any(len(documents) > 1 for documents in groups.values()):
        prose(to, "exact, near, contained: a copy; the number is the wording shared with its * or +", "dim")
