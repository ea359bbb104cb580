"""Any bytes as dedup.toml and any DEDUP_* variables: settings within their ranges, or one line of refusal."""

import tempfile
from collections import Counter
from pathlib import Path

import hypothesis
from hypothesis import strategies as st

from dedup.errors import SettingsError
from dedup.params import SETTINGS
from dedup.settings import as_toml, layered, params_of

NAMES = st.one_of(st.sampled_from(list(SETTINGS)), st.text(max_size=12))
VALUES = st.recursive(
    st.one_of(
        st.integers().map(str),
        st.floats().map(repr),
        st.sampled_from(["true", "false", '"4GB"', '"exact"', '"latest"', "1979-05-27", "07:32:00", "0x1F", "''"]),
        st.text(max_size=10).map(lambda text: f"'{text}'"),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"), inner.map(lambda v: f"{{a = {v}}}")
    ),
    max_leaves=4,
)
GOOD = st.sampled_from(
    [
        "limit = 5",
        "time_scale = 2.5",
        "max_rejects = 0.1",
        'text = "wórds \\u202e"',
        'memory = "512MiB"',
        'include = ["a*", "\\u0000"]',
        'level = "exact"',
        "with_text = true # or not",
        "canonical = 'match:url~^https?,latest'",
    ]
)
TEXTS = st.text(st.characters(blacklist_characters="\0"), max_size=12)
SPELT = st.one_of(TEXTS, st.integers().map(str), st.floats().map(repr), st.sampled_from(["true", "no", "4GB", "exact"]))


def mostly(good, other):
    """Return a strategy that draws from the first in three of four cases."""
    return st.integers(0, 3).flatmap(lambda place: other if place == 3 else good)


LINES = st.lists(mostly(GOOD, st.tuples(NAMES, VALUES).map(" = ".join)), max_size=4, unique=True).map("\n".join)
FILES = mostly(LINES.map(lambda text: text.encode("utf-8", "replace")), st.binary(max_size=60))
VARIABLES = mostly(
    st.sampled_from([{}, {"DEDUP_LIMIT": "7", "DEDUP_TEXT": "a,b"}, {"DEDUP_KEEP_COLS": "é,\u202e"}]),
    st.dictionaries(st.one_of(NAMES, TEXTS).map(lambda name: f"DEDUP_{name.upper()}"), SPELT, max_size=3),
)


def run(count: int, seed: int) -> str:
    """Try so many pairs of a file and variables; raise where one gives anything else."""
    ends: Counter[str] = Counter()

    @hypothesis.seed(seed)
    @hypothesis.settings(max_examples=count, deadline=None, database=None, derandomize=False)
    @hypothesis.given(FILES, VARIABLES)
    def check(content, environ):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "dedup.toml").write_bytes(content)
            try:
                found = layered({}, environ=environ, folder=folder)
                params, text = params_of(found), as_toml(found)
            except SettingsError as error:
                assert str(error).startswith(("dedup.toml: ", "environment: ", "DEDUP_")) or "is no UTF-8" in str(
                    error
                ), error
                assert len(str(error)) < 1000, error
                ends["refused"] += 1
                return
            ends["set"] += 1
            Path(folder, "dedup.toml").write_text(text, "utf-8")
            assert params_of(layered({}, environ={}, folder=folder)) == params

    check()
    assert ends["refused"], ends
    return f"{sum(ends.values()):,} files and variables: {ends['set']:,} set, {ends['refused']:,} refused, 0 tracebacks"
