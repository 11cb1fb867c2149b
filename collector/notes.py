"""What is to be written down beside the candles: states of minutes, disputes, what was quarantined."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime

from btc_core.errors import DatabaseError
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.findings import Detail, Finding
from collector.alarms import Alarms
from collector.backoff import Backoff
from collector.metrics import quarantine_code
from collector.session import NO_SYMBOL, Dispute, Mark, Quarantine
from collector.store import Store
from collector.waits import Waits

logger = logging.getLogger(__name__)

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
# A flood of bad messages shall not fill the table: of the rest of a minute only the number is kept.
MOST_A_MINUTE = 100
SHOWN_CHARACTERS = 2000
# While the database is away; the rest is alarms, which are counted.
MOST_WAITING = 1000


class Rationing:
    """Which quarantined messages are kept whole, and how many are not. Pure."""

    def __init__(self) -> None:
        self._minute: datetime | None = None
        self._n_kept = 0
        # By the constants that stand for reasons: a reason may quote the message.
        self._n_left_out: Counter[str] = Counter()

    @property
    def due(self) -> datetime | None:
        """When it is time to tell how many were left out; None where none was."""
        return self._minute + MINUTE if self._minute is not None and self._n_left_out else None

    def take(self, item: Quarantine, now: datetime) -> list[Finding]:
        """Return what is to be written of a message, and of those that were left out in the minute before."""
        found = self.left_out(now)
        if self._minute is None or now >= self._minute + MINUTE:
            self._minute, self._n_kept = now, 0
        if self._n_kept >= MOST_A_MINUTE:
            self._n_left_out[quarantine_code(item.reason)] += 1
            return found
        self._n_kept += 1
        details: dict[str, Detail] = {"reason": item.reason, "text": item.text[:SHOWN_CHARACTERS]}
        return [*found, _quarantined(item.symbol, now, details)]

    def left_out(self, now: datetime) -> list[Finding]:
        """Return how many messages of a minute that is over were left out; once."""
        if self.due is None or now < self.due:
            return []
        minute, counts = self.due - MINUTE, self._n_left_out
        self._n_left_out = Counter()
        return [_quarantined(NO_SYMBOL, minute, {"reason": code, "n_left_out": n}) for code, n in counts.items()]


class Notes:
    """Writes findings, one after the other, until the database has them.

    Args:
        store: The tables.
        waits: The clock.
        alarms: The log.
    """

    def __init__(self, store: Store, waits: Waits, alarms: Alarms) -> None:
        self._store = store
        self._waits = waits
        self._alarms = alarms
        self._rationing = Rationing()
        # Few: a symbol's ranges are told once.
        self._marks: deque[Mark | Dispute] = deque()
        self._findings: deque[Finding] = deque()
        self._filled = asyncio.Event()

    def add(self, item: Mark | Dispute | Quarantine) -> None:
        """Take something to be written down. Never waits."""
        if isinstance(item, Quarantine):
            for finding in self._rationing.take(item, self._waits.now()):
                self._add_finding(finding)
        else:
            self._marks.append(item)
        self._filled.set()

    async def run(self) -> None:
        """Write what there is, for ever."""
        backoff = Backoff(first=FIRST_WAIT_SECONDS, cap=LONGEST_WAIT_SECONDS)
        while True:
            await self._waits.until(self._rationing.due, self._filled)
            for finding in self._rationing.left_out(self._waits.now()):
                self._add_finding(finding)
            try:
                await self._write()
                backoff.reset()
            except DatabaseError:
                # The writer of candles has said why.
                self._filled.set()
                await self._waits.sleep(backoff.next_wait())

    async def _write(self) -> None:
        while self._marks:
            match self._marks[0]:
                case Mark(symbol, kind, ranges, severity):
                    await self._store.mark(symbol, kind, ranges, severity=severity, details={})
                case Dispute(symbol, ranges):
                    await self._store.note([_disputed(symbol, minutes) for minutes in ranges])
            self._marks.popleft()
        while self._findings:
            batch = list(self._findings)
            await self._store.note(batch)
            for _ in batch:
                self._findings.popleft()

    def _add_finding(self, finding: Finding) -> None:
        if len(self._findings) >= MOST_WAITING:
            self._alarms.warn("quarantined message is not kept", {"reason": str(finding.details["reason"])})
            return
        self._findings.append(finding)


def _quarantined(symbol: str, time: datetime, details: Mapping[str, Detail]) -> Finding:
    return Finding(symbol=symbol, kind="quarantined", severity="warning", start=time, details=details, is_resolved=True)


def _disputed(symbol: str, minutes: TimeRange) -> Finding:
    return Finding(
        symbol=symbol,
        kind="conflict",
        severity="error",
        start=minutes.start,
        end=minutes.end,
        details={"reason": "history has fewer trades than the stored candle"},
        is_resolved=False,
    )
