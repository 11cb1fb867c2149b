"""Values of the domain for property tests: instants, intervals, ranges."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from btc_core.model.interval import Interval, parse_interval
from btc_core.model.timerange import EPOCH, TimeRange

# Before any candle and after any that we shall see; weeks and months on both sides of the epoch.
FIRST_TIME = datetime(1960, 1, 1)
LAST_TIME = datetime(2100, 1, 1)
FIRST_MINUTE = -5_000_000
LAST_MINUTE = 68_000_000

# Those of config.yaml, and some that divide neither an hour nor a day.
NAMED_LABELS = (
    *("1m", "3m", "5m", "15m", "30m", "37m", "1h", "2h", "148m", "4h", "8h", "12h", "1d", "3d", "1w", "1M"),
    *("7m", "11h", "5d", "7d", "365d"),
)


def utc_times() -> st.SearchStrategy[datetime]:
    """Aware UTC instants, to the microsecond."""
    return st.datetimes(min_value=FIRST_TIME, max_value=LAST_TIME, timezones=st.just(UTC))


def minute_times() -> st.SearchStrategy[datetime]:
    """Starts of minutes: the open times of 1m candles."""
    return st.integers(FIRST_MINUTE, LAST_MINUTE).map(lambda n: EPOCH + timedelta(minutes=n))


def fixed_intervals() -> st.SearchStrategy[Interval]:
    """Intervals that count from the epoch: ``<n>m``, ``<n>h``, ``<n>d``."""
    labels = st.one_of(
        st.sampled_from([label for label in NAMED_LABELS if label[-1] not in "wM"]),
        st.integers(1, 3000).map("{}m".format),
        st.integers(1, 200).map("{}h".format),
        st.integers(1, 365).map("{}d".format),
    )
    return labels.map(parse_interval)


def intervals() -> st.SearchStrategy[Interval]:
    """Intervals of every kind, week and month among them."""
    return st.one_of(fixed_intervals(), st.sampled_from(["1w", "1M"]).map(parse_interval))


@st.composite
def time_ranges(draw: st.DrawFn, *, max_minutes: int = 100_000) -> TimeRange:
    """Ranges of whole minutes."""
    start = draw(minute_times())
    return TimeRange(start, start + timedelta(minutes=draw(st.integers(1, max_minutes))))
