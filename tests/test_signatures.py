"""Signatures of texts are those of datasketch, and the same made alone as in a sketch."""

import numpy as np
import pyarrow as pa
from test_duplicates import article, prose, sketches

from dedup import duplicates, schema
from dedup.params import DuplicateParams


class TestDatasketch:
    def test_signatures_answer_in_datasketch_s_own_index(self):
        from datasketch import MinHashLSH

        words = prose(200)
        table = sketches(article(words), article([*words[:190], *prose(10, 1)]), article(prose(200, 2)))
        one, two, three = duplicates.to_datasketch(schema.matrix(table["signature"]))
        assert one.jaccard(two) > 0.8
        assert one.jaccard(three) < 0.2
        index = MinHashLSH(threshold=0.6, num_perm=128)
        index.insert("one", one)
        index.insert("three", three)
        assert index.query(two) == ["one"]

    def test_they_go_on_hashing_as_they_began(self):
        table = sketches(article(prose(50)), article(prose(90, 1)))
        signatures = schema.matrix(table["signature"])
        fresh = duplicates.to_datasketch(np.full((1, 128), 0xFFFFFFFF, np.uint32))[0]
        values, offsets = schema.ragged(table["shingles"])
        fresh.update_batch(values[offsets[1] : offsets[2]])
        assert (fresh.hashvalues == signatures[1]).all()


def test_signatures_alone_are_those_of_the_sketch():
    texts = [" ".join(prose(40)), "Żółw 東京の港 12", "two words", "", None]
    table = sketches(*({"text": given} for given in texts))
    alone = duplicates.signatures(pa.array(texts), DuplicateParams())
    assert alone.tolist() == schema.matrix(table["signature"]).tolist()
