"""What pages say beside their blocks: links, generated pages and pictures, the site, papers."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import doc_blocks
import pytest

ROOT = doc_blocks.ROOT


def anchors(text):
    """Return the anchors that a page's headings have, by GitHub's rule."""
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.replace("`", "").lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", doc_blocks.PAGES)
def test_links_lead_somewhere(page):
    text = doc_blocks.prose(page)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:|mailto:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.is_file(), f"{page}: no {target}"
        assert not anchor or anchor in anchors(file.read_text("utf-8")), f"{page}: no heading for {target}"


def script(name, *words):
    command = [sys.executable, str(ROOT / "docs" / "scripts" / name), *words]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def test_the_reference_is_that_of_the_code():
    done = script("reference.py", "--check")
    assert done.returncode == 0, f"python docs/scripts/reference.py makes it anew:\n{done.stdout}{done.stderr}"


def test_the_picture_of_a_terminal():
    """Its words are what the commands print today."""
    done = script("terminal.py", "--check")
    assert done.returncode == 0, f"python docs/scripts/terminal.py draws it anew:\n{done.stdout}{done.stderr}"


def test_the_pictures_can_be_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `docs` is not installed")
    done = script("pictures.py", str(tmp_path))
    assert done.returncode == 0, done.stderr
    shown = set(re.findall(r"\(pictures/(\w+\.svg)\)", (ROOT / "docs" / "method.md").read_text("utf-8")))
    assert {file.name for file in tmp_path.iterdir()} == shown == {f.name for f in (ROOT / "docs/pictures").iterdir()}


def test_the_site_builds_and_fetches_nothing(tmp_path):
    pytest.importorskip("furo", reason="the extra `docs` is not installed")
    words = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "-q",
        "-d",
        str(tmp_path / "doctrees"),
        "docs",
        str(tmp_path / "site"),
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    tags = r"<(?:script|img|link|iframe|source)\b[^>]*(?:src|href)=[\"']?(?:https?:)?//"
    loads = tags + r"|url\([\"']?(?:https?:)?//|@import"
    for file in (tmp_path / "site").rglob("*"):
        if file.suffix in (".html", ".css", ".svg"):
            assert not re.search(loads, file.read_text("utf-8")), file


def test_every_paper_that_the_code_names_is_in_the_literature():
    page = (ROOT / "docs" / "method.md").read_text("utf-8")
    literature = page[page.index("## Literature") :].splitlines()
    cited = r"(?<![\w-])([A-Z][\w-]+)(?:(?:, (?:van )?| & )[A-Z][\w-]+)*(?: et al\.)?,? ((?:19|20)\d\d)\b"
    found = set()
    for file in (ROOT / "dedup").rglob("*.py"):
        found |= set(re.findall(cited, file.read_text("utf-8")))
    papers = found - {("Mar", "2025")}  # the date of an example
    assert len(papers) >= 15
    for name, year in papers:
        assert any(line.startswith(f"- {name}, ") and year in line for line in literature), f"{name} {year}"


def test_no_page_names_a_machine():
    private = re.compile(r"(?<!\w)/(?:root|home|Users)/|localhost:\d|https?://(?:\d+\.){3}\d+")
    for page in doc_blocks.PAGES:
        assert not private.search(Path(ROOT, page).read_text("utf-8")), page
