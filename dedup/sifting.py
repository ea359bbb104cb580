"""The pairs whose plain cosine outweighs the crowd around both, found in waves over rows in the order of time.

*Places* are the rows in that order, undated ones first, as in `kernels.postings`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dedup.kernels import cosine, nearest, postings
from dedup.params import StoryParams
from dedup.spill import IN_MEMORY, Each, Spill, trim
from dedup.stores import joined

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]
Placed = npt.NDArray[np.uint32]
_Pairs = tuple[Placed, Placed, _Float]  # later place, earlier place, cosine

_CHUNK = 128  # rows a thread takes at a time; fixed, so that results do not depend on the number of threads
_WAVES = 512, 8192  # fewest and most rows after which earlier ones hear of them, which raises what a pair must reach
_WAVE_PAIRS = 1 << 19  # pairs of a wave, 8 MB, at which the next one aims: inside a wave nobody is sifted
_BLOCKS = 1024, 8192  # fewest and most places of a block: see `_block_size`

_LEFT_TO_BOUND = 0.7  # length of a row's common terms, relative to the usual toll: longer ones leave more to finish


class Places(NamedTuple):
    """What rows are met by place: all but the rows themselves is in their order."""

    indptr: _Int  # rows in CSR
    indices: npt.NDArray[np.uint32]
    data: npt.NDArray[np.float32]
    columns: int  # terms that several rows have; the other columns are the last ones, and pair nobody
    order: _Int  # [n] row at each place
    begin: _Int  # [n] entry from which each row is used, of `postings.within_budget`
    days: _Float  # [n] NaN where unknown
    shares: _Float  # [n] of a crowd that is taken off
    undated: int  # number of unknown days, which meet all
    low: _Int  # [n] the first dated place that each meets
    refused: tuple[_Int, _Int]  # partners and offsets; those that come earlier count


class State(NamedTuple):
    """What places know of those that they have met."""

    best: _Float  # [n, crowd_neighbours] cosines
    neighbours: _Int  # [n, feedback_neighbours] nearest by faded cosine; -1 where there are fewer
    weights: _Float  # [n, feedback_neighbours] these cosines
    least: npt.NDArray[np.float32]  # [n] what a cosine must reach to be among them; see `nearest.settle`
    halves: npt.NDArray[np.float32]  # [n] half the toll of each so far


def unmet(n: int, params: StoryParams) -> State:
    """Return the state of n places that have met nobody."""
    neighbours = np.full((n, params.feedback_neighbours), -1)
    zeros = np.zeros(n, np.float32), np.zeros(n, np.float32)
    return State(np.zeros((n, params.crowd_neighbours)), neighbours, np.zeros(neighbours.shape), *zeros)


def within(days: _Float, window: float, nearest: int) -> tuple[int, _Int, _Int]:
    """Tell which documents lie within a window of each, or are among the dated ones next to it.

    Parameters
    ----------
    days : float64[n], ascending after the unknown ones (NaN)
    window : days
    nearest : documents before and as many after that are met at any distance

    Returns
    -------
    undated : int, number of unknown ones, which meet all
    low, high : int64[n], first and one past the last of the dated documents that each meets
    """
    undated = int(np.isnan(days).sum())
    low = np.full(len(days), undated)
    high = np.full(len(days), len(days))
    first = np.searchsorted(days[undated:], days[undated:] - window)
    low[undated:] += np.minimum(first, np.maximum(np.arange(len(first)) - nearest, 0))
    # Read off `low`, so that rounding cannot let one of two meet the other alone.
    high[undated:] = np.searchsorted(low[undated:], np.arange(undated, len(days)), side="right") + undated
    return undated, low, high


def sift(
    places: Places,
    state: State,
    params: StoryParams,
    *,
    first: int = 0,
    held: int = 0,
    each: Each = map,
    spill: Spill = IN_MEMORY,
    skipped: Counter[str],
    told: list[_Pairs] | None = None,
) -> _Pairs:
    """Let places from `first` on meet earlier ones: all of them, or where `first` > 0 those before it.

    Parameters
    ----------
    state : changed in place
    held : pairs that the places from `first` on have already
    skipped : takes how much was left out as `story_pairs`
    told : takes what the places before `first` should hear of if they are kept elsewhere too

    Returns
    -------
    Pairs that outweigh the crowds around both, as far as these are known by now.
    """
    n = len(places.order)
    until = first or n
    size = _block_size(n)
    arrays = places.order, *places[:3], places.begin, size, *_index(places, size, spill)
    common: Any = postings.common_parts(*places[:3], places.order, postings.CHECKPOINTS)
    fading = params.decay_floor, params.time_scale
    # Where all are alike what is kept here is most of what the job holds: half of it are places.
    later, earlier, likeness = [np.empty(0, np.uint32)], [np.empty(0, np.uint32)], [np.empty(0)]
    total, wave, at_once, crowded = held, first, 0, False
    while wave < n:
        at_once = min(max(wave // 4, _WAVES[0]), at_once or _WAVES[1])
        end = min(wave + at_once, n)
        usual = 2 * float(state.halves[:wave].mean()) if wave else 0.0
        most = np.inf if crowded else _LEFT_TO_BOUND * max(usual, params.pair_floor)
        at_most = params.pair_budget if crowded else n

        def chunk(start: int, end: int = end, most: float = most, at_most: int = at_most) -> Any:
            meets = until, places.undated, places.low, *places.refused, places.days, places.shares
            given = *arrays, *common, postings.CHECKPOINTS, most, *meets, *state
            similar: Any = cosine.similar_pairs
            limits = params.pair_floor, *fading, params.pair_budget, at_most
            return similar(start, min(start + _CHUNK, end), *given, *limits)

        *parts, left_out = map(list, zip(*each(chunk, range(wave, end, _CHUNK)), strict=True))
        skipped["story_pairs"] += sum(left_out)
        left, right, plain = map(joined, parts)
        nearest.settle(wave, end, left, right, plain, places.days, places.shares, *state, *fading)
        if told is not None:
            heard = plain >= state.least[right]
            told.append((left[heard], right[heard], plain[heard]))
        at_once = _next_wave(end - wave, len(left))
        # Where all are alike, the next ones look at the most likely places alone.
        crowded = len(left) + sum(left_out) > cosine.AT_WORK * params.pair_budget * (end - wave)
        outweighs = plain >= state.halves[left] + state.halves[right]
        left, right, plain = left[outweighs], right[outweighs], plain[outweighs]
        total += len(left)
        if total > params.pair_budget * max((n if held else end) - first, 2 * _WAVES[0]):
            strong: npt.NDArray[np.bool_] = nearest.strongest(left, plain, params.pair_budget)
            skipped["story_pairs"] += len(strong) - int(strong.sum())
            total -= len(strong) - int(strong.sum())
            left, right, plain = left[strong], right[strong], plain[strong]
        later.append(left)
        earlier.append(right)
        likeness.append(plain)
        del parts, left, right, plain, outweighs
        trim()  # or what the waves leave free adds up
        wave = end
    return joined(later), joined(earlier), joined(likeness)


def tolls(state: State, shares: _Float) -> _Float:
    """Return what the crowd around each place explains of a cosine, float64[n]."""
    taken: _Float = shares * state.best.sum(axis=1) / state.best.shape[1]
    return taken


def outweigh(plain: _Float, left: _Float, right: _Float) -> npt.NDArray[np.bool_]:
    """Tell which cosines outweigh the tolls of both ends, bool[p]."""
    surviving: npt.NDArray[np.bool_] = 2 * plain >= left + right
    return surviving


def _index(places: Places, size: int, spill: Spill) -> tuple[npt.NDArray[Any], ...]:
    """Make the postings of all blocks: starts, bases, places and values, as `similar_pairs` wants them."""
    starts = spill.array((-(-len(places.order) // size), places.columns + 1), np.uint32)
    held, values = spill.array(len(places.indices), np.uint16), spill.array(len(places.indices), np.float32)
    bases = postings.block_postings(*places[:3], places.order, size, starts, held, values)
    return starts, bases, held, values


def _block_size(n: int) -> int:
    """Return how many places a block has: a power of two, about a sixteenth of all.

    Few places have their accumulators and their common terms' postings in the cache; many have longer postings, and
    fewer tables of where these start. A row visits its own block as a whole, though it meets but a part of it.
    """
    return int(min(max(1 << (n // 16).bit_length(), _BLOCKS[0]), _BLOCKS[1]))


def _next_wave(rows: int, pairs: int) -> int:
    """Return the most rows of the wave after one of so many rows that gave so many pairs.

    What is found does not depend on it, but for what a budget leaves out.
    """
    return min(max(rows * _WAVE_PAIRS // max(pairs, 1), _WAVES[0]), _WAVES[1])
