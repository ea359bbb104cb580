"""JSON that is not one record a line: cut into records wherever chunks end, bad ones refused one by one."""

import json

import pytest
from test_reading_inputs import RECORDS

from dedup.reading import arrays, files

ARRAYS = [
    json.dumps(RECORDS),
    json.dumps(RECORDS, indent=2),
    "\n".join(json.dumps(record, indent=1) for record in RECORDS),
    " \n [ " + " ,\n\n ".join(map(json.dumps, RECORDS)) + " ] \n",
    json.dumps(RECORDS[:1]) + json.dumps(RECORDS[1:]),
]


@pytest.mark.parametrize("text", ARRAYS)
@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_json_is_cut_into_records_wherever_chunks_end(text, step):
    data = text.encode()
    items = list(arrays.records((data[at : at + step] for at in range(0, len(data), step)), "f"))
    assert [item.value for item in items] == RECORDS
    for row, item in enumerate(items):
        assert item.source_row == row
        assert data[item.byte_offset : item.byte_offset + 1] == b"{"
        assert item.line == data[: item.byte_offset].count(b"\n") + 1


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b'[1, "x", null, {"text": "a"}]', [1, "x", None, {"text": "a"}]),
        (b'[{"text": "a"}, {"text": NaN}, {"text": "b"}]', [{"text": "a"}, "bad_json", {"text": "b"}]),
        (b'[{"text": "a"}, {"text": "b"', [{"text": "a"}, "bad_json"]),
        (b'[{"text": "a"},', [{"text": "a"}, "bad_json"]),
        (b'[{"text": "a"}', [{"text": "a"}, "bad_json"]),
        (b'{"text": "a"} }\n{"text": "b"}', [{"text": "a"}, "bad_json", {"text": "b"}]),
        (b"[1, " + b"[" * 5000 + b"]" * 5000 + b", 2]", [1, "bad_json", 2]),
        (b"[" * 100_000, ["bad_json"]),
        (b"[]", []),
        (b"17 true", [17, True]),
    ],
)  # fmt: skip
def test_bad_elements_are_refused_one_by_one(data, wanted):
    for step in (1, 5, len(data)):
        items = arrays.records((data[at : at + step] for at in range(0, len(data), step)), "f")
        assert [item.value if hasattr(item, "value") else item.code for item in items] == wanted


def test_records_over_the_limit_are_never_held(monkeypatch):
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 100)
    data = json.dumps([{"text": "a"}, {"text": "b" * 5000}, {"text": "c"}]).encode()
    items = list(arrays.records((data[at : at + 40] for at in range(0, len(data), 40)), "f"))
    assert [getattr(item, "code", "fine") for item in items] == ["fine", "record_too_long", "fine"]
