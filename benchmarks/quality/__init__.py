"""How good the result is, on labelled articles: python -m benchmarks.quality PATH (see `__main__`)."""
