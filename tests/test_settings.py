"""Layers of settings: which wins, what is refused and with which words, and that the TOML says the same again."""

import json
import math
import tomllib
from pathlib import Path

import pytest
from conftest import ARTICLES, run
from hypothesis import given, settings
from hypothesis import strategies as st
from soak import settings as soak

from dedup.errors import SettingsError
from dedup.params import SETTINGS, from_settings
from dedup.run import open_run
from dedup.settings import as_toml, default, kind, layered, params_of


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def toml(text, name="dedup.toml"):
    Path(name).write_text(text, "utf-8")


def refusal(text="", environ=None):
    if text:
        toml(text)
    with pytest.raises(SettingsError) as caught:
        params_of(layered({}, environ=environ or {}))
    return str(caught.value)


class TestLayers:
    """Flags > variables > file > defaults."""

    def test_nothing_set(self):
        found = layered({}, environ={"HOME": "/root", "DEDUPLICATE": "x"})
        assert list(found) == list(SETTINGS)
        assert {one.origin for one in found.values()} == {"default"}
        assert params_of(found) == from_settings({})

    def test_each_layer_wins_over_those_below(self):
        toml('limit = 1\ntime_scale = 2.5\nlevel = "exact"\ninclude = ["a*", "b*"]\nwith_text = true\n')
        environ = {"DEDUP_LIMIT": "2", "DEDUP_LEVEL": "duplicate", "DEDUP_KEEP_COLS": "url,lang", "DEDUP_JOBS": " "}
        found = layered({"limit": 3, "time_scale": None}, environ=environ)
        wanted = {
            "limit": (3, "flag"),
            "level": ("duplicate", "DEDUP_LEVEL"),
            "keep_cols": (["url", "lang"], "DEDUP_KEEP_COLS"),
            "time_scale": (2.5, "dedup.toml"),
            "include": (["a*", "b*"], "dedup.toml"),
            "with_text": (True, "dedup.toml"),
        }
        assert {name: tuple(one) for name, one in found.items() if one.origin != "default"} == wanted
        assert params_of(found).reading.include == ("a*", "b*")

    def test_another_file_is_read_in_place_of_the_usual_one(self):
        toml("limit = 1\n")
        toml("jobs = 2\n", "night.toml")
        found = layered({}, "night.toml", {})
        assert found["jobs"] == (2, "night.toml") and found["limit"].origin == "default"
        with pytest.raises(SettingsError, match=r"gone\.toml: not a file"):
            layered({}, "gone.toml", {})

    def test_a_byte_order_mark_is_no_key(self):
        toml("\ufefflimit = 1\n")
        assert layered({}, environ={})["limit"].value == 1

    @pytest.mark.parametrize("name", SETTINGS)
    def test_every_setting_can_be_set_in_each_layer(self, name):
        value = sample(name)
        text = ",".join(value) if isinstance(value, list) else json.dumps(value).strip('"')
        by_variable = layered({}, environ={f"DEDUP_{name.upper()}": text})
        toml(as_toml(by_variable))
        by_file = layered({}, environ={})
        assert by_variable[name] == (value, f"DEDUP_{name.upper()}") and by_file[name] == (value, "dedup.toml")
        assert params_of(by_file) == params_of(by_variable) == from_settings({name: value}) != from_settings({})


def sample(name):
    """Return a value that is not the default."""

    special = {"overrides": RULES, "level": "exact", "canonical": "latest", "tmp_dir": "/", "memory": "2GB", "jobs": 3}
    values = {str: "body", int: 1234, float: 0.75, bool: True, list: ["a", "b"]}
    return special.get(name, values[kind(name).types[-1]])


class TestRefusals:
    """What a person reads names the place and the key, and the word that was meant."""

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("limt = 3", "dedup.toml: no setting 'limt'; did you mean 'limit'?"),
            (
                "duplicate-threshold = 0.5",
                "dedup.toml: no setting 'duplicate-threshold'; did you mean 'duplicate_thresh",
            ),
            ("text_col = 'body'", "dedup.toml: no setting 'text_col'; did you mean 'text'?"),
            ("zzz = 1", "dedup.toml: no setting 'zzz'; known are text, title,"),
            ("[limit]\na = 1", "dedup.toml: limit: got {'a': 1} (a table), wanted a whole number"),
            ("limit = '3'", "dedup.toml: limit: got '3' (a string), wanted a whole number"),
            ("limit = true", "dedup.toml: limit: got True (a boolean), wanted a whole number"),
            ("limit = 1.5", "dedup.toml: limit: got 1.5 (a number), wanted a whole number"),
            ("limit = -1", "dedup.toml: limit: got -1, wanted a number from 0"),
            ("with_text = 1", "dedup.toml: with_text: got 1 (a number), wanted true or false"),
            ("time_scale = nan", "dedup.toml: time-scale: got nan, wanted a number from"),
            ("text = 3", "dedup.toml: text: got 3 (a number), wanted a string"),
            ("text = 2020-01-01", "dedup.toml: text: got datetime.date(2020, 1, 1) (a date), wanted a string"),
            ("include = 'a*'", "dedup.toml: include: got 'a*' (a string), wanted a list of strings"),
            ("include = [1]", "dedup.toml: include: got [1] (a list), wanted a list of strings"),
            ("memory = 'lots'", "dedup.toml: memory: got 'lots', wanted a size such as 4GB"),
            ("memory = 2.5", "dedup.toml: memory: got 2.5 (a number), wanted a size such as 4GB"),
            ("level = 'words'", "dedup.toml: level: got 'words', wanted exact, duplicate or story"),
            ("canonical = 'longst'", "dedup.toml: "),
            ("limit = ", "dedup.toml: not TOML ("),
            ("text = " + "[" * 5000, "dedup.toml: n"),
            ("limit = 1\nlimit = 2", "dedup.toml: not TOML ("),
            ("limit = " + "9" * 5000, "dedup.toml: "),
            ("#" * (1 << 20) + "#", "dedup.toml: got 1,048,577 bytes, wanted at most"),
        ],
    )
    def test_files(self, text, says):
        assert refusal(text).startswith(says)

    @pytest.mark.parametrize(
        ("name", "value", "says"),
        [
            ("DEDUP_LIMT", "3", "environment: no setting 'DEDUP_LIMT'; did you mean 'DEDUP_LIMIT'?"),
            ("DEDUP_limit", "3", "environment: no setting 'DEDUP_limit'; did you mean 'DEDUP_LIMIT'?"),
            ("DEDUP_", "3", "environment: no setting 'DEDUP_'; known are DEDUP_TEXT, "),
            ("DEDUP_LIMIT", "many", "DEDUP_LIMIT: got 'many', wanted a whole number"),
            ("DEDUP_LIMIT", "-2", "DEDUP_LIMIT: limit: got -2, wanted a number from 0"),
            ("DEDUP_WITH_TEXT", "maybe", "DEDUP_WITH_TEXT: got 'maybe', wanted true or false"),
            ("DEDUP_TIME_SCALE", "1,5", "DEDUP_TIME_SCALE: got '1,5', wanted a number"),
            ("DEDUP_TMP_DIR", "/nowhere", "DEDUP_TMP_DIR: tmp-dir: got '/nowhere', wanted a folder that is there"),
        ],
    )
    def test_variables(self, name, value, says):
        assert refusal(environ={name: value}).startswith(says)

    def test_what_is_no_file_or_no_text(self, folder):
        (folder / "dedup.toml").mkdir()
        assert refusal() == "dedup.toml: not a file; wanted settings in TOML; name another with --config"
        (folder / "dedup.toml").rmdir()
        (folder / "dedup.toml").write_bytes(b"text = '\xff'")
        assert refusal().startswith("dedup.toml: not TOML ('utf-8' codec")
        (folder / "dedup.toml").unlink()
        (folder / "dedup.toml").symlink_to("nowhere")
        assert refusal().startswith("dedup.toml: not a file")


RULES = str(Path(__file__).parent / "rules.toml")


def plain(name):
    """Return a strategy for valid values of a setting, as a flag, a variable or TOML gives them."""
    words = st.text(max_size=20)
    special = {
        "tmp_dir": st.just("/"),
        "overrides": st.just(RULES),
        "level": st.sampled_from(["exact", "duplicate", "story"]),
        "canonical": st.sampled_from(["latest", "prefer:source=a|b,longest", r"match:url~^https?://\w+"]),
        "memory": st.one_of(st.integers(1 << 20, 1 << 60), st.sampled_from(["1MiB", "2.5GB", "3g"])),
        "jobs": st.integers(1, 1024),
        "limit": st.integers(0, 2**62),
        "max_doc_chars": st.integers(1, 2**40),
        "max_rejects": st.one_of(st.integers(0, 2**40), st.floats(0, 1)),
        "time_scale": st.floats(0.01, 36_500),
    }
    types = {bool: st.booleans(), str: words, list: st.lists(words, max_size=4), float: st.floats(0.05, 1)}
    return special[name] if name in special else types[kind(name).types[-1]]


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries({}, optional={name: plain(name) for name in SETTINGS}))
def test_what_is_printed_as_toml_sets_the_same(given_settings):
    found = layered(given_settings, environ={}, folder="without")
    text = as_toml(found)
    assert all(char == "\n" or char.isprintable() for char in text), text
    read = tomllib.loads(text)
    assert read == {name: one.value for name, one in found.items() if one.value is not None}
    toml(text)
    again = layered({}, environ={})
    assert params_of(again) == params_of(found)


def test_any_bytes_and_any_variables_give_settings_or_a_refusal():
    assert soak.run(200, 0).startswith("200 ")


@pytest.mark.exhaustive
def test_any_bytes_and_any_variables_at_length():
    assert soak.run(10_000, 1).startswith("10,000 ")


def test_bytes_that_are_no_utf8_cannot_stand_in_toml():
    with pytest.raises(SettingsError, match=r"include: got .* which is no UTF-8"):
        as_toml(layered({"include": ["\udcff*"]}, environ={}))


class TestCommands:
    """The layers as the command line has them."""

    def test_the_run_takes_them(self, folder, monkeypatch):
        toml('level = "duplicate"\nlimit = 30\n')
        monkeypatch.setenv("DEDUP_LIMIT", "20")
        said = run("cluster", ARTICLES, "-o", "OUT", "--with-text")
        assert said.exit_code == 0, said.stderr
        result = open_run("OUT")
        assert result.documents.num_rows == 20 and "text" in result.documents.column_names
        assert result.manifest["settings"]["level"] == "duplicate"
        said = run("cluster", ARTICLES, "-o", "TWO", "--level", "exact", "--limit", "5", "--config", "/dev/null")
        assert said.exit_code == 2 and "/dev/null: not a file" in said.stderr

    def test_a_flag_takes_back_what_a_file_says(self):
        toml("with_text = true\n")
        found = json.loads(run("config", "--without-text", "--json").stdout)["settings"]
        assert found["with_text"] == {"value": False, "from": "flag"}

    def test_a_wrong_one_stops_before_the_work(self, folder, monkeypatch):
        monkeypatch.setenv("DEDUP_DUPLICATE_TRESHOLD", "0.5")
        said = run("cluster", ARTICLES, "-o", "OUT")
        assert said.exit_code == 2 and said.stdout == ""
        assert "did you mean 'DEDUP_DUPLICATE_THRESHOLD'?" in said.stderr
        assert list(folder.iterdir()) == []

    def test_config_shows_every_setting_and_its_place(self, monkeypatch):
        toml('source = "outlet"\n')
        monkeypatch.setenv("DEDUP_TIME_SCALE", "3")
        said = run("config", "--limit", "9", "--keep-cols", "a,b")
        assert said.exit_code == 0, said.stderr
        lines = said.stdout.splitlines()
        assert max(map(len, lines)) <= 80
        cells = {line.split()[0]: line.split(maxsplit=2)[1:] for line in lines if line}
        assert set(SETTINGS) <= set(cells)
        assert cells["source"] == ["dedup.toml", "outlet"]
        assert cells["time_scale"] == ["DEDUP_TIME_SCALE", "3.0"]
        assert (cells["limit"], cells["keep_cols"]) == (["flag", "9"], ["flag", "a,b"])
        assert cells["text"] == ["default", "found by its name"]

    def test_config_gives_the_curve_of_the_bands(self):
        found = json.loads(run("config", "--duplicate-threshold", "0.7", "--json").stdout)
        bands, rows = found["bands"], found["rows"]
        points = {point["jaccard"]: point["probability"] for point in found["curve"]}
        assert points[0.7] >= 0.95 and list(points) == sorted(points) and points[1.0] == 1.0
        for jaccard, probability in points.items():
            missed = math.prod([1 - jaccard**rows] * bands)
            assert probability == pytest.approx(1 - missed, abs=1e-6)
        assert set(found["settings"]) == set(SETTINGS)
        said = run("config").stdout
        assert "22 bands of 4 rows" in said and " 0.953" in said

    def test_config_prints_toml_that_can_be_fed_back(self, monkeypatch):
        monkeypatch.setenv("DEDUP_TEXT", 'so "called"')
        said = run("config", "--limit", "9", "--toml")
        assert 'text = "so \\"called\\""  # DEDUP_TEXT\n' in said.stdout
        monkeypatch.delenv("DEDUP_TEXT")
        toml(said.stdout, "back.toml")
        assert tomllib.loads(run("config", "--config", "back.toml", "--toml").stdout) == tomllib.loads(said.stdout)

    def test_control_characters_of_a_file_do_not_reach_the_terminal(self):
        toml('text = "\\u001b[31mred\\nnext"\n')
        assert "\x1b" not in run("config").stdout and "red next" in run("config").stdout
        toml('"\\u001b]0;evil\\u0007" = 1\n')
        said = run("config")
        assert said.exit_code == 2 and "\x1b" not in said.stderr and "\x07" not in said.stderr


def test_defaults_are_those_of_the_classes():
    assert default("duplicate_threshold") == from_settings({}).duplicates.jaccard
    assert default("keep_cols") == [] and default("limit") is None
