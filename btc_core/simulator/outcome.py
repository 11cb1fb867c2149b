"""The figures by which a sweep compares trials: of the log alone, without a curve and without frames of trades.

They are those of ``btc_core.metrics.results`` to the last bit; a test holds the two together.
"""

import msgspec
import numpy as np

from btc_core import metrics
from btc_core.model.backtest import BacktestConfig, ExitReason
from btc_core.simulator.layout import REASONS, Floats
from btc_core.simulator.market import Market
from btc_core.simulator.rounds import rounds_of
from btc_core.simulator.simulate import Played, play

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


def outcome_of(market: Market, exposure: Floats, config: BacktestConfig) -> Outcome:
    """Return what following a wanted exposure through a market earns; the arguments are those of ``simulate.play``."""
    return _outcome(play(market, exposure, config), market, config)[0]


def returns_of(market: Market, exposure: Floats, config: BacktestConfig) -> Floats:
    """Return what that earns on each day, as ``btc_core.metrics.daily_returns`` defines it."""
    return _outcome(play(market, exposure, config), market, config)[1]


def _outcome(played: Played, market: Market, config: BacktestConfig) -> tuple[Outcome, Floats]:
    from btc_core.simulator import tally

    log, time, final_equity, _n_unfilled = played
    daily = np.empty(len(market.midnights))
    fall = tally.add_days(daily, market.midnights, log, time, *market.marks, float(config.capital), final_equity)
    returns, rounds = metrics.daily_returns(daily), rounds_of(log)
    held_us = int((time[rounds.last] - time[rounds.first]).sum())
    outcome = Outcome(
        total_return=metrics.total_return(config.capital, final_equity),
        sharpe=metrics.sharpe(returns),
        sortino=metrics.sortino(returns),
        max_drawdown=fall,
        n_trades=len(rounds.pnl),
        win_rate=metrics.win_rate(rounds.pnl),
        profit_factor=metrics.profit_factor(rounds.pnl),
        exposure_time=metrics.share_of_time(held_us, market.range_),
        final_equity=final_equity,
        n_liquidations=int(np.count_nonzero(log["reason"][rounds.last] == _LIQUIDATION)),
    )
    return outcome, returns
