"""Law 2, the grid: where candles of an interval lie on the time line."""

import random
from datetime import UTC, datetime, timedelta

import asyncpg
from hypothesis import given

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import EPOCH, MINUTE, TimeRange
from tests.property.strategies import NAMED_LABELS, fixed_intervals, intervals, time_ranges, utc_times

MONDAY = 0
TICK = timedelta(microseconds=1)


@given(at=utc_times(), interval=intervals())
def test_floor_finds_the_candle_that_holds_an_instant(at, interval):
    """A candle holds its open time and stops just short of its close time."""
    time = interval.floor(at)
    assert time <= at < interval.close_of(time)


@given(at=utc_times(), interval=intervals())
def test_every_instant_of_a_candle_leads_to_it(at, interval):
    """The open time and the last microsecond lie in the same candle; the close time opens the next: they tile."""
    time = interval.floor(at)
    close_time = interval.close_of(time)
    assert interval.floor(time) == time
    assert interval.floor(close_time - TICK) == time
    assert interval.floor(close_time) == close_time
    assert interval.floor(time - TICK) < time


@given(at=utc_times(), interval=intervals())
def test_a_candle_is_made_of_whole_minutes(at, interval):
    """Open and close lie on minutes, the count between them is right, and no candle is longer than the longest."""
    time = interval.floor(at)
    assert (time - EPOCH) % MINUTE == timedelta(0)
    assert time + interval.n_minutes(time) * MINUTE == interval.close_of(time)
    assert interval.close_of(time) - time <= interval.longest


@given(at=utc_times(), interval=fixed_intervals())
def test_fixed_intervals_count_from_the_epoch(at, interval):
    """Time = epoch + k times the interval."""
    assert (interval.floor(at) - EPOCH) % (interval.minutes * MINUTE) == timedelta(0)


@given(minutes=time_ranges(), interval=intervals())
def test_cover_is_the_smallest_range_of_whole_candles(minutes, interval):
    """It holds the range, its ends are opens, and neither end can be drawn in."""
    cover = interval.cover(minutes)
    assert cover.start <= minutes.start
    assert minutes.end <= cover.end
    assert interval.floor(cover.start) == cover.start
    assert interval.floor(cover.end) == cover.end
    assert interval.close_of(cover.start) > minutes.start
    assert interval.floor(cover.end - TICK) < minutes.end


@given(minutes=time_ranges(max_minutes=20_000), interval=intervals())
def test_opens_tile_the_cover(minutes, interval):
    """The candles of a cover follow each other without gap or overlap from its start to its end."""
    cover = interval.cover(minutes)
    opens = interval.opens(cover)
    assert opens[0] == cover.start
    assert [interval.close_of(time) for time in opens] == [*opens[1:], cover.end]


@given(minutes=time_ranges(max_minutes=20_000), interval=intervals())
def test_opens_are_those_inside_the_range(minutes, interval):
    """Half-open: a candle that opens at the start counts, one that opens at the end does not."""
    covered = interval.opens(interval.cover(minutes))
    assert interval.opens(minutes) == [time for time in covered if time in minutes]


@given(at=utc_times())
def test_148m_is_exactly_four_37m(at):
    """The long strategy's candle is made of four whole candles of the short one."""
    long, short = parse_interval("148m"), parse_interval("37m")
    time = long.floor(at)
    opens = short.opens(TimeRange(time, long.close_of(time)))
    assert len(opens) == 4
    assert opens[0] == time
    assert short.close_of(opens[-1]) == long.close_of(time)


@given(at=utc_times())
def test_weeks_start_on_monday_and_months_on_the_first(at):
    """As the exchange's own candles do."""
    week, month = parse_interval("1w").floor(at), parse_interval("1M").floor(at)
    assert week.weekday() == MONDAY
    assert (month.year, month.month, month.day) == (at.year, at.month, 1)
    for time in (week, month):
        assert (time.hour, time.minute, time.second, time.microsecond) == (0, 0, 0, 0)


@given(interval=intervals())
def test_a_label_reads_back(interval):
    """The canonical label names the same interval."""
    assert parse_interval(interval.label) == interval


def sample_instants():
    """Return the same 500 instants in every run, microseconds and both sides of the epoch among them."""
    chance = random.Random(37)
    first, last = datetime(1965, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
    return [first + chance.random() * (last - first) for _ in range(500)]


async def test_postgresql_agrees(server_url):
    """The database's `date_bin` from the epoch, and its weeks and months, put an instant into the same candle."""
    instants = sample_instants()
    connection = await asyncpg.connect(server_url, server_settings={"timezone": "UTC"})
    try:
        for label in NAMED_LABELS:
            interval = parse_interval(label)
            expression = {"1w": "date_trunc('week', t)", "1M": "date_trunc('month', t)"}.get(
                label, f"date_bin('{interval.minutes} minutes', t, timestamptz 'epoch')"
            )
            rows = await connection.fetch(
                f"SELECT {expression} FROM unnest($1::timestamptz[]) WITH ORDINALITY AS given(t, n) ORDER BY n",
                instants,
            )
            assert [row[0] for row in rows] == [interval.floor(instant) for instant in instants], label
    finally:
        await connection.close()
