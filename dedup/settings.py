"""Settings in layers: flags over `DEDUP_*` over `dedup.toml` over defaults, and where each came from.

What there is to set, and of which type, is read from `params.SETTINGS` and the classes it names. Only the command line
looks at files and variables; the library takes what it is given.
"""

from __future__ import annotations

import difflib
import json
import os
import tomllib
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dedup import params
from dedup.errors import SettingsError
from dedup.params import SETTINGS, Params

FILE = "dedup.toml"
PREFIX = "DEDUP_"
DEFAULT, FLAG = "default", "flag"
_LARGEST = 1 << 20  # bytes of a file of settings


class Setting(NamedTuple):
    """A value in force, and whence: `flag`, the name of a variable, the path of a file, or `default`."""

    value: Any
    origin: str


class _Kind(NamedTuple):
    wanted: str
    types: tuple[type, ...]  # that TOML may give
    read: Callable[[str], Any]  # from a variable


def _flag(text: str) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]


_KINDS = {
    str: _Kind("a string", (str,), str),
    int: _Kind("a whole number", (int,), int),
    float: _Kind("a number", (int, float), float),
    bool: _Kind("true or false", (bool,), _flag),
    tuple: _Kind("a list of strings", (list,), lambda text: [word for word in text.split(",") if word]),
}
_SIZE = _Kind("a size such as 4GB or 512MiB", (int, str), str)
_SAID = {bool: "a boolean", str: "a string", int: "a number", float: "a number", list: "a list", dict: "a table"}


def kind(name: str) -> _Kind:
    """Return what values a setting takes, by the type of its field."""
    if name == "memory":
        return _SIZE
    part, _, key = SETTINGS[name].rpartition(".")
    owner = typing.get_type_hints(Params)[part] if part else Params
    hint = typing.get_type_hints(owner)[key]
    named = [one for one in typing.get_args(hint) if isinstance(one, type) and one is not type(None)]
    base = typing.get_origin(hint) or hint
    return _KINDS.get(base) or _KINDS.get(named[0] if named else str) or _KINDS[str]


def layered(
    flags: Mapping[str, Any],
    config: str | None = None,
    environ: Mapping[str, str] | None = None,
    folder: str | Path = "",
) -> dict[str, Setting]:
    """Return every setting in force, in the order of `SETTINGS`, with where it came from.

    Parameters
    ----------
    flags : name → value, those that were given on the command line; None: not given.
    config : a TOML file in place of `dedup.toml` in the folder, which need not be there.
    environ : variables; None: those of this process. An empty one counts as not set.
    folder : the working folder.

    Raises
    ------
    SettingsError
        A key or a variable is unknown (with the nearest known one), or a value has the wrong type or is out of range;
        the message names the file or the variable. The file cannot be read.
    """
    found = {name: Setting(default(name), DEFAULT) for name in SETTINGS}
    path = Path(folder, FILE) if config is None else Path(config)
    if config is not None or os.path.lexists(path):
        found |= _of_file(path, FILE if config is None else config)
    found |= _of_variables(os.environ if environ is None else environ)
    found |= {name: Setting(value, FLAG) for name, value in flags.items() if value is not None}
    return found


def params_of(settings: Mapping[str, Setting]) -> Params:
    """Build the parameters of a run.

    Raises
    ------
    SettingsError
        A value is out of range.
    """
    return params.from_settings({name: setting.value for name, setting in settings.items()})


def default(name: str) -> Any:
    """Return the default of a setting; None where there is none, or it is found out by the run."""
    value: Any = Params()
    for part in SETTINGS[name].split("."):
        value = getattr(value, part)
    return list(value) if isinstance(value, tuple) else value


def _of_file(path: Path, place: str) -> dict[str, Setting]:
    try:
        if not path.is_file():
            raise SettingsError(f"{place}: not a file; wanted settings in TOML; name another with --config")
        if (size := path.stat().st_size) > _LARGEST:
            raise SettingsError(f"{place}: got {size:,} bytes, wanted at most {_LARGEST:,}; is it a file of settings?")
        table = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{place}: {error.strerror}; make it readable, or name another with --config") from None
    except RecursionError:
        raise SettingsError(f"{place}: nested too deep; wanted lines such as limit = 1000") from None
    except ValueError as error:  # tomllib.TOMLDecodeError and UnicodeDecodeError are
        raise SettingsError(f"{place}: not TOML ({error}); wanted lines such as limit = 1000") from None
    return {_known(key, place): _checked(key, value, place, place) for key, value in table.items()}


def _of_variables(environ: Mapping[str, str]) -> dict[str, Setting]:
    found = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        name = _known(variable.removeprefix(PREFIX).lower(), "environment", lambda near: f"{PREFIX}{near.upper()}")
        if variable != f"{PREFIX}{name.upper()}":
            raise SettingsError(f"environment: no setting {variable!r}; did you mean '{PREFIX}{name.upper()}'?")
        text = environ[variable].strip()
        if not text:
            continue
        try:
            value = kind(name).read(text)
        except (ValueError, KeyError):
            raise SettingsError(f"{variable}: got {text[:80]!r}, wanted {kind(name).wanted}") from None
        found[name] = _checked(name, value, variable, variable)
    return found


def _known(name: str, place: str, spelt: Callable[[str], str] = str) -> str:
    if name in SETTINGS:
        return name
    near = difflib.get_close_matches(name.lower().replace("-", "_"), SETTINGS, 1)
    hint = f"did you mean {spelt(near[0])!r}?" if near else f"known are {', '.join(map(spelt, SETTINGS))}"
    raise SettingsError(f"{place}: no setting {spelt(name)!r}; {hint}")


def _checked(name: str, value: Any, place: str, origin: str) -> Setting:
    """Return a value that a layer gives, once its type and its range are right."""
    wanted = kind(name)
    fits = isinstance(value, wanted.types) and (bool in wanted.types or not isinstance(value, bool))
    if not fits or (isinstance(value, list) and not all(isinstance(item, str) for item in value)):
        got = f"{_short(value)} ({_SAID.get(type(value), f'a {type(value).__name__}')})"
        raise SettingsError(f"{place}: {name}: got {got}, wanted {wanted.wanted}")
    try:
        params.from_settings({name: value})
        if name == "canonical":
            from dedup.policy import parse_policy  # noqa: PLC0415 - loads pyarrow

            parse_policy(value)
    except SettingsError as error:
        raise SettingsError(f"{place}: {error}") from None
    return Setting(value, origin)


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # deep; an integer of more digits than Python writes
        return "something long"
    return text if len(text) <= 80 else f"{text[:77]}..."


def as_toml(settings: Mapping[str, Setting]) -> str:
    """Return settings as a `dedup.toml` that sets the same; what has no value stands in a comment.

    Raises
    ------
    SettingsError
        A string holds bytes that are no UTF-8, as a path may: TOML has no way to write them.
    """
    lines = []
    for name, (value, origin) in settings.items():
        line = f"# {name} is not set" if value is None else f"{name} = {_toml(name, value)}"
        lines.append(line if origin == DEFAULT else f"{line}  # {_escaped(origin)}")
    return "\n".join(lines) + "\n"


def _toml(name: str, value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(name, item) for item in value)}]"
    if not isinstance(value, str):
        return json.dumps(value)
    if any(0xD800 <= ord(char) < 0xE000 for char in value):
        raise SettingsError(f"{name}: got {value!r}, which is no UTF-8; wanted text that TOML can hold; rename it")
    return f'"{_escaped(value)}"'


def _escaped(text: str) -> str:
    """Return a text as it stands in a string of TOML: as in JSON, and with escapes for all that is not to be seen."""
    quoted = json.dumps(text, ensure_ascii=False)[1:-1]
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)
