"""Rows for the API: a pool that connects when it is first asked, can only read, and heals by itself."""

import asyncio
import logging
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from btc_core.errors import DatabaseError
from btc_store.connection import UNAVAILABLE
from btc_store.statements import statement

logger = logging.getLogger(__name__)

# A database that is away, that is not there or not ours, or that has not been upgraded.
_AWAY = (
    *UNAVAILABLE,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
)
CONNECT_SECONDS = 3
STATEMENT_SECONDS = 10
# What a session may do; it comes with the connection, so that RESET ALL brings it back.
_SESSION = {
    "timezone": "UTC",
    "application_name": "btc_api",
    "default_transaction_read_only": "on",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": "60s",
}


class Database:
    """Named statements (``btc_store/sql``) on a pool that can only read.

    Raises:
        DatabaseError: From every method, while the database cannot be asked.
    """

    def __init__(self, url: str, *, max_size: int = 8) -> None:
        self._url = url
        self._max_size = max_size
        self._pool: asyncpg.Pool | None = None
        self._asked: dict[Hashable, asyncio.Future[asyncpg.Record | None]] = {}

    async def fetch(self, name: str, *args: object) -> list[asyncpg.Record]:
        """Return all rows of a named statement."""
        async with self.acquire() as connection:
            return await connection.fetch(statement(name), *args)

    async def fetchrow(self, name: str, *args: object) -> asyncpg.Record | None:
        """Return the first row of a named statement, or None."""
        async with self.acquire() as connection:
            return await connection.fetchrow(statement(name), *args)

    async def shared(self, name: str, *args: Hashable) -> asyncpg.Record | None:
        """Return the first row of a named statement; who asks the same at the same time is given the same answer.

        A chart that many look at asks the database once. An answer is forgotten as soon as it is there: what it says
        held, at the earliest, when the first of them asked, some milliseconds ago.
        """
        key = (name, args)
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.ensure_future(self.fetchrow(name, *args))
            asked.add_done_callback(lambda _: self._asked.pop(key, None))
        # Whoever goes away takes nobody else's answer with him.
        return await asyncio.shield(asked)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """Lend a connection of the pool, for a cursor or several statements."""
        try:
            pool = await self._opened()
            async with pool.acquire(timeout=CONNECT_SECONDS) as connection:
                yield connection
        except _AWAY as error:
            raise DatabaseError("the database does not answer") from error

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[asyncpg.Connection]:
        """Open a connection of one's own, for LISTEN; it can only read, too."""
        try:
            connection = await asyncpg.connect(self._url, timeout=CONNECT_SECONDS, server_settings=_SESSION)
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            raise DatabaseError("the database does not answer") from error
        try:
            await _become_reader(connection)
            yield connection
        finally:
            await connection.close(timeout=CONNECT_SECONDS)

    async def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            self._pool.terminate()

    async def _opened(self) -> asyncpg.Pool:
        if self._pool is None:
            self._pool = asyncpg.create_pool(
                self._url,
                min_size=0,
                max_size=self._max_size,
                timeout=CONNECT_SECONDS,
                command_timeout=STATEMENT_SECONDS + 2,
                server_settings=_SESSION,
                init=_become_reader,
                reset=_nothing,
            )
        # With min_size 0 this makes no connection: the first acquire does.
        return await self._pool


async def _nothing(_connection: Any) -> None:
    """Leave a connection as it is: no statement of ours changes its session, and a reset is one more question."""


async def _become_reader(connection: Any) -> None:
    """Take the role that may only read, where we may and it can; else the session is read only, and that is all."""
    if await connection.fetchval(statement("take_reader")):
        await connection.execute("SET ROLE btc_reader")
    else:
        logger.warning("the role btc_reader cannot be taken: GRANT btc_reader to the user who signs in (operations.md)")
