"""The figures by which a sweep compares many courses: of the log and the curve alone, without frames of trades.

They are those of ``btc_core.metrics.results`` to the last bit; a test holds the two together.
"""

import msgspec
import numpy as np

from btc_core import metrics
from btc_core.model.backtest import BacktestConfig, ExitReason
from btc_core.simulator.layout import REASONS, Floats
from btc_core.simulator.market import Market
from btc_core.simulator.rounds import rounds_of
from btc_core.simulator.simulate import Course

_LIQUIDATION = REASONS.index(ExitReason.LIQUIDATION)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a course earned: fractions and quote currency, named and defined as in ``BacktestResults``."""

    total_return: float
    sharpe: float | None
    sortino: float | None
    max_drawdown: float
    n_trades: int
    win_rate: float | None
    profit_factor: float | None
    exposure_time: float
    final_equity: float
    n_liquidations: int


def outcome_of(course: Course, market: Market, config: BacktestConfig) -> Outcome:
    """Return the figures of a course.

    Args:
        course: From ``follow``.
        market: What it went through.
        config: What it was followed with.
    """
    from btc_core.simulator import kernel

    worth = np.concatenate(([config.capital], course.equity))
    returns = metrics.daily_returns(worth[market.midnights])
    rounds, minute = rounds_of(course.log), course.log["minute"]
    held = market.instants(minute[rounds.last]) - market.instants(minute[rounds.first])
    return Outcome(
        total_return=metrics.total_return(config.capital, float(worth[-1])),
        sharpe=metrics.sharpe(returns),
        sortino=metrics.sortino(returns),
        max_drawdown=kernel.deepest_fall(worth),
        n_trades=len(rounds.pnl),
        win_rate=metrics.win_rate(rounds.pnl),
        profit_factor=metrics.profit_factor(rounds.pnl),
        exposure_time=metrics.share_of_time(int(held.sum()), market.range_),
        final_equity=float(worth[-1]),
        n_liquidations=int(np.count_nonzero(course.log["reason"][rounds.last] == _LIQUIDATION)),
    )


def returns_of(course: Course, market: Market, config: BacktestConfig) -> Floats:
    """Return what a course earned on each day, as ``btc_core.metrics.daily_returns`` defines it."""
    worth = np.concatenate(([config.capital], course.equity))
    return metrics.daily_returns(worth[market.midnights])
