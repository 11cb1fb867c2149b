"""One look for all clients, on a connection that may be lost; a database that may be away."""

import asyncio

import pytest

from api import hub
from btc_store.connection import connect
from btc_store.embedded import EmbeddedPostgres
from btc_store.schema import upgrade
from tests.streams import listening, minute, serving, store, times

LISTENERS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'btc_api' AND query LIKE '%pg_current_snapshot%'"""


@pytest.fixture
async def api(settings_for, database_url):
    """A running API: its port and its application."""
    async with serving(settings_for(database_url)) as running:
        yield running


@pytest.fixture
def port(api):
    """The port of a running API."""
    return api[0]


async def test_a_change_is_read_once_for_all_clients(api, connection, monkeypatch):
    """So is the newest row, for all who subscribe."""
    port, app = api
    await store(connection, 0)
    asked, fetch = [], app.state.database.fetch

    async def counting(name, *arguments):
        asked.append(name)
        return await fetch(name, *arguments)

    monkeypatch.setattr(app.state.database, "fetch", counting)
    async with listening(port) as one, listening(port) as two, listening(port) as three:
        for client in (one, two, three):
            await client.subscribe()
            await client.hear("latest")
        await store(connection, 1)
        assert [times(await client.hear("change")) for client in (one, two, three)] == [[minute(1)]] * 3
    assert asked == ["stream_latest_candles", "stream_candles"]


async def test_a_heartbeat_says_that_we_are_here(port, connection):
    """On demand too; with the cursor up to which everything was told."""
    async with listening(port) as client:
        await client.subscribe()
        cursor = (await client.hear("latest"))["cursor"]
        await client.say(action="ping")
        beat = await client.hear("heartbeat")
        assert (beat["database"], beat["time"][-1], beat["cursor"]) == ("connected", "Z", cursor)


async def test_nobody_listens_to_the_database_when_nobody_listens_to_us(port, connection):
    """The connection is made for the first client and closed after the last."""
    assert await connection.fetch(LISTENERS) == []
    async with listening(port) as client:
        await client.subscribe()
        await client.hear("latest")
        assert len(await connection.fetch(LISTENERS)) == 1
    async with asyncio.timeout(10):
        while await connection.fetch(LISTENERS):
            await asyncio.sleep(0.01)


async def test_a_connection_to_the_database_that_is_lost_costs_no_row(port, connection):
    """What was committed while there was none is told when there is one again."""
    async with listening(port) as client:
        await client.subscribe()
        await client.hear("latest")
        for n in range(3):
            # Ended and written in one statement: nobody can be listening yet.
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'btc_api'"
            )
            await store(connection, n)
            assert minute(n) in await client.hear_rows([minute(n)])


@pytest.fixture
def own_server(tmp_path_factory):
    """A PostgreSQL that a test may stop."""
    folder = tmp_path_factory.mktemp("restart")
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder / "pg")
    server.start()
    upgrade(server.url)
    yield server
    server.stop()


async def test_a_database_that_is_started_anew_costs_no_row(settings_for, own_server, monkeypatch):
    """Also what was written before anybody else was back; a heartbeat says at once that it has gone, and is back."""
    monkeypatch.setattr(hub, "HEARTBEAT_SECONDS", 3600)
    async with serving(settings_for(own_server.url)) as (port, _), listening(port) as client:
        await client.subscribe()
        await client.hear("latest")
        async with connect(own_server.url) as connection:
            await store(connection, 0)
        assert times(await client.hear("change")) == [minute(0)]
        own_server.stop()
        assert (await client.hear("heartbeat"))["database"] == "away"
        async with listening(port) as late:
            assert (await late.hear("heartbeat"))["database"] == "away"
        await asyncio.to_thread(own_server.start)
        assert (await client.hear("heartbeat"))["database"] == "connected"
        async with connect(own_server.url) as connection:
            await store(connection, 1)
            await store(connection, 2)
            assert set(await client.hear_rows([minute(1), minute(2)])) == {minute(1), minute(2)}
