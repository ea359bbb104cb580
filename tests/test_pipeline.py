"""The whole program on small inputs: settings, borders, and the same bytes whatever does not matter."""

import csv
import hashlib
import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_duplicates import prose

import dedup
from dedup.errors import DedupError, SettingsError
from dedup.params import Params

SEEDS = Path(__file__).parents[1] / "seeds" / "articles.jsonl"
ARTICLES = [json.loads(line) for line in SEEDS.read_text("utf-8").splitlines()]
TABLES = ("documents", "groups", "clusters", "pairs")
PLACES = ["row", "source_file", "source_row"]  # they follow the input
DAY = datetime(2025, 5, 6, tzinfo=UTC)


def files(result, out):
    """Return the hash of each Parquet file, as written."""
    result.write(out)
    return {name: hashlib.sha256((out / f"{name}.parquet").read_bytes()).hexdigest() for name in TABLES}


def found(result, *columns):
    """Return columns by doc_id."""
    rows = result.documents.to_pylist()
    return {row["doc_id"]: tuple(row[column] for column in columns) for row in rows}


def copies():
    """Three copies of one text by three papers, with a score each."""
    text = " ".join(prose(90))
    return [
        {"id": name, "title": "Ferry aground", "text": text + "." * i, "date": DAY + timedelta(hours=i), "score": score}
        | {"source": f"Paper {name}", "url": f"https://{name}.example.com/"}
        for i, (name, score) in enumerate((("a", 2), ("b", 10), ("c", None)))
    ]


class TestLevels:
    @pytest.mark.parametrize("level", ["exact", "duplicate", "story"])
    def test_each_level_refines_the_next(self, level):
        result = dedup.cluster(SEEDS, level=level)
        sizes = [result.groups.num_rows, result.clusters.num_rows]
        if level == "story":
            assert sizes[1] < sizes[0]
        else:
            assert sizes[0] == sizes[1]
            assert "story" not in result.pairs["level"].to_pylist()
        assert result.manifest["settings"]["level"] == level

    def test_exact_finds_equal_texts_only(self):
        exact = dedup.cluster(SEEDS, level="exact").documents.to_pylist()
        assert {row["relation"] for row in exact} == {"unique", "canonical", "exact"}
        assert any(row["relation"] == "exact" for row in exact)
        near = {
            row["doc_id"]: row["duplicate_id"] for row in dedup.cluster(SEEDS, level="duplicate").documents.to_pylist()
        }
        for row in exact:
            assert near[row["doc_id"]] == near[row["representative_doc_id"]]

    def test_the_story_level_keeps_the_groups(self):
        one, two = (found(dedup.cluster(SEEDS, level=level), "duplicate_id") for level in ("duplicate", "story"))
        assert one == two

    def test_an_unknown_level(self):
        with pytest.raises(SettingsError, match="exact, duplicate or story"):
            dedup.cluster(SEEDS, level="near")


class TestColumns:
    def test_with_text(self):
        assert "text" not in dedup.cluster(SEEDS).documents.column_names
        texts = found(dedup.cluster(SEEDS, with_text=True), "text")
        assert texts == {row["id"]: (row["text"],) for row in ARTICLES}

    def test_keep_cols(self):
        result = dedup.cluster(copies(), keep_cols=["score", "url"])
        assert result.documents.column_names[-2:] == ["score", "in_url"]
        assert found(result, "score", "in_url", "url") == {
            row["id"]: (row["score"], row["url"], row["url"]) for row in copies()
        }

    def test_excerpt_and_hash(self):
        rows = dedup.cluster(SEEDS, with_text=True).documents.to_pylist()
        for row in rows:
            assert row["excerpt"] == row["text"][:200]
            assert row["text_sha256"] == hashlib.sha256(row["text"].encode()).hexdigest()
            assert row["text_chars"] == len(row["text"])

    def test_given_columns(self):
        rows = [
            {"words": row["text"], "head": row["title"], "key": row["id"], "day": row["published_at"]}
            for row in ARTICLES
        ]
        result = dedup.cluster(rows, text="words", title="head", id="key", date="day")
        columns = "story_id", "duplicate_id", "published_at", "title"
        assert found(result, *columns) == found(dedup.cluster(SEEDS), *columns)


class TestCanonical:
    @pytest.mark.parametrize(
        ("policy", "chosen"),
        [
            ("earliest", "a"),
            ("latest", "c"),
            ("container,longest", "c"),
            ("max:score", "b"),  # an input column that nobody asked to keep
            ("min:score", "a"),
            ("prefer:source=paper B|Paper C", "b"),
            (r"match:url~//c\.", "c"),
        ],
    )
    def test_policies(self, policy, chosen):
        result = dedup.cluster(copies(), canonical=policy)
        assert set(found(result, "canonical_doc_id", "representative_doc_id").values()) == {(chosen, chosen)}
        assert found(dedup.cluster(copies(), canonical=policy, level="duplicate"), "canonical_doc_id")["a"] == (chosen,)

    @pytest.mark.parametrize("level", ["duplicate", "story"])
    def test_the_reason_names_the_rule_among_copies(self, level):
        for policy in ("earliest", "latest", "longest", "max:score"):
            result = dedup.cluster(copies(), canonical=policy, level=level)
            assert set(result.documents["canonical_reason"].to_pylist()) == {policy}

    def test_the_reason_names_the_rule_between_groups(self):
        """Two groups of one story: the rule is the one that chose between their representatives."""
        rows = [{"id": row["id"], **row} for row in ARTICLES if row["id"] in ("harbour-01", "harbour-05")]
        for policy, reason in (("earliest", "earliest"), ("longest", "longest"), ("latest", "latest")):
            result = dedup.cluster([*rows, *ARTICLES[-3:]], canonical=policy)
            assert found(result, "canonical_reason")["harbour-01"] == (reason,)
            (chosen,) = {row[0] for key, row in found(result, "canonical_doc_id").items() if key.startswith("harbour")}
            key = "published_at" if reason != "longest" else "text"
            value = {row["id"]: len(row[key]) if reason == "longest" else row[key] for row in rows}
            assert chosen == (min if reason == "earliest" else max)(value, key=value.get)

    def test_a_container_stands_for_its_brief(self):
        take = prose(300)
        rows = [
            {"id": "brief", "title": "Ferry", "text": " ".join(take[:70]), "date": DAY},
            {"id": "take", "title": "Ferry", "text": " ".join(take), "date": DAY + timedelta(hours=9)},
        ]
        assert set(found(dedup.cluster(rows), "canonical_doc_id").values()) == {("take",)}
        assert set(found(dedup.cluster(rows, canonical="earliest"), "canonical_doc_id").values()) == {("brief",)}

    def test_an_unknown_column(self):
        with pytest.raises(DedupError, match=r"'stars'.*'score'"):
            dedup.cluster(copies(), canonical="max:stars")


class TestBorders:
    @pytest.mark.parametrize("level", ["exact", "duplicate", "story"])
    def test_nothing(self, level, tmp_path):
        (tmp_path / "a.jsonl").write_text("")
        for source in ([], tmp_path / "a.jsonl", pa.table({"text": pa.array([], pa.string())})):
            result = dedup.cluster(source, level=level)
            assert [getattr(result, name).num_rows for name in TABLES] == [0] * 4
        files(result, tmp_path / "OUT")
        assert dedup.open_run(tmp_path / "OUT").documents.schema.equals(result.documents.schema)

    @pytest.mark.parametrize("level", ["exact", "duplicate", "story"])
    def test_one_article(self, level):
        result = dedup.cluster(ARTICLES[:1], level=level)
        (row,) = result.documents.to_pylist()
        assert (row["relation"], row["similarity"], row["canonical_reason"]) == ("unique", 1.0, "only")
        assert (row["story_size"], row["duplicate_size"], row["is_canonical"]) == (1, 1, True)
        assert result.pairs.num_rows == 0

    @pytest.mark.parametrize("n", [2, 7, 300])
    @pytest.mark.parametrize("dated", [True, False])
    def test_identical_articles(self, n, dated):
        rows = [{**ARTICLES[0], "id": str(i)} for i in range(n)]
        if not dated:
            rows = [{"id": row["id"], "text": row["text"]} for row in rows]
        result = dedup.cluster(rows)
        assert result.clusters["story_size"].to_pylist() == result.groups["duplicate_size"].to_pylist() == [n]
        assert sorted(row["relation"] for row in result.documents.to_pylist()) == ["canonical"] + ["exact"] * (n - 1)
        assert set(result.documents["similarity"].to_pylist()) == {1.0}
        assert result.pairs.num_rows == n - 1

    def test_identical_long_texts_under_other_titles_and_dates(self):
        rows = [
            {**ARTICLES[0], "id": str(i), "title": " ".join(prose(5, i)), "published_at": str(DAY + timedelta(days=i))}
            for i in range(50)
        ]
        result = dedup.cluster(rows)
        assert result.groups["duplicate_size"].to_pylist() == [50]
        assert set(found(result, "canonical_doc_id").values()) == {("0",)}

    def test_identical_short_texts_under_other_titles(self):
        rows = [{"id": str(i), "title": " ".join(prose(5, i)), "text": "Shares rose."} for i in range(50)]
        assert dedup.cluster(rows).groups.num_rows == 50

    def test_300_empty_texts(self):
        result = dedup.cluster([{"id": str(i), "text": " \n"} for i in range(300)])
        assert [getattr(result, name).num_rows for name in TABLES] == [300, 300, 300, 0]
        assert set(result.documents["relation"].to_pylist()) == {"unique"}

    def test_params_or_settings(self):
        assert dedup.cluster(SEEDS, Params(level="exact")).manifest["settings"]["level"] == "exact"
        with pytest.raises(SettingsError, match="both"):
            dedup.cluster(SEEDS, Params(), level="exact")

    def test_progress_names_the_stages(self):
        seen = []
        result = dedup.cluster(SEEDS, progress=lambda *state: seen.append(state))
        names = list(dict.fromkeys(name for name, _, _ in seen))
        assert names[:3] == ["read", "boilerplate", "candidates"] and set(names) == set(result.manifest["seconds"])
        assert [total for name, done, total in seen if name == "read"][-1] == len(ARTICLES)


class TestIds:
    def test_ids_survive_other_articles(self):
        before = found(dedup.cluster(ARTICLES), "duplicate_id", "story_id")
        strangers = [
            {"id": f"x{i}", "title": " ".join(prose(6, -i - 1)), "text": " ".join(prose(120, i))} for i in range(40)
        ]
        after = found(dedup.cluster([*strangers[:20], *ARTICLES, *strangers[20:]]), "duplicate_id", "story_id")
        assert {key: ids[0] for key, ids in before.items()} == {key: after[key][0] for key in before}
        same = sum(after[key] == ids for key, ids in before.items())
        assert same >= 0.9 * len(before)  # the frequencies of terms move a little with the corpus

    def test_ids_hang_on_the_founding_article(self):
        first = {"id": "x", "title": "Ferry", "text": " ".join(prose(90)), "published_at": str(DAY)}
        later = {**first, "id": "y", "text": first["text"] + " elsewhere", "published_at": str(DAY + timedelta(days=9))}
        alone = found(dedup.cluster([first]), "story_id", "duplicate_id")["x"]
        assert set(found(dedup.cluster([later, first]), "story_id", "duplicate_id").values()) == {alone}
        assert found(dedup.cluster([later]), "story_id", "duplicate_id")["y"] != alone


class TestDeterminism:
    def test_the_order_of_files(self, tmp_path):
        folder = tmp_path / "in"
        folder.mkdir()
        for name, part in (("b.jsonl", ARTICLES[:30]), ("a.jsonl", ARTICLES[30:])):
            (folder / name).write_text("".join(json.dumps(row) + "\n" for row in part))
        paths = [folder / "a.jsonl", folder / "b.jsonl"]
        wanted = files(dedup.cluster(paths), tmp_path / "ONE")
        assert files(dedup.cluster(paths[::-1]), tmp_path / "TWO") == wanted
        assert files(dedup.cluster(folder), tmp_path / "THREE") == wanted

    def test_the_number_of_threads(self, tmp_path):
        wanted = files(dedup.cluster(SEEDS, jobs=1), tmp_path / "ONE")
        for jobs in (2, 3, 7):
            assert files(dedup.cluster(SEEDS, jobs=jobs), tmp_path / str(jobs)) == wanted

    def test_the_hash_seed(self, tmp_path):
        code = "import dedup, sys; dedup.cluster(sys.argv[1]).write(sys.argv[2])"
        written = []
        for seed in ("0", "1"):
            out = tmp_path / seed
            env = {**os.environ, "PYTHONHASHSEED": seed}
            subprocess.run([sys.executable, "-c", code, SEEDS, out], env=env, check=True)
            written.append({name: (out / f"{name}.parquet").read_bytes() for name in TABLES})
        assert written[0] == written[1]

    @pytest.mark.parametrize("seed", range(3))
    def test_the_order_of_rows(self, tmp_path, seed):
        """All but the places is equal; groups, clusters and pairs are, but for the run id, to the byte."""
        rows = [*ARTICLES, *({"id": f"e{i}", "text": ""} for i in range(5)), *copies()]
        results = []
        for order, out in ((rows, "ONE"), (random.Random(seed).sample(rows, len(rows)), "TWO")):
            source = tmp_path / "in.jsonl"
            source.write_text("".join(json.dumps(row, default=str) + "\n" for row in order))
            result = dedup.cluster(source)
            result.manifest["run_id"] = "same"  # it hangs on the hash of the input
            results.append((files(result, tmp_path / out), pq.read_table(tmp_path / out / "documents.parquet")))
        (one, first), (two, second) = results
        assert {name: one[name] for name in TABLES[1:]} == {name: two[name] for name in TABLES[1:]}
        assert first.drop_columns(PLACES).equals(second.drop_columns(PLACES))
        assert first["row"] != second["row"]

    def test_formats_of_one_input(self, tmp_path):
        with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(ARTICLES[0]))
            writer.writeheader()
            writer.writerows(ARTICLES)
        pq.write_table(pa.Table.from_pylist(ARTICLES), tmp_path / "a.parquet")
        wanted = dedup.cluster(SEEDS).documents.drop_columns(PLACES)
        for source in (tmp_path / "a.csv", tmp_path / "a.parquet", ARTICLES, pa.Table.from_pylist(ARTICLES)):
            assert dedup.cluster(source).documents.drop_columns(PLACES).equals(wanted)
