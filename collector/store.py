"""The collector's side of the database: one writer at a time, and what is known to be stored."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg

from btc_core.model.candle import Candle
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import format_time
from btc_store.candles import announce_clock, last_unbroken_minute, newest_minute, upsert_candles
from btc_store.connection import CONNECT_TIMEOUT_SECONDS, UNAVAILABLE, explain, open_pool
from btc_store.settings import Settings

logger = logging.getLogger(__name__)

# The server is there and one of the rows is at fault: trying again would hold up all others for ever.
ROW_REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
# Rows of one statement: a long history goes in pieces, so that live minutes get their turn between them.
CHUNK = 1000


class Store:
    """Stored candles of the collected symbols.

    Attributes:
        newest: The newest minute known to be stored, by symbol.
        n_stored: Rows written so far; a repetition writes none.
    """

    def __init__(self, pool: asyncpg.Pool, url: str) -> None:
        self._pool = pool
        self._url = url
        # Two writers that meet the same minutes in another order would wait for each other for ever.
        self._turn = asyncio.Lock()
        self.newest: dict[str, datetime | None] = {}
        self.n_stored = 0

    async def announce(self, clock: ClockScale) -> None:
        """Tell the database which clock the market runs on.

        Raises:
            DatabaseError: If the database is away or has another schema.
        """
        try:
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as connection:
                await announce_clock(connection, clock)
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            raise explain(error, self._url) from error

    async def read_covered(self, symbols: Sequence[str], *, since: datetime) -> dict[str, datetime | None]:
        """Return up to which minute every symbol is stored without a hole since a time, None where nothing is.

        Raises:
            DatabaseError: If the database is away or has another schema.
        """
        try:
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as connection:
                self.newest = {symbol: await newest_minute(connection, symbol) for symbol in symbols}
                return {symbol: await last_unbroken_minute(connection, symbol, since) for symbol in symbols}
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            raise explain(error, self._url) from error

    async def write(self, candles: Sequence[Candle]) -> None:
        """Store candles, sorted by symbol and minute, each minute once.

        Raises:
            DatabaseError: If the database is away. What was written before stays, and twice is once.
        """
        for start in range(0, len(candles), CHUNK):
            await self._write(candles[start : start + CHUNK])

    async def _write(self, candles: Sequence[Candle]) -> None:
        try:
            async with self._turn, self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as connection:
                self.n_stored += await upsert_candles(connection, candles)
        except ROW_REFUSED as error:
            await self._write_around(candles, error)
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            raise explain(error, self._url) from error
        else:
            for candle in candles:
                newest = self.newest.get(candle.symbol)
                self.newest[candle.symbol] = candle.time if newest is None else max(newest, candle.time)

    async def _write_around(self, candles: Sequence[Candle], error: Exception) -> None:
        """Store all but the rows that the database refuses, found by halving."""
        if len(candles) == 1:
            fields = {"symbol": candles[0].symbol, "time": format_time(candles[0].time), "reason": str(error)}
            logger.error("candle refused by the database", extra=fields)
            return
        middle = len(candles) // 2
        await self._write(candles[:middle])
        await self._write(candles[middle:])


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """Hold the pool for the time of a ``with`` block.

    Raises:
        DatabaseError: If the database is away, refuses us, or lacks our tables.
    """
    sizes = settings.config.collector
    async with open_pool(settings.database_url, min_size=sizes.pool_min, max_size=sizes.pool_max) as pool:
        store = Store(pool, settings.database_url)
        await store.announce(settings.clock)
        yield store
