"""The collector's side of the database: one writer at a time, and what is known to be stored."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

import asyncpg

from btc_core.model.candle import Candle, Verdict
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import MINUTE, TimeRange, format_time
from btc_store import candles as rows
from btc_store.candles import Known
from btc_store.connection import CONNECT_TIMEOUT_SECONDS, STATEMENT_TIMEOUT_SECONDS, UNAVAILABLE, explain, open_pool
from btc_store.findings import Detail, Finding, mark_minutes, note_findings
from btc_store.settings import Settings
from btc_store.statements import statement

logger = logging.getLogger(__name__)

# The server is there and one of the rows is at fault: trying again would hold up all others for ever.
ROW_REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
# Rows of one transaction: a long history goes in pieces, so that live minutes get their turn between them.
CHUNK = 1000
# What history said was stored.
TAKEN = (Verdict.NEW, Verdict.LOST_TAIL, Verdict.CONFLICT, Verdict.IMPORTED)

_Item = TypeVar("_Item", Candle, Finding)
_Answer = TypeVar("_Answer")


def session_name() -> str:
    """Return what our sessions are called in the database: the process, so that others can be told from it."""
    # PostgreSQL cuts names at 63 bytes; the number at the end tells two processes of one host apart.
    return f"btc-collector/{socket.gethostname()[:32]}/{os.getpid()}"


class Store:
    """Stored candles of the collected symbols, and what was found out about them.

    Every method raises ``DatabaseError`` where the database is away, too slow or has another schema. What was written
    before stays, and twice is once.

    Attributes:
        newest: The newest minute known to be stored, by symbol.
        n_stored: Rows written so far; a repetition writes none.
    """

    def __init__(self, pool: asyncpg.Pool, url: str) -> None:
        self._pool = pool
        self._url = url
        # One connection is enough, and live minutes wait for a piece of history rather than for all of it.
        self._turn = asyncio.Lock()
        self.newest: dict[str, datetime | None] = {}
        self.n_stored = 0

    async def announce(self, clock: ClockScale) -> None:
        """Tell the database which clock the market runs on."""
        async with self._session() as connection:
            await rows.announce_clock(connection, clock)

    async def known(self, symbol: str, since: datetime) -> Known:
        """Return what is known of a symbol's minutes since a time."""
        async with self._session() as connection:
            found = await rows.known(connection, symbol, since)
        self._saw(symbol, found.newest)
        return found

    async def write(self, candles: Sequence[Candle]) -> None:
        """Store candles of the stream, sorted by symbol and minute, each minute once.

        A candle that the database refuses is logged and left out.
        """
        for start in range(0, len(candles), CHUNK):
            await self._in_halves(candles[start : start + CHUNK], self._write)

    async def confirm(self, symbol: str, window: TimeRange, candles: Sequence[Candle]) -> dict[datetime, Verdict]:
        """Compare and store what the exchange's history says of a window; returns the verdict on each minute.

        A candle that the database refuses is logged, and counts as not answered.
        """
        verdicts: dict[datetime, Verdict] = {}
        start = window.start
        while start < window.end:
            part = TimeRange(start, min(window.end, start + CHUNK * MINUTE))
            verdicts |= await self._confirm(symbol, part, [c for c in candles if c.time in part])
            start = part.end
        return verdicts

    async def mark(
        self, symbol: str, kind: str, ranges: Sequence[TimeRange], *, severity: str, details: Mapping[str, Detail]
    ) -> None:
        """Say of minutes that they are ``no_trade`` or ``unrecoverable``, as far as they are not stored."""
        async with self._turn, self._session() as connection:
            await mark_minutes(connection, symbol, kind, ranges, severity=severity, details=details)

    async def note(self, findings: Sequence[Finding]) -> None:
        """Write findings. One that the database refuses is logged and left out."""
        for start in range(0, len(findings), CHUNK):
            await self._in_halves(findings[start : start + CHUNK], self._note)

    async def identity(self) -> str:
        """Return which database this is, however it is reached."""
        async with self._session() as connection:
            found: str = await connection.fetchval(statement("database_identity"))
        return found

    async def coins(self) -> dict[str, str]:
        """Return which coin of the exchange each symbol's minutes were collected from."""
        async with self._session() as connection:
            return await rows.read_coins(connection)

    async def remember_coins(self, coins: Mapping[str, str]) -> None:
        """Remember which coin of the exchange each symbol's minutes are collected from."""
        async with self._session() as connection:
            await rows.remember_coins(connection, coins)

    async def other_collectors(self) -> int:
        """Return how many other processes collect into this database."""
        async with self._session() as connection:
            n_others: int = await connection.fetchval(statement("count_collectors"), session_name())
        return n_others

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        """Lend a connection; whatever is wrong with the database is a ``DatabaseError``."""
        try:
            # A statement has its own, shorter limit. This one ends what hangs on the way there and back: an address
            # that swallows everything holds up the cancelling of a statement too.
            async with asyncio.timeout(2 * STATEMENT_TIMEOUT_SECONDS):
                async with self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as connection:
                    yield connection
        except ROW_REFUSED:
            raise
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            raise explain(error, self._url) from error

    async def _write(self, candles: Sequence[Candle]) -> None:
        async with self._turn, self._session() as connection:
            self.n_stored += await rows.upsert_candles(connection, candles)
        for candle in candles:
            self._saw(candle.symbol, candle.time)

    async def _confirm(self, symbol: str, window: TimeRange, candles: Sequence[Candle]) -> dict[datetime, Verdict]:
        try:
            async with self._turn, self._session() as connection:
                verdicts = await rows.confirm_candles(connection, symbol, window, candles)
        except ROW_REFUSED as error:
            if not candles:
                raise explain(error, self._url) from error
            if window.n_minutes <= 1:
                _log_refusal(candles[0], error)
                return await self._confirm(symbol, window, [])
            middle = window.start + window.n_minutes // 2 * MINUTE
            halves = TimeRange(window.start, middle), TimeRange(middle, window.end)
            before, after = [
                await self._confirm(symbol, half, [c for c in candles if c.time in half]) for half in halves
            ]
            return before | after
        self.n_stored += sum(verdict in TAKEN for verdict in verdicts.values())
        self._saw(symbol, max(verdicts, default=None))
        return verdicts

    async def _note(self, findings: Sequence[Finding]) -> None:
        async with self._session() as connection:
            await note_findings(connection, findings)

    async def _in_halves(self, items: Sequence[_Item], write: Callable[[Sequence[_Item]], Awaitable[None]]) -> None:
        """Write all items but those that the database refuses, which are found by halving."""
        try:
            await write(items)
        except ROW_REFUSED as error:
            if len(items) == 1:
                _log_refusal(items[0], error)
                return
            middle = len(items) // 2
            await self._in_halves(items[:middle], write)
            await self._in_halves(items[middle:], write)

    def _saw(self, symbol: str, time: datetime | None) -> None:
        newest = self.newest.get(symbol)
        self.newest[symbol] = time if newest is None else max(newest, time or newest)


def _log_refusal(item: Candle | Finding, error: Exception) -> None:
    if isinstance(item, Candle):
        fields = {"symbol": item.symbol, "time": format_time(item.time), "reason": str(error)}
        logger.error("candle refused by the database", extra=fields)
    else:
        fields = {"symbol": item.symbol, "kind": item.kind, "reason": str(error)}
        logger.error("finding refused by the database", extra=fields)


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """Hold the pool for the time of a ``with`` block.

    Raises:
        DatabaseError: If the database is away, refuses us, or lacks our tables.
    """
    sizes, url = settings.config.collector, settings.database_url
    async with open_pool(
        url, min_size=sizes.pool_min, max_size=sizes.pool_max, application_name=session_name()
    ) as pool:
        store = Store(pool, url)
        await store.announce(settings.clock)
        yield store
