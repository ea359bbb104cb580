"""The report as a file: where it is written, that its bytes are always the same, its policy and its size."""

import hashlib
import json
import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from importlib import resources

import pyarrow as pa
import pytest
from conftest import ARTICLES, command, digests, make_result, run

import dedup
from dedup import report, schema
from dedup.errors import InputError, OutputExistsError, SettingsError
from dedup.params import Params
from dedup.report import page, wording

LARGEST = 3_000_000  # bytes
FILES = resources.files("dedup.report")
SCRIPTS = sorted(
    f"{folder}/{file.name}"
    for folder in ("script", "vendor")
    for file in FILES.joinpath(folder).iterdir()
    if file.name.endswith(".js")
)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    out = tmp_path_factory.mktemp("seeds") / "OUT"
    dedup.cluster(ARTICLES).write(out)
    return out


def data_of(content):
    """Return what a page shows."""
    found = re.search(rb'<script type="application/json" id="data">(.*?)</script>', content, re.S)
    return json.loads(found[1])


# ---- The file


def test_the_same_run_gives_the_same_bytes(seeds, tmp_path):
    for name, seed in (("a", "1"), ("b", "2")):
        done = command("report", seeds, "-o", tmp_path / name, env={"PYTHONHASHSEED": seed})
        assert done.returncode == 0, done.stderr
    report.write_report(dedup.open_run(seeds), tmp_path / "c")
    contents = {(tmp_path / name).read_bytes() for name in "abc"}
    assert len(contents) == 1
    assert page.html(page.facts(dedup.open_run(seeds))) in contents


def test_it_is_written_beside_the_run_and_not_into_it(seeds, tmp_path, monkeypatch):
    before = digests(seeds)
    assert "is there already" not in run("report", seeds, "-o", tmp_path / "r.html").output
    again = run("report", seeds, "-o", tmp_path / "r.html")
    assert again.exit_code == 5 and "--if-exists overwrite" in again.output
    assert run("report", seeds, "-o", tmp_path / "r.html", "--if-exists", "overwrite").exit_code == 0
    inside = run("report", seeds, "-o", seeds / "r.html")
    assert inside.exit_code == 5 and "lies in the folder of the run" in inside.output
    assert run("report", seeds, "-o", tmp_path / "none" / "r.html").exit_code == 4
    assert run("report", tmp_path, "-o", tmp_path / "s.html").exit_code == 4  # no run
    monkeypatch.chdir(tmp_path)
    said = run("report", seeds, "--json")
    found = json.loads(said.output)
    assert found == {
        "out": "report.html",
        "bytes": (tmp_path / "report.html").stat().st_size,
        "stories": 12,
        "opened": 12,
        "differences": 18,
    }
    assert sorted(file.name for file in tmp_path.iterdir()) == ["r.html", "report.html"]
    assert digests(seeds) == before and dedup.open_run(seeds).verify() == []


def test_an_input_is_not_overwritten(tmp_path):
    source = tmp_path / "page.html"
    source.write_text(
        "<html><body><article><p>The bridge of Alder opened on Monday after long works.</p></article></body></html>"
    )
    dedup.cluster([str(source)]).write(tmp_path / "OUT")
    before = source.read_bytes()
    with pytest.raises(OutputExistsError, match="is an input of the run"):
        report.write_report(dedup.open_run(tmp_path / "OUT"), source, "overwrite")
    with pytest.raises(SettingsError, match="wanted error or overwrite"):
        report.write_report(dedup.open_run(tmp_path / "OUT"), tmp_path / "r.html", "skip")
    with pytest.raises(OutputExistsError, match="name another one"):
        report.write_report(dedup.open_run(tmp_path / "OUT"), tmp_path, "overwrite")
    with pytest.raises(InputError, match="no folder"):
        report.write_report(dedup.open_run(tmp_path / "OUT"), tmp_path / "no" / "r.html")
    with pytest.raises(SettingsError, match=r"s3://b/r.html: got a URL, wanted a local file"):
        report.write_report(dedup.open_run(tmp_path / "OUT"), "s3://b/r.html")
    assert source.read_bytes() == before


def test_the_policy_names_every_script_and_style_of_the_page(seeds):
    content = page.html(page.facts(dedup.open_run(seeds))).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', content)[1].replace("&#39;", "'")
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    for tag, kind in (("script", "script-src"), ("style", "style-src")):
        allowed = set(re.search(rf"{kind} ([^;]*)", policy)[1].split())
        inline = re.findall(rf"<{tag}>(.*?)</{tag}>", content, re.S)
        assert len(inline) == {"script": 4, "style": 1}[tag]
        hashes = {f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in inline}
        assert hashes == allowed
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=(?!\"data:,)", content)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_can_stand_in_a_page(name):
    text = FILES.joinpath(name).read_text("utf-8")
    assert "\r" not in text and "sourceMappingURL" not in text
    assert not re.search(r"</script|<!--", text, re.I)


def test_own_script_makes_no_markup():
    text = "".join(FILES.joinpath(name).read_text("utf-8") for name in SCRIPTS if name.startswith("script"))
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|\.src\b|fetch\(|XMLHttp", text
    )
    assert len(re.findall(r"\bhref:", text)) == 1  # in `link`, which asks for http or https


def test_versions_and_licences_are_named():
    readme = FILES.joinpath("vendor/README.md").read_text("utf-8")
    for name in ("vega.min.js", "vega-lite.min.js", "vega-interpreter.js"):
        assert f"`{name}`" in readme
    version = re.search(r"vega-lite (\d+\.\d+\.\d+)", readme)[1]
    assert f'"{version}"' in FILES.joinpath("vendor/vega-lite.min.js").read_text("utf-8")
    for name in re.findall(r"`(LICENSE-[a-z-]+)`", readme):
        assert "Copyright" in FILES.joinpath(f"vendor/{name}").read_text("utf-8")


# ---- Its size


def hostile(n, filler):
    """Return a run of n articles in stories of four, two groups each, whose texts take six bytes for each character."""
    long = filler * 3000
    rows, groups, clusters, pairs = [], [], [], []
    for number in range(n):
        story, group = number // 4, number // 2
        rows.append(
            {
                "doc_id": f"{number}{long}",
                "row": number,
                "source_file": "in.jsonl",
                "source_row": number,
                "story_id": f"s{story:016x}",
                "duplicate_id": f"d{group:016x}",
                "is_canonical": number % 4 == 0,
                "is_representative": number % 2 == 0,
                "canonical_doc_id": f"{number - number % 4}{long}",
                "representative_doc_id": f"{number - number % 2}{long}",
                "relation": "near" if number % 2 else "same_story" if number % 4 else "canonical",
                "story_size": 4,
                "duplicate_size": 2,
                "similarity": 0.5,
                "jaccard": 0.7,
                "containment": 0.8,
                "cosine": 0.3,
                "canonical_reason": "earliest",
                "title": f"{number}{long}",
                "source": f"{number}{long}",
                "url": f"https://a/{long}"[:999],
                "lang": "en",
                "published_at": datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=number),
                "text_chars": 3000,
                "text_sha256": "0" * 64,
                "excerpt": long[:200],
                "date_suspect": False,
                "text_truncated": False,
            }
        )
        if number % 2 == 0:
            groups.append({**rows[-1], "n_sources": 2, "min_jaccard": 0.7, "cohesion": 0.8})
        if number % 4 == 0:
            clusters.append(
                {
                    **rows[-1],
                    "n_groups": 2,
                    "n_sources": 4,
                    "min_similarity": 0.3,
                    "mean_similarity": 0.4,
                    "cohesion": number / n,
                }
            )
            clusters[-1] |= {
                "top_terms": long,
                "first_published_at": rows[-1]["published_at"],
                "last_published_at": rows[-1]["published_at"] + timedelta(days=400),
            }
        else:
            pairs.append(
                {
                    "doc_id_a": rows[-2]["doc_id"],
                    "doc_id_b": rows[-1]["doc_id"],
                    "level": "duplicate",
                    "kind": "near",
                    "jaccard": 0.7,
                    "accepted": True,
                }
            )
    result = make_result()
    manifest = result.manifest | {
        "settings": Params().results(),
        "inputs": [
            {**result.manifest["inputs"][0], "source_file": f"{number}{long}", "columns": {"text": long}}
            for number in range(200)
        ],
    }
    rejects = [{**result.rejects[0], "source_file": long, "message": long}] * 1000
    made = {
        name: pa.Table.from_pylist(rows, getattr(schema, f"RUN_{name.upper()}"))
        for name, rows in {"documents": rows, "groups": groups, "clusters": clusters, "pairs": pairs}.items()
    }
    made["documents"] = made["documents"].append_column(
        "text", pa.array([f"{filler} {number} " * 400 for number in range(n)])
    )
    return dedup.run.Result(**made, rejects=rejects, manifest=manifest)


@pytest.mark.parametrize("filler", ["<", "&", "'", "ඞ", "\U0001f4f0", "\\", '"', "\t"])
def test_no_run_makes_a_page_too_large(filler):
    content = page.html(page.facts(hostile(2400, filler)))
    assert len(content) <= LARGEST
    shown = data_of(content)["stories"]
    assert len(shown["opened"]) >= 20 and shown["total"] == 600


def test_characters_that_steer_are_left_out():
    assert wording.harmless({"a\u202e": ["b\x1b[31m", 1, None, ("c\n\td\udc80",)]}) == {
        "a": ["b[31m", 1, None, ["c\n\td"]]
    }
    assert wording.weight({"a": "<'"}) == len(b'{"a":"\\u003c\\u0027"}')
