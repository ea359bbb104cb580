"""Dates as publishers write them."""

from datetime import date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.errors import SettingsError
from dedup.params import ReadingParams
from dedup.reading import dates, open_frame

READABLE = [
    ("2024-03-05T10:20:30Z", "2024-03-05T10:20:30"),
    ("2024-03-05T10:20:30.123456+02:00", "2024-03-05T08:20:30.123456"),
    ("2024-03-05 10:20", "2024-03-05T10:20:00"),
    ("2024-03-05 10:20:30 UTC", "2024-03-05T10:20:30"),
    (" 2024-03-05 ", "2024-03-05T00:00:00"),
    ("20240305", "2024-03-05T00:00:00"),
    (20240305, "2024-03-05T00:00:00"),
    (20240305.0, "2024-03-05T00:00:00"),
    ("20240305.0", "2024-03-05T00:00:00"),
    (202403051020, "2024-03-05T10:20:00"),
    ("20240305102030", "2024-03-05T10:20:30"),
    ("978307200000", "2001-01-01T00:00:00"),
    ("Tue, 05 Mar 2024 10:20:30 +0100", "2024-03-05T09:20:30"),
    ("Tue, 05 Mar 2024 10:20:30 GMT", "2024-03-05T10:20:30"),
    ("5 Mar 2024 10:20:30 -0000", "2024-03-05T10:20:30"),
    (1709634030, "2024-03-05T10:20:30"),
    ("1709634030", "2024-03-05T10:20:30"),
    (1709634030123, "2024-03-05T10:20:30.123000"),
    ("1709634030.5", "2024-03-05T10:20:30.500000"),
    (1709634030.25, "2024-03-05T10:20:30.250000"),
    (date(2024, 3, 5), "2024-03-05T00:00:00"),
    (datetime(2024, 3, 5, 10, tzinfo=timezone(timedelta(hours=1))), "2024-03-05T09:00:00"),
]
UNREADABLE = [
    "soon",
    "2024-13-05",
    "9" * 30,
    "9" * 17,
    10**400,
    1e300,
    float("inf"),
    True,
    [2024],
    {"a": 1},
    "Tue, 99 Mar 99999 1:1:1",
    "99999999",
    20240230,
]
SUSPECT = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1900-01-01", "2024-06-04"]
SUSPECT += ["1970-12-31T23:59:59.999999", 0, -5, "2024", 10**13]


def read(values, **settings):
    source = open_frame([{"text": "a", "date": value} for value in values], ReadingParams(**settings))
    source.today = date(2024, 6, 1)
    table = pa.Table.from_batches(source.batches())
    return table["published_at"].to_pylist(), table["date_suspect"].to_pylist(), source.counts


@pytest.mark.parametrize(("value", "wanted"), READABLE)
def test_readable_dates(value, wanted):
    (moment,), suspect, counts = read([value])
    assert moment.replace(tzinfo=None).isoformat() == wanted
    assert (suspect, counts["unreadable_dates"], counts["suspect_dates"]) == ([False], 0, 0)


@pytest.mark.parametrize("value", UNREADABLE)
def test_unreadable_dates(value):
    moments, suspect, counts = read([value])
    assert (moments, suspect, counts["unreadable_dates"], counts["suspect_dates"]) == ([None], [True], 1, 0)


@pytest.mark.parametrize("value", SUSPECT)
def test_suspect_dates(value):
    moments, suspect, counts = read([value])
    assert (moments, suspect, counts["unreadable_dates"], counts["suspect_dates"]) == ([None], [True], 0, 1)


def test_missing_dates_are_not_suspect():
    assert read([None, "", "  ", float("nan")])[:2] == ([None] * 4, [False] * 4)


def test_the_edges_are_in():
    assert read(["1971-01-01", "2024-06-03T23:59:59"])[1] == [False, False]


def test_dates_of_archives_are_believed():
    (moment,), suspect, _ = read(["1987-02-26T15:01:01Z"])
    assert (moment.year, suspect) == (1987, [False])


def test_the_earliest_date_is_a_setting():
    values = ["1989-12-31T23:59:59", "1990-01-01"]
    assert read(values, earliest_date="1990-01-01")[1] == [True, False]
    assert read(["0001-01-01", "1850-06-01"], earliest_date="0001-01-01")[1] == [False, False]


@pytest.mark.parametrize("value", ["", "soon", "1971", "1971-13-01", "1971-01-01T00:00:00", None, 1971])
def test_an_earliest_date_that_is_no_day(value):
    with pytest.raises(SettingsError, match=r"earliest-date: got .*, wanted a day in ISO 8601"):
        ReadingParams(earliest_date=value)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1709634030, None], pa.timestamp("s")),
        pa.array([1709634030000, None], pa.timestamp("ms", tz="America/New_York")),
        pa.array([1709634030000000, None], pa.timestamp("us", tz="UTC")),
        pa.array([1709634030000000000, None], pa.timestamp("ns")),
        pa.array(["2024-03-05T10:20:30", None]),
        pa.array(["2024-03-05T10:20:30", None]).dictionary_encode(),
        pa.array([1709634030, None], pa.int32()),
        pa.array([1709634030.0, None]),
    ],
)
def test_arrow_dates_of_any_type(column):
    source = open_frame(pa.table({"text": ["a", "b"], "date": column}), ReadingParams())
    (batch,) = source.batches()
    assert [str(moment) for moment in batch["published_at"].to_pylist()] == ["2024-03-05 10:20:30+00:00", "None"]


def test_arrow_days_and_moments_out_of_range():
    for days in (pa.array([19000, -10], pa.date32()), pa.array([19000 * 86_400_000, -10], pa.date64())):
        (batch,) = open_frame(pa.table({"text": ["a", "b"], "date": days}), ReadingParams()).batches()
        assert [str(moment) for moment in batch["published_at"].to_pylist()] == ["2022-01-08 00:00:00+00:00", "None"]
    source = open_frame(
        pa.table({"text": ["a", "b"], "date": pa.array([2**62, -(2**63)], pa.timestamp("s"))}), ReadingParams()
    )
    (batch,) = source.batches()
    assert batch["published_at"].to_pylist() == [None, None]
    assert source.counts["unreadable_dates"] == 2


@given(st.text() | st.from_regex(r"[0-9TZ:+. ,-]{1,30}|[A-Z][a-z]{2}, [0-9]{1,6} [A-Z][a-z]{2} [0-9]{1,9} [0-9:]+"))
def test_no_string_breaks_the_parser(text):
    found = dates.micros(text)
    assert found is None or -(2**63) <= found < 2**63
