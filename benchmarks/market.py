"""Minutes to measure with, made once and kept in the cache: a year of the demo market, and years of a random walk."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from btc_core.model.timerange import MINUTE, TimeRange, to_ms
from demo.market import Market

YEAR = TimeRange(datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
SYMBOL = "BTC"
START = datetime(2017, 1, 1, tzinfo=UTC)
YEARS = 8
_SEED = 1
_MINUTES_A_YEAR = 365 * 1440
# Nothing is the same for a formula as for a price that stands on a tick (law 12).
_DECIMALS = 1


def year_of_minutes(folder: Path) -> Path:
    """Return a Parquet file with a year of 1m candles of the demo market, seed 7."""
    return _kept(folder / "demo_btc_1m_2023.parquet", lambda: minutes(YEAR))


def eight_years_of_minutes(folder: Path) -> Path:
    """Return a Parquet file with eight years of 1m candles of the random walk."""
    return _kept(folder / "walk_1m_8_years.parquet", lambda: random_walk(YEARS)[0])


def minutes(span: TimeRange) -> pl.DataFrame:
    """Return the demo market's 1m candles of a range."""
    market, first = Market(seed=7, coins=[SYMBOL]), to_ms(span.start) // 60_000
    rows = [market.values(SYMBOL, first + i) for i in range(span.n_minutes)]
    return pl.DataFrame(
        {
            "time": [span.start + i * MINUTE for i in range(span.n_minutes)],
            **{
                name: [getattr(row, name) for row in rows]
                for name in ("open", "high", "low", "close", "volume", "trades")
            },
        },
        schema_overrides={"time": pl.Datetime("us", "UTC"), "trades": pl.Int32},
    )


def random_walk(years: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return 1m candles and hourly funding (``time, funding_rate``) of a market made from a seed.

    The demo market takes a minute a year; this one a second for eight. A shorter one is the beginning of a longer one.
    """
    price, other, paid = (np.random.default_rng([_SEED, i]) for i in range(3))
    n = years * _MINUTES_A_YEAR
    close = 50_000 * np.exp(np.cumsum(price.normal(0, 0.0005, n)))
    opened = np.append(50_000.0, close[:-1])
    reach = other.random((n, 2))
    end = START + timedelta(minutes=n)
    candles = pl.DataFrame(
        {
            "time": pl.datetime_range(START, end, "1m", closed="left", time_unit="us", eager=True),
            "open": opened.round(_DECIMALS),
            "high": (np.maximum(opened, close) * (1 + 0.0003 * reach[:, 0])).round(_DECIMALS),
            "low": (np.minimum(opened, close) * (1 - 0.0003 * reach[:, 1])).round(_DECIMALS),
            "close": close.round(_DECIMALS),
            "volume": (200 * reach[:, 0]).round(3) + 0.001,
            "trades": (900 * reach[:, 1]).astype(np.int32) + 1,
        }
    )
    hours = pl.datetime_range(START, end, "1h", closed="left", time_unit="us", eager=True)
    return candles, pl.DataFrame({"time": hours, "funding_rate": paid.normal(0, 0.00002, len(hours))})


def _kept(path: Path, made: Callable[[], pl.DataFrame]) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        made().write_parquet(unfinished)
        unfinished.rename(path)
    return path
