"""``btc db upgrade`` from every earlier schema, on a database that is filled as one of then was.

``tests/fixtures/schema/<revision>.sql`` has the rows that a revision made possible; a migration that adds a table or a
column adds such a file, and is tested here without another word.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import psycopg2
import pytest
from alembic.script import ScriptDirectory
from click.testing import CliRunner

from btc_assets.cli import main
from btc_core.model.candle import Candle, State
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.resample import resample
from btc_store import schema
from btc_store.candles import upsert_candles
from btc_store.connection import connect
from btc_store.frames import open_frames, read_candles
from live.plan import plan_of
from tests.conftest import ROOT, Server, _execute
from tests.integration.test_schema import MIGRATIONS, upgrade_to
from tests.live_lane import one_pass, small_config

FILLS = ROOT / "tests" / "fixtures" / "schema"
SPAN = TimeRange(datetime(2025, 2, 14, 8, tzinfo=UTC), datetime(2025, 2, 14, 12, tzinfo=UTC))
# The rows of each table, as text, and how often each is there.
Rows = dict[str, Counter[str]]


def chain() -> list[str]:
    """Return every revision, the oldest first."""
    return [each.revision for each in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]


VERSIONS = chain()


@pytest.fixture(scope="module")
def filled(server: Server) -> Iterator[dict[str, str]]:
    """Addresses of databases, one of each version, each filled when it was of that version."""
    base = f"btc_test_{uuid4().hex[:12]}"
    made = {revision: f"{base}_{revision}" for revision in VERSIONS}
    _execute(server.url, f"CREATE DATABASE {base}")
    try:
        for n, revision in enumerate(VERSIONS):
            upgrade_to(server.url_of(base), revision)
            _execute(
                server.url,
                # A database with a session cannot be copied, and TimescaleDB's launcher would open one.
                f"ALTER DATABASE {base} ALLOW_CONNECTIONS false",
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{base}'",
                f"CREATE DATABASE {made[revision]} TEMPLATE {base} STRATEGY file_copy",
                f"ALTER DATABASE {base} ALLOW_CONNECTIONS true",
            )
            files = [FILLS / f"{each}.sql" for each in VERSIONS[: n + 1]]
            _fill(server.url_of(made[revision]), [file.read_text(encoding="utf-8") for file in files if file.exists()])
        yield {revision: server.url_of(name) for revision, name in made.items()}
    finally:
        for name in (base, *made.values()):
            _execute(server.url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _fill(url: str, texts: list[str]) -> None:
    with psycopg2.connect(url) as opened, opened.cursor() as cursor:
        for text in texts:
            cursor.execute(text)


async def rows_of(connection: asyncpg.Connection, columns: dict[str, list[str]]) -> Rows:
    """Return the rows of tables, as text, with how often each is there."""
    found: Rows = {}
    for table, names in columns.items():
        chosen = ", ".join(f'"{name}"' for name in names)
        rows = await connection.fetch(f"SELECT row_to_json(r)::text FROM (SELECT {chosen} FROM {table}) AS r")
        found[table] = Counter(row[0] for row in rows)
    return found


async def columns_of(connection: asyncpg.Connection) -> dict[str, list[str]]:
    """Return the columns of each of our tables, and of the view."""
    rows = await connection.fetch(
        "SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position) AS names "
        "FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version' "
        "AND table_name NOT LIKE 'pg_%' GROUP BY table_name"
    )
    return {row["table_name"]: row["names"] for row in rows}


@pytest.mark.parametrize("version", VERSIONS)
async def test_from_every_version_nothing_is_lost_and_the_program_works(filled, version, settings_for):
    """Each row stays as it was; a minute comes in, everything is derived, and status says what there is."""
    url = filled[version]
    async with connect(url) as connection:
        columns = await columns_of(connection)
        before = await rows_of(connection, columns)
    assert schema.upgrade(url) == (version, VERSIONS[-1])
    assert schema.upgrade(url) == (VERSIONS[-1], VERSIONS[-1])
    async with connect(url) as connection:
        after = await rows_of(connection, columns)
        assert {name: rows - after[name] for name, rows in before.items() if rows - after[name]} == {}
        assert await upsert_candles(connection, [newest_minute()]) == 1
    derive(url)
    arguments = ["db", "status", "--json"]
    status = await asyncio.to_thread(CliRunner().invoke, main, arguments, obj=settings_for(url))
    assert status.exit_code == 0, status.output
    told = json.loads(status.stdout)
    assert told["schema"] == {"found": VERSIONS[-1], "wanted": VERSIONS[-1]}
    n_rows = {(each["symbol"], each["interval"]): each["n_rows"] for each in told["series"]}
    assert (n_rows["BTC", "1m"], n_rows["ETH", "1m"], n_rows["BTC", "3m"]) == (236, 235, 79)


def newest_minute() -> Candle:
    """Return the minute after what is filled in."""
    prices = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.5, "volume": 1.0}
    return Candle(time=SPAN.end, symbol="BTC", trades=3, source="ws", state=State.PROVISIONAL, **prices)


def derive(url: str) -> None:
    """Derive all that hangs on the minutes, and hold the candles against the arithmetic."""
    with open_frames(url) as frames:
        one_pass(frames, plan_of(small_config("BTC")), "BTC", [SPAN], now=SPAN.end + timedelta(days=40))
        interval = parse_interval("3m")
        minutes = read_candles(frames, "BTC", parse_interval("1m"), SPAN)
        stored = read_candles(frames, "BTC", interval, SPAN)
        columns = ["time", "open", "high", "low", "close", "volume", "trades", "minutes"]
        assert stored.select(columns).equals(resample(minutes, interval).select(columns))


@pytest.mark.parametrize("version", VERSIONS)
def test_there_is_no_way_back(version):
    """A sentence says what there is instead."""
    script = ScriptDirectory(str(MIGRATIONS)).get_revision(version)
    with pytest.raises(RuntimeError, match=r"^migrations only add: restore a backup to go back to an earlier schema$"):
        script.module.downgrade()
