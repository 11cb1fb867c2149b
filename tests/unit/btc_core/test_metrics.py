"""The figures: against the cases of another library, and by hand where it has none."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from btc_core import metrics
from btc_core.model.timerange import TimeRange

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "empyrical_metrics.json").read_text(encoding="utf-8"))
DAY_US = 86_400_000_000
START = datetime(2025, 1, 1, tzinfo=UTC)


FACTS = metrics.Facts(
    range_=TimeRange(START, START + timedelta(days=2)),
    n_candles=7,
    first_open=50,
    last_close=100,
    n_missing_minutes=9,
    is_spot=False,
    is_funding_known=True,
    funding_missing_hours=3,
    n_unfilled=2,
    dca_average_cost=80,
)


def series(case, name):
    """Return a parameter per return: a number, or the series of that name."""
    value = case["params"].get(name, 0.0)
    rows = GOLDEN["inputs"][case["returns"]]
    values = GOLDEN["inputs"][value] if isinstance(value, str) else [value] * len(rows)
    return np.array([one for one, row in zip(values, rows, strict=True) if row is not None], dtype=float)


def ours(case):
    """Return our figure for a case of the golden file."""
    rows, parameters = GOLDEN["inputs"][case["returns"]], case["params"]
    returns = np.array([row for row in rows if row is not None], dtype=float)
    equity = np.cumprod(np.append(1.0, 1 + returns))
    periods = parameters.get("periods_per_year", 252)
    growth = metrics.cagr(1, equity[-1], span=metrics.CALENDAR_YEAR * len(rows) / periods)
    excess = returns - series(case, "risk_free") - series(case, "required_return")
    threshold = (1 + parameters.get("required_return_annual", 0.0)) ** (1 / 252) - 1
    return {
        "cum_returns": lambda: _from(parameters.get("starting_value"), equity[len(equity) - len(rows) :]),
        "cum_returns_final": lambda: metrics.total_return(1, equity[-1]),
        "max_drawdown": lambda: -metrics.max_drawdown(equity),
        "annual_return": lambda: growth,
        "annual_volatility": lambda: metrics.volatility(returns, periods_per_year=periods),
        "downside_risk": lambda: metrics.downside_risk(excess, periods_per_year=periods),
        "calmar_ratio": lambda: metrics.calmar(growth, metrics.max_drawdown(equity)),
        "sharpe_ratio": lambda: metrics.sharpe(excess, periods_per_year=periods),
        "sortino_ratio": lambda: metrics.sortino(excess, periods_per_year=periods),
        "omega_ratio": lambda: metrics.omega(excess - threshold),
    }[case["metric"]]()


def _from(start, equity):
    """Return a curve from a starting value, or its returns where that is 0."""
    return equity * start if start else equity - 1


def test_all_cases_of_empyrical_are_here():
    """Forty-eight published figures."""
    assert len(GOLDEN["cases"]) == 48


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"{case['metric']}-{case['returns']}")
def test_figures_agree_with_empyrical(case):
    """The figures do, to the digits that library states; its nan and inf are our None.

    One differs: the drawdown of no returns is nan there. A curve has its start here, and its drawdown is 0.
    """
    found, expected = ours(case), case["expected"]
    if case["metric"] == "max_drawdown" and not GOLDEN["inputs"][case["returns"]]:
        assert (found, expected) == (0, "nan")
    elif isinstance(expected, str):
        assert found is None
    else:
        assert found == pytest.approx(np.array(expected), abs=0.5 * 10 ** -case["decimals"])


def test_sharpe_is_undefined_where_the_returns_differ_by_rounding_only():
    """An equity that grows by 1 % a day has daily returns that differ in the last bits; that is no deviation."""
    returns = metrics.daily_returns(1000 * 1.01 ** np.arange(30))
    assert returns.std(ddof=1) > 0
    assert metrics.sharpe(returns) is None


def test_daily_equity_carries_the_last_value_to_the_next_midnight():
    """Noon 10, the next noon 20, noon after two empty days 30: midnights 10, 10, 20, 20, 20, 30."""
    time = np.array([12, 36, 108], dtype=np.int64) * 3_600_000_000
    assert metrics.daily_equity(time, np.array([10.0, 20.0, 30.0])).tolist() == [10, 10, 20, 20, 20, 30]


def test_daily_equity_takes_the_value_known_at_midnight_itself():
    """A curve from midnight to midnight has no other days, and the point at a midnight is that midnight's."""
    time = np.array([0, DAY_US, 2 * DAY_US], dtype=np.int64)
    assert metrics.daily_equity(time, np.array([10.0, 11.0, 12.0])).tolist() == [10, 11, 12]


def test_daily_returns_make_up_the_whole_and_stop_at_ruin():
    """10, 20, 5, 0, 0 is +100 %, −75 %, −100 %; nothing can be gained from nothing."""
    assert metrics.daily_returns(np.array([10.0, 20.0, 5.0, 0.0, 0.0])).tolist() == [1, -0.75, -1]


def test_cagr_is_undefined_for_less_than_a_day_ruin_and_beyond_float64():
    """Growth of a minute says nothing of a year, nothing left has no root, and e^2522 is no number."""
    day = timedelta(days=1)
    assert metrics.cagr(100, 110, span=day - timedelta(microseconds=1)) is None
    assert metrics.cagr(100, 0, span=10 * day) is None
    assert metrics.cagr(100, 100_000, span=day) is None
    assert metrics.cagr(100, 121, span=metrics.CALENDAR_YEAR * 2) == pytest.approx(0.1)


def test_max_drawdown_days_counts_from_the_peak_to_its_recovery():
    """Peak 10 on day 1 is reached again on day 4 (3 days), peak 12 on day 5 is not by day 7 (2 days)."""
    time = np.arange(8, dtype=np.int64) * DAY_US
    equity = np.array([9.0, 10.0, 8.0, 9.0, 10.0, 12.0, 11.0, 11.0])
    assert metrics.max_drawdown_days(time, equity) == 3
    assert metrics.max_drawdown(equity) == pytest.approx(0.2)


def test_max_drawdown_days_counts_to_the_end_without_recovery():
    """Under water from day 1 to the last day, 3."""
    time = np.arange(4, dtype=np.int64) * DAY_US
    assert metrics.max_drawdown_days(time, np.array([9.0, 10.0, 8.0, 9.0])) == 2


def test_max_drawdown_days_is_0_for_a_curve_that_never_falls():
    """Standing at the peak is not being under water."""
    time = np.arange(4, dtype=np.int64) * DAY_US
    assert metrics.max_drawdown_days(time, np.array([9.0, 10.0, 10.0, 11.0])) == 0


def test_figures_of_trades_by_hand():
    """Gains 30 and 10, losses 20 and a trade of 0: half gained, factor 40/20, mean 20/4."""
    pnl = np.array([30.0, -20.0, 10.0, 0.0])
    assert metrics.win_rate(pnl) == 0.5
    assert metrics.profit_factor(pnl) == 2
    assert metrics.expectancy(pnl) == 5
    assert metrics.avg_trade_return(np.array([0.3, -0.1])) == pytest.approx(0.1)


def test_figures_of_trades_are_undefined_without_any():
    """No trade is no rate of 0; a factor needs a loss."""
    none = np.array([])
    assert metrics.win_rate(none) is None
    assert metrics.expectancy(none) is None
    assert metrics.avg_trade_return(none) is None
    assert metrics.profit_factor(none) is None
    assert metrics.profit_factor(np.array([5.0])) is None


def test_buy_and_hold_return_needs_minutes():
    """100 to 110 is a tenth; no minutes is no return."""
    assert metrics.buy_and_hold_return(100, 110) == pytest.approx(0.1)
    assert metrics.buy_and_hold_return(None, None) is None


def test_results_put_the_figures_together():
    """Two days, 100 to 120 over 90: a trade of 12 hours lost 10, another of 12 hours gained 30."""
    hours = [0, 12, 24, 36]
    at = [START + timedelta(hours=hour) for hour in hours]
    trades = pl.DataFrame(
        {
            "entry_time": [at[0], at[2]],
            "exit_time": [at[1], at[3]],
            "pnl": [-10.0, 30.0],
            "fees": [1.0, 2.0],
            "return": [-0.1, 0.3],
            "exit_reason": ["liquidation", "signal"],
            "funding": [2.0, -5.0],
            "missing_minutes": [0, 7],
        }
    )
    fills = pl.DataFrame(
        {"price": [10.0, 10.0], "quantity": [5.0, -5.0], "fee": [1.0, 2.0], "reason": ["signal", "end"]}
        | {"slippage": [0.5, 0.25]}
    )
    times = [at[2], START + timedelta(days=2)]
    equity = pl.DataFrame({"time": times, "equity": [90.0, 120.0], "exposure": [-1.0, 0.5]})
    found = metrics.results(equity, trades, fills, capital=100, facts=FACTS)
    assert found.n_trades == 2
    assert found.n_liquidations == 1
    assert found.total_pnl == 20
    assert found.fees_paid == 3
    assert found.slippage_paid == 0.75
    assert found.exposure_time == 0.5
    assert found.max_drawdown == pytest.approx(0.1)
    assert found.max_drawdown_days == 2
    assert found.total_return == pytest.approx(0.2)
    assert found.final_equity == 120
    assert found.buy_and_hold_return == 1
    assert found.n_candles == 7
    assert (found.start_time, found.end_time) == (START, START + timedelta(days=2))
    assert found.funding_paid == -3
    assert (found.n_trades_across_gaps, found.n_missing_minutes, found.funding_missing_hours) == (1, 9, 3)
    assert (found.avg_exposure, found.n_unfilled) == (0.75, 2)
    # 100 of notional on a curve of 100, 90 and 120; a unit costs 80 daily and ends at 100.
    assert found.turnover == pytest.approx(100 / (310 / 3))
    assert found.dca_return == 0.25
    assert found.accumulated is None
    # Daily returns −0.1 and +1/3: mean 7/60, sample deviation 13/(30·√2), downside √(0.01/2).
    assert found.sharpe == pytest.approx(7 / 60 / (13 / 30 / 2**0.5) * 365**0.5)
    assert found.sortino == pytest.approx(7 / 60 / 0.005**0.5 * 365**0.5)
    assert found.cagr == pytest.approx(1.2 ** (365.25 / 2) - 1)
    assert found.calmar == pytest.approx(found.cagr / 0.1)


def test_turnover_needs_equity():
    """Nothing is turned over where nothing was."""
    fills = pl.DataFrame({"price": [10.0], "quantity": [-3.0]})
    assert metrics.turnover(fills, np.array([15.0])) == 2
    assert metrics.turnover(fills, np.array([0.0])) == 0


def test_accumulation_leaves_the_last_close_out():
    """3 units for 30 and a fee of 3, one sold for 20 less 1: 2 are held, 14 went in; a unit cost 11, daily 7 buys 2."""
    fills = pl.DataFrame(
        {
            "price": [10.0, 20.0, 5.0],
            "quantity": [3.0, -1.0, -2.0],
            "fee": [3.0, 1.0, 1.0],
            "reason": ["signal", "signal", "end"],
        }
    )
    assert metrics.accumulation(fills, 7.0) == pytest.approx((2, 11, 2))
    assert metrics.accumulation(fills, None) == (2, 11, None)
    assert metrics.accumulation(fills[:0], 7.0) == (0, None, None)
