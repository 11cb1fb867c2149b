"""What of the shell can be told without a socket."""

from datetime import timedelta

import pytest

from btc_core.config import CollectorConfig
from btc_core.model.clock import ClockScale
from collector.parts import timing_of


def test_on_the_real_clock_deadlines_are_as_configured():
    """A rate of 1 changes nothing."""
    timing = timing_of(CollectorConfig(), ClockScale())
    seconds = (timing.close_after, timing.ping, timing.silence, timing.ack)
    assert seconds == tuple(timedelta(seconds=value) for value in (3, 15, 30, 10))


@pytest.mark.parametrize("rate", [60, 1440])
def test_a_fast_market_does_not_make_the_network_faster(rate):
    """Minutes close by the market; what waits for the network keeps 3 real seconds."""
    timing = timing_of(CollectorConfig(), ClockScale(0, 0, rate))
    assert timing.close_after == timedelta(seconds=3)
    assert timing.silence / rate >= timedelta(seconds=3)
    assert timing.ack / rate >= timedelta(seconds=3)
    assert timing.ping < timing.silence
