"""An arena in which strategies are tried: a week of made-up hours, decided on from its second day on."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from btc_core.across import NO_OTHERS
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.resample import resample
from btc_core.strategy import load_strategy
from btc_core.sweep_trial import Arena, Trial, prepare_arena
from tests.derivation import NO_MINUTES, RULE, minute, minutes_frame

START = datetime(2024, 6, 3, tzinfo=UTC)
WEEK = TimeRange(START, START + timedelta(days=7))
SINCE = START + timedelta(days=1)
HOUR = parse_interval("1h")
# The hour that misses most of its minutes.
SHORT = 30


def made_arena() -> Arena:
    """Return the arena; one hour in it is nearly empty."""
    chance = np.random.default_rng(3)
    prices = 100 * np.exp(np.cumsum(chance.normal(0, 0.002, WEEK.n_minutes)))
    minutes = minutes_frame([minute(n, START, price=float(price)) for n, price in enumerate(prices)])
    gap = START + timedelta(hours=SHORT)
    minutes = minutes.filter(~pl.col("time").is_between(gap, gap + timedelta(minutes=50)))
    return prepare_arena(
        resample(minutes, HOUR),
        minutes,
        symbol="BTC",
        interval=HOUR,
        others=NO_OTHERS,
        no_trade=NO_MINUTES,
        rule=RULE,
        since=SINCE,
        range_=TimeRange(SINCE, WEEK.end),
        config=BacktestConfig(),
    )


def trials_in(arena: Arena, periods: Iterable[int]) -> list[Trial]:
    """Return a trial of a moving average for each period."""
    return [Trial(arena, (i,), load_strategy("ma", {"period": period})) for i, period in enumerate(periods)]
