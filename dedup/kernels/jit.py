"""The one place that knows the compiler and its flags."""

from __future__ import annotations

import gc
import hashlib
import io
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped] # numba's own compiler
from numba.core import cgutils, event
from numba.core.runtime import rtsys
from numba.core.sigutils import normalize_signature
from numba.extending import intrinsic, register_jitable
from numba.misc.appdirs import AppDirs

from dedup.kernels.packing import CannotPackError, pack, text_of, type_of, unpack
from dedup.kernels.store import Store

_F = TypeVar("_F", bound=Callable[..., Any])

KERNELS: dict[str, Any] = {}  # all that were decorated so far, by name


def kernel(function: _F) -> _F:
    """Compile a function on its first call and keep the machine code on disk.

    `nogil` lets threads run kernels side by side; fast-math stays off, since it reorders float sums and results would
    then depend on the machine. Division by zero gives inf as in NumPy instead of raising. Nothing calls kernels from
    C, and the wrapper for it is a seventh of the time to compile.
    """
    compiled: Any = numba.njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True)(function)
    compiled._cache = _Cache(function)
    KERNELS[function.__name__] = compiled
    kept: _F = compiled
    return kept


def inlined(function: _F) -> _F:
    """Compile a small helper into the kernels that call it.

    Not by `njit`, which compiles a wrapper for calls from Python too, and once more for every constant argument.
    """
    compiled: _F = register_jitable(nogil=True, error_model="numpy", no_cfunc_wrapper=True)(function)
    return compiled


@intrinsic  # type: ignore[untyped-decorator] # numba has no types
def prefetch(_: Any, array: Any, place: Any) -> Any:
    """Ask the memory for what stands at a place of an array, which may lie outside of it, and do not wait for it."""

    def make(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        address = builder.gep(context.make_array(array)(context, builder, arguments[0]).data, [arguments[1]])
        form = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, form, "llvm.prefetch.p0i8")
        # To be read, kept in all levels of the cache, as data.
        builder.call(function, [builder.bitcast(address, byte), number(0), number(3), number(1)])
        return context.get_dummy_value()

    return numba.types.void(array, place), make


class _Cache:
    """What numba asks for compiled code.

    In place of numba's own: that one neither sees a change in a helper of another module nor lets two processes write
    at once, wants a folder that may be written to read from, and takes .8 s to import what only a compiler needs.
    """

    cache_path = None

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return the code for some argument types, or None."""
        file = self.file(signature, target)
        content = store().load(file)
        if content is None and _WATCH.wait is not None and _WATCH.wait(file):
            content = store().load(file)
        if content is not None:
            rtsys.initialize(target)
            try:
                types, _ = normalize_signature(signature)
                return unpack(content, types, target)
            except Exception:  # written by another make of what it depends on: as good as none
                pass
        target.refresh()
        return None

    def save_overload(self, signature: Any, code: Any) -> None:
        """Keep the code for some argument types."""
        try:
            content = pack(code)
        except CannotPackError:  # compiled again each time: a test sees to it that no kernel is such a one
            return
        folder = store().save(self.file(signature, code.target_context), content)
        if folder is None:
            _tell_once("compiled kernels cannot be kept, no folder for them may be written; set NUMBA_CACHE_DIR to one")
        elif folder == store().last_resort:
            _tell_once(f"compiled kernels are kept in {folder} for now; set NUMBA_CACHE_DIR to a better place")

    def file(self, signature: Any, target: Any) -> str:
        """Name the file by all that its content depends on."""
        types, _ = normalize_signature(signature)
        depends = (_versions(), target.codegen().magic_tuple(), types)
        return f"{self._name}-{hashlib.sha256(repr(depends).encode()).hexdigest()[:24]}.kernel"


def kept_arrays(name: str, depends: str, make: Callable[[], tuple[npt.NDArray[Any], ...]]) -> list[npt.NDArray[Any]]:
    """Return what `make` returns, made once and kept beside the kernels.

    Parameters
    ----------
    depends : all that the result depends on but its name
    """
    file = f"{name}-{hashlib.sha256(depends.encode()).hexdigest()[:24]}.npz"
    content = store().load(file)
    if content is None:
        made = io.BytesIO()
        np.savez(made, *make())
        content = made.getvalue()
        store().save(file, content)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return [arrays[key] for key in arrays.files]


@cache
def store() -> Store:
    """Return where compiled kernels are kept: NUMBA_CACHE_DIR, beside the sources, or the user's cache."""
    chosen = [Path(numba.config.CACHE_DIR) / "dedup"] if numba.config.CACHE_DIR else []
    of_user = Path(AppDirs("dedup", False).user_cache_dir)
    folders = [*chosen, Path(__file__).parent / "__pycache__", of_user]
    who = os.getuid() if hasattr(os, "getuid") else "user"
    # Without a home the user's cache is "~/.cache", which is a folder here.
    return Store([f for f in folders if f.is_absolute()], _temporary() / f"dedup-kernels-{who}")


def _temporary() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:  # none can be written to: nothing is kept below a file
        return Path(os.devnull)


@cache
def _versions() -> tuple[str, ...]:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    return sys.version, numba.__version__, digest


def compile_ahead(name: str, types: str) -> None:
    """Compile a kernel without calling it, unless that was done before; see `types_of`."""
    KERNELS[name].compile(tuple(map(type_of, types.split())))


def file_of(name: str, types: str) -> str:
    """Return the file that the compiled kernel is kept in."""
    compiled = KERNELS[name]
    file: str = compiled._cache.file(tuple(map(type_of, types.split())), compiled.targetctx)
    return file


def types_of(name: str) -> list[str]:
    """Return the argument types for which this process has a kernel: int64; uint32[2], 2 dimensions; ! if read-only."""
    return [" ".join(map(text_of, types)) for types in KERNELS[name].overloads]


class _Watch(event.Listener):  # type: ignore[misc] # numba has no types
    """Sees when a kernel is compiled; numba does so under a lock, one at a time."""

    def __init__(self) -> None:
        self.begun: Callable[[], None] | None = None
        self.tell: Callable[[str], None] | None = None
        self.wait: Callable[[str], bool] | None = None
        self._depth = 0
        self._collected = False

    def on_start(self, event: Any) -> None:
        self._depth += 1
        if self._depth == 1:
            self._collected = gc.isenabled()
            gc.disable()  # a compiler makes millions of objects, nearly none of them garbage: a tenth of its time
            begun, self.begun = self.begun, None
            if begun is not None:
                begun()

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if self._depth == 0 and self._collected:
            gc.enable()


_WATCH = _Watch()
event.register("numba:compile", _WATCH)


def at_first_compilation(call: Callable[[], None] | None) -> None:
    """Call a function when the next kernel is compiled, if one is: not when it is read from disk."""
    _WATCH.begun = call


def before_compilation(wait: Callable[[str], bool] | None) -> None:
    """Call a function with the file of a kernel before that is compiled; True says that the file may be there now."""
    _WATCH.wait = wait


def tell_by(tell: Callable[[str], None] | None) -> None:
    """Name a function that takes lines for the person who waits."""
    _WATCH.tell = tell


def _tell_once(line: str) -> None:
    tell, _WATCH.tell = _WATCH.tell, None
    if tell is not None:
        tell(line)
