"""Compiled kernels as plain bytes: names and types as JSON, then machine code. Nothing in them is a Python object.

Reading one makes types and arrays of known kinds only, so that a file can name no class to build and no function to
call, as a pickle can. Machine code is code all the same: `store` says which files are read.
"""

from __future__ import annotations

import json
from typing import Any

import numba
import numpy as np
from numba.core import environment
from numba.core.compiler import CompileResult
from numba.core.funcdesc import PythonFunctionDescriptor
from numba.core.typing.templates import Signature

_NAMES = "modname", "qualname", "unique_name", "mangled_name", "env_name", "args", "abi_tags", "uid"
_LENGTH = 8  # bytes of a length, before what is so long


class CannotPackError(Exception):
    """Compiled code holds what this format has no place for."""


def pack(code: Any) -> bytes:
    """Return a numba `CompileResult` as bytes.

    Raises
    ------
    CannotPackError
        It needs an object of Python, or returns a type unknown to `text_of`.
    """
    library, function, _, signature, in_python, lifted, _, at_load, environments = code._reduce()
    name, kind, (machine_code, bitcode) = library
    if kind != "object" or in_python or lifted or at_load or function.kws or not function.native:
        raise CannotPackError(name)
    constants = [[made.globals["__name__"], made.env_name, _constants(made)] for made in environments]
    head = {key: getattr(function, key) for key in _NAMES}
    head |= {"library": name, "returns": text_of(signature.return_type), "environments": constants}
    parts = json.dumps(head, sort_keys=True).encode(), machine_code, bitcode
    return b"".join(len(part).to_bytes(_LENGTH, "little") + part for part in parts)


def unpack(content: bytes, signature: Any, target: Any) -> Any:
    """Return the `CompileResult` that `pack` made bytes of.

    Parameters
    ----------
    signature : types of the arguments, which the file does not tell
    target : numba's context to link it in

    Raises
    ------
    KeyError, TypeError, ValueError
        The bytes are none of `pack`.
    """
    parts = []
    while content:
        size = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
        parts.append(content[_LENGTH:size])
        content = content[size:]
    head, machine_code, bitcode = json.loads(parts[0]), *parts[1:]
    returns = type_of(head["returns"])
    function = PythonFunctionDescriptor(
        True, head["modname"], head["qualname"], head["unique_name"], None, None, returns, None,
        tuple(head["args"]), (), argtypes=signature, env_name=head["env_name"], abi_tags=head["abi_tags"],
        uid=head["uid"],
    )  # fmt: skip
    function.mangled_name = head["mangled_name"]
    environments = tuple(_environment(*made) for made in head["environments"])
    own = next(made for made in environments if made.env_name == head["env_name"])
    library = head["library"], "object", (machine_code, bitcode)
    typed = Signature(returns, signature, None)
    return CompileResult._rebuild(target, library, function, own, typed, False, (), "", [], environments)


def text_of(kind: Any) -> str:
    """Return a type as text: int64; uint32[2], 2 dimensions; ! if read-only; (…, …) a tuple; none.

    Raises
    ------
    CannotPackError
        It is another kind of type.
    """
    if isinstance(kind, numba.types.NoneType):
        return "none"
    if isinstance(kind, numba.types.BaseTuple):
        return f"({' '.join(map(text_of, kind))})"
    if isinstance(kind, numba.types.Array) and kind.layout == "C" and kind.aligned:
        return f"{kind.dtype}[{kind.ndim}]{'' if kind.mutable else '!'}"
    if isinstance(kind, numba.types.Number | numba.types.Boolean) and not isinstance(kind, numba.types.Literal):
        return str(kind)
    raise CannotPackError(str(kind))


def type_of(text: str) -> Any:
    """Return the type that `text_of` made text of."""
    if text == "none":
        return numba.types.none
    if text.startswith("("):
        return numba.types.Tuple([type_of(part) for part in text[1:-1].split()])
    name, _, dimensions = text.rstrip("]!").partition("[")
    scalar = numba.from_dtype(np.dtype(name))
    return numba.types.Array(scalar, int(dimensions), "C", readonly="!" in text) if dimensions else scalar


def _constants(made: Any) -> list[str]:
    """Return what machine code takes from an environment, which is types of arrays to make."""
    if not all(isinstance(constant, np.dtype) for constant in made.consts):
        raise CannotPackError(made.env_name)
    return [constant.str for constant in made.consts]


def _environment(module: str, name: str, constants: list[str]) -> Any:
    """Make an environment without the module it is named after: numba's take .3 s, and machine code needs none."""
    found = environment.lookup_environment(name)
    if found is None:
        found = environment.Environment({"__name__": module})
        found.consts[:] = [np.dtype(constant) for constant in constants]
        found.env_name = name
        environment.Environment._memo[name] = found
    return found
