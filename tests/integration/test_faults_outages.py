"""The whole exchange is away: minutes, hours, longer than its history goes. One invariant (``tests/faulty.py``)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from btc_core.model.timerange import MINUTE
from btc_store.frames import open_frames
from btc_store.imports import import_rows
from btc_store.settings import Settings
from collector.exchanges.hyperliquid import EXCHANGE
from demo.faults.script import fault
from tests.faulty import NOON, Play, Playing, play, said
from tests.stalls import real_time

pytestmark = real_time

DAY = 86_400
OLDER = "minutes are older than the exchange's history"


@pytest.fixture
def playing(database_url: str, settings_for: Callable[..., Settings], tmp_path: Path) -> Playing:
    """A play on a database of its own."""
    return partial(play, database_url, settings_for, tmp_path)


@pytest.fixture(autouse=True)
def _quick_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours shall not be minutes because a network may take seconds."""
    monkeypatch.setattr("collector.parts.NETWORK_SECONDS", 0.3)
    monkeypatch.setattr("collector.rest.LEAST_ANSWER_SECONDS", 0.3)


@pytest.mark.parametrize("is_edge", [True, False], ids=["refused", "hanging"])
async def test_an_exchange_that_is_down_for_37_minutes(playing, caplog, is_edge):
    """As on 2025-07-29: the chain went on, so every minute can be asked for afterwards."""
    caplog.set_level("INFO")
    async with playing(rate=1200) as one, one.collecting():
        await one.reached(one.start + MINUTE)
        begun_at = one.now()
        async with one.during(fault("outage", edge=is_edge)):
            end = await one.pass_time(timedelta(minutes=37))
            newest = await one.newest("BTC")
            assert newest is None or newest <= begun_at
        await one.reached(end + 3 * MINUTE)
        await one.heals()
        told_by_history = [time for time in await one.without_stream("BTC", since=begun_at) if time < end]
        assert len(told_by_history) >= 35
        await one.until(lambda: one.exchange.n_links >= 2)
        assert not await one.findings("unrecoverable")


@pytest.mark.parametrize("minutes", ["flat", "absent"])
async def test_an_exchange_on_which_nobody_traded_while_it_was_down(playing, caplog, minutes):
    """Its minutes are without trades: until their flat rows appear, or for ever."""
    async with playing(rate=1200) as one, one.collecting():
        await one.reached(one.start + MINUTE)
        async with one.during(fault("outage", minutes=minutes)):
            end = await one.pass_time(timedelta(minutes=37))
        await one.reached(end + 3 * MINUTE)
        if minutes == "flat":
            await one.until(lambda: _are_flat(one))
        await one.heals()
        n_quiet = await one.n_in_state("BTC", "no_trade")
        open_findings = [row for row in await one.findings("no_trade", symbol="BTC") if row["resolved_at"] is None]
        assert sum((row["end_time"] - row["start_time"]) // MINUTE for row in open_findings) == n_quiet
        assert n_quiet == 0 if minutes == "flat" else n_quiet >= 35


async def _are_flat(one: Play) -> bool:
    sql = "SELECT count(*) FROM candles WHERE symbol = 'BTC' AND time >= $1 AND trades = 0 AND state = 'confirmed'"
    return await one.connection.fetchval(sql, one.start) >= 35


async def test_an_exchange_that_is_down_for_six_hours(playing, caplog):
    """Backoff and retries grow to 15 minutes; then everything is asked for in few questions."""
    caplog.set_level("INFO")
    async with playing(symbols={"BTC": None}, rate=7200) as one, one.collecting():
        await one.reached(one.start + MINUTE)
        async with one.during(fault("outage")):
            n_before = len(one.exchange.connects.log)
            end = await one.pass_time(timedelta(hours=6))
            assert len(one.exchange.connects.log) - n_before < 120
        await one.reached(end)
        await one.heals()
        assert not await one.findings("unrecoverable")


async def test_an_outage_longer_than_history(playing, caplog, monkeypatch):
    """The collector runs on; what the exchange no longer has is given up: one finding, and an alarm."""
    monkeypatch.setattr(type(EXCHANGE), "history_depth", timedelta(minutes=60))
    told = {"daily_check_hours": 0.9, "hourly_check_hours": 0.5}
    horizon = fault("rest_horizon", n_rows=60)
    async with playing(faults=[horizon], symbols={"BTC": None}, rate=2400, collector=told) as one, one.collecting():
        await one.reached(one.start + MINUTE)
        async with one.during(fault("outage")):
            begun_at = one.now()
            end = await one.pass_time(timedelta(hours=3))
        await one.reached(end)
        await one.heals(unsettled=["provisional"])
        # What the stream told last could not be confirmed in time. There may be some of it.
        assert (await _last_unconfirmed(one, end) or one.start) <= begun_at
        n_lost = await one.n_in_state("BTC", "unrecoverable")
        assert 100 <= n_lost <= 150
        # One, or two where the second half was given up at a later check; between them only what was told before.
        found = await one.findings("unrecoverable")
        assert sum((each["end_time"] - each["start_time"]) // MINUTE for each in found) == n_lost
        first, end_of_lost = min(each["start_time"] for each in found), max(each["end_time"] for each in found)
        told_before = await one.stored("BTC", first, end_of_lost)
        assert all(time <= begun_at for time in told_before)
        assert end_of_lost - first == (n_lost + len(told_before)) * MINUTE
        assert {(each["severity"], each["resolved_at"]) for each in found} == {("error", None)}
        assert said(caplog, OLDER)


async def test_four_days_away(playing, caplog):
    """What the exchange no longer has is unrecoverable, all else is confirmed; an import closes the finding."""
    told = {"symbols": {"BTC": None}}
    # A short history, so that it is whole when the collector ends: a hole in it would be lost too.
    async with playing(**told, n_history=120) as one:
        async with one.collecting():
            await one.reached(one.start + 2 * MINUTE)
            whole = "SELECT count(*) > 100 AND bool_and(state <> 'missing') FROM minute_states WHERE time < $1"
            await one.until(lambda: one.connection.fetchval(whole, one.start))
        start = one.start
    async with playing(**told, start=NOON + 4 * DAY, rate=60) as one:
        one.start = start
        newest = await one.newest("BTC")
        async with one.collecting():
            await one.reached(one.now())
            await one.heals(unsettled=["provisional"])
        assert (await _last_unconfirmed(one, start + timedelta(days=3)) or newest) <= newest
        (finding,) = await one.findings("unrecoverable")
        assert finding["start_time"] == newest + MINUTE
        assert (finding["severity"], finding["resolved_at"]) == ("error", None)
        n_lost = (finding["end_time"] - finding["start_time"]) // MINUTE
        assert n_lost == await one.n_in_state("BTC", "unrecoverable") > 700
        # On a slow machine history forgets some more while it is read.
        assert sum(alarm.n for alarm in said(caplog, OLDER)) == n_lost
        # Half of them first: the rest of the finding stays open.
        for first, n in ((finding["start_time"], n_lost // 2), (finding["start_time"], n_lost)):
            _import(one, first, n)
            assert await one.n_in_state("BTC", "unrecoverable") == n_lost - n
        await one.heals(unsettled=["provisional"], until=one.start + timedelta(days=4))
        assert all(row["resolved_at"] for row in await one.findings("unrecoverable"))


async def test_holes_that_history_left_behind_before_a_start(playing):
    """A minute that was still missing when the collector stopped is given up too, not missing for ever."""
    told = {"symbols": {"BTC": None}}
    async with playing(**told) as one:
        async with one.collecting():
            await one.reached(one.start + 4 * MINUTE)
            await one.heals(until=one.start + 4 * MINUTE)
        start = one.start
        await one.connection.execute("DELETE FROM candles WHERE time = $1", start + 2 * MINUTE)
    async with playing(**told, start=NOON + 4 * DAY, rate=60) as one, one.collecting():
        await one.reached(one.now())
        await one.heals()
        assert await one.states("BTC", start + MINUTE, n=3) == ["confirmed", "unrecoverable", "confirmed"]


async def _last_unconfirmed(one: Play, before: datetime) -> datetime | None:
    """Return the newest provisional minute before an instant."""
    sql = "SELECT max(time) FROM candles WHERE state = 'provisional' AND time < $1"
    found: datetime | None = await one.connection.fetchval(sql, before)
    return found


def _import(one: Play, first: datetime, n_minutes: int) -> None:
    """Import what the market really did."""
    times = [first + i * MINUTE for i in range(n_minutes)]
    values = [one.truth("BTC", time) for time in times]
    names = ("open", "high", "low", "close", "volume", "trades")
    columns = {name: [row[i] for row in values] for i, name in enumerate(names)}
    rows = pl.DataFrame({"time": times, "symbol": "BTC", **columns}).with_columns(pl.col("trades").cast(pl.Int32))
    with open_frames(one.settings.database_url) as frames:
        import_rows(frames, "BTC", rows, "archive")
