"""The collector's side of a real database: pieces of history, refused rows, a second collector, a slow server."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from btc_core.errors import DatabaseError
from btc_core.model.candle import Candle, State, Verdict
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import TimeRange
from btc_store import connection as connections
from btc_store.candles import Known, Run
from btc_store.connection import connect, open_pool
from btc_store.findings import Finding
from collector.store import CHUNK, open_store

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TOO_MANY = 2**40  # trades: more than the column holds

STREAM = Candle(
    time=START,
    symbol="BTC",
    open=100.0,
    high=102.0,
    low=99.0,
    close=101.0,
    volume=5.0,
    trades=10,
    source="ws",
    state=State.PROVISIONAL,
)


def minutes(first, end, **changes):
    """Return candles of some minutes."""
    return [msgspec.structs.replace(STREAM, time=START + n * MINUTE, **changes) for n in range(first, end)]


def span(first, end):
    """Return the minutes from the first to before the end."""
    return TimeRange(START + first * MINUTE, START + end * MINUTE)


@pytest.fixture
async def store(database_url, settings_for):
    """A store on the fresh database."""
    async with open_store(settings_for(database_url)) as opened:
        yield opened


async def test_what_is_written_is_known(store):
    """The newest minute and the number of rows are told as they are stored; a repetition counts nothing."""
    await store.write(minutes(0, 5))
    await store.write(minutes(0, 5))
    assert (store.newest, store.n_stored) == ({"BTC": START + 4 * MINUTE}, 5)
    assert await store.confirm("BTC", span(0, 7), minutes(1, 7)) == {
        START: Verdict.UNANSWERED,
        **{START + n * MINUTE: Verdict.SAME for n in (1, 2, 3, 4)},
        **{START + n * MINUTE: Verdict.NEW for n in (5, 6)},
    }
    assert (store.newest, store.n_stored) == ({"BTC": START + 6 * MINUTE}, 7)
    assert await store.known("BTC", START) == Known(
        START, START + 6 * MINUTE, None, (Run(span(0, 1), "provisional"), Run(span(1, 7), "confirmed"))
    )


async def test_what_is_known_from_before(store, database_url, settings_for):
    """A new process learns the newest minute, which may be older than what it asks for; a new symbol has none."""
    await store.write(minutes(0, 5))
    async with open_store(settings_for(database_url)) as again:
        assert await again.known("BTC", START + 90 * MINUTE) == Known(START, START + 4 * MINUTE, START + 4 * MINUTE, ())
        assert await again.known("ETH", START) == Known(None, None, None, ())
        assert again.newest == {"BTC": START + 4 * MINUTE, "ETH": None}


async def test_a_long_history_goes_in_pieces(store):
    """Verdicts on all of a window, however long, each minute once."""
    n = 2 * CHUNK + 500
    await store.write(minutes(0, n, symbol="ETH"))
    verdicts = await store.confirm("ETH", span(0, n), minutes(0, n, symbol="ETH"))
    assert list(verdicts) == [START + i * MINUTE for i in range(n)]
    assert set(verdicts.values()) == {Verdict.SAME}
    assert (await store.known("ETH", START)).runs == (Run(span(0, n), "confirmed"),)


async def test_a_refused_candle_does_not_hold_up_the_others(store, caplog):
    """The one row that the table cannot hold is found, logged and left out."""
    candles = [*minutes(0, 20), *minutes(20, 21, trades=TOO_MANY), *minutes(21, 40)]
    await store.write(candles)
    expected = (Run(span(0, 20), "provisional"), Run(span(21, 40), "provisional"))
    assert (await store.known("BTC", START)).runs == expected
    assert [record.message for record in caplog.records] == ["candle refused by the database"]


async def test_a_refused_row_of_history_counts_as_not_answered(store, caplog):
    """All other verdicts of its window are given; what was stored of its minute stays in doubt."""
    await store.write(minutes(20, 22))
    told = [*minutes(0, 20), *minutes(20, 21, trades=TOO_MANY), *minutes(21, 30, source="rest")]
    verdicts = await store.confirm("BTC", span(0, 30), told)
    assert verdicts.pop(START + 20 * MINUTE) is Verdict.UNANSWERED
    assert verdicts.pop(START + 21 * MINUTE) is Verdict.SAME
    assert list(verdicts.values()) == [Verdict.NEW] * 28
    assert [record.message for record in caplog.records] == ["candle refused by the database"]


async def test_findings_are_marked_and_noted(store, connection, caplog):
    """What is said of minutes is known; one note that the table refuses does not hold up the others."""
    await store.write(minutes(0, 1))
    await store.mark("BTC", "no_trade", [span(1, 3)], severity="info", details={"n_asked": 2})
    assert (await store.known("BTC", START)).runs[1] == Run(span(1, 3), "no_trade")
    good = Finding(symbol="BTC", kind="quarantined", severity="warning", details={"text": "{"})
    bad = Finding(symbol="BTC", kind="nonsense", severity="warning", details={})
    await store.note([good, bad, good])
    assert await connection.fetchval("SELECT count(*) FROM data_quality WHERE kind = 'quarantined'") == 2
    assert [record.message for record in caplog.records] == ["finding refused by the database"]


async def test_coins_are_remembered(store):
    """Another process learns which coin a symbol was collected from."""
    await store.remember_coins({"BTC": "BTC", "UBTC/USDC": "@142"})
    assert await store.coins() == {"BTC": "BTC", "UBTC/USDC": "@142"}


async def test_the_clock_is_announced(store, connection):
    """The database takes the market's clock."""
    await store.announce(ClockScale(START.timestamp(), 0, 1e-12))
    assert await connection.fetchval("SELECT date_trunc('second', market_now())") == START


async def test_other_collectors_are_counted(store, database_url, server_url):
    """Processes, not sessions, and only those of this database; other programs are none."""
    assert await store.other_collectors() == 0
    other, elsewhere = "btc-collector/another/7", "btc-collector/elsewhere/7"
    async with (
        open_pool(database_url, min_size=3, max_size=3, application_name=other),
        open_pool(server_url, min_size=1, max_size=1, application_name=elsewhere),
        connect(database_url),
    ):
        assert await store.other_collectors() == 1


async def test_two_collectors_write_the_same_at_once(store, database_url, settings_for, connection):
    """Every minute is stored once, and every verdict is one that the rules allow."""
    async with open_store(settings_for(database_url)) as other:
        told = minutes(0, 300)
        answers = await asyncio.gather(
            *(each.write(minutes(0, 300)) for each in (store, other)),
            *(each.confirm("BTC", span(0, 300), told) for each in (store, other, store, other)),
        )
    assert await connection.fetchval("SELECT count(*) FROM candles WHERE state = 'confirmed'") == 300
    assert await connection.fetchval("SELECT count(*) FROM candle_revisions") == 0
    assert {verdict for answer in answers[2:] for verdict in answer.values()} <= {Verdict.NEW, Verdict.SAME}


async def test_a_statement_that_hangs_ends(database_url, settings_for, connection, monkeypatch):
    """A server that does not come to an end is away; when it is back the same store goes on."""
    monkeypatch.setattr(connections, "STATEMENT_TIMEOUT_SECONDS", 1)
    async with open_store(settings_for(database_url)) as store:
        async with connection.transaction():
            await connection.execute("LOCK TABLE candles")
            with pytest.raises(DatabaseError, match="no usable database"):
                await store.write(minutes(0, 5))
            with pytest.raises(DatabaseError):
                await store.known("BTC", START)
        await store.write(minutes(0, 5))
        assert (await store.known("BTC", START)).runs == (Run(span(0, 5), "provisional"),)


async def test_a_collector_that_vanishes_does_not_keep_its_locks(database_url):
    """Frozen or cut off in the middle of a transaction: the server ends it, and the other collector goes on."""
    async with open_pool(database_url, min_size=1, max_size=1) as pool:
        assert await pool.fetchval("SHOW idle_in_transaction_session_timeout") == "1min"


async def test_sessions_that_the_server_ends_are_made_anew(store, connection):
    """A restart of the server costs at most one failed try a session."""
    ours = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'btc-collector%'"
    assert await connection.fetchval(ours) > 0
    n_failed = 0
    while n_failed < 10:
        try:
            await store.write(minutes(0, 5))
            break
        except DatabaseError:
            n_failed += 1
    assert n_failed < 10
    assert store.n_stored == 5


async def test_a_database_without_tables_is_said(empty_database_url, settings_for):
    """The sentence says what to run."""
    with pytest.raises(DatabaseError, match="btc db upgrade"):
        async with open_store(settings_for(empty_database_url)):
            pass
