"""Waiting on the market's clock: under ``BTC_CLOCK`` a market second may last less than a real millisecond."""

import asyncio
from datetime import datetime

from btc_store.settings import Settings


class Waits:
    """Present time and waits of one process.

    Args:
        settings: Where the clock is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def now(self) -> datetime:
        """Return the present instant of the market clock."""
        return self._settings.now()

    async def sleep(self, market_seconds: float) -> None:
        """Wait for that many market seconds."""
        await asyncio.sleep(self._settings.clock.real_seconds(max(0.0, market_seconds)))

    async def until(self, instant: datetime | None, woken: asyncio.Event) -> None:
        """Wait for an instant of the market clock (None: for ever) or for the event; clear the event."""
        try:
            async with asyncio.timeout(self._real_seconds_to(instant)):
                await woken.wait()
        except TimeoutError:
            pass
        else:
            woken.clear()

    def _real_seconds_to(self, instant: datetime | None) -> float | None:
        if instant is None:
            return None
        return max(0.0, self._settings.clock.real_seconds((instant - self.now()).total_seconds()))
