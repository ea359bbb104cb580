"""The one place that knows the compiler and its flags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

_F = TypeVar("_F", bound=Callable[..., Any])


def kernel(function: _F) -> _F:
    """Compile a function on its first call and cache the machine code on disk.

    `nogil` lets threads run kernels side by side; fast-math stays off, since it reorders float sums and results would
    then depend on the machine. Division by zero gives inf as in NumPy instead of raising.
    """
    compiled: _F = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    return compiled


def inlined(function: _F) -> _F:
    """Compile a small helper that other kernels call."""
    compiled: _F = numba.njit(nogil=True, cache=True, error_model="numpy", inline="never")(function)
    return compiled
