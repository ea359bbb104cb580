"""Settings from verdicts: nothing from too few or noisy ones, and what is beyond doubt from many."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from conftest import ARTICLES, SEEDS, command, run
from test_shared_data import DATA, needs_open

import dedup
from dedup import calibration
from dedup.calibration import LEAST, Verdicts, _choose, _scores, _weights, calibrate, proposal
from dedup.errors import InputError
from dedup.evaluate import evaluate
from dedup.gold import read_gold
from dedup.labels import opened
from dedup.run import open_run
from dedup.sampling import draw, pairs_of
from dedup.settings import layered, params_of

GOLD = SEEDS / "_gold.csv"


@pytest.fixture(scope="module")
def seeds_run(tmp_path_factory):
    return dedup.cluster(SEEDS).write(tmp_path_factory.mktemp("seeds") / "OUT")


def judged(result, gold, count, seed=1, wrong=0.0, levels=("duplicate", "story")):
    """Judge pairs as a person would who knows the gold labels and errs in some cases."""
    asked = draw(pairs_of(result, seed), count, seed, levels)
    story, text = (
        pc.equal(*(gold[level].take(pc.index_in(asked[side], gold["doc_id"])) for side in ("doc_id_a", "doc_id_b")))
        .fill_null(False)
        .to_numpy()
        for level in ("story", "duplicate")
    )
    noisy = np.random.default_rng(seed).random(len(asked)) < wrong
    verdict = np.where(text & ~noisy, "same text", np.where(story ^ noisy, "same story", "different"))
    return asked.append_column("verdict", pa.array(verdict, pa.string()))


def problem(same, stratum=None, weight=None):
    n = len(same)
    zero = np.zeros(n, np.int64)
    stratum = zero if stratum is None else np.array(stratum)
    return Verdicts(
        zero, zero, np.array(same, bool), stratum, np.ones(n) if weight is None else np.array(weight, float)
    )


class TestEstimates:
    def test_strata_count_by_what_they_stand_for(self):
        """Two of ten of a small stratum wrong, one of two of a large one: the large one decides."""
        same = [True] * 8 + [False] * 2 + [True, False]
        verdicts = problem(same, [0] * 10 + [1] * 2, [10] * 10 + [90] * 2)
        weights = _weights(verdicts, np.random.default_rng(0))
        scores = _scores(np.ones((1, 12), bool), verdicts.same, weights)
        assert scores["precision"][0, 0] == pytest.approx((8 + 45) / 100)
        assert scores["recall"][0, 0] == 1
        assert weights.sum(axis=1) == pytest.approx(100)

    def test_the_interval_holds_the_truth(self):
        """Of 95 in 100 intervals, about: here of all but a few of 60 samples from known strata."""
        generator, held = np.random.default_rng(4), 0
        for _ in range(60):
            same = np.concatenate((generator.random(40) < 0.9, generator.random(40) < 0.6))
            verdicts = problem(same, [0] * 40 + [1] * 40, [300] * 40 + [100] * 40)
            precision = _scores(np.ones((1, 80), bool), same, _weights(verdicts, generator))["precision"][0, 1:]
            low, high = np.quantile(precision, (0.025, 0.975))
            held += low <= (300 * 0.9 + 100 * 0.6) / 400 <= high
        assert held >= 53

    def test_chance_is_not_proposed(self):
        """Settings that change pairs at random are as good as that in force."""
        generator, wrong = np.random.default_rng(9), 0
        for _ in range(80):
            same = generator.random(120) < 0.5
            together = generator.random((8, 120)) < 0.5
            verdicts = problem(same)
            scores = _scores(together, same, _weights(verdicts, generator))
            wrong += _choose(list(range(8)), 4, scores, together, verdicts)[0] != 4
        assert wrong <= 8

    def test_what_is_beyond_doubt_is(self):
        same = np.array([True] * 60 + [False] * 60)
        now = np.concatenate((np.ones(60, bool), np.arange(60) < 40))
        verdicts = problem(same)
        together = np.array([now, same])
        scores = _scores(together, same, _weights(verdicts, np.random.default_rng(0)))
        place, tried = _choose([0.35, 0.5], 0, scores, together, verdicts)
        assert place == 1 and tried[1]["gain"][1] > 0 and tried[0]["gain"] == [0, 0, 0]

    def test_of_equals_the_nearest_to_that_in_force(self):
        same = np.array([True] * 60 + [False] * 60)
        now = np.concatenate((np.ones(60, bool), np.arange(60) < 40))
        together = np.array([now, same, same, same])
        verdicts = problem(same)
        scores = _scores(together, same, _weights(verdicts, np.random.default_rng(0)))
        assert _choose([1, 2, 3, 4], 0, scores, together, verdicts)[0] == 1

    def test_few_pairs_that_change_are_not_enough(self):
        same = np.array([True] * 60 + [False] * 60)
        now = same.copy()
        now[60:66] = True  # six mistakes: no chance, but what six pairs say
        together = np.array([now, same])
        scores = _scores(together, same, _weights(problem(same), np.random.default_rng(0)))
        assert _choose([1, 2], 0, scores, together, problem(same))[0] == 0


class TestRuns:
    def test_the_estimate_is_the_score_where_all_pairs_are_judged(self, seeds_run):
        result, gold = open_run(seeds_run), read_gold(GOLD)
        found = calibrate(result, judged(result, gold, 100_000))
        for level in ("duplicate", "story"):
            now = found[level]["now"]
            assert now["settings"].keys() and 0.8 <= now["precision"][0] <= 1
            assert all(low <= value <= high for value, low, high in (now["precision"], now["recall"], now["f1"]))

    def test_too_few_propose_nothing_and_say_what_is_needed(self, seeds_run):
        result = open_run(seeds_run)
        labels = judged(result, read_gold(GOLD), 10)
        found = calibrate(result, labels)
        assert proposal(found) == {}
        for level in ("duplicate", "story"):
            entry = found[level]
            assert entry["needed"] and entry["tried"] == {}
            for kind in ("same", "different"):
                assert entry["needed"].get(kind, 0) == max(LEAST - entry[kind], 0)

    def test_the_same_labels_give_the_same(self, seeds_run):
        result = open_run(seeds_run)
        labels = judged(result, read_gold(GOLD), 100)
        assert calibrate(result, labels, seed=5) == calibrate(result, labels, seed=5)

    def test_a_bad_setting_is_found_out(self, tmp_path, monkeypatch):
        """Of a run that leaves every text alone a person says how much is missing."""
        monkeypatch.setattr(calibration, "LEAST", 2)  # the seeds hold few that are alike and different
        path = dedup.cluster(SEEDS, story_granularity=5.0).write(tmp_path / "OUT")
        result, gold = open_run(path), read_gold(GOLD)
        found = calibrate(result, judged(result, gold, 100_000, levels=("story",)))
        changed = proposal(found)
        assert changed["story_granularity"] < 5.0
        better = evaluate(dedup.cluster(SEEDS, **changed).documents, gold)["story"]["bcubed"]["f1"]
        assert better > evaluate(result.documents, gold)["story"]["bcubed"]["f1"]

    def test_labels_of_articles(self, seeds_run):
        found = calibrate(open_run(seeds_run), read_gold(GOLD))
        assert found["story"]["pairs"] > 20 and found["duplicate"]["pairs"] > 20

    def test_labels_of_other_articles(self, seeds_run):
        result = open_run(seeds_run)
        labels = judged(result, read_gold(GOLD), 10)
        strange = labels.set_column(0, "doc_id_a", pa.array(["x"] * len(labels)))
        with pytest.raises(InputError, match="no verdict is on two articles of the run"):
            calibrate(result, strange)


class TestCommand:
    @pytest.fixture
    def labels(self, seeds_run, tmp_path):
        """A file of verdicts as `dedup review` writes it."""
        result = open_run(seeds_run)
        with opened(tmp_path / "labels.csv") as file:
            for row in judged(result, read_gold(GOLD), 60).to_pylist():
                file.add({**row, "run_id": result.manifest["run_id"]})
        return tmp_path / "labels.csv"

    def test_nothing_is_written_where_nothing_is_proposed(self, seeds_run, labels, tmp_path):
        said = command("calibrate", seeds_run, "--labels", labels, "-o", tmp_path / "new.toml")
        assert said.returncode == 0, said.stderr
        assert "too few to propose anything: wanted" in said.stdout
        assert f"nothing is proposed; {tmp_path / 'new.toml'} was not written" in said.stdout
        assert not (tmp_path / "new.toml").exists()
        assert max(map(len, said.stdout.splitlines())) <= 80 + len(str(tmp_path))

    def test_json(self, seeds_run, labels):
        found = json.loads(run("calibrate", seeds_run, "--labels", labels, "--json").stdout.splitlines()[-1])
        assert found["proposed"] == {} and found["out"] is None and found["levels"]["story"]["now"]["f1"]

    def test_a_proposal_is_toml_for_config(self, tmp_path, monkeypatch):
        monkeypatch.setattr(calibration, "LEAST", 2)
        path = dedup.cluster(SEEDS, story_granularity=5.0).write(tmp_path / "OUT")
        out = tmp_path / "new.toml"
        said = run("calibrate", path, "--labels", GOLD, "-o", out)
        assert said.exit_code == 0, said.stderr
        assert f"next: dedup cluster … --config {out}" in said.stdout
        settings = tomllib.loads(out.read_text())
        assert settings["story_granularity"] < 5.0 and "proposed" in said.stdout
        assert params_of(layered({}, str(out), {})).stories.granularity == settings["story_granularity"]
        said = run("calibrate", path, "--labels", GOLD, "-o", out)
        assert said.exit_code == 5 and "is there already" in said.stderr
        assert run("calibrate", path, "--labels", GOLD, "-o", out, "--if-exists", "overwrite").exit_code == 0

    def test_an_input_that_is_gone(self, tmp_path):
        copy = tmp_path / "in.jsonl"
        copy.write_bytes(Path(ARTICLES).read_bytes())
        dedup.cluster(copy).write(tmp_path / "OUT")
        copy.unlink()
        said = run("calibrate", tmp_path / "OUT", "--labels", GOLD)
        assert said.exit_code == 4 and said.stderr.startswith(f"error: calibrate: {tmp_path / 'OUT'} was made from")

    def test_no_labels(self, seeds_run, tmp_path):
        said = run("calibrate", seeds_run, "--labels", tmp_path / "gone.csv")
        assert said.exit_code == 4 and "cannot be read" in said.stderr


@needs_open
@pytest.mark.parametrize("wrong", [0.0, 0.05])
@pytest.mark.parametrize("name", ["ecbplus_train_dev", "fnc1_train", "g5w_news_cluster"])
def test_proposals_do_not_lose(name, wrong):
    """Verdicts from gold labels, some of them wrong: what they lead to scores no worse than the defaults."""
    file = Path(DATA) / "open" / f"{name}.parquet"
    gold = read_gold(file)
    result = dedup.cluster(file)
    changed = proposal(calibrate(result, judged(result, gold, 300, wrong=wrong, levels=("story",))))
    scores = [
        evaluate(run.documents, gold)["story"]["bcubed"]["f1"]
        for run in (result, dedup.cluster(file, **changed) if changed else result)
    ]
    print(name, wrong, changed, scores)
    assert scores[1] >= scores[0]
