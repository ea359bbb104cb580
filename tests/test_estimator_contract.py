"""StoryClusterer against scikit-learn's own checks, and what these do not ask of an estimator that reads texts."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from dedup import InputError, SettingsError, StoryClusterer

TEXTS = [
    "The ferry to Holm ran aground in thick fog on Monday and all on board were brought ashore by lifeboat",
    "Fog closed the airport of Tarn for the whole of Tuesday, and forty flights were sent elsewhere",
    "THE FERRY to Holm ran aground, in thick fog, on Monday and all on board were brought ashore by lifeboat",
    "A bakery in Old Quay sold its last loaf after ninety years; the ovens go to a museum of trades",
]


class Worded(StoryClusterer):
    """Takes numbers, as the checks hand them over, and clusters their names."""

    def fit(self, X, y=None):
        numbers = validate_data(self, X, dtype="numeric")
        super().fit([" ".join(f"n{number:.3g}" for number in row) for row in numbers], y)
        self.n_features_in_ = numbers.shape[1]
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.one_d_array, tags.input_tags.two_d_array = False, False, True
        return tags


UNFIT = {
    "check_clustering": "wants blobs of points in a plane found again; names of numbers are near each other or equal",
}


@parametrize_with_checks([StoryClusterer()])
def test_checks_that_need_no_input(estimator, check):
    check(estimator)


@parametrize_with_checks([Worded(n_jobs=1)], expected_failed_checks=lambda _: UNFIT)
def test_checks_with_texts_for_numbers(estimator, check):
    check(estimator)


def test_a_permutation_of_the_texts_permutes_the_labels():
    texts = TEXTS * 3
    model = StoryClusterer().fit(texts)
    order = np.random.default_rng(7).permutation(len(texts))
    shuffled = StoryClusterer().fit([texts[place] for place in order])
    for name in ("labels_", "duplicate_labels_"):
        assert adjusted_rand_score(getattr(model, name)[order], getattr(shuffled, name)) == 1.0
        first = list(dict.fromkeys(getattr(model, name)[order].tolist()))
        assert getattr(shuffled, name).tolist() == [first.index(one) for one in getattr(model, name)[order]]
    chosen = {texts[place] for place in model.canonical_indices_}
    assert chosen == {texts[order[place]] for place in shuffled.canonical_indices_}


def test_not_fitted_and_fitted():
    model = StoryClusterer()
    with pytest.raises(NotFittedError):
        check_is_fitted(model)
    assert not hasattr(model, "labels_")
    check_is_fitted(model.fit(TEXTS))
    with pytest.raises(NotFittedError):
        check_is_fitted(clone(model))


def test_a_pickle_holds_the_fit():
    model = StoryClusterer(level="duplicate", duplicate_threshold=0.7).fit(TEXTS)
    again = pickle.loads(pickle.dumps(model))
    assert again.get_params() == model.get_params()
    assert (again.labels_ == model.labels_).all() and (again.canonical_indices_ == model.canonical_indices_).all()
    assert again.result_.documents.equals(model.result_.documents)
    assert (again.fit_predict(TEXTS[:2]) == [0, 1]).all()


def test_a_pipeline_can_be_cloned_set_and_printed():
    model = make_pipeline(FunctionTransformer(), StoryClusterer(time_scale=2.0))
    twin = clone(model).set_params(storyclusterer__time_scale=3.0)
    assert model.get_params()["storyclusterer__time_scale"] == 2.0
    assert (twin.fit_predict(TEXTS) == [0, 1, 0, 2]).all()
    assert "StoryClusterer(time_scale=3.0)" in repr(twin)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("one text", "got one str"),
        (b"one text", "got one bytes"),
        (None, "got one NoneType"),
        (7, "got one int"),
        ({"text": ["a"]}, "got one dict"),
        (["a", "b", None], "got a NoneType as text 2"),
        (["a", float("nan")], "got a float as text 1"),
        (np.zeros((2, 2)), "got a ndarray as text 0"),
    ],
)
def test_what_is_no_text_is_named_with_its_place(given, told):
    with pytest.raises(ValueError, match=told) as error:
        StoryClusterer().fit(given)
    assert "wanted strings, a column of strings, or a frame with a text column" in str(error.value)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"level": "stories"}, "level"),
        ({"duplicate_threshold": "much"}, "duplicate-threshold"),
        ({"canonical": "best"}, "canonical"),
        ({"n_jobs": 0}, "jobs"),
    ],
)
def test_parameters_are_checked_by_fit_and_not_before(wrong, told):
    model = StoryClusterer(**wrong)
    with pytest.raises(SettingsError, match=told):
        model.fit(TEXTS)


def test_a_frame_without_texts():
    pd = pytest.importorskip("pandas")
    with pytest.raises(InputError, match="no column 'text'"):
        StoryClusterer().fit(pd.DataFrame({"n": [1, 2]}))


def test_no_argument_is_swallowed():
    with pytest.raises(TypeError):
        StoryClusterer().fit_predict(TEXTS, sample_weight=[1] * len(TEXTS))
