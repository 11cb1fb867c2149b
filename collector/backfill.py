"""History, symbol by symbol: what was asked for and not stored yet, and the loops that see to it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from btc_core.errors import DatabaseError, ExchangeError
from btc_core.model.candle import Candle
from btc_core.model.timerange import TimeRange, merge_ranges
from collector.backoff import Backoff
from collector.exchange import Malformed
from collector.session import Fetch
from collector.waits import Waits

logger = logging.getLogger(__name__)

FIRST_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 120.0


class Agenda:
    """The ranges of each symbol that are still to be fetched; few, however often a range is asked for. Pure."""

    def __init__(self, *, window: timedelta) -> None:
        self._window = window
        self._ranges: dict[str, list[TimeRange]] = {}
        self._coins: dict[str, str] = {}

    def add(self, fetch: Fetch) -> None:
        """Put a range on the agenda; one that overlaps another becomes one with it."""
        self._coins[fetch.symbol] = fetch.coin
        self._ranges[fetch.symbol] = merge_ranges([*self._ranges.get(fetch.symbol, []), fetch.range])

    def take(self, symbol: str) -> Fetch | None:
        """Take the oldest part of a symbol's agenda, at most one window long."""
        ranges = self._ranges.get(symbol, [])
        if not ranges:
            return None
        first = ranges.pop(0)
        part = TimeRange(first.start, min(first.end, first.start + self._window))
        if part.end < first.end:
            ranges.insert(0, TimeRange(part.end, first.end))
        return Fetch(symbol, self._coins[symbol], part)


class Backfill:
    """One loop a symbol, so that a symbol in trouble does not hold up the others. Tries until it works.

    Args:
        window: The longest range of one request.
        ask: Asks the exchange for the closed candles of a window.
        deliver: Stores them.
        waits: The clock.
    """

    def __init__(
        self,
        *,
        window: timedelta,
        ask: Callable[[Fetch], Awaitable[Sequence[Candle | Malformed]]],
        deliver: Callable[[Fetch, Sequence[Candle | Malformed]], Awaitable[None]],
        waits: Waits,
    ) -> None:
        self._agenda = Agenda(window=window)
        self._ask = ask
        self._deliver = deliver
        self._waits = waits
        self._asked: dict[str, asyncio.Event] = {}

    def request(self, fetch: Fetch) -> None:
        """Put a range on the agenda and return at once."""
        self._agenda.add(fetch)
        self._event(fetch.symbol).set()

    async def work(self, symbol: str) -> None:
        """Fetch what is asked for of one symbol, for ever."""
        backoff = Backoff(first=FIRST_WAIT_SECONDS, cap=LONGEST_WAIT_SECONDS)
        while True:
            fetch = self._agenda.take(symbol)
            if fetch is None:
                await self._event(symbol).wait()
                self._event(symbol).clear()
                continue
            try:
                await self._deliver(fetch, await self._ask(fetch))
                backoff.reset()
            except (ExchangeError, DatabaseError) as error:
                self._agenda.add(fetch)
                wait = backoff.next_wait()
                logger.warning(
                    "backfill is tried again",
                    extra={"symbol": symbol, "reason": str(error), "wait_seconds": round(wait, 1)},
                )
                await self._waits.sleep(wait)

    def _event(self, symbol: str) -> asyncio.Event:
        return self._asked.setdefault(symbol, asyncio.Event())
