"""Waiting on the market's clock."""

import asyncio
from datetime import UTC, datetime, timedelta

from btc_core.model.clock import ClockScale
from collector.clock import SteadyClock
from collector.waits import Waits


class FakeSettings:
    """A clock on which a million market seconds last one real one."""

    clock = ClockScale(0, datetime.now(UTC).timestamp(), 1e6)


async def test_a_market_day_passes_in_a_moment():
    """Waits scale with the clock: a market day takes no real time at such a rate."""
    waits = Waits(FakeSettings())
    async with asyncio.timeout(5):
        start, began = waits.now(), waits.elapsed()
        await waits.sleep(86_400)
        assert waits.elapsed() - began >= 86_400
        await waits.until(start + timedelta(days=2), asyncio.Event())
        assert waits.now() >= start + timedelta(days=2)
        await waits.until(start, asyncio.Event())


async def test_an_event_ends_a_wait_and_is_cleared():
    """Whoever waits for an instant is woken when it has moved, once."""
    waits = Waits(FakeSettings())
    woken = asyncio.Event()
    asyncio.get_running_loop().call_soon(woken.set)
    async with asyncio.timeout(5):
        await waits.until(None, woken)
    assert not woken.is_set()


async def test_others_run_even_where_every_instant_is_past():
    """A loop that always waits for the past must not stop the process."""
    waits, ran = Waits(FakeSettings()), asyncio.Event()
    asyncio.get_running_loop().call_soon(ran.set)
    await waits.until(waits.now() - timedelta(days=1), asyncio.Event())
    await waits.sleep(-1)
    assert ran.is_set()


async def test_a_step_of_the_wall_clock_neither_ends_nor_stretches_a_wait():
    """Waits are durations: they are on the steady clock. An anchor moves the instant that is waited for, not them."""
    wall, steady = [1e9], [0.0]
    clock = SteadyClock(ClockScale(), wall=lambda: wall[0], steady=lambda: steady[0])
    waits = Waits(FakeSettings(), clock)
    long = asyncio.create_task(waits.sleep(3600))
    instant = asyncio.create_task(waits.until(waits.now() + timedelta(hours=1), asyncio.Event()))
    await asyncio.sleep(0)
    wall[0] += 7200
    await asyncio.sleep(0)
    assert not long.done()
    assert not instant.done()
    clock.anchor()
    await waits.until(waits.now() - timedelta(hours=1), asyncio.Event())
    assert not long.done()
    long.cancel()
    instant.cancel()
