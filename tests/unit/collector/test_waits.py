"""Waiting on the market's clock."""

import asyncio
from datetime import UTC, datetime, timedelta

from btc_core.model.clock import ClockScale
from collector.waits import Waits


class FakeSettings:
    """A clock that stands still, and on which a billion market seconds last one real one."""

    clock = ClockScale(0, 0, 1e9)

    def now(self) -> datetime:
        """Return always the same instant."""
        return datetime(2025, 2, 14, tzinfo=UTC)


async def test_a_market_day_passes_in_a_moment():
    """Waits scale with the clock: a market day takes no real time at such a rate."""
    waits = Waits(FakeSettings())
    async with asyncio.timeout(5):
        await waits.sleep(86_400)
        await waits.until(waits.now() + timedelta(days=1), asyncio.Event())
        await waits.until(waits.now() - timedelta(days=1), asyncio.Event())


async def test_an_event_ends_a_wait_and_is_cleared():
    """Whoever waits for an instant is woken when it has moved, once."""
    waits = Waits(FakeSettings())
    woken = asyncio.Event()
    woken.set()
    async with asyncio.timeout(5):
        await waits.until(None, woken)
    assert not woken.is_set()
