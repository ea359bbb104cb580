"""`python -m tests.soak AREA --count N [--seed S]`: one area with a figure of one's own, for releases."""

import argparse
import importlib
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]  # what tests import, and the package


def areas():
    """Return the names of the modules that have a run(count, seed)."""
    return sorted(file.stem for file in HERE.glob("*.py") if "\ndef run(count" in file.read_text("utf-8"))


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("area", choices=areas())
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    start = time.monotonic()
    said = importlib.import_module(f"soak.{asked.area}").run(asked.count, asked.seed)
    print(f"{asked.area}: {said} ({time.monotonic() - start:.0f} s, seed {asked.seed})")


if __name__ == "__main__":
    main()
