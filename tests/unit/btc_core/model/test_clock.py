"""BTC_CLOCK: the scaled clock's arithmetic and its refusals."""

from datetime import UTC, datetime, timedelta

import pytest

from btc_core.errors import ConfigError
from btc_core.model.clock import ClockScale, parse_clock

SIM = datetime(2025, 2, 14, tzinfo=UTC)


def test_without_a_scale_time_is_as_it_is():
    """The default changes neither instants nor waits."""
    assert ClockScale().instant(SIM.timestamp()) == SIM
    assert ClockScale().real_seconds(3) == 3


def test_a_scaled_clock_runs_from_its_start_at_its_rate():
    """The market's now is SIM + (clock - REAL) * RATE."""
    scale = ClockScale(sim=SIM.timestamp(), real=1_790_000_000, rate=60)
    assert scale.instant(1_790_000_000) == SIM
    assert scale.instant(1_790_000_001.5) == SIM + timedelta(seconds=90)
    assert scale.instant(1_789_999_999) == SIM - timedelta(minutes=1)


def test_waits_scale_with_the_clock():
    """A market minute at sixtyfold speed is one real second."""
    assert ClockScale(rate=60).real_seconds(60) == 1


def test_the_variable_is_three_numbers():
    """BTC_CLOCK=SIM,REAL,RATE; spaces do not matter."""
    assert parse_clock("1739491200, 1790000000.5,60") == ClockScale(1_739_491_200, 1_790_000_000.5, 60)


@pytest.mark.parametrize("text", ["", "1,2", "1,2,3,4", "a,b,c", "2025-02-14,0,1"])
def test_a_clock_of_another_shape_is_refused(text):
    """The sentence shows the shape, with an example."""
    with pytest.raises(ConfigError, match=r"expected SIM,REAL,RATE, .*1739491200,1790000000,60"):
        parse_clock(text)


@pytest.mark.parametrize("text", ["0,0,0", "0,0,-1", "0,0,nan", "nan,0,1", "0,inf,1", "1739491200000,0,1", "0,0,1e9"])
def test_a_clock_that_cannot_be_meant_is_refused(text):
    """Time that stands, runs backwards, or is given in milliseconds is a slip."""
    with pytest.raises(ConfigError, match="expected Unix times in seconds and a rate above 0"):
        parse_clock(text)
