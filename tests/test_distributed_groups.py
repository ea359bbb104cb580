"""Groups and canonical articles over parts are those of one machine, whatever the parts and the order of work."""

import random
from pathlib import Path

import numpy as np
import pytest
from test_duplicates import article, prose
from test_groups import joined, windows

from dedup.distributed import groups
from dedup.params import Params
from tests.copies_in_parts import in_parts, on_one_machine, whole

SEEDS = Path(__file__).parents[1] / "seeds" / "articles.jsonl"


def numbered(rows):
    return [{"id": str(i), **row} for i, row in enumerate(rows)]


def near_copies(seed=1):
    """Chains that fall apart, floods of copies, notices, and texts alone."""
    chance = random.Random(seed)
    rows = [article(words) for words in windows(*(chance.randint(0, 600) for _ in range(120)))]
    for story in range(8):
        words = prose(90, 50 + story)
        for copy in range(chance.choice((2, 3, 12))):
            altered = [w if chance.random() > 0.04 else f"{w}{copy}" for w in words]
            rows.append(article(altered, f"Story {story}", chance.choice((None, 1.0, 50.0))))
    rows += [article(prose(80, 900), f"Title {i}") for i in range(4)]  # one unit
    rows += [article(prose(30, 901), f"Notice {i % 2}") for i in range(4)]
    rows += [article(prose(70, 1000 + i)) for i in range(30)]
    chance.shuffle(rows)
    return numbered(rows)


def containers(seed=1):
    """Briefs in takes, nests, texts that contain each other, and digests."""
    chance = random.Random(seed)
    pool = [prose(chance.randint(70, 300), i) for i in range(6)]
    texts = list(pool)
    for number in range(90):
        one, two = chance.sample(texts, 2)
        cut = chance.randint(1, len(one))
        texts.append((one[:cut] + (two if chance.random() < 0.3 else []))[:900] + prose(chance.choice((0, 40)), number))
    items = [prose(80, 400 + i) for i in range(6)]
    texts += [*items, joined(items[:3]), joined(items[2:]), joined(items), joined(items)]
    texts += [[*words[:-1], "elsewhere"] for words in items]
    ring = prose(120, 77)
    texts += [ring[i:] + ring[:i] for i in range(0, 120, 15)]
    rows = [article(words) for words in texts]
    take = prose(400, 88)
    rows += [
        article(take, "Ferry aground off Port Ellery"),
        article(take[:80], "Ferry aground off Port Ellery"),
        article(take[300:380], "Ferry aground, divers called"),
    ]
    return numbered(rows)


CORPORA = {"seeds": SEEDS, "near copies": near_copies(), "containers": containers(), "one": near_copies()[:1]}
LIMITS = {"in one part": {}, "by rounds": {"whole": 0, "at_once": 0}, "mixed": {"whole": 0, "at_once": 20}}


@pytest.fixture(scope="module", params=CORPORA)
def local(request):
    articles = CORPORA[request.param]
    return articles, on_one_machine(articles, Params())


def check_groups(found, copies):
    first = np.full(int(copies.group.max(initial=-1)) + 1, len(copies.group))
    np.minimum.at(first, copies.group, np.arange(len(copies.group)))
    assert found["position"].to_pylist() == list(range(len(copies.group)))
    assert found["unit"].to_pylist() == copies.unit.tolist()
    assert found["group"].to_pylist() == first[copies.group].tolist()
    assert found["contained"].to_pylist() == copies.contained.tolist()


def test_the_corpora_hold_what_they_are_for():
    """Chains fall apart, and some containers are digests: else the comparisons below would say little."""
    chains = on_one_machine(CORPORA["near copies"], Params()).copies
    accepted = chains.verified.filter(chains.verified["accepted"])
    left, right = (accepted[side].to_numpy() for side in ("left", "right"))
    assert (chains.group[left] != chains.group[right]).sum() > 20
    assert (np.bincount(chains.group) > 5).sum() > 3
    assert (chains.unit != np.arange(len(chains.unit))).any()
    nests = on_one_machine(CORPORA["containers"], Params()).copies
    assert nests.contained.sum() > 20
    held = nests.verified.filter(nests.verified["accepted"])
    assert (nests.group[held["left"].to_numpy()] != nests.group[held["right"].to_numpy()]).sum() > 5


@pytest.mark.parametrize("parts", [1, 3, 8])
@pytest.mark.parametrize("limits", LIMITS)
def test_groups_are_those_of_one_machine(local, parts, limits):
    articles, one = local
    flow, corpus, units, verified = in_parts(one, articles, Params(), parts, backwards=parts == 3)
    found = groups.group(flow, corpus, units, verified, Params(), **LIMITS[limits])
    check_groups(whole(found, corpus.starts), one.copies)
