"""Frames in and out of the real server: nothing is rounded, nothing is half written, failures have our names."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime

import polars as pl
import pytest

from btc_core.errors import DatabaseError, LockedError
from btc_core.model.interval import ONE_MINUTE, parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.resample import CANDLE_SCHEMA
from btc_store.frames import Frames, open_frames, read_candles
from tests.derivation import minute, minutes_frame, put_minutes, query, store_minutes

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
SPAN = TimeRange(START, START + 60 * MINUTE)


@pytest.fixture
def frames(database_url: str) -> Iterator[Frames]:
    """A connection to a database of its own."""
    with open_frames(database_url) as opened:
        yield opened


def test_a_frame_reads_back_to_the_bit(frames):
    """Floats keep every bit, times are UTC microseconds, an unknown number of trades stays null."""
    awkward = [0.1 + 0.2, 1e-8, 5e-324, 123456.789, math.pi, 1.7976931348623157e308]
    rows = [minute(n, START, price=price, volume=price) for n, price in enumerate(awkward)]
    rows[2]["trades"] = None
    stored = minutes_frame(rows)
    store_minutes(frames, "BTC", stored)
    found = read_candles(frames, "BTC", ONE_MINUTE, SPAN)
    assert found.schema == CANDLE_SCHEMA
    assert found.equals(stored)


def test_no_rows_are_an_empty_frame_of_the_same_columns(frames):
    """What is not there has a schema too."""
    assert read_candles(frames, "BTC", ONE_MINUTE, SPAN).schema == CANDLE_SCHEMA


def test_a_range_is_half_open(frames):
    """A candle that opens at the start is read, one that opens at the end is not; other intervals are not either."""
    store_minutes(frames, "BTC", minutes_frame([minute(n, START) for n in range(-1, 61)]))
    times = read_candles(frames, "BTC", ONE_MINUTE, SPAN)["time"]
    assert (times.len(), times[0], times[-1]) == (60, SPAN.start, SPAN.end - MINUTE)
    assert read_candles(frames, "BTC", parse_interval("3m"), SPAN).is_empty()


def test_the_number_of_written_rows_is_counted(frames):
    """A row that says nothing new is none."""
    minutes = minutes_frame([minute(n, START) for n in range(10)])
    assert store_minutes(frames, "BTC", minutes) == 10
    assert store_minutes(frames, "BTC", minutes) == 0
    assert store_minutes(frames, "BTC", minutes_frame([minute(n, START, price=1 + n // 9) for n in range(10)])) == 10


def test_a_block_that_fails_writes_nothing(frames):
    """All of a transaction or none of it, and the connection serves on."""
    with pytest.raises(ZeroDivisionError), frames.transaction():
        put_minutes(frames, "BTC", minutes_frame([minute(0, START)]))
        raise ZeroDivisionError
    assert read_candles(frames, "BTC", ONE_MINUTE, SPAN).is_empty()
    assert store_minutes(frames, "BTC", minutes_frame([minute(0, START)])) == 1


def test_a_block_without_commit_is_seen_by_nobody(frames, database_url):
    """What is written becomes visible with the end of the block."""
    with open_frames(database_url) as other:
        with frames.transaction():
            put_minutes(frames, "BTC", minutes_frame([minute(0, START)]))
            with other.transaction():
                assert read_candles(other, "BTC", ONE_MINUTE, SPAN).is_empty()
        assert read_candles(other, "BTC", ONE_MINUTE, SPAN).height == 1


def test_a_frame_that_is_put_twice_is_the_second_one(frames):
    """The temporary table is replaced, within a transaction and after it."""
    for n in (3, 5):
        with frames.transaction():
            frames.put("incoming", pl.DataFrame({"n": [0]}))
            frames.put("incoming", pl.DataFrame({"n": list(range(n))}))
            assert query(frames, "SELECT count(*) FROM incoming").item() == n


def test_a_server_that_is_away_is_a_database_error(database_url):
    """The message names the address, not the password."""
    with pytest.raises(DatabaseError), open_frames("postgresql://nobody:secret@127.0.0.1:9/none") as frames:
        frames.read("count_minutes", "BTC", START, START)


def write_while_cut_off(frames: Frames, killer: Frames) -> None:
    """Write, have the server end the session, and read."""
    with frames.transaction():
        pid = query(frames, "SELECT pg_backend_pid()").item()
        put_minutes(frames, "BTC", minutes_frame([minute(0, START)]))
        query(killer, "SELECT pg_terminate_backend($1::int, 5000)", pid)
        read_candles(frames, "BTC", ONE_MINUTE, SPAN)


def test_a_connection_that_is_cut_is_a_database_error(database_url):
    """A server that ends our session under a transaction raises what callers know, not the driver's own."""
    with open_frames(database_url) as killer, pytest.raises(DatabaseError), open_frames(database_url) as frames:
        write_while_cut_off(frames, killer)
    with open_frames(database_url) as frames:
        assert read_candles(frames, "BTC", ONE_MINUTE, SPAN).is_empty()


def test_a_lock_is_waited_for_as_long_as_was_said(database_url):
    """Then it says whose lock it is, and the connection goes on."""
    with open_frames(database_url) as holder, open_frames(database_url, lock_seconds=0.05) as other:
        with holder.transaction():
            holder.lock("BTC")
            with pytest.raises(LockedError, match="BTC") as caught, other.transaction():
                other.lock("BTC")
            assert caught.value.symbol == "BTC"
        with other.transaction():
            other.lock("BTC")


def test_rows_that_somebody_holds_are_told_apart_from_a_database_that_is_away(database_url):
    """A lock that is no symbol's has no name."""
    with open_frames(database_url) as holder, open_frames(database_url, lock_seconds=0.05) as other:
        with holder.transaction():
            holder.read("lock_live_state")
            with pytest.raises(LockedError) as caught, other.transaction():
                other.read("lock_live_state")
        assert caught.value.symbol is None
