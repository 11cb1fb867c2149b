"""The live lane as a process: who wakes it, what stops it, what it does without its database."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import polars as pl
import pytest

from benchmarks.one_pass import differences
from btc_core.model.candle import Candle, State
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.candles import confirm_candles, upsert_candles
from btc_store.connection import connect
from btc_store.frames import open_frames
from live import lane, left_out
from live.plan import plan_of
from tests.derivation import minute, minutes_frame, put_minutes, store_minutes
from tests.live_lane import end_state, one_pass, settle

ROOT = Path(__file__).resolve().parents[2]
START = datetime(2024, 5, 3, tzinfo=UTC)
SECONDS = 30


def candle(n: int, *, price: float = 100.0, source: str = "ws") -> Candle:
    """Return the n-th minute."""
    return Candle(
        symbol="BTC",
        time=START + n * MINUTE,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=1.0,
        trades=1,
        source=source,
        state=State.PROVISIONAL,
    )


@pytest.fixture
def settings(database_url, settings_for):
    """Settings by whose clock it is an hour after the start, for long."""
    clock = f"{START.timestamp() + 3600},{datetime.now(UTC).timestamp()},0.001"
    return settings_for(database_url, BTC_CLOCK=clock)


@asynccontextmanager
async def running(settings) -> AsyncIterator[asyncio.Event]:
    """Run a lane for the time of a ``with`` block, which gets the event that stops it."""
    stop = asyncio.Event()
    task = asyncio.create_task(lane.run_lane(settings, stop))
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(SECONDS):
            await task


async def until(condition: Callable, *, seconds: float = SECONDS) -> float:
    """Wait until a question to the database is answered with yes; return how long that took."""
    started = time.monotonic()
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.005)
    return time.monotonic() - started


def n_candles(connection: asyncpg.Connection, n: int) -> Callable:
    """Return the question whether there are so many derived 3m candles."""

    async def asked() -> bool:
        return await connection.fetchval("SELECT count(*) FROM candles WHERE interval = '3m'") == n

    return asked


async def looked(connection: asyncpg.Connection) -> bool:
    """Return whether a lane has ever looked."""
    return await connection.fetchval("SELECT looked_at IS NOT NULL FROM live_state")


async def test_what_is_new_is_announced_once_a_transaction(connection, database_url):
    """A new or changed minute, whoever stores it; not an import, and not a minute that is confirmed as it was."""
    told: list[str] = []
    async with connect(database_url) as listener:
        await listener.add_listener(lane.CHANNEL, lambda *words: told.append(words[-1]))

        async def heard() -> list[str]:
            # What this connection is told came before the answer to its own question.
            await listener.execute("SELECT 1")
            words = list(told)
            told.clear()
            return words

        await upsert_candles(connection, [candle(n) for n in range(5)])
        assert await heard() == ["BTC"]
        window = TimeRange(START, START + 5 * MINUTE)
        await confirm_candles(connection, "BTC", window, [candle(n, source="rest") for n in range(5)])
        assert await connection.fetchval("SELECT count(*) FROM candles WHERE state = 'confirmed'") == 5
        assert await heard() == []
        changed = candle(2, price=101.0)
        await confirm_candles(connection, "BTC", window, [changed])
        assert await heard() == ["BTC"]
        with open_frames(database_url) as frames, frames.transaction():
            put_minutes(frames, "BTC", minutes_frame([minute(n, START) for n in range(10, 99)]))
        assert await heard() == []


async def test_a_minute_is_derived_when_it_is_announced(connection, settings):
    """Sooner than the lane would have looked by itself; what was there before, at its start."""
    await upsert_candles(connection, [candle(n) for n in range(6)])
    async with running(settings):
        await until(n_candles(connection, 2))
        await upsert_candles(connection, [candle(n) for n in range(6, 12)])
        assert await until(n_candles(connection, 4)) < lane.POLL_SECONDS / 2


async def test_what_is_not_announced_is_found(connection, settings, database_url, monkeypatch):
    """An import is found by the next look."""
    monkeypatch.setattr(lane, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(lane, "POLL_LEAST_SECONDS", 0.05)
    async with running(settings):
        await until(lambda: looked(connection))
        with open_frames(database_url) as frames, frames.transaction():
            put_minutes(frames, "BTC", minutes_frame([minute(n, START) for n in range(30)]))
        await until(n_candles(connection, 10))


async def test_a_lane_that_works_stops_within_a_second(connection, settings, database_url):
    """Also where it waits for a lock that somebody else keeps; nothing of its work is left."""
    await upsert_candles(connection, [candle(n) for n in range(60)])
    waiting = """SELECT count(*) > 0 FROM pg_locks JOIN pg_database ON pg_database.oid = database
                 WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"""
    async with connect(database_url) as holder, holder.transaction():
        await holder.execute("SELECT pg_advisory_xact_lock(hashtext('derive BTC'))")
        async with running(settings) as stop:
            await until(lambda: connection.fetchval(waiting))
            started = time.monotonic()
            stop.set()
        assert time.monotonic() - started < 1.0
    assert await n_candles(connection, 0)()


async def test_a_lock_that_nobody_lets_go_of_holds_up_its_own_symbol_alone(
    connection, database_url, settings_for, monkeypatch
):
    """Who holds it may be stuck for ever. The others are derived, and that one as soon as it can be."""
    monkeypatch.setattr(lane, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr(lane, "POLL_LEAST_SECONDS", 0.1)
    clock = f"{START.timestamp() + 3600},{datetime.now(UTC).timestamp()},0.001"
    settings = settings_for(database_url, BTC_CLOCK=clock, BTC_SYMBOLS="BTC,ETH")
    with open_frames(database_url) as frames:
        for symbol in ("BTC", "ETH"):
            store_minutes(frames, symbol, minutes_frame([minute(n, START) for n in range(30)]))
    of = "SELECT count(*) FROM candles WHERE symbol = $1 AND interval = '3m'"
    async with connect(database_url) as holder:
        held = holder.transaction()
        await held.start()
        await holder.execute("SELECT pg_advisory_xact_lock(hashtext('derive BTC'))")
        async with running(settings):

            async def is_derived(symbol: str) -> bool:
                return await connection.fetchval(of, symbol) == 10

            await until(lambda: is_derived("ETH"))
            assert not await is_derived("BTC")
            await held.rollback()
            await until(lambda: is_derived("BTC"))


async def test_a_symbol_that_cannot_be_derived_holds_up_itself_alone(
    connection, database_url, settings_for, monkeypatch, caplog
):
    """What is stored of it is absurd: it is left out, told, and derived when it is corrected. The lane goes on."""
    monkeypatch.setattr(left_out, "FIRST_SECONDS", 0.2)
    monkeypatch.setattr(lane, "POLL_LEAST_SECONDS", 0.1)
    monkeypatch.setattr(lane, "QUIET_SECONDS", 0.05)
    clock = f"{START.timestamp() + 3600},{datetime.now(UTC).timestamp()},0.001"
    settings = settings_for(database_url, BTC_CLOCK=clock, BTC_SYMBOLS="BTC,ETH")
    rows = [minute(n, START) for n in range(30)]
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", minutes_frame([row | {"volume": 1.5e308} for row in rows]))
        store_minutes(frames, "ETH", minutes_frame(rows))
    derived = "SELECT count(*) FROM candles WHERE symbol = $1 AND interval = '3m'"
    checked = "SELECT count(*) FROM outbox WHERE kind = 'check' AND partition LIKE '%' || $1"
    async with running(settings):

        async def is_done(symbol: str) -> bool:
            return await connection.fetchval(derived, symbol) == 10 and await connection.fetchval(checked, symbol) > 0

        def n_told() -> int:
            return sum(record.message == "symbol left out" for record in caplog.records)

        async def told_twice() -> bool:
            return n_told() >= 2

        await until(lambda: is_done("ETH"))
        await until(told_twice)
        with open_frames(database_url) as frames:
            store_minutes(frames, "BTC", minutes_frame(rows))
        await until(lambda: is_done("BTC"))
    reasons = {record.reason for record in caplog.records if record.message == "symbol left out"}
    assert all(reason.startswith("BTC cannot be worked on: DataError: ") for reason in reasons)
    assert n_told() < 20, "it is tried again in its own time"


async def test_a_lane_outlives_its_connections(connection, settings, monkeypatch):
    """The server ends them in the middle; the lane comes back and catches up."""
    monkeypatch.setattr(lane, "BACKOFF_SECONDS", 0.01)
    end_all = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
    async with running(settings):
        for n in range(1, 5):
            await upsert_candles(connection, [candle(i) for i in range(12 * (n - 1), 12 * n)])
            if n % 2:
                await until(n_candles(connection, 4 * n))
            await connection.fetchval(end_all)
        await until(n_candles(connection, 16))


async def test_a_lane_outlives_a_database_that_freezes(connection, settings, database_url):
    """The server stops answering in the middle, and goes on: nothing is lost, nothing is there twice."""
    sessions = """SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                  AND backend_type = 'client backend'"""
    await upsert_candles(connection, [candle(n) for n in range(6)])
    async with running(settings):
        await until(n_candles(connection, 2))
        frozen = [row["pid"] for row in await connection.fetch(sessions)]
        assert len(frozen) == 2, "one that listens and one that looks"
        try:
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            await upsert_candles(connection, [candle(n) for n in range(6, 60)])
            with pytest.raises(TimeoutError):
                await until(n_candles(connection, 20), seconds=1)
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        await until(n_candles(connection, 20))
    with open_frames(database_url) as frames:
        plan, now = plan_of(settings.config), settings.now()
        settle(frames, plan, now=now)
        store_minutes(frames, "ONE", minutes_frame([minute(n, START) for n in range(60)]))
        one_pass(frames, plan, "ONE", [TimeRange(START, START + 60 * MINUTE)], now=now)
        assert differences(end_state(frames, "BTC"), end_state(frames, "ONE")) == {}


async def test_what_was_derived_is_checked_when_it_is_quiet(connection, settings, monkeypatch):
    """Behind the decisions; and on a market that is never quiet, after some seconds all the same."""
    monkeypatch.setattr(lane, "QUIET_SECONDS", 0.05)

    def n_checks(n: int) -> Callable:
        async def asked() -> bool:
            return await connection.fetchval("SELECT count(*) FROM outbox WHERE check_name = 'sums'") >= n

        return asked

    await upsert_candles(connection, [candle(n) for n in range(6)])
    async with running(settings):
        await until(n_checks(1))
        monkeypatch.setattr(lane, "QUIET_SECONDS", 60.0)
        monkeypatch.setattr(lane, "CHECK_SECONDS", 0.2)
        seen, minutes = await connection.fetchval("SELECT count(*) FROM outbox WHERE check_name = 'sums'"), 6
        async with asyncio.timeout(SECONDS):
            while not await n_checks(seen + 1)():
                minutes += 3
                await upsert_candles(connection, [candle(n) for n in range(minutes - 3, minutes)])


async def test_a_lane_without_a_database_waits(settings_for, monkeypatch, caplog):
    """It says what is wrong, tries again, and stops when it is told."""
    monkeypatch.setattr(lane, "BACKOFF_SECONDS", 0.01)
    async with running(settings_for("postgresql://nobody@127.0.0.1:9/none")):

        async def tried_twice() -> bool:
            return sum(record.message == "database away" for record in caplog.records) >= 2

        await until(tried_twice)


async def test_a_thread_that_panics_is_not_waited_for_for_ever():
    """What is no ``Exception`` ends the lane too, where it is about no symbol."""

    def panic() -> None:
        raise pl.exceptions.PanicException("the engine's")

    with pytest.raises(pl.exceptions.PanicException):
        async with asyncio.timeout(SECONDS):
            await lane._in_thread(panic)


def test_the_lane_loads_neither_dagster_nor_its_kin():
    """It starts in a second and holds 100 MB."""
    absent = ("dagster", "sqlalchemy", "matplotlib", "duckdb", "pyarrow")
    code = f"import sys, live.lane, live.__main__; print([name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
