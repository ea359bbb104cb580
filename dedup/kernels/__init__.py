"""Compiled loops over plain arrays; each has a twin of the same name in `tests/naive.py`."""
