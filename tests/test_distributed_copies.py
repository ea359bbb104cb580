"""Pass 1 in supersteps against pass 1 on one machine: the same units, pairs and figures for any number of parts."""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from distributing import spread

from dedup import duplicates
from dedup.distributed import flow, sketched
from dedup.params import Params

SEEDS = Path(__file__).parents[1] / "seeds"


def whole(dataset):
    """Return the tables of all parts as one."""
    return pa.concat_tables([dataset[part] for part in sorted(dataset)]).combine_chunks()


def _ask(part, tables, *, starts):
    """Pair every fourth of all documents with those of this part."""
    left = np.repeat(np.arange(starts[part], starts[part + 1]), len(range(0, starts[-1], 4)))
    right = np.tile(np.arange(0, starts[-1], 4), starts[part + 1] - starts[part])
    yield flow.Message("pairs", part, pa.table({"left": left, "right": right}))
    yield from sketched.ask_pairs("asked", part, left, right, starts)


def _verify(part, tables, *, params):
    pairs = tables["pairs"]["left"].to_numpy(), tables["pairs"]["right"].to_numpy()
    yield flow.Message("verified", part, sketched.verify(tables["answers"], *pairs, params))


@pytest.mark.parametrize(("parts", "backwards"), [(1, False), (3, True), (8, False)])
def test_pairs_are_measured_where_their_texts_are_not(parts, backwards):
    params = Params().duplicates
    engine, corpus = spread(SEEDS, Params(), parts, backwards)
    asked = engine.step("ask", partial(_ask, starts=corpus.starts), sketches=corpus.sketches)
    answers = sketched.fetch(engine, "rows", asked["asked"], corpus.sketches, corpus.starts)
    found = whole(
        engine.step("verify", partial(_verify, params=params), pairs=asked["pairs"], answers=answers)["verified"]
    )
    every = np.arange(len(corpus))
    left, right = np.repeat(every, len(every[::4])), np.tile(every[::4], len(every))
    assert found.equals(duplicates.verify(whole(corpus.sketches), left, right, params))
    assert found["accepted"].to_pylist().count(True) > len(every[::4])  # not only of itself
