"""Any rules over the seed articles: kept to the letter by groups and stories, or refused because two contradict."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import hypothesis
from conftest import ARTICLES, SEEDS, load
from hypothesis import strategies as st

from dedup.errors import SettingsError
from dedup.overrides import Article, Overrides, Rule
from dedup.params import Params
from dedup.pipeline import cluster

IDS = [row["id"] for row in load(Path(ARTICLES))]


def by_id(result, column):
    return dict(zip(result.documents["doc_id"].to_pylist(), result.documents[column].to_pylist(), strict=True))


def kept(result, found):
    """Check every rule on a run; `found` is what `overrides.load` gave, naming articles by doc_id."""
    story, group = by_id(result, "story_id"), by_id(result, "duplicate_id")
    canonical, representative = by_id(result, "is_canonical"), by_id(result, "is_representative")
    sizes = by_id(result, "story_size")
    for rule in found.rules:
        names = [article.value for article in rule.articles if article.value in story]
        of = group if rule.level == "duplicate" else story
        if rule.kind == "same":
            assert len({of[name] for name in names}) <= 1, rule
        elif rule.kind == "different":
            assert len({of[name] for name in names}) == len(names), rule
        elif rule.kind == "ignore":
            assert all(sizes[name] == 1 for name in names), rule
        else:
            assert all(canonical[name] and representative[name] for name in names), rule
    assert not result.manifest["counts"]["rejected"]


names = st.sampled_from(IDS[:40])
levels = st.sampled_from(["story", "duplicate"])


@st.composite
def some_rules(draw):
    """Draw rules over the first articles, whose groups and stories they cut through and join."""
    found = []
    for number in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["same", "different", "different", "ignore", "canonical"]))
        least, most = {"canonical": (1, 1), "ignore": (1, 2)}.get(kind, (2, 4))
        articles = draw(st.lists(names, min_size=least, max_size=most, unique=True))
        level = draw(levels) if least == 2 else "story"
        found.append(Rule(kind, tuple(Article("doc_id", name) for name in articles), level, f"rule {number}"))
    return tuple(found)


def at_odds(found):
    """Tell by brute force whether rules contradict each other, apart from those on canonical articles."""
    story, group = ({name: {name} for name in IDS} for _ in range(2))
    for rule in found:
        if rule.kind == "same":
            for of in (story, group) if rule.level == "duplicate" else (story,):
                whole = set().union(*(of[article.value] for article in rule.articles))
                of.update(dict.fromkeys(whole, whole))
    for rule in found:
        if rule.kind == "different":
            of = group if rule.level == "duplicate" else story
            sets = [of[article.value] for article in rule.articles]
            if len(set().union(*sets)) < sum(map(len, sets)):
                return True
        if rule.kind == "ignore" and any(len(story[article.value]) > 1 for article in rule.articles):
            return True
    return False


def run(count: int, seed: int) -> str:
    """Cluster under so many sets of rules; raise where one is broken, or refused without need."""
    ends: Counter[str] = Counter()

    @hypothesis.seed(seed)
    @hypothesis.settings(max_examples=count, deadline=None, database=None, derandomize=False)
    @hypothesis.given(some_rules())
    def check(found):
        params = replace(Params(), overrides=Overrides("x.toml", "0" * 64, found))
        try:
            result = cluster(SEEDS, params)
        except SettingsError as error:
            assert at_odds(found) or sum(rule.kind == "canonical" for rule in found) > 1, error
            assert str(error).count("rule ") >= 2, error
            ends["refused"] += 1
            return
        assert not at_odds(found)
        kept(result, params.overrides)
        ends["kept"] += 1

    check()
    return f"{sum(ends.values()):,} sets of rules: {ends['kept']:,} kept, {ends['refused']:,} refused, none broken"
