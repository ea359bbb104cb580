"""What the benchmarks say of memory: the formula of the documentation, and the peak of each stage."""

import numpy as np
import pytest

from benchmarks import staged
from dedup import memory


@pytest.mark.parametrize(
    ("articles", "level", "wanted"),
    [
        (10_000, "duplicate", 1.1),
        (100_000, "story", 1.66),
        (200_000, "story", 1.85),
        (1_000_000, "duplicate", 3.37),
        (1_000_000, "story", 5.14),
    ],
)
def test_the_foretold_memory_is_that_of_the_documentation(articles, level, wanted):
    found = memory.foretold(articles, articles * 2300, level, 2, memory=4 << 30)
    assert found / 1000 == pytest.approx(wanted, abs=0.01)


def test_memory_of_little_text_needs_no_whole_batches():
    foretold = [memory.foretold(100, 230_000, "story", threads) for threads in (1, 8)]
    assert foretold[0] == foretold[1] < 420


def test_each_stage_has_a_peak_of_its_own_and_the_whole_the_largest(tmp_path):
    if not staged.CLEAR.exists():
        pytest.skip("peaks of stages need /proc/self/clear_refs")
    peaks = staged.Peaks()
    peaks.report("large", 0, None)
    held = np.ones(20_000_000)  # 160 MB
    peaks.report("large", 1, 1)
    del held
    peaks.report("small", 0, None)
    peaks.report("small", 1, 1)
    assert peaks.found["large"] - peaks.found["small"] > 100
    assert peaks.found[staged.WHOLE] >= peaks.found["large"], "which knows what was before the first stage too"
