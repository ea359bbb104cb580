"""`explain` of a run on disk: what the command says, what it needs, and that a run is replayed once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
import pytest
from conftest import ARTICLES, ESCAPE, run
from test_duplicates import prose
from test_explain import labels, read

import dedup
from dedup import InputError, SettingsError
from dedup.run import Result


@pytest.fixture(scope="module")
def seeds():
    return dedup.cluster(ARTICLES)


@pytest.fixture(scope="module")
def seeds_run(seeds, tmp_path_factory):
    out = tmp_path_factory.mktemp("explain") / "OUT"
    seeds.write(out)
    return out


def test_the_second_pair_is_not_replayed(seeds_run):
    opened = dedup.open_run(seeds_run)
    stages = []
    opened.explain("harbour-01", "harbour-05", progress=lambda stage, *_: stages.append(stage))
    assert "similar pairs" in stages
    stages.clear()
    opened.explain("harbour-01", "harbour-03", progress=lambda stage, *_: stages.append(stage))
    assert stages == []


class TestCommand:
    def test_it_says_all_in_80_columns(self, seeds_run):
        for pair in (("harbour-01", "harbour-05"), ("incendio-01", "suidou-01"), ("harbour-03", "harbour-01")):
            said = run("explain", seeds_run, *pair)
            assert said.exit_code == 0, said.stderr
            assert ESCAPE not in said.stdout
            assert max(map(len, said.stdout.splitlines())) <= 80
            assert said.stdout.startswith(("Together: ", "Apart: "))
        text = run("explain", seeds_run, "harbour-01", "harbour-05").stdout
        assert "The same text?" in text and "The same story?" in text and "What links them" in text
        assert "ferry" in text and "  cosine" in text and "  score" in text
        text = run("explain", seeds_run, "harbour-01", "lagoon-01").stdout
        assert "What is missing" in text and "What would join them" in text

    def test_json_is_what_python_says(self, seeds_run):
        said = run("explain", seeds_run, "harbour-01", "harbour-05", "--json")
        told = dedup.open_run(seeds_run).explain("harbour-01", "harbour-05")
        assert json.loads(said.stdout) == json.loads(json.dumps(told, default=lambda day: day.isoformat()))

    def test_ids_of_stories_and_groups_stand_for_articles(self, seeds, seeds_run):
        row = next(row for row in seeds.documents.to_pylist() if row["doc_id"] == "harbour-01")
        for any_id in (row["story_id"], row["duplicate_id"]):
            told = json.loads(run("explain", seeds_run, any_id, "lagoon-01", "--json").stdout)
            assert told["a"]["doc_id"] in (row["canonical_doc_id"], row["representative_doc_id"])

    def test_an_unknown_id_and_one_article_twice(self, seeds_run):
        said = run("explain", seeds_run, "harbour-99", "lagoon-01")
        assert said.exit_code == 4 and "no story, group or article 'harbour-99'; similar are 'harbour-0" in said.stderr
        said = run("explain", seeds_run, "lagoon-01", "lagoon-01")
        assert said.exit_code == 2 and "got 'lagoon-01' twice, wanted two articles" in said.stderr

    def test_what_it_needs(self, tmp_path):
        file, out, whole = tmp_path / "in.jsonl", tmp_path / "OUT", tmp_path / "WHOLE"
        file.write_bytes(Path(ARTICLES).read_bytes())
        run("cluster", file, "-o", out, "-q")
        run("cluster", file, "-o", whole, "-q", "--with-text")
        before = run("explain", out, "harbour-01", "harbour-05", "--json").stdout
        file.write_text(file.read_text("utf-8").replace("ferry", "barge", 1), "utf-8")
        said = run("explain", out, "harbour-01", "harbour-05")
        assert said.exit_code == 4
        assert said.stderr == (
            f"error: explain: {out} was made from {file}, which has changed since; "
            "run dedup cluster again, or with --with-text\n"
        )
        file.unlink()
        said = run("explain", out, "harbour-01", "harbour-05")
        assert said.exit_code == 4 and "put it back, or cluster again with --with-text" in said.stderr
        assert run("explain", whole, "harbour-01", "harbour-05", "--json").stdout == before

    def test_data_in_memory(self):
        result = dedup.cluster(read(ARTICLES))
        with pytest.raises(InputError, match="made from memory, not from files; cluster with with_text"):
            result.explain("harbour-01", "harbour-05")
        with pytest.raises(SettingsError, match="both the article 'harbour-01'"):
            result.explain("harbour-01", labels(result)["harbour-01"])

    def test_another_version_that_finds_other_groups(self, seeds):
        at = seeds.documents.schema.get_field_index("story_id")
        alone = pc.binary_join_element_wise("s", seeds.documents["doc_id"], "")
        documents = seeds.documents.set_column(at, "story_id", alone)
        other = Result(documents, seeds.groups, seeds.clusters, seeds.pairs, [], seeds.manifest)
        with pytest.raises(InputError, match=r"made by dedup .* and says something else than its input gives now"):
            other.explain("harbour-01", "harbour-05")

    def test_hostile_texts_do_not_steer_the_terminal(self, tmp_path):
        evil = f"{ESCAPE}[2J\u202e the ferry ran aground off the port in thick fog on monday morning"
        rows = [{"id": f"a{n}\u202e", "title": evil, "text": f"{evil} {' '.join(prose(20, n))}"} for n in range(2)]
        dedup.cluster(rows, with_text=True).write(tmp_path / "OUT")
        said = run("explain", tmp_path / "OUT", "a0\u202e", "a1\u202e")
        assert said.exit_code == 0 and ESCAPE not in said.stdout and "\u202e" not in said.stdout

    @pytest.mark.parametrize(("env", "styled"), [({}, True), ({"NO_COLOR": "1"}, False)])
    def test_colours_on_a_terminal_only_where_wanted(self, seeds_run, env, styled):
        import pty

        ours, theirs = pty.openpty()
        words = [sys.executable, "-m", "dedup", "explain", str(seeds_run), "harbour-01", "harbour-04"]
        clear = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
        subprocess.run(
            words, stdout=theirs, stderr=subprocess.DEVNULL, check=True, env={**clear, "TERM": "xterm-256color", **env}
        )
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 100_000)
            except OSError:
                break
            if not part:
                break
            said += part
        os.close(ours)
        assert b"Together: " in said and (ESCAPE.encode() in said) == styled
