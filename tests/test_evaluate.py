from __future__ import annotations

import itertools
import random

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from dedup.errors import InputError
from dedup.evaluate import PairScores, Scores, ari, bcubed, evaluate, pair_scores, pairwise
from dedup.gold import read_gold

LABELS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3)), min_size=1, max_size=14)


def naive_bcubed(gold, predicted):
    def mean(of, other):
        n = len(of)
        cluster = [[j for j in range(n) if of[j] == of[i]] for i in range(n)]
        return sum(sum(other[j] == other[i] for j in cluster[i]) / len(cluster[i]) for i in range(n)) / n

    return mean(predicted, gold), mean(gold, predicted)


def naive_pairwise(gold, predicted):
    pairs = list(itertools.combinations(range(len(gold)), 2))
    is_gold = {(i, j) for i, j in pairs if gold[i] == gold[j]}
    is_predicted = {(i, j) for i, j in pairs if predicted[i] == predicted[j]}
    hits = len(is_gold & is_predicted)
    return hits / len(is_predicted) if is_predicted else 1.0, hits / len(is_gold) if is_gold else 1.0


@settings(max_examples=100, deadline=None)
@given(LABELS)
def test_measures_against_naive(labels):
    gold, predicted = (list(column) for column in zip(*labels, strict=True))
    for measure, naive in ((bcubed, naive_bcubed), (pairwise, naive_pairwise)):
        scores = measure(gold, predicted)
        precision, recall = naive(gold, predicted)
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0
        assert (scores.precision, scores.recall, scores.f1) == pytest.approx((precision, recall, f1), abs=1e-12)
    assert ari(gold, predicted) == pytest.approx(adjusted_rand_score(gold, predicted))


@settings(deadline=None)
@given(LABELS, st.randoms(use_true_random=False))
def test_order_and_names_do_not_matter(labels, rnd):
    gold, predicted = (list(column) for column in zip(*labels, strict=True))
    rnd.shuffle(labels)
    gold2, predicted2 = pa.chunked_array([[f"x{g}" for g, _ in labels]]), np.array([-p for _, p in labels])
    assert bcubed(gold, predicted) == bcubed(gold2, predicted2)
    assert pairwise(gold, predicted) == pairwise(gold2, predicted2)


def test_bcubed_on_the_example_of_bagga_and_baldwin():
    # Chains 1-5, 6-7, 8-9-A-B-C. Response 1 joins the last two, response 2 the first and the last.
    gold = [1] * 5 + [2] * 2 + [3] * 5
    first = [1] * 5 + [2] * 7
    second = [1] * 5 + [2] * 2 + [1] * 5
    # Precision of response 1: (5·1 + 2·2/7 + 5·5/7) / 12 = 16/21; of response 2: (5·1/2 + 2·1 + 5·1/2) / 12 = 7/12.
    assert bcubed(gold, first) == Scores(pytest.approx(16 / 21), 1.0, pytest.approx(32 / 37))
    assert bcubed(gold, second) == Scores(pytest.approx(7 / 12), 1.0, pytest.approx(14 / 19))


def test_edges():
    assert bcubed([], []) == pairwise([], []) == Scores(1.0, 1.0, 1.0)
    assert bcubed([1, 1], [1, 2]) == Scores(1.0, 0.5, pytest.approx(2 / 3))
    assert pairwise([1, 1], [1, 2]) == Scores(1.0, 0.0, 0.0)  # no pair predicted
    assert pairwise([1, 2], [1, 1]) == Scores(0.0, 1.0, 0.0)  # no pair in gold
    assert pairwise([1, 2], [1, 2]) == Scores(1.0, 1.0, 1.0)
    assert ari([1, 1, 2], [5, 5, 7]) == 1.0
    assert pairwise(np.zeros(10**6, int), np.zeros(10**6, int)) == Scores(1.0, 1.0, 1.0)
    for gold, predicted in (([1], [1, 2]), ([1, None], [1, 2]), ([1, 2], pa.array([1, None]))):
        for measure in (bcubed, pairwise, ari):
            with pytest.raises(InputError, match="labels: got"):
                measure(gold, predicted)


def test_a_million_labels_take_seconds():
    rng = np.random.default_rng(0)
    labels = pa.array(rng.integers(0, 10**5, 10**6)).cast(pa.string())
    assert bcubed(labels, labels).f1 == pairwise(labels, labels).f1 == 1.0


def test_pair_scores():
    same = np.array([True, True, False, False, True])
    scores = pair_scores(pa.array([1, 0, 1, 0, None]), same)
    assert scores == PairScores(0.5, 0.5, 0.5, tp=1, fp=1, fn=1, tn=1, skipped=1)
    assert pair_scores([1.0, 0.0, 1.0, 0.0, float("nan")], same) == scores
    nothing = pair_scores([None], np.array([True]))
    assert (nothing.precision, nothing.recall, nothing.skipped) == (1.0, 1.0, 1)
    with pytest.raises(InputError, match="got 1 labels for 5"):
        pair_scores([1], same)


def write(folder, ending, rows):
    path = folder / f"gold{ending}"
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif ending == ".jsonl":
        path.write_bytes(b"\xef\xbb\xbf" + b"\r\n\n".join(map(orjson.dumps, rows)))
    else:
        between = {".csv": ",", ".tsv": "\t"}[ending]
        lines = [rows[0], *(row.values() for row in rows)]
        path.write_text("\n".join(between.join("" if v is None else f'"{v}"' for v in line) for line in lines))
    return path


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".tsv", ".jsonl"])
class TestReadGold:
    @pytest.mark.parametrize("story", ["story", "story_id", "gold_story"])
    def test_labels(self, tmp_path, ending, story):
        rows = [{"id": "007", story: "s, 1", "text": "a\nb"}, {"id": "8", story: None, "text": "c"}]
        table = read_gold(write(tmp_path, ending, rows))
        assert table.schema == pa.schema([(name, pa.string()) for name in ("doc_id", "story", "duplicate")])
        assert table.to_pydict() == {"doc_id": ["007", "8"], "story": ["s, 1", None], "duplicate": [None, None]}

    def test_numbers_and_both_levels(self, tmp_path, ending):
        rows = [{"doc_id": 1, "id": "x", "story": 5, "duplicate_id": 6}, {"doc_id": 2, "id": "", "story": 5}]
        rows[1]["duplicate_id"] = None
        table = read_gold(write(tmp_path, ending, rows))
        assert table.to_pydict() == {"doc_id": ["1", "2"], "story": ["5", "5"], "duplicate": ["6", None]}

    @pytest.mark.parametrize("values", [(1, 0, None), (1.0, 0.0, None), (True, False, None)])
    def test_pairs(self, tmp_path, ending, values):
        rows = [{"id_a": "a", "doc_id_b": str(i), "label": v, "story": "s"} for i, v in enumerate(values)]
        table = read_gold(str(write(tmp_path, ending, rows)))
        assert table.schema.types == [pa.string(), pa.string(), pa.float64()]
        assert table.to_pydict() == {"doc_id_a": ["a"] * 3, "doc_id_b": ["0", "1", "2"], "label": [1.0, 0.0, None]}

    def test_bad_verdict(self, tmp_path, ending):
        rows = [{"id_a": "a", "id_b": "b", "label": "1"}, {"id_a": "a", "id_b": "c", "label": "maybe"}]
        with pytest.raises(InputError, match=r"gold\.\w+ record 2: label is 'maybe'; wanted 1"):
            read_gold(write(tmp_path, ending, rows))

    @pytest.mark.parametrize("names", [("id", "cluster"), ("story", "text"), ("id_a", "id_b"), ("id_a", "label")])
    def test_missing_columns(self, tmp_path, ending, names):
        with pytest.raises(InputError, match=f"found '{names[0]}', '{names[1]}'; wanted doc_id"):
            read_gold(write(tmp_path, ending, [dict.fromkeys(names, "1")]))

    def test_damaged_file(self, tmp_path, ending):
        path = tmp_path / f"gold{ending}"
        with pytest.raises(InputError, match="cannot be read"):
            read_gold(path)
        for content in (b"", b"id,story\na\xff,\xfe,c\n", b'{"id": 1'):
            path.write_bytes(content)
            with pytest.raises(InputError, match="wanted"):
                read_gold(path)


@pytest.mark.parametrize("line", [b"[1]", b"5", b"null", b'{"a"', b'"ab"'])
def test_a_line_that_is_no_object(tmp_path, line):
    path = tmp_path / "gold.jsonl"
    path.write_bytes(b'{"id": "a", "story": "b"}\n\n' + line)
    with pytest.raises(InputError, match=r"gold\.jsonl line 3: .*; wanted one JSON object a line"):
        read_gold(path)


def test_unknown_ending(tmp_path):
    with pytest.raises(InputError, match=r"ending '\.xlsx'; wanted a gold file \.parquet"):
        read_gold(tmp_path / "gold.xlsx")


RUN = pa.table(
    {
        "doc_id": ["a", "b", "c", "d", "e"],
        "duplicate_id": ["d1", "d1", "d2", "d3", "d4"],
        "story_id": ["s1", "s1", "s1", "s2", "s2"],
    }
)
GOLD = pa.table({"doc_id": ["c", "a", "b", "d", "zz"], "story": ["x", "x", "x", "y", "y"]})


class TestEvaluate:
    def test_labels(self):
        perfect = {"precision": 1.0, "recall": 1.0, "f1": 1.0}
        assert evaluate(RUN, GOLD) == {
            "story": {
                "n": 4,
                "missing": 1,
                "unlabelled": 1,
                "n_gold_clusters": 2,
                "n_predicted_clusters": 2,
                "bcubed": perfect,
                "pairwise": perfect,
                "ari": 1.0,
            }
        }

    def test_levels_have_their_own_articles(self):
        gold = GOLD.append_column("duplicate", pa.array(["p", "p", "p", None, "q"]))
        scores = evaluate(RUN, gold)
        assert list(scores) == ["duplicate", "story"]
        assert scores["duplicate"]["bcubed"] == {"precision": 1.0, "recall": 0.555556, "f1": 0.714286}
        assert scores["duplicate"]["pairwise"] == {"precision": 1.0, "recall": 0.333333, "f1": 0.5}
        counts = ("n", "missing", "unlabelled", "n_gold_clusters", "n_predicted_clusters")
        assert [scores["duplicate"][name] for name in counts] == [3, 1, 2, 1, 2]
        assert orjson.dumps(scores)

    def test_order_does_not_matter(self):
        order = list(range(5))
        random.Random(1).shuffle(order)
        assert evaluate(RUN.take(order), GOLD.take(order[::-1])) == evaluate(RUN, GOLD)

    def test_pairs(self):
        gold = pa.table(
            {
                "doc_id_a": ["a", "a", "d", "c", "a", "a"],
                "doc_id_b": ["b", "c", "e", "d", "zz", "d"],
                "label": [1.0, 1.0, 0.0, 0.0, 1.0, None],
            }
        )
        scores = evaluate(RUN, gold)
        duplicate, story = scores["duplicate"], scores["story"]
        assert [duplicate[k] for k in ("tp", "fp", "fn", "tn", "skipped", "n", "missing")] == [1, 0, 1, 2, 1, 4, 1]
        assert [story[k] for k in ("tp", "fp", "fn", "tn", "skipped", "n", "missing")] == [2, 1, 0, 1, 1, 4, 1]
        assert [duplicate[k] for k in ("precision", "recall", "f1")] == [1.0, 0.5, 0.666667]
        assert [story[k] for k in ("precision", "recall", "f1")] == [0.666667, 1.0, 0.8]
        assert list(evaluate(RUN.drop_columns("story_id"), gold)) == ["duplicate"]
        with pytest.raises(InputError, match="no pair of known articles has a label"):
            evaluate(RUN, gold.slice(5))
        with pytest.raises(InputError, match="--id-col"):
            evaluate(RUN, gold.slice(4, 1))

    def test_strangers(self):
        gold = pa.table({"doc_id": ["x", None], "story": ["1", "2"]})
        with pytest.raises(InputError, match=r"first id is 'x' in gold and 'a' in the run; .*--id-col"):
            evaluate(RUN, gold)

    def test_an_article_twice(self):
        with pytest.raises(InputError, match="doc_id 'c' stands in more than one row"):
            evaluate(RUN, pa.concat_tables([GOLD, GOLD.slice(0, 1)]))

    def test_no_level_in_common(self):
        with pytest.raises(InputError, match="the run has duplicate; cluster with --level story"):
            evaluate(RUN.drop_columns("story_id"), GOLD)
        with pytest.raises(InputError, match="no label on a level"):
            evaluate(RUN, GOLD.slice(0, 0))
