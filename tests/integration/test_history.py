"""What is missing of the past and who has the minutes beside it, as the database says it."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from btc_core.model.candle import Candle, State
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.candles import upsert_candles
from btc_store.frames import open_frames
from btc_store.history import OVERLAP, imports_of_others, missing_ranges, plan_stretches

START = datetime(2021, 4, 25, tzinfo=UTC)
DAY = 1440


def span(first, last):
    """Return the range from one minute after START to another, the last not included."""
    return TimeRange(START + first * MINUTE, START + last * MINUTE)


def candle(n, source="rest", symbol="BTC"):
    """Return the n-th minute after START."""
    prices = dict.fromkeys(("open", "high", "low", "close"), 10_000.0 + n)
    state = State.CONFIRMED
    return Candle(time=START + n * MINUTE, symbol=symbol, volume=1.0, trades=1, source=source, state=state, **prices)


async def put_no_trade(connection, within, *, is_open=True):
    """Say that nobody traded in a range."""
    await connection.execute(
        "INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time, resolved_at) "
        "VALUES ('BTC', '1m', 'no_trade', 'info', $1, $2, CASE WHEN $3 THEN NULL ELSE now() END)",
        within.start,
        within.end,
        is_open,
    )


@pytest.fixture
def frames(database_url):
    """A connection for frames."""
    with open_frames(database_url) as opened:
        yield opened


async def test_what_is_neither_stored_nor_without_trades_is_missing(frames, connection):
    """Minute by minute the same as counted on fingers, over random holes and findings that overlap."""
    dice = random.Random(5)
    stored = {n for n in range(-50, 350) if dice.random() < 0.6}
    silent = [(first, first + dice.randint(1, 20)) for first in dice.sample(range(-20, 320), 12)]
    healed = [(dice.randrange(300), 320)]
    await upsert_candles(connection, [candle(n) for n in stored] + [candle(n, symbol="ETH") for n in range(300)])
    for ends in silent:
        await put_no_trade(connection, span(*ends))
    for ends in healed:
        await put_no_trade(connection, span(*ends), is_open=False)
    known = stored | {n for first, last in silent for n in range(first, last)}
    found = missing_ranges(frames, "BTC", span(0, 300))
    minutes = [(one.start - START) // MINUTE + n for one in found for n in range(one.n_minutes)]
    assert minutes == [n for n in range(300) if n not in known]
    assert all(before.end < after.start for before, after in pairwise(found))


async def test_without_a_minute_all_of_it_is_missing(frames):
    """One range."""
    assert missing_ranges(frames, "BTC", span(0, 10)) == [span(0, 10)]


async def test_imports_of_others_are_named_with_their_extent(frames, connection):
    """The exchange's own minutes are no import, nor are those outside of the range."""
    sources = {0: "import:a", 1: "rest", 2: "import:b", 3: "ws", 4: "import:b", 5: "import:mine", 99: "import:c"}
    await upsert_candles(connection, [candle(n, source) for n, source in sources.items()])
    found = imports_of_others(frames, "BTC", span(0, 50), "mine")
    assert found == [("import:a", span(0, 1)), ("import:b", span(2, 5))]


async def test_a_day_beside_a_hole_is_asked_for_where_others_have_minutes(frames, connection):
    """Not where nobody has any, nor where the minutes are the source's own."""
    await upsert_candles(connection, [candle(n, "import:mine") for n in range(-100, 0)])
    await upsert_candles(connection, [candle(n) for n in range(50, 50 + 3 * DAY)])
    (stretch,) = plan_stretches(frames, "BTC", [span(0, 50)], "mine")
    assert stretch.span == span(0, 50 + OVERLAP // MINUTE)
    assert stretch.others["time"].to_list() == [START + n * MINUTE for n in range(50, 50 + DAY)]


async def test_holes_far_apart_are_asked_for_one_by_one(frames, connection):
    """What lies between them is not fetched; near ones share the minutes beside them."""
    holes = [span(0, 1), span(10, 11), span(10 * DAY, 10 * DAY + 1)]
    stretches = plan_stretches(frames, "BTC", holes, "mine")
    assert [(one.span, one.missing) for one in stretches] == [(span(0, 11), holes[:2]), (holes[2], holes[2:])]
    assert timedelta(days=1) == OVERLAP
