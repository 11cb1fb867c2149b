"""Minutes to measure with: a year of the demo market, made once and kept in the cache."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from btc_core.model.timerange import MINUTE, TimeRange, to_ms
from demo.market import Market

YEAR = TimeRange(datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
SYMBOL = "BTC"


def year_of_minutes(folder: Path) -> Path:
    """Return a Parquet file with a year of 1m candles of the demo market, seed 7."""
    path = folder / "demo_btc_1m_2023.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        minutes(YEAR).write_parquet(unfinished)
        unfinished.rename(path)
    return path


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
