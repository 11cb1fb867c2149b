"""What a run is asked to do in a month: the candles that the month owns, closed by now, and touched."""

from datetime import UTC, datetime

import pytest

from btc_assets.partitions import Partition, build_partitions
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.partitions import month_range
from btc_store.settings import project_root, read_config

LATER = datetime(2030, 1, 1, tzinfo=UTC)
MARCH = month_range(datetime(2021, 3, 1, tzinfo=UTC))


def at(day, hour=0, minute=0, month=3):
    """Return an instant of 2021."""
    return datetime(2021, month, day, hour, minute, tzinfo=UTC)


def march(touched=None):
    """Return the partition of March 2021."""
    return Partition("2021-03-01|BTC", "BTC", MARCH, touched)


def test_a_whole_month_is_what_it_owns():
    """Without a word on what was touched, everything that closes in the month is derived."""
    (span,) = march().spans(parse_interval("1d"), now=LATER)
    assert span == TimeRange(at(1), at(1, month=4))
    (weeks,) = march().spans(parse_interval("1w"), now=LATER)
    # The week of 22 February closes on 1 March at midnight, the end of February: February's.
    assert weeks == TimeRange(at(1), at(29))


def test_candles_that_are_not_closed_wait():
    """What closes later than now is not derived; before the month begins there is nothing."""
    (span,) = march().spans(parse_interval("1d"), now=at(10, 12))
    assert span == TimeRange(at(1), at(10))
    assert march().spans(parse_interval("1d"), now=at(28, month=2)) == []


def test_touched_minutes_are_covered_by_whole_candles():
    """A touched minute derives the candle that holds it, clipped to the month."""
    touched = {"1d": [TimeRange(at(5, 7), at(5, 8)), TimeRange(at(5, 20), at(6, 1))]}
    assert march(touched).spans(parse_interval("1d"), now=LATER) == [TimeRange(at(5), at(7))]
    assert march(touched).spans(parse_interval("1h"), now=LATER) == []


def test_the_last_candle_of_a_month_may_belong_to_the_next():
    """A 37m candle that closes after midnight is the next month's."""
    interval = parse_interval("37m")
    minute = TimeRange(at(31, 23, 59), at(1, month=4))
    april = Partition("2021-04-01|BTC", "BTC", month_range(at(1, month=4)), {"37m": [minute]})
    assert march({"37m": [minute]}).spans(interval, now=LATER) == []
    assert april.spans(interval, now=LATER) == [interval.cover(minute)]


@pytest.mark.parametrize("name", ["month", "symbol"])
def test_partitions_have_two_dimensions(name):
    """Every month from history_start on, for every symbol."""
    partitions = build_partitions(read_config(project_root() / "config.yaml"))
    assert name in {dimension.name for dimension in partitions.partitions_defs}
    assert "2021-03-01|BTC" in partitions.get_partition_keys()
