"""The simulator over real minutes with real outages, and over real funding."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.resample import resample
from btc_core.simulator.simulate import simulate

SPRING = TimeRange(datetime(2021, 2, 1, tzinfo=UTC), datetime(2021, 6, 1, tzinfo=UTC))
# The outages of README.md of the data: 79 + 90 + 150 + 284 minutes.
N_MISSING = 603
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def spring(shared):
    """The minutes of February to May 2021, the crash of 19 May among them."""
    year = pl.read_parquet(shared / "data" / "candles" / "binance_btcusdt_1m_2021.parquet")
    return year.filter(pl.col("time").is_between(SPRING.start, SPRING.end, closed="left"))


@pytest.fixture(scope="module")
def positions(spring):
    """Long above the mean of 44 closes of 37m, short below."""
    interval = parse_interval("37m")
    candles = resample(spring.with_columns(minutes=pl.lit(1, pl.Int16)), interval)
    above = pl.col("close") > pl.col("close").rolling_mean(44)
    return candles.select(
        close_time=pl.col("time").dt.offset_by("37m"),
        exposure=pl.when(above).then(1.0).when(~above).then(-1.0).otherwise(0.0),
        price=pl.col("close"),
    ).filter(pl.col("close_time") <= SPRING.end)


def run(positions, minutes, **values):
    """Return the simulation of the spring."""
    return simulate(positions, minutes, BacktestConfig(**values), range_=SPRING, interval=parse_interval("37m"))


def test_outages_are_reported_and_trades_across_them_flagged(spring, positions):
    """Every missing minute is counted; always in the market, MA44 is held across each of the four outages."""
    found = run(positions, spring)
    assert found.results.n_missing_minutes == N_MISSING
    assert found.trades["missing_minutes"].sum() == N_MISSING
    assert 1 <= found.results.n_trades_across_gaps <= 4
    assert found.results.n_trades > 300


def test_a_liquidation_is_where_the_minutes_say(spring, positions):
    """At 25-fold leverage each liquidated trade's minute reaches 4 % less the maintenance margin from its entry.

    The price that the exchange's formula gives lies in that minute or before its open, and in none before it.
    """
    # A tenth of the equity each time: one loss of everything would end the test.
    found = run(positions.with_columns(pl.col("exposure") / 10), spring, leverage=25, slippage_bps=1)
    lost = found.trades.filter(pl.col("exit_reason") == "liquidation")
    assert lost.height > 5
    for trade in lost.iter_rows(named=True):
        side = 1 if trade["side"] == "long" else -1
        price = trade["entry_price"] * (1 - side / 25) / (1 - side * 0.0125)
        held = spring.filter(pl.col("time").is_between(trade["entry_time"], trade["exit_time"]))
        beyond = held.filter((pl.col("low") if side > 0 else -pl.col("high")) <= side * price)
        assert beyond["time"].to_list() == [trade["exit_time"]]


def test_funding_of_a_held_position_is_the_sum_of_its_hours(shared):
    """Long for a quarter on the exchange's own hours: size · Σ rate · open, joined the plain way."""
    data = shared / "data"
    hours = pl.read_parquet(data / "candles" / "hyperliquid_btc_1h_2024-09-04_2025-07-26.parquet")
    funding = pl.read_parquet(data / "funding" / "hyperliquid_btc_funding_2023-05_2024-12.parquet")
    range_ = TimeRange(datetime(2024, 9, 5, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    decisions = pl.DataFrame(
        {"close_time": [range_.start + HOUR], "exposure": [1.0], "price": [1.0]},
        schema_overrides={"close_time": pl.Datetime("us", "UTC")},
    )
    one_hour = parse_interval("1h")
    found = simulate(
        decisions,
        hours,
        BacktestConfig(leverage=0.5),
        range_=range_,
        interval=one_hour,
        funding=funding,
        resolution=one_hour,
    )
    size = found.trades["quantity"][0]
    joined = hours.join(funding.with_columns(pl.col("time").dt.truncate("1h")), on="time")
    held = joined.filter((pl.col("time") > range_.start + HOUR) & (pl.col("time") < range_.end))
    expected = size * (held["open"] * held["funding_rate"]).sum()
    assert expected > 0
    assert found.results.funding_paid == pytest.approx(expected, rel=1e-9)
    assert found.results.funding_missing_hours == 0


def test_missing_settlements_are_counted_as_hours(shared):
    """The funding file lacks 2023-07-02 20:00, 2023-08-23 20:00 and 2024-08-15 13:00.

    It lacks none while it was eight-hourly, though one of those came 24 minutes late.
    """
    funding = pl.read_parquet(shared / "data" / "funding" / "hyperliquid_btc_funding_2023-05_2024-12.parquet")
    range_ = TimeRange(datetime(2023, 5, 12, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    nothing = pl.DataFrame(
        schema={"time": pl.Datetime("us", "UTC")} | dict.fromkeys(("open", "high", "low", "close"), pl.Float64)
    )
    decisions = pl.DataFrame(
        schema={"close_time": pl.Datetime("us", "UTC"), "exposure": pl.Float64, "price": pl.Float64}
    )
    found = simulate(
        decisions, nothing, BacktestConfig(), range_=range_, interval=parse_interval("1h"), funding=funding
    )
    assert found.results.funding_missing_hours == 3
