"""What a run is told survives its tags, and covers what changed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core.model.timerange import MINUTE, TimeRange, merge_ranges
from btc_core.partitions import months_of
from btc_core.pending import MAX_RANGES, coarsen
from sensors.requests import partition_range_tags, touched_of, touched_tag

START = datetime(2025, 1, 1, tzinfo=UTC)


def span(first, end):
    """Return the minutes from the first to before the end."""
    return TimeRange(START + first * MINUTE, START + end * MINUTE)


ranges = st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 20)), min_size=1, max_size=120).map(
    lambda pairs: merge_ranges([span(first, first + n) for first, n in pairs])
)


@given(spans=ranges, most=st.integers(1, 60))
def test_few_ranges_cover_what_many_do(spans, most):
    """At most so many, ascending and apart; all that was in stays in; few enough are left as they are."""
    kept = coarsen(spans, most)
    assert len(kept) == min(len(spans), most)
    assert kept == merge_ranges(kept)
    assert all(any(span.clip(each) == span for each in kept) for span in spans)
    assert (kept[0].start, kept[-1].end) == (spans[0].start, spans[-1].end)


def test_the_smallest_gaps_are_closed_first():
    """What lies far apart is kept apart: as little as possible is derived for nothing."""
    spans = [span(0, 1), span(2, 3), span(100, 101), span(103, 104), span(900, 901)]
    assert coarsen(spans, 3) == [span(0, 3), span(100, 104), span(900, 901)]


@given(touched=st.dictionaries(st.sampled_from(["37m", "1h", "1M"]), ranges))
def test_a_tag_reads_back(touched):
    """Each interval's ranges, taken together where there are many."""
    assert touched_of(touched_tag(touched)) == {label: coarsen(each, MAX_RANGES) for label, each in touched.items()}


def test_a_tag_can_be_read_in_a_list_of_runs():
    """Intervals of which the same minutes changed are named once; an instant within a minute keeps its digits."""
    odd = TimeRange(START, START + timedelta(seconds=90, microseconds=5))
    touched = {"3m": [span(0, 3)], "37m": [span(0, 3)], "1d": [odd]}
    assert touched_tag(touched) == {
        "btc/touched": '{"3m 37m": "2025-01-01T00:00Z/2025-01-01T00:03Z", '
        '"1d": "2025-01-01T00:00Z/2025-01-01T00:01:30.000005Z"}'
    }
    assert touched_of(touched_tag(touched)) == touched


def test_a_run_without_the_tag_is_asked_for_everything():
    """A backfill of Dagster's own has none."""
    assert touched_of({"dagster/partition": "x"}) is None


@pytest.mark.parametrize(
    ("minutes", "first", "last"),
    [(span(0, 1), "2025-01-01|BTC", "2025-01-01|BTC"), (span(-1, 60_000), "2024-12-01|BTC", "2025-02-01|BTC")],
)
def test_a_range_of_partitions_is_named_by_its_ends(minutes, first, last):
    """As Dagster's backfills of a range are."""
    assert partition_range_tags("BTC", months_of(minutes)) == {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
    }
