"""What goes wrong with a database is one sentence that says where, what and what to do, never the password."""

import asyncio
import shutil
import socket
from collections.abc import Iterator

import asyncpg
import psycopg2
import pytest

from btc_core.errors import DatabaseError
from btc_store.connection import connect, explain, open_pool, wait_for_server
from btc_store.embedded import FALLBACK_FOLDER, EmbeddedPostgres
from btc_store.schema import revisions, upgrade

PASSWORD = "s3cret&word"  # what no message may contain


@pytest.fixture(scope="module")
def guarded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address without password of a server that asks the user ``guest`` for PASSWORD."""
    folder = FALLBACK_FOLDER / tmp_path_factory.mktemp("btc-guarded").name
    folder.mkdir()
    folder.chmod(0o755)
    with EmbeddedPostgres(folder / "pg", is_disposable=True) as server:
        administrator = psycopg2.connect(server.url)
        administrator.autocommit = True
        with administrator.cursor() as cursor:
            cursor.execute("CREATE ROLE guest LOGIN PASSWORD %s", (PASSWORD,))
        administrator.close()
    rules = server.data / "pg_hba.conf"
    rules.write_text("host all guest 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
    with server:
        yield server.url.replace("postgres@", "guest@")
    shutil.rmtree(folder)


@pytest.fixture
def dead_url() -> str:
    """Address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"postgresql://guest:{PASSWORD}@127.0.0.1:{probe.getsockname()[1]}/btc_data"


def with_password(url: str, password: str) -> str:
    """Return the address with a password in it."""
    return url.replace("guest@", f"guest:{password}@")


async def opens(url):
    """Open and close a connection."""
    async with connect(url) as connection:
        return await connection.fetchval("SELECT 1")


async def opens_pool(url):
    """Open and close a pool."""
    async with open_pool(url, min_size=1, max_size=2) as pool:
        return await pool.fetchval("SELECT 1")


async def reads_revisions(url):
    """Ask for the schema by the other driver."""
    return revisions(url)


async def upgrades(url):
    """Migrate by the other driver."""
    return upgrade(url)


EVERY_WAY = pytest.mark.parametrize("attempt", [opens, opens_pool, reads_revisions, upgrades])


async def sentence_of(attempt, url) -> str:
    """Return the message with which an attempt fails, after checking that it is one line without the password."""
    with pytest.raises(DatabaseError) as caught:
        await attempt(url)
    message = str(caught.value)
    assert "\n" not in message
    assert PASSWORD not in message
    assert "wrong-word" not in message
    return message


@EVERY_WAY
async def test_a_database_that_is_down(attempt, dead_url):
    """Nothing listens: the sentence names the address and what to set."""
    message = await sentence_of(attempt, dead_url)
    assert message.startswith("no usable database at 127.0.0.1:")
    assert "DATABASE_URL" in message


@EVERY_WAY
async def test_a_wrong_password(attempt, guarded_url):
    """The server refuses the user: the sentence names user and variables."""
    message = await sentence_of(attempt, with_password(guarded_url, "wrong-word"))
    assert "refuses user 'guest': check DB_USER and DB_PASSWORD" in message


@EVERY_WAY
async def test_no_password_where_one_is_wanted(attempt, guarded_url):
    """Without a password the advice is the same."""
    message = await sentence_of(attempt, guarded_url)
    assert "refuses user 'guest': check DB_USER and DB_PASSWORD" in message


@EVERY_WAY
async def test_a_database_that_does_not_exist(attempt, guarded_url):
    """The server is there and the database is not: the sentence names it."""
    url = with_password(guarded_url, PASSWORD).replace("/btc_data", "/btc_dat")
    assert "there is no database 'btc_dat' at 127.0.0.1:" in await sentence_of(attempt, url)


async def test_an_upgrade_without_the_right_to_make_tables(guarded_url):
    """A role that may connect and no more is told so: since PostgreSQL 15 that is what a plain CREATE USER gives."""
    message = await sentence_of(upgrades, with_password(guarded_url, PASSWORD))
    assert "user 'guest' may not" in message
    assert "permission denied" in message


async def test_the_right_password_opens(guarded_url):
    """What the refusals above are measured against."""
    assert await opens(with_password(guarded_url, PASSWORD)) == 1
    assert await opens_pool(with_password(guarded_url, PASSWORD)) == 1


async def test_missing_tables_lead_to_the_upgrade(empty_database_url):
    """A statement that meets an empty database says which command makes the tables."""
    async with connect(empty_database_url) as connection:
        with pytest.raises(asyncpg.UndefinedTableError) as caught:
            await connection.fetch("SELECT * FROM candles")
    message = str(explain(caught.value, empty_database_url))
    assert message.endswith("lacks our tables: run `btc db upgrade`")


async def test_connections_speak_utc(database_url):
    """Every time that a connection prints is UTC, whatever the server's or the role's setting."""
    async with connect(database_url) as connection, open_pool(database_url, min_size=1, max_size=1) as pool:
        assert await connection.fetchval("SHOW timezone") == "UTC"
        assert await pool.fetchval("SHOW timezone") == "UTC"


async def test_a_server_that_starts_is_waited_for(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It refuses connections, then says that it starts, then takes them."""
    folder = FALLBACK_FOLDER / tmp_path_factory.mktemp("btc-late").name
    folder.mkdir()
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder / "pg", is_disposable=True)
    with server:
        url = server.url
    waiting = asyncio.create_task(wait_for_server(url, seconds=60))
    with server:
        await waiting
        async with connect(url):
            pass
    shutil.rmtree(folder)


async def test_what_waiting_does_not_mend_is_not_waited_for(guarded_url: str, dead_url: str) -> None:
    """A wrong password is for the next statement to say; a server that never comes is given up."""
    await asyncio.wait_for(wait_for_server(guarded_url, seconds=60), 10)
    await asyncio.wait_for(wait_for_server(dead_url, seconds=0.2), 10)
