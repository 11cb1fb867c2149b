"""Law 3: months split the grid of every interval exactly, and what was touched is split without loss or overlap."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from btc_assets.partitions import Partition
from btc_core.model.timerange import MINUTE, TimeRange, merge_ranges
from btc_core.partitions import candles_closed_in, month_of, month_range, months_of
from tests.property.strategies import intervals, time_ranges, utc_times

LATER = datetime(2200, 1, 1, tzinfo=UTC)


@given(at=utc_times(), interval=intervals(), n_months=st.integers(1, 30))
def test_months_split_the_grid_exactly(at, interval, n_months):
    """Each candle that closes in a row of months is owned by one of them: the one with its last minute."""
    months = [month_range(at)]
    while len(months) < n_months:
        months.append(month_range(months[-1].end))
    owned = [(month, each) for month in months if (each := candles_closed_in(month, interval))]
    assert all(left.end == right.start for (_, left), (_, right) in pairwise(owned))
    for month, each in owned:
        for time in (each.start, interval.floor(each.end - MINUTE)):
            close = interval.close_of(time)
            assert month.start < close <= month.end
            assert month_of(close) == month == month_range(close - MINUTE)
    whole = candles_closed_in(TimeRange(months[0].start, months[-1].end), interval)
    assert whole == (TimeRange(owned[0][1].start, owned[-1][1].end) if owned else None)


@given(at=utc_times(), interval=intervals())
def test_a_month_reads_little_before_and_nothing_after_itself(at, interval):
    """Its candles reach back by less than one interval, and never over the month's end."""
    month = month_range(at)
    owned = candles_closed_in(month, interval)
    if owned:
        assert interval.floor(month.start) == owned.start > month.start - interval.longest
        assert owned.end <= month.end
        assert interval.close_of(owned.end) > month.end


@given(minutes=time_ranges(max_minutes=200_000))
def test_months_of_a_range_cover_it(minutes):
    """Consecutive months from the one of the first minute to the one of the last."""
    months = months_of(minutes)
    assert minutes.start in months[0]
    assert minutes.end - MINUTE in months[-1]
    assert all(left.end == right.start for left, right in pairwise(months))


@given(
    interval=intervals(),
    start=utc_times(),
    spans=st.lists(st.tuples(st.integers(0, 150_000), st.integers(1, 60_000)), min_size=1, max_size=6),
    now=st.one_of(st.just(LATER), st.integers(0, 250_000)),
)
def test_touched_minutes_are_split_between_months(interval, start, spans, now):
    """The months together derive each closed candle that holds a touched minute, once, and no other."""
    origin = month_range(start).start
    touched = merge_ranges([TimeRange(origin + n * MINUTE, origin + (n + length) * MINUTE) for n, length in spans])
    now = now if isinstance(now, datetime) else origin + now * MINUTE + timedelta(seconds=7)
    # The last candle of the touched minutes may close years later, in the month that owns it.
    reach = TimeRange(origin, max(interval.cover(each).end for each in touched))
    derived = [
        time
        for month in months_of(reach)
        for part in Partition("key", "BTC", month, {interval.label: touched}).spans(interval, now=now)
        for time in interval.opens(part)
    ]
    expected = {time for each in touched for time in interval.opens(interval.cover(each))}
    assert derived == sorted(time for time in expected if interval.close_of(time) <= now)


@given(interval=intervals(), at=utc_times())
def test_an_untouched_month_is_derived_whole(interval, at):
    """Without a tag a run derives all that the month owns; an interval that is not in the tag, nothing."""
    month = month_range(at)
    owned = candles_closed_in(month, interval)
    assert Partition("key", "BTC", month, None).spans(interval, now=LATER) == ([owned] if owned else [])
    assert Partition("key", "BTC", month, {}).spans(interval, now=LATER) == []
    assert Partition("key", "BTC", month, None).spans(interval, now=month.start) == []
