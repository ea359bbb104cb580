"""The public surface: its types as an installed package shows them, its errors, and what each says it raises."""

import ast
import builtins
import inspect
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Literal, get_args, get_type_hints

import pytest
from conftest import ARTICLES, command, make_result

import dedup
from dedup import errors
from dedup.params import SETTINGS
from dedup.protocols import KeptLevel, RunLevel, Settings

PACKAGE = Path(dedup.__file__).parent
EXAMPLE = Path(__file__).parent / "typing_example.py"
TREE = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, errors.DedupError)]
BUILT_IN = {"ValueError"}  # scikit-learn's convention for what an estimator cannot fit


def callables():
    """Return every public function, class and method, by its dotted name."""
    for name in dedup.__all__:
        value = getattr(dedup, name)
        if callable(value):
            yield f"dedup.{name}", value
        if inspect.isclass(value) and not issubclass(value, Exception):
            for key, one in vars(value).items():
                if inspect.isfunction(one) and not key.startswith("_"):
                    yield f"dedup.{name}.{key}", one


PUBLIC = dict(callables())


def test_types_as_an_installed_package_shows_them(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed: pip install -e '.[dev]'")
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    shutil.copytree(PACKAGE, site / "dedup", ignore=shutil.ignore_patterns("__pycache__", "data"))
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))
    shutil.copy(EXAMPLE, tmp_path)
    words = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", tmp_path / "cache"]
    words += ["--python-executable", python, "--warn-unreachable", EXAMPLE.name]
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    said = subprocess.run(list(map(str, words)), cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_example_uses_every_public_name():
    tree = ast.parse(EXAMPLE.read_text("utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert set(dedup.__all__) <= used
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {name.rsplit(".", 1)[1] for name in PUBLIC if name.count(".") == 2} - {"save", "results"} <= attributes
    assert set(inspect.get_annotations(dedup.Result)) <= attributes


def test_the_types_of_settings_are_those_of_the_settings():
    assert set(Settings.__annotations__) == set(SETTINGS)
    assert get_args(RunLevel) == ("exact", "duplicate", "story") and get_args(KeptLevel) == ("duplicate", "story")
    assert get_type_hints(Settings)["level"] == Literal["exact", "duplicate", "story"] | None


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in ("with_text", "tmp_dir")])
@pytest.mark.parametrize("value", ["no such", 10**30, b"x", [1], {"a": 1}, float("nan")])
def test_a_setting_of_a_wrong_kind_is_an_error_that_names_it(name, value):
    strings = {"text", "title", "id", "date", "source", "url", "lang"}
    if isinstance(value, str) and name in strings:
        with pytest.raises((errors.InputError), match="no such"):
            dedup.cluster([{"text": "a"}], **{name: value})
        return
    with pytest.raises(errors.SettingsError, match=name.replace("_", "[-_]")):
        dedup.cluster([{"text": "a"}], **{name: value})


def test_a_column_of_sources_can_be_named():
    run = dedup.cluster([{"text": "a", "outlet": "Wire"}], source="outlet")
    assert run.documents["source"].to_pylist() == ["Wire"]


def raised(docstring):
    """Return the names of the section Raises of a docstring."""
    section = re.search(r"\n +Raises\n +-+\n(.*?)(?=\n\n? +[A-Z]\w+\n +---|\Z)", docstring or "", re.DOTALL)
    if not section:
        return []
    lines = [line for line in section.group(1).split("\n") if line.strip()]
    depth = min(len(line) - len(line.lstrip()) for line in lines)
    return [word for line in lines if line[depth] != " " for word in line.replace(",", " ").split()]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_thing_is_documented_and_its_errors_exist(name):
    value = PUBLIC[name]
    assert inspect.getdoc(value)
    names = raised(value.__doc__)
    assert set(names) <= {error.__name__ for error in TREE} | BUILT_IN


def test_the_walk_finds_what_is_raised():
    found = {name: raised(value.__doc__) for name, value in PUBLIC.items()}
    assert found["dedup.cluster"] == ["SettingsError", "InputError", "TooManyRejectsError", "ResourceError"]
    assert found["dedup.open_run"] == ["InputError", "DamagedRunError"]
    assert found["dedup.Result.write"] == ["OutputExistsError", "LockedError", "ResourceError"]
    assert {name for name, names in found.items() if not names} <= {
        *(f"dedup.{error.__name__}" for error in TREE),
        *("dedup.Params", "dedup.Params.results", "dedup.Result", "dedup.Result.save", "dedup.StoryClusterer"),
        "dedup.StoryClusterer.fit_predict",
    }


def test_the_tree_is_public_and_its_codes_are_those_of_the_docs():
    assert {error.__name__ for error in TREE} == {n for n in dedup.__all__ if n.endswith("Error")}
    branches = [error for error in TREE if error is not errors.DedupError]
    assert sorted(error.exit_code for error in branches) == list(range(2, 9))
    drawn = dict(re.findall(r"[├└]── (\w+) +(\d)", errors.__doc__))
    assert drawn == {error.__name__: str(error.exit_code) for error in branches}


def test_what_is_raised_on_purpose_is_in_the_tree():
    """What the package raises is of the tree, or of a class of its own, or Python's: caught, or a caller's mistake."""
    trees = [ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))]
    own = {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    inner = {name for name, value in vars(builtins).items() if inspect.isclass(value) and name != "Exception"}
    raised = {
        ast.unparse(node.exc.func).split(".")[-1]
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
    }
    classes = {name for name in raised if name[0].isupper()}
    assert {error.__name__ for error in TREE} <= classes
    assert classes - own - inner <= {"Exit", "BadParameter"}  # of the command line


class TestEveryBranch:
    """Each error, provoked in Python and on the command line, whose exit code is that of its branch."""

    def both(self, error, call, *words):
        with pytest.raises(error) as raised:
            call()
        assert type(raised.value) is error
        said = command(*words)
        assert said.returncode == error.exit_code, said.stderr
        assert said.stderr.startswith("error: ") and "Traceback" not in said.stderr

    def test_settings(self, tmp_path):
        words = "cluster", ARTICLES, "-o", tmp_path / "OUT", "--canonical", "best"
        self.both(errors.SettingsError, lambda: dedup.cluster(ARTICLES, canonical="best"), *words)

    def test_too_many_rejects(self, tmp_path):
        path = tmp_path / "bad.jsonl"
        path.write_text('{"text": "a"}\n{"text": 5\n')
        words = "cluster", path, "-o", tmp_path / "OUT", "--max-rejects", "0"
        self.both(errors.TooManyRejectsError, lambda: dedup.cluster(path, max_rejects=0), *words)

    def test_input(self, tmp_path):
        path = tmp_path / "none.jsonl"
        self.both(errors.InputError, lambda: dedup.cluster(path), "cluster", path, "-o", tmp_path / "OUT")

    def test_output_exists(self, tmp_path):
        out = make_result(ARTICLES).write(tmp_path / "OUT")
        self.both(errors.OutputExistsError, lambda: make_result().write(out), "cluster", ARTICLES, "-o", out)

    def test_locked(self, tmp_path):
        from dedup import outputs

        out = tmp_path / "OUT"
        with outputs.claim(out, "error", [], 0.0):
            self.both(errors.LockedError, lambda: make_result().write(out), "cluster", ARTICLES, "-o", out)

    def test_resource(self, tmp_path):
        """A limit on the size of files is a disk that is full."""
        out = tmp_path / "OUT"
        script = (
            "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512)); sys.path.insert(0, sys.argv[2])\n"
            "from conftest import make_result; import dedup\n"
            "try: make_result().write(sys.argv[1])\n"
            "except dedup.ResourceError as error: print(error); sys.exit(error.exit_code)\n"
        )
        words = [sys.executable, "-c", script, str(out), str(Path(__file__).parent)]
        said = subprocess.run(words, capture_output=True, text=True, check=False)
        assert said.returncode == errors.ResourceError.exit_code, said.stderr
        assert not out.exists()

    def test_damaged(self, tmp_path):
        out = make_result().write(tmp_path / "OUT")
        (out / "pairs.parquet").unlink()
        self.both(errors.DamagedRunError, lambda: dedup.open_run(out), "show", out)
