"""`explain` of two articles apart: what is said to join them does."""

import itertools
from datetime import datetime, timedelta

import numpy as np
import pytest
from conftest import ARTICLES
from test_duplicates import prose
from test_explain import WORLD, labels, read

import dedup
from dedup.explaining import linking
from dedup.replay import replay


class TestJoining:
    """Whatever value is named, a run with it joins the two; the figures are tried, not guessed."""

    def joined(self, rows, a, b, wanted, **settings):
        result = dedup.cluster(rows, with_text=True, **settings)
        told = result.explain(a, b)
        assert not told["verdict"]["together"]
        found = {entry["setting"]: entry for entry in told["settings"]}
        assert all((entry["value"] is None) == (entry["reason"] is not None) for entry in told["settings"])
        distances = [abs(np.log(e["value"] / e["in_force"])) for e in told["settings"] if isinstance(e["value"], float)]
        assert distances == sorted(distances)
        for entry in told["settings"]:
            if entry["value"] is not None:
                again = dedup.cluster(rows, **{**settings, entry["setting"]: entry["value"]})
                label = labels(again, f"{entry['joins']}_id")
                assert label[a] == label[b], entry
        if wanted:
            assert found[wanted]["value"] is not None, told["settings"]
        return found, told

    def test_a_lower_threshold(self):
        text, other = prose(100, 1), prose(100, 2)
        rows = [
            {"id": "a", "title": "Ferry aground", "text": " ".join(text)},
            {"id": "b", "title": "Ferry aground", "text": " ".join([*text[:70], *other[:30]])},
        ]
        found, told = self.joined(rows, "a", "b", "duplicate_threshold", level="duplicate")
        assert found["duplicate_threshold"]["value"] == pytest.approx(told["wording"]["jaccard"], abs=0.001)
        assert told["settings"][0]["flag"] == "--duplicate-threshold" or found["level"]["value"]
        assert "60 % is wanted" in told["missing"][0]

    def test_a_lower_containment(self):
        text, other = prose(400, 1), prose(100, 2)
        rows = [{"id": "a", "text": " ".join(text)}, {"id": "b", "text": " ".join([*text[:70], *other[:30]])}]
        found, _ = self.joined(rows, "a", "b", "containment_threshold", level="duplicate")
        assert 0.6 < found["containment_threshold"]["value"] < 0.71
        assert found["duplicate_threshold"]["value"] is None

    def test_figures_part_at_any_threshold(self):
        text = prose(120, 1)
        one, two = ([*text, *(f"{n}" for n in range(start, start + 8))] for start in (10, 50))
        rows = [{"id": "a", "text": " ".join(one)}, {"id": "b", "text": " ".join(two)}]
        found, told = self.joined(rows, "a", "b", None)
        assert "numbers differ" in found["duplicate_threshold"]["reason"]
        assert told["wording"]["figures"]["only_a"] == [f"{n}" for n in range(10, 18)]
        assert told["missing"][0] == "to be copies: 0 of 8 figures agree, 75 % is wanted"

    @pytest.mark.parametrize("source", [ARTICLES, WORLD], ids=["seeds", "world"])
    def test_a_smaller_granularity(self, source):
        rows = read(source)
        result = dedup.cluster(rows, with_text=True, story_granularity=5)
        tree, made = linking.Tree(replay(result, "explain")), replay(result, "explain")
        n = len(made.found.label)
        close = [pair for pair in itertools.combinations(range(n), 2) if tree.together(*pair, 0.35)]
        apart = [pair for pair in close if not tree.together(*pair, 5)]
        for i, j in apart[:: len(apart) // 3]:
            a, b = (made.doc_id(int(made.found.positions[place])) for place in (i, j))
            found, _ = self.joined(rows, a, b, "story_granularity", story_granularity=5)
            value = found["story_granularity"]["value"]
            beyond = labels(dedup.cluster(rows, story_granularity=value * 1.02))
            assert 0.35 <= value < 5 and beyond[a] != beyond[b]

    def test_a_longer_time_scale(self):
        rows = read(ARTICLES)
        late = next(row for row in rows if row["id"] == "incendio-04")
        late["published_at"] = (datetime.fromisoformat(late["published_at"]) + timedelta(days=85)).isoformat()
        found, told = self.joined(rows, "incendio-01", "incendio-04", "time_scale")
        assert found["time_scale"]["value"] > 7 and told["likeness"]["steps"][4]["days_apart"] > 80

    def test_another_level(self):
        rows = read(ARTICLES)
        found, told = self.joined(rows, "harbour-01", "harbour-05", "level", level="duplicate")
        assert found["level"]["joins"] == "story" and told["verdict"]["code"] == "different texts"
        found, _ = self.joined(rows, "harbour-01", "harbour-03", "level", level="exact")
        assert found["level"]["value"] == "duplicate"
