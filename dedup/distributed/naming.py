"""The heaviest terms of each story over parts: `findings.name_stories`, in buckets of terms.

The weights of a story are summed where they lie, then by term; float32 summed in float64 is exact up to some 100,000
documents, so that the sums do not hang on the parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import schema, text, weighing
from dedup.distributed.flow import Message, Tables, deal, part_of_hash, part_of_place

_Int = npt.NDArray[np.int64]


def weights(part: int, tables: Tables, *, parts: int) -> Iterator[Message]:
    """Sum the weights of each term over the groups of each story of two or more that this part has.

    Inputs: vectors, columns ([column, term] of these vectors), chosen, canonicals (who asked for one: its story has
    other groups). Stream: weights.
    """
    if "vectors" not in tables:
        return
    found, chosen = tables["vectors"], tables["chosen"]
    canonical = chosen["canonical"].to_numpy()
    several = canonical != chosen["position"].to_numpy()
    if "canonicals" in tables:
        several |= np.isin(canonical, tables["canonicals"]["place"].to_numpy())
    mine = found.filter(pa.array(several))
    indices, offsets = schema.ragged(mine["indices"])
    if not len(indices):
        return
    story = np.repeat(canonical[several], np.diff(offsets))
    order = np.lexsort((indices, story))  # stable: a sum goes by position
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(story[order]) != 0) | (indices[order][1:] != indices[order][:-1])
    first = order[new]
    weight = np.bincount(np.cumsum(new) - 1, schema.ragged(mine["data"])[0][order])
    columns = tables["columns"].sort_by("column")
    column = indices[first]
    term = columns["term"].to_numpy()[np.searchsorted(columns["column"].to_numpy(), column)]
    table = pa.table({"canonical": story[first], "column": column, "term": term, "weight": weight})
    yield from deal("weights", table, part_of_hash(term, parts))


def spell(shown: pa.Table, parts: int) -> Iterator[Message]:
    """Send the spelling of each term of some titles and excerpts to its bucket, stream `spellings`.

    Parameters
    ----------
    shown : columns title and excerpt
    """
    for excerpt, name in enumerate(("title", "excerpt")):
        words = text.spellings(shown[name])
        term = np.fromiter(words, np.uint64, len(words))
        table = pa.table({"term": term, "excerpt": np.full(len(term), bool(excerpt)), "word": list(words.values())})
        yield from deal("spellings", table, part_of_hash(term, parts))


def choose(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Send the heaviest terms of each story that can be named to where it lives.

    Titles come before excerpts, and both in the order of positions: as parts send them.

    Inputs: weights, spellings. Stream: names.
    """
    if "weights" not in tables or "spellings" not in tables:
        return
    found, spelt = tables["weights"], tables["spellings"]
    order = np.argsort(spelt["excerpt"].to_numpy(), kind="stable")
    known, first = np.unique(spelt["term"].to_numpy()[order], return_index=True)
    term = found["term"].to_numpy()
    place = np.minimum(np.searchsorted(known, term), len(known) - 1)
    nameable = known[place] == term
    found, place = found.filter(pa.array(nameable)), place[nameable]
    keys = np.column_stack((found["canonical"].to_numpy(), found["column"].to_numpy().astype(np.int64)))
    (story, column), row, label = _distinct(keys)
    weight = np.bincount(label, found["weight"].to_numpy(), len(row))
    best = heaviest(story, column, weight)
    words = spelt["word"].take(pa.array(order[first][place[row[best]]]))
    table = pa.table({"canonical": story[best], "column": column[best], "weight": weight[best], "word": words})
    yield from deal("names", table, part_of_place(story[best], starts))


def _distinct(keys: _Int) -> tuple[_Int, _Int, _Int]:
    if not len(keys):
        return np.empty((2, 0), np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
    found, row, label = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return found.T, row, label.reshape(-1)


def heaviest(story: _Int, column: _Int, weight: npt.NDArray[Any]) -> _Int:
    """Return the rows of the heaviest terms of each story, by falling weight, ties by column."""
    positive = np.flatnonzero(weight > 0)
    order = positive[np.lexsort((column[positive], -weight[positive], story[positive]))]
    ranked = story[order]
    best: _Int = order[np.arange(len(order)) - np.searchsorted(ranked, ranked) < weighing.NAMED]
    return best


def joined(names: pa.Table, canonical: _Int) -> list[str]:
    """Name stories by their heaviest terms.

    Parameters
    ----------
    names : of `choose`
    canonical : int64[k], rising
    """
    story, column = names["canonical"].to_numpy(), names["column"].to_numpy()
    best = heaviest(story, column, names["weight"].to_numpy())
    words: list[list[str]] = [[] for _ in canonical]
    for at, word in zip(
        np.searchsorted(canonical, story[best]).tolist(), names["word"].take(best).to_pylist(), strict=True
    ):
        words[at].append(word)
    return list(map(weighing.SEPARATOR.join, words))
