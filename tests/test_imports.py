"""Who may import whom, and what the first import costs (ARCHITECTURE.md, "Who may import whom")."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dedup"
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"numba", "llvmlite", "sklearn", "scipy", "pyarrow", "numpy", "pandas"}

# From the top down; a module imports from lower layers only.
LAYERS = (
    {"__main__"},
    {"cli"},
    {"clustering"},
    {"jobs", "previews", "reporting", "judging", "explained", "startup", "telling"},
    {"failures", "options"},
    {"terminal"},
    {"charts", "report"},
    {"calibration"},
    {"summaries", "sampling", "review"},
    {"estimator", "sweep", "settings", "inspection", "explaining"},
    {"replay"},
    {"pipeline", "filtering", "unchanged"},
    {"engines"},
    {"distributed"},
    {"evidence", "provenance"},
    {"findings", "sketching", "sorting"},
    {
        "reading",
        "text",
        "boilerplate",
        "languages",
        "candidates",
        "duplicates",
        "resemblance",
        "recurring",
        "groups",
        "sifting",
        "stories",
        "timing",
        "counting",
        "weighing",
        "foreign",
        "tables",
        "pairing",
        "listing",
        "canonical",
        "run",
        "evaluate",
        "gold",
        "aligning",
    },
    {"bindings"},
    {"rarity", "policy", "labels", "verify", "outputs", "constraints", "stripping"},
    {"manifests", "publishing"},
    {"kernels", "commit", "invariants", "lookup", "data", "remote"},
    {"stores", "memory", "clock"},
    {"spill"},
    {"outcome"},
    {"signals"},
    {"endings", "threads"},
    {"recall", "metrics", "logs"},
    {"schema", "params", "protocols"},
    {"overrides"},
    {"errors", "__init__"},  # __init__ holds the version; what it gives out is loaded on first use
)
LEVEL = {name: len(LAYERS) - place for place, names in enumerate(LAYERS) for name in names}
# Stages do not know each other, but tokens, comparable text and languages are notions of both passes, and groups.py is
# the last part of pass 1, in a file of its own.
ALLOWED = {
    ("boilerplate", "recurring"),
    ("boilerplate", "text"),
    ("duplicates", "text"),
    ("languages", "text"),
    ("stories", "counting"),
    ("stories", "sifting"),
    ("stories", "timing"),
    ("stories", "weighing"),
    ("weighing", "counting"),
    ("counting", "languages"),
    ("counting", "text"),
    ("weighing", "foreign"),
    ("foreign", "languages"),
    ("groups", "resemblance"),
    ("listing", "tables"),
    ("pairing", "tables"),
    ("aligning", "text"),
    ("report", "aligning"),
}
ONLY_IN = {
    "typer": {"cli.py", "failures.py", "options.py"},
    "rich": {f"terminal/{part}.py" for part in ("overview", "scoring", "screen", "stories", "tree", "waiting")},
    "numba": {"kernels/jit.py", "kernels/packing.py"},
    "pyspark": {"engines/spark.py", "engines/spark_flow.py", "engines/spark_inputs.py"},
}


def unit(parts: tuple[str, ...]) -> str:
    """Return the part of the house that a module belongs to."""
    return parts[0].removesuffix(".py")


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(tree: ast.AST) -> list[str]:
    """Return the dotted names that are imported anywhere in a module, except for type checkers."""
    found = []
    for node in ast.iter_child_nodes(tree):
        if is_type_checking(node):
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        found += imports(node)
    return found


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_point_downwards(path):
    importer = unit(path.relative_to(PACKAGE).parts)
    assert importer in LEVEL, f"{importer}: give it a place in LAYERS"
    for full in imports(ast.parse(path.read_text("utf-8"))):
        package, *rest = full.split(".")
        if package != "dedup":
            continue
        imported = rest[0] if rest and rest[0] in LEVEL else "__init__"
        fine = imported == importer or (importer, imported) in ALLOWED or LEVEL[imported] < LEVEL[importer]
        assert fine, f"{name(path)} imports {full}: {importer} must not know {imported}"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_some_libraries_are_known_to_one_module(path):
    for full in imports(ast.parse(path.read_text("utf-8"))):
        allowed = ONLY_IN.get(full.split(".")[0])
        assert allowed is None or name(path) in allowed, f"{name(path)} imports {full}; only {allowed} may"


def test_only_the_command_line_knows_the_terminal():
    users = {
        name(path) for path in MODULES for full in imports(ast.parse(path.read_text("utf-8"))) if "terminal" in full
    }
    assert {user for user in users if not user.startswith("terminal/")} == {
        "cli.py", "clustering.py", "explained/__init__.py", "explained/page.py", "failures.py", "judging.py",
        "options.py", "previews.py", "reporting.py", "telling.py",
    }  # fmt: skip


@pytest.mark.parametrize(
    "code",
    [
        "import dedup; dedup.__version__; dedup.InputError; dedup.Params",
        "import sys; sys.argv = ['dedup', '--help']\n"
        "try:\n    from dedup.cli import main; main()\nexcept SystemExit: pass",
        "import sys; sys.argv = ['dedup', 'cluster', '--help']\n"
        "try:\n    from dedup.cli import main; main()\nexcept SystemExit: pass",
        "import sys; sys.argv = ['dedup', 'config', '--help']\n"
        "try:\n    from dedup.cli import main; main()\nexcept SystemExit: pass",
        "import sys; sys.argv = ['dedup', '--version']\n"
        "try:\n    from dedup.cli import main; main()\nexcept SystemExit: pass",
    ],
    ids=["import", "help", "cluster-help", "config-help", "version"],
)
def test_nothing_heavy_is_loaded_before_a_command_runs(code):
    code += "\nimport json, sys; print(json.dumps([name.split('.')[0] for name in sys.modules]))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(run.stdout.splitlines()[-1]))
    assert not loaded & HEAVY
    assert "rich" not in loaded
