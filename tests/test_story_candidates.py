"""What bounds the candidates of pass 2: a window in time, and a budget of postings."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from story_rows import PARAMS, counted, links, matrix

from dedup import sifting, weighing


class TestWindow:
    @pytest.fixture
    def rows(self):
        words = "harbour ferry fog rocks grounding", "rye loaf bakery prize", "harbour ferry fog rocks pilot"
        return weighing.vectors(counted([None] * 3, words), weighing.background())

    @pytest.mark.parametrize("day", [0.0, 20_000.123, -7.1])
    @pytest.mark.parametrize(("apart", "linked"), [(89, True), (91, False), (4000, False), (np.nan, True)])
    def test_dated_pairs_beyond_it_are_never_linked(self, rows, day, apart, linked):
        for days in ([day, day, day + apart], [day + apart, day, day], [day, np.nan, day + apart]):
            found = links(rows, np.array(days), params=replace(PARAMS, window=90.0, window_nearest=0))
            assert list(zip(*map(pa.ChunkedArray.to_pylist, found.columns[:2]), strict=True)) == [(2, 0)] * linked

    def test_the_wider_the_more_and_at_last_all(self, seed_vectors):
        _, rows, days = seed_vectors
        counts = [
            links(rows, days, params=replace(PARAMS, window=w, window_nearest=0)).num_rows for w in (1.0, 90.0, 1e4)
        ]
        assert counts[0] < counts[1] < counts[2]
        wide, dated = links(rows, days, params=replace(PARAMS, window=1e4, window_nearest=0)), ~np.isnan(days)
        left, right = wide["left"].to_numpy(), wide["right"].to_numpy()
        assert (np.abs(days[left] - days[right])[dated[left] & dated[right]] > 90).any()

    def test_one_of_two_never_meets_the_other_alone(self):
        """Stamps that are 90 days apart to the second, where subtraction rounds now up, now down."""
        random = np.random.default_rng(3)
        start = random.integers(0, 2**31, 300) / 86_400
        days = np.concatenate(([np.nan] * 4, np.sort(np.concatenate((start, start + 90, start + 180)))))
        undated, low, high = sifting.within(days, 90.0, 0)
        place = np.arange(len(days))
        met = (place < undated) | ((low[:, None] <= place) & (place < high[:, None]))
        assert undated == 4 and met[:4].all() and met[:, :4].all()
        assert (met == met.T).all()
        apart = np.abs(days[:, None] - days)
        assert met[apart < 90 - 1e-9].all() and not met[apart > 90 + 1e-9].any()
        _, low, high = sifting.within(days, 90.0, 50)
        wider = (place < undated) | ((low[:, None] <= place) & (place < high[:, None]))
        assert (wider == wider.T).all()
        assert (wider == (met | ((np.abs(place[:, None] - place) <= 50) & (place[:, None] >= undated)))).all()


class TestPostings:
    def test_the_commonest_terms_are_left_out_first(self):
        """Every article says `harbour`, three `ferry`, two `fog`: a term visits as many postings as articles say it."""
        words = ["harbour ferry fog", "harbour ferry fog", "harbour ferry", *(f"harbour alone{i}" for i in range(7))]
        rows = weighing.vectors(counted([None] * 10, words), weighing.background())
        loose = replace(PARAMS, pair_floor=1e-6, link_floor=1e-9, crowding=0.0, crowd_floor=0.0, feedback=0.0)

        def cosines(postings):
            found = links(rows, np.full(10, np.nan), params=replace(loose, postings=postings)).to_pylist()
            return {(pair["left"], pair["right"]): pair["cosine"] for pair in found}

        x = matrix(rows)
        _, ferry, fog = np.argsort(-(x > 0).sum(axis=0), kind="stable")[:3]
        full = cosines(100)
        assert len(full) == 45 and full == cosines(2 + 3 + 10)
        without = cosines(2 + 3)
        assert without == pytest.approx(
            {(i, j): (x[i] * x[j])[[ferry, fog]].sum() for i, j in ((1, 0), (2, 0), (2, 1))}
        )
        assert cosines(2) == pytest.approx({(1, 0): x[1, fog] * x[0, fog]})
        assert cosines(1) == cosines(0) == {}

    def test_a_budget_that_binds(self, seed_vectors):
        _, rows, days = seed_vectors
        before = links(rows, days)
        most = int(np.add.reduceat((matrix(rows) > 0).sum(axis=0)[rows.indices], rows.indptr[:-1]).max())
        assert links(rows, days, params=replace(PARAMS, postings=most)).equals(before)
        kept = [links(rows, days, params=replace(PARAMS, postings=most // part)) for part in (2, 4, 16, 10**9)]
        assert not kept[0].equals(before)
        assert 0 == kept[-1].num_rows < kept[0].num_rows
        ends = [set(zip(found["left"].to_pylist(), found["right"].to_pylist(), strict=True)) for found in kept]
        strong = before.filter(pc.greater(before["score"], 0.3))
        assert strong.num_rows > 20
        assert set(zip(strong["left"].to_pylist(), strong["right"].to_pylist(), strict=True)) <= ends[0]
