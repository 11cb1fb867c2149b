"""Closed candles on their way into a real PostgreSQL that is away, slow or in disorder, by way of a real spool."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest

from btc_core.errors import DatabaseError
from btc_core.model.candle import Candle, State
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.connection import connect
from btc_store.settings import Settings
from collector.alarms import Alarms
from collector.buffer import Buffer
from collector.metrics import Metrics
from collector.spool import Spool
from collector.store import Store, open_store
from collector.writer import Writer
from tests.flying_waits import NOON, FlyingWaits

PATIENCE_SECONDS = 30
ROOT = Path(__file__).resolve().parents[2]
TOO_MANY = 2**40  # trades: more than the column holds


class Rig:
    """A writer and what it has lost."""

    def __init__(self, store: Store, folder: Path, *, megabytes: float = 1, capacity: int = 100) -> None:
        self.lost: list[tuple[str, TimeRange]] = []
        self.spool = Spool(folder, "the database", megabytes=megabytes)
        self.events: list[str] = []
        self.writer = Writer(
            store,
            Buffer(capacity=capacity, flush_candles=50, flush_after=timedelta(seconds=30)),
            self.spool,
            lost=lambda symbol, minutes: self.lost.append((symbol, minutes)),
            first_wait=1,
            waits=FlyingWaits(),
            alarms=Alarms(self.events.append),
            metrics=Metrics(),
        )

    def keep(self, *numbers: int, trades: int = 5) -> None:
        """Have candles of these minutes after noon."""
        self.writer.keep([candle(number, trades=trades) for number in numbers], is_urgent=True)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write in the background."""
        task = asyncio.create_task(self.writer.run())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def candle(number: int, *, trades: int = 5) -> Candle:
    """Return the candle of a minute after noon; its close tells the version."""
    return Candle(
        time=NOON + number * MINUTE, symbol="BTC", open=1, high=1 + trades, low=1, close=1 + trades, volume=trades,
        trades=trades, source="ws", state=State.PROVISIONAL,
    )  # fmt: skip


@pytest.fixture
def settings(settings_for, database_url) -> Settings:
    """Settings for the fresh database."""
    return settings_for(database_url)


@pytest.fixture
async def store(settings) -> AsyncIterator[Store]:
    """The collector's side of it."""
    async with open_store(settings) as opened:
        yield opened


@pytest.fixture
async def rig(store, tmp_path) -> Rig:
    """A writer, an empty spool."""
    return Rig(store, tmp_path)


async def shut(other: asyncpg.Connection, database_url: str) -> None:
    """End every session of the database, and let nobody in."""
    name = database_url.rpartition("/")[2]
    await other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    await other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


async def reopen(other: asyncpg.Connection, database_url: str) -> None:
    """Let everybody in again."""
    await other.execute(f'ALTER DATABASE "{database_url.rpartition("/")[2]}" ALLOW_CONNECTIONS true')


async def until(claim: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    while not claim():
        await asyncio.sleep(0)


async def stored(database_url: str) -> list[tuple[int, int]]:
    """Return the minutes after noon that are stored, and their trades."""
    async with connect(database_url) as connection:
        rows = await connection.fetch("SELECT time, trades FROM candles ORDER BY time")
    return [((row["time"] - NOON) // MINUTE, row["trades"]) for row in rows]


async def test_nothing_is_lost_while_the_database_is_away(rig, database_url, server_url, tmp_path):
    """Sessions end in the middle; what closes meanwhile is on disk at once, corrections too, and comes back whole."""
    async with connect(server_url) as other, rig.running():
        rig.keep(0)
        await until(lambda: rig.writer.n_buffered == 0)
        await shut(other, database_url)
        for number in range(1, 6):
            rig.keep(number)
            await until(lambda: rig.writer.n_buffered == 0)
        rig.keep(0, 3, trades=7)
        await until(lambda: rig.writer.n_buffered == 0)
        assert (rig.writer.n_spooled, rig.writer.is_away) == (7, True)
        await reopen(other, database_url)
        await until(lambda: not rig.writer.n_spooled)
        rig.keep(6)
        await until(lambda: not rig.writer.n_buffered)
    assert await stored(database_url) == [(0, 7), (1, 5), (2, 5), (3, 7), (4, 5), (5, 5), (6, 5)]
    assert list(tmp_path.iterdir()) == []
    assert rig.lost == []
    async with connect(database_url) as connection:
        rows = await connection.fetch("SELECT time, trades, reason FROM candle_revisions ORDER BY time")
    assert (NOON, 5, "late_frame") in [(row["time"], row["trades"], row["reason"]) for row in rows]
    assert {row["trades"] for row in rows} == {5}


async def end_other_sessions(connection: asyncpg.Connection) -> None:
    """End every session of the database but this one."""
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    await connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")


async def in_another_schema(connection: asyncpg.Connection, work: Awaitable[None]) -> None:
    """Work while the table has another name."""
    await connection.execute("ALTER TABLE candles RENAME TO elsewhere")
    await work
    await connection.execute("ALTER TABLE elsewhere RENAME TO candles")


async def while_read_only(connection: asyncpg.Connection, work: Awaitable[None]) -> None:
    """Work while a standby has not been promoted, or a disk is full: nothing can be written."""
    (name,) = await connection.fetchrow("SELECT current_database()")
    await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await end_other_sessions(connection)
    await work
    await connection.execute("SET default_transaction_read_only = off")
    await connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    await end_other_sessions(connection)


async def while_locks_time_out(connection: asyncpg.Connection, work: Awaitable[None]) -> None:
    """Work while somebody holds the table, and nobody waits for him."""
    (name,) = await connection.fetchrow("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE \"{name}\" SET lock_timeout = '20ms'")
    await end_other_sessions(connection)
    async with connection.transaction():
        await connection.execute("LOCK TABLE candles IN SHARE MODE")
        await work


@pytest.mark.parametrize("trouble", [in_another_schema, while_read_only, while_locks_time_out])
async def test_a_database_that_refuses_to_write_is_away(rig, connection, database_url, trouble):
    """It answers, but does not take candles: they are on disk until it does."""

    async def work() -> None:
        for number in range(3):
            rig.keep(number)
            await until(lambda: rig.writer.n_buffered == 0)
        assert rig.writer.n_spooled == 3

    async with rig.running():
        await trouble(connection, work())
        await until(lambda: not rig.writer.n_spooled)
    assert await stored(database_url) == [(0, 5), (1, 5), (2, 5)]


async def test_a_slow_database_holds_up_nobody(rig, connection, database_url):
    """Candles are taken while a statement waits for a lock; each is stored once, the best version of each minute."""
    async with rig.running(), connection.transaction():
        await connection.execute("LOCK TABLE candles IN SHARE MODE")
        rig.keep(0)
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not await connection.fetchval(waits):
            pass
        rig.keep(0, 1, trades=6)
        assert rig.writer.n_buffered == 2
    async with rig.running():
        await until(lambda: rig.writer.n_buffered == 0)
    assert await stored(database_url) == [(0, 6), (1, 6)]


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from btc_core.errors import DatabaseError
from collector.store import Store
from tests.integration.test_writer import Rig

class Away(Store):
    async def write(self, candles):
        raise DatabaseError("away")

async def main():
    rig = Rig(Away(None, ""), Path(sys.argv[1]))
    for number in range(5):
        rig.keep(number)
        try:
            await rig.writer.flush()
        except DatabaseError:
            pass
    rig.keep(9)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_the_spool_of_a_killed_process_is_written_by_the_next(store, tmp_path, database_url):
    """What its writer said to be on disk is there; a line that the kill has torn costs itself alone."""
    folder = tmp_path / "state"
    command = [sys.executable, "-c", KILLED, str(folder)]
    killed = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    with max(folder.iterdir()).open("ab") as torn:
        torn.write(b'{"time":"2025-02-14T12:09')
    rig = Rig(store, folder)
    assert rig.writer.n_spooled >= 5
    async with rig.running():
        await until(lambda: not rig.writer.n_spooled)
    assert await stored(database_url) == [(number, 5) for number in range(5)]


@pytest.mark.parametrize("fault", ["full", "unwritable"])
async def test_a_full_disk_costs_nothing_that_is_not_told(store, tmp_path, database_url, server_url, fault):
    """Memory takes what it can; what had to go is told when the database is back, and history brings it."""
    rig = Rig(store, tmp_path / "state", megabytes=0 if fault == "full" else 1, capacity=3)
    if fault == "unwritable":
        (tmp_path / "state").rmdir()
    async with connect(server_url) as other:
        await shut(other, database_url)
        for number in range(5):
            rig.keep(number)
            with pytest.raises(DatabaseError):
                await rig.writer.flush()
        assert (rig.writer.n_spooled, rig.writer.n_buffered, rig.lost) == (0, 3, [])
        await reopen(other, database_url)
    async with rig.running():
        await until(lambda: not rig.writer.n_buffered)
    assert await stored(database_url) == [(2, 5), (3, 5), (4, 5)]
    assert rig.lost == [("BTC", TimeRange(NOON, NOON + 2 * MINUTE))]
    assert "spool cannot be written" in rig.events


async def test_a_row_that_the_database_refuses_does_not_hold_up_the_spool(rig, database_url, server_url):
    """It is logged and left out; all others of its batch are stored, and the spool is empty."""
    async with connect(server_url) as other:
        await shut(other, database_url)
        rig.keep(0, 1, 3)
        rig.writer.keep([msgspec.structs.replace(candle(2), trades=TOO_MANY)], is_urgent=True)
        with pytest.raises(DatabaseError):
            await rig.writer.flush()
        await reopen(other, database_url)
    async with rig.running():
        await until(lambda: not rig.writer.n_spooled)
    assert await stored(database_url) == [(0, 5), (1, 5), (3, 5)]


async def test_two_writers_of_the_same_minutes_leave_the_better_versions(settings, tmp_path, database_url):
    """Two collectors on one database, one of them back from an outage with old versions."""
    async with open_store(settings) as one, open_store(settings) as two:
        rigs = Rig(one, tmp_path / "one"), Rig(two, tmp_path / "two")
        for rig, trades in zip(rigs, (4, 6), strict=True):
            rig.keep(*range(50), trades=trades)
        await asyncio.gather(*(rig.writer.flush() for rig in rigs))
        await asyncio.gather(*(rig.writer.flush() for rig in rigs))
    assert await stored(database_url) == [(number, 6) for number in range(50)]
