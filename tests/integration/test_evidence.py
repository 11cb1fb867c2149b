"""What checks are given, on a real database."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from btc_core.check import Source
from btc_core.errors import ExchangeError
from btc_core.model.interval import ONE_MINUTE, parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.evidence import EvidenceReader, Wanted
from btc_store.frames import Frames, open_frames
from tests.derivation import minute, minutes_frame, note_no_trade, put_minutes, query, store_minutes

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
SPAN = TimeRange(START, START + timedelta(hours=1))


@pytest.fixture
def frames(database_url: str) -> Iterator[Frames]:
    """A connection to a database with an hour of minutes."""
    with open_frames(database_url) as opened:
        store_minutes(opened, "BTC", minutes_frame([minute(n, START) for n in range(60)]))
        yield opened


def reader(frames: Frames, **more: object) -> EvidenceReader:
    """Return a reader of BTC."""
    return EvidenceReader(**{"frames": frames, "symbol": "BTC", "now": SPAN.end, **more})


def read(frames: Frames, source: str, *, span: TimeRange = SPAN, strategy: str = "", **more: object) -> pl.DataFrame:
    """Return one source of a range."""
    return reader(frames, **more).read(source, Wanted(ONE_MINUTE, span, strategy))


def offsets(frame: pl.DataFrame) -> list[int]:
    """Return minutes after the start."""
    return [(time - START) // MINUTE for time in frame["time"]]


def change(frames: Frames, text: str, at: datetime) -> None:
    """Change stored minutes."""
    query(frames, f"WITH changed AS (UPDATE candles SET {text} RETURNING 1) SELECT count(*) FROM changed", at)


@pytest.mark.parametrize("source", [source for source in Source if source not in (Source.EXCHANGE, Source.PARITY)])
def test_every_source_can_be_read(frames, source):
    """Also where there is nothing: a frame with its columns. Two are brought by who makes the daily checks."""
    empty = TimeRange(START - timedelta(days=9), START - timedelta(days=8))
    for span in (SPAN, empty):
        frame = read(frames, source, span=span, strategy="ma44")
        assert isinstance(frame, pl.DataFrame)
        assert "time" in frame.columns or source == Source.TABLES


def test_minutes_that_were_read_ahead_are_cut(frames):
    """Many checks share them, and each sees its own range."""
    shared = reader(frames)
    shared.read_minutes([TimeRange(START, START + 30 * MINUTE), SPAN])
    part = TimeRange(START + 10 * MINUTE, START + 20 * MINUTE)
    for interval in (ONE_MINUTE, parse_interval("5m")):
        assert offsets(shared.read("candles/1m", Wanted(interval, part))) == list(range(10, 20))
    later = TimeRange(START + 50 * MINUTE, START + 70 * MINUTE)
    assert offsets(shared.read("candles/1m", Wanted(ONE_MINUTE, later))) == list(range(50, 60))


def test_revised_and_imported_minutes(frames):
    """A minute that history corrected is revised; one whose import gave way to it is not, and is imported no more."""
    with frames.transaction():
        put_minutes(frames, "BTC", minutes_frame([minute(3, START, price=101.0)]))
        change(frames, "source = 'rest' WHERE time <= $1", START + 9 * MINUTE)
        change(frames, "close = 100, high = 102, source = 'rest', trades = 9 WHERE time = $1", START + 4 * MINUTE)
    revised = read(frames, Source.REVISIONS)
    assert offsets(revised) == [4]
    assert revised["n_revisions"].to_list() == [1]
    assert offsets(read(frames, Source.IMPORTED)) == list(range(10, 60))


def test_what_was_written_since_the_run_began(frames):
    """By the database's clock; without a run nothing is another one's."""
    began = query(frames, "SELECT clock_timestamp() AS now")["now"][0]
    frames._connection.commit()
    store_minutes(frames, "BTC", minutes_frame([minute(7, START, price=105.0)]))
    assert offsets(read(frames, Source.WRITTEN_SINCE, began=began)) == [7]
    assert offsets(read(frames, Source.WRITTEN_SINCE)) == []


def test_the_tables_have_sizes(frames):
    """And the rows of the last market day."""
    tables = read(frames, Source.TABLES)
    candles = tables.filter(pl.col("name") == "candles").row(0, named=True)
    assert candles["n_rows_day"] == 60
    assert candles["n_rows"] >= 60
    assert candles["n_bytes"] > 0


def test_nobody_asks_the_exchange_unawares(frames):
    """Only where the caller says how."""
    with pytest.raises(ExchangeError):
        read(frames, Source.EXCHANGE)
    assert read(frames, Source.EXCHANGE, fetch=lambda *_: pl.DataFrame({"time": [START]})).height == 1


def test_an_unknown_source_is_our_own_mistake(frames):
    """It is found by the first run of the check's test."""
    with pytest.raises(ValueError, match="wishes"):
        read(frames, "wishes")


def test_silent_minutes_are_those_that_are_not_stored(frames):
    """Whatever a finding says of others; minutes before and behind a range are not in it."""
    note_no_trade(
        frames, "BTC", [TimeRange(START - 5 * MINUTE, START + 3 * MINUTE), TimeRange(SPAN.end, SPAN.end + MINUTE)]
    )
    around = TimeRange(START - 3 * MINUTE, SPAN.end)
    assert offsets(read(frames, Source.SILENT, span=around)) == [-3, -2, -1]
    assert offsets(read(frames, Source.ACCOUNTED, span=around)) == list(range(60))
    store_minutes(frames, "BTC", minutes_frame([minute(n, START) for n in (-5, 62)]))
    assert offsets(read(frames, Source.ACCOUNTED, span=around)) == [-5, -4, -3, -2, -1, *range(61), 62]


@pytest.mark.parametrize("days", [1, 400])
def test_the_newest_minute_and_the_neighbours_may_be_far(frames, days):
    """They are looked for nearby first, and found wherever they are."""
    far = START + timedelta(days=days)
    assert offsets(reader(frames, now=far).read(Source.NEWEST, Wanted(ONE_MINUTE, SPAN))) == [59]
    store_minutes(frames, "BTC", minutes_frame([minute(0, far)]))
    between = TimeRange(SPAN.end + 5 * MINUTE, SPAN.end + 6 * MINUTE)
    assert offsets(read(frames, Source.ACCOUNTED, span=between)) == [59, (far - START) // MINUTE]
