"""Which of two versions of a minute stays, and that writing twice is writing once."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from btc_core.model.candle import Candle, State
from btc_core.model.clock import ClockScale
from btc_store.candles import announce_clock, last_unbroken_minute, newest_minute, upsert_candles

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


@pytest.mark.parametrize("trades", [9, 10, 11])
@pytest.mark.parametrize("first", [REST, IMPORT], ids=["rest", "import"])
async def test_a_provisional_candle_never_replaces_a_confirmed_one(connection, first, trades):
    """The stream cannot unsay what was confirmed, however many trades it has seen."""
    stored = await stored_after(connection, first, version(close=101.5, trades=trades))
    assert (stored["close"], stored["state"], stored["revision"]) == (101.0, "confirmed", 0)


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
    import asyncpg

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


async def test_a_hole_hides_behind_no_newer_minute(connection):
    """A series counts as far as it is whole: a collector killed before its history was stored leaves newer minutes."""
    await upsert_candles(connection, [version(time=START + i * MINUTE) for i in (0, 1, 2, 5, 6)])
    assert await last_unbroken_minute(connection, "BTC", START) == START + 2 * MINUTE
    assert await last_unbroken_minute(connection, "BTC", START + 4 * MINUTE) == START + 6 * MINUTE
    assert await last_unbroken_minute(connection, "ETH", START) is None
