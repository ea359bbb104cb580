"""Drawn pairs of documents, as the tests of kernels want them."""

import numpy as np
from hypothesis import strategies as st


def pairs_of(draw, n, **limits):
    place = st.integers(0, n - 1)
    return (
        draw(st.lists(st.tuples(place, place).filter(lambda pair: pair[0] > pair[1]), unique=True, **limits))
        if n > 1
        else []
    )


def int64(values):
    return np.array(values, np.int64)


def ones(n):
    return np.ones(n, np.int64)


def two(pairs):
    """Return left and right."""
    return int64([i for i, _ in pairs]), int64([j for _, j in pairs])
