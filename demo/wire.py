"""What goes over the wire: coins, candle rows and candle frames. No socket and no clock here."""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

import msgspec

MINUTE_MS = 60_000


class Coin(NamedTuple):
    """An instrument as the exchange names it.

    Attributes:
        name: What a client subscribes to (``BTC``, ``@142``).
        size_decimals: Decimals of a volume, the exchange's ``szDecimals``.
        max_leverage: As ``meta`` states it.
    """

    name: str
    size_decimals: int = 5
    max_leverage: int = 40

    @property
    def is_spot(self) -> bool:
        """Whether it is a spot pair: those are named ``@<index>``, or with a slash."""
        return self.name.startswith("@") or "/" in self.name


class Ohlcv(NamedTuple):
    """The values of one candle: prices in quote currency, volume in base units."""

    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A candle as the exchange writes it: prices and volume are texts, nothing says whether it is closed."""

    open_ms: int = msgspec.field(name="t")
    last_ms: int = msgspec.field(name="T")
    coin: str = msgspec.field(name="s")
    interval: str = msgspec.field(name="i")
    open: str = msgspec.field(name="o")
    close: str = msgspec.field(name="c")
    high: str = msgspec.field(name="h")
    low: str = msgspec.field(name="l")
    volume: str = msgspec.field(name="v")
    trades: int = msgspec.field(name="n")

    @property
    def rank(self) -> tuple[int, float]:
        """What grows while a candle forms; of two versions of a minute the higher rank is the later one."""
        return self.trades, float(self.volume)


class Frame(msgspec.Struct, frozen=True):
    """One update of a 1m candle: the whole candle so far.

    Attributes:
        due_ms: When the exchange sends it, milliseconds since 1970.
        row: What it says.
        recorded: The recorded text, where the frame comes from a recording; it is sent as it was.
    """

    due_ms: int
    row: Row
    recorded: str | None = None

    @property
    def minute(self) -> int:
        """The number of its minute since 1970."""
        return self.row.open_ms // MINUTE_MS

    def text(self) -> str:
        """Return the frame as it is sent."""
        return self.recorded or _encoder.encode({"channel": "candle", "data": self.row}).decode()


_encoder = msgspec.json.Encoder()


def minute_row(coin: str, minute: int, values: Ohlcv) -> Row:
    """Return the 1m row with these values."""
    return Row(
        open_ms=minute * MINUTE_MS,
        last_ms=(minute + 1) * MINUTE_MS - 1,
        coin=coin,
        interval="1m",
        open=decimal_text(values.open),
        close=decimal_text(values.close),
        high=decimal_text(values.high),
        low=decimal_text(values.low),
        volume=decimal_text(values.volume),
        trades=values.trades,
    )


def best_frame(frames: Iterable[Frame]) -> Frame | None:
    """Return the frame with the highest (trades, volume), or None of none: the last one need not be the newest."""
    return max(frames, key=lambda frame: frame.row.rank, default=None)


def decimal_text(value: float) -> str:
    """Return the shortest decimal text that reads back as exactly this number, with at least one decimal.

    The exchange writes no exponents: 0.00001 is ``0.00001``.
    """
    text = repr(value)
    return f"{Decimal(text):f}" if "e" in text else text


def n_decimals(*values: float) -> int:
    """Return how many decimals the numbers need at most: the grid they lie on."""
    return max(len(decimal_text(value).partition(".")[2].rstrip("0")) for value in values)
