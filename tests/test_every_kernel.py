"""Every kernel has a twin in obvious Python, and some test uses it (ARCHITECTURE.md, "Kernels")."""

import ast
import inspect
from functools import cache
from pathlib import Path

import naive
import pytest

HERE = Path(__file__).parent
KERNELS = sorted((HERE.parent / "dedup" / "kernels").glob("*.py"))
TWINS = {path.stem for path in HERE.glob("naive*.py")}  # modules; `naive` gives what the others hold
WITHOUT = {
    "__init__",
    "accumulation",
    "ahead",
    "jit",
    "octets",
    "packing",
    "sifting",
    "sorting",
    "store",
}  # modules that hold no kernel


def kernels(path):
    """Return the names of the functions decorated with `@kernel`."""
    return [
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and "kernel" in map(ast.unparse, node.decorator_list)
    ]


@cache
def twins_in_tests():
    """Return the x of every `naive.x` in the code of the test modules; comments do not count."""
    nodes = [node for path in HERE.glob("test_*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    return {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "naive"
    }


ALL = [(path.stem, name) for path in KERNELS for name in kernels(path)]


@pytest.mark.parametrize(("module", "name"), ALL, ids=[".".join(pair) for pair in ALL])
def test_has_a_twin_that_a_test_uses(module, name):
    twin = getattr(naive, name, None)
    assert inspect.isfunction(twin), f"tests/naive_*.py: no twin of kernels.{module}.{name}; write it in obvious Python"
    assert twin.__module__ in TWINS, f"tests/naive.py: {name} comes from {twin.__module__}, wanted a twin of its own"
    assert name in twins_in_tests(), f"tests/test_kernels_*.py: nothing compares {module}.{name} with naive.{name}"


def test_every_kernel_module_is_seen():
    assert {path.stem for path in KERNELS} - {module for module, _ in ALL} == WITHOUT
    names = [name for _, name in ALL]
    assert len(names) == len(set(names)), "two kernels of one name would share a twin"
