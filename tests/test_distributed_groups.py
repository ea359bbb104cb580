"""Groups and canonical articles over parts are those of one machine, whatever the parts and the order of work."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from test_duplicates import article, prose
from test_groups import joined, windows
from test_shared_data import DATA

from dedup.distributed import canonicals, groups
from dedup.params import Params
from tests.copies_in_parts import by_part, in_parts, on_one_machine, whole

SEEDS = Path(__file__).parents[1] / "seeds" / "articles.jsonl"
G5W = DATA / "open" / "g5w_news_cluster.parquet"


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


def in_sources(rows):
    """Add what policies look at, with names that the steps use themselves."""
    chance = random.Random(9)
    for row in rows:
        row |= {"source": chance.choice(("Brey Post", "Lindmoor Echo", None)), "position": chance.randint(0, 5)}
        row |= {"url": chance.choice((None, "news.example/1")), "cluster": chance.choice(("a", "b", "c"))}
    return rows


POLICIES = (
    Params().canonical,
    "central",
    "container,prefer:source=lindmoor echo,longest",
    "max:position,match:cluster~[ab],earliest",
    "complete,latest",
)


@pytest.fixture(scope="module", params=POLICIES)
def chosen(request):
    params = Params(canonical=request.param)
    near, nests = near_copies(3), [{**row, "id": f"c{row['id']}"} for row in containers(3)]
    again = [{**row, "id": f"{row['id']}-{copy}", "title": f"Take {copy}"} for row in near for copy in range(4)]
    articles = in_sources(near + nests + again)
    return articles, params, on_one_machine(articles, params)


def check_choices(articles, params, one, parts):
    """Compare the representatives of groups and the canonical articles of stories with those of one machine."""
    flow, corpus, units, verified = in_parts(one, articles, params, parts, backwards=parts == 3)
    grouped = groups.group(flow, corpus, units, verified, params)
    copies = canonicals.representatives(flow, corpus, grouped, verified, one.policy)
    table, local = whole(copies, corpus.starts), one.copies
    check_groups(table.select(["position", "unit", "group", "contained"]), local)
    assert table["representative"].to_pylist() == local.representative[local.group].tolist()
    assert table["reason"].to_pylist() == local.reason[local.group].tolist()
    assert table.schema == canonicals.COPIES

    found, by_story = one.stories(params)
    first = np.full(int(found.label.max(initial=-1)) + 1, len(table))
    np.minimum.at(first, found.label, found.positions)
    stories = pa.table({"position": found.positions, "story": first[found.label]})
    links = found.links.sort_by([("left", "ascending"), ("right", "ascending")])
    for number, side in enumerate(("left", "right")):
        links = links.set_column(number, side, pa.array(found.positions[links[side].to_numpy()]))
    given = (
        by_part(stories, found.positions, corpus.starts),
        by_part(links, links["left"].to_numpy(), corpus.starts),
    )
    named = canonicals.chosen_of_stories(flow, corpus, copies, *given, one.policy)
    table = whole(named, corpus.starts)
    assert table.schema == canonicals.STORIES
    assert table["position"].to_pylist() == found.positions.tolist()
    assert table["story"].to_pylist() == first[found.label].tolist()
    assert table["canonical"].to_pylist() == by_story.chosen[found.label].tolist()
    assert table["reason"].to_pylist() == by_story.reason[found.label].tolist()
    return found, flow


@pytest.mark.parametrize("parts", [1, 3, 8])
def test_choices_are_those_of_one_machine(chosen, parts):
    articles, params, one = chosen
    check_choices(articles, params, one, parts)
    assert len(set(one.copies.reason)) > 2


@pytest.mark.parametrize("parts", [1, 8])
def test_choices_on_the_seeds(parts):
    found = check_choices(SEEDS, Params(), on_one_machine(SEEDS, Params()), parts)[0]
    assert (np.bincount(found.label) > 2).any()


@pytest.mark.parametrize("level", ["exact", "duplicate"])
def test_levels_below_stories(level):
    """Where only equal texts are copies, pairs are notices that differ in title or date."""
    params, articles = Params(level=level), CORPORA["near copies"]
    one = on_one_machine(articles, params)
    assert one.copies.verified["accepted"].to_pylist() or level == "exact"
    flow, corpus, units, verified = in_parts(one, articles, params, 3)
    grouped = groups.group(flow, corpus, units, verified, params)
    check_groups(whole(grouped, corpus.starts), one.copies)


def test_a_policy_that_names_no_column_is_refused():
    from dedup.errors import SettingsError
    from dedup.policy import parse_policy

    articles = CORPORA["containers"]
    one = on_one_machine(articles, Params())
    flow, corpus, units, verified = in_parts(one, articles, Params(), 3)
    grouped = groups.group(flow, corpus, units, verified, Params())
    with pytest.raises(SettingsError, match="no column 'desk'"):
        canonicals.representatives(flow, corpus, grouped, verified, parse_policy("min:desk"))


def test_a_flood_of_copies_sends_two_of_each_part():
    """What a policy reads of 3,000 equal texts stays where it is but for two of each part."""
    chance = random.Random(4)
    words = prose(90, 5)
    copies = [{"title": f"Take {chance.randint(0, 9)}", "text": " ".join(words)} for _ in range(3000)]
    articles = in_sources(numbered([*copies, *(article([*words, f"more{i}"]) for i in range(5))]))
    params = Params(canonical="container,prefer:source=lindmoor echo,central,complete")
    one = on_one_machine(articles, params)
    assert (np.bincount(one.copies.group) == 3005).any()
    flow = check_choices(articles, params, one, 8)[1]
    assert flow.sent["group-rows"] < 8 * 2_000 + (2 * 8 + 5) * 300  # bytes: of a message, and of a document


@pytest.mark.skipif(not G5W.exists(), reason=f"no articles in {G5W}")
@pytest.mark.parametrize("parts", [8])
def test_choices_on_real_articles(parts):
    found = check_choices(G5W, Params(), on_one_machine(G5W, Params()), parts)[0]
    assert (np.bincount(found.label) > 2).sum() > 20
