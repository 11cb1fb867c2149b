"""Closed candles on their way into the database: buffered, spooled to disk while it is away, never dropped unseen."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from btc_core.errors import DatabaseError, SpoolError
from btc_core.model.candle import Candle
from btc_core.model.timerange import TimeRange
from collector.alarms import Alarms
from collector.backoff import Backoff
from collector.buffer import Buffer
from collector.metrics import Metrics
from collector.minutes import rank
from collector.spool import Spool
from collector.store import Store
from collector.waits import Waits

logger = logging.getLogger(__name__)

# Real seconds: a last flush that takes longer is left to the spool and the next start.
LAST_FLUSH_SECONDS = 10.0
# Longest wait between two tries to reach the database.
DATABASE_WAIT_SECONDS = 30.0


class Writer:
    """The one way of closed candles into the table.

    Attributes:
        is_away: Whether the last try to write failed.

    Args:
        store: The table.
        buffer: Holds what waits.
        spool: Holds what could not be written, on disk.
        lost: Told of minutes that could not even be spooled: history has to bring them.
        first_wait: First wait after a failure, in market seconds.
        waits: The clock.
        alarms: The log.
        metrics: Counts.
    """

    def __init__(
        self,
        store: Store,
        buffer: Buffer,
        spool: Spool,
        *,
        lost: Callable[[str, TimeRange], None],
        first_wait: float,
        waits: Waits,
        alarms: Alarms,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._buffer = buffer
        self._spool = spool
        self._lost = lost
        self._waits = waits
        self._alarms = alarms
        self._metrics = metrics
        self._backoff = Backoff(first=first_wait, cap=max(first_wait, DATABASE_WAIT_SECONDS))
        self._filled = asyncio.Event()
        # What was spooled first is written first.
        self._turn = asyncio.Lock()
        self._n_counted = store.n_stored
        self.is_away = False

    @property
    def n_buffered(self) -> int:
        """Candles in memory."""
        return len(self._buffer)

    @property
    def n_spooled(self) -> int:
        """Candles on disk."""
        return self._spool.n_candles

    def keep(self, candles: Sequence[Candle], *, is_urgent: bool) -> None:
        """Take closed candles. Never waits."""
        n_dropped = self._buffer.add(candles, self._waits.now(), is_urgent=is_urgent)
        if n_dropped:
            self._alarms.warn("buffer is full, oldest candles will be fetched again", {"n_dropped": n_dropped})
        self._filled.set()

    async def run(self) -> None:
        """Flush when it is due, for ever. While the database is away nothing else stops."""
        while True:
            due = self._buffer.due_time
            if not self._spool.n_candles and (due is None or due > self._waits.now()):
                await self._waits.until(due, self._filled)
                continue
            try:
                await self.flush()
            except DatabaseError as error:
                fields = {"reason": str(error), "n_spooled": self.n_spooled, "n_buffered": self.n_buffered}
                self._alarms.warn("database is away", fields)
            if self.is_away or self.n_spooled:
                await self._waits.sleep(self._backoff.next_wait())
            else:
                self._backoff.reset()

    async def flush(self) -> None:
        """Write all that waits, the oldest first.

        Raises:
            DatabaseError: If the database is away; what waits is on disk then, or still in memory.
        """
        async with self._turn:
            batch = self._buffer.batch()
            try:
                await self._replay()
                await self._store.write(batch)
            except DatabaseError:
                self.is_away = True
                await self._put_aside(batch)
                raise
            finally:
                self._count()
            self.is_away = False
            self._settle(batch)

    async def flush_last(self) -> None:
        """Write what waits before the process ends; what cannot be written is left to the next one."""
        try:
            async with asyncio.timeout(LAST_FLUSH_SECONDS):
                await self.flush()
        except (DatabaseError, TimeoutError) as error:
            await self._put_aside(self._buffer.batch())
            fields = {"n_spooled": self.n_spooled, "n_lost": self.n_buffered, "reason": str(error)}
            logger.warning("closed candles are left to the next start", extra=fields)

    async def _replay(self) -> None:
        """Write what is on disk, in the order in which it came. What cannot be read there holds up nothing else."""
        n_candles = self._spool.n_candles
        if not n_candles:
            return
        try:
            for chunk in self._spool:
                await self._store.write(_best_last(chunk))
            self._spool.clear()
        except OSError as error:
            self._alarms.warn("spool cannot be read", {"reason": str(error), "n_spooled": n_candles})
        else:
            logger.info("spool is written", extra={"n_candles": n_candles})

    async def _put_aside(self, batch: Sequence[Candle]) -> None:
        """Bring a batch to disk. Where even that fails it stays in memory, which is bounded."""
        if not batch:
            return
        try:
            await asyncio.to_thread(self._spool.add, batch)
        except SpoolError as error:
            self._alarms.warn("spool cannot be written", {"reason": str(error), "n_buffered": self.n_buffered})
            return
        self._settle(batch)

    def _count(self) -> None:
        """Count what was stored since the last time, by whomever."""
        self._metrics.stored.inc(self._store.n_stored - self._n_counted)
        self._n_counted = self._store.n_stored

    def _settle(self, batch: Sequence[Candle]) -> None:
        self._buffer.settle(batch)
        for symbol, minutes in self._buffer.take_lost():
            self._lost(symbol, minutes)


def _best_last(candles: Sequence[Candle]) -> list[Candle]:
    """Return candles in the one order in which every writer takes its locks, the best of a minute's versions last."""
    return sorted(candles, key=lambda candle: (candle.symbol, candle.time, rank(candle)))
