"""History, symbol by symbol."""

import asyncio
from datetime import UTC, datetime, timedelta

from btc_core.errors import DatabaseError, ExchangeError
from btc_core.model.timerange import MINUTE, TimeRange
from collector.backfill import Agenda, Backfill
from collector.session import Fetch

NOON = datetime(2025, 2, 14, 12, tzinfo=UTC)


class FakeWaits:
    """A clock on which waiting takes no time; it counts."""

    def __init__(self) -> None:
        self.n_waits = 0

    async def sleep(self, market_seconds: float) -> None:
        """Let others run."""
        assert market_seconds >= 0
        self.n_waits += 1
        await asyncio.sleep(0)


def fetch(start: int, end: int, symbol: str = "BTC") -> Fetch:
    """Return a request for minutes after noon."""
    return Fetch(symbol, symbol, TimeRange(NOON + start * MINUTE, NOON + end * MINUTE))


def test_the_agenda_is_cut_into_windows_oldest_first():
    """No request is longer than a window, whatever was asked for."""
    agenda = Agenda(window=10 * MINUTE)
    agenda.add(fetch(0, 25))
    assert [agenda.take("BTC") for _ in range(4)] == [fetch(0, 10), fetch(10, 20), fetch(20, 25), None]


def test_overlapping_requests_become_one():
    """However often a range is asked for, it is fetched once; symbols are apart."""
    agenda = Agenda(window=timedelta(days=1))
    for item in (fetch(0, 20), fetch(10, 30), fetch(40, 50), fetch(0, 5, "ETH")):
        agenda.add(item)
    assert [agenda.take("BTC") for _ in range(3)] == [fetch(0, 30), fetch(40, 50), None]
    assert agenda.take("ETH") == fetch(0, 5, "ETH")


async def test_a_failed_window_is_fetched_again_and_holds_up_no_other_symbol():
    """The exchange away, then the database away: the range stays on the agenda until it is stored."""
    faults = [ExchangeError("away"), ExchangeError("away")]
    refusals = [DatabaseError("away")]
    stored: list[Fetch] = []
    done = asyncio.Event()

    async def ask(wanted: Fetch) -> list:
        if wanted.symbol == "BTC" and faults:
            raise faults.pop()
        return []

    async def deliver(wanted: Fetch, rows: list) -> None:
        if wanted.symbol == "BTC" and refusals:
            raise refusals.pop()
        stored.append(wanted)
        if len(stored) == 2:
            done.set()

    waits = FakeWaits()
    backfill = Backfill(window=timedelta(days=1), ask=ask, deliver=deliver, waits=waits)
    workers = [asyncio.create_task(backfill.work(symbol)) for symbol in ("BTC", "ETH")]
    backfill.request(fetch(0, 10))
    backfill.request(fetch(0, 10, "ETH"))
    async with asyncio.timeout(5):
        await done.wait()
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert stored == [fetch(0, 10, "ETH"), fetch(0, 10)]
    assert waits.n_waits == 3
