"""Verified pairs → groups: chains are split, a contained text goes to its best container, digests stay outside."""

import random
from itertools import permutations

import numpy as np
import pytest
from test_duplicates import article, grouped, prose, sketches, verify

import dedup
from dedup import groups
from dedup.params import DuplicateParams


def windows(*starts, length=100):
    """Return texts of one long run of words, from several starts on."""
    words = prose(2000, 3)
    return [words[start : start + length] for start in starts]


def joined(texts):
    return [word for words in texts for word in words]


def group(articles, pairs):
    """Group articles by some of their pairs, as verified."""
    table = sketches(*articles)
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    label, contained = groups.group(table, verify(table, left, right), DuplicateParams())
    return label.tolist(), contained.tolist()


def labels(rows):
    place = {row: number for number, members in enumerate(grouped(rows)) for row in members}
    return [place[row] for row in range(len(rows))]


class TestChains:
    def test_neighbours_alone_make_no_group_of_a_chain(self):
        """Each step shares 64 % with the next (Jaccard); two steps share 39 %, three 21 %, ten nothing."""
        rows = [article(words) for words in windows(*range(0, 220, 22))]
        found = grouped(rows)
        assert 1 < len(found) < 10
        for members in found:
            assert max(members) - min(members) <= 4  # two steps to either side of a centre; three are under half

    def test_a_chain_whose_ends_hold_is_one_group(self):
        rows = [article(words) for words in windows(0, 8, 16, 24)]
        assert grouped(rows) == [{0, 1, 2, 3}]

    def test_every_member_holds_to_one_of_its_group(self):
        """Random windows: inside a group there is a text with which every other shares half the threshold."""
        chance = random.Random(2)
        rows = [article(words) for words in windows(*(chance.randint(0, 400) for _ in range(60)))]
        table = sketches(*rows)
        for members in grouped(rows):
            best = max(
                min(verify(table, [one] * len(members), sorted(members))["jaccard"].to_pylist()) for one in members
            )
            assert best >= DuplicateParams().jaccard / 2

    def test_the_group_of_a_chain_does_not_depend_on_the_order(self):
        rows = [article(words) for words in windows(0, 24, 48, 72)]
        found = set()
        for order in permutations(range(4)):
            label = labels([rows[i] for i in order])
            back = [label[order.index(i)] for i in range(4)]
            found.add(frozenset(frozenset(i for i in range(4) if back[i] == k) for k in set(back)))
        assert len(found) == 1

    def test_a_text_that_the_centre_refuses_leaves(self):
        """The last one agrees with the fourth only: three of four figures; with the other five, two of four."""
        words = prose(90)
        figures = ["1 2 3 4"] * 3 + ["1 2 3 5"] + ["1 2 4 7"] * 2 + ["1 2 5 6"]
        rows = [article([*words, "x" * (i + 1), *numbers.split()]) for i, numbers in enumerate(figures)]
        assert grouped(rows) == [set(range(6)), {6}]


class TestContainment:
    def test_the_best_container_only(self):
        take, other = prose(300, 1), prose(400, 2)
        brief = take[:100]
        almost = [*brief[:92], *other]  # holds 90 % of the brief
        label, contained = group([article(brief), article(take), article(almost)], [(0, 1), (0, 2)])
        assert label == [0, 0, 2]
        assert contained == [True, False, False]
        assert grouped([article(brief), article(take), article(almost)]) == [{0, 1}, {2}]

    def test_of_two_equally_good_containers_the_closer_one(self):
        brief = prose(100, 1)
        rows = [article(brief), article(brief + prose(300, 2)), article(brief + prose(90, 3))]
        assert grouped(rows) == [{0, 2}, {1}]

    def test_a_brief_printed_by_five_papers_joins_with_all_its_copies(self):
        take = prose(300, 1)
        brief = take[20:110]
        copies = [[*brief[:i], "x" * i, *brief[i + 1 :]] for i in (5, 25, 45, 65, 85)]
        assert grouped([article(copy) for copy in copies]) == [set(range(5))]
        rows = [article(take), *(article(copy) for copy in copies)]
        assert grouped(rows) == [set(range(6))]
        result = dedup.cluster([{"id": str(i), **row} for i, row in enumerate(rows)])
        relation = {row["doc_id"]: row["relation"] for row in result.documents.to_pylist()}
        assert relation.pop("0") == "canonical"
        assert set(relation.values()) == {"contained"}

    def test_a_nest_of_briefs_is_one_group(self):
        take = prose(500, 1)
        rows = [article(take[:n]) for n in (500, 260, 140, 75)]
        assert grouped(rows) == [{0, 1, 2, 3}]

    def test_texts_that_contain_each_other_make_no_circle(self):
        """Nearly as long, each with 85 % of the other: such pairs pass both ways."""
        words = prose(120, 1)
        rows = [article(words[i:] + words[:i]) for i in range(0, 120, 15)]
        assert grouped(rows) == [set(range(8))]

    @pytest.mark.parametrize("seed", range(5))
    def test_random_nests_end(self, seed):
        """Containers of containers in any direction: every text is in one group, and attaching comes to an end."""
        chance = random.Random(seed)
        pool = [prose(chance.randint(70, 300), i) for i in range(4)]
        texts = list(pool)
        for _ in range(40):
            one, two = chance.sample(texts, 2)
            cut = chance.randint(1, len(one))
            texts.append(
                (one[:cut] + (two if chance.random() < 0.3 else []))[:900] + prose(chance.choice((0, 40)), cut)
            )
        rows = [article(words) for words in texts]
        found = grouped(rows)
        assert sorted(row for members in found for row in members) == list(range(len(rows)))


class TestDigests:
    def test_a_digest_of_unrelated_texts_stays_outside(self):
        items = [prose(80, seed) for seed in range(4)]
        digest = joined(items)
        rows = [*(article(words) for words in items), article(digest)]
        assert grouped(rows) == [{0}, {1}, {2}, {3}, {4}]

    def test_and_takes_no_part_in_the_groups_of_its_items(self):
        items = [prose(80, seed) for seed in range(3)]
        copies = [[*words[:-1], "elsewhere"] for words in items]
        rows = [article(words) for words in (*items, *copies, joined(items))]
        assert grouped(rows) == [{0, 3}, {1, 4}, {2, 5}, {6}]

    def test_copies_of_a_digest_are_copies(self):
        items = [prose(80, seed) for seed in range(3)]
        rows = [*(article(words) for words in items), *[article(joined(items))] * 2]
        assert grouped(rows) == [{0}, {1}, {2}, {3, 4}]

    def test_two_overlapping_parts_of_one_text_make_no_digest(self):
        take = prose(400, 1)
        rows = [article(take), article(take[:200]), article(take[150:350])]
        assert grouped(rows) == [{0, 1, 2}]

    def test_two_flashes_with_like_headlines_make_no_digest(self):
        take = prose(400, 1)
        rows = [
            article(take, "Ferry aground off Port Ellery"),
            article(take[:80], "Ferry aground off Port Ellery"),
            article(take[300:380], "Ferry aground, divers called"),
        ]
        assert grouped(rows) == [{0, 1, 2}]

    def test_the_pairs_of_a_digest_say_why_they_did_not_hold(self):
        items = [prose(80, seed) for seed in range(3)]
        rows = [{"id": str(i), **article(words)} for i, words in enumerate([*items, joined(items)])]
        pairs = dedup.cluster(rows).pairs.to_pylist()
        held = [pair for pair in pairs if pair["level"] == "duplicate" and pair["kind"] == "contained"]
        assert len(held) == 3
        assert {(pair["accepted"], pair["reason"]) for pair in held} == {(False, "better held by another group")}
