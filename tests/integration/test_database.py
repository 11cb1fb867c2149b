"""The API's connections: they can only read, they are made when they are needed, and who asks the same shares."""

import asyncio
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from api.database import Database
from btc_core.errors import DatabaseError


@pytest.fixture
async def database(database_url):
    """A pool of the API's kind."""
    made = Database(database_url, max_size=2)
    yield made
    await made.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM candles",
        "INSERT INTO data_quality (symbol, interval, kind, severity) VALUES ('BTC', '1m', 'gap', 'info')",
        "CREATE TABLE mine (x integer)",
        "DROP TABLE candles",
    ],
)
async def test_nothing_can_be_written(database, statement):
    """Not in a session that only reads, and not where somebody takes that back: the role may not."""
    async with database.acquire() as connection:
        with pytest.raises(asyncpg.PostgresError) as refused:
            await connection.execute(statement)
        assert refused.value.sqlstate == "25006"  # read-only transaction
        await connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
        await connection.execute("SET default_transaction_read_only = on")


async def test_a_slow_statement_is_ended(database):
    """The server ends it, whatever the client does."""
    async with database.acquire() as connection:
        assert await connection.fetchval("SHOW statement_timeout") == "10s"


async def test_who_asks_the_same_at_the_same_time_shares_the_answer(database, connection):
    """And who asks later is told what holds then."""
    first, second = await asyncio.gather(*(database.shared("api_decision_series", "BTC") for _ in range(2)))
    assert first is second is None
    await connection.execute(
        "INSERT INTO decisions (time, symbol, interval, strategy, seq, signal, confidence, exposure, price, "
        "indicator_snapshot, parameters, run_id, code_version, decided_at) "
        "VALUES ('2025-01-01Z', 'BTC', '37m', 'ma', 0, 'HOLD', 1, 0, 1, '{}', '{}', 'r', '1', now())"
    )
    row = await database.shared("api_decision_series", "BTC")
    assert row is not None
    assert row["strategy"] == "ma"


async def test_whoever_goes_away_takes_nobody_else_s_answer(database):
    """A client that disconnects is cancelled."""
    one, other = (asyncio.ensure_future(database.shared("api_decision_series", "BTC")) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    assert await other is None


async def test_a_server_that_is_away_is_said_without_where(settings_for):
    """No address, no user, no password."""
    database = Database("postgresql://someone:secret@127.0.0.1:1/none")
    with pytest.raises(DatabaseError) as away:
        await database.fetch("api_decision_series", "BTC")
    assert str(away.value) == "the database does not answer"


async def test_a_database_that_is_not_there_is_away(server):
    """It may be restored meanwhile: that is no fault of ours."""
    database = Database(server.url_of("btc_test_none"))
    with pytest.raises(DatabaseError):
        await database.fetch("api_decision_series", "BTC")
    await database.close()


async def test_a_user_who_may_not_take_the_role_reads_all_the_same(database_url, connection):
    """Roles belong to the whole server: another database's owner may have made it. The session is read only."""
    user, parts = f"btc_test_{uuid4().hex[:12]}", urlsplit(database_url)
    await connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'word'")
    await connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}")
    database = Database(parts._replace(netloc=f"{user}:word@{parts.hostname}:{parts.port}").geturl())
    try:
        assert await database.fetch("api_decision_series", "BTC") == []
        async with database.acquire() as lent:
            assert await lent.fetchval("SELECT current_user") == user
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await lent.execute("DELETE FROM candles")
    finally:
        await database.close()
        await connection.execute(f"DROP OWNED BY {user}; DROP ROLE {user}")


async def test_a_user_who_may_give_the_role_and_not_take_it_reads_all_the_same(database_url, connection):
    """Who made it may hand it on, and that alone: so it is from PostgreSQL 16 on, where CREATEROLE made it."""
    if await connection.fetchval("SELECT current_setting('server_version_num')::int") < 160000:
        pytest.skip("PostgreSQL 15 lets whoever may give a role take it")
    user, parts = f"btc_test_{uuid4().hex[:12]}", urlsplit(database_url)
    await connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'word'")
    await connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}")
    await connection.execute(f"GRANT btc_reader TO {user} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    database = Database(parts._replace(netloc=f"{user}:word@{parts.hostname}:{parts.port}").geturl())
    try:
        assert await database.fetch("api_decision_series", "BTC") == []
    finally:
        await database.close()
        await connection.execute(f"DROP OWNED BY {user}; DROP ROLE {user}")


async def test_a_user_who_may_read_nothing_is_told_no_more_than_that(database_url, connection):
    """The word of the server names tables; it is for the log."""
    user, parts = f"btc_test_{uuid4().hex[:12]}", urlsplit(database_url)
    await connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'word'")
    database = Database(parts._replace(netloc=f"{user}:word@{parts.hostname}:{parts.port}").geturl())
    try:
        with pytest.raises(DatabaseError, match=r"^the database does not answer$"):
            await database.fetch("api_decision_series", "BTC")
    finally:
        await database.close()
        await connection.execute(f"DROP ROLE {user}")
