"""Who may do what in the database, with real roles: the collector's, the reader's, and what makes their logins."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from api.database import Database
from btc_core.model.timerange import MINUTE
from btc_store.connection import connect
from btc_store.embedded import FALLBACK_FOLDER, EmbeddedPostgres
from btc_store.schema import upgrade
from btc_store.settings import Settings
from demo.faults.script import fault
from tests.conftest import FETCHED, ROOT
from tests.faulty import Play, Playing, play, said
from tests.integration.test_faults_machine import away
from tests.integration.test_schema import INSERT, insert_finding, insert_minute

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
SECRETS = ("db_admin_password", "db_password", "db_collector_password", "db_api_password")
DECISION = (
    "INSERT INTO decisions (time, symbol, interval, strategy, seq, signal, confidence, exposure, price, "
    "indicator_snapshot, parameters, run_id, code_version, decided_at) "
    "VALUES (now(), 'BTC', '37m', 'ma44', 0, 'HOLD', 1, 0, 1, '{}', '{}', 'r', '1', now())"
)
CANDLE = (
    "INSERT INTO candles (time, symbol, interval, open, high, low, close, volume, minutes, source, state) "
    "VALUES ('2025-02-14Z', 'BTC', '{}', 1, 1, 1, 1, 1, 1, 'ws', 'provisional')"
)
FORBIDDEN = (
    CANDLE.format("37m"),
    CANDLE.format("1M"),
    "UPDATE candles SET close = 101 WHERE interval = '37m'",
    "UPDATE candles SET interval = '37m' WHERE interval = '1m'",
    "UPDATE candles SET revision = 0",
    "UPDATE candles SET ingested_at = now()",
    "DELETE FROM candles",
    "TRUNCATE candles",
    "DELETE FROM candle_revisions",
    "INSERT INTO candle_revisions SELECT * FROM candle_revisions",
    DECISION,
    "DELETE FROM decisions",
    "SELECT count(*) FROM decisions",
    "SELECT count(*) FROM backtest_runs",
    "INSERT INTO indicators VALUES (now(), 'BTC', '1h', 'rsi', 1, '{}')",
    "INSERT INTO outbox (kind, asset_key, partition) VALUES ('materialization', 'x', 'y')",
    "UPDATE live_state SET state = '{}'",
    "UPDATE database_identity SET id = gen_random_uuid()",
    "UPDATE alembic_version SET version_num = '0001'",
    "DELETE FROM stream_changes",
    "INSERT INTO data_quality (symbol, interval, kind, severity) VALUES ('BTC', '37m', 'gap', 'info')",
    "INSERT INTO data_quality (symbol, interval, kind, severity) VALUES ('BTC', '1m', 'parity', 'info')",
    "DROP TABLE candles",
    "DROP TRIGGER candles_refuse_derived_new ON candles",
    "ALTER TABLE candles DISABLE TRIGGER ALL",
    "CREATE TABLE mine (x integer)",
    "SET session_replication_role = replica",
    "SET ROLE btc_reader",
    "CREATE SCHEMA dagster_too",
    "ALTER ROLE btc_collector SUPERUSER",
    "COPY candles TO PROGRAM 'cat'",
    "SELECT pg_read_file('PG_VERSION')",
)


@pytest.fixture
async def as_collector(database_url: str, connection: asyncpg.Connection):
    """The database's address for somebody who is the collector and nothing else."""
    name, parts = urlsplit(database_url).path.lstrip("/") + "_collector", urlsplit(database_url)
    await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'word' IN ROLE btc_collector")
    yield parts._replace(netloc=f"{name}:word@{parts.hostname}:{parts.port}").geturl()
    await connection.execute(f"DROP ROLE {name}")


@pytest.fixture
def playing(database_url: str, settings_for: Callable[..., Settings], tmp_path: Path) -> Playing:
    """A play on a database of its own."""
    return partial(play, database_url, settings_for, tmp_path)


async def test_the_collector_runs_whole_as_its_role(playing, as_collector, server_url, caplog):
    """Stream, history, corrections, minutes without trades, an outage: nothing of it needs to be the owner."""
    caplog.set_level("INFO")
    async with playing(faults=[fault("lost_tail")], n_history=600) as one:
        async with one.collecting(replace(one.settings, database_url=as_collector)):
            await one.reached(one.start + MINUTE)
            signed_in = "SELECT usename FROM pg_stat_activity WHERE application_name LIKE 'btc-collector/%'"
            assert await one.connection.fetchval(signed_in) == urlsplit(as_collector).username
            async with one.during(fault("no_trades", flat=False)):
                await one.pass_time(timedelta(minutes=2))
            await one.until(lambda: one.n_in_state("BTC", "no_trade"))
            async with away(one, server_url):
                await one.until(lambda: said(caplog, "database is away"))
                await one.pass_time(timedelta(minutes=2))
            await one.until(lambda: said(caplog, "spool is written"))
            await one.heals()
            await one.until(lambda: _is_corrected(one))
        assert {row["kind"] for row in await one.connection.fetch("SELECT kind FROM data_quality")} >= {"no_trade"}
        for table in ("no_trade_changes", "stream_changes", "candle_revisions", "symbol_coins"):
            assert await one.connection.fetchval(f"SELECT count(*) FROM {table}"), table
    assert not said(caplog, "candle refused by the database")


async def _is_corrected(one: Play) -> bool:
    """Return whether history has brought what the stream had lost."""
    return "lost_tail" in await one.reasons()


async def test_the_collector_may_do_nothing_else(connection, as_collector):
    """Whatever a collector that was taken over tries: what is derived, decided or kept stays, and nothing is made."""
    await insert_minute(connection, START)
    await connection.execute("UPDATE candles SET close = 100.5")
    await connection.execute(INSERT.replace("'1m'", "'37m'"), START, 100.0, 102.0, 99.0, 101.0, 5.0, 3)
    async with connect(as_collector) as collector:
        for statement in FORBIDDEN:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                pytest.fail(f"{statement}: {await collector.execute(statement)}")


async def test_the_collector_does_not_touch_the_findings_of_others(connection, as_collector):
    """It reads them; what it may not close stays open, and an update of all of them changes its own alone."""
    await insert_finding(connection, "outlier", START, START + MINUTE)
    await insert_finding(connection, "no_trade", START, START + MINUTE)
    async with connect(as_collector) as collector:
        assert await collector.fetchval("SELECT count(*) FROM data_quality") == 2
        assert await collector.execute("UPDATE data_quality SET resolved_at = now()") == "UPDATE 1"
        assert await collector.execute("DELETE FROM data_quality WHERE kind = 'outlier'") == "DELETE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await collector.execute("UPDATE data_quality SET kind = 'parity' WHERE kind = 'no_trade'")


async def test_nobody_hangs_what_writes_for_the_owner_on_a_table_of_his_own(connection, as_collector):
    """The triggers that keep revisions write as the owner: only the owner may make more of them."""
    async with connect(as_collector) as collector:
        await collector.execute("CREATE TEMP TABLE mine (LIKE candles)")
        for function in ("keep_candle_revision", "note_series_change", "note_no_trade", "note_finding_change"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await collector.execute(
                    f"CREATE TRIGGER mine BEFORE UPDATE ON mine FOR EACH ROW EXECUTE FUNCTION {function}()"
                )


async def test_no_function_that_acts_as_the_owner_can_be_called_by_others(connection):
    """Also not one that a later migration makes."""
    rows = await connection.fetch(
        "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        " AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')"
        " AND (has_function_privilege('btc_collector', oid, 'EXECUTE') OR proconfig IS NULL)"
    )
    assert [row["proname"] for row in rows] == []


async def test_the_reader_reads_every_table(connection):
    """Whatever migration made it."""
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
        " AND relname <> 'alembic_version' AND NOT has_table_privilege('btc_reader', oid, 'SELECT')"
    )
    assert [row["relname"] for row in rows] == []
    await insert_finding(connection, "outlier", START, START + MINUTE)
    await connection.execute("SET ROLE btc_reader")
    assert await connection.fetchval("SELECT count(*) FROM data_quality") == 1


@pytest.fixture(scope="module")
def container_like() -> Iterator[EmbeddedPostgres]:
    """A server of its own whose users sign in by password, but for its administrator."""
    if not (FETCHED / "bin" / "psql").exists():
        pytest.skip("there is no psql beside the server")
    folder = FALLBACK_FOLDER / f"btc-test-roles-{os.getpid()}"
    folder.mkdir()
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder / "pg", bin_folder=FETCHED / "bin", is_disposable=True)
    try:
        with server:
            door = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
            (server.data / "pg_hba.conf").write_text(door, encoding="utf-8")
            psql = [str(FETCHED / "bin" / "psql"), server.url, "-c", "SELECT pg_reload_conf()"]
            subprocess.run(psql, check=True, capture_output=True)
            yield server
    finally:
        shutil.rmtree(folder)


def give_passwords(server: EmbeddedPostgres, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run what the container runs once on an empty database, and whoever changes passwords runs again."""
    env = {"PATH": f"{FETCHED / 'bin'}:{os.defpath}", "PGHOST": "127.0.0.1", "PGPORT": str(server.port)}
    env |= {"POSTGRES_USER": "postgres", "POSTGRES_DB": "btc_data", "BTC_SECRETS": str(folder), "LC_ALL": "C"}
    script = ROOT / "deploy" / "database" / "10-roles.sh"
    return subprocess.run(["bash", script], env=env, capture_output=True, text=True, check=False, timeout=60)


async def sign_in(server: EmbeddedPostgres, user: str, password: str) -> asyncpg.Connection:
    """Connect as somebody."""
    return await asyncpg.connect(
        host="127.0.0.1", port=server.port, database="btc_data", user=user, password=password, timeout=10
    )


async def test_whoever_may_not_make_roles_upgrades_all_the_same(container_like):
    """Without the role, the collector signs in as the owner."""
    async with connect(container_like.url) as administrator:
        await administrator.execute("CREATE ROLE plain LOGIN PASSWORD 'word'")
        await administrator.execute("CREATE DATABASE plain OWNER plain")
        upgrade(f"postgresql://plain:word@127.0.0.1:{container_like.port}/plain")
        assert not await administrator.fetchval("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'btc_%'")
        async with connect(f"postgresql://plain:word@127.0.0.1:{container_like.port}/plain") as owner:
            await insert_minute(owner, START)
        await administrator.execute("DROP DATABASE plain")
        await administrator.execute("DROP ROLE plain")


async def test_the_roles_of_a_database_of_one_s_own(container_like):
    """As docs/operations.md makes them: each signs in and does its part, and the API takes the reader's role."""
    server, page = container_like, (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```sql\n(CREATE ROLE btc_bot.*?)^```$", page, re.MULTILINE | re.DOTALL)
    # The server has a database of that name.
    block = block.replace("btc_data", "of_the_page")
    psql = [str(FETCHED / "bin" / "psql"), server.url, "--set=ON_ERROR_STOP=1", "--quiet"]
    done = subprocess.run(psql, input=block, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    try:
        owner = f"postgresql://btc_bot:{quote('choose one')}@127.0.0.1:{server.port}/of_the_page"
        upgrade(owner)
        async with connect(
            owner.replace(f"btc_bot:{quote('choose one')}", f"btc_collector:{quote('choose another')}")
        ) as one:
            await insert_minute(one, START)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await one.execute("DELETE FROM candles")
        database = Database(owner)
        async with database.acquire() as lent:
            assert await lent.fetchval("SELECT current_user") == "btc_reader"
            assert await lent.fetchval("SELECT count(*) FROM candles") == 1
        await database.close()
    finally:
        async with connect(server.url) as administrator:
            await administrator.execute("DROP DATABASE of_the_page")
            await administrator.execute("DROP ROLE btc_bot, btc_collector, btc_reader")


async def test_an_empty_secret_makes_no_login(container_like, tmp_path):
    """It says which file, and what to write; nobody was given a password before that."""
    for name in SECRETS:
        (tmp_path / name).write_text("" if name == "db_collector_password" else "long enough a word")
    done = give_passwords(container_like, tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "secrets/db_collector_password: expected at least 12 characters, found 0: "
        "openssl rand -hex 24 > secrets/db_collector_password\n"
    )


async def test_the_logins_of_the_containers(container_like, tmp_path):
    """Each signs in with what is in its file and with nothing else, and does its part; passwords can be changed."""
    server = container_like
    passwords = {name: f'it\'s \\ a "{name}" $(word)' for name in SECRETS}
    for name, password in passwords.items():
        (tmp_path / name).write_text(f"{password}\n", encoding="utf-8")
    assert (done := give_passwords(server, tmp_path)).returncode == 0, done.stderr
    for user in ("btc_bot", "btc_collector", "btc_api"):
        for wrong in ("", "word"):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await sign_in(server, user, wrong)
    upgrade(f"postgresql://btc_bot:{quote(passwords['db_password'], safe='')}@127.0.0.1:{server.port}/btc_data")
    collector = await sign_in(server, "btc_collector", passwords["db_collector_password"])
    await insert_minute(collector, START)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await collector.execute("CREATE TEMP TABLE mine (x integer)")
    await collector.close()
    reader = await sign_in(server, "btc_api", passwords["db_api_password"])
    assert await reader.fetchval("SELECT count(*) FROM candles") == 1
    await reader.close()
    async with connect(server.url) as administrator:
        stored = await administrator.fetch("SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL")
    assert {row["rolname"] for row in stored} == {"postgres", "btc_bot", "btc_collector", "btc_api"}
    assert all(row["rolpassword"].startswith("SCRAM-SHA-256$") for row in stored)
    (tmp_path / "db_collector_password").write_text("quite another one")
    assert give_passwords(server, tmp_path).returncode == 0
    await (await sign_in(server, "btc_collector", "quite another one")).close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await sign_in(server, "btc_collector", passwords["db_collector_password"])
