"""Files of verdicts: no answer is lost, and no cell is a formula."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.errors import InputError
from dedup.labels import defused, fused, opened, read_labels


@given(st.text() | st.sampled_from(["=1+1", "'=1", "-5", "'-5", "+x", "''@", "\uff1dA1", "a=b", "-5.5e3", "\tx"]))
def test_formulas_are_defused_and_come_back(text):
    assert fused(defused(text)) == text
    assert defused(text)[:1] not in ("=", "@", "\uff1d")


ROW = {"doc_id_a": "=a", "doc_id_b": 'b,"x', "verdict": "different", "level": "story", "stratum": "far", "weight": 2}


class TestLabels:
    def test_a_verdict_is_in_the_file_at_once_and_the_last_one_counts(self, tmp_path):
        path = tmp_path / "labels.csv"
        with opened(path) as labels:
            labels.add(ROW)
            assert path.read_text().splitlines()[1].startswith('\'=a,"b,""x",different,story,far,2,')
            labels.add(ROW | {"verdict": "same story"})
        (row,) = read_labels(path).to_pylist()
        assert (row["doc_id_a"], row["doc_id_b"], row["verdict"], row["weight"]) == ("=a", 'b,"x', "same story", 2.0)

    def test_a_line_that_a_crash_cut_off_is_replaced(self, tmp_path):
        path = tmp_path / "labels.csv"
        with opened(path) as labels:
            labels.add(ROW)
        whole = path.read_bytes()
        path.write_bytes(whole + b"c,d,same te")
        with opened(path) as labels:
            assert len(labels.verdicts) == 1
            labels.add(ROW | {"doc_id_a": "e"})
        assert path.read_bytes().startswith(whole + b'e,"b,""x"') and len(path.read_text().splitlines()) == 3

    def test_pairs_that_were_skipped_are_left_out(self, tmp_path):
        with opened(tmp_path / "l.csv") as labels:
            labels.add(ROW | {"verdict": "skip"})
        assert len(read_labels(tmp_path / "l.csv")) == 0

    def test_a_file_of_three_columns_is_enough(self, tmp_path):
        (tmp_path / "l.csv").write_text("doc_id_a,doc_id_b,verdict\na,b,Same text\n")
        rows = read_labels(tmp_path / "l.csv").to_pylist()
        assert [(row["level"], row["verdict"], row["weight"]) for row in rows] == [
            ("duplicate", "same text", 1.0),
            ("story", "same text", 1.0),
        ]

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("a,b\n1,2\n", "no column 'doc_id_a'; wanted doc_id_a, doc_id_b and verdict"),
            (
                "doc_id_a,doc_id_b,verdict\na,b,maybe\n",
                "line 2: verdict is 'maybe', wanted same text, same story, diff",
            ),
            ("doc_id_a,doc_id_b,verdict,weight\na,b,different,much\n", "weight is 'much', wanted a number"),
        ],
    )
    def test_refusals(self, tmp_path, text, says):
        (tmp_path / "l.csv").write_text(text)
        with pytest.raises(InputError, match=says):
            read_labels(tmp_path / "l.csv")

    def test_another_file_is_not_written_to(self, tmp_path):
        (tmp_path / "notes.csv").write_text("id,note\n1,mine\n")
        with pytest.raises(InputError, match="is no file of verdicts"), opened(tmp_path / "notes.csv"):
            pass
        assert (tmp_path / "notes.csv").read_text() == "id,note\n1,mine\n"
