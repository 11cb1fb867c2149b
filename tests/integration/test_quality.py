"""Findings about gaps and skipped candles: opened when seen, closed by themselves when healed."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.frames import Frames, open_frames
from btc_store.quality import find_gaps, record_gaps, record_skips
from tests.derivation import minute, minutes_frame, query, store_minutes

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
HOUR = parse_interval("1h")


@pytest.fixture
def frames(database_url: str) -> Iterator[Frames]:
    """A connection to a database of its own."""
    with open_frames(database_url) as opened:
        yield opened


def span(first: int, end: int) -> TimeRange:
    """Return the minutes from the first to before the end."""
    return TimeRange(START + first * MINUTE, START + end * MINUTE)


def store(frames: Frames, *pairs: tuple[int, int]) -> None:
    """Store the minutes of some ranges."""
    store_minutes(frames, "BTC", minutes_frame([minute(n, START) for first, end in pairs for n in range(first, end)]))


def open_findings(frames: Frames) -> list[tuple[datetime, datetime]]:
    """Return the ends of the open findings."""
    rows = query(
        frames, "SELECT start_time, end_time FROM data_quality WHERE resolved_at IS NULL ORDER BY start_time, id"
    )
    return rows.rows()


def recorded(frames: Frames, within: TimeRange) -> list[TimeRange]:
    """Record the gaps of a range in a transaction."""
    with frames.transaction():
        return record_gaps(frames, "BTC", within)


@pytest.mark.parametrize(
    ("within", "expected"),
    [
        ((0, 60), [(10, 20), (30, 31)]),
        ((12, 15), [(10, 20)]),
        ((12, 30), [(10, 20), (30, 31)]),
        ((12, 31), [(10, 20), (30, 31)]),
        ((0, 9), []),
        ((0, 10), [(10, 20)]),
        ((20, 30), [(10, 20), (30, 31)]),
        ((21, 29), []),
        ((-100, 500), [(10, 20), (30, 31)]),
        ((-100, -50), []),
        ((70, 90), []),
    ],
)
def test_gaps_are_whole_and_lie_between_minutes(frames, within, expected):
    """A gap that touches a range, its neighbours too, is found whole; outside of all minutes is none.

    The neighbours count: what is known of a gap that has just ended is the minute behind it.
    """
    store(frames, (0, 10), (20, 30), (31, 60))
    assert find_gaps(frames, "BTC", span(*within)) == [span(*gap) for gap in expected]


def note_no_trade(frames: Frames, first: int, end: int) -> None:
    """Say of minutes that nobody traded in them."""
    insert = (
        "WITH noted AS (INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time)"
        " VALUES ('BTC', '1m', 'no_trade', 'info', $1, $2) RETURNING 1) SELECT count(*) FROM noted"
    )
    with frames.transaction():
        query(frames, insert, START + first * MINUTE, START + end * MINUTE)


def test_a_minute_without_trades_is_no_gap(frames):
    """What is known to be without trades is not missing: a gap is what is left of it on both sides."""
    store(frames, (0, 10), (20, 30), (40, 50))
    note_no_trade(frames, 12, 15)
    note_no_trade(frames, 30, 40)
    note_no_trade(frames, 55, 60)
    assert find_gaps(frames, "BTC", span(0, 100)) == [span(10, 12), span(15, 20)]
    assert find_gaps(frames, "BTC", span(13, 14)) == [span(10, 12), span(15, 20)]


def test_a_gap_that_turns_out_to_be_without_trades_is_closed(frames):
    """Once the exchange has said so the finding is over, and what is left of it is another one."""
    store(frames, (0, 10), (20, 30))
    recorded(frames, span(0, 30))
    note_no_trade(frames, 10, 15)
    recorded(frames, span(0, 30))
    open_gaps = query(frames, "SELECT start_time FROM data_quality WHERE kind = 'gap' AND resolved_at IS NULL")
    assert open_gaps["start_time"].to_list() == [START + 15 * MINUTE]


def test_a_gap_opens_one_finding_and_twice_is_once(frames):
    """A second look leaves the row as it is."""
    store(frames, (0, 10), (20, 30))
    recorded(frames, span(0, 30))
    before = query(frames, "SELECT * FROM data_quality")
    assert recorded(frames, span(15, 25)) == [span(10, 20)]
    assert query(frames, "SELECT * FROM data_quality").equals(before)
    assert before.select("kind", "severity", "interval").row(0) == ("gap", "error", "1m")
    assert json.loads(before["details"][0]) == {"n_minutes": 10}


def test_a_filled_gap_closes_its_finding(frames):
    """The closed finding stays as history; one that is filled in part is followed by what is left."""
    store(frames, (0, 10), (20, 30))
    recorded(frames, span(0, 30))
    store(frames, (13, 15))
    recorded(frames, span(13, 15))
    left = [span(10, 13), span(15, 20)]
    assert open_findings(frames) == [(gap.start, gap.end) for gap in left]
    store(frames, (10, 20))
    assert recorded(frames, span(10, 20)) == []
    assert open_findings(frames) == []
    assert query(frames, "SELECT count(*) FROM data_quality WHERE resolved_at IS NOT NULL").item() == 3


def test_a_gap_that_opens_again_is_a_new_finding(frames):
    """History is not rewritten: the healed finding stays closed."""
    store(frames, (0, 10), (20, 30))
    recorded(frames, span(0, 30))
    store(frames, (10, 20))
    recorded(frames, span(0, 30))
    remove = "WITH gone AS (DELETE FROM candles WHERE time = $1 RETURNING 1) SELECT count(*) FROM gone"
    with frames.transaction():
        query(frames, remove, START + 15 * MINUTE)
    recorded(frames, span(0, 30))
    assert open_findings(frames) == [(START + 15 * MINUTE, START + 16 * MINUTE)]
    assert query(frames, "SELECT count(*) FROM data_quality").item() == 2


def test_gaps_elsewhere_stay_open(frames):
    """A look at one range says nothing of another, and nothing of another symbol."""
    store(frames, (0, 10), (20, 30), (40, 50))
    recorded(frames, span(0, 50))
    store(frames, (10, 20))
    recorded(frames, span(5, 25))
    assert open_findings(frames) == [(START + 30 * MINUTE, START + 40 * MINUTE)]
    with frames.transaction():
        record_gaps(frames, "ETH", span(0, 50))
    assert len(open_findings(frames)) == 1


def skipped(minutes: int, *hours: int) -> pl.DataFrame:
    """Return skipped hours as ``split_by_completeness`` does."""
    times = [START + timedelta(hours=hour) for hour in hours]
    return pl.DataFrame(
        {
            "time": times,
            "close_time": [time + timedelta(hours=1) for time in times],
            "minutes": [minutes] * len(times),
            "expected_minutes": [60] * len(times),
        },
        schema={
            "time": pl.Datetime("us", "UTC"),
            "close_time": pl.Datetime("us", "UTC"),
            "minutes": pl.Int32,
            "expected_minutes": pl.Int32,
        },
    )


def record(frames: Frames, strategy: str, found: pl.DataFrame, within: tuple[int, int]) -> None:
    """Record skipped hours in a transaction."""
    hours = TimeRange(START + timedelta(hours=within[0]), START + timedelta(hours=within[1]))
    with frames.transaction():
        record_skips(frames, "BTC", HOUR, strategy, skipped=found, within=hours)


def test_skips_open_and_close_for_each_strategy(frames):
    """Each strategy has findings of its own; those outside what was evaluated stay, the neighbours among them."""
    record(frames, "a", skipped(50, 0, 1, 2), (0, 5))
    record(frames, "b", skipped(50, 1), (0, 5))
    record(frames, "a", skipped(50), (1, 2))
    assert [start.hour for start, _ in open_findings(frames)] == [8, 9, 10]
    by = query(frames, "SELECT details ->> 'strategy' AS who FROM data_quality WHERE resolved_at IS NULL ORDER BY id")
    assert by["who"].to_list() == ["a", "a", "b"]


def test_an_open_skip_follows_its_candle(frames):
    """More minutes came, but not enough: the finding stays open since then, and says how many there are now."""
    record(frames, "a", skipped(40, 0), (0, 5))
    first = query(frames, "SELECT id, detected_at FROM data_quality").row(0)
    record(frames, "a", skipped(50, 0), (0, 5))
    rows = query(frames, "SELECT id, detected_at, details, resolved_at FROM data_quality").rows()
    assert len(rows) == 1
    assert rows[0][:2] == first
    assert json.loads(rows[0][2])["minutes"] == 50
    assert rows[0][3] is None
