"""Waiting on the market's clock: under ``BTC_CLOCK`` a market second may last less than a real millisecond."""

import asyncio
from datetime import datetime

from btc_store.settings import Settings
from collector.clock import SteadyClock

# Timers stand still while the machine sleeps, and an instant comes nearer when the clock is set: look again so often.
LOOK_SECONDS = 5.0


class Waits:
    """Present time and waits of one process.

    Attributes:
        clock: Whose time it is.

    Args:
        settings: How the clock is scaled.
        clock: Another clock than this machine's.
    """

    def __init__(self, settings: Settings, clock: SteadyClock | None = None) -> None:
        self.clock = clock or SteadyClock(settings.clock)

    def now(self) -> datetime:
        """Return the present instant of the market clock."""
        return self.clock.now()

    def elapsed(self) -> float:
        """Return market seconds from an arbitrary start, which never step."""
        return self.clock.elapsed()

    async def sleep(self, market_seconds: float) -> None:
        """Wait for that many market seconds, whatever happens to the clock meanwhile."""
        end = self.elapsed() + market_seconds
        await asyncio.sleep(0)
        while (left := end - self.elapsed()) > 0:
            await asyncio.sleep(min(left / self.clock.rate, LOOK_SECONDS))

    async def until(self, instant: datetime | None, woken: asyncio.Event) -> None:
        """Wait for an instant of the market clock (None: for ever) or for the event; clear the event."""
        # Others run even if the instant is always past.
        await asyncio.sleep(0)
        while not woken.is_set() and (left := self._real_seconds_to(instant)) > 0:
            try:
                async with asyncio.timeout(min(left, LOOK_SECONDS)):
                    await woken.wait()
            except TimeoutError:
                continue
        woken.clear()

    def _real_seconds_to(self, instant: datetime | None) -> float:
        return float("inf") if instant is None else (instant - self.now()).total_seconds() / self.clock.rate
