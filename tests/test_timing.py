"""What dates say."""

from math import exp

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup import timing
from dedup.kernels.decay import mean_nearness
from dedup.params import StoryParams

PARAMS = StoryParams(decay_floor=0.5, time_scale=7.0)
LEFT, RIGHT = np.array([1]), np.array([0])


@settings(deadline=None)
@given(st.lists(st.integers(0, 400).map(float), max_size=12), st.sampled_from([0.5, 7.0, 90.0]))
def test_mean_nearness(days, scale):
    days = sorted(days)
    assert mean_nearness(np.array(days, np.float64), scale) == pytest.approx(naive.mean_nearness(days, scale))


@pytest.mark.parametrize("apart", [0.0, 7.0, 14.0, 1e6])
def test_two_dates_alone_say_what_is_left_of_their_decay(apart):
    """With nothing to compare to, the usual decay is their own."""
    days = np.array([100.0, 100.0 + apart])
    decay = 0.5 + 0.5 * exp(-apart / 7)
    for ends in (days, days[::-1]):
        assert timing.nearness(ends, LEFT, RIGHT, PARAMS) == pytest.approx(decay ** (1 - PARAMS.dispersion))


def test_a_missing_date_says_nothing():
    days = np.array([np.nan, 100.0, 300.0, 300.5])
    assert timing.nearness(days, LEFT, RIGHT, PARAMS).tolist() == [1.0]


def test_dates_of_one_day_say_nothing_and_those_of_years_much():
    day = np.linspace(0, 0.5, 50)
    years = np.linspace(0, 2000, 50)
    assert timing.nearness(day, LEFT, RIGHT, PARAMS) == pytest.approx(1.0, abs=0.03)
    near = timing.nearness(np.append(years, years[0] + 0.5), np.array([50]), np.array([0]), PARAMS)
    far = timing.nearness(years, np.array([40]), np.array([0]), PARAMS)
    assert near > 1.4
    assert far < 0.9


def test_stray_dates_hardly_change_what_the_others_say():
    """An impossible date far away, and others without a date."""
    days = np.concatenate((np.linspace(0, 365, 300), [30_000.0, np.nan, np.nan]))
    assert timing.nearness(days, LEFT, RIGHT, PARAMS) == pytest.approx(
        timing.nearness(days[:300], LEFT, RIGHT, PARAMS), rel=0.01
    )


def test_a_stamp_that_most_articles_bear_tells_nothing():
    hours = np.array([48.0, 48.0, 48.0, 72.0, np.nan])
    assert np.array_equal(timing.telling_days(hours), [np.nan, np.nan, np.nan, 3.0, np.nan], equal_nan=True)
    assert timing.telling_days(hours[2:4]).tolist() == [2.0, 3.0]
