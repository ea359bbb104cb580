"""What dates say: which of them tell anything, and how much nearness in time speaks for one story."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dedup.kernels.decay import mean_nearness
from dedup.params import StoryParams

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]

_LEAST = 0.01  # of a usual decay, so that a floor of 0 does not divide by nothing


def telling_days(hours: _Float) -> _Float:
    """Turn hours into days, without stamps that say nothing: one that most of the articles bear is that of a crawl.

    Parameters
    ----------
    hours : float64[n], NaN where unknown

    Returns
    -------
    float64[n], NaN where unknown.
    """
    days = hours / 24
    stamps, counts = stamps_of(days)
    return without(days, stamps[counts > len(days) / 2])


def stamps_of(days: _Float) -> tuple[_Float, _Int]:
    """Return the distinct days, sorted, and how many articles bear each."""
    stamps, counts = np.unique(days[~np.isnan(days)], return_counts=True)
    return stamps, counts


def without(days: _Float, crawl: _Float) -> _Float:
    """Take days for unknown that are those of a crawl."""
    return np.where(np.isin(days, crawl), np.nan, days)


def nearness(days: _Float, left: _Int, right: _Int, params: StoryParams) -> _Float:
    """Return what the time between two articles says for one story, 1 where a date is unknown.

    The decay d = decay_floor + (1 - decay_floor) · exp(-|Δt| / time_scale), relative to its mean m over all dates of
    the corpus: d_ij / √(m_i · m_j)^dispersion. To lie a day apart says much in an archive of years and nothing in a
    crawl of one afternoon, as in a likelihood ratio of one story to any two articles.

    Parameters
    ----------
    days : float64[n], NaN where unknown
    left, right : int64[p]

    Returns
    -------
    float64[p]
    """
    usual = usual_decays(days, params)
    return relative(np.abs(days[left] - days[right]), usual[left], usual[right], params)


def usual_decays(days: _Float, params: StoryParams) -> _Float:
    """Return the mean decay of each date with all others, float64[n]; 1 where it is unknown."""
    dated = np.flatnonzero(~np.isnan(days))
    dated = dated[np.argsort(days[dated], kind="stable")]
    usual = np.ones(len(days))
    usual[dated] = usual_decay(mean_nearness(days[dated], params.time_scale), params)
    return usual


def usual_decay(nearness: _Float, params: StoryParams) -> _Float:
    """Return the decay of each date with all others, from its mean nearness to them, float64[n]."""
    return np.maximum(_faded(nearness, params), _LEAST)


def relative(apart: _Float, left: _Float, right: _Float, params: StoryParams) -> _Float:
    """Return what the time between the ends of each pair says, relative to the usual decay of both; see `nearness`.

    Parameters
    ----------
    apart : float64[p], days, NaN where unknown; left, right : float64[p], usual decays
    """
    said = _faded(np.exp(-apart / params.time_scale), params) / (left * right) ** (params.dispersion / 2)
    return np.where(np.isnan(apart), 1.0, said)


def _faded(nearness: _Float, params: StoryParams) -> _Float:
    return params.decay_floor + (1 - params.decay_floor) * nearness
