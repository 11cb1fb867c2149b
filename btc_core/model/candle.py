"""One 1m candle, as it goes from the exchange or a file into the table."""

import math
from datetime import datetime
from enum import StrEnum

import msgspec

from btc_core.model.timerange import floor_minute

# Prices are counted in ticks (`btc_core.ticks`) of 1e-8, the finest price step of the exchanges in use. Below 2**25
# (3.3e7) a float and its product with 1e8 are both off by less than a quarter of a tick, so that rounding leads back.
TICKS_PER_UNIT = 100_000_000
PRICE_LIMIT = 2**25
# The nearest tick is another price where it is further off than a millionth of it; a float32's own noise is less.
MOST_OFF = 1e-6
# A minute of more than this is a fault: the largest supply of a coin is 4.2e17, the busiest minute on record has some
# 1e5 trades. Sums of volumes over any interval stay numbers.
MOST_VOLUME = 1e18
MOST_TRADES = 1_000_000

TOO_HIGH = f"a price is {PRICE_LIMIT:,} or more"
TOO_FINE = f"a price is finer than {1 / TICKS_PER_UNIT:.8f}, the smallest step that is counted"
TOO_MUCH = f"the volume is more than {MOST_VOLUME:g}"
TOO_MANY = f"the number of trades is more than {MOST_TRADES:,}"


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
    """Return why the candle cannot be taken, or None.

    A candle is refused for what contradicts itself (high below low, a price that is no positive number) and for what
    cannot be counted, never for being unusual: a minute of −5.8 % is real.
    """
    fault = _price_fault(candle) or _amount_fault(candle)
    if fault is None and candle.time != floor_minute(candle.time):
        return "the time is not the start of a minute"
    return fault


def _price_fault(candle: Candle) -> str | None:
    prices = (candle.open, candle.high, candle.low, candle.close)
    if not all(math.isfinite(price) and price > 0 for price in prices):
        return "a price is not a positive finite number"
    if max(prices) >= PRICE_LIMIT:
        return TOO_HIGH
    if not all(_is_whole(price * TICKS_PER_UNIT) for price in prices):
        return TOO_FINE
    if not candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high:
        return "open, high, low and close contradict each other"
    return None


def _is_whole(ticks: float) -> bool:
    return abs(ticks - round(ticks)) <= ticks * MOST_OFF


def _amount_fault(candle: Candle) -> str | None:
    if not (math.isfinite(candle.volume) and candle.volume >= 0):
        return "the volume is not a finite number of at least 0"
    if candle.volume > MOST_VOLUME:
        return TOO_MUCH
    if candle.trades is None:
        return None
    if candle.trades > MOST_TRADES:
        return TOO_MANY
    if candle.trades < 0 or (candle.trades == 0) != (candle.volume == 0):
        return "volume and number of trades contradict each other"
    return None
