"""The soak areas of the commit and of memory, with everyday figures; releases run more: see docs/reliability.md."""

import subprocess
import sys
from pathlib import Path

import pytest
from soak import damage, disk, faults, kills, memory, readers, signals, spilled, warm


@pytest.mark.skipif(warm.why_not() is not None, reason=f"soak: {warm.why_not()}")
@pytest.mark.parametrize(
    ("area", "count"),
    [(damage, 200), (kills, 40), (faults, 3), (readers, 1000), (disk, 40), (signals, 24), (spilled, 12)],
    ids=lambda it: str(it)[:24],
)
def test_area(area, count):
    said = area.run(count, seed=1)
    print(said)
    assert said


@pytest.mark.skipif(memory.why_not() is not None, reason=f"soak: {memory.why_not()}")
def test_the_peak_is_what_the_documentation_foretells():
    assert memory.run(100_000, seed=0)


def test_the_command_names_its_areas():
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--help"], capture_output=True, text=True, cwd=root, check=True
    )
    for area in ("damage", "disk", "faults", "kills", "memory", "readers", "signals", "spilled"):
        assert area in done.stdout
