"""Pass 2 against a dense copy of its formulae, and what must not change it: chunks, threads, the order of rows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import log, sqrt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import dedup
from dedup import reading, schema, stories, text, weighing
from dedup.engines.local import LocalEngine
from dedup.params import ReadingParams, StoryParams

SEEDS = Path(__file__).parents[1] / "seeds" / "articles.jsonl"
PARAMS = StoryParams()
NONE = (np.empty(0, np.int64), np.empty(0, np.int64))
NOTICE = (
    "The company said after a meeting of its board that it will pay a quarterly dividend of {} cents a share to all "
    "holders of its common stock, as it has done without a break since it was first listed, and that {} thousand of "
    "its own shares will be bought back before the end of the financial year."
)


def counted(titles, bodies):
    rows = [{"row": row, "title": t, "text": b} for row, (t, b) in enumerate(zip(titles, bodies, strict=True))]
    batch = pa.RecordBatch.from_pylist(rows, schema.DOCUMENTS)
    return pa.Table.from_batches([weighing.count_terms(batch, text.prepare(batch), PARAMS)])


@pytest.fixture(scope="module")
def seeds():
    """Counted terms, vectors and days of the seed articles; every fifth one without a date."""
    batches = list(reading.open_source(SEEDS, ReadingParams()).batches())
    terms = pa.Table.from_batches([weighing.count_terms(b, text.prepare(b), PARAMS) for b in batches])
    days = pa.Table.from_batches(batches)["published_at"].cast(pa.int64()).to_numpy() / 8.64e10
    days = np.where(np.arange(len(days)) % 5 == 0, np.nan, days)
    return terms, weighing.vectors(terms, weighing.background()), days


def links(rows, days, refused=NONE, params=PARAMS, each=map):
    return stories.similar_pairs(rows, days, refused, params, each)


def matrix(rows):
    dense = np.zeros((len(rows.indptr) - 1, len(rows.terms)))
    dense[np.repeat(np.arange(len(dense)), np.diff(rows.indptr)), rows.indices] = rows.data
    return dense


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
def test_similar_pairs_are_those_of_whole_matrices(seeds, params):
    _, rows, days = seeds
    refused = (np.array([0, 9], np.int64), np.array([1, 12], np.int64))
    found = links(rows, days, refused, params)
    left, right = found["left"].to_numpy(), found["right"].to_numpy()
    cosines, scores = dense_scores(rows, days, refused, params)
    assert len(left) > 50 and (right < left).all()
    assert set(zip(left.tolist(), right.tolist(), strict=True)) == set(zip(*np.nonzero(np.tril(scores)), strict=True))
    np.testing.assert_allclose(found["cosine"].to_numpy(), cosines[left, right], rtol=1e-9)
    np.testing.assert_allclose(found["score"].to_numpy(), scores[left, right], rtol=1e-9)


class TestVectors:
    def test_weights(self):
        """A term of the title counts twice; idf is the mean of the corpus's own and the background's."""
        words = text.tokenise(text.comparable(pa.array(["ferry fog"]))).hashes
        ferry, fog = words.tolist()
        known = weighing.Background(np.array([fog], np.uint64), np.array([9], np.int32), 99)
        rows = weighing.vectors(counted(["Fog", None], ["ferry the fog", "ferry"]), known)
        heavy = {
            ferry: (log(3 / 2) + log(100 / 1)) / 2,
            fog: sqrt(3) * (log(3 / 1) + log(100 / 10)) / 2,
        }
        length = sqrt(sum(weight**2 for weight in heavy.values()))
        found = dict(zip(rows.terms[rows.indices[:2]].tolist(), rows.data[:2].tolist(), strict=True))
        assert found == pytest.approx({term: weight / length for term, weight in heavy.items()}, rel=1e-6)
        assert rows.data[2:].tolist() == [1.0]

    def test_unit_rows_in_term_order(self, seeds):
        terms, rows, _ = seeds
        assert len(rows.indptr) == terms.num_rows + 1
        np.testing.assert_allclose(np.linalg.norm(matrix(rows), axis=1), 1.0, atol=1e-6)
        assert (np.diff(rows.terms) > 0).all()

    def test_a_document_without_terms_has_an_empty_row(self):
        rows = weighing.vectors(counted([None, None], ["", "7 of 9"]), weighing.background())
        assert rows.indptr.tolist() == [0, 0, 0]
        assert links(rows, np.zeros(2)).num_rows == 0


class TestDecay:
    def test_undated_articles_do_not_fade(self, seeds):
        _, rows, days = seeds
        undated = links(rows, np.full(len(days), np.nan))
        assert undated.equals(links(rows, np.zeros(len(days))))
        faded = links(rows, np.arange(len(days)) * 50.0)
        assert faded["score"].to_numpy().sum() < 0.7 * undated["score"].to_numpy().sum()


class TestNothingElseMatters:
    @pytest.mark.parametrize(("chunk", "wave"), [(1, 1), (7, 21), (64, 64), (5, 1000)])
    @pytest.mark.parametrize("threads", [1, 3])
    def test_chunks_and_threads(self, seeds, monkeypatch, chunk, wave, threads):
        _, rows, days = seeds
        before = links(rows, days)
        monkeypatch.setattr(stories, "_CHUNK", chunk)
        monkeypatch.setattr(stories, "_WAVE", wave)
        with LocalEngine(threads) as engine:
            assert links(rows, days, each=engine.map).equals(before)

    def test_the_order_of_the_rows(self, seeds):
        _, rows, days = seeds
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

    def test_the_wider_the_more_and_at_last_all(self, seeds):
        _, rows, days = seeds
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
        undated, low, high = stories.within(days, 90.0, 0)
        place = np.arange(len(days))
        met = (place < undated) | ((low[:, None] <= place) & (place < high[:, None]))
        assert undated == 4 and met[:4].all() and met[:, :4].all()
        assert (met == met.T).all()
        apart = np.abs(days[:, None] - days)
        assert met[apart < 90 - 1e-9].all() and not met[apart > 90 + 1e-9].any()
        _, low, high = stories.within(days, 90.0, 50)
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

    def test_a_budget_that_binds(self, seeds):
        _, rows, days = seeds
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


class TestRefused:
    def test_a_refused_pair_is_no_link(self, seeds):
        _, rows, days = seeds
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

    def test_a_larger_granularity_never_gives_fewer_stories(self, seeds):
        _, rows, days = seeds
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


def test_top_terms():
    rows = weighing.vectors(
        counted([None] * 4, ["ferry fog fog", "ferry rocks", "bank loan", "rye"]), weighing.background()
    )
    words = text.spellings(pa.array(["ferry fog rocks", "bank rye"]))
    assert weighing.top_terms(rows, np.array([0, 0, 1, -1]), words) == [
        ", ".join(sorted(("ferry", "fog", "rocks"), key=lambda w: -weight(rows, words, w, (0, 1)))),
        "bank",
    ]
    assert len(weighing.top_terms(rows, np.array([0, 0, 1, -1]), words, 2)[0].split(", ")) == 2
    assert weighing.top_terms(rows, np.array([0, 1, -1, -1]), {}) == ["", ""]
    assert weighing.top_terms(rows, np.full(4, -1), words) == []


def weight(rows, words, word, members):
    (term,) = (term for term, spelt in words.items() if spelt == word)
    return matrix(rows)[list(members)][:, np.searchsorted(rows.terms, np.uint64(term))].sum()
