"""What is written down beside the candles; with a real database it is tested in ``tests/integration/test_notes.py``."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import pytest

from btc_core.errors import DatabaseError
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.findings import Finding
from collector.alarms import Alarms
from collector.notes import MOST_A_MINUTE, MOST_WAITING, SHOWN_CHARACTERS, Notes, Rationing
from collector.session import Dispute, Mark, Quarantine
from tests.flying_waits import NOON, FlyingWaits

PATIENCE_SECONDS = 30
SECOND = timedelta(seconds=1)
BAD = Quarantine("BTC", "a price is not a positive finite number", "{}")
QUIET = Mark("BTC", "no_trade", (TimeRange(NOON, NOON + MINUTE),), "info")
DISPUTED = Dispute("BTC", (TimeRange(NOON, NOON + MINUTE), TimeRange(NOON + 5 * MINUTE, NOON + 7 * MINUTE)))


class FakeStore:
    """Tables that may be away.

    Attributes:
        marks, findings: What was written.
        is_away: Whether nothing can be written now.
    """

    def __init__(self) -> None:
        self.marks: list[tuple[object, ...]] = []
        self.findings: list[Finding] = []
        self.is_away = False
        self.n_tries = 0

    async def mark(
        self, symbol: str, kind: str, ranges: Sequence[TimeRange], *, severity: str, details: Mapping[str, object]
    ) -> None:
        """Keep a mark."""
        await self._reach()
        self.marks.append((symbol, kind, tuple(ranges), severity, details))

    async def note(self, findings: Sequence[Finding]) -> None:
        """Keep findings, all or none."""
        await self._reach()
        self.findings += findings

    async def _reach(self) -> None:
        self.n_tries += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise DatabaseError("no usable database")


class Rig:
    """Notes and what is around them."""

    def __init__(self) -> None:
        self.store, self.waits, self.events = FakeStore(), FlyingWaits(), []
        self.notes = Notes(self.store, self.waits, Alarms(self.events.append))

    async def until(self, claim: Callable[[], bool]) -> None:
        """Wait for something to become true."""
        while not claim():
            await asyncio.sleep(0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write in the background."""
        task = asyncio.create_task(self.notes.run())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def rig() -> Rig:
    """Notes with a database that works."""
    return Rig()


def flood(rationing: Rationing, n: int, now: datetime, *, reason: str = BAD.reason) -> list[Finding]:
    """Take so many bad messages; return what is to be written."""
    return [found for i in range(n) for found in rationing.take(Quarantine("BTC", reason, f"message {i}"), now)]


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """Return how many messages were left out, by reason."""
    return {f.details["reason"]: f.details["n_left_out"] for f in findings if "n_left_out" in f.details}


def test_a_quarantined_message_is_kept_with_its_reason():
    """As an event: there is nothing to resolve. Of an endless text the beginning is enough."""
    (finding,) = Rationing().take(Quarantine("BTC", BAD.reason, "x" * 1_000_000), NOON)
    assert (finding.symbol, finding.kind, finding.severity) == ("BTC", "quarantined", "warning")
    assert (finding.start, finding.end, finding.is_resolved) == (NOON, None, True)
    assert finding.details == {"reason": BAD.reason, "text": "x" * SHOWN_CHARACTERS}


def test_of_a_flood_a_hundred_a_minute_are_kept_and_the_rest_is_counted():
    """Each is one of both: none is passed over in silence."""
    rationing = Rationing()
    kept = flood(rationing, 130, NOON) + flood(rationing, 20, NOON + 59 * SECOND, reason="not JSON")
    assert [finding.details["text"] for finding in kept] == [f"message {i}" for i in range(MOST_A_MINUTE)]
    later = flood(rationing, 1, NOON + 60 * SECOND)
    assert counts(later) == {"price": 30, "malformed": 20}
    assert {finding.start for finding in later if "n_left_out" in finding.details} == {NOON}
    assert [finding.details.get("text") for finding in later][-1] == "message 0"
    assert counts(flood(rationing, 1, NOON + 2 * MINUTE)) == {}


def test_what_was_left_out_is_told_once_when_its_minute_is_over():
    """Also where no other message comes; and where none was left out there is nothing to tell."""
    rationing = Rationing()
    flood(rationing, MOST_A_MINUTE, NOON)
    assert rationing.due is None
    flood(rationing, 3, NOON)
    assert rationing.due == NOON + MINUTE
    assert rationing.left_out(NOON + 59 * SECOND) == []
    assert counts(rationing.left_out(NOON + MINUTE)) == {"price": 3}
    assert rationing.due is None
    assert rationing.left_out(NOON + MINUTE) == []


def test_reasons_that_quote_the_message_are_counted_together():
    """Else a flood of different messages would be as many rows."""
    rationing = Rationing()
    flood(rationing, MOST_A_MINUTE, NOON)
    for n in range(500):
        flood(rationing, 1, NOON, reason=f"expected interval 1m, found {n}m")
    assert counts(rationing.left_out(NOON + MINUTE)) == {"interval": 500}


async def test_marks_and_disputes_are_written_as_they_are(rig):
    """A mark says which minutes have a state of their own; a dispute is a finding a range, open, for people."""
    async with rig.running():
        rig.notes.add(QUIET)
        rig.notes.add(DISPUTED)
        await rig.until(lambda: len(rig.store.findings) == 2)
    assert rig.store.marks == [("BTC", "no_trade", QUIET.ranges, "info", {})]
    assert [(f.kind, f.severity, f.start, f.end, f.is_resolved) for f in rig.store.findings] == [
        ("conflict", "error", NOON, NOON + MINUTE, False),
        ("conflict", "error", NOON + 5 * MINUTE, NOON + 7 * MINUTE, False),
    ]


async def test_the_number_of_a_flood_is_written_without_another_message(rig):
    """The last minute of a flood is not forgotten because nothing bad comes after it."""
    async with rig.running():
        for _ in range(MOST_A_MINUTE + 7):
            rig.notes.add(BAD)
        await rig.until(lambda: len(rig.store.findings) == MOST_A_MINUTE + 1)
    assert counts(rig.store.findings) == {"price": 7}
    assert rig.waits.elapsed() == 60


async def test_notes_wait_for_a_database_that_is_away(rig):
    """Each is written once, in order, and the tries are not hurried."""
    rig.store.is_away = True
    async with rig.running():
        for item in (QUIET, DISPUTED, BAD):
            rig.notes.add(item)
        await rig.until(lambda: rig.store.n_tries >= 5)
        rig.store.is_away = False
        await rig.until(lambda: len(rig.store.findings) == 3)
    assert len(rig.store.marks) == 1
    assert [finding.kind for finding in rig.store.findings] == ["conflict", "conflict", "quarantined"]
    assert len(rig.waits.slept) >= 4


async def test_what_waits_is_bounded_and_the_rest_is_an_alarm(rig):
    """A database that is away for long, and messages that stay bad."""
    rig.store.is_away = True
    n_minutes = MOST_WAITING // MOST_A_MINUTE + 1
    async with rig.running():
        for _ in range(n_minutes):
            for _ in range(MOST_A_MINUTE):
                rig.notes.add(BAD)
            rig.waits.pass_(60)
        await rig.until(lambda: rig.store.n_tries >= 2)
        rig.store.is_away = False
        await rig.until(lambda: len(rig.store.findings) >= MOST_WAITING)
    assert len(rig.store.findings) == MOST_WAITING
    assert rig.events == ["quarantined message is not kept"] * (n_minutes * MOST_A_MINUTE - MOST_WAITING)
