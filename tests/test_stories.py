"""Pass 2 against a dense copy of its formulae, and what must not change it: chunks, threads, the order of rows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from story_rows import PARAMS, links, matrix

import dedup
from dedup import schema, sifting, stories, weighing
from dedup.engines.local import LocalEngine

NOTICE = (
    "The company said after a meeting of its board that it will pay a quarterly dividend of {} cents a share to all "
    "holders of its common stock, as it has done without a break since it was first listed, and that {} thousand of "
    "its own shares will be bought back before the end of the financial year."
)


def take(rows, order):
    """Return the vectors in another order."""
    parts = [np.arange(rows.indptr[d], rows.indptr[d + 1]) for d in order]
    places = np.concatenate(parts)
    indptr = np.concatenate(([0], np.cumsum([len(part) for part in parts])))
    return weighing.Vectors(indptr, rows.indices[places], rows.data[places], rows.terms)


def best(values, count):
    return np.sort(values, axis=1)[:, ::-1][:, :count]


def dense_scores(rows, days, refused, params):
    """The formulae of `similar_pairs` on whole matrices: plain cosines, and scores where there is a link."""
    x = matrix(rows)
    n = len(x)
    terms = (x > 0).sum(axis=1)
    shares = params.crowding * terms / (terms + params.crowd_length)
    apart = np.nan_to_num(np.abs(days[:, None] - days[None, :]), nan=0.0)
    near = np.exp(-apart / params.time_scale)
    faded = params.decay_floor + (1 - params.decay_floor) * near
    dated = ~np.isnan(days)
    others = max(dated.sum() - 1, 1)
    usual = [(near[i][dated].sum() - 1) / others if dated.sum() > 1 else 1.0 for i in range(n)]
    usual = np.where(dated, np.maximum(params.decay_floor + (1 - params.decay_floor) * np.array(usual), 0.01), 1.0)
    both = dated[:, None] & dated[None, :]
    said = np.where(both, faded / (usual[:, None] * usual[None, :]) ** (params.dispersion / 2), 1.0)

    cosines = x @ x.T
    np.fill_diagonal(cosines, 0.0)
    cosines[refused], cosines[refused[::-1]] = 0.0, 0.0
    order = np.argsort(np.where(np.isnan(days), -np.inf, days), kind="stable")
    place = np.argsort(order)
    remote = (apart > params.window) & (np.abs(place[:, None] - place[None, :]) > params.window_nearest)
    cosines[remote] = 0.0
    near = np.where(cosines >= params.pair_floor, cosines, 0.0)
    tolls = shares * best(near, params.crowd_neighbours).sum(axis=1) / params.crowd_neighbours
    survive = (near > 0) & (2 * near >= params.sifting * (tolls[:, None] + tolls[None, :]))

    mixed = x.copy()
    for i in range(n):
        for j in np.argsort(-(near * faded)[i], kind="stable")[: params.feedback_neighbours]:
            mixed[i] += params.feedback * (near * faded)[i, j] * x[j]
    mixed /= np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-300)
    similar = np.where(survive, mixed @ mixed.T, 0.0)
    crowd = best(similar, params.crowd_neighbours).sum(axis=1) / params.crowd_neighbours
    crowd = np.maximum(crowd, params.crowd_floor)
    tolls = shares * crowd
    dense = (crowd[:, None] + crowd[None, :]) / 2 + params.crowd_scale
    scale = np.sqrt((params.crowd_floor + params.crowd_scale) / dense)
    score = (similar - (tolls[:, None] + tolls[None, :]) / 2) * scale * said
    return cosines, np.where(survive & (score >= params.link_floor), np.minimum(score, 1.0), 0.0)


SETTINGS = (
    PARAMS,
    replace(PARAMS, feedback=0.0),
    replace(PARAMS, crowding=0.0, decay_floor=1.0),
    replace(PARAMS, pair_floor=0.01, link_floor=0.001, crowd_neighbours=2, feedback_neighbours=1),
    replace(PARAMS, time_scale=1.0, decay_floor=0.0, crowd_length=100.0),
    replace(PARAMS, window=1e6),
    replace(PARAMS, window=20.0, window_nearest=0),
    replace(PARAMS, window=20.0, window_nearest=7),
)


@pytest.mark.parametrize("params", SETTINGS, ids=range(len(SETTINGS)))
def test_similar_pairs_are_those_of_whole_matrices(seed_vectors, params):
    _, rows, days = seed_vectors
    refused = (np.array([0, 9], np.int64), np.array([1, 12], np.int64))
    found = links(rows, days, refused, params)
    left, right = found["left"].to_numpy(), found["right"].to_numpy()
    cosines, scores = dense_scores(rows, days, refused, params)
    assert len(left) > 50 and (right < left).all()
    assert set(zip(left.tolist(), right.tolist(), strict=True)) == set(zip(*np.nonzero(np.tril(scores)), strict=True))
    np.testing.assert_allclose(found["cosine"].to_numpy(), cosines[left, right], rtol=1e-9)
    np.testing.assert_allclose(found["score"].to_numpy(), scores[left, right], rtol=1e-9)


class TestDecay:
    def test_undated_articles_do_not_fade(self, seed_vectors):
        _, rows, days = seed_vectors
        undated = links(rows, np.full(len(days), np.nan))
        assert undated.equals(links(rows, np.zeros(len(days))))
        faded = links(rows, np.arange(len(days)) * 50.0)
        assert faded["score"].to_numpy().sum() < 0.7 * undated["score"].to_numpy().sum()


class TestNothingElseMatters:
    @pytest.mark.parametrize(("chunk", "block"), [(1, 1), (7, 16), (64, 999)])
    @pytest.mark.parametrize("threads", [1, 3])
    def test_chunks_blocks_and_threads(self, seed_vectors, monkeypatch, chunk, block, threads):
        _, rows, days = seed_vectors
        before = links(rows, days)
        monkeypatch.setattr(sifting, "_CHUNK", chunk)
        monkeypatch.setattr(stories, "_CHUNK", chunk)
        monkeypatch.setattr(sifting, "_BLOCKS", (block, block))
        with LocalEngine(threads) as engine:
            assert links(rows, days, each=engine.map).equals(before)

    @pytest.mark.parametrize("waves", [(1, 1), (21, 40), (64, 64)])
    def test_waves(self, seed_vectors, monkeypatch, waves):
        """They move the checkpoint of a row, and with it the order of a sum."""
        _, rows, days = seed_vectors
        before = links(rows, days)
        monkeypatch.setattr(sifting, "_WAVES", waves)
        found = links(rows, days)
        assert found.select(["left", "right"]).equals(before.select(["left", "right"]))
        np.testing.assert_allclose(found["score"].to_numpy(), before["score"].to_numpy(), rtol=1e-12)

    def test_the_order_of_the_rows(self, seed_vectors):
        _, rows, days = seed_vectors
        order = np.random.default_rng(4).permutation(len(days))
        there = links(rows, days)
        back = links(take(rows, order), days[order])

        def by_ends(found, names):
            ends = np.sort([names[found["left"].to_numpy()], names[found["right"].to_numpy()]], axis=0)
            by = np.lexsort(ends)
            return ends[:, by], found["score"].to_numpy()[by]

        ends, score = by_ends(there, np.arange(len(days)))
        other_ends, other_score = by_ends(back, order)
        assert (ends == other_ends).all()
        np.testing.assert_allclose(score, other_score, rtol=1e-12)

        label = stories.link(len(days), there, PARAMS)
        other = np.empty_like(label)
        other[order] = stories.link(len(days), back, PARAMS)
        assert ((label[:, None] == label) == (other[:, None] == other)).all()


class TestRefused:
    def test_a_refused_pair_is_no_link(self, seed_vectors):
        _, rows, days = seed_vectors
        found = links(rows, days)
        left, right = found["left"].to_numpy()[:40], found["right"].to_numpy()[:40]
        ends = np.column_stack((left, right)).tolist()
        for refused in ((left.copy(), right.copy()), (right.copy(), left.copy())):
            again = links(rows, days, refused)
            assert not any(pair in ends for pair in np.column_stack((again["left"], again["right"])).tolist())

    def test_notices_that_pass_1_parts_are_no_story(self):
        """One template, two companies' figures: like wording, and nothing else in common."""
        rows = [
            {"id": "one", "title": "Quarterly dividend", "text": NOTICE.format(3, 14)},
            {"id": "two", "title": "Quarterly dividend", "text": NOTICE.format(61, 80)},
            {"id": "far", "title": "Rye loaf wins", "text": "A baker took first prize for a loaf of rye."},
        ]
        result = dedup.cluster(rows)
        assert [pair["reason"] for pair in result.pairs.to_pylist()] == ["numbers differ"]
        assert result.clusters["story_size"].to_pylist() == [1, 1, 1]

    @pytest.mark.parametrize("n", [20, 150, 400])
    def test_any_number_of_such_notices(self, n):
        """Above 200 documents behind one key pass 1 does not look at every pair; that must not make them evidence."""
        rows = [
            {"id": str(i), "title": "Quarterly dividend", "text": NOTICE.format(1000 + i, 50000 + i)} for i in range(n)
        ]
        assert dedup.cluster(rows).clusters["story_size"].to_pylist() == [1] * n


class TestLink:
    def test_two_knots_and_a_thread_between_them(self):
        strong = [(1, 0), (2, 0), (2, 1), (4, 3), (5, 3), (5, 4)]
        pairs = [(left, right, 0.5, 0.5) for left, right in strong] + [(3, 2, 0.06, 0.05)]
        found = stories.link(
            7, pa.Table.from_pylist([dict(zip(schema.LINKS.names, p, strict=True)) for p in pairs]), PARAMS
        )
        assert found.tolist() == [0, 0, 0, 3, 3, 3, 6]

    def test_what_is_opposed_stays_apart_whoever_stands_between(self):
        pairs = [(2, 0, 0.5, 0.5), (2, 1, 0.5, 0.4), (3, 2, 0.5, 0.5), (3, 0, 0.5, 0.5), (3, 1, 0.5, 0.4)]
        names = schema.LINKS.names
        links = pa.Table.from_pylist([dict(zip(names, p, strict=True)) for p in pairs], schema.LINKS)
        assert stories.link(4, links, PARAMS).tolist() == [0, 0, 0, 0]
        opposed = pa.Table.from_pylist([dict(zip(names, (1, 0, 0.0, -2.0), strict=True))], schema.LINKS)
        assert stories.link(4, pa.concat_tables([links, opposed]), PARAMS).tolist() == [0, 1, 0, 0]

    def test_a_larger_granularity_never_gives_fewer_stories(self, seed_vectors):
        _, rows, days = seed_vectors
        found = links(rows, days)
        counts = [
            len(set(stories.link(len(days), found, replace(PARAMS, granularity=g)).tolist())) for g in (0.05, 0.35, 2)
        ]
        assert counts == sorted(counts) and counts[0] < counts[-1]

    def test_nothing(self):
        assert stories.link(0, schema.LINKS.empty_table(), PARAMS).tolist() == []
        assert stories.link(2, schema.LINKS.empty_table(), PARAMS).tolist() == [0, 1]


def test_time_parts_one_event_from_its_repeat():
    """The same words about an event that comes again: together within a day, further apart after a season."""
    first = "Runners filled the old bridge for the harbour marathon, and Lindqvist won the race in heavy rain."
    second = "Lindqvist won the harbour marathon in heavy rain as runners crowded over the old bridge."
    when = datetime(2024, 6, 1, tzinfo=UTC)

    def score(apart):
        rows = [{"id": str(i), "text": words, "date": when + i * apart} for i, words in enumerate((first, second))]
        pairs = [p for p in dedup.cluster(rows).pairs.to_pylist() if p["level"] == "story"]
        return [(pair["cosine"], pair["score"], pair["hours_apart"]) for pair in pairs]

    (near,), (far,) = score(timedelta(hours=6)), score(timedelta(days=365))
    assert near[0] == far[0] and (near[2], far[2]) == (6, 8760)
    assert far[1] < 0.7 * near[1]
