"""Connected components over parts: the same labels as union-find in one place, whatever the graph and the parts."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.distributed import components
from dedup.distributed.flow import part_of_place
from dedup.errors import DedupError
from dedup.kernels import jaccard
from tests.in_process import InProcess


def even(n, parts):
    return np.linspace(0, n, parts + 1).astype(np.int64)


def dealt(left, right, home):
    """Spread edges over parts."""
    table = pa.table({"left": np.asarray(left, np.int64), "right": np.asarray(right, np.int64)})
    return {int(part): table.filter(pa.array(home == part)) for part in np.unique(home)}


def labelled(flow, n, left, right, home, **limits):
    """Return the labels of nodes with an edge, once they are seen to lie in their parts."""
    starts = even(n, flow.parts)
    found = components.components(flow, "graph", dealt(left, right, home), starts, **limits)
    label = np.full(n, -1)
    for part, table in found.items():
        position = table["position"].to_numpy()
        assert (np.diff(position) > 0).all()
        assert (part_of_place(position, starts) == part).all()
        label[position] = table["label"].to_numpy()
    return label


def wanted(n, left, right):
    label = jaccard.components(n, np.asarray(left, np.int64), np.asarray(right, np.int64))
    lone = np.ones(n, bool)
    lone[np.concatenate((left, right)).astype(int)] = False
    return np.where(lone, -1, label)


@pytest.mark.parametrize("parts", [1, 3, 8])
@pytest.mark.parametrize("whole", [0, components.WHOLE], ids=["stars", "one part"])
@settings(deadline=None, max_examples=60)
@given(
    st.integers(2, 40).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=60), st.booleans()
        )
    )
)
def test_random_graphs(parts, whole, drawn):
    n, edges, backwards = drawn
    left, right = np.array([pair for pair in edges if pair[0] != pair[1]], np.int64).reshape(-1, 2).T
    home = (left * 7 + right) % parts
    found = labelled(InProcess(parts, backwards), n, left, right, home, whole=whole)
    assert found.tolist() == wanted(n, left, right).tolist()


@pytest.mark.parametrize("parts", [1, 3, 8])
@pytest.mark.parametrize("shuffled", [False, True])
def test_paths_of_10000_nodes_by_stars(parts, shuffled):
    n = 10_000
    nodes = np.random.default_rng(5).permutation(n) if shuffled else np.arange(n)
    left, right = nodes[:-1], nodes[1:]
    flow = InProcess(parts)
    found = labelled(flow, n, left, right, np.arange(n - 1) % parts, whole=0)
    assert (found == 0).all()
    rounds = sum(name.startswith("graph-star") for name in flow.sent)
    assert rounds <= 15  # about the logarithm of the length


@pytest.mark.parametrize("hub", [0, 50_000, 100_000])
def test_a_hub_of_100000_edges_costs_a_row_for_each_part(hub):
    """Whatever its position, and though its edges lie in every part: no part has more than a few rows that name it."""
    n, parts = 100_001, 8
    leaves = np.delete(np.arange(n), hub)
    home = np.random.default_rng(1).integers(0, parts, n - 1)
    named, peak = [], []

    class Watched(InProcess):
        def step(self, name, function, /, **inputs):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            made = super().step(name, function, **inputs)
            peak.append(tracemalloc.get_traced_memory()[1] - before)
            for stream in ("edges", "asked", "told"):
                if name in ("graph-forest", "graph-spread") or stream not in made:
                    continue
                for table in made[stream].values():
                    column = table["left" if stream == "edges" else "place"].to_numpy()
                    named.append(int((column == hub).sum()))
            return made

    flow = Watched(parts)
    tracemalloc.start()
    try:
        found = labelled(flow, n, np.full(n - 1, hub), leaves, home, whole=0)
    finally:
        tracemalloc.stop()
    assert (found == 0).all()
    assert max(named) <= parts
    # 16 bytes an edge, and each passes five times; a list of neighbours would come on top.
    assert max(flow.sent.values()) < 3 * 16 * n
    assert max(peak) < 4e6  # bytes of arrays in a part: a few times its eighth of the edges
    print(f"most sent {max(flow.sent.values()) / 1e6:.1f} MB a step, arrays of a part {max(peak) / 1e6:.1f} MB")


def test_more_rounds_than_allowed_are_refused():
    n = 1000
    nodes = np.random.default_rng(5).permutation(n)
    with pytest.raises(DedupError, match="components of graph: edges still change after 2 rounds, wanted at most 2"):
        labelled(InProcess(8), n, nodes[:-1], nodes[1:], np.arange(n - 1) % 8, whole=0, rounds=2)


def test_edges_can_be_picked_out_of_a_table():
    flow = InProcess(3)
    table = pa.table({"left": [0, 3], "right": [1, 4], "good": [True, False]})
    found = components.components(flow, "graph", {2: table}, even(6, 3), pick=good)
    assert pa.concat_tables(found.values()).to_pydict() == {"position": [0, 1], "label": [0, 0]}


def good(table):
    return table.filter(table["good"])


def test_no_edges():
    assert components.components(InProcess(3), "graph", {}, even(6, 3)) == {}


def test_buckets_of_components_are_spread():
    """The smallest of ten positions lies in the first part of eight three times of four; their buckets do not."""
    label = np.random.default_rng(3).integers(0, 1_000_000, (5_000, 10)).min(axis=1)
    assert (part_of_place(label, even(1_000_000, 8)) == 0).mean() > 0.7
    assert np.bincount(components.bucket_of(label, 8), minlength=8).max() < 1.2 * 5_000 / 8
