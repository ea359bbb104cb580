"""docs/reference/settings.md: every number with unit, range, default and reason, from dedup/params.py."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import typing
from pathlib import Path
from typing import Any, NamedTuple

import markdown
import ref_commands

from dedup import clustering, params, previews, settings

_INTRO = """# Settings and parameters

## Settings

What a user can set. The same name is a flag (with dashes, and `-col` behind the name of a column), a key of
`dedup.toml`, a variable (`DEDUP_` and capitals) and an argument of `dedup.cluster`. Flags win over variables, these
over `dedup.toml`, this over the defaults; `dedup config` shows which are in force and why. A value outside its range
ends the command with code 2.
"""
_MORE = """## Parameters

All numbers that decide something, also those that are no settings: they were chosen together, on labelled sets, and
are changed in Python only (`dedup.cluster(source, params=Params(stories=StoryParams(feedback=0.2)))`). Those with a
range are checked.
"""
_UNITS = (
    *("records", "characters", "share", "slots", "tokens", "words", "hours", "documents", "pairs", "shingles"),
    *("cosine", "times", "height", "exponent", "neighbours", "similarity", "terms", "days", "index entries"),
    *("score", "threads", "bytes"),
)
_NO_BOUND = 2**40
_GROUPS = {
    "reading": params.ReadingParams,
    "duplicates": params.DuplicateParams,
    "boilerplate": params.BoilerplateParams,
    "stories": params.StoryParams,
    "": params.Params,
}
# What a run finds out where none is given.
_FOUND_OUT = {"jobs": "all cores", "memory": "half of what it may use, at most 4 GiB", "tmp_dir": "the system's"}


class Field(NamedTuple):
    """A parameter: what its comment says, and the range that is checked."""

    default: Any
    unit: str
    reason: str
    range: str


def page() -> str:
    """Return the page."""
    fields = read()
    parts = [
        _INTRO,
        markdown.table(("name and flag", "takes", "default", "meaning"), _settings(fields)),
    ]
    parts.append(_MORE)
    for group, kind in _GROUPS.items():
        found = {name: one for name, one in fields[group].items() if isinstance(one.default, int | float) or one.unit}
        rows = [
            (
                markdown.code(name),
                one.unit,
                one.range,
                markdown.number(one.default) if one.default is not None else "",
                one.reason,
            )
            for name, one in found.items()
            if not isinstance(one.default, bool)
        ]
        about = (kind.__doc__ or "").split("\n\n")
        parts.append(f"### {kind.__name__}\n\n" + "\n\n".join(" ".join(part.split()) for part in about) + "\n")
        parts.append(markdown.table(("parameter", "unit", "range", "default", "reason"), rows))
    return "\n".join(parts)


def read() -> dict[str, dict[str, Field]]:
    """Read every field of every class of parameters, with its comment and its range.

    Raises
    ------
    ValueError
        A number has no comment that begins with its unit.
    """
    source = Path(params.__file__).read_text("utf-8")
    comments = {
        token.start[0]: (token.string.lstrip("# "), token.line.lstrip().startswith("#"))
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and "noqa" not in token.string
    }
    classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    return {group: _fields(classes[kind.__name__], kind, comments) for group, kind in _GROUPS.items()}


def _fields(node: ast.ClassDef, kind: type, comments: dict[int, tuple[str, bool]]) -> dict[str, Field]:
    ranges = {
        call.args[1].attr: _span(call.args[2], call.args[3])
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", "") == "_check"
        and isinstance(call.args[1], ast.Attribute)
    }
    found = {}
    for field in node.body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        text, line = [], field.lineno
        while comments.get(line - 1, ("", False))[1]:  # lines of their own above the field
            line -= 1
            text.insert(0, comments[line][0])
        text += [comments[field.lineno][0]] if field.lineno in comments else []
        default = getattr(kind(), field.target.id)
        found[field.target.id] = _field(
            f"{node.name}.{field.target.id}", default, " ".join(text), ranges.get(field.target.id, "")
        )
    return found


def _field(name: str, default: Any, comment: str, checked: str) -> Field:
    unit = next((unit for unit in _UNITS if re.match(rf"{unit}\b", comment)), "")
    if isinstance(default, int | float) and not isinstance(default, bool) and not unit:
        raise ValueError(f"dedup/params.py: {name}: got the comment {comment!r}, wanted one that begins with its unit")
    return Field(default, unit, re.sub(rf"^{unit}[;,:] ", "", comment) if unit else comment, checked)


def _span(*bounds: ast.expr) -> str:
    low, high = (eval(compile(ast.Expression(node), "params.py", "eval")) for node in bounds)
    return f"{low} or more" if high >= _NO_BOUND else f"{markdown.number(low)} to {markdown.number(high)}"


def _settings(fields: dict[str, dict[str, Field]]) -> list[tuple[str, ...]]:
    flags = {one.name: one for one in ref_commands.parameters(clustering.cluster)}
    rows = []
    for name, place in params.SETTINGS.items():
        part, _, key = place.rpartition(".")
        one, flag = fields[part][key], flags.get(name) or flags[f"{name}_col"]
        default = settings.default(name)
        shown = _default(name, default)
        words = max(flag.words, key=len).partition("/")[0]
        meaning = re.sub(r" \([^()]*\)\.$", ".", flag.help)  # the default
        kinds = typing.get_args(params.Level) if name == "level" else ()
        takes = ", ".join(map(markdown.code, kinds)) if kinds else settings.kind(name).wanted
        takes = "; ".join(filter(None, (takes, one.unit, one.range)))
        rows.append((f"{markdown.code(name)} {markdown.code(words)}", takes, shown, meaning))
    return rows


def _default(name: str, value: Any) -> str:
    if value in (None, []):
        return _FOUND_OUT.get(name) or previews._UNSET.get(name, "none")
    return markdown.code(value if isinstance(value, str) else markdown.number(value))
