"""The arithmetic of one simulated account: fills, fees, slippage, isolated margin. One call a fill, no frames.

When something fills is decided in ``btc_core.simulator.simulate``.
"""

from btc_core.model.backtest import BPS, BacktestConfig, ExitReason, Side
from btc_core.simulator.liquidation import bankruptcy_price, liquidation_price

# (time, price, signed quantity, fee, reason)
Fill = tuple[int, float, float, float, str]
# The fields of btc_core.model.backtest.Trade in their order, times in microseconds since 1970.
TradeRow = tuple[int, str, int, float, int, float, float, float, float, float, str]
# (time, cash, signed quantity) after what happened at that time; equity at a price = cash + quantity · price
Step = tuple[int, float, float]


class Account:
    """Money and position; times are microseconds since 1970, prices and money quote currency.

    A position's notional is ``exposure · leverage · (equity − fee)``, valued at the price of its fill, so that margin
    (``notional / leverage``) and fee never exceed the equity. The rest of the equity is ``free``: a liquidation does
    not touch it. Every fill sets margin and entry anew, as on an exchange where unrealised profit can be moved.

    Attributes:
        cash: Quote currency after all fills; equity at a price is ``cash + quantity · price``.
        side: 1 long, −1 short, 0 flat.
        size: Base units held, at least 0.
        fills, trades, steps: What happened, ascending.
    """

    def __init__(self, config: BacktestConfig) -> None:
        self._leverage = config.leverage
        self._taker = config.taker_bps / BPS
        self._slippage = config.slippage_bps / BPS
        self._maintenance = config.maintenance_bps / BPS
        self.cash = config.capital
        self.side = 0
        self.size = 0.0
        self.fills: list[Fill] = []
        self.trades: list[TradeRow] = []
        self.steps: list[Step] = []
        self._free = config.capital
        self._entry_price = 0.0
        self._start_trade(0)

    @property
    def liquidation_price(self) -> float:
        """The price that liquidates the present position."""
        return liquidation_price(
            self._entry_price, side=self.side, leverage=self._leverage, maintenance=self._maintenance
        )

    def move(self, time: int, price: float, *, exposure: float, reason: ExitReason = ExitReason.SIGNAL) -> None:
        """Bring the position to an exposure at a market price.

        A reversal is a close and an open. A position that the price has already liquidated is not saved by the
        fill: it is taken first, and the new exposure is opened with what is left.

        Args:
            time: When.
            price: What the market asks, before slippage.
            exposure: Wanted position ÷ equity before leverage, in [−1, 1].
            reason: What a trade that ends here notes.
        """
        if self.side and self._is_lost(price):
            self.liquidate(time)
        wanted = (exposure > 0) - (exposure < 0)
        if self.side not in (0, wanted):
            self._resize(time, price, exposure=0.0, reason=reason)
        if wanted:
            if self.side == 0:
                self.side = wanted
                self._start_trade(time)
            self._resize(time, price, exposure=abs(exposure), reason=reason)
            if self.size == 0:
                self.side = 0

    def liquidate(self, time: int) -> None:
        """Lose the position with its whole margin; no fee beyond that."""
        price = bankruptcy_price(self._entry_price, side=self.side, leverage=self._leverage)
        self._book(time, price, -self.size, fee=0.0, reason=ExitReason.LIQUIDATION)
        # The same sum without its rounding: nothing is left of an account that had staked everything.
        self.cash = self._free
        self._end_trade(time, ExitReason.LIQUIDATION)

    def _is_lost(self, price: float) -> bool:
        """Return whether the position is liquidated at a price, or worth less than what closing it costs."""
        if self.side * price <= self.side * self.liquidation_price:
            return True
        exit_price = price * (1 - self.side * self._slippage)
        return self.cash + self.side * self.size * exit_price - self._taker * self.size * exit_price < self._free

    def _resize(self, time: int, price: float, *, exposure: float, reason: ExitReason) -> None:
        """Buy or sell until the notional is ``exposure · leverage · (equity − fee)``, all at the price of the fill.

        The fee is of what is bought or sold. Solved for the size once as an enlargement and once as a reduction;
        where neither is one, the costs outweigh the change and nothing fills.
        """
        leveraged = exposure * self._leverage
        worse = price * (1 + self.side * self._slippage)
        equity = self.cash + self.side * self.size * worse
        size = leveraged * (equity + self._taker * self.size * worse) / (worse * (1 + leveraged * self._taker))
        if size > self.size:
            self._fill(time, worse, size, exposure=exposure, reason=reason)
            return
        worse = price * (1 - self.side * self._slippage)
        equity = self.cash + self.side * self.size * worse
        size = leveraged * (equity - self._taker * self.size * worse) / (worse * (1 - leveraged * self._taker))
        if max(size, 0.0) < self.size:
            self._fill(time, worse, max(size, 0.0), exposure=exposure, reason=reason)

    def _fill(self, time: int, price: float, size: float, *, exposure: float, reason: ExitReason) -> None:
        delta = size - self.size
        self._book(time, price, delta, fee=self._taker * abs(delta) * price, reason=reason)
        self._entry_price = price
        self._free = (1 - exposure) * (self.cash + self.side * size * price)
        if size == 0:
            self._end_trade(time, reason)
        else:
            self.steps.append((time, self.cash, self.side * size))

    def _book(self, time: int, price: float, delta: float, *, fee: float, reason: ExitReason) -> None:
        """Take a change of size into cash, fills and the running trade."""
        self.cash -= self.side * delta * price + fee
        self.size += delta
        self._fees += fee
        if delta > 0:
            self._bought += delta
            self._entry_notional += delta * price
        else:
            self._exit_notional -= delta * price
        self.fills.append((time, price, self.side * delta, fee, reason.value))

    def _start_trade(self, time: int) -> None:
        self._entry_time = time
        self._bought = self._entry_notional = self._exit_notional = self._fees = 0.0

    def _end_trade(self, time: int, reason: ExitReason) -> None:
        pnl = self.side * (self._exit_notional - self._entry_notional) - self._fees
        side = Side.LONG if self.side > 0 else Side.SHORT
        self.trades.append(
            (
                len(self.trades),
                side.value,
                self._entry_time,
                self._entry_notional / self._bought,
                time,
                self._exit_notional / self._bought,
                self._bought,
                pnl,
                self._fees,
                pnl / self._entry_notional,
                reason.value,
            )
        )
        self.side, self.size = 0, 0.0
        self.steps.append((time, self.cash, 0.0))
