"""Markets that jump, gap, fund and end positions in every way there is, from a seed."""

import hashlib
from datetime import timedelta

import numpy as np
import polars as pl

from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.simulator.simulate import simulate
from tests.markets import START, UTC_TIME

N_MINUTES = 600
RANGE = TimeRange(START, START + timedelta(minutes=N_MINUTES))
CONFIGS = (
    BacktestConfig(),
    BacktestConfig(leverage=20, slippage_range=0.2, sz_decimals=3, maker_bps=1.5),
    BacktestConfig(leverage=3, stop_bps=300, target_bps=400, trailing_stop_bps=500, slippage_bps=10, delay_minutes=2),
    BacktestConfig(mode="spot", sz_decimals=5, stop_bps=2000),
)


def random_minutes(rng, n=N_MINUTES, scale=0.01):
    """Return an hour and more of minutes with wicks and a tenth of them missing."""
    opened = 100 * np.exp(np.cumsum(rng.normal(0, scale, n)))
    closed = opened * np.exp(rng.normal(0, scale, n))
    frame = pl.DataFrame(
        {
            "time": [START + timedelta(minutes=i) for i in range(n)],
            "open": opened,
            "high": np.maximum(opened, closed) * (1 + scale * rng.random(n)),
            "low": np.minimum(opened, closed) * (1 - scale * rng.random(n)),
            "close": closed,
        },
        schema_overrides={"time": UTC_TIME},
    )
    return frame.filter(pl.Series(rng.random(n) >= 0.1))


def random_decisions(rng, n=N_MINUTES):
    """Return a decision every third minute; most keep the exposure."""
    closes = [START + timedelta(minutes=i) for i in range(3, n + 1, 3)]
    changes = np.where(rng.random(len(closes)) < 0.2, rng.choice([-1, -0.5, 0, 0.3, 1], len(closes)), np.nan)
    return pl.DataFrame(
        {"close_time": closes, "exposure": changes, "price": 100.0}, schema_overrides={"close_time": UTC_TIME}
    ).with_columns(pl.col("exposure").fill_nan(None).forward_fill().fill_null(0.0))


def random_funding(rng, n=N_MINUTES):
    """Return settlements every twenty minutes, a few seconds late."""
    times = [START + timedelta(minutes=i, milliseconds=300) for i in range(0, n, 20)]
    return pl.DataFrame(
        {"time": times, "funding_rate": rng.normal(0, 0.002, len(times))}, schema_overrides={"time": UTC_TIME}
    )


def simulations(*, seed):
    """Return the simulations of a seed, one for each configuration."""
    rng = np.random.default_rng(seed)
    minutes, decisions, funding = random_minutes(rng), random_decisions(rng), random_funding(rng)
    interval = parse_interval("3m")
    return [simulate(decisions, minutes, each, range_=RANGE, interval=interval, funding=funding) for each in CONFIGS]


def endings(*, seed):
    """Return how the trades of a seed end."""
    return {reason for found in simulations(seed=seed) for reason in found.trades["exit_reason"]}


def digest(*, seed):
    """Return a hash over every bit of the simulations of a seed."""
    state = hashlib.sha256()
    for found in simulations(seed=seed):
        for frame in (found.fills, found.trades, found.equity):
            state.update(frame.write_csv().encode())
        state.update(repr(found.results).encode())
    return state.hexdigest()
