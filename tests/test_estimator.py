"""StoryClusterer: the same clusters as `dedup.cluster`, by scikit-learn's conventions."""

import inspect
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import dedup
from dedup import StoryClusterer
from dedup.errors import SettingsError

SEEDS = Path(__file__).parents[1] / "seeds" / "articles.jsonl"
ARTICLES = [json.loads(line) for line in SEEDS.read_text("utf-8").splitlines()]
TEXTS = [article["text"] for article in ARTICLES]


def by_row(result, column):
    return result.documents.sort_by("row")[column].to_pylist()


@pytest.fixture(scope="module")
def fitted():
    return StoryClusterer().fit(TEXTS)


@pytest.mark.parametrize("rows", [ARTICLES, pa.Table.from_pylist(ARTICLES)], ids=["dicts", "table"])
def test_labels_are_those_of_cluster(rows):
    model, result = StoryClusterer().fit(rows), dedup.cluster(rows)
    for labels, column in ((model.labels_, "story_id"), (model.duplicate_labels_, "duplicate_id")):
        ids = by_row(result, column)
        assert adjusted_rand_score(labels, ids) == 1.0
        first = list(dict.fromkeys(ids))
        assert labels.tolist() == [first.index(name) for name in ids]  # dense, in the order of first appearance
        assert labels.dtype == np.int64
    chosen = [by_row(result, "doc_id").index(name) for name in by_row(result, "canonical_doc_id")]
    assert model.canonical_indices_[model.labels_].tolist() == chosen
    assert model.result_.documents.equals(result.documents)


def test_attributes(fitted):
    assert fitted.n_features_in_ == 1
    assert len(fitted.labels_) == len(fitted.duplicate_labels_) == len(TEXTS)
    assert len(fitted.canonical_indices_) == fitted.labels_.max() + 1 == fitted.result_.clusters.num_rows
    assert fitted.labels_[fitted.canonical_indices_].tolist() == list(range(len(fitted.canonical_indices_)))


def test_fit_returns_itself_and_fit_predict_the_labels(fitted):
    model = StoryClusterer()
    assert model.fit(TEXTS) is model
    assert (StoryClusterer().fit_predict(TEXTS) == fitted.labels_).all()
    assert (StoryClusterer().fit_predict(TEXTS, y=[0] * len(TEXTS)) == fitted.labels_).all()
    few = model.fit(TEXTS[:3])
    assert len(few.labels_) == 3  # nothing is left of the first fit


def test_params():
    model = StoryClusterer(duplicate_threshold=0.8, level="duplicate", n_jobs=1)
    assert model.get_params()["duplicate_threshold"] == 0.8
    twin = clone(model)
    assert twin is not model and twin.get_params() == model.get_params()
    assert twin.set_params(canonical="latest", time_scale=3.0) is twin
    assert (twin.canonical, twin.time_scale, model.canonical) == ("latest", 3.0, StoryClusterer().canonical)
    assert set(model.get_params()) == set(inspect.signature(StoryClusterer).parameters)
    with pytest.raises(ValueError, match="threshold"):
        model.set_params(threshold=1)
    assert "duplicate_threshold=0.8" in repr(model)


def test_defaults_are_those_of_cluster(fitted):
    assert fitted.result_.manifest["settings"] | {"reading": None} == dedup.cluster(pa.table({"text": TEXTS})).manifest[
        "settings"
    ] | {"reading": None}


def test_params_reach_the_run():
    settings = {"duplicate_threshold": 0.9, "containment_threshold": 0.95, "story_granularity": 0.9, "time_scale": 2.0}
    model = StoryClusterer(**settings, canonical="latest", n_jobs=1).fit(TEXTS)
    found = model.result_.manifest["settings"]
    assert [found["duplicates"]["jaccard"], found["duplicates"]["containment"]] == [0.9, 0.95]
    assert [found["stories"]["granularity"], found["stories"]["time_scale"]] == [0.9, 2.0]
    assert found["canonical"] == "latest"
    alone = StoryClusterer(level="duplicate").fit(TEXTS)
    assert (alone.labels_ == alone.duplicate_labels_).all()
    with pytest.raises(SettingsError):
        StoryClusterer(duplicate_threshold=7).fit(TEXTS)


class TestInputs:
    @pytest.mark.parametrize(
        "kind",
        [
            *("tuple", "generator", "numpy", "numpy objects", "numpy column", "lists of one", "arrow array"),
            *("series", "frame", "polars series", "polars frame"),
        ],
    )
    def test_kinds(self, fitted, kind):
        pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
        given = {
            "tuple": lambda: tuple(TEXTS),
            "generator": lambda: (text for text in TEXTS),
            "numpy": lambda: np.array(TEXTS),
            "numpy objects": lambda: np.array(TEXTS, object),
            "numpy column": lambda: np.array(TEXTS, object).reshape(-1, 1),
            "lists of one": lambda: [[text] for text in TEXTS],
            "arrow array": lambda: pa.array(TEXTS).to_pylist(),
            "series": lambda: pd.Series(TEXTS, index=range(100, 100 + len(TEXTS))),
            "frame": lambda: pd.DataFrame({"text": TEXTS, "n": 1}, index=range(100, 100 + len(TEXTS))),
            "polars series": lambda: pl.Series(TEXTS),
            "polars frame": lambda: pl.DataFrame({"n": 1, "text": TEXTS}),
        }[kind]()
        assert (StoryClusterer().fit_predict(given) == fitted.labels_).all()

    def test_frames_keep_titles_and_dates(self):
        pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
        wanted = StoryClusterer().fit_predict(ARTICLES)
        assert (StoryClusterer().fit_predict(pd.DataFrame(ARTICLES)) == wanted).all()
        assert (StoryClusterer().fit_predict(pl.DataFrame(ARTICLES)) == wanted).all()

    @pytest.mark.parametrize("empty", [[], (), np.array([], str), pa.table({"text": pa.array([], pa.string())})])
    def test_nothing(self, empty):
        with pytest.raises(ValueError, match="0 texts"):
            StoryClusterer().fit(empty)

    @pytest.mark.parametrize("wrong", [[1, 2], [None, "a"], np.ones((3, 2)), [["a", "b"]], [b"a"]])
    def test_what_is_no_text(self, wrong):
        with pytest.raises(ValueError, match="wanted strings"):
            StoryClusterer().fit(wrong)

    def test_one_text_and_empty_texts(self):
        assert StoryClusterer().fit_predict(["fog"]).tolist() == [0]
        assert StoryClusterer().fit_predict(["", " ", "fog", ""]).tolist() == [0, 1, 2, 3]


def test_in_a_pipeline_of_scikit_learn(fitted):
    model = Pipeline(
        [("strip", FunctionTransformer(lambda texts: [t.strip() for t in texts])), ("dedup", StoryClusterer())]
    )
    assert (model.fit_predict([f"  {text}\n" for text in TEXTS]) == fitted.labels_).all()
    model.set_params(dedup__level="duplicate")
    assert (model.fit_predict(TEXTS) == fitted.duplicate_labels_).all()


def test_the_example_of_the_docstring():
    texts = ["a ferry ran aground", "A ferry  ran aground!", "the bank cut its rate"]
    assert StoryClusterer().fit_predict(texts).tolist() == [0, 0, 1]
