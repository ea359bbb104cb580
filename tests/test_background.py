"""The shipped document frequencies: still counted with today's tokens and hashes, and small enough to ship."""

from importlib import resources

import numpy as np
import pyarrow as pa

import dedup.data
from benchmarks import count_background
from dedup import text, weighing


def counts_of(*words):
    table = weighing.background()
    hashes = text.tokenise(text.comparable(pa.array(words))).hashes
    place = np.searchsorted(table.terms, hashes)
    found = table.terms[np.minimum(place, len(table.terms) - 1)] == hashes
    return np.where(found, table.counts[np.minimum(place, len(table.terms) - 1)], 0).tolist()


def test_hashes_of_today_find_the_words_counted_then():
    common, rarer, stop, unknown = counts_of("government", "ferry", "the", "qwxzvjk")
    assert common > 4000 > rarer > 10
    assert stop == unknown == 0


def test_the_table_is_sorted_and_small():
    table = weighing.background()
    assert table.documents == 41_927
    assert (np.diff(table.terms.astype(object)) > 0).all()
    assert table.counts.min() >= count_background.LEAST_DOCUMENTS
    assert table.counts.max() <= table.documents
    assert len(resources.files(dedup.data).joinpath("background.npz").read_bytes()) < 3_000_000


def test_counting_counts_documents_not_words(tmp_path):
    lines = ['{"title": "Ferry", "text": "ferry ferry aground"}'] * 3 + ['{"text": "aground"}', '{"text": "fog"}']
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    table = count_background.count(tmp_path)
    assert table.documents == 5
    assert sorted(table.counts.tolist()) == [3, 4]  # ferry and aground; fog is in one article only
