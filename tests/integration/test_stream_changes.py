"""The notes that triggers write of what changed: few, exact, seen when their transaction is, and not kept for ever."""

from datetime import UTC, datetime, timedelta

from btc_store.frames import open_frames
from btc_store.stream_changes import prune_stream

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
IMPORT = """
    INSERT INTO candles (time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state)
    SELECT $1::timestamptz + n * interval '1 minute', symbol, interval, 1, 1, 1, 1, 1, 1, 1, 'import:x', 'confirmed'
    FROM generate_series(0, $2::int - 1) AS n, unnest($3::text[]) AS symbol, unnest($4::text[]) AS interval
    ON CONFLICT (symbol, interval, time) DO UPDATE SET volume = candles.volume + 1"""
NOTES = """
    SELECT channel, symbol, interval, n_rows, start_time, end_time, times FROM stream_changes
    ORDER BY noted_at, symbol, interval, n_rows"""


async def test_a_statement_is_one_note_of_each_series(connection):
    """Rows that are new and rows that are changed are told apart; a few are named one by one."""
    await connection.execute(IMPORT, START, 2, ["BTC", "ETH"], ["1m", "3m"])
    notes = await connection.fetch(NOTES)
    assert sorted((n["symbol"], n["interval"], n["n_rows"]) for n in notes) == [
        (symbol, interval, 2) for symbol in ("BTC", "ETH") for interval in ("1m", "3m")
    ]
    assert sorted(notes[0]["times"]) == [START, START + MINUTE]
    await connection.execute("DELETE FROM stream_changes")
    await connection.execute(IMPORT, START, 3, ["BTC"], ["1m"])
    assert sorted(note["n_rows"] for note in await connection.fetch(NOTES)) == [1, 2]


async def test_an_import_is_one_note_without_names(connection):
    """Its first and its last minute say where it was; a listener is woken once."""
    heard = []

    def hear(*told):
        heard.append(told)

    await connection.add_listener("stream_changes", hear)
    await connection.execute(IMPORT, START, 20_000, ["BTC"], ["1m"])
    (note,) = await connection.fetch(NOTES)
    assert (note["n_rows"], note["times"], note["start_time"], note["end_time"]) == (
        20_000,
        None,
        START,
        START + 19_999 * MINUTE,
    )
    assert len(heard) == 1
    await connection.remove_listener("stream_changes", hear)


async def test_what_is_written_again_as_it_was_is_no_note(connection):
    """A statement that touches no row notes nothing."""
    await connection.execute(IMPORT, START, 0, ["BTC"], ["1m"])
    await connection.execute("UPDATE candles SET volume = 5 WHERE false")
    await connection.execute("DELETE FROM data_quality")
    assert await connection.fetch(NOTES) == []


async def test_what_is_forgotten_leaves_one_mark(connection, database_url):
    """The mark stands for the newest of what is gone; what is younger stays, and twice is once."""
    for n in range(3):
        await connection.execute(IMPORT, START + n * MINUTE, 1, ["BTC"], ["1m"])
    await connection.execute(
        "UPDATE stream_changes SET noted_at = noted_at - interval '3 days' WHERE start_time < $1", START + 2 * MINUTE
    )
    gone = await connection.fetchval("SELECT xid FROM stream_changes WHERE start_time = $1", START + MINUTE)
    before = datetime.now(UTC) - timedelta(days=2)
    with open_frames(database_url) as frames:
        assert [prune_stream(frames, before=before) for _ in range(2)] == [2, 0]
    kept = await connection.fetch("SELECT channel, xid FROM stream_changes ORDER BY xid")
    assert [row["channel"] for row in kept] == ["pruned", "candles"]
    assert kept[0]["xid"] == gone
