"""The small language in which a user says which article stands for others."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_canonical import Z2, table

from dedup.canonical import choose
from dedup.errors import SettingsError
from dedup.params import DEFAULT_POLICY
from dedup.policy import Rule, columns_of, parse_policy

POLICIES = given(st.text(alphabet=st.sampled_from(list("maxinprefercht:=~|,\\(a[*{1,2}\udcff é\n")), max_size=30))


class TestParse:
    def test_default(self):
        assert [rule.name for rule in parse_policy(DEFAULT_POLICY)] == DEFAULT_POLICY.split(",")

    def test_words(self):
        policy = parse_policy(r" prefer:source= reuters |AP , match:url~^https?://a\,b{1\,2}$,min:rank, max:in_x ")
        assert policy == (
            Rule("prefer", "source", values=("reuters", "AP")),
            Rule("match", "url", pattern="^https?://a,b{1,2}$"),
            Rule("min", "rank"),
            Rule("max", "in_x"),
        )
        assert columns_of(policy) == ("rank", "in_x")

    def test_separators_as_characters(self):
        assert parse_policy(r"prefer:s=A\|B|C\, D")[0].values == ("A|B", "C, D")
        assert parse_policy(r"match:s~a\\,earliest") == (Rule("match", "s", pattern=r"a\\"), Rule("earliest"))
        assert parse_policy(r"match:s~a\|b|\.c")[0].pattern == r"a\|b|\.c"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("earlyest", "word 1: got 'earlyest'; did you mean 'earliest'"),
            ("longest,LATEST", "word 2: got 'LATEST'; did you mean 'latest'"),
            ("prefers:source=a", "did you mean 'prefer:COLUMN=VALUE|VALUE'"),
            ("earliest,", "word 2: got ''; wanted one of container, earliest"),
            ("match:url~a{1,2}", r"a comma inside a value or a regex is written \,"),
            ("", "got nothing"),
            ("  ", "got nothing"),
            ("earliest:date", "wanted the form earliest"),
            ("min", "wanted the form min:COLUMN"),
            ("max: ", "wanted the form max:COLUMN"),
            ("prefer:source", "wanted the form prefer:COLUMN=VALUE|VALUE"),
            ("prefer:=a", "wanted the form prefer"),
            ("prefer:source=", "wanted the form prefer"),
            ("prefer:source=a||b", "empty value"),
            ("match:url", "wanted the form match:COLUMN~REGEX"),
            ("match:~a", "wanted the form match"),
            ("match:url~(", "RE2's syntax; Invalid regular expression: missing )"),
            ("match:url~(?=a)", "invalid perl operator"),
            ("prefer:source=\udcff", "'prefer:source=\\udcff'"),
        ],
    )
    def test_errors(self, text, message):
        with pytest.raises(SettingsError) as error:
            parse_policy(text)
        assert message in str(error.value)
        str(error.value).encode()

    @settings(max_examples=200, deadline=None)
    @POLICIES
    def test_any_text_is_read_or_refused(self, text):
        read_or_refused(text)

    @pytest.mark.exhaustive
    def test_any_text_at_release(self):
        settings(max_examples=10_000, deadline=None)(POLICIES(read_or_refused))()


def read_or_refused(text):
    for candidate in (text, "match:url~" + text, "prefer:source=" + text):
        try:
            policy = parse_policy(candidate)
        except SettingsError:
            continue
        choose(table([{"url": "a"}] * 2, **dict.fromkeys(columns_of(policy), pa.array(["1", "a"]))), Z2, policy)
