"""What the collector wants of an exchange, in our words. What one venue calls things is in ``exchanges/<name>.py``."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from btc_core.model.candle import Candle, State
from btc_core.model.timerange import TimeRange


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a 1m candle as the exchange sent it: the whole candle so far, open or closed.

    Attributes:
        coin: The exchange's name of the instrument.
        time: Its open, UTC.
        open, high, low, close: Prices in quote currency.
        volume: Base units.
        trades: Number of trades so far.
    """

    coin: str
    time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int

    def candle(self, symbol: str, *, source: str, state: State) -> Candle:
        """Return it as a candle of ours."""
        return Candle(
            time=self.time,
            symbol=symbol,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
            trades=self.trades,
            source=source,
            state=state,
        )


class Malformed(msgspec.Struct, frozen=True):
    """A message or a row that cannot be read: why, and how it begins."""

    reason: str
    text: str


class Updates(msgspec.Struct, frozen=True):
    """A message with candles."""

    items: tuple[Update | Malformed, ...]


class Ack(msgspec.Struct, frozen=True):
    """The exchange confirms the subscription to the 1m candles of a coin."""

    coin: str


class Refusal(msgspec.Struct, frozen=True):
    """The exchange could not use a message of ours; ``coin`` where the text says whose subscription it was."""

    coin: str | None
    text: str


class Ignored(msgspec.Struct, frozen=True):
    """A message that says nothing about candles (an answer to a ping, a greeting, a channel we do not know)."""

    channel: str


Message = Updates | Ack | Refusal | Ignored | Malformed


class Markets(msgspec.Struct, frozen=True):
    """What can be collected: the coin by the name that we give it, and the coins that no longer trade."""

    coins: Mapping[str, str]
    delisted: frozenset[str]


class Exchange(Protocol):
    """A venue: pure functions from bytes to values and back, and its numbers."""

    @property
    def history_depth(self) -> timedelta:
        """How far back closed 1m candles can be asked for."""
        ...

    @property
    def history_window(self) -> timedelta:
        """How much is asked for in one request at most."""
        ...

    @property
    def market_requests(self) -> tuple[bytes, ...]:
        """The bodies of the requests whose answers tell all markets."""
        ...

    def subscribe_text(self, coin: str) -> str:
        """Return the message that subscribes to the 1m candles of a coin."""
        ...

    def ping_text(self) -> str:
        """Return the message that the exchange answers at once."""
        ...

    def parse_message(self, text: str | bytes) -> Message:
        """Return what a message of the stream says. Never raises."""
        ...

    def history_request(self, coin: str, window: TimeRange) -> bytes:
        """Return the body of the request for the candles that open in a window."""
        ...

    def parse_history(self, body: bytes, window: TimeRange) -> list[Update | Malformed]:
        """Return the candles of an answer that open in the window, ascending. The last may still be open.

        Raises:
            ExchangeError: If the answer is no list of candles.
        """
        ...

    def parse_markets(self, bodies: Sequence[bytes]) -> Markets:
        """Return the markets that the answers to ``market_requests`` describe.

        Raises:
            ExchangeError: If an answer has another shape.
        """
        ...

    def request_weight(self, *, n_rows: int) -> int:
        """Return what a request costs of the exchange's limit when its answer has that many rows."""
        ...
