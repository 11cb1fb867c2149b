"""How long a simulation takes: minutes of a random walk, 37m candles, a moving average long and short.

Preparation (reading the minutes once) is apart from simulation, which fills, funds and liquidates on minutes; a sweep
pays the first once. `python -m benchmarks peers` has other libraries beside it.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import polars as pl

from benchmarks.figure import Figure
from benchmarks.market import START, YEARS, random_walk
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.simulator.market import Market, prepare
from btc_core.simulator.simulate import describe, follow

PERIOD = 44
# At which an account lives to the end of a random walk.
COSTS = BacktestConfig(capital=10_000_000, taker_bps=0.5)
N_TIMES = 20
STOPS = BacktestConfig(stop_bps=200, target_bps=400, trailing_stop_bps=300, leverage=2, taker_bps=0.5)


def measure() -> Iterator[Figure]:
    """Measure preparation, one simulation, its figures, and what twice the candles cost."""
    minutes, funding = random_walk(YEARS)
    range_ = TimeRange(START, START + minutes.height * MINUTE)
    candles = closes(minutes, range_)
    started = time.perf_counter()
    market = prepare(candles, minutes, range_=range_, funding=funding)
    seconds = time.perf_counter() - started
    yield Figure(name=f"prepare, {minutes.height} minutes", value=round(seconds * 1e3, 1), unit="ms")
    exposure = above_average(market, PERIOD)
    started = time.perf_counter()
    course = follow(market, exposure, COSTS)
    compiling = time.perf_counter() - started
    yield Figure(name="load the compiled kernel", value=round(compiling, 2), unit="s")
    for name, config in (("no stops", COSTS), ("stops and targets", STOPS)):
        seconds = best(market, exposure, config)
        yield Figure(name=f"simulate, {len(exposure)} candles, {name}", value=round(seconds * 1e3, 2), unit="ms")
    started = time.perf_counter()
    describe(market, course, COSTS)
    yield Figure(name="trades, curve and figures", value=round((time.perf_counter() - started) * 1e3, 1), unit="ms")
    yield from growth(minutes, funding)


def growth(minutes: pl.DataFrame, funding: pl.DataFrame) -> Iterator[Figure]:
    """Measure what a candle costs in two, four and eight years: preparation, simulation and figures together."""
    fewest = None
    for years in (YEARS // 4, YEARS // 2, YEARS):
        range_ = TimeRange(START, START + timedelta(days=365 * years))
        seconds, candles = [], closes(minutes.filter(pl.col("time") < range_.end), range_)
        for _ in range(N_TIMES // 4):
            started = time.perf_counter()
            market = prepare(candles, minutes, range_=range_, funding=funding)
            describe(market, follow(market, above_average(market, PERIOD), COSTS), COSTS)
            seconds.append(time.perf_counter() - started)
        each = statistics.median(seconds) / candles.height * 1e6
        fewest = fewest or each
        yield Figure(
            name=f"a candle of {years} years",
            value=round(each, 3),
            unit="µs",
            beside={"ratio": round(each / fewest, 2)},
        )


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


def main() -> int:
    """Print each figure as a JSON line."""
    for figure in measure():
        sys.stdout.write(figure.line() + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
