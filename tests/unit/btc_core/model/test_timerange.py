"""Half-open ranges and the reading and printing of instants."""

from datetime import UTC, datetime, timedelta

import pytest

from btc_core.errors import TimeError
from btc_core.model.timerange import (
    EPOCH,
    TimeRange,
    floor_minute,
    format_time,
    from_ms,
    merge_ranges,
    parse_time,
    to_ms,
)


def minute(n):
    """Return the instant n minutes after the epoch."""
    return EPOCH + timedelta(minutes=n)


def minutes(start, end):
    """Return the range between two minutes."""
    return TimeRange(minute(start), minute(end))


def test_the_start_is_in_and_the_end_is_not():
    """Ranges are half-open everywhere."""
    assert minute(1) in minutes(1, 3)
    assert minute(2) in minutes(1, 3)
    assert minute(3) not in minutes(1, 3)
    assert minutes(1, 3).n_minutes == 2


@pytest.mark.parametrize(("start", "end", "word"), [(3, 3, "is empty"), (4, 3, "is reversed")])
def test_a_range_is_never_empty(start, end, word):
    """A range without instants is a mistake of whoever asked, said with both ends."""
    with pytest.raises(TimeError, match=rf"1970-01-01 00:0{start}Z to 1970-01-01 00:03Z {word}"):
        minutes(start, end)


def test_a_naive_end_is_refused():
    """Every time is aware."""
    with pytest.raises(TimeError, match="found a naive one"):
        TimeRange(datetime(2025, 1, 1), minute(10**8))
    with pytest.raises(TimeError, match="found a naive one"):
        TimeRange(EPOCH, datetime(2025, 1, 1))


def test_overlap_and_clip_agree():
    """Neighbours share no instant."""
    assert minutes(0, 5).overlaps(minutes(4, 9))
    assert minutes(0, 5).clip(minutes(4, 9)) == minutes(4, 5)
    assert not minutes(0, 5).overlaps(minutes(5, 9))
    assert minutes(0, 5).clip(minutes(5, 9)) is None
    assert minutes(0, 9).clip(minutes(2, 3)) == minutes(2, 3)


@pytest.mark.parametrize(
    ("ranges", "merged"),
    [
        ([], []),
        ([(0, 2), (2, 4)], [(0, 4)]),
        ([(3, 4), (0, 1)], [(0, 1), (3, 4)]),
        ([(0, 9), (2, 3)], [(0, 9)]),
        ([(0, 3), (2, 5), (5, 6), (8, 9)], [(0, 6), (8, 9)]),
    ],
)
def test_merging_keeps_the_instants(ranges, merged):
    """Overlapping and adjacent ranges become one, gaps stay, the result ascends."""
    assert merge_ranges([minutes(*pair) for pair in ranges]) == [minutes(*pair) for pair in merged]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01-31", datetime(2025, 1, 31, tzinfo=UTC)),
        ("2025-01-31T12:00", datetime(2025, 1, 31, 12, tzinfo=UTC)),
        ("2025-01-31 12:00Z", datetime(2025, 1, 31, 12, tzinfo=UTC)),
        ("2025-01-31T12:00:30+02:00", datetime(2025, 1, 31, 10, 0, 30, tzinfo=UTC)),
        (" 2025-01-31 ", datetime(2025, 1, 31, tzinfo=UTC)),
    ],
)
def test_a_time_without_offset_is_utc(text, expected):
    """ISO 8601; a date is its midnight; an offset is converted."""
    parsed = parse_time(text)
    assert parsed == expected
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize("text", ["", "yesterday", "2025-13-01", "31.01.2025", "1739491200"])
def test_text_that_is_no_time_is_refused(text):
    """The sentence shows how a time is written."""
    with pytest.raises(TimeError, match=r"is no time: expected ISO 8601, such as 2025-01-31"):
        parse_time(text)


def test_times_are_printed_in_utc_without_idle_seconds():
    """Seconds only where there are some."""
    assert format_time(datetime.fromisoformat("2025-01-31T12:00+02:00")) == "2025-01-31 10:00Z"
    assert format_time(datetime(2025, 1, 31, 12, 0, 5, tzinfo=UTC)) == "2025-01-31 12:00:05Z"


@pytest.mark.parametrize("milliseconds", [0, 1, 1_739_520_000_001, 253_402_300_799_999, -1])
def test_milliseconds_go_both_ways_exactly(milliseconds):
    """No float on the way: every millisecond survives."""
    assert to_ms(from_ms(milliseconds)) == milliseconds


def test_the_minute_that_holds_an_instant():
    """Downwards, before 1970 too."""
    assert floor_minute(minute(5) + timedelta(seconds=59, microseconds=999_999)) == minute(5)
    assert floor_minute(minute(0) - timedelta(microseconds=1)) == minute(-1)
