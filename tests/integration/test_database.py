"""The API's connections: they can only read, they are made when they are needed, and who asks the same shares."""

import asyncio

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
