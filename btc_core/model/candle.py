"""One 1m candle, as it goes from the exchange or a file into the table."""

import math
from datetime import datetime
from enum import StrEnum

import msgspec

from btc_core.model.timerange import floor_minute


class State(StrEnum):
    """How sure a stored candle is: ``provisional`` came from the stream, ``confirmed`` was checked or imported."""

    PROVISIONAL = "provisional"
    CONFIRMED = "confirmed"


class Verdict(StrEnum):
    """What the exchange's history says of a minute that it was asked for, beside what is stored."""

    NEW = "new"  # nothing was stored
    SAME = "same"  # equal values; the stored candle is confirmed now
    LOST_TAIL = "lost_tail"  # more trades than stored: taken
    CONFLICT = "conflict"  # as many trades, other values: taken
    IMPORTED = "imported"  # another source was stored: taken
    FEWER = "fewer"  # fewer trades than stored: not taken, the stored candle is provisional
    UNANSWERED = "unanswered"  # stored as provisional, and the answer lacks it
    KEPT = "kept"  # stored as confirmed, and the answer lacks it


class Candle(msgspec.Struct, frozen=True, kw_only=True):
    """A closed 1m candle.

    Attributes:
        time: Its open, UTC; known at ``time`` + 1 minute.
        symbol: Our upper-case name of the instrument.
        open, high, low, close: Prices in quote currency.
        volume: Base units.
        trades: Number of trades, None where the source does not count them.
        source: ``ws``, ``rest`` or ``import:<name>``.
        state: See ``State``.
    """

    time: datetime
    symbol: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int | None
    source: str
    state: State


def candle_fault(candle: Candle) -> str | None:
    """Return why the candle cannot be true, or None.

    A candle is refused for what contradicts itself (high below low, a price that is no positive number), never for
    being unusual: a minute of −5.8 % is real.
    """
    prices = (candle.open, candle.high, candle.low, candle.close)
    if not all(math.isfinite(price) and price > 0 for price in prices):
        return "a price is not a positive finite number"
    if not candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high:
        return "open, high, low and close contradict each other"
    if not (math.isfinite(candle.volume) and candle.volume >= 0):
        return "the volume is not a finite number of at least 0"
    if candle.trades is not None and (candle.trades < 0 or (candle.trades == 0) != (candle.volume == 0)):
        return "volume and number of trades contradict each other"
    return None if candle.time == floor_minute(candle.time) else "the time is not the start of a minute"
