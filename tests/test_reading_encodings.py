"""How text is written: encodings, and pages that say what they are of themselves."""

import numpy as np
import pytest
from test_reading_inputs import LINES, TEXTS, read, texts

from dedup.reading import encodings, html, raw_records

SAMPLES = {
    "utf-16": "Water rose at the harbour wall.",
    "utf-32": "Water rose.",
    "cp1251": "Вода в реке поднялась за ночь на два метра, сообщили власти города.",
    "shift_jis": "川の水位は一晩で二メートル上昇したと市当局は発表した。",
    "euc-kr": "강물이 밤사이 2미터 올랐다고 시 당국이 밝혔다.",
    "cp1252": "Café – „schlimm“",
}


@pytest.mark.parametrize("encoding", SAMPLES)
def test_encodings_of_text_files(tmp_path, encoding):
    text = SAMPLES[encoding]
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    (tmp_path / "b.csv").write_bytes(f'id,text\nx,plain\ny,"{text}"\n'.encode(encoding))
    table, source = read(tmp_path)
    assert table["text"].to_pylist() == [text, "plain", text]
    wide = encoding.startswith("utf")
    assert source.counts["encoding_replaced"] == (2 if encoding == "cp1252" else 0)
    assert source.counts["encoding_detected"] == (0 if wide or encoding == "cp1252" else 2)


def test_wide_json_and_marks(tmp_path):
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-16", "utf-8-sig"):
        path = tmp_path / f"{encoding}.jsonl"
        path.write_bytes(LINES.decode().encode(encoding))
        assert texts(path) == TEXTS
    assert b"".join(encodings.utf8([b"\xef", b"\xbb\xbf", b"a"])) == b"a"
    assert "\ufffd" in b"".join(encodings.utf8(["ab".encode("utf-16") + b"\x00"])).decode()


PAGE = """<!doctype html><html lang="de"><head><title>Brücke offen | Die Küste</title>
<meta property="og:title" content="Brücke offen"><meta property="og:site_name" content="Die Küste">
<script type="application/ld+json">{"@type": "NewsArticle", "datePublished": "2026-03-01T10:00:00+01:00"}</script>
<link rel="canonical" href="https://www.kueste.example/a"></head>
<body><nav><a href="/">Start</a> <a href="/b">Sport</a></nav><article><h1>Brücke offen</h1>%s</article>
<script>alert("x")</script></body></html>"""


def test_pages_give_their_text_and_what_they_say_of_themselves(tmp_path):
    page = PAGE % "".join(f"<p>Die Brücke bei Kilometer {n} ist nach einem Winter wieder offen.</p>" for n in range(9))
    (tmp_path / "a.html").write_text(page)
    latin = page.replace("<head>", '<head><meta charset="iso-8859-1">').encode("iso-8859-1")
    (tmp_path / "b.htm").write_bytes(latin)
    (tmp_path / "c.md").write_text("# Brücke\n\n<html> kommt vor")
    table, source = read(tmp_path)
    for row in table.slice(0, 2).to_pylist():
        assert "Kilometer 8 ist" in row["text"] and "alert" not in row["text"] and "Sport" not in row["text"]
        assert (row["title"], row["source"], row["lang"]) == ("Brücke offen", "Die Küste", "de")
        assert str(row["published_at"]) == "2026-03-01 09:00:00+00:00"
        assert row["url"] == "https://www.kueste.example/a"
    assert table["text"][2].as_py() == "# Brücke\n\n<html> kommt vor"
    assert source.counts["encoding_detected"] == 1
    assert raw_records(source.files[0].path, "html", np.array([0]))["title"].to_pylist() == ["Brücke offen"]


@pytest.mark.parametrize(
    "page", ["<div>" * 100_000 + "words", "<p " + " ".join(f"a{n}=1" for n in range(50_000)) + ">words"]
)
def test_pages_that_would_take_minutes_are_refused(tmp_path, page):
    assert html.too_hard(page)
    (tmp_path / "a.html").write_text(page)
    _, source = read(tmp_path)
    assert [reject.code for reject in source.rejects] == ["bad_html"]
