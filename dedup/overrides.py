"""Rules that a person gave, which win over what is measured: `overrides.toml`, read and checked against itself.

Arrays of tables, each with a `note` if you like:

[[same]]       articles = ["a", "b"]   one story; with level = "duplicate" one group
[[different]]  articles = ["a", "b"]   no two of them in one story; with level = "duplicate" in one group only
[[canonical]]  article = "a"           stands for its story and its group
[[ignore]]     articles = ["a"]        forms no links: a story of its own

An article is a doc_id, or `{ url = "…" }` or `{ text_sha256 = "…" }`: all that have it.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from dedup.errors import SettingsError

_LARGEST = 1 << 24  # bytes of a file of rules
_KEYS = {
    "same": ("articles", "level", "note"),
    "different": ("articles", "level", "note"),
    "canonical": ("article", "note"),
    "ignore": ("articles", "note"),
}
_LEVELS = ("story", "duplicate")
_COLUMNS = ("doc_id", "url", "text_sha256")
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*['\"]?(\w+)['\"]?[ \t]*\]\]", re.MULTILINE)
_SHOWN = 4  # articles of a rule in a message


class Article(NamedTuple):
    """What names articles: a column and the value that they have there."""

    column: str
    value: str


class Rule(NamedTuple):
    """One rule, and where it stands."""

    kind: str
    articles: tuple[Article, ...]
    level: str
    place: str

    def __str__(self) -> str:
        names = [repr(article.value) for article in self.articles]
        more = [] if len(names) <= _SHOWN else [f"and {len(names) - _SHOWN} more"]
        return f"{self.place} ({self.kind} {', '.join(names[:_SHOWN] + more)})"


@dataclass(frozen=True)
class Overrides:
    """The rules of a file, and the SHA-256 of its bytes."""

    path: str
    sha256: str
    rules: tuple[Rule, ...]


def load(path: str) -> Overrides:
    """Read rules from a file and check that none contradicts another.

    Raises
    ------
    SettingsError
        The file cannot be read, a key or a value is none of those above, or two rules contradict each other.
    """
    import hashlib  # noqa: PLC0415 - neither is for --help
    import tomllib  # noqa: PLC0415

    try:
        if not Path(path).is_file():
            raise SettingsError(f"overrides: {path}: not a file; wanted rules in TOML; name another with --overrides")
        if (size := Path(path).stat().st_size) > _LARGEST:
            raise SettingsError(f"overrides: {path}: got {size:,} bytes, wanted at most {_LARGEST:,}")
        content = Path(path).read_bytes()
        text = content.decode("utf-8-sig")
        table = tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"overrides: {path}: {error.strerror}; make it readable, or name another") from None
    except RecursionError:
        raise SettingsError(f"overrides: {path}: nested too deep; wanted tables such as [[same]]") from None
    except ValueError as error:  # tomllib.TOMLDecodeError, UnicodeDecodeError, a path with a NUL
        raise SettingsError(f"overrides: {path}: not TOML ({error}); wanted tables such as [[same]]") from None
    rules = tuple(_rules(table, path, _lines(text)))
    check(rules, {article: (article,) for rule in rules for article in rule.articles}.__getitem__)
    return Overrides(path, hashlib.sha256(content).hexdigest(), rules)


def check(rules: Iterable[Rule], meant: Callable[[Article], Sequence[Hashable]]) -> None:
    """Refuse rules that cannot all be kept.

    Parameters
    ----------
    meant : the articles that a name stands for, in any form that tells them apart.

    Raises
    ------
    SettingsError
        Names the rules that contradict each other, with their lines.
    """
    rules = list(rules)
    links: dict[str, dict[Hashable, list[tuple[Hashable, Rule]]]] = {level: defaultdict(list) for level in _LEVELS}
    ignored = {one: rule for rule in rules if rule.kind == "ignore" for name in rule.articles for one in meant(name)}
    for rule in rules:
        if rule.kind != "same":
            continue
        members = [one for name in rule.articles for one in meant(name)]
        if clash := next((one for one in members if one in ignored and len(set(members)) > 1), None):
            raise _contradiction(rule, [ignored[clash]], "an ignored article is in no story with others")
        for level in _LEVELS if rule.level == "duplicate" else ("story",):
            for one in members[1:]:
                links[level][members[0]].append((one, rule))
                links[level][one].append((members[0], rule))
    components = {level: _components(links[level]) for level in _LEVELS}
    for rule in rules:
        if rule.kind == "different":
            sides = [meant(name) for name in rule.articles]
            for one, other in _joined(sides, components[rule.level]):
                between = path(links[rule.level], one, other)
                raise _contradiction(rule, between, f"together they put two articles into one {_cluster(rule.level)}")
    stands: dict[Hashable, tuple[Hashable, Rule]] = {}
    for rule in rules:
        if rule.kind == "canonical":
            found = meant(rule.articles[0])
            for one in found:
                other, earlier = stands.setdefault(components["story"].get(one, one), (one, rule))
                if other not in found:
                    between = path(links["story"], one, other)
                    raise _contradiction(rule, [earlier, *between], "one article stands for a story")


def _components(links: dict[Hashable, list[tuple[Hashable, Rule]]]) -> dict[Hashable, Hashable]:
    """Name the component of each linked article."""
    found: dict[Hashable, Hashable] = {}
    for start in links:
        if start in found:
            continue
        found[start], open_ = start, [start]
        while open_:
            for one, _ in links[open_.pop()]:
                if one not in found:
                    found[one] = start
                    open_.append(one)
    return found


def _joined(sides: Sequence[Sequence[Hashable]], components: dict[Hashable, Hashable]) -> Iterable[tuple[Any, Any]]:
    """Yield two articles of different sides that are the same or linked, if there are any."""
    seen: dict[Hashable, tuple[int, Hashable]] = {}
    for number, side in enumerate(sides):
        for one in side:
            before, other = seen.setdefault(components.get(one, one), (number, one))
            if before != number:
                yield other, one


def path(links: dict[Hashable, list[tuple[Hashable, Rule]]], start: Hashable, end: Hashable) -> list[Rule]:
    """Return the rules that link two articles, over as few as possible; none where both are one, or not linked."""
    came: dict[Hashable, tuple[Hashable, Rule] | None] = {start: None}
    open_ = deque([start])
    while open_ and end not in came:
        at = open_.popleft()
        for one, rule in links.get(at, ()):
            if one not in came:
                came[one] = (at, rule)
                open_.append(one)
    rules: list[Rule] = []
    if end not in came:
        return rules
    while (step := came[end]) is not None:
        end, rule = step
        rules.append(rule)
    return list(dict.fromkeys(reversed(rules)))


def _contradiction(rule: Rule, others: list[Rule], why: str) -> SettingsError:
    against = " and ".join(map(str, others)) or "itself, since two of its names stand for one article"
    return SettingsError(f"overrides: {rule} contradicts {against}: {why}; remove or change one of these rules")


def _cluster(level: str) -> str:
    return "story" if level == "story" else "duplicate group"


def _lines(text: str) -> dict[str, list[int]]:
    """Return the lines of the headers of each kind; tomllib does not tell where it found a table."""
    lines = defaultdict(list)
    for header in _HEADER.finditer(text):
        lines[header.group(1)].append(text.count("\n", 0, header.start()) + 1)
    return lines


def _rules(table: dict[str, Any], path: str, lines: dict[str, list[int]]) -> Iterable[Rule]:
    for kind, given in table.items():
        if kind not in _KEYS:
            raise SettingsError(f"overrides: {path}: no rule {kind!r}; {_near(kind, _KEYS)}")
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            raise SettingsError(f"overrides: {path}: {kind}: wanted tables under the header [[{kind}]]")
        # A header inside a string of several lines would be counted too: better no line than a wrong one.
        known = lines[kind] if len(lines[kind]) == len(given) else [0] * len(given)
        for number, (one, line) in enumerate(zip(given, known, strict=True), 1):
            place = f"{path} line {line}" if line else f"{path} [[{kind}]] number {number}"
            yield _rule(kind, one, place)


def _rule(kind: str, given: dict[str, Any], place: str) -> Rule:
    for key in given:
        if key not in _KEYS[kind]:
            raise SettingsError(f"overrides: {place}: [[{kind}]] has no key {key!r}; {_near(key, _KEYS[kind])}")
    key = _KEYS[kind][0]
    names = given.get(key)
    if kind == "canonical":
        names = None if names is None else [names]
    if not isinstance(names, list) or not names:
        wanted = f'{key} = "ID"' if kind == "canonical" else f'{key} = ["ID", …]'
        raise SettingsError(f"overrides: {place}: [[{kind}]] names no article; wanted {wanted}")
    articles = tuple(_article(name, f"{place}: [[{kind}]] {key}") for name in names)
    if kind in ("same", "different") and len(articles) < 2:
        raise SettingsError(f"overrides: {place}: [[{kind}]] names 1 article; wanted two or more")
    level = given.get("level", "story")
    if level not in _LEVELS:
        raise SettingsError(f"overrides: {place}: level: got {level!r}, wanted {' or '.join(map(repr, _LEVELS))}")
    return Rule(kind, articles, level, place)


def _article(name: Any, place: str) -> Article:
    if isinstance(name, str) and name:
        return Article("doc_id", name)
    if isinstance(name, dict) and len(name) == 1:
        column, value = next(iter(name.items()))
        if column in _COLUMNS and isinstance(value, str) and value:
            return Article(column, value)
    wanted = 'a doc_id in quotes, { url = "…" } or { text_sha256 = "…" }'
    raise SettingsError(f"overrides: {place}: got {str(name)[:80]!r}, wanted {wanted}")


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower(), list(known), 1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


def pairs(sides: Sequence[Sequence[int]], kind: str) -> Iterable[tuple[int, int]]:
    """Yield the pairs of articles that a rule speaks of: of `same` the first with each other one, else all of them."""
    if kind == "same":
        every = [one for side in sides for one in side]
        return ((every[0], one) for one in every[1:])
    return ((one, other) for a, b in combinations(sides, 2) for one in a for other in b)
