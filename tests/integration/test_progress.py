"""What is read of the database for the story."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from demo.progress import Held, Said, Value, Watched, read_facts

START = datetime(2025, 1, 6, tzinfo=UTC)
WATCHED = Watched(
    symbol="BTC",
    strategy="ma44",
    intervals=("37m", "148m"),
    since=START,
    started_at=datetime.now(UTC) - timedelta(hours=1),
)


async def add_candle(connection, interval, time):
    """Put in a candle."""
    await connection.execute(
        "INSERT INTO candles (time, symbol, interval, open, high, low, close, volume, minutes, source, state) "
        "VALUES ($1, 'BTC', $2, 1, 1, 1, 1, 1, 1, 'ws', 'provisional')",
        *(time, interval),
    )


async def add_decision(connection, time, *, revision=0, seq=0, signal="HOLD"):
    """Put in a decision on 37m."""
    await connection.execute(
        "INSERT INTO decisions (time, symbol, interval, strategy, seq, signal, confidence, exposure, price, "
        "indicator_snapshot, parameters, revision, run_id, code_version, decided_at) "
        "VALUES ($1, 'BTC', '37m', 'ma44', $2, $3, 1, 1, 100, $4, '{}', $5, 'r', '1', now())",
        *(time, seq, signal, json.dumps({"ma44": 99}), revision),
    )


async def test_an_empty_database(connection):
    """Nothing is there, and nothing fails."""
    facts = await read_facts(connection, WATCHED)
    assert (facts.candles, facts.values, facts.said, facts.tested) == ({}, [], [], [])


async def test_candles_are_counted_since_the_start(connection):
    """Those before it and those of other intervals are not."""
    for interval in ("148m", "37m", "1m", "5m"):
        for minutes in (-148, 0, 148):
            await add_candle(connection, interval, START + timedelta(minutes=minutes))
    facts = await read_facts(connection, WATCHED)
    held = Held(2, START, START + timedelta(minutes=148))
    assert list(facts.candles.items()) == [("1m", held), ("37m", held), ("148m", held)]


async def test_the_newest_value_of_each_indicator(connection):
    """With the number of values."""
    for minutes in (0, 37):
        await connection.execute(
            "INSERT INTO indicators VALUES ($1, 'BTC', '37m', 'ma44', $2, '{}')",
            *(START + timedelta(minutes=minutes), float(minutes)),
        )
    facts = await read_facts(connection, WATCHED)
    assert facts.values == [Value("37m", "ma44", START + timedelta(minutes=37), 37.0, 2)]


async def test_decisions_are_the_first_words(connection):
    """A later revision is no news, and a reversal has two."""
    time = START + timedelta(minutes=37)
    await add_decision(connection, time, signal="CLOSE_LONG")
    await add_decision(connection, time, signal="OPEN_SHORT", seq=1)
    await add_decision(connection, time, revision=1)
    facts = await read_facts(connection, WATCHED)
    assert facts.said == [
        Said("37m", time, 0, "CLOSE_LONG", 100.0, 1.0, {"ma44": 99}),
        Said("37m", time, 1, "OPEN_SHORT", 100.0, 1.0, {"ma44": 99}),
    ]


async def test_backtests_that_are_over(connection):
    """Finished with their figures, failed with the reason; those under way are not told of."""
    for status, results, error in (
        ("finished", '{"n_trades": 3}', None),
        ("failed", None, "no"),
        ("running", None, None),
    ):
        await connection.execute(
            "INSERT INTO backtest_runs (id, strategy, symbol, interval, start_time, end_time, status, config, results, "
            "error, finished_at) VALUES ($1, 'ma44', 'BTC', '37m', $2, $2, $3, '{}', $4, $5, clock_timestamp())",
            *(uuid4(), START, status, results, error),
        )
    facts = await read_facts(connection, WATCHED)
    assert [(tested.status, tested.results, tested.error) for tested in facts.tested] == [
        ("finished", {"n_trades": 3}, None),
        ("failed", {}, "no"),
    ]
