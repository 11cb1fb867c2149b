"""What is said of many waits: the middle, and what nineteen in twenty do not exceed."""

import pytest

from benchmarks.latency import quantile


@pytest.mark.parametrize(
    ("values", "p50", "p95"),
    [([3.0], 3.0, 3.0), ([4.0, 1.0], 2.5, 4.0), ([float(n) for n in range(20, 0, -1)], 10.5, 19.0)],
)
def test_one_in_twenty_may_be_longer(values, p50, p95):
    """Of twenty the longest is left out, of fewer none; the order does not matter."""
    assert (quantile(values, "p50"), quantile(values, "p95")) == (p50, p95)
