"""What the tests of indicators share: made-up candles, published values, and a comparison that minds nulls."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from btc_core.config import IndicatorConfig
from btc_core.indicator import NamedIndicator, configured_indicator, with_indicators
from btc_core.model.interval import Interval, parse_interval
from btc_core.resample import CANDLE_SCHEMA

GOLDEN = Path(__file__).resolve().parent / "golden"
START = datetime(2021, 3, 4, 5, 6, tzinfo=UTC)
HOUR = parse_interval("1h")

Floats = npt.NDArray[np.float64]


def configured(function: str, **parameters: float) -> NamedIndicator:
    """Return an indicator as ``config.yaml`` would have it, under its function's name."""
    return configured_indicator(function, IndicatorConfig(function=function, intervals=("1h",), parameters=parameters))


def values(function: str, candles: pl.DataFrame, **parameters: float) -> pl.DataFrame:
    """Return the columns of an indicator over candles."""
    indicator = configured(function, **parameters)
    return with_indicators(candles, [indicator]).select(list(indicator.columns()))


def made_candles(
    n: int, *, seed: int = 1, interval: Interval = HOUR, gaps: float = 0.0, flat: float = 0.1
) -> pl.DataFrame:
    """Return candles whose price wanders in cents: a part of the grid's missing, a part of them flat."""
    chance = np.random.default_rng(seed)
    moves = chance.choice([-1, 1], n) * (1 + chance.exponential(300, n)).round()
    steps = np.where(chance.random(n) < flat, 0, moves)
    close = 3_000_000 + np.cumsum(steps)
    before = np.concatenate([[3_000_000], close[:-1]])
    reach = np.where(steps == 0, 0, chance.exponential(200, (2, n))).round()
    high, low = np.maximum(close, before) + reach[0], np.minimum(close, before) - reach[1]
    time = interval.floor(START)
    times = [time]
    while len(times) < n:
        times.append(time := interval.close_of(time))
    candles = pl.DataFrame(
        {"time": times, "open": before / 100, "high": high / 100, "low": low / 100, "close": close / 100}
        | {"volume": chance.exponential(10, n), "trades": [1] * n, "minutes": [interval.n_minutes(t) for t in times]},
        schema=CANDLE_SCHEMA,
    )
    return candles.filter(pl.Series(chance.random(n) >= gaps))


def arrays(candles: pl.DataFrame) -> dict[str, Floats]:
    """Return the prices and the volume as TA-Lib takes them."""
    return {name: candles[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}


def differs(ours: pl.Series, theirs: Sequence[float | None] | Floats, *, after: int = 0, scale: float = 0.0) -> float:
    """Return the largest relative difference after so many first values; infinite where only one has a value.

    Args:
        ours: What is tested.
        theirs: The reference; null or NaN where it has no value.
        after: How many first values do not count.
        scale: Differences are relative to this at least; where a value may be near 0 by subtraction.
    """
    one = ours.to_numpy()[after:]
    other = np.array([np.nan if value is None else value for value in theirs], dtype=float)[after:]
    if len(one) == 0 or not np.array_equal(np.isnan(one), np.isnan(other)):
        return float("inf")
    size = np.maximum(np.abs(other), scale)
    apart = np.abs(one - other)
    return float(np.nanmax(np.where(apart == 0, 0.0, apart / np.where(size == 0, 1e-300, size))))


def skender() -> pl.DataFrame:
    """Return SPY's daily candles with what Stock.Indicators publishes about them."""
    golden = json.loads((GOLDEN / "skender_spy_indicators.json").read_text(encoding="utf-8"))
    rows = pl.DataFrame(golden["rows"], schema=golden["columns"], orient="row", infer_schema_length=None)
    time = pl.col("time").str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC")
    return rows.with_columns(time, pl.col("volume").cast(pl.Float64))


def skender_last(name: str) -> list[float]:
    """Return what Stock.Indicators publishes for the last four days."""
    golden = json.loads((GOLDEN / "skender_spy_indicators.json").read_text(encoding="utf-8"))
    return golden["last_values"][name]


def stockcharts(name: str) -> list[list[float | None]]:
    """Return the rows of a worked example of StockCharts': closes and what they make of them."""
    return json.loads((GOLDEN / "stockcharts_indicators.json").read_text(encoding="utf-8"))[name]


def candles_of(closes: Sequence[float]) -> pl.DataFrame:
    """Return hourly candles that are a close and nothing else."""
    candles = made_candles(len(closes))
    price = pl.Series("close", closes, dtype=pl.Float64)
    return candles.with_columns(open=price, high=price, low=price, close=price)
