"""What changed, as the stream tells it: in which order it was committed does not matter."""

from datetime import UTC, datetime

import asyncpg
import pytest

from tests.streams import MINUTE, START, listening, minute, serving, store, times

DECIDE = """
    INSERT INTO decisions (time, symbol, interval, strategy, seq, signal, confidence, exposure, price,
                           indicator_snapshot, parameters, backtest_id, revision, run_id, code_version, decided_at)
    VALUES ($1, 'BTC', '37m', $2, 0, 'HOLD', 0.5, 1, 100, '{"ma44": 99.5}', '{"period": 44}', $3, $4, 'x', '1',
            now())"""
FIND = """
    INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time, details)
    VALUES ('BTC', '1m', 'gap', 'warning', $1, $2, '{"n_minutes": 5}') RETURNING id"""
BACKTEST = """
    INSERT INTO backtest_runs (strategy, symbol, interval, start_time, end_time, status, config, id)
    VALUES ('ma44', 'BTC', '37m', now(), now(), 'running', '{}', gen_random_uuid()) RETURNING id"""


@pytest.fixture
async def api(settings_for, database_url):
    """A running API: its port and its application."""
    async with serving(settings_for(database_url)) as running:
        yield running


@pytest.fixture
def port(api):
    """The port of a running API."""
    return api[0]


async def test_decisions_are_told_with_what_they_rest_on(port, connection):
    """The newest revision; those of a backtest are not live."""
    await connection.execute(DECIDE, START, "ma44", None, 0)
    async with listening(port) as client:
        await client.subscribe("decisions", interval="37m")
        (latest,) = (await client.hear("latest"))["rows"]
        assert (latest["strategy"], latest["indicator_snapshot"], latest["parameters"]) == (
            "ma44",
            {"ma44": 99.5},
            {"period": 44},
        )
        backtest = await connection.fetchval(BACKTEST)
        await connection.execute(DECIDE, START + 37 * MINUTE, "ma44", backtest, 0)
        await connection.execute(DECIDE, START, "ma44", None, 1)
        told = [(row["time"], row["revision"]) for row in (await client.hear("change"))["rows"]]
        assert told == [(minute(0), 1)]


async def test_findings_are_told_when_they_open_change_and_go(port, connection):
    """By their id: a finding that is no more is named as gone."""
    async with listening(port) as client:
        await client.subscribe("quality")
        assert (await client.hear("latest"))["rows"] == []
        id_ = await connection.fetchval(FIND, START, START + 5 * MINUTE)
        (opened,) = (await client.hear("change"))["rows"]
        assert (opened["id"], opened["kind"], opened["details"], opened["resolved_at"]) == (
            id_,
            "gap",
            {"n_minutes": 5},
            None,
        )
        await connection.execute("UPDATE data_quality SET resolved_at = now()")
        (resolved,) = (await client.hear("change"))["rows"]
        assert resolved["id"] == id_
        assert resolved["resolved_at"] is not None
        await connection.execute("DELETE FROM data_quality")
        gone = await client.hear("change")
        assert (gone["rows"], gone["gone"]) == ([], [id_])


async def test_a_transaction_that_commits_late_is_told_when_it_does(port, connection, database_url):
    """Its rows carry the time of its beginning; what was told meanwhile is newer."""
    # The part of the table that these minutes go into is made by the first transaction, and others wait for it.
    await store(connection, 0)
    late = await asyncpg.connect(database_url)
    async with listening(port) as client:
        await client.subscribe()
        await client.hear("latest")
        transaction = late.transaction()
        await transaction.start()
        await store(late, 1)
        await store(connection, 2)
        assert times(await client.hear("change")) == [minute(2)]
        await transaction.commit()
        assert times(await client.hear("change")) == [minute(1)]
    await late.close()


async def test_a_reconnect_misses_nothing_of_a_transaction_that_committed_late(port, connection, database_url):
    """It began before the last message was sent, and committed while nobody listened."""
    await store(connection, 0)
    late = await asyncpg.connect(database_url)
    transaction = late.transaction()
    await transaction.start()
    await store(late, 1)
    async with listening(port) as client:
        await client.subscribe()
        await client.hear("latest")
        await store(connection, 2)
        cursor = (await client.hear("change"))["cursor"]
    await transaction.commit()
    await store(connection, 3)
    async with listening(port) as client:
        await client.subscribe(since=cursor)
        assert times(await client.hear("latest", "change")) == [minute(1), minute(3)]
        await store(connection, 4)
        assert times(await client.hear("change")) == [minute(4)]
    await late.close()


async def test_a_reconnect_may_name_a_time(port, connection):
    """Whatever was written since, and what may have been committed late before it."""
    since = datetime.now(UTC)
    for n in range(5):
        await store(connection, n)
    async with listening(port) as client:
        await client.subscribe(since=since.isoformat())
        assert times(await client.hear("latest", "change")) == [minute(n) for n in range(5)]


async def test_a_long_absence_is_made_good_in_parts(port, connection):
    """A thousand rows come in order, 500 a message; the cursor comes with the last of them."""
    async with listening(port) as client:
        await client.subscribe()
        cursor = (await client.hear("latest"))["cursor"]
    for first in range(0, 1000, 250):
        async with connection.transaction():
            for n in range(first, first + 250):
                await store(connection, n)
    async with listening(port) as client:
        await client.subscribe(since=cursor)
        parts = [await client.hear("change") for _ in range(2)]
    assert [time for part in parts for time in times(part)] == [minute(n) for n in range(1000)]
    assert ["cursor" in part for part in parts] == [False, True]


async def test_what_is_too_much_is_to_be_read_over_rest(port, connection):
    """An import is told as a half-open range."""
    async with listening(port) as client:
        await client.subscribe()
        await client.hear("latest")
        await connection.execute(
            """INSERT INTO candles (time, symbol, interval, open, high, low, close, volume, trades, minutes, source,
                                    state)
               SELECT $1::timestamptz + n * interval '1 minute', 'BTC', '1m', 1, 1, 1, 1, 1, 1, 1, 'import:x',
                      'confirmed'
               FROM generate_series(0, 9999) AS n""",
            START,
        )
        told = await client.hear("change", "reload")
        assert (told["type"], told["start"], told["end"]) == ("reload", minute(0), minute(10_000))


async def test_what_is_forgotten_is_to_be_read_over_rest(port, connection):
    """A cursor from before what is kept, and one of another server."""
    async with listening(port) as client:
        await client.subscribe()
        cursor = (await client.hear("latest"))["cursor"]
        await store(connection, 0)
        newer = (await client.hear("change"))["cursor"]
    await connection.execute(
        "INSERT INTO stream_changes (xid, channel, symbol, interval, n_rows) SELECT xid, 'pruned', '', '', 0 "
        "FROM stream_changes"
    )
    async with listening(port) as client:
        for since, told in ((cursor, "reload"), ("999999999:999999999:", "reload"), (newer, "change")):
            await client.subscribe(since=since)
            if told == "change":
                await client.hear("subscribed")
                await store(connection, 1)
            answer = await client.hear("reload", "change")
            assert (answer["type"], answer.get("start")) == (told, None)
