"""What an import does to the table: new, changed, same and refused rows; all of a file or nothing; twice is once."""

import threading
import time
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from btc_core.errors import DatabaseError, ImportFileError
from btc_core.gaps import gaps_between
from btc_core.model.candle import Candle, State
from btc_core.model.interval import ONE_MINUTE
from btc_core.model.timerange import TimeRange
from btc_store.candles import upsert_candles
from btc_store.frames import open_frames, read_candles
from btc_store.imports import EXCHANGE_SAID, NOT_OVER, import_candles

START = datetime(2025, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NOW = START + timedelta(days=30)
YEAR = "data/candles/binance_btcusdt_1m_2021.parquet"
EARLIER_PRINT = "data/candles/binance_btcusdt_1m_2021-04_earlier_print.parquet"


def candles_of(n_rows=5, **columns):
    """Return minutes from START on, with some columns replaced."""
    return pl.DataFrame(
        {
            "time": [START + i * MINUTE for i in range(n_rows)],
            "open": [100.0] * n_rows,
            "high": [102.0] * n_rows,
            "low": [99.0] * n_rows,
            "close": [101.0] * n_rows,
            "volume": [5.0] * n_rows,
            "trades": [10] * n_rows,
        }
        | columns
    )


@pytest.fixture
def frames(database_url):
    """A connection for frames to the fresh database."""
    with open_frames(database_url) as opened:
        yield opened


@pytest.fixture
def put(frames, tmp_path):
    """A function that imports a frame as a file; returns the report."""

    def run(candles, symbol="BTC", name="test"):
        path = tmp_path / "candles.csv"
        candles.write_csv(path)
        return import_candles(frames, symbol, path, name, now=NOW)

    return run


async def rows_of(connection, table="candles"):
    """Return a table's rows in order of time."""
    return await connection.fetch(f"SELECT * FROM {table} ORDER BY symbol, time")


def counts(report):
    """Return new, changed, same and refused."""
    assert report.n_rows == report.new + report.changed + report.same + sum(report.refused.values())
    return report.new, report.changed, report.same, sum(report.refused.values())


async def test_first_import(put, connection):
    """Rows are confirmed 1m candles with the source's name; the report says what it did."""
    report = put(candles_of(), name="kraken")
    assert counts(report) == (5, 0, 0, 0)
    assert (report.source, report.start, report.end) == ("import:kraken", START, START + 4 * MINUTE)
    rows = await rows_of(connection)
    assert [row["time"] for row in rows] == [START + i * MINUTE for i in range(5)]
    assert {
        (row["symbol"], row["interval"], row["minutes"], row["source"], row["state"], row["revision"]) for row in rows
    } == {("BTC", "1m", 1, "import:kraken", "confirmed", 0)}
    assert tuple(rows[0])[3:9] == (100.0, 102.0, 99.0, 101.0, 5.0, 10)


async def test_twice_is_once(put, connection):
    """A repeated file changes no row: the pipeline, which follows ingested_at, has nothing to do."""
    put(candles_of())
    before = await rows_of(connection)
    assert counts(put(candles_of(), name="other")) == (0, 0, 5, 0)
    assert await rows_of(connection) == before
    assert await rows_of(connection, "candle_revisions") == []


async def test_correction(put, connection):
    """A row that differs from an earlier import replaces it; what it said before is kept."""
    put(candles_of())
    before = await rows_of(connection)
    report = put(candles_of(7, close=[101.0, 101.5, 101.0, 101.0, 101.0, 101.0, 101.0]), name="later")
    assert counts(report) == (2, 1, 4, 0)
    rows = await rows_of(connection)
    assert [row["revision"] for row in rows] == [0, 1, 0, 0, 0, 0, 0]
    assert (rows[1]["close"], rows[1]["source"]) == (101.5, "import:later")
    assert rows[1]["ingested_at"] > before[1]["ingested_at"]
    assert rows[0]["ingested_at"] == before[0]["ingested_at"]
    (old,) = await rows_of(connection, "candle_revisions")
    assert (old["time"], old["close"], old["source"]) == (START + MINUTE, 101.0, "import:test")


@pytest.mark.parametrize(("source", "state"), [("ws", State.PROVISIONAL), ("rest", State.CONFIRMED)])
async def test_what_the_exchange_said_stays(put, connection, source, state):
    """Rows that differ from the exchange's own are refused and named; equal ones are the same."""
    said = [
        Candle(
            time=START + i * MINUTE,
            symbol="BTC",
            open=100.0,
            high=102.0,
            low=99.0,
            close=101.0 if i == 0 else 100.5,
            volume=5.0,
            trades=10,
            source=source,
            state=state,
        )
        for i in range(5)
    ]
    await upsert_candles(connection, said)
    before = await rows_of(connection)
    report = put(candles_of(6))
    assert counts(report) == (1, 0, 1, 4)
    assert report.refused == {EXCHANGE_SAID: 4}
    assert report.examples == {EXCHANGE_SAID: [START + i * MINUTE for i in (1, 2, 3)]}
    assert (await rows_of(connection))[:5] == before


async def test_two_symbols(put, connection):
    """A symbol's rows do not touch another's."""
    assert counts(put(candles_of(), symbol="BTC")) == (5, 0, 0, 0)
    assert counts(put(candles_of(close=[101.5] * 5), symbol="ETH")) == (5, 0, 0, 0)
    assert [(row["symbol"], row["close"]) for row in await rows_of(connection)] == [("BTC", 101.0)] * 5 + [
        ("ETH", 101.5)
    ] * 5


async def test_a_file_that_does_not_count_trades(put, connection):
    """It says nothing about their number: where the rest is equal, the stored count stays."""
    put(candles_of())
    before = await rows_of(connection)
    changed = candles_of(6, close=[101.5, 101.0, 101.0, 101.0, 101.0, 101.0]).drop("trades")
    assert counts(put(changed)) == (1, 1, 4, 0)
    rows = await rows_of(connection)
    assert [row["trades"] for row in rows] == [None, 10, 10, 10, 10, None]
    assert rows[1:5] == before[1:]


async def test_a_file_that_counts_trades_adds_them(put, connection):
    """The other way round the count is news."""
    put(candles_of().drop("trades"))
    assert counts(put(candles_of())) == (0, 5, 0, 0)
    assert [row["trades"] for row in await rows_of(connection)] == [10] * 5


async def test_repeated_rows_of_a_file_are_same(put, connection):
    """The report counts every row of the file."""
    assert counts(put(pl.concat([candles_of(), candles_of(2)]))) == (5, 0, 2, 0)
    assert len(await rows_of(connection)) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        candles_of().drop("close"),
        candles_of(close=["101.0", "101.0", "101.0", "101.0", "text"]),
        candles_of(high=[102.0, 102.0, 102.0, 102.0, 98.0]),
        candles_of(volume=[5.0, 5.0, 5.0, 5.0, -1.0]),
        candles_of(open=[100.0, 100.0, 100.0, 100.0, float("nan")]),
        candles_of(time=[START + i * MINUTE for i in (0, 1, 2, 3)] + [START + timedelta(seconds=90)]),
        candles_of(time=[START + i * MINUTE for i in (0, 1, 2, 3, 3)], close=[101.0, 101.0, 101.0, 101.0, 101.5]),
        candles_of(0),
        candles_of(time=[NOW + i * MINUTE for i in range(5)]),
    ],
    ids=["column", "text", "high", "volume", "nan", "time", "twice", "empty", "future"],
)
async def test_a_refused_file_stores_nothing(put, connection, wrong):
    """All of a file or nothing, also where only its last row is wrong."""
    with pytest.raises(ImportFileError, match="nothing of the file was stored"):
        put(wrong)
    assert await rows_of(connection) == []


async def test_a_minute_that_is_not_over_is_left_out(put, connection):
    """As the last row of a download mostly is: it is counted and named, and all else is stored."""
    report = put(candles_of(time=[NOW + i * MINUTE for i in range(-3, 2)]))
    assert counts(report) == (3, 0, 0, 2)
    assert report.refused == {NOT_OVER: 2}
    assert report.examples == {NOT_OVER: [NOW, NOW + MINUTE]}
    assert [row["time"] for row in await rows_of(connection)] == [NOW + i * MINUTE for i in (-3, -2, -1)]


async def test_a_write_that_fails_stores_nothing(put, connection):
    """What the table refuses takes the whole file with it."""
    await connection.execute("ALTER TABLE candles ADD CONSTRAINT no_fifth CHECK (time < '2025-01-01T00:04Z')")
    with pytest.raises(Exception, match="no_fifth"):
        put(candles_of())
    assert await rows_of(connection) == []


async def test_an_import_waits_for_the_symbols_lock(put, connection):
    """Comparing and writing are one step for whoever else derives or imports the symbol."""
    done = threading.Event()
    worker = threading.Thread(target=lambda: (put(candles_of()), done.set()))
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('derive BTC'))")
        worker.start()
        time.sleep(0.3)
        assert not done.is_set()
    worker.join(timeout=20)
    assert done.is_set()
    assert len(await rows_of(connection)) == 5


def test_database_without_tables(empty_database_url, tmp_path):
    """The sentence says what to run."""
    path = tmp_path / "a.csv"
    candles_of().write_csv(path)
    with open_frames(empty_database_url) as frames:  # noqa: SIM117  # the error is made on the way out
        with pytest.raises(Exception, match="candles"):
            import_candles(frames, "BTC", path, "test", now=NOW)
    with pytest.raises(DatabaseError, match="btc db upgrade"), open_frames(empty_database_url) as frames:
        import_candles(frames, "BTC", path, "test", now=NOW)


def test_the_year(frames, shared):
    """Every row in seconds, exactly six outages; an earlier print of 70 minutes changes those, the year undoes it."""
    started = time.monotonic()
    assert counts(import_candles(frames, "BTC", shared / YEAR, "year", now=NOW)) == (524_607, 0, 0, 0)
    # 4 s on two cores; the limit is for a busy machine.
    assert time.monotonic() - started < 30
    times = frames.read("read_minute_times", "BTC", datetime(2021, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC))
    gaps = gaps_between(times["time"])
    assert (len(gaps), sum(gap.n_minutes for gap in gaps)) == (6, 993)
    assert counts(import_candles(frames, "BTC", shared / YEAR, "year", now=NOW)) == (0, 0, 524_607, 0)
    assert counts(import_candles(frames, "BTC", shared / EARLIER_PRINT, "earlier", now=NOW)) == (0, 70, 0, 0)
    assert counts(import_candles(frames, "BTC", shared / YEAR, "year", now=NOW)) == (0, 70, 524_537, 0)
    stored = read_candles(
        frames, "BTC", ONE_MINUTE, TimeRange(datetime(2021, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC))
    )
    file = pl.read_parquet(shared / YEAR).drop("symbol").cast({"trades": pl.Int32})
    assert stored.drop("minutes").equals(file)


@pytest.mark.parametrize(
    ("day", "n_rows"), [("2021-04-25", 1_156), ("2021-05-19", 1_440), ("2025-01-01", 1_440)], ids=["ms", "ms2", "us"]
)
def test_archives_in_both_units(frames, shared, day, n_rows):
    """The exchange's own files: milliseconds to the end of 2024, microseconds since."""
    report = import_candles(frames, "BTC", shared / f"data/wire/BTCUSDT-1m-{day}.csv.gz", "archive", now=NOW)
    assert counts(report) == (n_rows, 0, 0, 0)
    first = datetime.fromisoformat(day).replace(tzinfo=UTC)
    assert (report.start, report.end) == (first, first + timedelta(hours=23, minutes=59))


def test_archive_and_parquet_agree(frames, shared):
    """The same day from the archive's CSV and from the year's Parquet file is the same to the last bit."""
    import_candles(frames, "BTC", shared / YEAR, "year", now=NOW)
    report = import_candles(frames, "BTC", shared / "data/wire/BTCUSDT-1m-2021-05-19.csv.gz", "archive", now=NOW)
    assert counts(report) == (0, 0, 1_440, 0)
