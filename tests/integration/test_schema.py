"""The schema in a real server: migrations, constraints, the revision trigger, the states of minutes."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config

from btc_core.errors import DatabaseError
from btc_core.model.clock import ClockScale
from btc_store import migrations
from btc_store.candles import announce_clock
from btc_store.connection import connect
from btc_store.schema import revisions, upgrade

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HEAD = "0013"

MIGRATIONS = Path(migrations.__file__).parent

INSERT = """
    INSERT INTO candles (time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state)
    VALUES ($1, 'BTC', '1m', $2, $3, $4, $5, $6, $7, 1, 'ws', 'provisional')
"""


async def insert_minute(connection, time=START, *, open=100.0, high=102.0, low=99.0, close=101.0, volume=5.0, trades=3):
    """Write one 1m candle past all our code."""
    await connection.execute(INSERT, time, open, high, low, close, volume, trades)


async def insert_finding(connection, kind, start, end, *, resolved_at=None):
    """Write one finding about minutes of BTC."""
    await connection.execute(
        "INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time, resolved_at)"
        " VALUES ('BTC', '1m', $1, 'info', $2, $3, $4)",
        kind,
        start,
        end,
        resolved_at,
    )


async def stop_clock(connection, now):
    """Let the market's clock stand, so near to still that no test sees it move."""
    await announce_clock(connection, ClockScale(sim=now.timestamp(), real=0, rate=1e-12))


async def states(connection):
    """Return the state of every minute of BTC, in order of time."""
    rows = await connection.fetch("SELECT time, state FROM minute_states WHERE symbol = 'BTC' ORDER BY time")
    return [(row["time"], row["state"]) for row in rows]


def test_an_empty_database_gets_the_newest_schema(empty_database_url):
    """`btc db upgrade` on an empty database says what it found and what it made."""
    assert revisions(empty_database_url)[0] is None
    assert upgrade(empty_database_url) == (None, HEAD)
    assert revisions(empty_database_url) == (HEAD, HEAD)


def test_a_second_upgrade_changes_nothing(database_url):
    """Twice is once."""
    assert upgrade(database_url) == (HEAD, HEAD)


def test_two_upgrades_at_once_make_one_schema(empty_database_url):
    """Two processes that start together both succeed; one of them made the tables."""
    with ThreadPoolExecutor(2) as executor:
        found = set(executor.map(upgrade, [empty_database_url] * 2))
    assert found == {(None, HEAD), (HEAD, HEAD)}


def upgrade_to(url, revision):
    """Bring an empty database to an earlier revision."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = sqlalchemy.create_engine(
        url.replace("postgresql://", "postgresql+psycopg2://", 1), poolclass=sqlalchemy.NullPool
    )
    with engine.connect() as opened:
        config.attributes["connection"] = opened
        command.upgrade(config, revision)
        opened.commit()


async def test_an_upgrade_keeps_what_is_stored(empty_database_url):
    """From the first schema with rows in it: each row stays as it is, and the new rules hold for it from then on."""
    upgrade_to(empty_database_url, "0001")
    async with connect(empty_database_url) as connection:
        for n in range(3):
            await insert_minute(connection, START + n * MINUTE)
        await connection.execute("UPDATE candles SET close = 101.5, source = 'rest' WHERE time = $1", START)
        await insert_finding(connection, "no_trade", START + 3 * MINUTE, START + 4 * MINUTE)
        await stop_clock(connection, START + 5 * MINUTE)
        tables = ("candles", "candle_revisions", "data_quality", "market_clock", "minute_states")
        before = [await connection.fetch(f"SELECT * FROM {table}") for table in tables]
    assert upgrade(empty_database_url) == ("0001", HEAD)
    async with connect(empty_database_url) as connection:
        after = [await connection.fetch(f"SELECT * FROM {table}") for table in tables]
        assert [sorted(rows) for rows in after] == [sorted(rows) for rows in before]
        await connection.execute("UPDATE candles SET close = 100.5 WHERE time = $1", START)
        # What was known of minutes without trades is news: decisions waited for them before.
        noted = await connection.fetch("SELECT symbol, start_time, end_time, change FROM no_trade_changes")
        assert [tuple(row) for row in noted] == [("BTC", START + 3 * MINUTE, START + 4 * MINUTE, 1)]
        reasons = await connection.fetch("SELECT reason FROM candle_revisions ORDER BY revision")
        assert [row["reason"] for row in reasons] == ["newer values from rest", "conflict"]


async def test_a_newer_schema_is_refused(connection, database_url):
    """An old program does not touch the tables of a newer one, and says what to do."""
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match=r"schema 9999, newer than this program's .*update the program"):
        upgrade(database_url)
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "9999"


@pytest.mark.usefixtures("timescaledb")
async def test_candles_and_indicators_are_hypertables(connection):
    """Where TimescaleDB is loaded the growing tables are partitioned by time."""
    rows = await connection.fetch("SELECT hypertable_name FROM timescaledb_information.hypertables ORDER BY 1")
    assert [row[0] for row in rows] == ["candles", "indicators"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"high": float("nan")},
        {"open": float("nan")},
        {"low": float("nan")},
        {"close": float("nan")},
        {"high": float("inf")},
        {"high": 98.0},
        {"high": 100.5},
        {"low": 100.5},
        {"low": 0.0},
        {"low": -1.0},
        {"volume": -1.0},
        {"volume": float("nan")},
        {"volume": float("inf")},
        {"trades": -1},
    ],
    ids=str,
)
async def test_a_candle_that_cannot_be_is_refused(connection, wrong):
    """Whoever writes: no NaN, no infinity, no high below another price, nothing negative gets into the table."""
    with pytest.raises(asyncpg.CheckViolationError):
        await insert_minute(connection, **wrong)


async def test_an_unknown_state_is_refused(connection):
    """A candle is provisional or confirmed."""
    await insert_minute(connection)
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute("UPDATE candles SET state = 'guessed'")


async def test_a_number_of_trades_may_be_unknown(connection):
    """Null says that the source does not count trades."""
    await insert_minute(connection, trades=None)
    assert await connection.fetchval("SELECT trades FROM candles") is None


async def test_a_change_keeps_the_old_values_and_dates_the_new_ones(connection):
    """A corrected minute has its next revision and a new ingested_at; what it was before stays, with the reason."""
    await insert_minute(connection)
    before = await connection.fetchrow("SELECT * FROM candles")
    await connection.execute("UPDATE candles SET close = 101.5, source = 'rest'")
    after = await connection.fetchrow("SELECT * FROM candles")
    kept = await connection.fetchrow("SELECT * FROM candle_revisions")
    assert (before["revision"], after["revision"]) == (0, 1)
    assert after["ingested_at"] > before["ingested_at"]
    shared_columns = ("symbol", "time", "revision", "open", "high", "low", "close", "volume", "trades", "source")
    assert [kept[name] for name in shared_columns] == [before[name] for name in shared_columns]
    assert (kept["state"], kept["ingested_at"]) == ("provisional", before["ingested_at"])
    assert kept["reason"] == "conflict"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (("ws", 3), ("ws", 4), "late_frame"),
        (("rest", 3), ("ws", 4), "late_frame"),
        (("import:a", 3), ("ws", 4), "late_frame"),
        (("ws", 3), ("rest", 4), "lost_tail"),
        (("rest", 3), ("rest", 4), "lost_tail"),
        (("ws", 3), ("rest", 3), "conflict"),
        (("ws", 3), ("rest", 2), "newer values from rest"),
        (("import:a", 3), ("rest", 2), "imported"),
        (("import:a", None), ("rest", 3), "imported"),
        (("import:a", 3), ("import:b", 2), "imported"),
        (("ws", 3), ("hand", 3), "newer values from hand"),
    ],
)
async def test_the_reason_of_a_change(connection, old, new, reason):
    """Worked out from what was stored and what comes, whoever writes."""
    await insert_minute(connection, trades=old[1])
    await connection.execute("UPDATE candles SET source = $1", old[0])
    await connection.execute("UPDATE candles SET close = 101.5, source = $1, trades = $2", *new)
    assert await connection.fetchval("SELECT reason FROM candle_revisions") == reason


@pytest.mark.parametrize(
    ("state", "source", "trades", "kind"),
    [
        ("provisional", "ws", 4, None),
        ("provisional", "rest", 4, None),
        ("provisional", "rest", 3, "conflict"),
        ("confirmed", "ws", 4, "correction"),
        ("confirmed", "rest", 4, "correction"),
        ("confirmed", "rest", 3, "conflict"),
        ("confirmed", "hand", 3, None),
    ],
)
async def test_what_contradicts_the_exchange_is_an_event(connection, state, source, trades, kind):
    """A confirmed candle that changes, or two words of the exchange that differ: a finding, over at once."""
    await insert_minute(connection)
    await connection.execute("UPDATE candles SET state = $1", state)
    await connection.execute("UPDATE candles SET close = 101.5, source = $1, trades = $2", source, trades)
    rows = await connection.fetch("SELECT * FROM data_quality")
    assert [row["kind"] for row in rows] == ([kind] if kind else [])
    for row in rows:
        assert (row["severity"], row["start_time"], row["end_time"]) == ("info", START, START + MINUTE)
        assert row["resolved_at"] is not None
        old = {"open": 100, "high": 102, "low": 99, "close": 101, "volume": 5, "trades": 3, "source": "ws"}
        details = json.loads(row["details"])
        assert details["old"] == {**old, "state": state}
        assert details["new"] == {**old, "close": 101.5, "trades": trades, "source": source, "state": state}


async def test_the_reason_of_a_change_can_be_said(connection):
    """Who corrects by hand says why."""
    await insert_minute(connection)
    async with connection.transaction():
        await connection.execute("SET LOCAL btc.reason = 'reported by the exchange'")
        await connection.execute("UPDATE candles SET close = 101.5")
    assert await connection.fetchval("SELECT reason FROM candle_revisions") == "reported by the exchange"
    assert await connection.fetchval("SELECT count(*) FROM data_quality") == 0


async def test_a_change_of_state_alone_is_no_revision(connection):
    """Confirmation without new values is no news for what is derived."""
    await insert_minute(connection)
    before = await connection.fetchrow("SELECT revision, ingested_at FROM candles")
    await connection.execute("UPDATE candles SET state = 'confirmed'")
    assert await connection.fetchrow("SELECT revision, ingested_at FROM candles") == before
    assert await connection.fetchval("SELECT count(*) FROM candle_revisions") == 0


async def test_a_trade_count_that_becomes_known_is_a_revision(connection):
    """Null differs from 0 and from every number."""
    await insert_minute(connection, trades=None)
    await connection.execute("UPDATE candles SET trades = 3")
    assert await connection.fetchval("SELECT revision FROM candles") == 1


async def test_derived_candles_have_no_revisions(connection):
    """What is derived is derived again; only what came from outside is kept in all its versions."""
    await connection.execute(INSERT.replace("'1m'", "'37m'"), START, 100.0, 102.0, 99.0, 101.0, 5.0, 3)
    await connection.execute("UPDATE candles SET close = 101.5")
    assert await connection.fetchval("SELECT count(*) FROM candle_revisions") == 0


async def test_every_minute_has_exactly_one_state(connection):
    """From a symbol's first minute to now each minute is confirmed, provisional, missing, no_trade or unrecoverable."""
    await stop_clock(connection, START + 6 * MINUTE + timedelta(seconds=30))
    await insert_minute(connection, START)
    await insert_minute(connection, START + MINUTE)
    await connection.execute("UPDATE candles SET state = 'confirmed' WHERE time = $1", START)
    await insert_finding(connection, "no_trade", START + 2 * MINUTE, START + 3 * MINUTE)
    await insert_finding(connection, "unrecoverable", START + 3 * MINUTE, START + 5 * MINUTE)
    assert await states(connection) == [
        (START, "confirmed"),
        (START + MINUTE, "provisional"),
        (START + 2 * MINUTE, "no_trade"),
        (START + 3 * MINUTE, "unrecoverable"),
        (START + 4 * MINUTE, "unrecoverable"),
        (START + 5 * MINUTE, "missing"),
    ]


async def test_overlapping_findings_give_one_state(connection):
    """A minute that two findings speak of is listed once, and a stored candle outweighs both."""
    await stop_clock(connection, START + 3 * MINUTE)
    await insert_minute(connection)
    await insert_finding(connection, "no_trade", START, START + 2 * MINUTE)
    await insert_finding(connection, "unrecoverable", START, START + 3 * MINUTE)
    assert await states(connection) == [
        (START, "provisional"),
        (START + MINUTE, "no_trade"),
        (START + 2 * MINUTE, "unrecoverable"),
    ]


async def test_a_resolved_finding_leaves_the_minute_missing(connection):
    """What a finding said counts while it is open."""
    await stop_clock(connection, START + 2 * MINUTE)
    await insert_minute(connection)
    await insert_finding(connection, "no_trade", START + MINUTE, START + 2 * MINUTE, resolved_at=START + 5 * MINUTE)
    assert await states(connection) == [(START, "provisional"), (START + MINUTE, "missing")]


@pytest.mark.parametrize("seed", range(3))
async def test_the_states_are_those_of_the_first_schema(connection, seed):
    """The view is another since revision 0002, and means the same: compared minute by minute on random data."""
    text = (MIGRATIONS / "versions" / "0001_tables.sql").read_text(encoding="utf-8")
    (first,) = [part for part in text.split(";") if "CREATE VIEW minute_states" in part]
    await connection.execute(first.replace("VIEW minute_states", "VIEW first_states"))
    chance = random.Random(seed)
    await stop_clock(connection, START + 200 * MINUTE + timedelta(seconds=chance.choice([0, 30])))
    for symbol in ("ETH", "BTC"):
        for n in sorted(chance.sample(range(5, 190), 60)):
            await insert_minute(connection, START + n * MINUTE)
        await connection.execute("UPDATE candles SET symbol = $1 WHERE symbol = 'BTC'", symbol)
        for _ in range(30):
            start = START + chance.randrange(0, 400) * MINUTE / 2
            end = start + chance.randrange(1, 60) * MINUTE / 2
            kind = chance.choice(["no_trade", "unrecoverable", "gap"])
            await insert_finding(connection, kind, start, end, resolved_at=chance.choice([None, START]))
        # What is without a range, or without an end, breaks nothing.
        await insert_finding(connection, "unrecoverable", None, None)
        await insert_finding(connection, "unrecoverable", START + 150 * MINUTE, datetime.max.replace(tzinfo=UTC))
        await connection.execute("UPDATE data_quality SET symbol = $1 WHERE symbol = 'BTC'", symbol)
    both = [
        await connection.fetch(f"SELECT symbol, time, state FROM {view} ORDER BY symbol, time")
        for view in ("minute_states", "first_states")
    ]
    assert len({row["state"] for row in both[0]}) == 4
    assert both[0] == both[1]


async def test_a_scaled_clock_ends_the_states_at_its_own_now(connection):
    """Under BTC_CLOCK the minutes end where the market's clock is, however far from real time."""
    await insert_minute(connection)
    real = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::double precision")
    # One real second is a microsecond of the market: the test cannot be too slow.
    await announce_clock(connection, ClockScale((START + 10 * MINUTE).timestamp(), real, 1e-6))
    found = await states(connection)
    assert [time for time, _ in found] == [START + n * MINUTE for n in range(10)]
    assert [state for _, state in found] == ["provisional"] + ["missing"] * 9


async def test_a_candle_past_the_clock_is_listed(connection):
    """A stored minute has a state even where the clock was set back behind it."""
    await insert_minute(connection)
    await insert_minute(connection, START + 2 * MINUTE)
    await stop_clock(connection, START)
    assert [state for _, state in await states(connection)] == ["provisional", "missing", "provisional"]


async def test_without_a_scale_now_is_real_time(connection):
    """The market's clock is the database's own unless told otherwise."""
    difference = await connection.fetchval("SELECT abs(extract(epoch FROM clock_timestamp() - market_now()))")
    assert difference < 5


async def test_one_open_finding_of_a_kind_about_a_range(connection):
    """The same thing found twice is one open finding; resolved ones may be many."""
    await insert_finding(connection, "gap", START, START + MINUTE, resolved_at=START)
    await insert_finding(connection, "gap", START, START + MINUTE)
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert_finding(connection, "gap", START, START + MINUTE)


async def test_a_live_decision_is_unique_although_its_backtest_is_null(connection):
    """Null is one value in the key of a decision: a second run cannot say a candle's decision again."""
    insert = """
        INSERT INTO decisions (time, symbol, interval, strategy, seq, signal, confidence, exposure, price,
                               indicator_snapshot, parameters, run_id, code_version, decided_at)
        VALUES ($1, 'BTC', '37m', 'ma44', 0, 'HOLD', 1, 0, 100, $2, $2, 'run', 'v', $1)
    """
    await connection.execute(insert, START, json.dumps({}))
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(insert, START, json.dumps({}))


async def test_whoever_owns_the_database_can_upgrade_it_without_being_a_superuser(server, empty_database_url):
    """As docs/operations.md makes the database: a role that owns it, and an extension that somebody else created."""
    name = empty_database_url.rsplit("/", 1)[1]
    async with connect(empty_database_url) as administrator:
        await administrator.execute(f"CREATE ROLE {name} LOGIN CREATEROLE")
        try:
            await administrator.execute(f"ALTER DATABASE {name} OWNER TO {name}")
            if server.has_timescaledb:
                await administrator.execute("CREATE EXTENSION timescaledb")
            url = empty_database_url.replace("//postgres@", f"//{name}@")
            upgrade(url)
            async with connect(url) as owner:
                assert await owner.fetchval("SELECT count(*) FROM candles") == 0
        finally:
            await administrator.execute("SET client_min_messages = error")
            await administrator.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}")
            await administrator.execute(f"DROP ROLE {name}")
