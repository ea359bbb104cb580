"""The catalogue of bad input: files with what must become of each.

`python tests/bad_inputs.py FOLDER` writes them, to be looked at or read by the command.
"""

import bz2
import gzip
import io
import json
import lzma
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

GOOD = b'{"text": "good"}'
gzipped = partial(gzip.compress, mtime=0)  # the same bytes each time: the hour may be a line feed, and end a record
LONG = 300_000  # over the csv module's own limit of a field


class Bad(NamedTuple):
    """A file: how many records are accepted, and the codes of those that are not; `exit_code` when read alone."""

    name: str
    content: bytes
    accepted: int
    codes: tuple[str, ...] = ()
    exit_code: int = 0


def parquet(table, **options):
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def catalogue() -> list[Bad]:
    """Return all cases."""
    return [*lines(), *values(), *arrays(), *tables(), *documents(), *packed(), *foreign(), *columnar()]


def lines():
    """JSON Lines between two good records."""
    broken = {
        "cut": b'{"text": "cut',
        "no_value": b'{"text":}',
        "no_brace": b'"text": "a"}',
        "comma": b'{"text": "a",}',
        "single": b"{'text': 'a'}",
        "comment": b'{"text": "a"} // why',
        "two": b'{"text": "a"}{"text": "b"}',
        "nan": b'{"text": NaN}',
        "infinity": b'{"text": "a", "n": Infinity}',
        "plus": b'{"text": "a", "n": +1}',
        "octal": b'{"text": "a", "n": 012}',
        "escape": b'{"text": "\\x41"}',
        "control": b'{"text": "a\x01b"}',
        "nul": b'{"text": "a\x00b"}',
        "nul_line": b"\x00\x00\x00\x00",
        "utf8": b'{"text": "\xff\xfe"}',
        "overlong": b'{"text": "\xc0\xaf"}',
        "surrogate_bytes": b'{"text": "\xed\xa0\x80"}',
        "latin1": b'{"text": "caf\xe9"}',
        "deep_list": b"[" * 100_000,
        "deep_object": b'{"text": ' * 100_000,
        "deep_closed": b"[" * 5_000 + b"]" * 5_000,
        "huge_number": b'{"text": "a", "n": ' + b"9" * 400 + b"}",
        "words": b"words",
        "html": b"<html></html>",
        "csv": b"id,text",
        "quote": b'"',
    }
    for name, line in broken.items():
        yield Bad(f"line_{name}.jsonl", GOOD + b"\n" + line + b"\n" + GOOD + b"\n", 2, ("bad_json",))
    odd = {
        "list": (b'["text"]', "not_an_object"),
        "number": (b"17", "not_an_object"),
        "null": (b"null", "not_an_object"),
        "true": (b"true", "not_an_object"),
        "string": (b'"text"', "not_an_object"),
        "empty": (b"{}", "no_text"),
        "other": (b'{"id": 3}', "no_text"),
        "text_list": (b'{"text": ["a"]}', "text_not_string"),
        "text_object": (b'{"text": {"a": 1}}', "text_not_string"),
        "title_list": (b'{"text": "a", "title": ["a"]}', "title_not_string"),
    }
    for name, (line, code) in odd.items():
        # A title as a list is seen only where titles are a role of the file.
        head = b'{"text": "good", "title": "t"}'
        yield Bad(f"line_{name}.jsonl", head + b"\n" + line + b"\n" + GOOD + b"\n", 2, (code,))


def values():
    """JSON Lines that are odd, and accepted."""
    fine = {
        "null_text": b'{"text": null}',
        "empty_text": b'{"text": ""}',
        "blank_text": b'{"text": " \\n\\t "}',
        "number_text": b'{"text": 12.5}',
        "bool_text": b'{"text": false}',
        "huge_exponent": b'{"text": "a", "n": 1e99}',
        "surrogate": b'{"text": "a\\ud800b"}',
        "low_surrogate": b'{"text": "\\udc00"}',
        "escaped_nul": b'{"text": "a\\u0000b"}',
        "bidi": b'{"text": "\\u202eabc", "title": "\\u001b[31mred"}',
        "formula": b'{"text": "=cmd()", "title": "@SUM(1)", "id": "+1"}',
        "twice_key": b'{"text": "a", "text": "b"}',
        "id_object": b'{"text": "a", "id": {"x": [1]}}',
        "id_null": b'{"text": "a", "id": null}',
        "id_path": b'{"text": "a", "id": "../../etc/passwd"}',
        "date_odd": b'{"text": "a", "date": "yesterday"}',
        "date_year_0": b'{"text": "a", "date": "0000-00-00"}',
        "date_far": b'{"text": "a", "date": "9999-12-31T23:59:59Z"}',
        "date_list": b'{"text": "a", "date": [2026]}',
        "date_huge": b'{"text": "a", "date": 1e300}',
        "lang_number": b'{"text": "a", "lang": 7, "source": true}',
        "long": b'{"text": "' + b"word " * LONG + b'"}',
        "long_word": b'{"text": "' + b"a" * 1_000_001 + b'"}',
        "many_keys": b'{"text": "a", ' + b", ".join(b'"k%d": 1' % n for n in range(20_000)) + b"}",
    }
    for name, line in fine.items():
        yield Bad(f"value_{name}.jsonl", GOOD + b"\n" + line + b"\n", 2)
    yield Bad("twice_ids.jsonl", b'{"text": "a", "id": 1}\n' * 3, 3)
    yield Bad("crlf.jsonl", (GOOD + b"\r\n\r\n") * 2, 2)
    yield Bad("blank_lines.jsonl", b"\n\n \n" + GOOD + b"\n\n", 1)
    yield Bad("bom.jsonl", b"\xef\xbb\xbf" + GOOD, 1)
    yield Bad("utf16.jsonl", (GOOD + b"\n").decode().encode("utf-16"), 1)
    yield Bad("utf16_cut.jsonl", (GOOD + b"\n" + GOOD).decode().encode("utf-16")[:-1], 1, ("bad_json",))
    yield Bad("utf32_unmarked.jsonl", GOOD.decode().encode("utf-32-be"), 1)
    yield Bad("no_end.jsonl", GOOD, 1)
    yield Bad("empty.jsonl", b"", 0)
    yield Bad("blank.jsonl", b"\n \n\n", 0)
    yield Bad("no_column.jsonl", b'{"a": 1}\n{"b": 2}', 0, (), 4)


def arrays():
    """JSON arrays and documents."""
    one = GOOD + b", "
    yield Bad("array.json", b"[" + one + GOOD + b"]", 2)
    yield Bad("array_in_lines_file.jsonl", b"[\n" + GOOD + b",\n" + GOOD + b"\n]", 2)
    yield Bad("array_cut.json", b"[" + one + b'{"text": "cu', 1, ("bad_json",))
    yield Bad("array_open.json", b"[" + one, 1, ("bad_json",))
    yield Bad("array_bad_element.json", b"[" + one + b'{"text": nope}, ' + GOOD + b"]", 2, ("bad_json",))
    yield Bad("array_scalars.json", b"[" + one + b'1, "a", null]', 1, ("not_an_object",) * 3)
    yield Bad("array_nested.json", b"[" + one + b"[" + GOOD + b"]]", 1, ("not_an_object",))
    yield Bad("array_deep.json", b"[" + one + b"[" * 50_000 + b"]" * 50_000 + b"]", 1, ("bad_json",))
    yield Bad("array_deep_open.json", b"[" + one + b"[" * 100_000, 1, ("bad_json",))
    yield Bad("array_brackets_only.json", b"[" * 100_000, 0, ("bad_json",))
    yield Bad("array_extra_bracket.json", b"[" + GOOD + b"]]", 1, ("bad_json",))
    yield Bad("array_quote.json", b"[" + one + b'"open, 1, 2, 3]', 1, ("bad_json",))
    yield Bad("array_empty.json", b"[]", 0)
    yield Bad("array_bom.json", b"\xef\xbb\xbf[" + GOOD + b"]", 1)
    yield Bad("array_utf8.json", b"[" + one + b'{"text": "\xff"}]', 1, ("bad_json",))
    yield Bad("pretty.json", b'{\n  "text": "one"\n}\n', 1)
    yield Bad("pretty_many.json", b'{\n "text": "one"\n}\n{\n "text": "two"\n}', 2)
    yield Bad("pretty_cut.json", b'{\n "text": "one"\n}\n{\n "text": "tw', 1, ("bad_json",))
    yield Bad("page.json", b"<!doctype html><p>404", 0, ("unknown_format",), 4)


def tables():
    """CSV and TSV."""
    yield Bad("ragged.csv", b"id,text\n1,a\n2\n3,b,c\n4,d\n", 2, ("ragged_row",) * 2)
    yield Bad("header_only.csv", b"id,text\n", 0)
    yield Bad("empty.csv", b"", 0)
    yield Bad("blank.csv", b"\n\n", 0)
    yield Bad("no_column.csv", b"id,name_of_it\n1,a\n", 0, (), 4)
    yield Bad("long_field.csv", b'id,text\n1,"' + b"a" * LONG + b'"\n2,b\n', 2)
    yield Bad("newlines.csv", b'id,text\n1,"a\nb\r\nc"\n2,b\n', 2)
    yield Bad("open_quote.csv", b'id,text\n1,a\n2,"open\n3,c\n', 2, ("unclosed_quote",))
    yield Bad("quotes_inside.csv", b'id,text\n1,a "quoted" word\n', 1)
    yield Bad("nul.csv", b"id,text\n1,a\x00b\n", 1)
    yield Bad("bom.csv", b"\xef\xbb\xbfid,text\n1,a\n", 1)
    yield Bad("utf16.csv", "id,text\n1,a\n".encode("utf-16"), 1)
    yield Bad("latin1.csv", b"id,text\n1,caf\xe9\n", 1)
    yield Bad("utf8_cut.csv", b"id,text\n1,caf\xc3\n", 1)
    yield Bad("semicolons.csv", b"id;text\n1;a,b\n", 1)
    yield Bad("tabs.csv", b"id\ttext\n1\ta\n", 1)
    yield Bad("commas.tsv", b"id,text\n1,a\n", 1)
    yield Bad("twice_column.csv", b"text,text\na,b\n", 1)
    yield Bad("nameless.csv", b",text\n1,a\n", 1)
    yield Bad("carriage_returns.csv", b"id,text\r\n1,a\r\n\r\n2,b\r\n", 2)
    yield Bad("wide.csv", b"text" + b",c" * 20_000 + b"\n", 0, ("too_many_columns",), 4)
    yield Bad("formula.csv", b"id,text\n=1+1,@SUM(A1)\n", 1)


def documents():
    """Text files and pages."""
    yield Bad("empty.txt", b"", 0)
    yield Bad("blank.txt", b" \n ", 1)
    yield Bad("binary.txt", bytes(range(256)), 1)
    yield Bad("nuls.txt", b"a\x00\x00b" * 9, 1)
    yield Bad("latin1.txt", b"caf\xe9", 1)
    yield Bad("utf16.txt", "words".encode("utf-16"), 1)
    yield Bad("utf16_cut.txt", "words".encode("utf-16")[:-1], 1)
    yield Bad("lone_mark.txt", b"\xef\xbb\xbf", 0)
    yield Bad("empty.md", b"", 0)
    yield Bad("empty.html", b"", 0)
    yield Bad("no_text.html", b"<html><head></head><body></body></html>", 1)
    yield Bad("open_tags.html", b"<html><body><p>words<div><b>more", 1)
    yield Bad("not_html.html", b"words only", 1)
    yield Bad("deep.html", b"<html>" + b"<div>" * 10_000 + b"words", 0, ("bad_html",))
    yield Bad("attributes.html", b"<html><p " + b"a=1 " * 9_000 + b">words", 0, ("bad_html",))
    yield Bad("large.html", b"<html>" + b"word " * 2_000_000, 0, ("line_too_long",))
    yield Bad("wrong_charset.html", b'<meta charset="utf-8"><p>caf\xe9 au lait', 1)
    yield Bad("unknown_charset.html", b'<meta charset="no-such"><p>caf\xe9 au lait', 1)
    yield Bad("script.html", b"<html><script>alert(1)</script><p>words", 1)


def packed():
    """Packed files."""
    data = (GOOD + b"\n") * 3
    packers = {
        "gz": ("gzip", gzipped),
        "bz2": ("bzip2", bz2.compress),
        "xz": ("xz", lzma.compress),
        "zst": ("zstd", lambda content: pa.Codec("zstd").compress(content, asbytes=True)),
    }
    for ending, (kind, pack) in packers.items():
        good = pack(data)
        yield Bad(f"empty.jsonl.{ending}", pack(b""), 0)
        yield Bad(f"members.jsonl.{ending}", good + good, 6)
        yield Bad(f"plain.jsonl.{ending}", data, 3)
        yield Bad(f"head_only.jsonl.{ending}", good[:10], 0, (f"corrupt_{kind}",), 4)
        # A good member first: what it holds is read.
        yield Bad(f"second_cut.jsonl.{ending}", good * 999 + good[:-9], -1, (f"corrupt_{kind}",))
        yield Bad(f"bomb.jsonl.{ending}", pack(data + bytes(100 << 20)), 3, ("packed_bomb",))
    yield Bad("padded.jsonl.gz", gzipped(data) + bytes(512), 3)
    yield Bad("trailing_junk.jsonl.gz", gzipped(data) + b"junk", -1, ("corrupt_gzip",))
    yield Bad("twice_packed.jsonl.gz", gzipped(gzipped(data)), 0, ("bad_json",))


def foreign():
    """Formats that are not read."""
    heads = {
        "zip": b"PK\x03\x04",
        "empty_zip": b"PK\x05\x06",
        "7z": b"7z\xbc\xaf\x27\x1c",
        "rar": b"Rar!\x1a\x07",
        "lz4": b"\x04\x22\x4d\x18",
        "pdf": b"%PDF-1.7",
        "arrow": b"ARROW1",
        "avro": b"Obj\x01",
        "sqlite": b"SQLite format 3\x00",
        "pickle": b"\x80\x04\x95",
    }
    for name, head in heads.items():
        yield Bad(f"{name}.dat", head + bytes(64), 0, ("unknown_format",), 4)
    yield Bad("tar.jsonl", b"a".ljust(257, b"\0") + b"ustar" + bytes(250), 0, ("unknown_format",), 4)
    yield Bad("zip.jsonl", b"PK\x03\x04" + bytes(64), 0, ("unknown_format",), 4)
    yield Bad("feed.jsonl", b'<?xml version="1.0"?>\n<rss version="2.0">', 0, ("unknown_format",), 4)
    yield Bad("words.dat", b"words", 0, ("unknown_format",), 4)


def columnar():
    """Parquet."""
    table = pa.table({"text": ["a" * 1000] * 50, "id": [str(n) for n in range(50)]})
    good = parquet(table, compression="none", use_dictionary=False)
    for name, data in {
        "empty": b"",
        "magic": b"PAR1",
        "two_magics": b"PAR1PAR1",
        "no_end": good[:-100],
        "half": good[: len(good) // 2],
        "words": b"words",
        "lines": GOOD,
        "huge_footer": good[:-8] + b"\xff\xff\xff\x7fPAR1",
        "negative_footer": good[:-8] + b"\xff\xff\xff\xffPAR1",
        "zero_footer": good[:-8] + b"\x00\x00\x00\x00PAR1",
        "zeros": b"PAR1" + bytes(5_000) + b"\x10\x00\x00\x00PAR1",
        "encrypted": b"PARE" + good[4:-4] + b"PARE",
    }.items():
        yield Bad(f"{name}.parquet", data, 0, ("bad_parquet",), 4)
    yield Bad("no_rows.parquet", parquet(table.slice(0, 0)), 0)
    yield Bad("no_column.parquet", parquet(table.select(["id"])), 0, (), 4)
    yield Bad("null_text.parquet", parquet(pa.table({"text": pa.nulls(2, pa.string())})), 2)
    yield Bad("null_type.parquet", parquet(pa.table({"text": pa.nulls(2)})), 2)
    yield Bad("numbers.parquet", parquet(pa.table({"text": [1, 2]})), 2)
    yield Bad("floats.parquet", parquet(pa.table({"text": [1.5, float("nan")]})), 2)
    yield Bad("lists.parquet", parquet(pa.table({"text": [["a"], None]})), 1, ("text_not_string",))
    yield Bad("structs.parquet", parquet(pa.table({"text": [{"a": 1}]})), 0, ("text_not_string",))
    yield Bad("dictionary.parquet", parquet(pa.table({"text": pa.array(["a", "a"]).dictionary_encode()})), 2)
    yield Bad("views.parquet", parquet(pa.table({"text": pa.array(["a", None], pa.string_view())})), 2)
    yield Bad("bytes.parquet", parquet(pa.table({"text": [b"a", b"\xff"]})), 1, ("bad_utf8",))
    yield Bad("wide.parquet", parquet(pa.table({f"c{n}": [0] for n in range(10_001)})), 0, ("too_many_columns",), 4)
    yield Bad("packed.parquet.gz", gzipped(good), 50)
    yield Bad("packed_cut.parquet.gz", gzipped(good)[:-20], 0, ("corrupt_gzip",), 4)


def write(folder: Path) -> list[Bad]:
    """Write every file, and `expected.json` beside them; return the cases."""
    cases = catalogue()
    for case in cases:
        (folder / case.name).write_bytes(case.content)
    told = {case.name: {"accepted": case.accepted, "codes": case.codes, "exit": case.exit_code} for case in cases}
    (folder / "_expected.json").write_text(json.dumps(told, indent=1))
    return cases


if __name__ == "__main__":
    print(len(write(Path(sys.argv[1]))), "files")
