"""The simulator against the published statistics of another library: SmaCross on GOOG, backtesting.py's own test."""

import json
import math
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from btc_core import metrics
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.simulator.simulate import simulate

DAY = timedelta(days=1)
YEAR = 252
# Whole shares, no costs, no margin call: the rules of the published case.
RULES = BacktestConfig(capital=10_000, taker_bps=0, maintenance_bps=0, min_notional=0, sz_decimals=0)
SIZE = 0.9999


def cross(close, fast, slow):
    """Return the exposure after each close: long from a crossing upwards on, short from one downwards on.

    What is open goes at the last bar's open, so the last decision but one wants nothing.
    """
    above = pl.DataFrame({"close": close}).select(
        pl.col("close").rolling_mean(fast) - pl.col("close").rolling_mean(slow)
    )["close"]
    before = above.shift(1)
    changes = pl.when((before < 0) & (above > 0)).then(SIZE).when((before > 0) & (above < 0)).then(-SIZE)
    exposure = pl.select(changes).to_series().forward_fill().fill_null(0.0).to_list()
    return [*exposure[:-2], 0.0, 0.0]


@pytest.fixture(scope="module")
def published(shared):
    """The statistics as published."""
    cases = json.loads((shared / "data" / "reference" / "backtestingpy_smacross_goog.json").read_text(encoding="utf-8"))
    return cases["cases"][0]["expected"]


@pytest.fixture(scope="module")
def bars(shared):
    """Daily bars of GOOG, 2004 to 2013."""
    return pl.read_parquet(shared / "data" / "reference" / "backtestingpy_goog_1d.parquet")


@pytest.fixture(scope="module")
def simulation(bars):
    """SmaCross(10, 30) with the bars themselves as the market: fills at the next bar's open."""
    close_time = bars["time"] + DAY
    decisions = pl.DataFrame(
        {"close_time": close_time, "exposure": cross(bars["close"], 10, 30), "price": bars["close"]}
    )
    range_ = TimeRange(bars["time"][0], close_time[-1])
    daily = parse_interval("1d")
    return simulate(decisions, bars, RULES, range_=range_, interval=daily, resolution=daily)


def test_trades_and_equity_are_the_published_ones(simulation, published):
    """What the account does is the same to the cent and to the digit."""
    trades, equity, figures = simulation.trades, simulation.equity, simulation.results
    assert figures.n_trades == published["# Trades"]
    assert figures.final_equity == pytest.approx(published["Equity Final [$]"], rel=1e-12)
    assert equity["equity"].max() == pytest.approx(published["Equity Peak [$]"], rel=1e-12)
    assert figures.total_return * 100 == pytest.approx(published["Return [%]"], rel=1e-12)
    assert figures.max_drawdown * 100 == pytest.approx(-published["Max. Drawdown [%]"], rel=1e-8)
    assert figures.max_drawdown_days == published["Max. Drawdown Duration [days]"]
    assert figures.win_rate * 100 == pytest.approx(published["Win Rate [%]"], rel=1e-8)
    assert trades["return"].max() * 100 == pytest.approx(published["Best Trade [%]"], rel=1e-8)
    assert trades["return"].min() * 100 == pytest.approx(published["Worst Trade [%]"], rel=1e-8)
    held = trades["exit_time"] - trades["entry_time"]
    assert held.max() == timedelta(days=published["Max. Trade Duration [days]"])


def test_other_definitions_on_the_same_trades_give_the_other_figures(simulation, published):
    """Of trades that library averages returns where we average money, and the average is a geometric one.

    Expectancy is the mean return there and money here, the profit factor is of returns there and of money here.
    """
    returns = simulation.trades["return"].to_numpy()
    pnl = simulation.trades["pnl"].to_numpy()
    won, lost = returns[returns > 0], returns[returns < 0]
    assert (math.exp(np.log1p(returns).mean()) - 1) * 100 == pytest.approx(published["Avg. Trade [%]"], rel=1e-8)
    assert returns.mean() * 100 == pytest.approx(published["Expectancy [%]"], rel=1e-8)
    assert won.sum() / -lost.sum() == pytest.approx(published["Profit Factor"], rel=1e-8)
    assert math.sqrt(len(pnl)) * pnl.mean() / pnl.std(ddof=1) == pytest.approx(published["SQN"], rel=1e-8)
    wins = (pnl > 0).mean()
    kelly = wins - (1 - wins) / (pnl[pnl > 0].mean() / -pnl[pnl < 0].mean())
    assert kelly == pytest.approx(published["Kelly Criterion"], rel=1e-8)


def test_other_definitions_on_the_same_curve_give_the_other_ratios(simulation, published):
    """A year has 252 days there, and returns are compounded by a geometric mean before they are put in relation.

    Ours: 365 days (this market never closes), arithmetic mean ÷ deviation · √365, as in docs/backtests.md.
    """
    worth = simulation.equity["equity"].to_numpy()
    returns = worth[1:] / worth[:-1] - 1
    mean = math.exp(np.log1p(returns).mean())
    annual = mean**YEAR - 1
    volatility = math.sqrt((returns.var(ddof=1) + mean**2) ** YEAR - mean ** (2 * YEAR))
    downside = math.sqrt(np.square(np.minimum(returns, 0)).mean()) * math.sqrt(YEAR)
    assert annual * 100 == pytest.approx(published["Return (Ann.) [%]"], rel=1e-8)
    assert volatility * 100 == pytest.approx(published["Volatility (Ann.) [%]"], rel=1e-8)
    assert annual / volatility == pytest.approx(published["Sharpe Ratio"], rel=1e-8)
    assert annual / downside == pytest.approx(published["Sortino Ratio"], rel=1e-8)
    assert annual / metrics.max_drawdown(worth) == pytest.approx(published["Calmar Ratio"], rel=1e-8)


def test_growth_is_the_published_one_over_the_published_time(simulation, bars, published):
    """Both count years of 365.25 days; theirs end at the open of the last bar, our ranges at its close."""
    span = bars["time"][-1] - bars["time"][0]
    assert span == timedelta(days=published["Duration [days]"])
    growth = metrics.cagr(10_000, simulation.results.final_equity, span=span)
    assert growth * 100 == pytest.approx(published["CAGR [%]"], rel=1e-8)


def test_buy_and_hold_differs_by_its_first_bar(bars, published):
    """Theirs begins where the slow average has its first value, ours with the range."""
    assert (bars["close"][-1] / bars["close"][30 - 1] - 1) * 100 == pytest.approx(published["Buy & Hold Return [%]"])
