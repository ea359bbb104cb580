"""Lists of who holds a shingle, somewhere of all shingles of a bucket: joined there, or sent to those who ask."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import candidates
from dedup.distributed.flow import Message, part_of_place
from dedup.kernels import prefix
from dedup.params import DuplicateParams

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]
_Pairs = npt.NDArray[np.uint64]

_AT_ONCE = 1 << 14  # documents joined at a time: of each come 200 pairs at most, but for hot keys


class Lists(NamedTuple):
    """Lists in the order of their keys, members in the order in which `candidates` has them."""

    starts: _Int  # [r] where each begins
    key: npt.NDArray[np.uint64]  # [m] of the list
    member: npt.NDArray[np.uint32]  # [m] positions
    size: npt.NDArray[np.int32]  # [m] shingles of each member
    own: _Bool  # [m] whether the member chose the key

    @classmethod
    def of(cls, table: pa.Table) -> Self:
        """View a table of [key, member, size, own], in order."""
        key, member, size, own = (table[name].to_numpy() for name in ("key", "member", "size", "own"))
        return cls(candidates.starts_of_runs(key), key, member, size, own)

    @classmethod
    def sorted(cls, postings: pa.Table) -> Self:
        """Make lists of postings, which have a column `smallest`, too."""
        order = np.lexsort([postings[name].to_numpy() for name in ("member", "smallest", "key")])
        return cls.of(postings.select(["key", "member", "size", "own"]).take(pa.array(order)))

    def lengths(self) -> _Int:
        """Return how many members each has, int64[r]."""
        return np.diff(self.starts, append=len(self.own))

    def of_interest(self) -> _Bool:
        """Tell of which lists some member chose the key and has others to be paired with, bool[r]."""
        return (self.lengths() > 1) & np.logical_or.reduceat(self.own, self.starts)

    def where(self, wanted: _Bool) -> Self:
        """Select lists; wanted : bool[r]."""
        kept = np.repeat(wanted, self.lengths())
        key = self.key[kept]
        return type(self)(candidates.starts_of_runs(key), key, self.member[kept], self.size[kept], self.own[kept])

    def join(self, params: DuplicateParams) -> Iterator[tuple[_Pairs, int]]:
        """Pair those who chose keys with `prefix.prefix_join`; yields pairs of positions, and how many it left out."""
        position, dense = np.unique(self.member, return_inverse=True)
        members, n = dense.astype(np.uint32), len(position)
        sizes = np.empty(n, np.int32)
        sizes[dense] = self.size
        bounds = np.append(self.starts, len(self.own))
        places, runs, first = prefix.keys_of_members(bounds, members, self.own, n)
        limits = params.hot_key, params.predecessors, params.hot_key
        for start in range(0, n, _AT_ONCE):
            stop = min(start + _AT_ONCE, n)
            pairs, left_out = prefix.prefix_join(bounds, members, places, runs, first, sizes, start, stop, *limits)
            left, right = candidates.unpacked(pairs)
            yield position[left].astype(np.uint64) << np.uint64(32) | position[right], left_out

    def send(self, starts: _Int) -> Iterator[Message]:
        """Send each list to the parts of those who chose its key, stream `lists`.

        Of its members these see those only that are as long as the shortest of them, since no others are paired.
        """
        run = np.repeat(np.arange(len(self.starts)), self.lengths())[self.own]
        target, size = part_of_place(self.member[self.own].astype(np.int64), starts), self.size[self.own]
        order = np.lexsort((size, run, target))
        run, target, size = run[order], target[order], size[order]
        first = np.flatnonzero((np.diff(run, prepend=-1) != 0) | (np.diff(target, prepend=-1) != 0))
        run, target, least = run[first], target[first], size[first]
        bounds = [*np.flatnonzero(np.diff(target, prepend=-1)).tolist(), len(target)]
        for begin, end in pairwise(bounds):
            yield from self._for_one(int(target[begin]), run[begin:end], least[begin:end])

    def _for_one(self, target: int, run: _Int, least: npt.NDArray[np.int32]) -> Iterator[Message]:
        """Send some lists to one part, without the members that are too short, and those with one member left not."""
        lengths = self.lengths()[run]
        begin = np.cumsum(lengths) - lengths
        row = np.arange(lengths.sum()) + np.repeat(self.starts[run] - begin, lengths)
        long = self.size[row] >= np.repeat(least, lengths)
        row = row[long & np.repeat(np.add.reduceat(long, begin) > 1, lengths)]
        columns = {name: getattr(self, name)[row] for name in ("key", "member", "size", "own")}
        yield Message("lists", target, pa.table(columns))
