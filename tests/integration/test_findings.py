"""What findings say of minutes that are not stored: few ranges, one kind a minute, closed by themselves when healed."""

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import polars as pl
import pytest

from btc_core.errors import UnknownNameError
from btc_core.model.candle import Candle, State
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import TimeRange
from btc_store.candles import announce_clock, confirm_candles, upsert_candles
from btc_store.connection import connect
from btc_store.findings import Finding, mark_minutes, note_findings
from btc_store.frames import open_frames
from btc_store.imports import import_candles

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

CANDLE = Candle(
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


def span(first: int, end: int) -> TimeRange:
    """Return the minutes from the first to before the end."""
    return TimeRange(START + first * MINUTE, START + end * MINUTE)


async def mark(connection, kind, *pairs, symbol="BTC", severity="info", details=None):
    """Say what some ranges of minutes are."""
    ranges = [span(*pair) for pair in pairs]
    await mark_minutes(connection, symbol, kind, ranges, severity=severity, details=details or {})


async def store(connection, *numbers, symbol="BTC"):
    """Store minutes as the stream brings them."""
    await upsert_candles(
        connection, [msgspec.structs.replace(CANDLE, symbol=symbol, time=START + n * MINUTE) for n in numbers]
    )


async def marked(connection, kind, *, is_open=True, symbol="BTC"):
    """Return the ranges of a kind's findings as pairs of numbers, ascending."""
    rows = await connection.fetch(
        "SELECT start_time, end_time FROM data_quality WHERE symbol = $1 AND kind = $2"
        " AND (resolved_at IS NULL) = $3 ORDER BY start_time, id",
        symbol,
        kind,
        is_open,
    )
    return [((row["start_time"] - START) // MINUTE, (row["end_time"] - START) // MINUTE) for row in rows]


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        ([(0, 1)], [(1, 2)], [(0, 2)]),
        ([(1, 2)], [(0, 1)], [(0, 2)]),
        ([(0, 2)], [(1, 3)], [(0, 3)]),
        ([(0, 5)], [(1, 3)], [(0, 5)]),
        ([(1, 3)], [(0, 5)], [(0, 5)]),
        ([(0, 1), (2, 3)], [(1, 2)], [(0, 3)]),
        ([(0, 1), (2, 3), (4, 5)], [(1, 2), (3, 4)], [(0, 5)]),
        ([(0, 1)], [(2, 3)], [(0, 1), (2, 3)]),
        ([(0, 1), (5, 6)], [(0, 2), (1, 3), (8, 9)], [(0, 3), (5, 6), (8, 9)]),
    ],
)
async def test_findings_that_touch_are_one(connection, first, then, expected):
    """A thin market does not make a finding a minute: what overlaps or touches grows into one. Twice is once."""
    await mark(connection, "no_trade", *first)
    await mark(connection, "no_trade", *then)
    assert await marked(connection, "no_trade") == expected
    before = await connection.fetch("SELECT *, ctid FROM data_quality ORDER BY id")
    await mark(connection, "no_trade", *then)
    await mark(connection, "no_trade", *first)
    assert await connection.fetch("SELECT *, ctid FROM data_quality ORDER BY id") == before
    assert await marked(connection, "no_trade", is_open=False) == []


async def test_a_grown_finding_keeps_its_date(connection):
    """It is the same finding, since when it was first seen; severity and details are the newest."""
    await mark(connection, "no_trade", (0, 1), details={"n": 1})
    first = await connection.fetchrow("SELECT id, detected_at FROM data_quality")
    await mark(connection, "no_trade", (1, 2), severity="error", details={"n": 2})
    found = await connection.fetchrow("SELECT * FROM data_quality")
    assert (found["id"], found["detected_at"], found["severity"]) == (*first, "error")
    assert json.loads(found["details"]) == {"n": 2}
    assert (found["interval"], found["resolved_at"]) == ("1m", None)


async def test_only_minutes_that_are_not_stored(connection):
    """A stored minute is neither without trades nor lost, whatever is said of the range around it."""
    await store(connection, 2, 5)
    await mark(connection, "no_trade", (0, 6))
    assert await marked(connection, "no_trade") == [(0, 2), (3, 5)]
    await mark(connection, "unrecoverable", (2, 3))
    assert await marked(connection, "unrecoverable") == []


async def test_a_minute_is_of_one_kind(connection):
    """The newer word counts; what was said of other minutes stays, with its date."""
    await mark(connection, "no_trade", (0, 10))
    date = await connection.fetchval("SELECT detected_at FROM data_quality")
    await mark(connection, "unrecoverable", (3, 4), (6, 12))
    assert await marked(connection, "unrecoverable") == [(3, 4), (6, 12)]
    assert await marked(connection, "no_trade") == [(0, 3), (4, 6)]
    assert await marked(connection, "no_trade", is_open=False) == [(0, 10)]
    rest = await connection.fetch(
        "SELECT detected_at FROM data_quality WHERE kind = 'no_trade' AND resolved_at IS NULL"
    )
    assert {row["detected_at"] for row in rest} == {date}
    await mark(connection, "no_trade", (0, 12))
    assert (await marked(connection, "no_trade"), await marked(connection, "unrecoverable")) == ([(0, 12)], [])


async def test_symbols_and_empty_ranges(connection):
    """Another symbol's minutes are another matter, and nothing to say is nothing written."""
    await mark(connection, "no_trade", (0, 2), symbol="ETH")
    await mark(connection, "no_trade")
    await mark(connection, "no_trade", (1, 3))
    assert (await marked(connection, "no_trade"), await marked(connection, "no_trade", symbol="ETH")) == (
        [(1, 3)],
        [(0, 2)],
    )
    await store(connection, 0, 1, 2)
    assert await marked(connection, "no_trade", symbol="ETH") == [(0, 2)]


async def test_another_kind_is_refused(connection):
    """Only what a minute that is not stored can be."""
    with pytest.raises(UnknownNameError, match="no_trade"):
        await mark(connection, "no_trades", (0, 1))


@pytest.mark.parametrize("kind", ["no_trade", "unrecoverable"])
async def test_a_minute_that_arrives_closes_what_was_said_of_it(connection, kind):
    """By the stream or by history; the rest of the finding stays open with its date."""
    await mark(connection, kind, (0, 10), details={"why": "asked"})
    date = await connection.fetchval("SELECT detected_at FROM data_quality")
    await store(connection, 3)
    assert await marked(connection, kind) == [(0, 3), (4, 10)]
    flat = msgspec.structs.replace(CANDLE, time=START + 5 * MINUTE, volume=0.0, trades=0)
    await confirm_candles(connection, "BTC", span(4, 8), [flat])
    assert await marked(connection, kind) == [(0, 3), (4, 5), (6, 10)]
    assert await marked(connection, kind, is_open=False) == [(0, 10), (4, 10)]
    rows = await connection.fetch("SELECT detected_at, details FROM data_quality")
    assert {(row["detected_at"], row["details"]) for row in rows} == {(date, '{"why": "asked"}')}
    await store(connection, *range(10))
    assert await marked(connection, kind) == []


async def test_a_disputed_minute_that_is_confirmed_is_no_conflict(connection):
    """The finding is open while history stays below what is stored, and closes when they agree."""
    await store(connection, 0)
    finding = Finding(symbol="BTC", kind="conflict", severity="error", start=START, end=START + MINUTE, details={})
    await note_findings(connection, [finding])
    await store(connection, 0, 1)
    assert await marked(connection, "conflict") == [(0, 1)]
    await confirm_candles(connection, "BTC", span(0, 1), [CANDLE])
    assert (await marked(connection, "conflict"), await marked(connection, "conflict", is_open=False)) == ([], [(0, 1)])


async def test_a_conflict_that_is_settled_already_is_closed_at_once(connection):
    """The database was away when it was found out, and the minute has been confirmed since."""
    await confirm_candles(connection, "BTC", span(0, 1), [CANDLE])
    finding = Finding(symbol="BTC", kind="conflict", severity="error", start=START, end=START + MINUTE, details={})
    await note_findings(connection, [finding])
    assert (await marked(connection, "conflict"), await marked(connection, "conflict", is_open=False)) == ([], [(0, 1)])


async def test_an_import_heals(connection, database_url, tmp_path):
    """A file fills minutes that were given up: they are that no longer."""
    await mark(connection, "unrecoverable", (-5, 10))
    path = tmp_path / "candles.csv"
    rows = {name: [value] * 2 for name, value in (("open", 1.0), ("high", 1.0), ("low", 1.0), ("close", 1.0))}
    pl.DataFrame({"time": [START, START + 3 * MINUTE], **rows, "volume": [1.0] * 2}).write_csv(path)
    with open_frames(database_url) as frames:
        import_candles(frames, "BTC", path, "test", now=datetime.now(UTC))
    assert await marked(connection, "unrecoverable") == [(-5, 0), (1, 3), (4, 10)]


async def test_findings_made_by_hand_are_healed_and_joined(connection):
    """Ours never overlap; those of a person may."""
    insert = (
        "INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time)"
        " VALUES ('BTC', '1m', 'no_trade', 'info', $1, $2)"
    )
    for first, end in ((0, 3), (0, 2), (1, 2)):
        await connection.execute(insert, START + first * MINUTE, START + end * MINUTE)
    await store(connection, 2)
    assert set(await marked(connection, "no_trade")) <= {(0, 2), (1, 2)}
    await mark(connection, "no_trade", (0, 2))
    assert await marked(connection, "no_trade") == [(0, 2)]


async def test_notes(connection):
    """An event is written each time; an open finding once, with the newest details; all kinds of text can be kept."""
    event = Finding(
        symbol="BTC", kind="correction", severity="info", start=START, end=START + MINUTE, details={}, is_resolved=True
    )
    raw = {"text": 'a\0b\ud800 "\\', "reason": "no JSON", "at": START, "rows": [1, float("nan"), None, "\0"]}
    quarantined = Finding(symbol="BTC", kind="quarantined", severity="warning", details=raw)
    disputed = Finding(
        symbol="BTC", kind="conflict", severity="error", start=START, end=START + MINUTE, details={"n": 1}
    )
    newer = Finding(symbol="BTC", kind="conflict", severity="error", start=START, end=START + MINUTE, details={"n": 2})
    await store(connection, 0)
    await note_findings(connection, [event, quarantined, disputed])
    await note_findings(connection, [event, quarantined, newer])
    await note_findings(connection, [])
    rows = await connection.fetch(
        "SELECT kind, resolved_at IS NULL AS is_open, start_time, details FROM data_quality ORDER BY id"
    )
    assert [(row["kind"], row["is_open"]) for row in rows] == [
        ("correction", False),
        ("quarantined", True),
        ("conflict", True),
        ("correction", False),
        ("quarantined", True),
    ]
    assert json.loads(rows[2]["details"]) == {"n": 2}
    assert rows[1]["start_time"] is None
    assert json.loads(rows[1]["details"]) == {
        "text": 'a�b? "\\',
        "reason": "no JSON",
        "at": "2025-02-14T08:00:00Z",
        "rows": [1, None, None, "�"],
    }


@pytest.mark.parametrize("seed", range(3))
async def test_any_order_of_words_keeps_one_state_a_minute(connection, database_url, seed):
    """Two collectors that mark and store at once: the view says of each minute what was said of it, once.

    The findings are as few as they can be: none overlaps or touches another of its kind.
    """
    chance = random.Random(seed)
    n_minutes = 40
    await announce_clock(connection, ClockScale((START + n_minutes * MINUTE).timestamp(), 0, 1e-12))
    await store(connection, 0)
    claims: dict[int, str] = {}

    async def speak(session, first):
        # Each collector has minutes of its own, so that what was said last of them is known; ranges of both touch.
        for _ in range(60):
            own = sorted({chance.randrange(first, n_minutes, 2) for _ in range(chance.randint(1, 4))} - {0})
            kind = chance.choice(["no_trade", "unrecoverable", "stored"])
            if not own or (kind == "stored" and chance.random() < 0.8):
                continue
            if kind == "stored":
                await store(session, *own)
            else:
                await mark(session, kind, *[(n, n + 1) for n in own])
            claims.update({n: kind for n in own if claims.get(n) != "stored"})

    async with connect(database_url) as other:
        await asyncio.gather(speak(connection, 0), speak(other, 1))
    states = await connection.fetch("SELECT time, state FROM minute_states WHERE symbol = 'BTC' ORDER BY time")
    assert [row["time"] for row in states] == [START + n * MINUTE for n in range(n_minutes)]
    said = {n: {"stored": "provisional"}.get(kind, kind) for n, kind in claims.items()} | {0: "provisional"}
    assert {n: row["state"] for n, row in enumerate(states)} == {n: said.get(n, "missing") for n in range(n_minutes)}
    for kind in ("no_trade", "unrecoverable"):
        open_ones = await marked(connection, kind)
        assert all(before[1] < after[0] for before, after in pairwise(open_ones))
