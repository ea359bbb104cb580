"""The kernels again, in obvious Python: each function here is the twin of the compiled one of the same name.

A twin takes and gives lists with one entry per document where a kernel has values and offsets; texts are `str`, hashes
plain integers. Nothing is shared with `dedup`: what a letter is comes from `unicodedata`, not from `dedup.text`.
The twins are in the other modules `naive_*`; tests take them from here.
"""

from itertools import pairwise

import numpy as np
from naive_constrained import constrained_components
from naive_pairs import (
    band_keys,
    components,
    count_columns,
    count_slots,
    key_postings,
    keys_of_members,
    look_up,
    mark,
    minhash,
    move,
    overlap,
    prefix_join,
    prefix_keys,
    run_pairs,
)
from naive_passages import common, cover, discount, mean_cosines, trace
from naive_stories import (
    average_linkage,
    best_scores,
    block_postings,
    bounded_pairs,
    common_parts,
    feedback_cosines,
    feedback_norms,
    heaviest,
    mean_nearness,
    order_rows,
    pair_cosines,
    settle,
    similar_pairs,
    strongest,
    tree_cut,
    within_budget,
)
from naive_text import (
    compose,
    count_peers,
    count_terms,
    digest,
    distinct,
    falling_ranks,
    fold,
    hash_neighbours,
    hash_pairs,
    index,
    language_votes,
    lookup,
    mix64,
    numbers,
    shingle,
    tokenise,
    unit_rows,
    unsettled,
)

__all__ = [
    "average_linkage",
    "band_keys",
    "best_scores",
    "block_postings",
    "bounded_pairs",
    "common",
    "common_parts",
    "components",
    "compose",
    "constrained_components",
    "count_columns",
    "count_peers",
    "count_slots",
    "count_terms",
    "cover",
    "digest",
    "discount",
    "distinct",
    "falling_ranks",
    "feedback_cosines",
    "feedback_norms",
    "fold",
    "hash_neighbours",
    "hash_pairs",
    "heaviest",
    "index",
    "key_postings",
    "keys_of_members",
    "language_votes",
    "look_up",
    "lookup",
    "mark",
    "mean_cosines",
    "mean_nearness",
    "minhash",
    "mix64",
    "move",
    "numbers",
    "order_rows",
    "overlap",
    "pair_cosines",
    "prefix_join",
    "prefix_keys",
    "ragged",
    "run_pairs",
    "settle",
    "shingle",
    "similar_pairs",
    "strongest",
    "tokenise",
    "trace",
    "tree_cut",
    "unit_rows",
    "unragged",
    "unsettled",
    "utf8",
    "within_budget",
]


# from lists to the arrays of a kernel and back


def ragged(rows, dtype=np.uint64):
    """Return values and offsets."""
    return np.array([value for row in rows for value in row], dtype), np.cumsum([0, *map(len, rows)], dtype=np.int64)


def unragged(values, offsets):
    assert offsets.dtype == np.int64
    assert offsets[-1] == len(values)
    return [values[a:b].tolist() for a, b in pairwise(offsets.tolist())]


def utf8(texts):
    """Return bytes and offsets."""
    return ragged([text.encode() for text in texts], np.uint8)
