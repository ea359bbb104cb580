"""The benchmarks: what their corpora are, that wrong results are noticed, and that each runs from end to end."""

import json
import re
import statistics
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from benchmarks import __main__ as command
from benchmarks import corpus, from_text, kernels, measuring, project, report, truth, vectors, whole
from benchmarks.setting import Setting

SEEDS = corpus.read(corpus.SEEDS)


def made(count, **options):
    return pa.concat_tables(corpus.tables(SEEDS, count, **options))


@pytest.fixture
def setting(tmp_path):
    return Setting(
        folder=tmp_path, articles=150, small=40, runs=1, sizes=(40, 80), threads=(2,), floors=(0.3,), pairs=3000,
        levels=("story",), cold=False, isolated=False, warmed={"story"},
    )  # fmt: skip


def test_the_same_seed_gives_the_same_corpus_and_another_one_another():
    assert made(300).equals(made(300))
    assert not made(300).equals(made(300, seed=1))


def test_a_corpus_has_the_share_of_copies_that_it_says():
    texts = made(800)["text"].to_pylist()
    left, right = truth.jaccard_join(truth.shingle_sets(texts), 0.6)
    copies = len(np.unique(np.maximum(left, right)))
    exact = len(texts) - len(set(texts))
    assert 0.25 <= copies / len(texts) <= 0.4, "30 % copies, and what is alike among the seeds"
    assert 0.03 <= exact / len(texts) <= 0.1, "one copy in six is exact"


def test_mixtures_are_no_copies_of_each_other():
    random = np.random.default_rng(0)
    mixed = corpus._mixtures(SEEDS, 300, random)
    texts = [" ".join(map(str, corpus._filled(SEEDS, tokens, names, random))) for tokens, names in mixed]
    left, _ = truth.jaccard_join(truth.shingle_sets(texts), 0.5)
    assert len(left) <= 3


def test_the_vocabulary_grows_with_the_corpus():
    texts = made(4000)["text"].to_pylist()
    sizes = [500, 1000, 2000, 4000]
    words = [len({word for text in texts[:size] for word in text.split()}) for size in sizes]
    assert 0.3 <= whole.slope(sizes, words) <= 0.9, "Heaps' law: β of .4 to .6 in English"


def test_lengths_are_those_of_the_source():
    lengths = [len(text.split(" ")) for text in made(2000)["text"].to_pylist()]
    assert statistics.median(lengths) == pytest.approx(np.median(np.diff(SEEDS.articles)), rel=0.2)
    assert min(lengths) >= 1


def test_dates_span_the_days_and_may_be_missing():
    dates = made(500, days=30)["date"].cast(pa.int64()).to_numpy()
    days = (dates - corpus.END) / corpus.HOUR / 24 + 30
    assert 25 <= days.max() <= 32
    assert days.min() >= 0
    assert made(50, days=None)["date"].null_count == 50


def test_invented_words_are_spelt_one_way_each():
    spelt = {corpus.spelling(rank) for rank in [*range(3000), 10**9, 10**12]}
    assert len(spelt) == 3002


def test_the_join_finds_all_pairs_that_are_there():
    sets = truth.shingle_sets([t[:200] for t in made(150)["text"].to_pylist()] + ["", "one two", "one two"])
    n = sets.shape[0]
    every = np.triu_indices(n, 1)
    for threshold in (0.3, 0.5, 0.9):
        left, right = truth.jaccard_join(sets, threshold)
        near = truth.jaccard(sets, *every) >= threshold
        assert truth.packed(left, right).tolist() == truth.packed(every[0][near], every[1][near]).tolist()
    assert (n - 2, n - 1) in set(zip(*truth.jaccard_join(sets, 0.9), strict=True)), "short texts are one shingle"


def test_a_word_is_letters_marks_and_digits_of_any_script():
    assert truth.words("Ẹ̀kọ́ ÉCOLE_B2 don't") == ["ẹ̀kọ́", "école", "b2", "don", "t"]


def test_precision_and_recall_of_clusters_are_those_of_their_pairs():
    random = np.random.default_rng(3)
    found, wanted = random.integers(8, size=(2, 60))
    pairs = [truth.packed(*np.nonzero(labels[:, None] == labels)) for labels in (found, wanted)]
    assert truth.cluster_scores(found, wanted) == pytest.approx(truth.pair_scores(*pairs))


def unit_rows():
    rows = np.random.default_rng(0).random((30, 12)) * (np.random.default_rng(1).random((30, 12)) < 0.5)
    return sparse.csr_array(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_missing_and_added_pairs_are_noticed_and_borderline_ones_forgiven():
    rows = unit_rows()
    pairs = truth.cosine_join(rows, 0.6)
    truth.check_pairs(pairs, pairs, rows, 0.6)
    with pytest.raises(truth.UnequalError, match="1 of"):
        truth.check_pairs(pairs[1:], pairs, rows, 0.6)
    strange = truth.packed(np.array([0]), np.array([1]))
    with pytest.raises(truth.UnequalError):
        truth.check_pairs(np.setxor1d(pairs, strange), pairs, rows, 0.6)
    left, right = truth.unpacked(pairs[:1])
    cosine = float((rows[left].multiply(rows[right])).sum())
    truth.check_pairs(truth.cosine_join(rows, cosine + 1e-9), truth.cosine_join(rows, cosine - 1e-9), rows, cosine)


def test_another_vector_is_noticed(setting):
    source = setting.corpus(100, folded=True)
    found = project.tfidf_vectors(source, 1)()
    wanted = measuring.resolve("benchmarks.peers_vectors:tfidf_vectorizer")(source, 1)()
    from_text.check_tfidf(found, wanted)
    wrong = found.data.copy()
    wrong[7] += 1e-5
    with pytest.raises(truth.UnequalError, match="1e-05"):
        from_text.check_tfidf(found._replace(data=wrong), wanted)
    with pytest.raises(truth.UnequalError, match="terms"):
        from_text.check_tfidf(found._replace(terms=found.terms[1:]), wanted)


def test_another_tree_is_noticed(setting):
    tree = project.average_linkage(setting.links(2000), 1, vectors.FLOOR)()
    vectors.check_trees(tree, tree, 22)
    with pytest.raises(truth.UnequalError, match="heights"):
        vectors.check_trees({**tree, "heights": tree["heights"] * 0.99}, tree, 22)
    swapped = tree["children"].copy()
    swapped[[0, -1]] = swapped[[-1, 0]]
    with pytest.raises(truth.UnequalError, match="clusters"):
        vectors.check_trees({**tree, "children": swapped}, tree, 22)


def test_a_wrong_result_gives_no_ratio(setting):
    tools = [measuring.Tool(name, "unused:unused") for name in (measuring.OURS, "other")]
    timings = [measuring.Timing(tool, 1, [2.0], [2.0]) for tool in tools]

    def judge(timing):
        if timing.tool.name == "other":
            raise truth.UnequalError("two pairs differ")
        return {"counts": True, "note": ""}

    rows, failed = from_text.judged(timings, judge)
    section = setting.section("signatures", rows, failed)
    assert [row["ratio"] for row in section["rows"]] == [1.0, None]
    assert "~~other~~" in "\n".join(report._section(section))


def test_signatures_of_something_else_do_not_count():
    random = np.random.default_rng(0)
    signed = random.integers(1 << 32, size=(20, 128), dtype=np.uint32)
    left, right = np.arange(10), np.arange(10, 20)
    assert not from_text.score_signatures(signed, left, right, np.full(10, 0.9))["counts"]
    assert from_text.score_signatures(signed, left, right, np.zeros(10))["counts"]


def test_a_slope_is_fitted_by_least_squares():
    assert whole.slope([10, 100, 1000], [3.0, 300.0, 30000.0]) == pytest.approx(2)
    rows = [{"articles": n, "seconds": n**1.5, "stages": {"read": n * 0.1, "tiny": n * 1e-9}} for n in (10, 100)]
    assert whole.stage_slopes(rows) == {"all": 1.5, "read": 1.0}


def test_a_tool_that_fails_or_is_missing_is_named(setting):
    tools = [
        measuring.Tool("absent", "benchmarks.project:lower", "no-such-distribution"),
        measuring.Tool("broken", "benchmarks.project:cosines", threads=(1,)),
    ]
    tools.append(measuring.Tool("sound", "benchmarks.project:read_column", threads=(1,)))
    present, missing = measuring.installed(tools)
    assert [skip["tool"] for skip in missing] == ["absent"]
    source = setting.corpus(20)
    broken, sound = measuring.interleaved(present, source, source, 2, (1,))
    assert "TypeError" in broken.error, "in a process of its own"
    assert sound.value == 20 and len(sound.seconds) == 2 and sound.peak > 20


@pytest.mark.parametrize("name", list(command.BENCHMARKS))
def test_each_benchmark_runs_from_end_to_end(setting, name):
    sections = command.BENCHMARKS[name](setting)
    for section in sections:
        assert section["rows"]
        for row in section["rows"]:
            assert row["counts"], row
            assert row.get("seconds", row.get("peak_mb")) > 0
    text = report.markdown({"machine": measuring.machine(), "sections": sections})
    assert all(f"## {report.TITLES[section['name'].split()[0]]}" in text for section in sections)
    tools = {"signatures": from_text.SIGNATURES, "duplicates": from_text.DUPLICATES, "cosine": vectors.COSINES}
    for tool in tools.get(name, []):
        named = [row["tool"] for row in sections[0]["rows"]] + [skip["tool"] for skip in sections[0]["skipped"]]
        assert any(tool.name in one for one in named), f"{tool.name} has a row, or a reason for none"


def test_the_command_writes_a_record_that_report_renders_again(tmp_path, capsys):
    assert command.main(["kernels", "--smoke", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / report.RECORD).read_text())
    assert [section["name"] for section in record["sections"]] == ["kernels"]
    table = (tmp_path / report.TABLE).read_text()
    assert "| minhash |" in table and record["machine"]["date"] in table
    (tmp_path / report.TABLE).unlink()
    assert command.main(["report", "--out", str(tmp_path)]) == 0
    assert (tmp_path / report.TABLE).read_text() == table
    assert table in capsys.readouterr().out


def test_a_later_record_replaces_its_own_sections_only(tmp_path):
    def record(*names):
        sections = [{"name": name, "facts": {}, "rows": [{"tool": "dedup"}], "skipped": []} for name in names]
        return {"machine": measuring.machine(), "sections": sections}

    report.save(tmp_path, record("startup", "tfidf"))
    report.save(tmp_path, record("signatures", "tfidf"))
    kept = json.loads((tmp_path / report.RECORD).read_text())["sections"]
    assert [section["name"] for section in kept] == ["signatures", "tfidf", "startup"]


def test_plots_show_what_the_record_has(tmp_path, setting):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    stages = {"read": 1.0, "verify": 0.0}
    row = {
        "tool": "dedup",
        "level": "story",
        "threads": 2,
        "seconds": 2.0,
        "peak_mb": 300.0,
        "foretold_mb": 280.0,
        "stages": stages,
        "peaks": {"read": 300.0},
    }
    rows = [row | {"articles": n} for n in (1000, 10_000)]
    seconds = {"dedup": 1.0, "peer": 3.0}
    compared = [{"tool": name, "threads": 1, "seconds": s, "counts": True} for name, s in seconds.items()]
    record = {
        "machine": measuring.machine(),
        "sections": [
            setting.section("signatures", compared, []),
            {"name": "growth", "facts": {}, "rows": rows, "skipped": [], "slopes": {"story": {"all": 1.25}}},
            {"name": "memory", "facts": {}, "rows": rows, "skipped": []},
        ],
    }
    report.save(tmp_path, record)
    shown = {path.name: path.read_text() for path in tmp_path.glob("*.svg")}
    assert set(shown) == {"ratios.svg", "growth.svg", "memory.svg"}
    assert "3.0 ×" in shown["ratios.svg"] and "all (slope 1.25)" in shown["growth.svg"]
    assert "foretold" in shown["memory.svg"]
    report.write(tmp_path)
    assert shown["growth.svg"] == (tmp_path / "growth.svg").read_text(), "the same bytes for the same record"


def test_peers_without_time_are_named_with_their_foretold_seconds(setting):
    tools = [measuring.Tool(name, "benchmarks.project:cosines") for name in ("dedup", "quick", "slow", "endless")]
    setting.runs, setting.threads, setting.budget = 3, (1, 2), 40
    kept, slow = vectors.affordable(tools, {"quick": 1.0, "slow": 20.0, "endless": 300.0}, setting)
    runs = {tool.name: (tool.runs, tool.threads) for tool in kept}
    assert runs == {"dedup": (None, (1, 2)), "quick": (None, (1, 2)), "slow": (1, (2,))}
    assert [skip["tool"] for skip in slow] == ["endless"]
    assert "300 s" in slow[0]["reason"]


def test_a_large_corpus_is_checked_by_a_sample_and_peers_by_a_budget(setting, monkeypatch):
    monkeypatch.setattr(vectors, "WHOLE", 100)
    monkeypatch.setattr(vectors, "PROBE", 60)
    monkeypatch.setattr(vectors, "SAMPLE", 50)
    source, setting.budget = setting.vectors(setting.articles), 0.0
    rows = measuring.resolve("benchmarks.peers_vectors:matrix")(source)
    assert vectors.true_pairs(source, 0.3, 1).tolist() == truth.cosine_join(rows, 0.3).tolist()
    (section,) = vectors.cosine(setting)
    assert {row["tool"] for row in section["rows"]} == {"dedup"}
    assert "scipy" in {skip["tool"] for skip in section["skipped"]}


def test_a_corpus_is_streamed_in_row_groups(tmp_path):
    count = corpus.BLOCK + 10
    file = pq.ParquetFile(corpus.write(tmp_path / "c.parquet", SEEDS, count))
    assert file.metadata.num_rows == count and file.metadata.num_row_groups == 2
    ids = file.read(columns=["id"])["id"].to_pylist()
    assert ids == [str(i) for i in range(count)]


def test_numbers_on_the_command_line_may_be_grouped():
    options = command.parse(["growth", "--sizes", "1_000,20_000", "--floors", ".5,.1"])
    assert options.sizes == (1000, 20_000) and options.floors == (0.5, 0.1)
    assert command._articles(command.parse(["job", "--corpus", "x"]), "job") == 0, "as it is"
    assert command._articles(command.parse(["all", "--corpus", "x"]), "job") == command.SIZES["job"]


def test_limits_are_in_the_range_of_machines():
    measured = kernels.limits()
    assert 1e8 < measured[kernels.COPY] < 1e12
    assert 1e6 < measured[kernels.UPDATE] < 1e11


def test_a_process_knows_its_own_peak():
    assert 20 < measuring.peak_mb() < 100_000
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*", measuring.machine()["date"]) and Path(corpus.SEEDS).exists()
