"""The tags by which a run is told what to derive."""

import random
from datetime import UTC, datetime

from btc_core.model.timerange import MINUTE, TimeRange, merge_ranges
from btc_core.partitions import months_of
from sensors.requests import RANGE_END, RANGE_START, coarsen, partition_range_tags, touched_of, touched_tag

START = datetime(2024, 12, 31, 23, tzinfo=UTC)


def span(first, last):
    """Return the range between two minutes."""
    return TimeRange(START + first * MINUTE, START + last * MINUTE)


def test_months_become_a_range_of_partitions():
    """First and last month, with the symbol, as Dagster names partitions of two dimensions."""
    tags = partition_range_tags("BTC", months_of(span(0, 90)))
    assert tags == {RANGE_START: "2024-12-01|BTC", RANGE_END: "2025-01-01|BTC"}


def test_what_was_touched_comes_back():
    """A tag says to the run what the sensor meant; without one everything is meant."""
    touched = {"37m": [span(0, 5), span(9, 12)], "1d": [span(0, 600)]}
    assert touched_of(touched_tag(touched)) == touched
    assert touched_of({}) is None


def test_many_ranges_become_few_that_cover_them():
    """The smallest holes are closed first; nothing that was touched is left out."""
    chance = random.Random(1)
    ranges = merge_ranges([span(i, i + 1) for i in chance.sample(range(100_000), 400)])
    few = coarsen(ranges, 50)
    assert len(few) == 50
    assert all(any(each.start <= item.start and item.end <= each.end for each in few) for item in ranges)
    assert coarsen(few, 50) == few
    assert coarsen([span(0, 1), span(2, 3), span(90, 91)], 2) == [span(0, 3), span(90, 91)]
