"""docs/reference/commands.md: every command with its arguments and flags, from the signatures that typer reads."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, NamedTuple

import markdown
from typer.models import ArgumentInfo, OptionInfo

from dedup import cli
from dedup.params import SETTINGS

_INTRO = """# Commands

Results go to stdout, all else to stderr. `dedup COMMAND --help` says the same as this page. Flags that are settings
can also be given in `dedup.toml` and as `DEDUP_*`: [settings](settings.md). What a command leaves with: [exit
codes](errors.md#exit-codes).
"""
_OWN = """## dedup

`dedup --version` prints the version, `dedup --help` the commands. `dedup --install-completion` lets the shell
complete commands, flags and their values from the next start on, in bash, zsh, fish and PowerShell; `dedup
--show-completion` prints the script in place of installing it.
"""


class Parameter(NamedTuple):
    """An argument or a flag of a command."""

    name: str
    words: tuple[str, ...]  # none of an argument
    value: str  # how its value is called; empty for a switch
    default: Any
    help: str


def page() -> str:
    """Return the page."""
    found = commands()
    parts = [_INTRO, _overview(found), _OWN]
    parts += [_command(name, function) for name, function in found.items()]
    return "\n".join(parts)


def commands() -> dict[str, Callable[..., None]]:
    """Return the functions behind all commands, by name, in the order of the help."""
    registered = [(one.name, one.callback) for one in cli.app.registered_commands if one.callback]
    return {name or call.__name__.replace("_", "-"): call for name, call in registered}


def parameters(command: Callable[..., None]) -> Iterator[Parameter]:
    """Yield the arguments and flags of a command."""
    for name, one in inspect.signature(command, eval_str=True).parameters.items():
        kind, *about = typing.get_args(one.annotation) or (one.annotation,)
        info = next((info for info in about if isinstance(info, OptionInfo | ArgumentInfo)), None)
        if info is None:  # the context
            continue
        words = () if isinstance(info, ArgumentInfo) else _words(info, name)
        default = one.default.value if isinstance(one.default, Enum) else one.default
        yield Parameter(name, words, _value(kind, info, name), default, " ".join((info.help or "").split()))


def _words(info: OptionInfo, name: str) -> tuple[str, ...]:
    # Inside Annotated there is no default, so that the first name comes in its place.
    given = [word for word in (info.default, *(info.param_decls or ())) if isinstance(word, str)]
    return tuple(given) or (f"--{name.replace('_', '-')}",)


def is_setting(one: Parameter) -> bool:
    """Tell whether a flag is a setting, so that `dedup.toml` and `DEDUP_*` may give it too."""
    return one.name.removesuffix("_col") in SETTINGS


def _value(kind: Any, info: OptionInfo | ArgumentInfo, name: str) -> str:
    kinds = [kind, *typing.get_args(kind)]
    if bool in kinds:
        return ""
    for one in kinds:
        if inspect.isclass(one) and issubclass(one, Enum):
            return "|".join(member.value for member in one)
    return (info.metavar or name.upper()).strip("[]")


def _overview(found: dict[str, Callable[..., None]]) -> str:
    rows = [(f"[`dedup {name}`](#dedup-{name})", _help(function).split("\n\n")[0]) for name, function in found.items()]
    return markdown.table(("command", "does"), rows)


def _command(name: str, function: Callable[..., None]) -> str:
    found = list(parameters(function))
    arguments = [one for one in found if not one.words]
    flags = sorted((one for one in found if one.words), key=lambda one: one.default is not inspect.Parameter.empty)
    words = [one.value + ("..." if one.name == "inputs" else "") for one in arguments]
    words += [f"{max(one.words, key=len)} {one.value}" for one in flags if one.default is inspect.Parameter.empty]
    usage = f"```text\n{' '.join(['dedup', name, *words])} [flags]\n```\n"
    parts = [f"## dedup {name}\n", _help(function) + "\n", usage]
    if arguments:
        told = [(markdown.code(one.value), one.help) for one in arguments]
        parts.append(markdown.table(("argument", "meaning"), told))
    if name != "cluster" and any(map(is_setting, flags)):
        flags = [one for one in flags if not is_setting(one)]
        parts.append("The flags of [`dedup cluster`](#dedup-cluster) that are [settings](settings.md), and these:\n")
    rows = [(_names(one), _default(one), one.help) for one in flags]
    return "\n".join([*parts, markdown.table(("flag", "default", "meaning"), rows)])


def _names(one: Parameter) -> str:
    names = ", ".join(sorted((word for words in one.words for word in words.split("/")), key=len))
    return markdown.code(f"{names} {one.value}".strip())


def _default(one: Parameter) -> str:
    if one.default is inspect.Parameter.empty:
        return "needed"
    return "" if one.default in (None, False) else markdown.code(one.default)


def _help(function: Callable[..., None]) -> str:
    return "\n\n".join(re.sub(r"\s+", " ", part) for part in (inspect.getdoc(function) or "").split("\n\n"))
