"""A web page → main text, title, date, source, language and URL, by resiliparse."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from dedup.errors import InputError

MAX_BYTES = 8 << 20
# What the parser needs grows with the square of both: 100,000 levels took it six minutes, 100,000 attributes 35 s.
MAX_DEPTH = 512  # browsers stop there too
MAX_TAG_WORDS = 2000  # in one tag: its attributes, and the words in their values

_DECLARED_IN = 2048  # bytes; the standard asks for the first 1,024
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]*)([^<>]*)>")
# Elements that have no end, or whose end may be left out: they do not nest in themselves.
_LOOSE = frozenset(
    (
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"),
        *("p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "optgroup", "colgroup"),
    )
)
_PUBLISHED = re.compile(r'"datePublished"\s*:\s*"([^"\\]{4,40})"')
_DATES = (
    'meta[property="article:published_time"]',
    'meta[itemprop="datePublished"]',
    'meta[name="date"]',
    'meta[name="pubdate"]',
    'meta[name="publishdate"]',
    'meta[name="DC.date.issued"]',
    'meta[name="dcterms.created"]',
    'meta[name="parsely-pub-date"]',
)


def declared(data: bytes) -> str:
    """Return the encoding that a page gives for itself, or "" where it gives none."""
    found = _CHARSET.search(data[:_DECLARED_IN])
    return found[1].decode("ascii") if found else ""


def too_hard(page: str) -> str:
    """Return why a page is not parsed, or "" where it can be: its cost is bounded before the parser sees it."""
    depth = deepest = 0
    for end, name, rest in _TAG.findall(page):
        if len(rest) > MAX_TAG_WORDS and len(rest.split()) > MAX_TAG_WORDS:
            return f"over {MAX_TAG_WORDS:,} words in one tag; wanted a page of text; leave it out"
        if name.lower() not in _LOOSE and not rest.endswith("/"):
            depth = max(0, depth - 1) if end else depth + 1
            deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        return f"tags nested {deepest:,} deep; wanted at most {MAX_DEPTH:,}; leave it out"
    return ""


def article(page: str) -> dict[str, str]:
    """Return `text` and, where the page gives them, `title`, `date`, `source`, `lang` and `url`.

    Parameters
    ----------
    page : one that is not `too_hard`.

    Raises
    ------
    InputError
        If resiliparse is not installed.
    """
    try:
        from resiliparse.extract.html2text import extract_plain_text  # noqa: PLC0415 - an extra
        from resiliparse.parse.html import HTMLTree  # noqa: PLC0415
    except ImportError as error:
        raise InputError(
            f"web pages: {error}; wanted resiliparse; pip install 'dedup-stories[html]', or --exclude '*.htm*'"
        ) from None
    tree: Any = HTMLTree.parse(page)
    url = _first(tree, ('link[rel="canonical"]', "href"), ('meta[property="og:url"]', "content"))
    heading = tree.document.query_selector("h1")
    found: dict[str, str] = {
        "title": _first(tree, ('meta[property="og:title"]', "content"))
        or tree.title
        or (heading.text if heading else ""),
        "date": _date(tree),
        "source": _first(tree, ('meta[property="og:site_name"]', "content")) or _host(url),
        "lang": _first(tree, ("html", "lang")),
        "url": url,
    }
    text = ""
    for main_content in (True, False):  # of some short pages no main content is left
        text = text or extract_plain_text(tree, main_content=main_content, alt_texts=False, links=False).strip()
    return {"text": text} | {name: " ".join(value.split()) for name, value in found.items() if value.strip()}


def _first(tree: Any, *places: tuple[str, str]) -> str:
    for selector, attribute in places:
        element = tree.document.query_selector(selector)
        value = element.getattr(attribute) if element is not None else None
        if value and value.strip():
            return str(value)
    return ""


def _date(tree: Any) -> str:
    if given := _first(tree, *((selector, "content") for selector in _DATES)):
        return given
    for script in tree.document.query_selector_all('script[type="application/ld+json"]'):
        if found := _PUBLISHED.search(script.text):
            return found[1]
    return _first(tree, ("time[datetime]", "datetime"))


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:  # a bracket in it
        return ""
