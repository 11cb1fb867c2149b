"""Where a symbol's past comes from: the exchange itself, or another one for what it no longer has. Plain part.

``symbols.<SYMBOL>.history`` in ``config.yaml`` says it, so that two sources are never mixed by accident.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from btc_core.errors import InputError
from btc_core.model.candle import Candle
from btc_core.model.timerange import MINUTE, TimeRange, floor_minute

EXCHANGE_ITSELF = "hyperliquid"
# "Only the most recent 5000 candles are available" (the exchange's documentation of candleSnapshot).
EXCHANGE_DEPTH = 5000 * MINUTE

_OTHER = re.compile(r"ccxt:(?P<exchange>[a-z0-9]+)(?:/(?P<market>[A-Za-z0-9]+/[A-Za-z0-9]+(?::[A-Za-z0-9-]+)?))?")


@dataclass(frozen=True, slots=True)
class HistorySource:
    """A source of past minutes.

    Attributes:
        exchange: ccxt's name of another exchange, None for the exchange itself.
        market: Its name of the instrument (``BTC/USDT``), None where that is to be found.
    """

    exchange: str | None = None
    market: str | None = None

    @property
    def is_exchange_itself(self) -> bool:
        """Whether it is the exchange that is collected."""
        return self.exchange is None

    @property
    def import_name(self) -> str:
        """The name under which its candles are stored, after ``import:``."""
        return f"ccxt-{self.exchange}"

    def __str__(self) -> str:
        if self.exchange is None:
            return EXCHANGE_ITSELF
        return f"ccxt:{self.exchange}" + (f"/{self.market}" if self.market else "")


@dataclass(frozen=True, slots=True)
class Page:
    """An answer of a source of history.

    Attributes:
        span: What is answered by it: minutes in it that are neither among the candles nor refused do not exist there.
        candles: Closed candles, ascending, each minute once.
        refused: Rows that cannot be true, counted by reason.
    """

    span: TimeRange
    candles: list[Candle]
    refused: Counter[str] = field(default_factory=Counter)


def parse_history_source(text: str) -> HistorySource:
    """Return the source that a text names: ``hyperliquid``, ``ccxt:binance`` or ``ccxt:binance/BTC/USDT``.

    Raises:
        InputError: If the text names none.
    """
    if text == EXCHANGE_ITSELF:
        return HistorySource()
    found = _OTHER.fullmatch(text)
    if found is None:
        raise InputError(
            f"{text!r} is no source of history: expected {EXCHANGE_ITSELF}, ccxt:<exchange> (ccxt:binance)"
        )
    return HistorySource(found["exchange"], found["market"])


def oldest_available(now: datetime) -> datetime:
    """Return the oldest minute that the exchange itself still has; the open one counts among its 5000."""
    return floor_minute(now) - EXCHANGE_DEPTH + MINUTE
