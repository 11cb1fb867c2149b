"""Connections to PostgreSQL by asyncpg, and what goes wrong with them, said in a sentence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import asyncpg
import asyncpg.pool

from btc_core.errors import BtcError, DatabaseError

CONNECT_TIMEOUT_SECONDS = 10
STATEMENT_TIMEOUT_SECONDS = 60
# Between two looks whether a server that starts is there.
_WAIT_SECONDS = 0.5

# What asyncpg and the operating system raise where a server is away, is starting, or ends a session.
UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,
    # A session that the server ends between two statements leaves asyncpg 0.32 in the middle of reading the reason;
    # the next statement on it is then an "internal" error of the client.
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.TooManyConnectionsError,
)

# A connection of its own, or one lent by a pool: both take the same statements.
Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy


@asynccontextmanager
async def open_pool(
    url: str, *, min_size: int, max_size: int, application_name: str | None = None
) -> AsyncIterator[asyncpg.Pool]:
    """Open a pool of connections for the time of a ``with`` block; others see them under the application's name.

    Raises:
        DatabaseError: If no connection can be made.
    """
    settings = {
        "timezone": "UTC",
        # A client that vanishes in the middle of a transaction keeps its locks no longer than a statement may take.
        "idle_in_transaction_session_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
    }
    if application_name is not None:
        settings["application_name"] = application_name
    try:
        pool = await asyncpg.create_pool(
            url,
            min_size=min_size,
            max_size=max_size,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=STATEMENT_TIMEOUT_SECONDS,
            server_settings=settings,
        )
    except (*UNAVAILABLE, asyncpg.PostgresError) as error:
        raise explain(error, url) from error
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Open one connection for the time of a ``with`` block.

    Raises:
        DatabaseError: If it cannot be made.
    """
    try:
        connection = await asyncpg.connect(
            url,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=STATEMENT_TIMEOUT_SECONDS,
            server_settings={"timezone": "UTC"},
        )
    except (*UNAVAILABLE, asyncpg.PostgresError) as error:
        raise explain(error, url) from error
    try:
        yield connection
    finally:
        await connection.close()


async def wait_for_server(url: str, *, seconds: float) -> None:
    """Wait until the server takes connections, or so long; whatever else is wrong with it is not ours to say."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                try:
                    connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_SECONDS)
                except asyncpg.PostgresError as error:
                    if not isinstance(error, UNAVAILABLE):
                        return
                except UNAVAILABLE:
                    pass
                else:
                    await connection.close()
                    return
                await asyncio.sleep(_WAIT_SECONDS)


def explain(error: BaseException, url: str) -> BtcError:
    """Return the sentence for a failed connection or a statement that met another schema."""
    return explain_text(str(error), getattr(error, "sqlstate", None), url)


def explain_text(message: str, sqlstate: str | None, url: str) -> DatabaseError:
    """Return the sentence for what PostgreSQL or its client library said. Drivers differ, their words do not."""
    parts = urlsplit(url)
    where = f"{parts.hostname}:{parts.port or 5432}"
    name, user = parts.path.lstrip("/"), parts.username
    lowered = message.lower()
    if (
        sqlstate in ("28P01", "28000")
        or "password authentication failed" in lowered
        or "no password supplied" in lowered
    ):
        return DatabaseError(
            f"the database at {where} refuses user {user!r}: check DB_USER and DB_PASSWORD, or DATABASE_URL"
        )
    if sqlstate == "3D000" or (f'database "{name}" does not exist' in lowered):
        return DatabaseError(f"there is no database {name!r} at {where}: create it, or check DB_NAME or DATABASE_URL")
    if (
        sqlstate in ("42P01", "42703", "3F000")
        or "undefined_table" in lowered
        or ("relation" in lowered and "does not exist" in lowered)
    ):
        return DatabaseError(f"the database {name!r} at {where} lacks our tables: run `btc db upgrade`")
    detail = " ".join(message.split()) or "no answer"
    if sqlstate == "42501":
        return DatabaseError(
            f"user {user!r} may not do this in the database {name!r} at {where} ({detail}): "
            "make that user the database's owner"
        )
    return DatabaseError(
        f"no usable database at {where} ({detail}): start it, or point DATABASE_URL or DB_HOST and DB_PORT at another"
    )
