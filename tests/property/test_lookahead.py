"""Law 6: changing data after an instant changes nothing that was known at it."""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from btc_core.decide import Completeness, decide
from btc_core.indicator import with_indicators
from btc_core.model.interval import parse_interval
from btc_core.resample import close_time, resample
from btc_core.strategy import load_strategy
from tests.derivation import NO_MINUTES, candles_of_closes, minute, minutes_frame

START = datetime(2025, 1, 1, tzinfo=UTC)
RULE = Completeness(min_completeness=0.95, wait=timedelta(minutes=10))
INTERVAL = parse_interval("37m")
closes = st.lists(st.integers(98, 102).map(float), min_size=1, max_size=60)


def known(candles, strategy, *, until, now):
    """Return what was said at the closes up to an instant, and the indicators of the same candles."""
    _, decisions, skipped = decide(
        candles, strategy, INTERVAL, no_trade=NO_MINUTES, rule=RULE, since=START, before=0.0, now=now
    )
    early = pl.col("close_time") <= until
    values = with_indicators(candles, strategy.indicators).filter(close_time(pl.col("time"), INTERVAL) <= until)
    return decisions.filter(early), skipped.filter(early), values


@given(closes=closes, others=closes, cut=st.integers(0, 60), period=st.integers(2, 20), data=st.data())
def test_later_candles_change_nothing_that_was_decided(closes, others, cut, period, data):
    """Other candles, none, or some with missing minutes after an instant: the words up to it stay."""
    strategy = load_strategy("ma", {"period": period})
    minutes = data.draw(st.lists(st.sampled_from([37, 37, 36, 20]), min_size=60, max_size=60))
    one = candles_of_closes(closes, INTERVAL, START)
    one = one.with_columns(minutes=pl.Series(minutes[: one.height], dtype=pl.Int32))
    other = candles_of_closes([*closes[:cut], *others], INTERVAL, START)
    other = pl.concat([one[:cut], other[cut:]])
    until = INTERVAL.floor(START) + cut * timedelta(minutes=37)
    # As late for both: whether a candle still waits is a matter of the clock.
    now = START + timedelta(days=30)
    for left, right in zip(
        known(one, strategy, until=until, now=now), known(other, strategy, until=until, now=now), strict=True
    ):
        assert left.equals(right)


@given(prices=st.lists(st.integers(95, 105), min_size=1, max_size=300), cut=st.integers(0, 300))
def test_later_minutes_change_no_closed_candle(prices, cut):
    """A candle is made of minutes before its close."""
    rows = [minute(n, START, price=float(price)) for n, price in enumerate(prices)]
    changed = rows[:cut] + [row | {"high": 999.0, "volume": 77.0} for row in rows[cut::2]]
    until = START + timedelta(minutes=cut)
    early = close_time(pl.col("time"), INTERVAL) <= until
    left = resample(minutes_frame(rows), INTERVAL).filter(early)
    assert left.equals(resample(minutes_frame(changed), INTERVAL).filter(early))
