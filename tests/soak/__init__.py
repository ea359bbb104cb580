"""Long runs: `python -m tests.soak AREA --count N [--seed S]`."""
