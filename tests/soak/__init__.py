"""Long tests of what a run promises, one module an area: `python -m tests.soak AREA --count N [--seed S]`."""
