"""A market clock that only waiting moves: who waits is there at once, and no test waits for real."""

import asyncio
from datetime import UTC, datetime, timedelta

NOON = datetime(2025, 2, 14, 12, tzinfo=UTC)


class FlyingWaits:
    """Stands in for ``collector.waits.Waits`` where one task waits at a time.

    Attributes:
        slept: Every wait, in market seconds.
    """

    def __init__(self, start: datetime = NOON) -> None:
        self._start = start
        self._elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Return the present instant."""
        return self._start + timedelta(seconds=self._elapsed)

    def elapsed(self) -> float:
        """Return market seconds since the start."""
        return self._elapsed

    def pass_(self, market_seconds: float) -> None:
        """Let time pass."""
        self._elapsed += market_seconds

    async def sleep(self, market_seconds: float) -> None:
        """Move on at once."""
        self.slept.append(market_seconds)
        self.pass_(max(0.0, market_seconds))
        await asyncio.sleep(0)

    async def until(self, instant: datetime | None, woken: asyncio.Event) -> None:
        """Move on to an instant, unless the event is set; clear the event."""
        await asyncio.sleep(0)
        if instant is None:
            await woken.wait()
        elif not woken.is_set():
            self.pass_(max(0.0, (instant - self.now()).total_seconds()))
        woken.clear()
