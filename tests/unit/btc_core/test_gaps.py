"""Missing minutes are the ranges between those that are there."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core.gaps import gaps_between, with_no_trade
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange

START = datetime(2025, 1, 1, tzinfo=UTC)


def times(numbers):
    """Return these minutes after the start as a series."""
    return pl.Series("time", [START + n * MINUTE for n in numbers], dtype=pl.Datetime("us", "UTC"))


def span(first, end):
    """Return the minutes from the first to before the end."""
    return TimeRange(START + first * MINUTE, START + end * MINUTE)


@pytest.mark.parametrize(
    ("there", "gaps"),
    [([], []), ([5], []), ([5, 6, 7], []), ([5, 7], [(6, 7)]), ([0, 1, 9, 20], [(2, 9), (10, 20)])],
)
def test_gaps_lie_between_minutes(there, gaps):
    """Without a range to be complete, nothing is missing before the first minute or after the last."""
    assert gaps_between(times(there)) == [span(*gap) for gap in gaps]


@pytest.mark.parametrize(
    ("there", "gaps"),
    [
        ([], [(10, 20)]),
        ([3, 25], [(10, 20)]),
        ([10], [(11, 20)]),
        ([19], [(10, 19)]),
        ([9, 12, 20], [(10, 12), (13, 20)]),
        (range(40), []),
    ],
)
def test_a_range_is_to_be_complete_from_end_to_end(there, gaps):
    """Its first minute and its last count; minutes outside do not."""
    assert gaps_between(times(there), within=span(10, 20)) == [span(*gap) for gap in gaps]


@given(there=st.sets(st.integers(0, 60)))
def test_minutes_and_gaps_make_the_range(there):
    """Each minute of the range is there or in exactly one gap; gaps neither touch nor overlap."""
    gaps = gaps_between(times(sorted(there)), within=span(10, 50))
    missing = [START + n * MINUTE for n in range(10, 50) if n not in there]
    assert [gap.start + n * MINUTE for gap in gaps for n in range(gap.n_minutes)] == missing
    assert all(right.start - left.end >= timedelta(minutes=1) for left, right in pairwise(gaps))


def test_minutes_without_trades_are_counted_by_candle():
    """In the order of the candles; minutes of no candle are left out."""
    hour = parse_interval("1h")
    candles = pl.DataFrame({"time": times([0, 60, 180]), "minutes": [59, 60, 0]})
    counted = with_no_trade(candles, times([5, 120, 121, *range(180, 240)]), hour)
    assert counted.rows() == [(START, 59, 1), (START + 60 * MINUTE, 60, 0), (START + 180 * MINUTE, 0, 60)]
    assert with_no_trade(candles, times([]), hour)["no_trade_minutes"].to_list() == [0, 0, 0]
