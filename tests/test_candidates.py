"""Candidates of pass 1 against all pairs: none above a threshold is missed, and a flood stays bounded."""

import naive
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_kernels_pairs import A, B

from dedup import candidates as finding
from dedup.kernels import jaccard, minhash
from dedup.params import DuplicateParams


def sketches(sets):
    """Return what `candidates.candidates` reads of documents with these shingle sets."""
    values, offsets = naive.ragged([sorted(s) for s in sets])
    signature = pa.FixedSizeListArray.from_arrays(minhash.minhash(values, offsets, A, B).reshape(-1), 128)
    return pa.table({"shingles": pa.LargeListArray.from_arrays(offsets, values), "signature": signature})


@st.composite
def planted(draw):
    """Draw sets of few shingles, and parts and mixtures of them."""
    sets = draw(st.lists(st.sets(st.integers(0, 400), max_size=40), min_size=1, max_size=6))
    for _ in range(draw(st.integers(0, 8))):
        source = sorted(draw(st.sampled_from(sets)))
        lost = draw(st.sets(st.sampled_from(source), max_size=max(1, len(source) // 3))) if source else set()
        sets.append((set(source) - lost) | draw(st.sets(st.integers(0, 4000), max_size=12)))
    return [{naive.mix64(value + 1) for value in s} for s in sets]


def alike(sets, params):
    """Return all pairs at or above one of the thresholds."""
    found = set()
    for j, two in enumerate(sets):
        for i, one in enumerate(sets[:j]):
            shared = len(one & two)
            if shared and (
                shared / len(one | two) >= params.jaccard or shared / min(len(one), len(two)) >= params.containment
            ):
                found.add((i, j))
    return found


def candidates(sets, params):
    left, right = finding.candidates(sketches(sets), params)
    assert (left < right).all()
    return set(zip(left.tolist(), right.tolist(), strict=True))


@settings(max_examples=300, deadline=None)
@example([{1}, {1, 2}, {1, 2, 3, 4}, {2, 3, 4, 5}, {5}, set(), set()])
@given(planted())
def test_candidates_are_complete(sets):
    params = DuplicateParams()
    assert alike(sets, params) <= candidates(sets, params)


def brief_in_take(size, lost):
    """Return sets of which the first shares all but `lost` of its shingles, the rarest ones, with a long one."""
    common, rare = set(range(size - lost)), set(range(10_000, 10_000 + lost))
    others = [set(common) | {20_000 + i} for i in range(3)]
    return [{naive.mix64(v + 1) for v in s} for s in (common | rare, common | set(range(30_000, 30_900)), *others)]


@pytest.mark.parametrize(
    ("threshold", "containment", "size", "lost"),
    [
        (0.6, 0.85, 20, 3),
        (0.6, 0.85, 40, 6),
        (0.6, 0.75, 40, 10),
        (0.6, 0.6, 40, 16),
        (0.95, 0.95, 40, 2),
        (0.9, 0.9, 20, 2),
        (0.8, 0.8, 20, 4),
    ],
)
def test_a_brief_at_the_very_threshold_is_found(threshold, containment, size, lost):
    params = DuplicateParams(jaccard=threshold, containment=containment)
    sets = brief_in_take(size, lost)
    assert (0, 1) in alike(sets, params)
    assert (0, 1) in candidates(sets, params)


def test_a_flooded_key_ends_in_one_group():
    sets = [{*range(40), 100 + i} for i in range(500)]  # near-copies, each key in more than 200 documents
    pairs = np.array(sorted(candidates([{naive.mix64(v + 1) for v in s} for s in sets], DuplicateParams())))
    assert len(pairs) < 500 * 4 * 30
    assert (jaccard.components(500, pairs[:, 0], pairs[:, 1]) == 0).all()
