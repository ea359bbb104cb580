"""docs/reference/python.md: what Python programs use, from signatures and NumPy-style docstrings."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable
from importlib import import_module
from typing import Any

import markdown

import dedup
from dedup.errors import DedupError

_INTRO = """# Python

`import dedup` takes no time: each name is loaded when it is first used. Types are annotated (`py.typed`), what goes
on is told to `logging.getLogger("dedup")`, and nothing is printed. [Errors](errors.md) and [settings](settings.md)
have pages of their own; [embedding in Python](../howto/python.md) shows how the pieces are put together.
"""
# Not of the package's own namespace, but made to be called.
_MORE = (
    "dedup.evaluate.evaluate",
    "dedup.gold.read_gold",
    "dedup.sweep.sweep",
    "dedup.duplicates.signatures",
    "dedup.duplicates.to_datasketch",
)
_INNER = {"save"}  # methods for other modules of the package
_SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)


def page() -> str:
    """Return the page."""
    parts = [_INTRO]
    for name in dedup.__all__:
        value = getattr(dedup, name)
        if name == "__version__" or (inspect.isclass(value) and issubclass(value, DedupError)):
            continue
        parts.append(_class(name, value) if inspect.isclass(value) else _function(f"dedup.{name}", value, "##"))
    parts.append("## Further functions\n")
    for full in _MORE:
        module, _, name = full.rpartition(".")
        parts.append(_function(full, getattr(import_module(module), name), "###"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts))


def _class(name: str, kind: type) -> str:
    if name == "Params":
        link = "Its parts are classes of parameters, each with its defaults: [parameters](settings.md#parameters).\n"
        return "\n".join([f"## dedup.{name}\n", _call(f"dedup.{name}", kind), _prose(kind), link])
    own = [
        (method, value)
        for method, value in vars(kind).items()
        if isinstance(value, types.FunctionType) and not method.startswith("_") and method not in _INNER
    ]
    # What a frozen dataclass takes is of no use to those who never make one.
    made = [] if name == "Result" else [_call(f"dedup.{name}", kind)]
    parts = [f"## dedup.{name}\n", *made, _prose(kind)]
    return "\n".join([*parts, *(_function(f"{name}.{method}", value, "###") for method, value in own)])


def _function(name: str, function: Callable[..., Any], level: str) -> str:
    return "\n".join([f"{level} {name}\n", _call(name, function), _prose(function)])


def _call(name: str, function: Callable[..., Any]) -> str:
    """Return how it is called, without annotations: the docstring says more than they."""
    signature = inspect.signature(function)
    given = [one.replace(annotation=one.empty) for one in signature.parameters.values() if one.name != "self"]
    words = [re.sub(r"<class '(\w+)'>", r"\1", str(one)) for one in given]
    if any(one.kind == one.KEYWORD_ONLY for one in given) and not any(one.kind == one.VAR_POSITIONAL for one in given):
        words.insert(next(i for i, one in enumerate(given) if one.kind == one.KEYWORD_ONLY), "*")
    line = f"{name}({', '.join(words)})"
    if len(line) > 110:
        line = f"{name}(\n    " + ",\n    ".join(words) + ",\n)"
    return f"```text\n{line}\n```\n"


def _prose(thing: Any) -> str:
    """Return a docstring as Markdown: its sections with an entry a line."""
    text = inspect.getdoc(thing) or ""
    head, *rest = _SECTION.split(text)
    parts = [_paragraphs(head)]
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        if title == "Examples":
            parts.append(f"**Examples**\n\n```pycon\n{body.strip()}\n```\n")
        elif title in ("Returns", "Yields"):
            kind, _, more = body.strip().partition("\n")
            told = f"`{kind}`: {more}" if more and re.fullmatch(r"\w+", kind) else body
            parts.append(f"**{title}** " + " ".join(told.split()) + "\n")
        else:
            parts.append(f"**{title}**\n\n" + _entries(title, body))
    return "\n".join(parts)


def _paragraphs(text: str) -> str:
    return "".join(_paragraph(part) + "\n" for part in text.strip().split("\n\n"))


def _paragraph(part: str) -> str:
    """Return a paragraph as one line; a list of `name : meaning` in it stays a list."""
    lines = part.splitlines()
    if re.match(r"^[\w, ]+ : ", lines[0]):
        return _entries("", part)
    return " ".join(part.split()) + "\n"


def _entries(title: str, body: str) -> str:
    """Return `name : meaning` or, of errors, a name with what is below it, as a table."""
    found: list[list[str]] = []
    for line in body.strip("\n").splitlines():
        head, colon, tail = line.partition(" : ")
        name = re.fullmatch(r"[\w, *]+", head) if not line.startswith(" ") else None
        if name and (colon or title == "Raises"):
            found.append([", ".join(f"`{word.strip()}`" for word in head.split(",")), tail])
        elif found and line.strip():
            found[-1][1] = f"{found[-1][1]} {line.strip()}".strip()
    for entry in found:
        entry[1] = entry[1] or "see [errors](errors.md)"
    return markdown.table(("error" if title == "Raises" else "name", "when" if title == "Raises" else "meaning"), found)
