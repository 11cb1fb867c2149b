"""The real year 2021 in docs/backtests.md: its table is what the code says."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from btc_core.decide import Completeness, decide
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.resample import resample
from btc_core.simulator.simulate import simulate
from btc_core.strategy import load_strategy
from tests.conftest import ROOT

YEAR = TimeRange(datetime(2021, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC))
RULE = Completeness(min_completeness=0.95, wait=timedelta(minutes=10))
CASES = [(strategy, interval) for strategy in ("ma44", "ma125") for interval in ("37m", "148m", "1d")]


@pytest.fixture(scope="module")
def minutes(shared):
    """The minutes of the year, with its six outages."""
    year = pl.read_parquet(shared / "data" / "candles" / "binance_btcusdt_1m_2021.parquet")
    return year.with_columns(minutes=pl.lit(1, pl.Int16))


def row_of(strategy, label, minutes):
    """Return the line of the table for a strategy and an interval."""
    interval = parse_interval(label)
    positions, _, _ = decide(
        resample(minutes, interval),
        load_strategy(strategy, {}),
        interval,
        no_trade=minutes["time"].clear(),
        rule=RULE,
        since=YEAR.start,
        before=0.0,
        now=YEAR.end + timedelta(days=1),
    )
    found = simulate(positions, minutes, BacktestConfig(), range_=YEAR, interval=interval).results
    cells = (
        f"`{strategy}`",
        label,
        f"{found.n_candles:,}",
        f"{found.n_trades:,}",
        f"{found.total_return:+.2%}",
        f"{found.max_drawdown:.2%}",
        f"{found.sharpe:.2f}",
        f"{found.win_rate:.1%}",
        f"{found.fees_paid:,.2f}",
        f"{found.n_trades_across_gaps}",
        f"{found.final_equity:,.2f}",
    )
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize(("strategy", "interval"), CASES)
def test_the_table_is_what_the_code_says(strategy, interval, minutes):
    """Figures of a document that nobody computes again are wrong some day."""
    page = (ROOT / "docs" / "backtests.md").read_text(encoding="utf-8")
    assert row_of(strategy, interval, minutes) in page.splitlines()
