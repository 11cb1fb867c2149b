"""A clock of ours that is wrong or steps, and starts at the edge of a minute: one invariant (``tests/faulty.py``)."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from btc_core.model.timerange import MINUTE
from btc_store.settings import Settings
from collector.clock import SteadyClock
from collector.rest import RestClient
from collector.session import Session
from tests.faulty import Play, Playing, health, play, said
from tests.stalls import real_time

pytestmark = real_time

# A round trip to the exchange lasts a market second: less than what the clock may be wrong by.
RATE = 120
HOUR = 3600


class Wall:
    """The wall clock of a machine that nobody looks after."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def set(self, market_seconds: float, rate: float = RATE) -> None:
        """Set it wrong."""
        self.ahead = market_seconds / rate

    def __call__(self) -> float:
        """Return what it shows."""
        return time.time() + self.ahead


@pytest.fixture
def playing(database_url: str, settings_for: Callable[..., Settings], tmp_path: Path) -> Playing:
    """A play on a database of its own."""
    return partial(play, database_url, settings_for, tmp_path, symbols={"BTC": None}, rate=RATE)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """The wall clock that collectors look at."""
    clock = Wall()
    monkeypatch.setattr("collector.waits.SteadyClock", partial(SteadyClock, wall=clock))
    return clock


@pytest.mark.parametrize("seconds", [5, -5])
async def test_a_clock_that_is_wrong_by_5_seconds(playing, wall, caplog, seconds):
    """An alarm says so, and all goes on: the difference is known."""
    caplog.set_level("INFO")
    # An answer that takes as long as the difference would hide it: 5 s are a sixth of a real one here.
    wall.set(seconds, rate=30)
    async with playing(rate=30) as one, one.collecting():
        await one.reached(one.start + 2 * MINUTE)
        await one.heals()
        assert await one.never_wrong()
        await one.until(lambda: _is_found(caplog, seconds, may_confirm=True))
        code, body = await health(caplog)
        assert code == 200, body


@pytest.mark.parametrize("seconds", [20, -20])
async def test_a_clock_that_is_wrong_by_20_seconds(playing, wall, caplog, seconds):
    """Nothing is confirmed, and health says why; when somebody sets it right, all is."""
    caplog.set_level("INFO")
    wall.set(seconds)
    async with playing() as one, one.collecting():
        await one.until(lambda: _are_waiting(one, 3))
        assert await one.n_in_state("BTC", "confirmed") == 0
        await one.until(lambda: _is_found(caplog, seconds, may_confirm=False))
        await one.until(lambda: _is_said(caplog, "our clock is wrong by"))
        wall.set(0)
        await one.until(lambda: said(caplog, "clock set to the wall clock"))
        await one.reached(one.now())
        await one.heals()
        assert await one.never_wrong()


def _is_found(log: pytest.LogCaptureFixture, seconds: float, *, may_confirm: bool) -> bool:
    """Whether the difference was told, as near as answers were fast."""
    told = said(log, "clock differs from the exchange's")
    return any(abs(record.offset_seconds - seconds) < 2 and record.may_confirm is may_confirm for record in told)


async def _is_said(log: pytest.LogCaptureFixture, reason: str) -> bool:
    _, body = await health(log)
    return reason in body["symbols"]["BTC"]["reason"]


async def _are_waiting(one: Play, n_minutes: int) -> bool:
    return await one.n_in_state("BTC", "provisional") >= n_minutes


async def test_a_clock_that_steps_by_an_hour_and_back(playing, wall, caplog):
    """No duration and no minute is measured by it: nothing happens."""
    caplog.set_level("INFO")
    async with playing() as one, one.collecting():
        for seconds in (HOUR, 0, -HOUR, 0):
            await one.reached(one.now())
            wall.set(seconds)
        await one.reached(one.now())
        await one.heals()
        assert await one.never_wrong()
        assert one.exchange.n_links == 1
        assert not said(caplog, "clock set to the wall clock") and not said(caplog, "connection dropped")
        code, body = await health(caplog)
        assert code == 200, body


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
async def test_a_clock_that_is_wrong_by_an_hour_at_the_start(playing, wall, caplog, seconds):
    """Nothing is confirmed by it; once it is set right, minutes are confirmed as soon as they end."""
    caplog.set_level("INFO")
    wall.set(seconds)
    async with playing() as one, one.collecting():
        await one.pass_time(3 * MINUTE)
        assert await one.connection.fetchval("SELECT count(*) FROM candles WHERE state = 'confirmed'") == 0
        wall.set(0)
        await one.until(lambda: said(caplog, "clock set to the wall clock"))
        await one.reached(one.now())
        await one.heals()
        assert await one.never_wrong()
        # What was planned by a later hour is not waited for.
        assert bool(said(caplog, "begin anew, the clock was set back")) == (seconds > 0)
        code, body = await health(caplog)
        assert code == 200, body


@pytest.mark.parametrize("second", [59.9, 0.1])
async def test_a_start_at_the_edge_of_a_minute(playing, monkeypatch, second):
    """The minute that is about to end, or has just begun, is as whole as all others."""
    begun: list[datetime] = []
    true_markets, true_begin = RestClient.markets, Session.begin

    async def markets(rest: RestClient, *given: object) -> object:
        """Answer at that second: what follows is the start."""
        found = await true_markets(rest, *given)
        await one.pass_time(timedelta(seconds=(second - one.now().timestamp()) % 60))
        return found

    def begin(session: Session, *given: object, now: datetime, **named: object) -> object:
        begun.append(now)
        return true_begin(session, *given, now=now, **named)

    monkeypatch.setattr(RestClient, "markets", markets)
    monkeypatch.setattr(Session, "begin", begin)
    async with playing(rate=60) as one, one.collecting():
        await one.reached(one.start + 2 * MINUTE)
        await one.heals()
        assert await one.never_wrong()
    seconds = begun[0].timestamp() % 60
    # A tenth of a second of a machine that has other work too.
    assert (seconds - second) % 60 < 6, seconds
