"""Documents made to cost more than others; 20,000 of each kind by `python -m tests.soak hostile --count 20000`.

Time and memory are measured there. Here the work is counted, at a size at which all pairs would be above the budget.
"""

import hashlib

import pyarrow.compute as pc
import pytest

import dedup
from dedup.params import DuplicateParams, Params, StoryParams
from dedup.run import SKIPPED
from tests import hostile

COUNT = 700
COPIES = 30  # candidates of a document: of 700, all pairs would be 350
STORIES = 5  # pairs of an article, of at least LEAST articles
LEAST = 1024
ALL_ALIKE = {"same_text", "invisible"}


def clustered(tmp_path, kind):
    source = hostile.write(tmp_path / f"{kind}.parquet", kind, COUNT)
    small = Params(duplicates=DuplicateParams(pair_budget=COPIES), stories=StoryParams(pair_budget=STORIES))
    return dedup.cluster(source, Params() if kind == hostile.BENIGN else small)


@pytest.mark.parametrize("kind", [hostile.BENIGN, *hostile.KINDS])
def test_work_stays_within_its_budget(tmp_path, kind):
    result = clustered(tmp_path, kind)
    n, pairs = len(result.documents), result.pairs
    assert result.manifest["counts"]["rejected"] == 0
    assert n == (2 if kind == "enormous_texts" else COUNT)
    for level, most in (("duplicate", COPIES * n), ("story", STORIES * (LEAST + n))):
        of_level = pairs.filter(pc.and_(pc.equal(pairs["level"], level), pc.not_equal(pairs["kind"], "exact")))
        assert len(of_level) <= most
    assert set(result.manifest["skipped"]) == set(SKIPPED)
    assert len(result.groups) >= 1 and pc.sum(result.groups["duplicate_size"]).as_py() == n
    if kind in ALL_ALIKE:
        assert len(result.groups) == 1
    if kind in ("one_topic", "look_alikes", "template"):
        assert result.manifest["skipped"]["story_pairs"] > 0
    if kind == hostile.BENIGN:
        assert not any(result.manifest["skipped"].values())


def test_near_copies_are_found_behind_a_flood(tmp_path):
    result = clustered(tmp_path, "near_copies")
    assert len(result.groups) == 1 and result.manifest["skipped"]["hot_keys"] > 0


def test_what_is_left_out_is_printed(tmp_path):
    from conftest import run

    source = hostile.write(tmp_path / "in.parquet", "near_copies", COUNT)
    said = run("cluster", source, "-o", tmp_path / "OUT", "--progress", "never")
    assert said.exit_code == 0 and SKIPPED["hot_keys"] in said.stdout


@pytest.mark.parametrize("regex", ["(a+)+$", "(a|aa)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y"])
def test_a_regex_takes_linear_time(tmp_path, regex):
    rows = [
        {"id": str(i), "title": "a" * 20_000 + "!", "text": f"Ice closed the outer harbour on day {i}."}
        for i in range(50)
    ]
    result = dedup.cluster(rows, canonical=f"match:title~{regex}")
    assert len(result.documents) == 50


@pytest.mark.parametrize("kind", sorted(hostile.KINDS))
def test_generators_are_seeded_and_of_one_size(tmp_path, kind):
    first, again, other = (
        hashlib.sha256(hostile.write(tmp_path / str(i), kind, 20, seed).read_bytes()).hexdigest()
        for i, seed in enumerate((0, 0, 1))
    )
    assert first == again != other or (first == again and kind in ("no_words", "one_token"))
