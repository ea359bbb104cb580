"""The same input gives the same bytes, whatever else is different; 90 by `python -m tests.soak determinism`."""

import pytest

from tests.soak import determinism


def test_24_combinations():
    assert determinism.run(24, 0).endswith("12 sets of bytes: all equal")


def test_a_difference_would_be_seen(monkeypatch):
    """Another order of rows gives other bytes, since these hold where each row came from."""
    made = determinism.combination
    monkeypatch.setattr(determinism, "combination", lambda *args: {**made(*args), "layout": 0})
    with pytest.raises(AssertionError, match="0 4096 differ"):
        determinism.run(12, 0)
