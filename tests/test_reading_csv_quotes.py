"""CSV with a quote that nobody closes: it costs its own line, and no other is lost."""

from dedup.params import ReadingParams
from dedup.reading import delimited, open_paths


def read(tmp_path, content):
    (tmp_path / "in.csv").write_text(content, "utf-8")
    source = open_paths([tmp_path / "in.csv"], ReadingParams(max_rejects=10**6))
    ids = [one for batch in source.batches() for one in batch["doc_id"].to_pylist()]
    return ids, [(reject.line, reject.code, reject.source_row) for reject in source.rejects], source


def test_at_the_end_of_the_file(tmp_path):
    ids, rejects, source = read(tmp_path, 'id,text\n1,a\n2,"open\n3,c\n4,d\n')
    assert ids == ["1", "3", "4"] and rejects == [(3, "unclosed_quote", 1)]
    assert "line 3 is not closed up to line 5" in source.rejects[0].message


def test_far_from_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "MAX_RECORD_LINES", 50)
    rows = "".join(f"{i},text {i}\n" for i in range(200))
    ids, rejects, _ = read(tmp_path, f'id,text\nx,"open\n{rows}')
    assert ids == [str(i) for i in range(200)] and rejects == [(2, "unclosed_quote", 0)]


def test_by_size(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "MAX_RECORD_CHARS", 1000)
    rows = "".join(f"{i},{'long ' * 30}\n" for i in range(20))
    ids, rejects, _ = read(tmp_path, f'id,text\nx,"open\n{rows}y,"{"a" * 5000}"\n')
    assert ids == [*(str(i) for i in range(20)), "y"] and rejects == [(2, "unclosed_quote", 0)]


def test_lines_are_read_again_a_bounded_number_of_times(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "MAX_READ_AGAIN", 0)
    ids, rejects, source = read(tmp_path, 'id,text\n1,a\n2,"open\n3,c\n4,d\n')
    assert ids == ["1"] and rejects == [(line, "unclosed_quote", line - 2) for line in (3, 4, 5)]
    assert source.n_records == 4


def test_closed_quotes_over_many_lines_are_texts(tmp_path):
    text = "\n".join(f"line {i}" for i in range(5000))
    ids, rejects, _ = read(tmp_path, f'id,text\n1,"{text}"\n2,b\n')
    assert ids == ["1", "2"] and rejects == []
