"""What an address used up within a minute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.meter import Meter, n_minutes
from demo.wire import MINUTE_MS


@given(st.lists(st.tuples(st.integers(0, 5 * MINUTE_MS), st.integers(1, 100)), max_size=40))
def test_the_most_is_that_of_the_fullest_minute(entries):
    """Whatever the order in which the uses are noted."""
    meter = Meter()
    for at_ms, amount in entries:
        meter.add("a", at_ms, amount)
    ends = [at_ms for at_ms, _ in entries]
    sums = [sum(amount for at, amount in entries if end - MINUTE_MS < at <= end) for end in ends]
    assert meter.most == max(sums, default=0)
    assert meter.log == sorted(entries)
    assert all(meter.spent("a", end, 1) == used for end, used in zip(ends, sums, strict=True))


def test_addresses_are_apart():
    """Each has a minute of its own."""
    meter = Meter()
    meter.add("a", 0, 3)
    meter.add("b", 0, 4)
    assert (meter.spent("a", 0, 1), meter.spent("b", 0, 1), meter.spent("c", 0, 1), meter.most) == (3, 4, 0, 4)


@pytest.mark.parametrize(("rate", "minutes"), [(0.001, 1), (1, 1), (29, 1), (30, 2), (960, 33)])
def test_a_fast_clock_looks_at_more_minutes(rate, minutes):
    """Two real seconds of them."""
    assert n_minutes(rate) == minutes


@given(rate=st.floats(1, 2000), late=st.lists(st.floats(0, 0.9), min_size=200, max_size=200))
def test_half_of_a_limit_is_within_it_on_a_clock_of_any_speed(rate, late):
    """A client that spends 600 a minute, each request up to 0.9 real seconds late, stays under 1200."""
    meter = Meter()
    arrivals = sorted(int((i + seconds * rate / 60) * MINUTE_MS) for i, seconds in enumerate(late))
    # A clock slower than 30 times the real one makes a delay that is less than half a minute.
    for at_ms in arrivals:
        meter.add("a", at_ms, 600)
        assert meter.spent("a", at_ms, n_minutes(rate)) <= 1200 * n_minutes(rate)
