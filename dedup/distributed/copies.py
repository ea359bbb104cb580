"""Pass 1 of a distributed job up to its verified pairs: units, candidates and figures are those of one machine."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import candidates, duplicates, schema
from dedup.distributed import candidates as spread
from dedup.distributed import sketched
from dedup.distributed.corpus import Corpus
from dedup.distributed.flow import (
    Dataset,
    Flow,
    Message,
    Tables,
    counted,
    deal,
    ends,
    part_of_hash,
    part_of_place,
    total_of,
)
from dedup.errors import ResourceError
from dedup.params import DuplicateParams, Params
from dedup.stores import distinct

_Int = npt.NDArray[np.int64]


class Verified(NamedTuple):
    """Measured pairs, and how much was left undone to stay within a budget."""

    pairs: Dataset  # schema.VERIFIED with positions, at the part of `left`, sorted by both
    skipped: dict[str, int]


def units(flow: Flow, corpus: Corpus, params: Params) -> Dataset:
    """Collapse documents as `duplicates.units` does.

    Returns
    -------
    Dataset of [position, unit (position of its first document), shingles (their number)], sorted by position
    """
    send = partial(_collapse, starts=corpus.starts, parts=flow.parts, params=params.duplicates)
    sent = flow.step("units-own", send, sketches=corpus.sketches)
    met = flow.step("units-met", partial(_meet, starts=corpus.starts), texts=sent["texts"])
    return flow.step("units", _named, own=sent["own"], earlier=met["earlier"])["units"]


def _collapse(part: int, tables: Tables, *, starts: _Int, parts: int, params: DuplicateParams) -> Iterator[Message]:
    """Find the units among the documents of a part, and send the first of each under its text."""
    sketches = tables["sketches"].select(["digest", "content_key", "words", "shingles"]).combine_chunks()
    unit = duplicates.units(sketches, params)
    place, size = np.arange(len(unit)), np.diff(schema.ragged(sketches["shingles"])[1])
    own = {"position": place + starts[part], "unit": unit + starts[part], "shingles": size}
    yield Message("own", part, pa.table(own))
    first = np.flatnonzero((unit == place) & (size > 0))  # nothing is a copy of nothing
    digest = schema.matrix(sketches["digest"])[first]
    texts = {
        "digest": schema.matrix_array(digest),
        "key": sketches["content_key"].to_numpy()[first],
        "short": sketches["words"].to_numpy()[first] < params.short_words,
        "position": first + starts[part],
    }
    yield from deal("texts", pa.table(texts), part_of_hash(digest[:, 0], parts))


def _meet(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Tell the first document of a unit where another part has an earlier one."""
    texts = tables["texts"].combine_chunks()  # by sender, so by position
    key, short, position = (texts[name].to_numpy() for name in ("key", "short", "position"))
    first = duplicates.collapsed(schema.matrix(texts["digest"]), key, short, np.zeros(len(key), np.bool_))
    later = np.flatnonzero(first != np.arange(len(first)))
    table = pa.table({"position": position[later], "unit": position[first[later]]})
    yield from deal("earlier", table, part_of_place(position[later], starts))


def _named(part: int, tables: Tables) -> Iterator[Message]:
    """Replace the units of a part by those that began elsewhere."""
    position, unit, size = (tables["own"][name].to_numpy() for name in ("position", "unit", "shingles"))
    begin = position[0]
    named = position.copy()
    if "earlier" in tables:
        named[tables["earlier"]["position"].to_numpy() - begin] = tables["earlier"]["unit"].to_numpy()
    yield Message("units", part, pa.table({"position": position, "unit": named[unit - begin], "shingles": size}))


def verified(flow: Flow, corpus: Corpus, units: Dataset, params: Params) -> Verified:
    """Find candidates and measure them, as `candidates.candidates` (or `equal_pairs`) and `resemblance.verify` do.

    Parameters
    ----------
    units : of `units`

    Raises
    ------
    ResourceError
        There are more documents than two of 32 bits can name.
    """
    if len(corpus) > 1 << 32:
        raise ResourceError(f"corpus: got {len(corpus):,} documents, wanted at most {1 << 32:,}; split it by date")
    duplicate = params.duplicates
    exact = params.level == "exact"
    found = (spread.find_equal if exact else spread.find)(flow, corpus, units, duplicate)
    gathered = flow.step("copies-pairs", partial(_distinct, starts=corpus.starts), **found.pairs)
    skipped = dict(found.skipped)
    most = duplicate.pair_budget
    if not exact and (many := total_of(flow, gathered["count"])) > most * found.filled:
        asked = sketched.fetch(
            flow, "copies-signatures", gathered["asked"], corpus.sketches, corpus.starts, ["signature"]
        )
        keep = partial(_within_budget, starts=corpus.starts, most=most)
        gathered = flow.step("copies-budget", keep, pairs=gathered["pairs"], answers=asked)
        skipped["duplicate_pairs"] += many - total_of(flow, gathered["count"])
    rows = sketched.fetch(flow, "copies-rows", gathered["asked"], corpus.sketches, corpus.starts)
    measure = partial(_measured, params=duplicate)
    return Verified(flow.step("copies-verified", measure, pairs=gathered["pairs"], answers=rows)["verified"], skipped)


def _distinct(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Take each pair once and ask for its texts."""
    pairs = distinct(table["pair"].to_numpy() for table in tables.values())
    yield from _kept(part, *candidates.unpacked(pairs), starts)


def _within_budget(part: int, tables: Tables, *, starts: _Int, most: int) -> Iterator[Message]:
    """Keep the pairs of each left document whose signatures agree most."""
    left, right = ends(tables["pairs"])
    texts = sketched.paired(tables["answers"], left, right)
    agree = candidates.agreement(schema.matrix(texts.sketches["signature"]), texts.left, texts.right)
    kept = candidates.best(left, right, agree, most)
    yield from _kept(part, left[kept], right[kept], starts)


def _kept(part: int, left: _Int, right: _Int, starts: _Int) -> Iterator[Message]:
    yield Message("pairs", part, pa.table({"left": left, "right": right}))
    yield counted("count", part, len(left))
    yield from sketched.ask_pairs("asked", part, left, right, starts)


def _measured(part: int, tables: Tables, *, params: DuplicateParams) -> Iterator[Message]:
    yield Message("verified", part, sketched.verify(tables["answers"], *ends(tables["pairs"]), params))
