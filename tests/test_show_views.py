"""`dedup show` as a newcomer sees it: at all widths, in a pipe, in any script and encoding; snapshots of the seeds."""

import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import SEEDS, make_result
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import dedup
from dedup import charts, summaries, terminal
from dedup.terminal import screen

SNAPSHOTS = Path(__file__).parent / "snapshots"
WIDTHS = (40, 60, 80, 120, 200)
KIN = (
    "بحران المياه في الميناء القديم",
    "アクム湾で連絡船が座礁し乗客全員が救助される" * 4,
    "Cafe\u0301 u\u0308ber Nacht " * 12,
)


class Screen(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding, write_through=True)

    def isatty(self):
        return True

    def shown(self):
        return self.buffer.getvalue().decode(self.encoding)


@pytest.fixture(autouse=True)
def utf8(monkeypatch):
    for name in ("LC_ALL", "LC_CTYPE", "PYTHONIOENCODING", "PYTHONUTF8", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_GB.UTF-8")
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture(scope="module")
def seeds():
    return dedup.cluster(SEEDS)


def on_screen(result, width=80, any_id=None, top=10, encoding="utf-8", plain=True):
    stream = Screen(encoding)
    to = terminal.console(stream, plain)
    to.width = width
    view(to, result, any_id, top)
    return stream.shown()


def in_a_pipe(result, any_id=None, top=10):
    stream = io.StringIO()
    view(terminal.console(stream, False), result, any_id, top)
    return stream.getvalue()


def view(to, result, any_id, top):
    if any_id is None:
        terminal.largest(to, result, top)
    else:
        terminal.story(to, result.story(any_id), top, any_id)


def titled(titles):
    """Return a small run with these titles, one for each of its stories."""
    result = make_result()
    chosen = [titles[int(row["story_id"][1:]) % len(titles)] for row in result.documents.to_pylist()]
    documents = result.documents.set_column(
        result.documents.schema.get_field_index("title"), "title", pa.array(chosen, pa.string())
    )
    names = [titles[place % len(titles)] for place in range(result.clusters.num_rows)]
    clusters = result.clusters.set_column(
        result.clusters.schema.get_field_index("title"), "title", pa.array(names, pa.string())
    )
    return dedup.Result(documents, result.groups, clusters, result.pairs, result.rejects, result.manifest)


@pytest.mark.parametrize("any_id", [None, "harbour-03"], ids=["stories", "story"])
@pytest.mark.parametrize("kind", [40, 80, "pipe"])
def test_snapshots_of_the_seeds(seeds, any_id, kind):
    said = in_a_pipe(seeds, any_id) if kind == "pipe" else on_screen(seeds, kind, any_id)
    wanted = (SNAPSHOTS / f"show-{'story' if any_id else 'stories'}-{kind}.txt").read_text("utf-8")
    assert said == wanted


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("titles", [None, KIN], ids=["seeds", "scripts"])
def test_a_table_keeps_to_the_terminal(seeds, width, titles):
    result = seeds if titles is None else titled(titles)
    lines = on_screen(result, width).splitlines()
    assert max(map(cell_len, lines[:-1])) <= width  # the last one is a command
    ids = result.clusters.sort_by([("story_size", "descending"), ("story_id", "ascending")])["story_id"].to_pylist()[:2]
    assert all(any(one in line for line in lines) for one in ids)  # never cut


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("titles", [None, KIN], ids=["seeds", "scripts"])
def test_a_tree_keeps_to_the_terminal(seeds, width, titles):
    result, one = (seeds, "harbour-03") if titles is None else (titled(titles), "a0-1")
    lines = on_screen(result, width, one).splitlines()
    assert max(map(cell_len, lines)) <= width
    names = [document["doc_id"] for document in result.story(one)["documents"]]
    bare = [line.replace(f"{one} <", one) for line in lines]
    assert sum(was != line for was, line in zip(bare, lines, strict=True)) == 1  # marked without colour too
    assert all(sum(line.endswith(name) or f"{name}  " in line for line in bare) == 1 for name in names)


def test_the_canonical_has_a_sign_and_a_word(seeds):
    tree = on_screen(seeds, 80, "harbour-03")
    assert sum("* canonical" in line for line in tree.splitlines()) == 1
    assert "* stands for the whole story, + for" in tree


def test_a_pipe_gets_all_of_it_and_no_more(seeds):
    titles = seeds.clusters["title"].to_pylist()
    table = in_a_pipe(seeds, top=1000)
    assert "\x1b" not in table and "…" not in table
    head, *rows = table.splitlines()
    assert head.split() == ["id", "articles", "texts", "sources", "cohesion", "first", "last", "title"]
    multiple = seeds.clusters.filter(pa.compute.greater(seeds.clusters["story_size"], 1))
    assert len(rows) == multiple.num_rows
    for row in rows:  # the first seven have no spaces in them: cut and awk can take them apart
        one, articles, texts, sources, cohesion, first, last, title = row.split(maxsplit=7)
        found = next(cluster for cluster in multiple.to_pylist() if cluster["story_id"] == one)
        assert [int(articles), int(texts), int(sources)] == [found[n] for n in ("story_size", "n_groups", "n_sources")]
        assert cohesion == f"{found['cohesion']:.2f}" and title == found["title"] in titles
        assert (first, last) == tuple(f"{found[f'{n}_published_at']:%Y-%m-%d}" for n in ("first", "last"))
    tree = in_a_pipe(seeds, "harbour-03")
    (line,) = [line for line in tree.splitlines() if "harbour-02" in line]
    assert "FERRY KESTREL BAY RUNS AGROUND OFF PORT ELLERY WITH 148 PASSENGERS ABOARD" in line and "near" in line


def test_what_is_unknown_is_left_out_or_a_dash(seeds):
    result = make_result()
    for name in ("documents", "groups", "clusters"):
        table = getattr(result, name)
        for column in ("published_at", "first_published_at", "last_published_at", "source"):
            if column in table.column_names:
                at = table.schema.get_field_index(column)
                table = table.set_column(at, table.schema.field(at), pa.nulls(len(table), table.schema.field(at).type))
        object.__setattr__(result, name, table)
    assert "over time" not in on_screen(result, 80, "a0-0") and "2025" not in on_screen(result)
    row = in_a_pipe(result).splitlines()[1].split()
    assert row[4:7] == ["-", "-", "-"]


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "cp1252"])
@pytest.mark.parametrize("any_id", [None, "a0-1"])
def test_other_encodings_get_like_letters(encoding, any_id):
    said = on_screen(titled(("Zürich’s “old” café – Łódź 連絡船", "Ñandú…")), 80, any_id, encoding=encoding)
    assert "\ufffd" not in said and "…" not in (said if encoding != "cp1252" else "")
    if encoding == "ascii":
        assert said.isascii()
        assert 'Zurich\'s "old" cafe - ?odz ???' in said


@pytest.mark.parametrize(
    ("env", "drawn"),
    [
        ({"LANG": "C"}, False),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),  # as Python itself sets it
        ({"LC_ALL": "POSIX"}, False),
        ({"LANG": ""}, False),
        ({"LANG": "C", "LC_CTYPE": "de_DE.UTF-8"}, True),
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "C", "PYTHONIOENCODING": "utf-8"}, True),
    ],
)
def test_the_c_locale_gets_no_lines_and_blocks(seeds, monkeypatch, env, drawn):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    for any_id in (None, "harbour-03"):
        said = on_screen(seeds, 80, any_id)
        own = {sign for sign in said if not sign.isascii()} - {"ß", "é", "í", "ó", "ñ"}
        assert bool(own) == drawn


@pytest.mark.parametrize("env", [{"LC_ALL": "C"}, {"LANG": "C"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_real_terminal_without_utf8(tmp_path, seeds, env):
    import pty

    out = seeds.write(tmp_path / "OUT")
    ours, theirs = pty.openpty()
    clear = {k: v for k, v in os.environ.items() if k not in ("LANG", "LC_ALL", "LC_CTYPE")}
    words = [sys.executable, "-m", "dedup", "show", str(out), "harbour-03", "--no-color"]
    subprocess.run(words, stdout=theirs, check=True, env={**clear, "COLUMNS": "80", **env})
    os.close(theirs)
    said = os.read(ours, 100_000)
    os.close(ours)
    assert said.isascii() and b"|  |-   near " in said


@pytest.mark.parametrize("words", [("show", "OUT"), ("show", "OUT", "harbour-03"), ("show", "OUT", "--json")])
def test_who_reads_the_start_only_gets_no_error(tmp_path, seeds, words):
    out = seeds.write(tmp_path / "OUT")
    command = " ".join([sys.executable, "-m", "dedup", *words]).replace("OUT", str(out))
    said = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -c 1"], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0 and said.stderr == ""


def test_the_head_of_the_table_names_the_ends_of_the_axis(seeds):
    lines = on_screen(seeds).splitlines()
    head = lines[1]
    assert head.endswith("Feb 2025  –  Nov 2025")
    start = head.index("Feb 2025")
    charts_drawn = [line[start:] for line in lines[3:-2:2]]
    width = max(map(len, charts_drawn))
    assert head[start:].rstrip() == head[start : start + width].rstrip()
    assert all(set(chart) <= set("·▁▂▃▄▅▆▇█") and len(chart) == width for chart in charts_drawn)


DAY = datetime(2025, 1, 1, tzinfo=UTC)
DATES = st.none() | st.integers(0, 4000).map(lambda n: DAY + timedelta(days=n))


@given(rows=st.lists(st.lists(DATES, max_size=20), min_size=1, max_size=5), cells=st.integers(1, 40))
def test_timelines_count_every_date_in_its_place(rows, cells):
    found = summaries.timeline(rows, cells)
    known = sorted(day.date() for row in rows for day in row if day)
    if len(set(known)) < 2:
        assert found is None
        return
    assert (found.first, found.last) == (known[0], known[-1])
    assert found.counts.shape[0] == len(rows) and found.counts.shape[1] <= cells
    assert found.counts.sum(axis=1).tolist() == [sum(day is not None for day in row) for row in rows]
    wanted = np.zeros_like(found.counts)
    for place, row in enumerate(rows):
        for day in filter(None, row):
            wanted[place, (day.date() - found.first).days // found.days] += 1
    assert (found.counts == wanted).all()
    assert (found.counts.shape[1] - 1) * found.days < (found.last - found.first).days + 1


@pytest.mark.parametrize("blocks", [True, False])
def test_sparklines(blocks):
    nothing, *heights = charts.sparkline(range(9), 8, blocks)
    assert len(set(heights)) == 8 and nothing not in heights
    assert charts.sparkline([0, 1, 1000], 1000, blocks) == nothing + heights[0] + heights[-1]
    assert "".join([nothing, *heights]).isascii() != blocks
    assert charts.sparkline([0, 0], 8, blocks) == ""


@given(
    text=st.text(st.characters(codec="utf-8"), max_size=60) | st.text("日本é\u0301aア👩\u200d", max_size=40),
    cells=st.integers(0, 40),
)
def test_a_cut_text_has_at_most_its_cells(text, cells):
    to = terminal.console(io.StringIO(), True)
    short = screen.cut(to, text, cells)
    assert cell_len(short) <= cells or short == ""
    if cell_len(terminal.clean(text)) <= cells:
        assert short == terminal.clean(text)


def test_evaluate_explains_its_measures(tmp_path, seeds):
    from conftest import run

    out = seeds.write(tmp_path / "OUT")
    said = run("evaluate", out, "--gold", SEEDS / "_gold.csv").stdout
    assert said.splitlines()[0].split() == ["level", "measure", "precision", "recall", "F1"]
    assert all(word in said for word in ("B-cubed scores", "pairwise scores", "ARI (Rand index)", "recall: "))
