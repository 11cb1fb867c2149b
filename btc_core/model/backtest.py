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
# Orders below it are refused (https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/error-responses).
MIN_NOTIONAL = 10
MAX_DELAY_MINUTES = 1_440
MAX_SZ_DECIMALS = 8
BPS = 10_000
_COSTS = ("taker_bps", "maker_bps", "slippage_bps", "maintenance_bps")
_EXITS = ("stop_bps", "target_bps", "trailing_stop_bps")


class Side(StrEnum):
    """Which way a trade was held."""

    LONG = "long"
    SHORT = "short"


class ExitReason(StrEnum):
    """Why a trade ended.

    The strategy said so, the exchange took it, the range was over, or the price reached its stop or its target.
    """

    SIGNAL = "signal"
    LIQUIDATION = "liquidation"
    END = "end"
    STOP = "stop"
    TARGET = "target"


class Mode(StrEnum):
    """What is traded: the perpetual, either way and with leverage, or the coin itself, long only and paid in full."""

    PERP = "perp"
    SPOT = "spot"


class BacktestConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Capital, costs and rules of a backtest; one with impossible values cannot be made.

    Attributes:
        capital: Equity at the start, quote currency.
        leverage: Position ÷ equity at an exposure of 1.
        taker_bps: Fee of every fill at the market, of its notional.
        maker_bps: Fee of an order that rested: a target. All else is a market order.
        slippage_bps: How much worse than the market a market order fills, of its price.
        slippage_range: The same as a share of the high-low range of the fill's minute; both are added.
        maintenance_bps: Maintenance margin, of the position's notional; None: half of the initial margin at the coin's
            most leverage, the exchange's rule (https://hyperliquid.gitbook.io/hyperliquid-docs/trading/margining).
        mode: The perpetual or the coin.
        max_leverage: The most the exchange gives on this coin; None: what it is known to say, else ``MAX_LEVERAGE``.
        delay_minutes: How long after a decision its order reaches the market, at least 0.
        min_notional: Smaller orders are not sent, quote currency; closing a position is always possible.
        sz_decimals: Decimals of an order's size, rounded towards less (the exchange's ``szDecimals``); None: what it is
            known to say (``btc_store.instruments``), else any size.
        stop_bps: Loss at which a position is closed, of its entry price; None: no stop.
        target_bps: Gain at which a position is closed, of its entry price; None: no target.
        trailing_stop_bps: Fall below the best price since the entry at which it is closed; None: no such stop.

    Raises:
        InputError: If a value is not finite or impossible, or margin and costs leave no room for a position.
    """

    capital: float = 10_000
    leverage: float = 1
    taker_bps: float = 4.5
    maker_bps: float = 1.5
    slippage_bps: float = 0
    slippage_range: float = 0
    maintenance_bps: float | None = None
    mode: Mode = Mode.PERP
    max_leverage: float | None = None
    delay_minutes: int = 0
    min_notional: float = MIN_NOTIONAL
    sz_decimals: int | None = None
    stop_bps: float | None = None
    target_bps: float | None = None
    trailing_stop_bps: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.capital) and self.capital > 0):
            raise InputError(f"capital: expected a number above 0, found {self.capital}.")
        for name in _COSTS:
            found: float | None = getattr(self, name)
            if found is not None and not 0 <= found < BPS:
                raise InputError(f"{name}: expected at least 0 and less than {BPS} basis points, found {found}.")
        if not 0 <= self.slippage_range <= 1:
            raise InputError(f"slippage_range: expected a share in [0, 1], found {self.slippage_range}.")
        if not (math.isfinite(self.min_notional) and self.min_notional >= 0):
            raise InputError(f"min_notional: expected a number of at least 0, found {self.min_notional}.")
        self._refuse_steps()
        self._refuse_exits()
        self._refuse_leverage()

    @property
    def most_leverage(self) -> float:
        """The most the exchange gives, as far as it is known."""
        return MAX_LEVERAGE if self.max_leverage is None else self.max_leverage

    @property
    def margin_bps(self) -> float:
        """The maintenance margin that counts, of the position's notional."""
        # Below one there is no margin to speak of.
        return BPS / (2 * max(self.most_leverage, 1)) if self.maintenance_bps is None else self.maintenance_bps

    def _refuse_steps(self) -> None:
        """Refuse a mode that does not exist and whole numbers out of range."""
        if self.mode not in tuple(Mode):
            raise InputError(f"mode: expected {' or '.join(Mode)}, found {self.mode!r}.")
        # Plain text from a command line is as good.
        msgspec.structs.force_setattr(self, "mode", Mode(self.mode))
        if not 0 <= self.delay_minutes <= MAX_DELAY_MINUTES:
            raise InputError(
                f"delay_minutes: expected from 0 to {MAX_DELAY_MINUTES} minutes, found {self.delay_minutes}."
            )
        if self.sz_decimals is not None and not 0 <= self.sz_decimals <= MAX_SZ_DECIMALS:
            raise InputError(f"sz_decimals: expected from 0 to {MAX_SZ_DECIMALS} decimals, found {self.sz_decimals}.")

    def _refuse_exits(self) -> None:
        """Refuse stops that no price reaches, and exits where the entry is; a gain has no bound."""
        for name in _EXITS:
            found: float | None = getattr(self, name)
            if found is None:
                continue
            limit = math.inf if name == "target_bps" else BPS
            if not 0 < found < limit:
                raise InputError(f"{name}: expected above 0 and less than {limit:g} basis points, found {found}.")

    def _refuse_leverage(self) -> None:
        """Refuse more leverage than the exchange gives, and what would be liquidated by its own entry."""
        most = self.most_leverage
        if not (math.isfinite(most) and most > 0):
            raise InputError(f"max_leverage: expected a number above 0, found {most}.")
        if not 0 < self.leverage <= most:
            is_known = self.max_leverage is not None
            why = "the exchange's maximum for this coin" if is_known else "assumed while this coin's is not stored"
            raise InputError(
                f"leverage: expected a number above 0 and at most {most:g}, which is {why}; found {self.leverage:g}."
            )
        if self.mode is Mode.SPOT:
            if self.leverage != 1:
                raise InputError(f"leverage: expected 1 in spot mode, which pays in full, found {self.leverage:g}.")
            return
        initial_bps = BPS / self.leverage
        needed_bps = self.taker_bps + self.slippage_bps + self.margin_bps
        if needed_bps >= initial_bps:
            raise InputError(
                f"leverage {self.leverage:g} leaves an initial margin of {initial_bps:g} basis points: expected more "
                f"than taker_bps + slippage_bps + maintenance margin, found {needed_bps:g}."
            )


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A position from flat to flat; ``backtest_trades`` keeps the fields up to ``exit_reason``.

    Attributes:
        seq: Its number in the backtest, from 0.
        side: Which way it was held.
        entry_time, entry_price: First fill; mean price of all fills that opened or enlarged it.
        exit_time, exit_price: Last fill; mean price of all fills that reduced or closed it. A liquidation, a stop and
            a target have the open of their minute and the price at which they fill (a liquidation: the one at which
            the margin is used up).
        quantity: Base units opened in total, above 0.
        pnl: Quote currency, net of fees and funding.
        fees: Quote currency.
        return_: ``pnl`` ÷ (``quantity`` · ``entry_price``); called ``return`` outside of Python.
        exit_reason: Why it ended.
        funding: Paid while it was held, quote currency; negative is received.
        mae: Maximum adverse excursion: how far the price went against the entry price, as a fraction of it, at least 0.
        mfe: Maximum favourable excursion, likewise.
        missing_minutes: How many minutes between entry and exit have no candle; above 0 is a trade across a gap.
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
    funding: float
    mae: float
    mfe: float
    missing_minutes: int


class BacktestResults(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a backtest: fractions and quote currency; None is undefined. Formulas: ``btc_core.metrics``.

    Attributes:
        slippage_paid: What fills lost to the market's own prices; it is in the prices, and so in ``total_pnl``.
        funding_paid: None where no rate is known; what is unknown beside known rates counts as 0.
        funding_missing_hours: Hours of the range whose rate is unknown, of a perpetual.
        n_missing_minutes: Minutes of the range that have no candle.
        n_trades_across_gaps: Trades that were held while minutes were missing.
        n_unfilled: Orders that were not sent because they are too small.
        avg_exposure: Mean of |position ÷ equity| over the curve.
        turnover: Notional of all fills ÷ mean equity.
        dca_return: What buying for equal money every day would have earned, on the money spent.
        accumulated: Spot: base units held when the range ended, before the last position is closed.
        average_cost: Spot: what a unit cost, the money of all purchases with their fees ÷ units bought.
        dca_average_cost: The same of equal purchases every day.
        dca_accumulated: Spot: units that the same money would have bought by equal purchases every day.
    """

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
    slippage_paid: float
    funding_missing_hours: int
    n_missing_minutes: int
    n_trades_across_gaps: int
    n_unfilled: int
    avg_exposure: float
    turnover: float
    dca_return: float | None
    accumulated: float | None
    average_cost: float | None
    dca_average_cost: float | None
    dca_accumulated: float | None
