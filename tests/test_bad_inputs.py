"""The catalogue of bad input: what becomes of each file, and that nothing is lost."""

import json
import re

import bad_inputs
import pyarrow as pa
import pytest
from conftest import command

from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.reading import open_paths

CASES = bad_inputs.catalogue()
BY_NAME = {case.name: case for case in CASES}
COMMANDED = ("line_cut.jsonl", "line_deep_list.jsonl", "array_cut.json", "second_cut.jsonl.gz", "no_end.parquet",
             "words.dat", "no_column.csv", "value_bidi.jsonl")  # fmt: skip


def test_the_catalogue_is_large_and_names_each_file_once():
    assert len(CASES) == len(BY_NAME) >= 120


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_becomes_of_a_bad_file(tmp_path, case):
    path = tmp_path / case.name
    path.write_bytes(case.content)
    source = open_paths([path], ReadingParams(max_rejects=1e9))
    if case.exit_code == 4:
        with pytest.raises(InputError, match=rf"^{re.escape(case.name)}: [^\n]*; [^\n]+$"):
            list(source.batches())
        if not case.codes:  # a missing column stops a run, whatever else there is
            return
        (tmp_path / "good.txt").write_text("good")
        source = open_paths([path, tmp_path / "good.txt"], ReadingParams(max_rejects=1e9))
    table = pa.Table.from_batches(source.batches(), source.schema)
    table.validate(full=True)
    accepted = table.num_rows - (case.exit_code == 4)
    assert tuple(reject.code for reject in source.rejects) == case.codes
    assert accepted == case.accepted or (case.accepted < 0 and accepted >= 3)
    assert source.n_records == table.num_rows + len(source.rejects)
    for reject in source.rejects:
        assert reject.source_file == case.name
        assert "; " in reject.message and "\n" not in reject.message


@pytest.mark.parametrize("name", COMMANDED)
def test_the_command_on_a_bad_file(tmp_path, name):
    case = BY_NAME[name]
    (tmp_path / name).write_bytes(case.content)
    out = tmp_path / "OUT"
    said = command("cluster", tmp_path / name, "-o", out, "--level", "exact", "--progress", "never")
    assert said.returncode == case.exit_code, said.stderr
    assert "Traceback" not in said.stderr
    if case.exit_code:
        assert said.stderr.count("\n") == 1 and said.stderr.startswith(f"error: {name}: ")
        assert not out.exists()
        return
    rejects = [json.loads(line) for line in (out / "rejects.jsonl").read_text().splitlines()]
    counts = json.loads((out / "manifest.json").read_bytes())["counts"]
    assert [reject["code"] for reject in rejects] == list(case.codes)
    assert counts["rejected"] == len(rejects)
    assert counts["documents"] == case.accepted or case.accepted < 0
