"""A run opened again: folders that are none, damaged files, and what a run answers."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest
from conftest import FILES

from dedup.errors import DamagedRunError, InputError, SettingsError
from dedup.run import open_run


def test_folders_that_are_no_runs(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        open_run(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"no manifest.json"):
        open_run(tmp_path)
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    with pytest.raises(InputError, match="not the manifest of a dedup run"):
        open_run(tmp_path)


def test_a_later_format_names_the_version_that_reads_it(result, tmp_path):
    out = result.write(tmp_path / "OUT")
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps({**manifest, "format": 2, "version": "9.0"}))
    with pytest.raises(InputError, match=r"dedup 9\.0"):
        open_run(out)


@pytest.mark.parametrize("name", sorted(FILES - {"manifest.json"}))
def test_a_missing_or_shortened_file_is_damage(result, tmp_path, name):
    out = result.write(tmp_path / "OUT")
    content = (out / name).read_bytes()
    (out / name).write_bytes(content[:-1])
    with pytest.raises(DamagedRunError, match="bytes"):
        open_run(out)
    (out / name).unlink()
    with pytest.raises(DamagedRunError, match="is missing"):
        open_run(out)


def test_a_garbled_file_is_damage(result, tmp_path):
    out = result.write(tmp_path / "OUT")
    size = (out / "pairs.parquet").stat().st_size
    (out / "pairs.parquet").write_bytes(b"x" * size)
    with pytest.raises(DamagedRunError, match="cannot be read"):
        open_run(out)
    (out / "manifest.json").write_text('{"format": 1, ')
    with pytest.raises(DamagedRunError, match="not JSON"):
        open_run(out)


def test_kept(result):
    assert result.kept()["doc_id"].to_pylist() == ["a0-0", "a1-0", "a2-0"]
    assert result.kept("duplicate")["doc_id"].to_pylist() == ["a0-0", "a0-2", "a1-0", "a2-0"]
    with pytest.raises(SettingsError, match="story or duplicate"):
        result.kept("exact")


@pytest.mark.parametrize("any_id", ["s0000000000000000", "d0000000000000001", "a0-1"])
def test_a_story_is_found_by_any_id(result, any_id):
    found = result.story(any_id)
    assert found["story"]["story_size"] == 3
    assert [group["representative_doc_id"] for group in found["groups"]] == ["a0-0", "a0-2"]
    assert [document["doc_id"] for document in found["documents"]] == ["a0-0", "a0-1", "a0-2"]
    assert found["links"] == {"duplicate": 1, "story": 1, "refused": 0, "min_cosine": 0.25, "mean_cosine": 0.25}


def test_an_unknown_id_is_told_with_similar_ones(result):
    with pytest.raises(InputError, match=r"similar are .*'a0-0'"):
        result.story("a0_0")
    with pytest.raises(InputError, match=r"'d0000000000000001'"):
        result.story("0001")
    with pytest.raises(InputError, match="dedup show RUN"):
        result.story("???")


def test_a_run_without_stories_shows_its_groups(result):
    empty = pa.nulls(6, pa.string())
    documents = result.documents.set_column(4, "story_id", empty)
    found = replace(result, documents=documents, clusters=result.clusters.slice(0, 0)).story("a0-1")
    assert found["story"] is None
    assert [document["doc_id"] for document in found["documents"]] == ["a0-0", "a0-1"]


def test_repr_is_short(result):
    assert repr(result) == "Result(6 documents, 4 groups, 3 clusters, 3 pairs, 1 rejects)"
