"""Terms and their weights, and the names that they give to stories."""

from math import log, sqrt

import numpy as np
import pyarrow as pa
import pytest
from story_rows import counted, links, matrix

from dedup import text, weighing


class TestVectors:
    def test_weights(self):
        """A term of the title counts twice; idf is the mean of the corpus's own and the background's."""
        words = text.tokenise(text.comparable(pa.array(["ferry fog"]))).hashes
        ferry, fog = words.tolist()
        known = weighing.Background(np.array([fog], np.uint64), np.array([9], np.int32), 99)
        rows = weighing.vectors(counted(["Fog", None], ["ferry the fog", "ferry"]), known)
        heavy = {
            ferry: (log(3 / 2) + log(100 / 1)) / 2,
            fog: sqrt(3) * (log(3 / 1) + log(100 / 10)) / 2,
        }
        length = sqrt(sum(weight**2 for weight in heavy.values()))
        found = dict(zip(rows.terms[rows.indices[:2]].tolist(), rows.data[:2].tolist(), strict=True))
        assert found == pytest.approx({term: weight / length for term, weight in heavy.items()}, rel=1e-6)
        assert rows.data[2:].tolist() == [1.0]

    def test_unit_rows_with_the_common_terms_first(self, seed_vectors):
        terms, rows, _ = seed_vectors
        assert len(rows.indptr) == terms.num_rows + 1
        np.testing.assert_allclose(np.linalg.norm(matrix(rows), axis=1), 1.0, atol=1e-6)
        assert (np.diff((matrix(rows) > 0).sum(axis=0)) <= 0).all()
        steps = np.diff(rows.indices.astype(np.int64))
        assert (np.delete(steps, rows.indptr[1:-1] - 1) > 0).all()

    def test_a_document_without_terms_has_an_empty_row(self):
        rows = weighing.vectors(counted([None, None], ["", "7 of 9"]), weighing.background())
        assert rows.indptr.tolist() == [0, 0, 0]
        assert links(rows, np.zeros(2)).num_rows == 0


def test_top_terms():
    rows = weighing.vectors(
        counted([None] * 4, ["ferry fog fog", "ferry rocks", "bank loan", "rye"]), weighing.background()
    )
    words = text.spellings(pa.array(["ferry fog rocks", "bank rye"]))
    assert weighing.top_terms(rows, np.array([0, 0, 1, -1]), words) == [
        ", ".join(sorted(("ferry", "fog", "rocks"), key=lambda w: -weight(rows, words, w, (0, 1)))),
        "bank",
    ]
    assert len(weighing.top_terms(rows, np.array([0, 0, 1, -1]), words, 2)[0].split(", ")) == 2
    assert weighing.top_terms(rows, np.array([0, 1, -1, -1]), {}) == ["", ""]
    assert weighing.top_terms(rows, np.full(4, -1), words) == []


def weight(rows, words, word, members):
    (term,) = (term for term, spelt in words.items() if spelt == word)
    return matrix(rows)[list(members)][:, rows.terms == np.uint64(term)].sum()
