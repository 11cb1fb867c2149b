"""What a backtest is asked (``BacktestConfig``) and what it answers (``BacktestResults``, ``Trade``).

Values only: the arithmetic is in ``btc_core.simulator`` and ``btc_core.metrics``.
"""

import math
from datetime import datetime
from enum import StrEnum

import msgspec

from btc_core.errors import InputError

# The most the exchange gives on BTC (https://hyperliquid.gitbook.io/hyperliquid-docs/trading/margining).
MAX_LEVERAGE = 40
BPS = 10_000
_COSTS = ("taker_bps", "maker_bps", "slippage_bps", "maintenance_bps")


class Side(StrEnum):
    """Which way a trade was held."""

    LONG = "long"
    SHORT = "short"


class ExitReason(StrEnum):
    """Why a trade ended: the strategy said so, the exchange took it, or the range was over."""

    SIGNAL = "signal"
    LIQUIDATION = "liquidation"
    END = "end"


class BacktestConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Capital and costs of a backtest; one with impossible values cannot be made.

    Attributes:
        capital: Equity at the start, quote currency.
        leverage: Position ÷ equity at an exposure of 1.
        taker_bps: Fee of every fill, of its notional.
        maker_bps: Fee of resting orders; nothing rests in the simulator yet.
        slippage_bps: How much worse than the market a fill is.
        maintenance_bps: Maintenance margin, of the position's notional.

    Raises:
        InputError: If a value is not finite or impossible, or margin and costs leave no room for a position.
    """

    capital: float = 10_000
    leverage: float = 1
    taker_bps: float = 4.5
    maker_bps: float = 1.5
    slippage_bps: float = 0
    maintenance_bps: float = 125

    def __post_init__(self) -> None:
        if not (math.isfinite(self.capital) and self.capital > 0):
            raise InputError(f"capital: expected a number above 0, found {self.capital}.")
        if not 0 < self.leverage <= MAX_LEVERAGE:
            raise InputError(f"leverage: expected a number above 0 and at most {MAX_LEVERAGE}, found {self.leverage}.")
        for name in _COSTS:
            found: float = getattr(self, name)
            if not 0 <= found < BPS:
                raise InputError(f"{name}: expected at least 0 and less than {BPS} basis points, found {found}.")
        self._refuse_lost_entries()

    def _refuse_lost_entries(self) -> None:
        """Refuse costs that would have a position liquidated by its own entry."""
        initial_bps = BPS / self.leverage
        needed_bps = self.taker_bps + self.slippage_bps + self.maintenance_bps
        if needed_bps >= initial_bps:
            raise InputError(
                f"leverage {self.leverage:g} leaves an initial margin of {initial_bps:g} basis points: expected more "
                f"than taker_bps + slippage_bps + maintenance_bps, found {needed_bps:g}."
            )


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A position from flat to flat, as ``backtest_trades`` keeps it.

    Attributes:
        seq: Its number in the backtest, from 0.
        side: Which way it was held.
        entry_time, entry_price: First fill; mean price of all fills that opened or enlarged it.
        exit_time, exit_price: Last fill; mean price of all fills that reduced or closed it. A liquidation has the
            open of its minute and the price at which the margin is used up.
        quantity: Base units opened in total, above 0.
        pnl: Quote currency, net of fees.
        fees: Quote currency.
        return_: ``pnl`` ÷ (``quantity`` · ``entry_price``); called ``return`` outside of Python.
        exit_reason: Why it ended.
    """

    seq: int
    side: Side
    entry_time: datetime
    entry_price: float
    exit_time: datetime
    exit_price: float
    quantity: float
    pnl: float
    fees: float
    return_: float = msgspec.field(name="return")
    exit_reason: ExitReason


class BacktestResults(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a backtest: fractions and quote currency; None is undefined. Formulas: ``btc_core.metrics``."""

    n_trades: int
    win_rate: float | None
    total_pnl: float
    total_return: float
    cagr: float | None
    max_drawdown: float
    max_drawdown_days: float
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    profit_factor: float | None
    expectancy: float | None
    avg_trade_return: float | None
    exposure_time: float
    fees_paid: float
    funding_paid: float | None
    n_liquidations: int
    final_equity: float
    buy_and_hold_return: float | None
    start_time: datetime
    end_time: datetime
    n_candles: int
