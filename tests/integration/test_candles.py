"""Which of two versions of a minute stays, what history says of it, and that writing twice is writing once."""

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest

from btc_core.model.candle import Candle, State, Verdict
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import TimeRange
from btc_store.candles import (
    Known,
    Run,
    announce_clock,
    confirm_candles,
    known,
    newest_minute,
    read_coins,
    remember_coins,
    upsert_candles,
)
from btc_store.connection import connect
from btc_store.findings import mark_minutes

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

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


def version(base=STREAM, **changes):
    """Return the candle with other values."""
    return msgspec.structs.replace(base, **changes)


REST = version(source="rest", state=State.CONFIRMED)
IMPORT = version(source="import:archive", state=State.CONFIRMED)


async def row(connection):
    """Return the only stored candle."""
    rows = await connection.fetch("SELECT * FROM candles")
    assert len(rows) == 1
    return rows[0]


async def stored_after(connection, *versions):
    """Write the versions one after the other and return the row that stays."""
    for candle in versions:
        await upsert_candles(connection, [candle])
    return await row(connection)


@pytest.mark.parametrize("candle", [STREAM, REST, IMPORT, version(trades=None)], ids=lambda c: f"{c.source}:{c.trades}")
async def test_twice_is_once(connection, candle):
    """A repeated candle is not written: row, revision and ingested_at stay, and nothing is counted."""
    assert await upsert_candles(connection, [candle]) == 1
    before = await row(connection)
    assert await upsert_candles(connection, [candle]) == 0
    assert await row(connection) == before


async def test_what_was_given_is_what_is_stored(connection):
    """Every field arrives; a 1m candle is made of one minute and starts at revision 0."""
    await upsert_candles(connection, [STREAM])
    stored = await row(connection)
    assert {name: stored[name] for name in STREAM.__struct_fields__} == msgspec.structs.asdict(STREAM)
    assert (stored["interval"], stored["minutes"], stored["revision"]) == ("1m", 1, 0)


async def test_nothing_given_writes_nothing(connection):
    """An empty flush is no statement."""
    assert await upsert_candles(connection, []) == 0


async def test_many_candles_of_many_symbols_go_in_at_once(connection):
    """One statement takes a flush of any size; the answer counts its rows."""
    candles = [version(symbol=symbol, time=START + n * MINUTE) for symbol in ("BTC", "ETH") for n in range(500)]
    assert await upsert_candles(connection, candles) == 1000
    assert await upsert_candles(connection, candles) == 0


async def test_of_versions_in_one_flush_the_last_is_stored(connection):
    """A minute that is twice in one flush is one row, not an error."""
    assert await upsert_candles(connection, [STREAM, version(trades=11, close=101.5)]) == 1
    assert (await row(connection))["close"] == 101.5


async def test_confirming_equal_values_keeps_revision_and_date(connection):
    """Confirmation is no correction: what is derived from the minute stays as it is, and so does its source."""
    await upsert_candles(connection, [STREAM])
    before = await row(connection)
    assert await upsert_candles(connection, [REST]) == 1
    after = await row(connection)
    assert (after["state"], after["source"]) == ("confirmed", "ws")
    assert (after["revision"], after["ingested_at"]) == (before["revision"], before["ingested_at"])


async def test_a_confirmed_candle_corrects_a_provisional_one(connection):
    """What the exchange says by REST replaces what its stream said; the old values are kept."""
    stored = await stored_after(connection, STREAM, version(REST, close=101.5, trades=12))
    assert (stored["close"], stored["source"], stored["state"], stored["revision"]) == (101.5, "rest", "confirmed", 1)
    assert await connection.fetchval("SELECT close FROM candle_revisions") == 101.0


async def test_what_is_replaced_is_kept_where_its_number_is_taken(connection):
    """A restore may have brought revisions of another history, of which the stored row is no successor."""
    await stored_after(connection, STREAM, version(REST, close=101.5, trades=12), version(REST, close=100.5, trades=13))
    await connection.execute("UPDATE candles SET revision = 0")
    stored = await stored_after(connection, version(REST, close=99.5, trades=14))
    kept = await connection.fetch("SELECT revision, close FROM candle_revisions ORDER BY revision")
    assert [tuple(each) for each in kept] == [(0, 101.0), (1, 101.5), (2, 100.5)]
    assert (stored["revision"], stored["close"]) == (3, 99.5)


async def test_a_confirmed_candle_with_as_many_trades_corrects(connection):
    """At the same number of trades the confirmed word is the better one."""
    assert (await stored_after(connection, STREAM, version(REST, volume=5.5)))["volume"] == 5.5


@pytest.mark.parametrize("first", [STREAM, REST], ids=["provisional", "confirmed"])
async def test_a_confirmed_candle_with_fewer_trades_is_older(connection, first):
    """An answer that has seen fewer trades than the stored candle is from before it, and changes nothing."""
    stored = await stored_after(connection, first, version(REST, close=99.5, trades=9))
    assert (stored["close"], stored["revision"], stored["state"]) == (101.0, 0, first.state)


async def test_a_confirmed_candle_with_more_trades_corrects_a_confirmed_one(connection):
    """The exchange may confirm more later."""
    assert (await stored_after(connection, REST, version(REST, close=101.5, trades=11)))["close"] == 101.5


async def test_a_provisional_candle_replaces_one_that_has_seen_fewer_trades(connection):
    """Of two provisional versions the one with more trades is the later one."""
    stored = await stored_after(connection, STREAM, version(close=101.5, trades=11))
    assert (stored["close"], stored["state"], stored["revision"]) == (101.5, "provisional", 1)


async def test_a_provisional_candle_with_more_volume_at_as_many_trades_replaces(connection):
    """At the same number of trades the larger volume is the later state."""
    assert (await stored_after(connection, STREAM, version(volume=5.5)))["volume"] == 5.5


@pytest.mark.parametrize(
    "worse",
    [version(close=100.5, trades=9), version(close=100.5), version(close=100.5, volume=4.0)],
    ids=["fewer trades", "as many", "less volume"],
)
async def test_a_provisional_candle_that_has_seen_no_more_changes_nothing(connection, worse):
    """A replay of older frames does not undo newer ones."""
    assert (await stored_after(connection, STREAM, worse))["close"] == 101.0


@pytest.mark.parametrize("first", [REST, IMPORT], ids=["rest", "import"])
@pytest.mark.parametrize("trades", [9, 10])
async def test_a_provisional_candle_that_has_seen_no_more_leaves_a_confirmed_one(connection, first, trades):
    """The stream unsays what was confirmed only by trades that nobody knew of, not by volume."""
    stored = await stored_after(connection, first, version(close=101.5, trades=trades, volume=9.0))
    assert (stored["close"], stored["state"], stored["revision"]) == (101.0, "confirmed", 0)


async def test_a_late_frame_with_more_trades_puts_a_confirmed_candle_in_doubt(connection):
    """History was asked too early: the better version stays, and is asked for again. Both facts are on record."""
    stored = await stored_after(connection, REST, version(close=101.5, trades=11))
    assert (stored["close"], stored["state"], stored["source"], stored["revision"]) == (101.5, "provisional", "ws", 1)
    assert await connection.fetchval("SELECT reason FROM candle_revisions") == "late_frame"
    finding = await connection.fetchrow("SELECT * FROM data_quality")
    assert (finding["kind"], finding["severity"]) == ("correction", "info")
    assert (finding["start_time"], finding["end_time"]) == (START, START + MINUTE)
    assert finding["resolved_at"] is not None
    details = json.loads(finding["details"])
    assert (details["reason"], details["old"]["trades"], details["new"]["trades"]) == ("late_frame", 10, 11)


@pytest.mark.parametrize("first", [STREAM, REST], ids=["ws", "rest"])
@pytest.mark.parametrize("trades", [9, 10, 11, None])
async def test_an_import_never_replaces_what_the_exchange_said(connection, first, trades):
    """A file changes no candle that came from the exchange, not even its state."""
    stored = await stored_after(connection, first, version(IMPORT, close=101.5, trades=trades))
    assert (stored["close"], stored["source"], stored["state"]) == (101.0, first.source, first.state)


async def test_an_import_replaces_an_import(connection):
    """A better file may correct an earlier one; the newer file wins."""
    stored = await stored_after(connection, IMPORT, version(IMPORT, close=101.5, trades=9, source="import:other"))
    assert (stored["close"], stored["source"], stored["revision"]) == (101.5, "import:other", 1)


async def test_an_equal_import_keeps_the_first_ones_name(connection):
    """Another file with the same values says nothing new: it is not written."""
    await upsert_candles(connection, [IMPORT])
    assert await upsert_candles(connection, [version(IMPORT, source="import:other")]) == 0
    assert (await row(connection))["source"] == "import:archive"


@pytest.mark.parametrize("trades", [1, 10, 11])
async def test_the_exchange_replaces_an_import(connection, trades):
    """What the exchange confirms outweighs a file, whatever number of trades the file claims."""
    stored = await stored_after(connection, IMPORT, version(REST, close=101.5, trades=trades))
    assert (stored["close"], stored["source"], stored["revision"]) == (101.5, "rest", 1)


async def test_a_trade_count_that_becomes_known_is_written(connection):
    """Null and a number differ: the count of the exchange fills what a file left open."""
    stored = await stored_after(connection, version(IMPORT, trades=None), REST)
    assert (stored["trades"], stored["source"], stored["revision"]) == (10, "rest", 1)


async def test_one_bad_candle_writes_none(connection):
    """A flush is one statement: what the table refuses takes the whole flush back, for the caller to sort out."""
    with pytest.raises(asyncpg.CheckViolationError):
        await upsert_candles(connection, [STREAM, version(time=START + MINUTE, high=1.0)])
    assert await connection.fetchval("SELECT count(*) FROM candles") == 0


async def test_the_newest_minute_is_that_of_the_symbol(connection):
    """Each symbol has its own end; one without candles has none."""
    await upsert_candles(
        connection, [STREAM, version(time=START + 2 * MINUTE), version(symbol="ETH", time=START + 5 * MINUTE)]
    )
    assert await newest_minute(connection, "BTC") == START + 2 * MINUTE
    assert await newest_minute(connection, "ETH") == START + 5 * MINUTE
    assert await newest_minute(connection, "SOL") is None


async def test_the_announced_clock_is_the_markets(connection):
    """The database takes the scale of BTC_CLOCK, and an unchanged one is not written again."""
    scale = ClockScale(sim=START.timestamp(), real=0, rate=1e-12)
    await announce_clock(connection, scale)
    place = await connection.fetchval("SELECT ctid FROM market_clock")
    await announce_clock(connection, scale)
    assert await connection.fetchval("SELECT ctid FROM market_clock") == place
    assert await connection.fetchval("SELECT date_trunc('second', market_now())") == START


async def test_an_import_that_the_exchange_confirms_is_the_exchanges(connection):
    """Equal values: no revision, and from then on no file changes them."""
    stored = await stored_after(connection, IMPORT, REST, version(IMPORT, close=101.5))
    assert (stored["close"], stored["source"], stored["revision"]) == (101.0, "rest", 0)


WINDOW = TimeRange(START, START + 5 * MINUTE)


async def confirmed(connection, *candles, window=WINDOW):
    """Confirm a window and return the verdicts by minute, as numbers from START on."""
    verdicts = await confirm_candles(connection, "BTC", window, candles)
    assert list(verdicts) == sorted(verdicts)
    return {(time - START) // MINUTE: verdict for time, verdict in verdicts.items()}


@pytest.mark.parametrize(
    ("stored", "told", "verdict", "after"),
    [
        (None, REST, Verdict.NEW, (101.0, 10, "rest", "confirmed", 0)),
        (STREAM, REST, Verdict.SAME, (101.0, 10, "ws", "confirmed", 0)),
        (REST, REST, Verdict.SAME, (101.0, 10, "rest", "confirmed", 0)),
        (IMPORT, REST, Verdict.SAME, (101.0, 10, "rest", "confirmed", 0)),
        (STREAM, version(REST, close=101.5, trades=12), Verdict.LOST_TAIL, (101.5, 12, "rest", "confirmed", 1)),
        (REST, version(REST, close=101.5, trades=12), Verdict.LOST_TAIL, (101.5, 12, "rest", "confirmed", 1)),
        (STREAM, version(REST, close=101.5), Verdict.CONFLICT, (101.5, 10, "rest", "confirmed", 1)),
        (REST, version(REST, volume=5.5), Verdict.CONFLICT, (101.0, 10, "rest", "confirmed", 1)),
        (IMPORT, version(REST, close=101.5, trades=9), Verdict.IMPORTED, (101.5, 9, "rest", "confirmed", 1)),
        (version(IMPORT, trades=None), REST, Verdict.IMPORTED, (101.0, 10, "rest", "confirmed", 1)),
        (STREAM, version(REST, close=101.5, trades=9), Verdict.FEWER, (101.0, 10, "ws", "provisional", 0)),
        (REST, version(REST, close=101.5, trades=9), Verdict.FEWER, (101.0, 10, "rest", "provisional", 0)),
        (STREAM, None, Verdict.UNANSWERED, (101.0, 10, "ws", "provisional", 0)),
        (REST, None, Verdict.KEPT, (101.0, 10, "rest", "confirmed", 0)),
        (IMPORT, None, Verdict.KEPT, (101.0, 10, "import:archive", "confirmed", 0)),
    ],
)
async def test_the_verdict_on_a_minute(connection, stored, told, verdict, after):
    """Every pair of what is stored and what history says: its verdict, the row that stays, and one revision a change.

    Asked again, the answer is the same as for any minute that is settled, and nothing is touched.
    """
    if stored is not None:
        await upsert_candles(connection, [stored])
    before = await connection.fetchrow("SELECT ingested_at, ctid FROM candles")
    assert await confirmed(connection, *([told] if told else [])) == {0: verdict}
    found = await row(connection)
    assert (found["close"], found["trades"], found["source"], found["state"], found["revision"]) == after
    assert await connection.fetchval("SELECT count(*) FROM candle_revisions") == found["revision"]
    if before is not None:
        assert (found["ingested_at"] > before["ingested_at"]) == (found["revision"] == 1)
    place = await connection.fetchrow("SELECT ctid, xmin, xmax FROM candles")
    again = verdict if told is None or verdict is Verdict.FEWER else Verdict.SAME
    assert await confirmed(connection, *([told] if told else [])) == {0: again}
    assert await connection.fetchrow("SELECT ctid, xmin, xmax FROM candles") == place


@pytest.mark.parametrize(
    ("stored", "told", "reason", "kind"),
    [
        (STREAM, version(REST, trades=12), "lost_tail", None),
        (REST, version(REST, trades=12), "lost_tail", "correction"),
        (STREAM, version(REST, close=101.5), "conflict", "conflict"),
        (REST, version(REST, close=101.5), "conflict", "conflict"),
        (IMPORT, version(REST, close=101.5), "imported", None),
    ],
)
async def test_a_change_says_why(connection, stored, told, reason, kind):
    """The reason stands beside the old values; what contradicts the exchange's own earlier word is an event."""
    await upsert_candles(connection, [stored])
    await confirmed(connection, told)
    assert await connection.fetchval("SELECT reason FROM candle_revisions") == reason
    findings = await connection.fetch("SELECT kind, details FROM data_quality WHERE resolved_at IS NOT NULL")
    assert [finding["kind"] for finding in findings] == ([kind] if kind else [])
    if kind:
        details = json.loads(findings[0]["details"])
        assert details["old"]["close"] == stored.close
        assert details["new"]["close"] == told.close
    assert await connection.fetchval("SELECT count(*) FROM data_quality WHERE resolved_at IS NULL") == 0


async def test_a_window_has_a_verdict_on_each_of_its_minutes(connection):
    """Stored or answered: each has one; what is neither has none, and what lies outside is left alone."""
    await upsert_candles(connection, [version(time=START + n * MINUTE) for n in (-1, 0, 1, 4, 5)])
    told = [version(REST, time=START + n * MINUTE, trades=trades) for n, trades in ((-1, 12), (0, 10), (2, 10), (4, 9))]
    answer = [*told, version(REST, symbol="ETH", time=START + 3 * MINUTE)]
    assert await confirmed(connection, *answer) == {
        0: Verdict.SAME,
        1: Verdict.UNANSWERED,
        2: Verdict.NEW,
        4: Verdict.FEWER,
    }
    rows = await connection.fetch("SELECT state FROM candles ORDER BY symbol, time")
    assert [r["state"] for r in rows] == [
        "provisional",
        "confirmed",
        *["provisional", "confirmed"],
        *["provisional"] * 2,
    ]


async def test_a_verdict_waits_for_the_other_collector(connection, database_url):
    """A second collector in the middle of its write: the verdict is about what it has written, not about before."""
    async with connect(database_url) as other:
        transaction = other.transaction()
        await transaction.start()
        await upsert_candles(other, [version(trades=11, close=101.5)])
        asked = asyncio.create_task(confirmed(connection, REST))
        await blocked(other)
        await transaction.commit()
        assert await asked == {0: Verdict.FEWER}


async def blocked(connection):
    """Return when a session waits for a lock."""
    async with asyncio.timeout(20):
        while not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
            await asyncio.sleep(0)


async def test_known_are_the_runs_of_each_state(connection):
    """Stored minutes and what findings say of others, in few runs; a minute in none of them is missing."""
    await announce_clock(connection, ClockScale(sim=(START + 60 * MINUTE).timestamp(), real=0, rate=1e-12))
    await upsert_candles(connection, [version(time=START + n * MINUTE) for n in (-500, 0, 1, 2, 8, 9)])
    await confirm_candles(
        connection, "BTC", WINDOW, [version(REST, time=START + n * MINUTE, trades=10) for n in (1, 2)]
    )
    for kind, first, end in (("no_trade", 3, 5), ("unrecoverable", 6, 9), ("no_trade", -600, -400)):
        item = TimeRange(START + first * MINUTE, START + end * MINUTE)
        await mark_minutes(connection, "BTC", kind, [item], severity="info", details={})
    # Hand-made: overlaps a stored minute, reaches past the clock.
    await connection.execute(
        "INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time)"
        " VALUES ('BTC', '1m', 'no_trade', 'info', $1, 'infinity')",
        START + 9 * MINUTE,
    )

    def run(state, first, end):
        return Run(TimeRange(START + first * MINUTE, START + end * MINUTE), state)

    found = await known(connection, "BTC", START + timedelta(seconds=30))
    assert found == Known(
        START - 500 * MINUTE,
        START + 9 * MINUTE,
        START - 500 * MINUTE,
        (
            run("provisional", 0, 1),
            run("confirmed", 1, 3),
            run("no_trade", 3, 5),
            run("unrecoverable", 6, 8),
            run("provisional", 8, 10),
            run("no_trade", 10, 60),
        ),
    )
    assert (await known(connection, "BTC", START - 402 * MINUTE)).runs[0] == run("no_trade", -402, -400)
    assert await known(connection, "BTC", START + 90 * MINUTE) == Known(found.first, found.newest, found.newest, ())
    assert await known(connection, "ETH", START) == Known(None, None, None, ())


async def test_the_coin_of_a_symbol_is_remembered(connection):
    """Since when it is this one; the same again is no change."""
    assert await read_coins(connection) == {}
    await remember_coins(connection, {"BTC": "BTC", "UBTC/USDC": "@142"})
    since = dict(await connection.fetch("SELECT symbol, since FROM symbol_coins"))
    await remember_coins(connection, {"BTC": "BTC", "UBTC/USDC": "@140"})
    assert await read_coins(connection) == {"BTC": "BTC", "UBTC/USDC": "@140"}
    after = dict(await connection.fetch("SELECT symbol, since FROM symbol_coins"))
    assert after["BTC"] == since["BTC"]
    assert after["UBTC/USDC"] > since["UBTC/USDC"]


def expected_of(writes):
    """Return the row that stays of one minute and the number of changes, by the rules as a person would say them."""
    held, n_changes = None, 0
    for candle, is_history in writes:
        if held is None:
            held = candle
            continue
        is_equal = [getattr(candle, name) for name in VALUES] == [getattr(held, name) for name in VALUES]
        if is_history:
            if is_equal:
                held = version(held, state=State.CONFIRMED)
            elif candle.trades >= held.trades:
                held, n_changes = candle, n_changes + 1
            else:
                held = version(held, state=State.PROVISIONAL)
        elif candle.trades > held.trades or (
            held.state is State.PROVISIONAL and candle.trades == held.trades and candle.volume > held.volume
        ):
            held, n_changes = candle, n_changes + 1
    return held, n_changes


VALUES = ("open", "high", "low", "close", "volume", "trades")


@pytest.mark.parametrize("seed", range(3))
async def test_two_collectors_in_any_order_end_by_the_rules(connection, database_url, seed):
    """Random writes of stream and history by two sessions at once: what each minute went through obeys the rules.

    Which order the two took is read from the verdicts' own record: every difference is one revision, with a reason,
    and at the end each minute has exactly one state.
    """
    chance = random.Random(seed)
    n_minutes = 6
    await announce_clock(connection, ClockScale((START + n_minutes * MINUTE).timestamp(), 0, 1e-12))
    await upsert_candles(connection, [STREAM])

    def candle(n, base):
        return version(
            base,
            time=START + n * MINUTE,
            trades=chance.choice([9, 10, 11]),
            close=chance.choice([100.0, 101.0]),
            volume=chance.choice([4.0, 5.0]),
        )

    async def collect(session, steps):
        for kind, candles in steps:
            if kind == "stream":
                await upsert_candles(session, candles)
            elif kind == "history":
                await confirm_candles(session, "BTC", TimeRange(START, START + n_minutes * MINUTE), candles)
            else:
                ranges = [TimeRange(c.time, c.time + MINUTE) for c in candles]
                await mark_minutes(session, "BTC", kind, ranges, severity="info", details={})

    def steps():
        for _ in range(40):
            kind = chance.choice(["stream", "history", "history", "no_trade", "unrecoverable"])
            base = REST if kind == "history" else STREAM
            yield kind, [candle(n, base) for n in sorted(chance.sample(range(n_minutes), chance.randint(1, 4)))]

    async with connect(database_url) as other:
        await asyncio.gather(collect(connection, list(steps())), collect(other, list(steps())))
    rows = await connection.fetch("SELECT * FROM candles ORDER BY time")
    for stored in rows:
        versions = await connection.fetch(
            "SELECT * FROM candle_revisions WHERE time = $1 ORDER BY revision", stored["time"]
        )
        assert [kept["revision"] for kept in versions] == list(range(stored["revision"]))
        # Every change went to a version that its source may put in the place of the one before.
        for old, new, reason in zip(versions, [*versions[1:], stored], [v["reason"] for v in versions], strict=True):
            more = new["trades"] - old["trades"]
            assert more >= 0
            assert reason == ("late_frame" if new["source"] == "ws" else "lost_tail" if more else "conflict")
    states = await connection.fetch("SELECT time, state FROM minute_states WHERE symbol = 'BTC' ORDER BY time")
    assert [s["time"] for s in states] == [START + n * MINUTE for n in range(n_minutes)]
    by_time = {stored["time"]: stored["state"] for stored in rows}
    assert all(by_time.get(s["time"], s["state"]) == s["state"] for s in states)
    overlaps = await connection.fetchval(
        "SELECT count(*) FROM data_quality a JOIN data_quality b ON a.id < b.id AND a.resolved_at IS NULL"
        " AND b.resolved_at IS NULL AND a.start_time < b.end_time AND b.start_time < a.end_time"
    )
    stale = await connection.fetchval(
        "SELECT count(*) FROM data_quality f JOIN candles c ON c.time >= f.start_time AND c.time < f.end_time"
        " WHERE f.resolved_at IS NULL"
    )
    assert (overlaps, stale) == (0, 0)


async def test_any_history_of_a_minute_ends_by_the_rules(connection):
    """Any order of stream and history: the row that the rules leave, and each difference kept."""
    chance = random.Random(1)
    for n in range(60):
        writes = []
        for _ in range(chance.randint(1, 15)):
            is_history = chance.random() < 0.4
            made = version(
                REST if is_history else STREAM,
                time=START + n * MINUTE,
                trades=chance.choice([9, 10, 11]),
                close=chance.choice([100.0, 101.0]),
                volume=chance.choice([4.0, 5.0]),
            )
            writes.append((made, is_history))
            if is_history:
                await confirm_candles(connection, "BTC", TimeRange(made.time, made.time + MINUTE), [made])
            else:
                await upsert_candles(connection, [made])
        expected, n_changes = expected_of(writes)
        found = await connection.fetchrow("SELECT * FROM candles WHERE time = $1", made.time)
        assert all(found[name] == getattr(expected, name) for name in (*VALUES, "state")), writes
        n_kept = await connection.fetchval("SELECT count(*) FROM candle_revisions WHERE time = $1", made.time)
        assert found["revision"] == n_changes == n_kept
