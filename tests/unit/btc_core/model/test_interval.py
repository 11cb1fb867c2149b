"""Labels of intervals, and where their candles lie."""

from datetime import UTC, datetime, timedelta

import pytest

from btc_core.errors import IntervalError
from btc_core.model.interval import ONE_MINUTE, parse_interval
from btc_core.model.timerange import TimeRange


def at(text):
    """Return the UTC instant of an ISO text."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "label", "minutes"),
    [
        ("1m", "1m", 1),
        ("37m", "37m", 37),
        ("60m", "1h", 60),
        ("90m", "90m", 90),
        ("120m", "2h", 120),
        ("148m", "148m", 148),
        ("1440m", "1d", 1440),
        ("24h", "1d", 1440),
        ("36h", "36h", 2160),
        ("1d", "1d", 1440),
        ("3d", "3d", 4320),
        ("7d", "7d", 10080),
        ("365d", "365d", 525_600),
        ("1w", "1w", 10080),
        ("1M", "1M", None),
    ],
)
def test_a_label_has_one_canonical_form(text, label, minutes):
    """60m is 1h and 24h is 1d; 7d is not 1w; minutes that are no whole hours stay minutes."""
    interval = parse_interval(text)
    assert (interval.label, str(interval), interval.minutes) == (label, label, minutes)
    assert parse_interval(interval.label) == interval


@pytest.mark.parametrize(
    "text",
    [
        "", "m", "37", "0m", "037m", "-1m", "1.5h", "37 m", " 37m", "37m ", "37min", "37S", "2w", "2M", "1y", "366d",
        "8761h", "525601m", "1000000m", "1H", "٣m",
    ],
)  # fmt: skip
def test_text_that_is_no_interval_is_refused(text):
    """The sentence says what an interval looks like."""
    with pytest.raises(IntervalError, match=r"is no interval: expected a number with m, h or d .* or 1w, or 1M"):
        parse_interval(text)


@pytest.mark.parametrize(
    ("label", "instant", "open_time"),
    [
        ("37m", "2025-02-14 08:20", "2025-02-14 08:16"),
        ("1d", "2025-02-14 23:59:59.999999", "2025-02-14"),
        ("1w", "2025-02-14 08:20", "2025-02-10"),
        ("7d", "2025-02-14 08:20", "2025-02-13"),
        ("1M", "2025-02-28 23:59", "2025-02-01"),
        ("3d", "1969-12-31 23:59", "1969-12-29"),
        ("1w", "1970-01-01", "1969-12-29"),
    ],
)
def test_floor_finds_the_open_time(label, instant, open_time):
    """Counted from the epoch; weeks from Monday; months from the first; before 1970 too."""
    assert parse_interval(label).floor(at(instant)) == at(open_time)


def test_floor_takes_any_offset():
    """An instant is an instant: its offset does not move the candle."""
    zone = datetime.fromisoformat("2025-02-01T00:30+02:00")
    assert parse_interval("1M").floor(zone) == at("2025-01-01")
    assert parse_interval("1d").floor(zone) == at("2025-01-31")


@pytest.mark.parametrize(
    ("label", "time", "close_time", "n_minutes"),
    [
        ("37m", "2025-02-14 08:16", "2025-02-14 08:53", 37),
        ("1w", "2025-02-10", "2025-02-17", 10_080),
        ("1M", "2025-02-01", "2025-03-01", 28 * 1440),
        ("1M", "2024-02-01", "2024-03-01", 29 * 1440),
        ("1M", "2024-12-01", "2025-01-01", 31 * 1440),
    ],
)
def test_a_candle_is_known_at_the_open_of_the_next(label, time, close_time, n_minutes):
    """The close time is exclusive; a month has as many minutes as its days."""
    interval = parse_interval(label)
    assert interval.close_of(at(time)) == at(close_time)
    assert interval.n_minutes(at(time)) == n_minutes


def test_cover_is_the_smallest_range_of_whole_candles():
    """One changed minute touches one candle; a range that ends on an open does not touch the candle there."""
    day = parse_interval("1d")
    assert day.cover(TimeRange(at("2025-02-14 08:00"), at("2025-02-14 08:01"))) == TimeRange(
        at("2025-02-14"), at("2025-02-15")
    )
    assert day.cover(TimeRange(at("2025-02-14"), at("2025-02-15"))) == TimeRange(at("2025-02-14"), at("2025-02-15"))


def test_opens_lists_the_candles_that_open_inside():
    """The start counts, the end does not."""
    hour = parse_interval("1h")
    assert hour.opens(TimeRange(at("2025-02-14 08:00"), at("2025-02-14 10:00"))) == [
        at("2025-02-14 08:00"),
        at("2025-02-14 09:00"),
    ]
    assert hour.opens(TimeRange(at("2025-02-14 08:01"), at("2025-02-14 09:00"))) == []


def test_the_longest_candle_of_an_interval():
    """Look-backs count a month as 31 days."""
    assert parse_interval("1M").longest == timedelta(days=31)
    assert parse_interval("37m").longest == timedelta(minutes=37)


def test_one_minute_is_the_collected_interval():
    """The constant is what the label says."""
    assert parse_interval("1m") == ONE_MINUTE
