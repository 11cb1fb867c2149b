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
    """A message or a row that cannot be used.

    Attributes:
        reason: Why.
        text: How it begins, fit to be stored.
        coin: The exchange's name of the instrument, where it can be read.
        time: The open of the candle, UTC, where it can be read.
    """

    reason: str
    text: str
    coin: str | None = None
    time: datetime | None = None


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


class Pong(msgspec.Struct, frozen=True):
    """The answer to our ping: the exchange's logic lives, not its socket alone."""


class Ignored(msgspec.Struct, frozen=True):
    """A message that says nothing about candles (a greeting, a channel that we do not know)."""

    channel: str


Message = Updates | Ack | Refusal | Pong | Ignored | Malformed


class Markets(msgspec.Struct, frozen=True):
    """What can be collected.

    Attributes:
        coins: The coin by the name that we give it.
        delisted: Coins that no longer trade.
        ambiguous: The coins that a name could mean, where there is more than one and none stands out.
    """

    coins: Mapping[str, str]
    delisted: frozenset[str] = frozenset()
    ambiguous: Mapping[str, tuple[str, ...]] = {}


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
    def status_request(self) -> bytes:
        """The body of the request whose answer tells the exchange's time."""
        ...

    def subscribe_text(self, coin: str) -> str:
        """Return the message that subscribes to the 1m candles of a coin."""
        ...

    def unsubscribe_text(self, coin: str) -> str:
        """Return the message that ends a subscription."""
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

    def parse_history(self, body: bytes) -> list[Update | Malformed]:
        """Return all candles of an answer as they came: in any order, also outside of what was asked, open or closed.

        Raises:
            ExchangeError: If the answer is no list of candles.
        """
        ...

    def parse_status(self, body: bytes) -> datetime:
        """Return the exchange's time that the answer to ``status_request`` tells.

        Raises:
            ExchangeError: If the answer has another shape.
        """
        ...

    def market_requests(self, symbols: Mapping[str, str | None], answers: Sequence[bytes] = ()) -> tuple[bytes, ...]:
        """Return the bodies of the requests that are still to be made before the markets of the symbols are known.

        Args:
            symbols: Our names, each with the coin that the configuration states, or None.
            answers: The answers so far, in the order of the requests. Ask again with them until nothing is left.

        Raises:
            ExchangeError: If an answer has another shape.
        """
        ...

    def parse_markets(self, bodies: Sequence[bytes]) -> Markets:
        """Return the markets that the answers to ``market_requests`` describe.

        Raises:
            ExchangeError: If an answer has another shape.
        """
        ...

    def hint(self, symbol: str) -> str | None:
        """Return a sentence for who looks for a well-known name that this exchange does not have, or None."""
        ...

    def request_weight(self, *, n_rows: int) -> int:
        """Return what a request costs of the exchange's limit when its answer has that many rows."""
        ...
