from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup import schema
from dedup.canonical import choose, leading
from dedup.errors import DedupError, SettingsError
from dedup.params import DEFAULT_POLICY
from dedup.policy import parse_policy


def day(number):
    return None if number is None else dt.datetime(2024, 1, number, tzinfo=dt.UTC)


def table(rows, **kept):
    """DOCUMENTS without text, with a content key; every row is a dict of what matters to the test."""
    base = {"title": None, "published_at": None, "date_suspect": False, "source": None, "url": None, "text_chars": 100}
    rows = [{"doc_id": f"id{i}", "content_key": i, **base, **row} for i, row in enumerate(rows)]
    columns = {
        f.name: pa.array([row.get(f.name) for row in rows], f.type) for f in schema.DOCUMENTS if f.name != "text"
    }
    columns["content_key"] = pa.array([row["content_key"] for row in rows], pa.uint64())
    return pa.table({**columns, **kept})


def winner(documents, policy, **given):
    """Choose in one cluster that holds all rows."""
    chosen, reason = choose(documents, np.zeros(documents.num_rows, np.int64), parse_policy(policy), **given)
    return int(chosen[0]), reason[0]


Z2 = np.zeros(2, np.int64)


class TestRules:
    def test_dates(self):
        rows = [{}, {"published_at": day(1), "date_suspect": True}, {"published_at": day(3)}, {"published_at": day(2)}]
        assert winner(table(rows), "earliest") == (3, "earliest")
        assert winner(table(rows), "latest") == (2, "latest")
        assert winner(table(rows[:3]), "earliest") == (2, "earliest")
        assert winner(table(rows[:2]), "earliest,latest") == (0, "content key")

    def test_longest(self):
        assert winner(table([{"text_chars": 5}, {"text_chars": 9}, {"text_chars": 7}]), "longest") == (1, "longest")

    def test_complete(self):
        full = {"title": "t", "published_at": day(1), "source": "s", "url": "u"}
        blank = {**full, "source": " ", "title": ""}
        suspect = {**full, "date_suspect": True}
        assert winner(table([blank, suspect, full, {}]), "complete") == (2, "complete")
        assert winner(table([blank, suspect, {}]), "complete") == (1, "complete")

    def test_central(self):
        documents = table([{}, {}, {}])
        assert winner(documents, "central", central=np.array([0.1, 0.3, 0.2])) == (1, "central")
        assert winner(documents, "central", central=np.array([np.nan, np.nan, 0.0])) == (2, "central")
        assert winner(documents, "central", central=np.array([0.3, 0.1 + 0.2, 0.3])) == (0, "content key")
        assert winner(documents, "central") == (0, "content key")

    def test_container(self):
        documents = table([{}, {}])
        assert winner(documents, "container", contained=np.array([True, False])) == (1, "container")
        assert winner(documents, "container", contained=np.array([True, True])) == (0, "content key")
        assert winner(documents, "container") == (0, "content key")

    def test_prefer(self):
        documents = table([{"source": s} for s in ("blog", None, "ap", "REUTERS", "Ap")])
        assert winner(documents, "prefer:source=reuters|ap") == (3, "prefer:source")
        assert winner(documents.slice(0, 3), "prefer:source=Reuters|AP|ap") == (2, "prefer:source")
        assert winner(documents.slice(0, 2), "prefer:source=reuters|ap") == (0, "content key")
        assert winner(table([{}, {}], tier=pa.array([1, 2])), "prefer:tier=2") == (1, "prefer:tier")
        assert winner(table([{}, {}], ok=pa.array([None, True])), "prefer:ok=True") == (1, "prefer:ok")
        assert winner(table([{"source": "ärzteblatt"}, {"source": "ÄRZTE"}]), "prefer:source=ärzte")[0] == 1

    def test_match(self):
        documents = table([{"url": u} for u in (None, "http://b/x", "https://a/amp", "https://a/x")])
        assert winner(documents, "match:url~^https,match:url~/x$") == (3, "match:url")
        assert winner(documents, "match:url~AMP") == (0, "content key")
        assert winner(documents, "match:url~(?i)AMP") == (2, "match:url")

    @pytest.mark.parametrize(
        ("values", "lowest", "highest"),
        [
            (pa.array([None, 5, 3, 4]), 2, 1),
            (pa.array([None, float("nan"), -0.5, 2e-12]), 2, 3),
            (pa.array([None, "b", "a", "é"]), 2, 3),
            (pa.array(["", "9", "10", " "]), 1, 2),
            (pa.array([None, "1e3", "-2.5", "x"]), 2, 1),
            (pa.array([None, day(3), day(2), day(5)], schema.TIMESTAMP), 2, 3),
            (pa.array([None, dt.date(2024, 1, 2), dt.date(2024, 1, 1), None]), 2, 1),
            (pa.array([None, True, False, None]), 2, 1),
            (pa.array([None, "b", "a", "é"]).dictionary_encode(), 2, 3),
            (pa.nulls(4), 0, 0),
        ],
    )
    def test_min_and_max(self, values, lowest, highest):
        documents = table([{}] * 4, score=values)
        decided = "content key" if values.null_count == 4 else None
        assert winner(documents, "min:score") == (lowest, decided or "min:score")
        assert winner(documents, "max:score") == (highest, decided or "max:score")

    @pytest.mark.parametrize("rule", ["min:tags", "max:tags", "prefer:tags=a", "match:tags~a"])
    def test_column_without_order(self, rule):
        tags = pa.array([[["a"]], [["b"]]], pa.list_(pa.list_(pa.string())))
        with pytest.raises(SettingsError, match=r"got a column of list<.*choose another column"):
            winner(table([{}, {}], tags=tags), rule)

    @pytest.mark.parametrize("rule", ["min:views", "max:views", "prefer:views=a", "match:views~a"])
    def test_missing_column(self, rule):
        with pytest.raises(SettingsError, match=r"no column 'views'; found 'row'.*'hits'.*--keep-cols views"):
            winner(table([{}], hits=pa.array([1])), rule)


class TestChoose:
    def test_next_rule_only_on_a_tie(self):
        rows = [
            {"published_at": day(1), "text_chars": 10},
            {"published_at": day(1), "text_chars": 20},
            {"published_at": day(2), "text_chars": 99},
        ]
        assert winner(table(rows), "earliest,longest") == (1, "longest")
        assert winner(table(rows[1:]), "earliest,longest") == (0, "earliest")

    def test_content_key_then_id(self):
        top = 2**64 - 1  # beyond int64
        assert winner(table([{"content_key": top}, {"content_key": 2**63}]), "longest") == (1, "content key")
        twins = [{"content_key": 7, "doc_id": "b"}, {"content_key": 7, "doc_id": "a"}]
        assert winner(table(twins), "longest") == (1, "doc id")

    def test_clusters_and_singles(self):
        documents = table([{"text_chars": n} for n in (1, 5, 9, 7, 3)])
        chosen, reason = choose(documents, np.array([1, 0, 2, 0, 1]), parse_policy("longest"))
        assert chosen.dtype == np.int64
        assert chosen.tolist() == [3, 4, 2]
        assert reason.tolist() == ["longest", "longest", "only"]

    def test_nothing(self):
        chosen, reason = choose(table([]), np.empty(0, np.int64), parse_policy(DEFAULT_POLICY + ",prefer:source=a"))
        assert len(chosen) == len(reason) == 0

    @pytest.mark.parametrize("cluster", [[0], [0, 2], [-1, 0], [0, 0, 0]])
    def test_labels_that_do_not_fit(self, cluster):
        with pytest.raises(DedupError):
            choose(table([{}, {}]), np.array(cluster), parse_policy("longest"))
        with pytest.raises(DedupError):
            choose(table([{}, {}]), Z2, parse_policy("central"), central=np.zeros(3))

    def test_many_rows(self):
        n = 200_000
        rng = np.random.default_rng(0)
        key = pa.array(rng.integers(0, 2**63, n).astype(np.uint64))
        fields = {"content_key": key, "doc_id": key.cast(pa.string()), "source": key.cast(pa.string())}
        fields |= dict.fromkeys(("title", "url"), fields["source"])
        fields |= {"published_at": pa.array(rng.integers(0, 9, n)).cast(schema.TIMESTAMP)}
        fields |= {"text_chars": pa.array(rng.integers(0, 9, n)), "date_suspect": pa.array(np.zeros(n, bool))}
        _, cluster = np.unique(rng.integers(0, n // 3, n), return_inverse=True)
        chosen, _ = choose(pa.table(fields), cluster, parse_policy(DEFAULT_POLICY + ",match:url~^1,max:source"))
        assert cluster[chosen].tolist() == list(range(cluster.max() + 1))


def naive(rows, cluster, central, contained):
    """The policy of `test_against_naive` in obvious Python."""

    def order(i):
        row = rows[i]
        known = row["published_at"] if not row["date_suspect"] else None
        return [
            ("container", contained[i]),
            ("prefer:source", {"b": 0, "a": 1}.get((row["source"] or "").lower(), 2)),
            ("earliest", (known is None, known or day(1))),
            ("complete", -sum([bool(row["title"]), known is not None, bool(row["source"])])),
            ("longest", -row["text_chars"]),
            ("central", -central[i]),
            ("max:views", (row["views"] is None, -(row["views"] or 0))),
            ("content key", row["content_key"]),
            ("doc id", row["doc_id"]),
        ]

    result = {}
    for label in set(cluster):
        members = sorted((i for i in range(len(rows)) if cluster[i] == label), key=lambda i: [k for _, k in order(i)])
        reason = "only"
        if len(members) > 1:
            pairs = zip(order(members[0]), order(members[1]), strict=True)
            reason = next(a[0] for a, b in pairs if a[1] != b[1])
        result[label] = (rows[members[0]]["doc_id"], reason)
    return result


ROW = st.fixed_dictionaries(
    {
        "published_at": st.sampled_from([None, day(1), day(2)]),
        "date_suspect": st.booleans(),
        "source": st.sampled_from([None, "", "A", "b", "c"]),
        "title": st.sampled_from([None, "t"]),
        "text_chars": st.integers(0, 2),
        "views": st.sampled_from([None, 1, 20, 3]),
        "content_key": st.integers(0, 2),
        "cluster": st.integers(0, 3),
        "central": st.sampled_from([0.1, 0.2]),
        "contained": st.booleans(),
    }
)


@settings(max_examples=80, deadline=None)
@given(st.lists(ROW, max_size=12), st.randoms(use_true_random=False), st.booleans())
def test_against_naive_in_any_order(rows, random, chunked):
    policy = parse_policy("container,prefer:source=b|a,earliest,complete,longest,central,max:views")
    labels = {label: i for i, label in enumerate(dict.fromkeys(row["cluster"] for row in rows))}
    rows = [{**row, "doc_id": f"d{i}", "cluster": labels[row["cluster"]]} for i, row in enumerate(rows)]
    for _ in range(2):
        cluster = [row["cluster"] for row in rows]
        central, contained = ([row[name] for row in rows] for name in ("central", "contained"))
        documents = table(rows, views=pa.array([row["views"] for row in rows], pa.int64()))
        if chunked and rows:
            documents = pa.concat_tables([documents.slice(0, 3), documents.slice(3)])
        chosen, reason = choose(
            documents,
            np.array(cluster, np.int64),
            policy,
            central=np.array(central, np.float64),
            contained=np.array(contained, bool),
        )
        got = {label: (rows[i]["doc_id"], why) for label, (i, why) in enumerate(zip(chosen, reason, strict=True))}
        assert got == naive(rows, cluster, central, contained)
        random.shuffle(rows)
    if rows:
        at = np.array([(row["cluster"], row["central"], row["contained"]) for row in rows])
        alike = np.unique(at, axis=0, return_inverse=True)[1].reshape(-1)
        kept = leading(table(rows, views=pa.array([row["views"] for row in rows], pa.int64())), alike, policy)
        assert np.bincount(alike[kept]).tolist() == np.minimum(np.bincount(alike), 2).tolist()
        rows = [rows[i] for i in kept]
        cluster, central, contained = ([row[name] for row in rows] for name in ("cluster", "central", "contained"))
        assert naive(rows, cluster, central, contained) == got
