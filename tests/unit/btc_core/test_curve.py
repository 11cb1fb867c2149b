"""An equity curve over time, by hand."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from btc_core import metrics
from btc_core.curve import DRAWDOWN_SCHEMA, drawdowns, monthly_returns, rolling_sharpe

DAY_US = 86_400_000_000


def day(n):
    """Return midnight of a day of January 2025."""
    return datetime(2025, 1, n, tzinfo=UTC)


def days(*numbers):
    """Return days since 2025-01-01 as microseconds since 1970."""
    start = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    return np.array([start + number * DAY_US for number in numbers], dtype=np.int64)


def test_drawdowns_are_from_peak_to_recovery_deepest_first():
    """10 falls to 8 and is back on day 4; 12 on day 5 falls to 6 and is not back by day 7."""
    equity = np.array([9.0, 10.0, 8.0, 9.0, 10.0, 12.0, 6.0, 9.0])
    found = drawdowns(days(*range(8)), equity)
    assert found.rows() == [
        (day(6), day(7), None, 0.5, 2.0),
        (day(2), day(3), day(5), pytest.approx(0.2), 3.0),
    ]
    assert drawdowns(days(*range(8)), equity, top=1).height == 1


def test_the_deepest_drawdown_is_the_figure_s():
    """The table and ``max_drawdown`` say the same, and so does the longest time under water."""
    rng = np.random.default_rng(3)
    equity, time = np.exp(np.cumsum(rng.normal(0, 0.02, 300))), days(*range(300))
    table = drawdowns(time, equity, top=300)
    assert table["depth"][0] == metrics.max_drawdown(equity)
    assert table["days"].max() == metrics.max_drawdown_days(time, equity)


def test_a_curve_that_never_falls_has_no_drawdown():
    """Standing still is not falling."""
    found = drawdowns(days(0, 1, 2), np.array([1.0, 1.0, 2.0]))
    assert found.schema == DRAWDOWN_SCHEMA
    assert found.is_empty()


def test_months_make_up_the_whole():
    """From 100 on 15 January: 110 at its end, nothing said in February, 99 in March, 198 on 2 April."""
    time = days(14, 30, 31 + 28 + 3, 90 + 1)
    found = monthly_returns(time, np.array([100.0, 110.0, 99.0, 198.0]))
    assert found["month"].to_list() == [date(2025, month, 1) for month in (1, 2, 3, 4)]
    assert found["return"].to_list() == pytest.approx([0.1, 0, -0.1, 1])
    assert np.prod(1 + found["return"].to_numpy()) == pytest.approx(1.98)


def test_the_midnight_that_ends_a_month_belongs_to_it():
    """A curve from midnight to midnight of one month is that month's alone, and after ruin nothing is earned."""
    found = monthly_returns(days(0, 31), np.array([100.0, 120.0]))
    assert found.rows() == [(date(2025, 1, 1), pytest.approx(0.2))]
    ruined = monthly_returns(days(0, 31, 40), np.array([100.0, 0.0, 0.0]))
    assert ruined["return"].to_list() == [-1, None]


def test_rolling_sharpe_is_sharpe_of_the_window():
    """Each value is the ratio of its own window; before the first there is none."""
    returns = np.random.default_rng(1).normal(0, 0.01, 30)
    found = rolling_sharpe(returns, window=10)
    assert found[:9] == [None] * 9
    for i in range(9, 30):
        assert found[i] == pytest.approx(metrics.sharpe(returns[i - 9 : i + 1]))


def test_rolling_sharpe_without_deviation_or_returns_is_none():
    """Equal returns have none; a window of one has none either and is refused."""
    assert rolling_sharpe(np.full(4, 0.01), window=3) == [None] * 4
    assert rolling_sharpe(np.array([0.1]), window=3) == [None]
    with pytest.raises(ValueError, match="at least 2"):
        rolling_sharpe(np.array([0.1]), window=1)
