"""How long a simulation takes: eight years of minutes, 37m candles, a moving average long and short; and 1,000 of them.

The market is made from a seed. Preparation (reading the minutes once) is apart from simulation, which fills, funds and
liquidates on minutes; a sweep pays the first once. What the peers take for the same is in ``docs/backtests.md``.
"""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from benchmarks.figure import Figure, peak_memory_mb
from btc_core import metrics
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.simulator.market import Market, prepare
from btc_core.simulator.simulate import describe, follow

SEED = 1
YEARS = 8
START = datetime(2017, 1, 1, tzinfo=UTC)
PERIOD = 44
N_SWEEP = 1_000
N_THREADS = 2
N_TIMES = 20
# What vectorbt takes for the simulation alone and for 1,000 of them, measured on two cores without 1m fills.
VECTORBT_MS = 21.0
VECTORBT_SWEEP_SECONDS = 28.0
STOPS = BacktestConfig(stop_bps=200, target_bps=400, trailing_stop_bps=300, leverage=2)


def measure() -> Iterator[Figure]:
    """Measure preparation, one simulation, its figures, and a sweep."""
    minutes, funding, range_ = made_market()
    candles = closes(minutes, range_)
    started = time.perf_counter()
    market = prepare(candles, minutes, range_=range_, funding=funding)
    seconds = time.perf_counter() - started
    yield Figure(name=f"prepare, {minutes.height} minutes", value=round(seconds * 1e3, 1), unit="ms")
    exposure = above_average(market, PERIOD)
    started = time.perf_counter()
    course = follow(market, exposure, BacktestConfig())
    compiling = time.perf_counter() - started
    yield Figure(name="load the compiled kernel", value=round(compiling, 2), unit="s")
    for name, config in (("no stops", BacktestConfig()), ("stops and targets", STOPS)):
        seconds = best(market, exposure, config)
        beside = {"peer": "vectorbt", "peer_ms": VECTORBT_MS, "ratio": round(VECTORBT_MS / (seconds * 1e3), 1)}
        yield Figure(
            name=f"simulate, {len(exposure)} candles, {name}", value=round(seconds * 1e3, 2), unit="ms", beside=beside
        )
    started = time.perf_counter()
    describe(market, course, BacktestConfig())
    yield Figure(name="trades, curve and figures", value=round((time.perf_counter() - started) * 1e3, 1), unit="ms")
    yield sweep(market)


def made_market() -> tuple[pl.DataFrame, pl.DataFrame, TimeRange]:
    """Return eight years of minutes and of hourly funding."""
    random = np.random.default_rng(SEED)
    n = YEARS * 365 * 1440
    close = 50_000 * np.exp(np.cumsum(random.normal(0, 0.0005, n)))
    opened = np.append(50_000.0, close[:-1])
    end = START + timedelta(minutes=n)
    minutes = pl.DataFrame(
        {
            "time": pl.datetime_range(START, end, "1m", closed="left", time_unit="us", eager=True),
            "open": opened,
            "high": np.maximum(opened, close) * (1 + 0.0003 * random.random(n)),
            "low": np.minimum(opened, close) * (1 - 0.0003 * random.random(n)),
            "close": close,
        }
    )
    hours = pl.datetime_range(START, end, "1h", closed="left", time_unit="us", eager=True)
    funding = pl.DataFrame({"time": hours, "funding_rate": random.normal(0, 0.00002, len(hours))})
    return minutes, funding, TimeRange(START, end)


def closes(minutes: pl.DataFrame, range_: TimeRange) -> pl.DataFrame:
    """Return when the 37m candles close, and at which price."""
    interval = parse_interval("37m")
    closing = [interval.close_of(time) for time in interval.opens(range_)]
    grid = pl.DataFrame({"close_time": [time for time in closing if time <= range_.end]})
    grid = grid.with_columns(pl.col("close_time").cast(pl.Datetime("us", "UTC")))
    known = minutes.select(pl.col("time").dt.offset_by("1m").alias("close_time"), pl.col("close").alias("price"))
    return grid.join_asof(known, on="close_time").drop_nulls()


def above_average(market: Market, period: int) -> np.ndarray:
    """Return 1 where the price is above its average, −1 elsewhere, 0 before there is one."""
    total = np.concatenate(([0.0], np.cumsum(market.price)))
    exposure = np.zeros(len(market.price))
    average = (total[period:] - total[:-period]) / period
    exposure[period - 1 :] = np.where(market.price[period - 1 :] > average, 1.0, -1.0)
    return exposure


def best(market: Market, exposure: np.ndarray, config: BacktestConfig) -> float:
    """Return the seconds of the quickest of some simulations."""
    found: list[float] = []
    for _ in range(N_TIMES):
        started = time.perf_counter()
        follow(market, exposure, config)
        found.append(time.perf_counter() - started)
    return min(found)


def sweep(market: Market) -> Figure:
    """Simulate a thousand periods on two threads, each with its final equity, drawdown and trades."""
    wanted = [above_average(market, period) for period in range(2, N_SWEEP + 2)]
    config, before = BacktestConfig(), peak_memory_mb()

    def one(exposure: np.ndarray) -> tuple[float, float, int]:
        course = follow(market, exposure, config)
        return float(course.equity[-1]), metrics.max_drawdown(course.equity), len(course.log)

    started, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(N_THREADS) as pool:
        found = list(pool.map(one, wanted))
    seconds, used = time.perf_counter() - started, time.process_time() - used
    return Figure(
        name=f"{len(found)} simulations on {N_THREADS} threads",
        value=round(seconds, 3),
        unit="s",
        beside={
            "peer": "vectorbt",
            "peer_seconds": VECTORBT_SWEEP_SECONDS,
            "ratio": round(VECTORBT_SWEEP_SECONDS / seconds, 1),
            # What a busy machine does not change: half of it is the least that two idle cores take.
            "processor_seconds": round(used, 3),
            "memory_mb": round(peak_memory_mb() - before, 1),
            "fills": sum(each[2] for each in found),
        },
    )


def main() -> int:
    """Print each figure as a JSON line."""
    for figure in measure():
        sys.stdout.write(figure.line() + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
