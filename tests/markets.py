"""Small markets made by hand, and decisions in them."""

from datetime import UTC, datetime, timedelta

import polars as pl

from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.simulator.simulate import simulate

START = datetime(2025, 1, 1, tzinfo=UTC)
TEN_MINUTES = TimeRange(START, START + timedelta(minutes=10))
UTC_TIME = pl.Datetime("us", "UTC")


def at(minute):
    """Return the instant so many minutes after the start."""
    return START + timedelta(minutes=minute)


def market(*opens, close=None, without=(), **extremes):
    """Return 1m candles that open as told and close at the next one's open; ``low_3=50`` sets minute 3's low."""
    closes = [*opens[1:], close or opens[-1]]
    rows = [
        {
            "time": at(i),
            "open": float(opened),
            "high": float(extremes.get(f"high_{i}", max(opened, closed))),
            "low": float(extremes.get(f"low_{i}", min(opened, closed))),
            "close": float(closed),
        }
        for i, (opened, closed) in enumerate(zip(opens, closes, strict=True))
        if i not in without
    ]
    schema = {"time": UTC_TIME} | dict.fromkeys(("open", "high", "low", "close"), pl.Float64)
    return pl.DataFrame(rows, schema=schema)


def decided(exposures, price=100.0):
    """Return decisions: minute of the close → wanted exposure."""
    return pl.DataFrame(
        {
            "close_time": [at(minute) for minute in exposures],
            "exposure": [float(exposure) for exposure in exposures.values()],
            "price": [float(price)] * len(exposures),
        },
        schema={"close_time": UTC_TIME, "exposure": pl.Float64, "price": pl.Float64},
    )


def rates(paid):
    """Return funding: minute of the settlement → rate; stamped a little late, as the exchange does."""
    return pl.DataFrame(
        {
            "time": [at(minute) + timedelta(milliseconds=48) for minute in paid],
            "funding_rate": [float(rate) for rate in paid.values()],
        },
        schema={"time": UTC_TIME, "funding_rate": pl.Float64},
    )


def run(decisions, minutes, *, range_=TEN_MINUTES, interval="1m", funding=None, **config):
    """Return the simulation; 1000 capital, costs only where they are named."""
    values = {"capital": 1000, "taker_bps": 0, "maker_bps": 0, "slippage_bps": 0} | config
    return simulate(
        decisions,
        minutes,
        BacktestConfig(**values),
        range_=range_,
        interval=parse_interval(interval),
        funding=funding,
    )
