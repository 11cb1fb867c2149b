"""The way of closed candles into the table; with a real database it is tested in ``tests/integration``."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from btc_core.errors import DatabaseError
from btc_core.model.candle import Candle, State
from btc_core.model.timerange import MINUTE, TimeRange
from collector import writer as writer_module
from collector.alarms import Alarms
from collector.buffer import Buffer
from collector.metrics import Metrics
from collector.minutes import rank
from collector.spool import CHUNK, Spool
from collector.writer import Writer
from tests.flying_waits import NOON, FlyingWaits

PATIENCE_SECONDS = 30
FLUSH_SECONDS = 30


class FakeStore:
    """A table that keeps the best version of each minute, and may be away.

    Attributes:
        table: What is stored.
        written: Every batch that was stored, as minutes since noon.
        n_failures: So many of the next tries fail.
        release: What a write waits for, if anything.
    """

    def __init__(self, n_failures: float = 0) -> None:
        self.table: dict[tuple[str, datetime], Candle] = {}
        self.written: list[list[int]] = []
        self.n_failures = n_failures
        self.n_tries = 0
        self.n_stored = 0
        self.release: asyncio.Event | None = None

    async def write(self, candles: Sequence[Candle]) -> None:
        """Store candles; of several versions of a minute only the last is looked at, as in the real one."""
        if not candles:
            return
        self.n_tries += 1
        await asyncio.sleep(0)
        if self.release is not None:
            await self.release.wait()
        if self.n_failures > 0:
            self.n_failures -= 1
            raise DatabaseError("no usable database")
        for key, candle in {(one.symbol, one.time): one for one in candles}.items():
            if key not in self.table or rank(candle) > rank(self.table[key]):
                self.table[key] = candle
                self.n_stored += 1
        self.written.append([(candle.time - NOON) // MINUTE for candle in candles])

    @property
    def minutes(self) -> list[int]:
        """Return what is stored, as minutes since noon."""
        return sorted((time - NOON) // MINUTE for _, time in self.table)


class Rig:
    """A writer and what is around it."""

    def __init__(self, folder: Path, store: FakeStore, *, megabytes: float = 1, capacity: int = 100) -> None:
        self.store = store
        self.waits = FlyingWaits()
        self.metrics = Metrics()
        self.lost: list[tuple[str, TimeRange]] = []
        self.spool = Spool(folder, "a database", megabytes=megabytes)
        self.buffer = Buffer(capacity=capacity, flush_candles=50, flush_after=timedelta(seconds=FLUSH_SECONDS))
        self.writer = Writer(
            store,
            self.buffer,
            self.spool,
            lost=lambda symbol, minutes: self.lost.append((symbol, minutes)),
            first_wait=1,
            waits=self.waits,
            alarms=Alarms(self.metrics.alarms),
            metrics=self.metrics,
        )

    def keep(self, *numbers: int, trades: int = 5, is_urgent: bool = True) -> None:
        """Have candles of these minutes."""
        self.writer.keep([candle(number, trades=trades) for number in numbers], is_urgent=is_urgent)

    async def until(self, claim: Callable[[], bool]) -> None:
        """Wait for something to become true."""
        while not claim():
            await asyncio.sleep(0)

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
    """Return the candle of a minute after noon."""
    return Candle(
        time=NOON + number * MINUTE, symbol="BTC", open=1, high=1, low=1, close=1, volume=trades, trades=trades,
        source="ws", state=State.PROVISIONAL,
    )  # fmt: skip


@pytest.fixture
def rig(tmp_path) -> Rig:
    """A writer with a database that works."""
    return Rig(tmp_path, FakeStore())


async def test_a_minute_that_has_just_closed_is_written_at_once(rig):
    """Whatever can wait does, and goes together."""
    async with rig.running():
        rig.keep(1)
        await rig.until(lambda: rig.store.minutes == [1])
        assert rig.waits.elapsed() == 0
        rig.keep(2, 3, is_urgent=False)
        await rig.until(lambda: rig.store.minutes == [1, 2, 3])
    assert rig.store.written == [[1], [2, 3]]
    assert rig.waits.elapsed() == FLUSH_SECONDS
    assert rig.writer.n_buffered == 0


async def test_while_the_database_is_away_candles_are_on_disk(tmp_path):
    """None stays in memory alone, none is dropped, and they come back in the order in which they came."""
    rig = Rig(tmp_path, FakeStore(n_failures=float("inf")), capacity=2)
    async with rig.running():
        for number in range(10):
            rig.keep(number)
            await rig.until(lambda: rig.writer.n_buffered == 0)
        assert (rig.writer.n_spooled, rig.writer.is_away) == (10, True)
        rig.store.n_failures = 0
        await rig.until(lambda: rig.writer.n_spooled == 0)
        rig.keep(10)
        await rig.until(lambda: rig.store.minutes == list(range(11)))
    assert [number for batch in rig.store.written for number in batch] == list(range(11))
    assert not rig.writer.is_away
    assert rig.lost == []
    assert list(tmp_path.iterdir()) == []


async def test_a_database_that_is_away_is_not_hurried(tmp_path):
    """The waits double up to half a minute, and begin again when it was back."""
    rig = Rig(tmp_path, FakeStore(n_failures=12))
    rig.writer._backoff._dice.uniform = max
    async with rig.running():
        rig.keep(1)
        await rig.until(lambda: rig.store.minutes == [1])
        rig.store.n_failures = 1
        rig.keep(2)
        await rig.until(lambda: rig.store.minutes == [1, 2])
    assert rig.waits.slept == [1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30, 1]


@pytest.mark.parametrize("versions", [(3, 5), (5, 3), (3, 5, 4)])
async def test_the_best_version_of_a_minute_wins_in_the_spool_too(tmp_path, versions):
    """In whatever order they came: of several rows for a minute a statement takes the last."""
    rig = Rig(tmp_path, FakeStore(n_failures=len(versions)))
    for trades in versions:
        rig.keep(1, trades=trades)
        with pytest.raises(DatabaseError):
            await rig.writer.flush()
    assert rig.writer.n_spooled == len(versions)
    await rig.writer.flush()
    assert [stored.trades for stored in rig.store.table.values()] == [5]


async def test_the_next_process_writes_what_the_last_one_left(tmp_path):
    """Nothing has to come in for it to begin; more than fit in one transaction go one after the other."""
    killed = Rig(tmp_path, FakeStore(n_failures=1), capacity=CHUNK + 1)
    killed.keep(*range(CHUNK + 1))
    with pytest.raises(DatabaseError):
        await killed.writer.flush()
    killed.spool.close()
    rig = Rig(tmp_path, FakeStore())
    assert rig.writer.n_spooled == CHUNK + 1
    async with rig.running():
        await rig.until(lambda: rig.store.minutes == list(range(CHUNK + 1)))
    assert [len(batch) for batch in rig.store.written] == [CHUNK, 1]


async def test_what_is_on_disk_is_written_before_what_is_in_memory(tmp_path):
    """In the order in which it came."""
    rig = Rig(tmp_path, FakeStore(n_failures=1))
    rig.keep(1)
    with pytest.raises(DatabaseError):
        await rig.writer.flush()
    rig.keep(2)
    await rig.writer.flush()
    assert rig.store.written == [[1], [2]]


async def test_a_replay_that_fails_half_way_begins_again(tmp_path):
    """Twice is once; what waits in memory comes after it."""
    rig = Rig(tmp_path, FakeStore(n_failures=1), capacity=CHUNK + 5)
    rig.keep(*range(CHUNK + 1))
    with pytest.raises(DatabaseError):
        await rig.writer.flush()
    write, writes = rig.store.write, iter((False, True))

    async def fail_the_second(candles: Sequence[Candle]) -> None:
        rig.store.n_failures = int(next(writes, False))
        await write(candles)

    rig.store.write = fail_the_second
    rig.keep(2000)
    with pytest.raises(DatabaseError):
        await rig.writer.flush()
    assert (rig.writer.n_spooled, rig.writer.n_buffered) == (CHUNK + 2, 0)
    await rig.writer.flush()
    assert rig.store.minutes == [*range(CHUNK + 1), 2000]
    assert rig.writer.n_spooled == 0


async def test_what_neither_disk_nor_memory_can_hold_is_told(tmp_path):
    """A disk that is full and a database that is away: memory is bounded, and what had to go is fetched again."""
    rig = Rig(tmp_path, FakeStore(n_failures=3), megabytes=0, capacity=4)
    for numbers in ((0, 1, 2), (3, 4), (5,)):
        rig.keep(*numbers)
        with pytest.raises(DatabaseError):
            await rig.writer.flush()
    assert (rig.writer.n_spooled, rig.writer.n_buffered) == (0, 4)
    assert rig.lost == []
    await rig.writer.flush()
    assert rig.store.minutes == [2, 3, 4, 5]
    assert rig.lost == [("BTC", TimeRange(NOON, NOON + 2 * MINUTE))]


@pytest.mark.parametrize("fault", ["gone", "folder"])
async def test_a_spool_that_cannot_be_read_holds_up_nothing(tmp_path, fault):
    """What is on it is history's matter; new candles are written, and the disk is not asked again and again."""
    rig = Rig(tmp_path, FakeStore(n_failures=1))
    rig.keep(1)
    with pytest.raises(DatabaseError):
        await rig.writer.flush()
    for path in tmp_path.iterdir():
        path.unlink()
        if fault == "folder":
            path.mkdir()
    async with rig.running():
        rig.keep(2)
        await rig.until(lambda: rig.store.minutes == [2])
        rig.keep(3)
        await rig.until(lambda: rig.store.minutes == [2, 3])
    assert not rig.writer.is_away
    assert len(rig.waits.slept) >= 1


async def test_a_version_that_comes_while_one_is_written_stays(rig):
    """The better one is written next."""
    rig.store.release = asyncio.Event()
    async with rig.running():
        rig.keep(1)
        await rig.until(lambda: rig.store.n_tries == 1)
        rig.keep(1, trades=6)
        rig.keep(2)
        rig.store.release.set()
        await rig.until(lambda: rig.store.minutes == [1, 2])
    assert rig.store.written == [[1], [1, 2]]
    assert rig.store.table["BTC", NOON + MINUTE].trades == 6


async def test_who_flushes_while_another_does_waits_for_it(rig):
    """History is compared with all that the stream brought: it must be stored when ``flush`` returns, and only once."""
    rig.store.release = asyncio.Event()
    rig.keep(1)
    flushes = [asyncio.create_task(rig.writer.flush()) for _ in range(3)]
    await rig.until(lambda: rig.store.n_tries == 1)
    assert not any(flush.done() for flush in flushes)
    rig.store.release.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*flushes)
    assert rig.store.written == [[1]]


async def test_the_last_flush_writes_what_waits(rig):
    """Also what could have waited longer."""
    rig.keep(1, is_urgent=False)
    await rig.writer.flush_last()
    assert rig.store.minutes == [1]


@pytest.mark.parametrize("does_hang", [False, True])
async def test_what_the_last_flush_cannot_write_is_left_to_the_next_process(tmp_path, monkeypatch, caplog, does_hang):
    """A database that is away, or does not answer: the process ends all the same."""
    monkeypatch.setattr(writer_module, "LAST_FLUSH_SECONDS", 0.02)
    rig = Rig(tmp_path, FakeStore(n_failures=1))
    rig.store.release = asyncio.Event() if does_hang else None
    rig.keep(1, 2)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await rig.writer.flush_last()
    assert (rig.writer.n_buffered, rig.writer.n_spooled) == (0, 2)
    said = next(record for record in caplog.records if record.message == "closed candles are left to the next start")
    assert (said.n_spooled, said.n_lost) == (2, 0)


async def test_every_stored_row_is_counted_once(rig):
    """What history stored meanwhile, too."""

    def n_counted() -> float:
        return rig.metrics.stored._value.get()

    rig.keep(1, 2)
    await rig.writer.flush()
    assert n_counted() == 2
    rig.store.n_stored += 5
    await rig.writer.flush()
    await rig.writer.flush()
    assert n_counted() == 7
    rig.keep(3)
    rig.store.n_failures = 1
    with pytest.raises(DatabaseError):
        await rig.writer.flush()
    await rig.writer.flush()
    assert n_counted() == rig.store.n_stored == 8


async def test_a_row_is_written_as_it_came(rig):
    """Nothing is rounded on the way over the disk."""
    odd = msgspec.structs.replace(candle(1), open=0.1 + 0.2, volume=3495670.8399999999, trades=None)
    rig.store.n_failures = 1
    rig.writer.keep([odd], is_urgent=True)
    with pytest.raises(DatabaseError):
        await rig.writer.flush()
    await rig.writer.flush()
    assert list(rig.store.table.values()) == [odd]
