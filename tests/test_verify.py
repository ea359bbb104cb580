"""`dedup verify`: a sound run is sound, and each broken rule is named."""

import json
import shutil
from dataclasses import replace

import pyarrow as pa
import pytest
from conftest import make_result, run

from dedup import invariants, manifests
from dedup.errors import InputError, SettingsError
from dedup.run import TABLES, open_run


def broken(result):
    return invariants.broken({name: getattr(result, name) for name in TABLES}, result.rejects, result.manifest)


def with_values(result, table, column, values):
    """Put values (by row) into a column of a table."""
    old = getattr(result, table)
    filled = old[column].to_pylist()
    for row, value in values.items():
        filled[row] = value
    place = old.schema.get_field_index(column)
    return replace(
        result, **{table: old.set_column(place, old.schema.field(place), pa.array(filled, old[column].type))}
    )


def test_a_sound_run(small_run):
    assert open_run(small_run).verify() == []
    said = run("verify", small_run)
    assert said.exit_code == 0 and said.stdout.startswith(f"{small_run}: sound") and said.stderr == ""
    said = run("verify", small_run, "--json")
    assert json.loads(said.stdout) == {"run": str(small_run), "sound": True, "damage": []}


def test_damage_is_told_in_one_line_each(small_run):
    (small_run / "groups.parquet").unlink()
    size = manifests.read(small_run)["files"]["pairs.parquet"]["bytes"]
    (small_run / "pairs.parquet").write_bytes(b"x")
    said = run("verify", small_run)
    assert said.exit_code == 8
    assert said.stdout.splitlines() == [
        f"{small_run}: groups.parquet: is missing",
        f"{small_run}: pairs.parquet: has 1 bytes, wanted {size:,}",
    ]
    said = run("verify", small_run, "--json")
    assert said.exit_code == 8 and len(json.loads(said.stdout)["damage"]) == 2


def test_a_byte_of_a_file_and_of_the_manifest(small_run):
    for name in ("documents.parquet", "manifest.json"):
        file = small_run / name
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 4
        file.write_bytes(content)
        said = run("verify", small_run)
        assert said.exit_code == 8 and name in said.stdout
        content[len(content) // 2] ^= 4
        file.write_bytes(content)
    (small_run / "manifest.json").unlink()
    assert run("verify", small_run).exit_code == 8


def test_no_run_is_no_damage(tmp_path):
    assert run("verify", tmp_path / "nothing").exit_code == 4
    assert run("verify", tmp_path).exit_code == 4
    (tmp_path / "manifest.json").write_text("{}")
    assert run("verify", tmp_path).exit_code == 4


def test_only_a_folder_can_be_verified(result, tmp_path):
    with pytest.raises(SettingsError, match="in memory"):
        result.verify()
    opened = open_run(result.write(tmp_path / "OUT"))
    shutil.rmtree(tmp_path / "OUT")
    with pytest.raises(InputError, match="no such folder"):
        opened.verify()


def test_hashes_that_fit_do_not_hide_tables_that_do_not(result, tmp_path, monkeypatch):
    monkeypatch.setattr(invariants, "broken", lambda *_: [])
    out = with_values(result, "groups", "story_id", {0: "s1"}).write(tmp_path / "OUT")
    monkeypatch.undo()
    assert any("groups" in line or "duplicate group" in line for line in open_run(out).verify())


@pytest.mark.parametrize(
    ("table", "column", "values", "says"),
    [
        ("documents", "doc_id", {1: "a0-0"}, "documents: 1 row without a doc_id of their own"),
        ("documents", "row", {1: 0}, "documents: 1 row without a row of their own"),
        ("documents", "source_file", {1: "x"}, "documents: 5 rows of the input 'in.jsonl', wanted 6"),
        ("documents", "story_id", {1: "s9"}, "documents: 1 row whose story_id is not in clusters"),
        ("documents", "duplicate_id", {1: None}, "documents: 1 row whose duplicate_id is not in groups"),
        ("documents", "story_size", {1: 2}, "documents: 1 row with another story_size than there are"),
        ("documents", "is_canonical", {0: False}, "clusters: 1 row without exactly one document of is_canonical"),
        ("documents", "is_canonical", {1: True}, "clusters: 1 row without exactly one document of is_canonical"),
        ("documents", "is_representative", {5: None}, "groups: 1 row without exactly one document"),
        ("documents", "canonical_doc_id", {2: "a0-1"}, "documents: 1 row whose canonical_doc_id is another document"),
        ("groups", "duplicate_id", {1: "d0"}, "documents: 1 row whose duplicate_id is not in groups"),
        ("groups", "duplicate_size", {0: 3}, "groups: 1 row with another duplicate_size than documents"),
        ("groups", "representative_doc_id", {0: "a0-1"}, "groups: 1 row whose representative_doc_id is another"),
        ("groups", "story_id", {0: "s0000000000000001"}, "documents: 2 rows in another story than their duplicate"),
        ("clusters", "story_id", {1: "s0000000000000000"}, "clusters: 1 row without a story_id of their own"),
        ("clusters", "n_groups", {0: 3}, "clusters: 1 row with another n_groups than groups"),
        ("clusters", "canonical_doc_id", {0: "zz"}, "clusters: 1 row whose canonical_doc_id is another document"),
        ("pairs", "doc_id_a", {0: "zz"}, "pairs: 1 row of unknown documents"),
        ("pairs", "doc_id_b", {0: "a0-0"}, "pairs: 1 row of a document with itself"),
    ],
)
def test_every_rule_can_be_broken(table, column, values, says):
    found = broken(with_values(make_result(), table, column, values))
    assert any(line.startswith(says) for line in found), found


def test_counts_and_rejects(result):
    assert broken(result) == []
    for name, got in result.manifest["counts"].items():
        manifest = {**result.manifest, "counts": {**result.manifest["counts"], name: got + 1}}
        assert any(f"as {name}" in line for line in broken(replace(result, manifest=manifest)))
    assert broken(replace(result, rejects=[]))[0] == "rejects: 0 rows of the input 'in.jsonl', wanted 1"
    manifest = {**result.manifest, "counts": {**result.manifest["counts"], "records": 8}}
    assert "wanted 8 records together" in broken(replace(result, manifest=manifest))[0]
